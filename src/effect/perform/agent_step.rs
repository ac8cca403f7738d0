//! One call of an agent, as a step: the prompt is written, the agent works under a keeper, and its stream becomes a
//! report and a transcript. Not here: the command and its surroundings (`agent_job`), reading the stream (`hearing`), what
//! the report means for the run; git is looked at by the callers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::agent_job::{Scene, job};
use super::desk::Desk;
use super::hearing::hear;
use super::note::{read_json, write_json};
use super::step::{self, Outcome};
use super::step_rest;
use super::trouble::io_trouble;
use crate::agent::{self, AgentSpec, Report, Role};
use crate::core::run::{Event, ResultClass, Trouble};
use crate::core::step::Called;
use crate::effect::keeper::{CommandRecord, ExitRecord};
use crate::effect::private;
use crate::store::Artifact;

/// The file in a step's directory that its [`Begin`] is written to.
const BEGIN: &str = "begin.json";

/// How the work stood when the step began.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Opening {
    /// The run branch's tip.
    pub head: String,
    /// The task that was selected; `None` to mend, to confirm or to review.
    pub task: Option<String>,
}

/// What was known when the step began; written before the agent starts, read again when it has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Begin {
    /// How the work stood.
    #[serde(flatten)]
    pub opening: Opening,
    /// The agent, and the session that it goes on with.
    pub called: Called,
    /// The name that its new session was given.
    pub named: Option<String>,
}

impl Begin {
    /// The session that a later call can go on with, given the one that the agent told.
    pub(super) fn session(&self, spec: &AgentSpec, told: Option<&String>) -> Option<String> {
        let given = self.called.resumes.as_ref().or(self.named.as_ref());
        let given = given.filter(|_| spec.is_named_sessions());
        told.or(given).filter(|_| spec.can_resume()).cloned()
    }
}

/// What was written of the step's begin; `None` for a step that has none.
pub(super) fn read_begin(dir: &Path) -> Result<Option<Begin>, Trouble> {
    let path = dir.join(BEGIN);
    path.exists().then(|| read_json(&path)).transpose()
}

/// What an agent's call came to.
pub(super) struct Heard {
    pub begin: Begin,
    pub report: Report,
    /// The session that a later call can go on with.
    pub session: Option<String>,
    pub record: CommandRecord,
    /// Processes that outlived the agent and were ended.
    pub left_behind: Vec<String>,
    pub artifacts: Vec<Artifact>,
    pub log_path: PathBuf,
}

/// How a call ended.
pub(super) enum Calling {
    Heard(Box<Heard>),
    Lost,
    LetGo,
}

/// Calls the agent for `role`, or takes up the call that is under way. `prepare` makes the prompt when there is none yet;
/// it is told whether the agent goes on with an earlier session.
pub(super) async fn call(
    desk: &Desk<'_>,
    role: Role,
    stop: &CancellationToken,
    prepare: impl AsyncFnOnce(bool) -> Result<(Opening, String), Trouble>,
) -> Result<Calling, Trouble> {
    let spec = agent_of(desk, desk.facts().agent(&desk.order.run.spec.agent))?;
    let outcome = step::drive(desk, stop, async |dir: &Path| {
        let resumes = desk.facts().resumes.as_ref().map(|it| it.id.clone());
        let resumes = resumes.filter(|_| spec.can_resume());
        let (opening, prompt) = prepare(resumes.is_some()).await?;
        let mut begin = Begin {
            opening,
            named: (resumes.is_none() && spec.is_named_sessions())
                .then(|| uuid::Uuid::now_v7().to_string()),
            called: Called {
                name: spec.name().to_owned(),
                dialect: spec.dialect().as_str().to_owned(),
                version: None,
                resumes,
            },
        };
        let prompt_file = dir.join("prompt.txt");
        private::write(&prompt_file, &prompt)
            .map_err(io_trouble(format!("write {}", prompt_file.display())))?;
        let scene = Scene {
            role,
            resumes: begin.called.resumes.clone(),
            new_session: begin.named.clone(),
            cwd: PathBuf::from(&desk.worktree()?.path),
            marker: step_rest::marker(desk),
            lock: desk.files.worktree_lock(),
        };
        let (job, version) = job(desk, &spec, scene, dir, prompt_file).await?;
        begin.called.version = version;
        write_json(&dir.join(BEGIN), &begin)?;
        Ok(job)
    })
    .await?;
    let record = match outcome {
        Outcome::Exited(record) => record,
        Outcome::Lost => return Ok(Calling::Lost),
        Outcome::LetGo => return Ok(Calling::LetGo),
    };
    let dir = desk.step_dir();
    let begin: Begin = read_json(&dir.join(BEGIN))?;
    let heard = listen(desk, role, &spec, begin, record, &dir).await?;
    Ok(Calling::Heard(Box::new(heard)))
}

