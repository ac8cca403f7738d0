//! Finds the skills that an agent can be offered, and tells the world which it was. Folders of the workspace are read at the
//! commit that the run started from, so that nothing an agent writes becomes its own instruction; absolute ones, which only
//! the user's own configuration can name, are read where they are. What cannot be used is told and stops nothing. Which
//! skills a task gets, and how much of them, is decided in the core.

use std::path::{Component, Path, PathBuf};

use super::desk::Desk;
use super::prompting::Subject;
use crate::bounded;
use crate::core::run::Trouble;
use crate::core::skills::{
    Asked, Briefing, Chosen, Failed, Limits, Named, Skill, Why, fit, read, select,
};
use crate::core::step;
use crate::effect::git::{self, EntryKind, Oid, Repo};
use crate::prompt::{SkillFacts, TaskFacts};

/// The file that makes a folder a skill.
const FILE: &str = "SKILL.md";
/// A longer one is no written know-how.
const MOST_BYTES: usize = 256 * 1024;
/// Skills that are read; more of them nobody can keep apart.
const MOST_SKILLS: usize = 200;

/// What a prompt says of skills, and what is told of that.
#[derive(Default)]
pub(super) struct Offer {
    pub shown: Vec<SkillFacts>,
    pub left_out: Vec<String>,
    pub briefing: Briefing,
}

#[derive(Default)]
struct Found {
    skills: Vec<Skill>,
    failed: Vec<Failed>,
    /// That there are too many was said.
    full: bool,
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

impl Found {
    fn fail(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let (what, why) = (what.into(), why.into());
        self.failed.push(Failed { what, why });
    }

    /// Whether there is room for one more.
    fn has_room(&mut self, dir: &str) -> bool {
        if self.skills.len() < MOST_SKILLS {
            return true;
        }
        if !std::mem::replace(&mut self.full, true) {
            let why = format!("there are {MOST_SKILLS} skills already; the rest is not read");
            self.fail(dir, why);
        }
        false
    }

