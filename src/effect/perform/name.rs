//! Asks a model for the run's name, before there is a branch that carries it: one call of Claude Code with all its tools
//! taken away, under a keeper, in an empty directory, for a minute at most. Whatever goes wrong, the run keeps the name of
//! its spec and is told why; nothing here holds or fails it. What a name may be is `core::run::name_in`'s business.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::snapshot::snapshot_files;
use super::step::{self, Outcome};
use super::trouble::{io_trouble, trouble};
use super::worktree::{collide, merge_target};
use super::{Done, Order, agent_job, agent_step, hearing, sandbox, step_rest};
use crate::agent::{AgentSpec, Call, Report, Role};
use crate::core::run::{
    Event, MergeStrategy, Naming, ResultClass, Trouble, TroubleKind, Usage, name_in,
};
use crate::effect::files::private_dir;
use crate::effect::git::{self, Repo};
use crate::effect::keeper::{Command, Job, Stderr};
use crate::effect::private;
use crate::prompt;
use crate::store::Found;

/// Who is asked where the run's own agent cannot be.
const ASKED: &str = "claude";
/// The model that is asked where none is configured, as Claude Code calls it.
const MODEL: &str = "haiku";
/// How long a name is waited for; less, where an agent's call may not take that long.
const PATIENCE_SEC: u64 = 60;
/// Bytes kept of what is said: its head and its tail.
const MOST_OUTPUT: u64 = 1024 * 1024;
/// So many names of one kind are tried (`login`, `login-2` …) before the run goes without.
const ALIKE: u32 = 9;

/// The directory of the call: in that of the step that it goes ahead of.
pub(super) fn dir(desk: &Desk<'_>) -> PathBuf {
    desk.step_dir().join("naming")
}

/// Asks for the name.
pub(super) async fn name(desk: &Desk<'_>, stop: &CancellationToken) -> Result<Done, Trouble> {
    let spec = asked(desk)?;
    let dir = dir(desk);
    let outcome = step::ahead(desk, &dir, stop, async |dir| job(desk, &spec, dir).await).await?;
    let record = match outcome {
        Outcome::Exited(record) => record.commands.into_iter().next().unwrap_or_default(),
        Outcome::Lost => {
            let why = "the call for a name was ended before there was an answer".to_owned();
            return Ok(told(desk.order, None, why, Usage::default()));
        }
        Outcome::LetGo if desk.world.stopping.is_cancelled() => {
            return Ok(Done::again("the daemon is ending"));
        }
        Outcome::LetGo => return Ok(Done::nothing("told to stop")),
    };
    let (report, _) = hearing::hear(&spec, &dir, &record, desk.now()).await?;
    let usage = report.usage;
    let done = match answer(desk, &report).await? {
        Ok(name) => {
            let by = format!("made up by {} ({})", spec.name(), model(desk));
            told(desk.order, Some(name), by, usage)
        }
        Err(why) => told(desk.order, None, why, usage),
    };
    Ok(done)
}

/// The run keeps its name; nothing is known of what was used.
pub(super) fn none(order: &Order, why: &str) -> Done {
    told(order, None, why.to_owned(), Usage::default())
}

fn told(order: &Order, name: Option<String>, message: String, usage: Usage) -> Done {
    let run = &order.run;
    match &name {
        Some(name) => tracing::info!(run = %run.id, name, message, "named"),
        None => {
            tracing::warn!(run = %run.id, name = run.name(), message, "no model has named the run; it keeps the name of its spec");
        }
    }
    let outcome = name.clone().unwrap_or_else(|| message.clone());
    let event = Event::Named {
        generation: order.effect.generation,
        naming: Naming { name, message },
        usage,
    };
    Done::event(event, outcome)
}

/// The run's own agent where it can be asked without tools, else Claude Code as the configuration has it.
fn asked(desk: &Desk<'_>) -> Result<AgentSpec, Trouble> {
    let own = desk.facts().agent(&desk.order.run.spec.agent);
    let own = agent_step::agent_of(desk, own)?;
    if own.can_answer() {
        return Ok(own);
    }
    agent_step::agent_of(desk, ASKED)
}

fn model<'a>(desk: &'a Desk<'_>) -> &'a str {
    desk.config.run_naming_model.as_deref().unwrap_or(MODEL)
}

fn patience_sec(agent_timeout_sec: u64) -> u64 {
    PATIENCE_SEC.min(agent_timeout_sec)
}

