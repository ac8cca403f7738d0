//! What an agent is offered of skills, and telling the world which it was. Those of the workspace are read at the commit that
//! the run started from, so that nothing an agent writes becomes its own instruction; absolute folders, which only the
//! user's own configuration can name, are read where they are. What cannot be used is told and stops nothing. How they are
//! found is in `skill_files`; which skills a task gets, and how much of them, is decided in the core.

use std::path::Path;

use super::desk::Desk;
use super::prompt_facts::Subject;
use super::skill_files::{Found, committed, on_disk};
use crate::core::run::Trouble;
use crate::core::skills::{
    Asked, Briefing, Chosen, Failed, Limits, Named, Skill, Why, fit, select,
};
use crate::core::step;
use crate::effect::git::{Oid, Repo};
use crate::prompt::{SkillFacts, TaskFacts};

/// What a prompt says of skills, and what is told of that.
#[derive(Default)]
pub(super) struct Offer {
    pub shown: Vec<SkillFacts>,
    pub left_out: Vec<String>,
    pub briefing: Briefing,
}

/// Finds, selects and fits; nothing where skills are not enabled.
pub(super) async fn offer(
    subject: &Subject<'_>,
    repo: &Repo,
    start: &Oid,
    task: Option<&TaskFacts>,
    spec: &str,
) -> Offer {
    let config = subject.config;
    if !config.skills_enabled {
        return Offer::default();
    }
    let mut found = Found::default();
    for dir in &config.skills_dirs {
        if Path::new(dir).is_absolute() {
            on_disk(dir, &mut found);
        } else {
            committed(repo, start, dir, &mut found).await;
        }
    }
    let asked = Asked {
        task: task.map(|task| task.text.as_str()),
        section: task.and_then(|task| task.section.as_deref()),
        spec,
    };
    put_together(found, asked)
}

fn put_together(found: Found, asked: Asked<'_>) -> Offer {
    let Found {
        skills, mut failed, ..
    } = found;
    let selection = select(&skills, asked);
    for name in &selection.unknown {
        let known: Vec<&str> = skills.iter().map(|it| it.name.as_str()).take(20).collect();
        failed.push(Failed {
            what: format!("skill: {name}"),
            why: match known.as_slice() {
                [] => "no skill has this name, and none was found".to_owned(),
                known => format!("no skill has this name; there are {}", known.join(", ")),
            },
        });
    }
    let selected: Vec<&Skill> = selection.picked.iter().map(|it| it.skill).collect();
    let is_selected = |skill: &&Skill| selected.iter().any(|it| it.name == skill.name);
    let others: Vec<&Skill> = skills.iter().filter(|it| !is_selected(it)).collect();
    let fitted = fit(&selected, &others, Limits::default());
    let shown = fitted.shown.into_iter().map(|it| SkillFacts {
        name: it.named.name,
        path: it.named.path,
        hint: it.description,
        text: it.text,
    });
    let named = |skill: &Skill| Named {
        name: skill.name.clone(),
        path: skill.path.clone(),
    };
    let mut discovered: Vec<Named> = skills.iter().map(named).collect();
    discovered.sort_by(|a, b| a.name.cmp(&b.name));
    let chosen = |skill: &Skill, why: &Why| Chosen {
        name: skill.name.clone(),
        path: skill.path.clone(),
        why: why.words(),
    };
    let picked = selection.picked.iter();
    let briefing = Briefing {
        discovered,
        selected: picked.map(|it| chosen(it.skill, &it.why)).collect(),
        failed,
        cut: fitted.cut,
        left_out: fitted.left_out.clone(),
        ..Briefing::default()
    };
    Offer {
        shown: shown.collect(),
        left_out: fitted.left_out,
        briefing,
    }
}

/// Stores with the order's step what its agent is told of skills, and tells the world what is new of it.
pub(super) async fn tell(desk: &Desk<'_>, mut briefing: Briefing) -> Result<(), Trouble> {
    if briefing == Briefing::default() {
        return Ok(());
    }
    let steps = desk.world.reader.steps(&desk.order.run.id).await?;
    let own = desk.order.effect.step_id.as_ref();
    let before = steps.into_iter().rev().filter(|step| Some(&step.id) != own);
    let before = before.filter_map(|step| step.facts.briefing).next();
    briefing.compare(before.as_ref());
    if let Some(report) = desk.step_report(step::Event::Briefed { briefing }) {
        // A repeat after a restart finds it stored, and tells nothing.
        let told = desk.world.writer.step_event(report, desk.now()).await?;
        desk.world.tell(&told);
    }
    Ok(())
}