    /// Takes the text of a `SKILL.md` in the folder `name`.
    fn take(&mut self, name: &str, path: &str, bytes: Vec<u8>) {
        if bytes.len() > MOST_BYTES {
            return self.fail(path, format!("it is larger than {MOST_BYTES} bytes"));
        }
        let Ok(text) = String::from_utf8(bytes) else {
            return self.fail(path, "it is not UTF-8");
        };
        let said = match read(&text) {
            Ok(said) => said,
            Err(error) => return self.fail(path, error.to_string()),
        };
        let skill = Skill {
            name: said.name.unwrap_or_else(|| name.to_owned()),
            description: said.description,
            path: path.to_owned(),
            body: said.body,
        };
        match self.skills.iter().find(|it| it.name == skill.name) {
            None => self.skills.push(skill),
            // The same skill for several agents is no trouble.
            Some(first)
                if (&first.description, &first.body) == (&skill.description, &skill.body) => {}
            Some(first) => {
                let why = format!("the name `{}` is taken by {}", skill.name, first.path);
                self.fail(path, why);
            }
        }
    }
}

/// Skills in a folder of the workspace, as they were committed.
async fn committed(repo: &Repo, start: &Oid, dir: &str, found: &mut Found) {
    let inside = Path::new(dir).components();
    let dir: PathBuf = inside.filter(|part| *part != Component::CurDir).collect();
    let entries = match git::entries_below(repo, start, &dir).await {
        Ok(entries) => entries,
        Err(error) => return found.fail(dir.display().to_string(), error.to_string()),
    };
    for entry in entries {
        let shown = entry.path.display().to_string();
        let below = entry.path.strip_prefix(&dir).unwrap_or(&entry.path);
        let parts: Vec<&str> = below.iter().filter_map(|part| part.to_str()).collect();
        match (entry.kind, parts.as_slice()) {
            (EntryKind::Link, [] | [_] | [_, FILE]) => {
                found.fail(
                    shown,
                    "it is a symbolic link, which is not followed in a repository",
                );
            }
            (EntryKind::File, [name, FILE]) => {
                if !found.has_room(&dir.display().to_string()) {
                    return;
                }
                match git::show(repo, start, &entry.path).await {
                    Ok(Some(bytes)) => found.take(name, &shown, bytes),
                    Ok(None) => {}
                    Err(error) => found.fail(shown, error.to_string()),
                }
            }
            (EntryKind::File | EntryKind::Link | EntryKind::Other, _) => {}
        }
    }
}

/// Skills in a folder of the user's. Links are the user's own and followed; nothing below a skill is.
fn on_disk(dir: &str, found: &mut Found) {
    let listed = std::fs::read_dir(dir).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut folders: Vec<PathBuf> = match listed {
        Ok(listed) => listed.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => return found.fail(dir, format!("failed to list it: {error}")),
    };
    folders.sort();
    for folder in folders {
        let file = folder.join(FILE);
        let shown = file.display().to_string();
        let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        // A folder without the file is no skill.
        let Ok(meta) = std::fs::metadata(&file) else {
            continue;
        };
        if !found.has_room(dir) {
            return;
        }
        // No device that never ends, and no pipe that nobody writes to.
        if !meta.is_file() {
            found.fail(shown, "it is not a file");
            continue;
        }
        match bounded::read(&file, MOST_BYTES) {
            Ok(bytes) => found.take(name, &shown, bytes),
            Err(error) => found.fail(shown, format!("failed to read it: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, folder: &str) {
        let folder = dir.join(folder);
        std::fs::create_dir_all(&folder).expect("a directory");
        let text = format!("---\nname: {name}\ndescription: Know-how\n---\nDo {name}.\n");
        std::fs::write(folder.join(FILE), text).expect("a file");
    }

    fn found_in(dirs: &[&Path]) -> Found {
        let mut found = Found::default();
        for dir in dirs {
            on_disk(&dir.display().to_string(), &mut found);
        }
        found
    }

    #[test]
    fn more_skills_than_anybody_keeps_apart_are_not_read_and_that_is_told_once() {
        let dirs = [(), ()].map(|()| tempfile::tempdir().expect("a directory"));
        for n in 0..MOST_SKILLS {
            write(dirs[0].path(), &format!("skill-{n}"), &format!("{n:03}"));
        }
        let found = found_in(&[dirs[0].path()]);
        assert_eq!((found.skills.len(), found.failed.len()), (MOST_SKILLS, 0));
        for n in MOST_SKILLS..MOST_SKILLS + 3 {
            write(dirs[1].path(), &format!("skill-{n}"), &format!("{n:03}"));
        }
        write(dirs[0].path(), "last", "last");
        let found = found_in(&[dirs[0].path(), dirs[1].path()]);
        assert_eq!(found.skills.len(), MOST_SKILLS);
        let [failed] = &found.failed[..] else {
            panic!("told once: {:?}", found.failed);
        };
        assert_eq!(failed.what, dirs[0].path().display().to_string());
        assert!(failed.why.contains("there are 200 skills"), "{failed:?}");
    }

    #[test]
    fn the_same_skill_for_several_agents_is_no_trouble_and_another_of_its_name_is() {
        let dirs = [(), ()].map(|()| tempfile::tempdir().expect("a directory"));
        write(dirs[0].path(), "carving", "carving");
        write(dirs[1].path(), "carving", "the-same");
        let found = found_in(&[dirs[0].path(), dirs[1].path()]);
        assert_eq!((found.skills.len(), found.failed.len()), (1, 0));
        let other = dirs[1].path().join("the-same").join(FILE);
        let text = "---\nname: carving\ndescription: Know-how\n---\nDo it otherwise.\n";
        std::fs::write(&other, text).expect("a file");
        let found = found_in(&[dirs[0].path(), dirs[1].path()]);
        assert_eq!((found.skills.len(), found.failed.len()), (1, 1));
    }
}