async fn job(desk: &Desk<'_>, spec: &AgentSpec, dir: &Path) -> Result<Job, Trouble> {
    let (prompt_file, scratch) = (dir.join("prompt.txt"), dir.join("scratch"));
    let run = &desk.order.run;
    let text = spec_text(desk, &desk.repo().await?).await?;
    let question = prompt::naming(&run.spec.spec_path, &text);
    private::write(&prompt_file, question)
        .map_err(io_trouble(format!("write {}", prompt_file.display())))?;
    private_dir(&scratch).map_err(io_trouble(format!("make {}", scratch.display())))?;
    let line = spec.question(&Call {
        role: Role::Review,
        model: Some(model(desk).to_owned()),
        prompt_file,
        plan: scratch.join(&run.spec.plan_path),
        iteration: 0,
        resume: None,
        new_session: None,
        verdict_schema_file: None,
        state_dir: scratch.clone(),
        self_exe: desk.world.self_exe.clone(),
        root: rustix::process::geteuid().is_root(),
        max_turns: None,
        max_cost_usd: None,
    })?;
    let Some(line) = line else {
        return Err(trouble(
            TroubleKind::Permanent,
            "agent_unusable",
            format!(
                "the agent `{}` cannot be asked for a name without its tools; define [agents.{ASKED}] as Claude Code, or set run_naming_mode = \"spec_slug\"",
                spec.name()
            ),
        ));
    };
    let mut env = agent_job::environment(desk, &line)?;
    let sandbox = sandbox::of_question(desk, spec, &mut env, &scratch).await?;
    let stdin = agent_job::stdin(&line);
    let argv = std::iter::once(line.program).chain(line.args);
    let patience = patience_sec(desk.config.agent_timeout_sec);
    Ok(Job {
        marker: step_rest::marker(desk),
        commands: vec![Command {
            argv: argv.map(Into::into).collect(),
            cwd: scratch.into(),
            env: env.into_entries(),
            stdin,
            stdout: dir.join("output").into(),
            stderr: Stderr::File(dir.join("stderr").into()),
            timeout_ms: Some(patience.saturating_mul(1000)),
            idle_timeout_ms: None,
            max_output_bytes: MOST_OUTPUT,
        }],
        grace_ms: desk.config.stop_grace_sec.saturating_mul(1000),
        worktree_lock: None,
        sandbox,
    })
}

/// The spec as the run will find it: kept at its creation, or at the base.
async fn spec_text(desk: &Desk<'_>, repo: &Repo) -> Result<String, Trouble> {
    let spec = &desk.order.run.spec;
    let kept = snapshot_files(desk, repo).await?;
    if let Some((_, bytes)) = kept.first() {
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    let base = match spec.base_branch.as_deref() {
        Some(name) => git::named_base(repo, name).await?,
        None => git::default_base(repo).await?,
    };
    let text = desk.text_at(repo, &base.commit, &spec.spec_path).await?;
    // The run will say that it is gone; until then its path is all that there is to go by.
    Ok(text.unwrap_or_default())
}

/// The name that was answered and that the run can have; or why there is none.
async fn answer(desk: &Desk<'_>, report: &Report) -> Result<Result<String, String>, Trouble> {
    if report.class != ResultClass::Done {
        return Ok(Err(match report.message.as_str() {
            "" => format!("the call for a name ended as {}", report.class.as_str()),
            why => why.to_owned(),
        }));
    }
    let name = match name_in(&report.final_message) {
        Ok(name) => name,
        Err(why) => return Ok(Err(format!("the answer is no name: {why}"))),
    };
    for n in 1..=ALIKE {
        let name = match n {
            1 => name.clone(),
            _ => format!("{name}-{n}"),
        };
        if is_free(desk, &name).await? {
            return Ok(Ok(name));
        }
    }
    Ok(Err(format!("`{name}` and its like are taken")))
}

/// Whether no other run is called so, and the merge target leaves room for the branch. Other branches are looked at when
/// this one is made.
async fn is_free(desk: &Desk<'_>, name: &str) -> Result<bool, Trouble> {
    let run = &desk.order.run;
    let branch = format!("{}{name}", run.spec.run_branch_prefix);
    let merges = run.facts.terms.merge_strategy != MergeStrategy::None;
    if merges && collide(&branch, &merge_target(&run.spec)) {
        return Ok(false);
    }
    Ok(match desk.world.reader.find(name).await? {
        Found::None => true,
        Found::One(found) => found == run.id,
        Found::Ambiguous(_) => false,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_is_worth_a_minute_and_no_more_than_an_agents_call() {
        assert_eq!(super::patience_sec(3600), 60);
        assert_eq!(super::patience_sec(5), 5);
    }
}
