//! One call of an agent, as a step: the prompt is written, the agent works under a keeper, and its stream becomes a
//! report and a transcript. What the report means for the run is decided elsewhere; git is looked at by the callers.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::environment::Environment;
use super::sandbox;
use super::step::{self, Outcome};
use super::trouble::{io_trouble, trouble};
use crate::agent::{self, AgentSpec, Call, CommandLine, Parser, Report, Role};
use crate::core::run::{Event, ResultClass, Trouble, TroubleKind};
use crate::core::step::Called;
use crate::core::time::Time;
use crate::effect::git;
use crate::effect::keeper::{Command, CommandRecord, ExitRecord, Job, Stderr, Stdin, Stopped};
use crate::store::Artifact;

/// Lines of the transcript that `.tail.txt` holds.
const TAIL_LINES: usize = 200;
/// The file in a step's directory that its [`Begin`] is written to.
const BEGIN: &str = "begin.json";
/// Bytes of standard error that the parser looks at.
const STDERR_TAIL: u64 = 64 * 1024;

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
        std::fs::write(&prompt_file, &prompt)
            .map_err(io_trouble(format!("write {}", prompt_file.display())))?;
        let scene = Scene {
            role,
            resumes: begin.called.resumes.clone(),
            new_session: begin.named.clone(),
            cwd: PathBuf::from(&desk.worktree()?.path),
            marker: step::marker(desk),
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

/// What an agent is called for, and where it works.
pub(super) struct Scene {
    pub role: Role,
    /// The session to go on with, or the name for a new one.
    pub resumes: Option<String>,
    pub new_session: Option<String>,
    pub cwd: PathBuf,
    /// Carried by every process of it.
    pub marker: String,
    /// Held by its keeper: nobody else works there meanwhile.
    pub lock: PathBuf,
}

/// The job of one call of the agent, and the agent's version where it tells one.
pub(super) async fn job(
    desk: &Desk<'_>,
    spec: &AgentSpec,
    scene: Scene,
    dir: &Path,
    prompt_file: PathBuf,
) -> Result<(Job, Option<String>), Trouble> {
    let Scene {
        role,
        resumes,
        new_session,
        cwd,
        marker,
        lock,
    } = scene;
    let state_dir = desk.files.state_dir();
    crate::effect::files::private_dir(&state_dir)
        .map_err(io_trouble(format!("make {}", state_dir.display())))?;
    let model = match role {
        Role::Implement => desk.config.model.clone(),
        Role::Review | Role::Postmortem => desk
            .config
            .review_model
            .clone()
            .or(desk.config.model.clone()),
    };
    let held_to_schema = role == Role::Review && spec.gives_verdict_by_schema();
    let verdict_schema_file = held_to_schema.then(|| dir.join("verdict-schema.json"));
    if let Some(path) = &verdict_schema_file {
        std::fs::write(path, agent::verdict::SCHEMA)
            .map_err(io_trouble(format!("write {}", path.display())))?;
    }
    let line = spec.command(&Call {
        role,
        model,
        prompt_file,
        plan: cwd.join(&desk.order.run.spec.plan_path),
        iteration: desk.facts().iteration,
        resume: resumes,
        new_session,
        verdict_schema_file,
        state_dir,
        self_exe: desk.world.self_exe.clone(),
        root: rustix::process::geteuid().is_root(),
        max_turns: None,
        max_cost_usd: None,
    })?;
    let mut env = environment(desk, &line)?;
    let seen = env.entries();
    let versions = &desk.world.versions;
    let version = versions.of(spec, &line.program, &cwd, &seen).await;
    match role {
        Role::Implement | Role::Review => {
            let repo = desk.repo().await?;
            for (name, value) in git::author_fallback(&repo, &desk.git_worktree()?, &seen).await? {
                env.set(name, value);
            }
        }
        // It commits nothing.
        Role::Postmortem => {}
    }
    let sandbox = match role {
        Role::Implement | Role::Review => sandbox::of_agent(desk, spec, &mut env).await?,
        Role::Postmortem => sandbox::of_analysis(desk, spec, &mut env, &cwd).await?,
    };
    let stdin = stdin(&line);
    let argv = std::iter::once(line.program)
        .chain(line.args)
        .map(Into::into)
        .collect();
    let job = Job {
        marker,
        commands: vec![Command {
            argv,
            cwd: cwd.into(),
            env: env.into_entries(),
            stdin,
            stdout: dir.join("output").into(),
            stderr: Stderr::File(dir.join("stderr").into()),
            timeout_ms: Some(desk.config.agent_timeout_sec.saturating_mul(1000)),
            idle_timeout_ms: match desk.config.agent_idle_timeout_sec {
                0 => None,
                sec => Some(sec.saturating_mul(1000)),
            },
            max_output_bytes: desk.config.max_output_bytes,
        }],
        stop_on_failure: false,
        grace_ms: desk.config.stop_grace_sec.saturating_mul(1000),
        worktree_lock: Some(lock.into()),
        sandbox,
    };
    Ok((job, version))
}

/// What the agent may see of the daemon's environment, and what is set for it.
pub(super) fn environment(desk: &Desk<'_>, line: &CommandLine) -> Result<Environment, Trouble> {
    let pass = desk.config.env_pass.iter().chain(&line.pass);
    let pass: Vec<String> = pass.cloned().collect();
    let mut env = Environment::of(&desk.world.environment, &pass)?;
    for (name, value) in &line.env {
        env.set(name, value.clone());
    }
    Ok(env)
}

/// The agent's standard input, as a keeper takes it.
pub(super) fn stdin(line: &CommandLine) -> Stdin {
    match &line.stdin {
        agent::Stdin::Null => Stdin::Null,
        agent::Stdin::File(path) => Stdin::File(path.clone().into()),
    }
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

/// What the agent said in `dir`, with the end of the transcript that is written beside it.
pub(super) async fn hear(
    spec: &AgentSpec,
    dir: &Path,
    record: &CommandRecord,
    now: Time,
) -> Result<(Report, String), Trouble> {
    let parser = Parser::new(spec.dialect());
    let (dir, heard) = (dir.to_owned(), record.clone());
    let reading = tokio::task::spawn_blocking(move || read_stream(parser, &dir, &heard, now)).await;
    let (mut report, tail) = match reading {
        Ok(read) => read?,
        Err(panic) => {
            return Err(trouble(
                TroubleKind::Transient,
                "internal",
                format!("a bug in loopd: reading the agent's output failed: {panic}"),
            ));
        }
    };
    if let Some(why) = &record.not_started {
        report.class = ResultClass::Refused;
        report.message = format!(
            "agent `{}`: {why}; name another with --agent, or its command in [agents.{0}]",
            spec.name()
        );
    }
    Ok((report, tail))
}

/// Parses the whole stream, writing the transcript beside it. Repeats from the start after a crash.
fn read_stream(
    mut parser: Parser,
    dir: &Path,
    record: &CommandRecord,
    now: Time,
) -> Result<(Report, String), Trouble> {
    let path = dir.join("transcript.txt");
    let told = || io_trouble(format!("write {}", path.display()));
    let mut transcript = BufWriter::new(File::create(&path).map_err(told())?);
    let mut tail: VecDeque<String> = VecDeque::new();
    let mut failed = None;
    let mut take = |event: agent::Event| {
        let Some(text) = agent::render(&event) else {
            return;
        };
        if let Err(error) = writeln!(transcript, "{text}") {
            failed.get_or_insert(error);
        }
        for line in text.lines() {
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line.to_owned());
        }
    };
    if let Ok(mut output) = File::open(dir.join("output")) {
        let mut chunk = vec![0; 256 * 1024];
        loop {
            match output.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => parser.feed(&chunk[..n], &mut take),
                Err(error) => return Err(io_trouble("read the agent's output")(error)),
            }
        }
    }
    let exit = agent::Exit {
        code: record.exit_code,
        signal: record.signal,
        timed_out: record.stopped == Some(Stopped::TimedOut),
        idle: record.stopped == Some(Stopped::Idle),
        canceled: record.stopped == Some(Stopped::Canceled),
    };
    let clock = agent::Clock {
        now,
        utc_offset_sec: utc_offset_sec(now),
    };
    let report = parser.finish(&exit, &end_of(&dir.join("stderr")), clock, &mut take);
    if let Some(error) = failed {
        return Err(told()(error));
    }
    transcript.flush().map_err(told())?;
    let tail: Vec<String> = tail.into();
    Ok((report, tail.join("\n") + "\n"))
}

/// Agents print reset times in local time.
fn utc_offset_sec(now: Time) -> i32 {
    jiff::Timestamp::from_millisecond(now.0)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).offset().seconds())
        .unwrap_or(0)
}

fn end_of(path: &Path) -> String {
    use std::io::{Seek as _, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(STDERR_TAIL)))?;
        let mut bytes = Vec::new();
        file.take(STDERR_TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // Without it only the wording of a cause is poorer.
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
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

pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Trouble> {
    let text = serde_json::to_vec(value)
        .map_err(|e| trouble(TroubleKind::Permanent, "internal", e.to_string()))?;
    // Whole or not at all: what is read again after a crash must never be half a file.
    let dir = path.parent().unwrap_or(Path::new("."));
    let put = || {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    put()
        .map(|_| ())
        .map_err(io_trouble(format!("write {}", path.display())))
}

pub(super) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Trouble> {
    let text = std::fs::read(path).map_err(io_trouble(format!("read {}", path.display())))?;
    serde_json::from_slice(&text).map_err(|error| {
        trouble(
            TroubleKind::Permanent,
            "step_unreadable",
            format!("failed to read {}: {error}", path.display()),
        )
    })
}
