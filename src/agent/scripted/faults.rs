//! The faults that the built-in agent can show: what a careless, broken or hostile agent does.

use std::io::BufRead as _;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use super::args::Args;
use super::hands::{git, read, run, tool, write};
use super::play::After;
use super::script::Step;
use super::stage::Stage;
use crate::core::plan::Checklist;

const CHUNK_BYTES: u64 = 64 * 1024;

/// Shows one fault. Steps that are no faults do nothing here.
pub(super) fn perform(step: &Step, args: &Args, stage: &mut Stage) -> Result<After, String> {
    match step {
        Step::Signal(number) => {
            let signal = rustix::process::Signal::from_named_raw(*number)
                .ok_or_else(|| format!("{number} is no signal"))?;
            rustix::process::kill_process(rustix::process::getpid(), signal)
                .map_err(|error| format!("failed to signal myself: {error}"))?;
            // The signal may be one that does not end a process.
        }
        Step::Hang => loop {
            std::thread::park();
        },
        Step::Flood(bytes) => pour(stage, *bytes, b"all work and no play makes a long log\n"),
        Step::EndlessLine(bytes) => pour(stage, *bytes, b"x"),
        Step::Orphan {
            sec,
            pid_file,
            holds_output,
            clean_env,
        } => {
            let record = match pid_file {
                Some(path) => format!("echo $$ > '{}'; ", path.display()),
                None => String::new(),
            };
            // It says that it lives once everything about it is as it will stay, and in a subshell, because a shell
            // redirects for a builtin by changing descriptors of its own for a moment.
            let life = format!(
                "exec 4>&1 >&3 2>&3; {record}(echo started >&4); exec sleep {sec} 3>&- 4>&-"
            );
            orphan(&life, *holds_output, *clean_env)
                .map_err(|error| format!("failed to start an orphan: {error}"))?;
        }
        Step::IgnoreTerm => ignore_term()?,
        Step::CloseStdout => close_stdout()?,
        Step::EditMain { path, text } => {
            let path = primary_checkout()?.join(path);
            tool(stage, "write", &path, || write(&path, text))?;
        }
        Step::TamperPlan => tool(stage, "edit", &args.plan, || {
            let text = read(&args.plan)?;
            let plan = Checklist::parse(&text);
            let victim = plan.tasks().rfind(|task| !task.mark.is_done());
            let line = victim.map(|task| task.line as usize);
            let kept: String = text
                .split_inclusive('\n')
                .enumerate()
                .filter(|(index, _)| Some(index + 1) != line)
                .map(|(_, line)| line)
                .collect();
            write(&args.plan, &kept)
        })?,
        Step::TamperTests(below) => {
            let files = git(["ls-files", "-z", "--"]).arg(below).output();
            let files = files.map_err(|error| format!("failed to list files: {error}"))?;
            for name in files
                .stdout
                .split(|byte| *byte == 0)
                .filter(|name| !name.is_empty())
            {
                let path = std::path::PathBuf::from(String::from_utf8_lossy(name).into_owned());
                tool(stage, "write", &path, || write(&path, ""))?;
            }
            run(stage, git(["add", "-A"]))?;
        }
        Step::Say(_)
        | Step::Complete
        | Step::Verdict { .. }
        | Step::Write { .. }
        | Step::Append { .. }
        | Step::Edit { .. }
        | Step::Delete(_)
        | Step::Tick(_)
        | Step::Commit(_)
        | Step::Git(_)
        | Step::Sh(_)
        | Step::Usage { .. }
        | Step::Raw(_)
        | Step::Stderr(_)
        | Step::SleepMs(_)
        | Step::End(_)
        | Step::Limit { .. }
        | Step::Auth
        | Step::NoSession
        | Step::Exit(_)
        | Step::Lie => {}
    }
    Ok(After::Next)
}

/// Prints `bytes` bytes made of `pattern`; stops when nobody reads them.
fn pour(stage: &mut Stage, bytes: u64, pattern: &[u8]) {
    let chunk: Vec<u8> = pattern
        .iter()
        .copied()
        .cycle()
        .take(CHUNK_BYTES as usize / pattern.len() * pattern.len())
        .collect();
    let mut left = bytes;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        if !stage.raw(chunk.get(..now).unwrap_or_default()) {
            return;
        }
        left -= now as u64;
    }
    stage.raw(b"\n");
}

/// Starts `life` in a session of its own and returns once it lives. What it holds open travels as the starter's standard
/// input, since its output is where it says that it lives.
fn orphan(life: &str, holds_output: bool, clean_env: bool) -> std::io::Result<()> {
    let mut shell = Command::new("/bin/sh");
    shell.args([
        "-c",
        "exec 3<&0; setsid /bin/sh -c \"$1\" &",
        "orphan",
        life,
    ]);
    if clean_env {
        shell.env_clear().env("PATH", "/usr/bin:/bin");
    }
    shell.stdin(if holds_output {
        Stdio::from(std::io::stdout().as_fd().try_clone_to_owned()?)
    } else {
        Stdio::null()
    });
    let mut child = shell.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        std::io::BufReader::new(output).read_line(&mut said)?;
    }
    let status = child.wait()?;
    if said.is_empty() {
        return Err(std::io::Error::other(format!(
            "it ended before it was under way; its starter: {status}"
        )));
    }
    Ok(())
}

/// A handler that does nothing stays installed for good, also when its runtime is gone.
fn ignore_term() -> Result<(), String> {
    let install = || -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let _entered = runtime.enter();
        drop(tokio::signal::unix::signal(
            tokio::signal::unix::SignalKind::terminate(),
        )?);
        Ok(())
    };
    install().map_err(|error| format!("failed to ignore SIGTERM: {error}"))
}

/// For the reader, standard output is at its end.
fn close_stdout() -> Result<(), String> {
    let close = || -> std::io::Result<()> {
        let nothing = std::fs::File::options().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(&nothing)?;
        Ok(())
    };
    close().map_err(|error| format!("failed to close standard output: {error}"))
}

fn primary_checkout() -> Result<std::path::PathBuf, String> {
    let listed = git(["worktree", "list", "--porcelain", "-z"])
        .output()
        .map_err(|error| format!("failed to list worktrees: {error}"))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    listed
        .split('\0')
        .find_map(|field| field.strip_prefix("worktree "))
        .map(std::path::PathBuf::from)
        .ok_or_else(|| "there is no primary checkout here".to_owned())
}
