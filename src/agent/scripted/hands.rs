//! The built-in agent's hands: files, commands and git, each told as a tool.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::stage::Stage;
use crate::agent::event::Event;
use crate::agent::text::one_line;
use crate::core::plan::{Checklist, Mark, set_mark};

/// Does something to a file, and tells it as a tool.
pub(super) fn tool(
    stage: &mut Stage,
    name: &str,
    path: &Path,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    stage.emit(&Event::Tool {
        name: name.to_owned(),
        summary: one_line(&path.display().to_string()),
    });
    let done = work();
    stage.emit(&Event::ToolResult {
        ok: done.is_ok(),
        summary: done
            .as_ref()
            .err()
            .map(|error| one_line(error))
            .unwrap_or_default(),
    });
    done
}

/// Runs a command to its end, and tells it as a tool.
pub(super) fn run(stage: &mut Stage, mut command: Command) -> Result<(), String> {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let line = one_line(&words.join(" "));
    stage.emit(&Event::Tool {
        name: "shell".to_owned(),
        summary: line.clone(),
    });
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("failed to run {line}: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = one_line(&String::from_utf8_lossy(&said));
    stage.emit(&Event::ToolResult {
        ok: output.status.success(),
        summary: said.clone(),
    });
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{line}: {}: {said}", output.status))
    }
}

/// git, with an author of its own where the machine has none.
pub(super) fn git<I, S>(arguments: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<std::ffi::OsStr>,
{
    let mut git = Command::new("git");
    for (name, value) in [
        ("GIT_AUTHOR_NAME", "scripted agent"),
        ("GIT_AUTHOR_EMAIL", "scripted@localhost"),
        ("GIT_COMMITTER_NAME", "scripted agent"),
        ("GIT_COMMITTER_EMAIL", "scripted@localhost"),
    ] {
        if std::env::var_os(name).is_none() {
            git.env(name, value);
        }
    }
    git.args(arguments);
    git
}

pub(super) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("failed to read {}: {error}", path.display()))
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    let above = path
        .parent()
        .filter(|above| !above.as_os_str().is_empty())
        .map_or(Ok(()), fs::create_dir_all);
    above
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("failed to write {}: {error}", path.display()))
}

pub(super) fn edit(path: &Path, find: &str, replace: &str) -> Result<(), String> {
    let text = read(path)?;
    if !text.contains(find) {
        return Err(format!("{} does not contain {find:?}", path.display()));
    }
    write(path, &text.replacen(find, replace, 1))
}

pub(super) fn tick(plan: &Path, which: &str) -> Result<(), String> {
    let text = read(plan)?;
    let tasks = Checklist::parse(&text);
    let task = if which == "next" {
        tasks.next_task()
    } else {
        tasks
            .tasks()
            .find(|task| !task.mark.is_done() && task.text.contains(which))
    };
    let ticked = task.and_then(|task| set_mark(&text, task, Mark::Implemented));
    match ticked {
        Some(ticked) => write(plan, &ticked),
        None => Err(format!("{} has no pending task {which:?}", plan.display())),
    }
}