/// Whether the run's present agent gives the verdict of a review by schema.
pub(super) fn gives_verdict_by_schema(desk: &Desk<'_>) -> bool {
    let spec = agent_of(desk, desk.facts().agent(&desk.order.run.spec.agent));
    spec.is_ok_and(|spec| spec.gives_verdict_by_schema())
}

/// The agent of this name, as the run's configuration has it.
pub(super) fn agent_of(desk: &Desk<'_>, name: &str) -> Result<AgentSpec, Trouble> {
    Ok(agent::resolve(name, &desk.config.agents)?)
}

async fn listen(
    desk: &Desk<'_>,
    role: Role,
    spec: &AgentSpec,
    begin: Begin,
    exit: ExitRecord,
    dir: &Path,
) -> Result<Heard, Trouble> {
    let record = exit.commands.first().cloned().unwrap_or_default();
    let iteration = desk.facts().iteration;
    let (name, prompt_name) = match role {
        Role::Implement => (format!("iter-{iteration:02}-impl"), "prompt.txt"),
        Role::Review => (format!("iter-{iteration:02}-review"), "review-prompt.txt"),
        Role::Postmortem => ("analysis/agent".to_owned(), "analysis/prompt.txt"),
    };
    let now = desk.now();
    let (report, tail) = hear(spec, dir, &record, now).await?;
    let mut artifacts = desk
        .files
        .adopt("stream", &format!("{name}.jsonl"), &dir.join("output"), now)
        .await;
    let (log_name, transcript) = (format!("{name}.log"), dir.join("transcript.txt"));
    let log = desk.files.adopt("log", &log_name, &transcript, now);
    artifacts.extend(log.await);
    artifacts.extend(
        desk.files
            .write("tail", &format!("{name}.tail.txt"), tail.as_bytes(), now)
            .await,
    );
    // The short words of a further try are with its step; here stands what the agent was told of its work.
    if begin.called.resumes.is_none() {
        artifacts.extend(
            desk.files
                .adopt("prompt", prompt_name, &dir.join("prompt.txt"), now)
                .await,
        );
    }
    Ok(Heard {
        session: begin.session(spec, report.session.as_ref()),
        begin,
        report,
        record,
        left_behind: exit.left_behind,
        artifacts,
        log_path: desk.files.path(&format!("{name}.log")),
    })
}

/// What the step is told of an agent's end: whether another try follows is the machine's own answer to the event.
pub(super) fn step_event(
    desk: &Desk<'_>,
    event: &Event,
    report: &Report,
    record: &CommandRecord,
) -> crate::core::step::Event {
    use crate::core::step::Event as Step;
    let exit_code = record.exit_code;
    let message = report.message.clone();
    match report.class {
        ResultClass::Done | ResultClass::MaxTurns | ResultClass::Budget => {
            Step::Succeeded { exit_code }
        }
        ResultClass::Canceled => Step::Canceled { exit_code, message },
        ResultClass::Limited { .. }
        | ResultClass::Auth
        | ResultClass::Refused
        | ResultClass::SessionGone
        | ResultClass::Crashed
        | ResultClass::TimedOut => {
            let run = &desk.order.run;
            let answer = crate::core::run::step(run.state, &run.facts, event, desk.now());
            match answer {
                crate::core::machine::Outcome::Moved(moved)
                    if matches!(moved.answer, Some("again" | "afresh")) =>
                {
                    Step::Retried { exit_code, message }
                }
                crate::core::machine::Outcome::Moved(_)
                | crate::core::machine::Outcome::Ignored(_)
                | crate::core::machine::Outcome::Refused(_) => Step::Failed { exit_code, message },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn begun(resumes: Option<&str>, named: Option<&str>) -> Begin {
        Begin {
            opening: Opening {
                head: String::new(),
                task: None,
            },
            called: Called {
                name: String::new(),
                dialect: String::new(),
                version: None,
                resumes: resumes.map(str::to_owned),
            },
            named: named.map(str::to_owned),
        }
    }

    #[test]
    fn a_session_is_the_one_that_was_told_and_only_a_given_name_needs_no_telling() {
        let codex = agent::resolve("codex", &BTreeMap::new()).expect("a known agent");
        let told = "told".to_owned();
        let resumed = begun(Some("earlier"), None);
        assert_eq!(resumed.session(&codex, Some(&told)), Some(told));
        // What it told nothing of may be gone.
        assert_eq!(resumed.session(&codex, None), None);

        let definition = crate::config::AgentDefinition {
            command: Some("mine".to_owned()),
            args: vec!["{session}".to_owned()],
            ..crate::config::AgentDefinition::default()
        };
        let own = BTreeMap::from([("mine".to_owned(), definition)]);
        let mine = agent::resolve("mine", &own).expect("an agent");
        let named = begun(None, Some("given"));
        assert_eq!(named.session(&mine, None).as_deref(), Some("given"));
        assert_eq!(resumed.session(&mine, None).as_deref(), Some("earlier"));
    }
}
