//! Playing a turn: what each step does. The faults have a file of their own.

use std::fs;
use std::process::Command;

use super::args::Args;
use super::faults;
use super::hands::{edit, git, read, run, tick, tool, write};
use super::script::{Script, Step, Turn};
use super::stage::Stage;
use super::state::Played;
use crate::agent::driver::Role;
use crate::agent::event::{End, Event, Scope};
use crate::agent::fault::Fault;
use crate::agent::reset::Reset;
use crate::agent::text::one_line;
use crate::core::plan::{Checklist, TOKEN};

/// What a step leads to.
pub(super) enum After {
    /// The next step.
    Next,
    /// A result, and the end.
    End(End),
    /// The end without a result.
    Exit(i32),
}

/// Plays the turn of this call; its exit status.
pub(super) fn play(args: &Args, stage: &mut Stage) -> Result<i32, String> {
    let prompt = fs::read(&args.prompt_file)
        .map_err(|error| format!("failed to read {}: {error}", args.prompt_file.display()))?;
    let prompt = String::from_utf8_lossy(&prompt);
    let script = match &args.script {
        Some(path) => Script::load(path).map_err(|error| error.to_string())?,
        None => Script {
            then: super::script::Then::Default,
            turns: Vec::new(),
        },
    };
    let mut played = Played::load(&args.state_dir)?;
    let turn = script.choose(args, &prompt, &mut played);
    played.save(&args.state_dir)?;

    stage.emit(&Event::Session {
        id: match &args.resume {
            Some(session) => session.clone(),
            None => format!("scripted-{}", played.calls()),
        },
    });
    stage.emit(&Event::Model {
        name: "scripted".to_owned(),
    });
    let steps = match turn {
        Some(Turn { steps, .. }) => steps.clone(),
        None => unscripted(args)?,
    };
    let mut end = End::Done;
    for step in &steps {
        match perform(step, args, stage) {
            Ok(After::Next) => {}
            Ok(After::End(how)) => {
                end = how;
                break;
            }
            Ok(After::Exit(code)) => return Ok(code),
            Err(message) => {
                end = End::Failed {
                    fault: Fault::Other,
                    message,
                };
                break;
            }
        }
    }
    let code = match &end {
        End::Done => 0,
        End::MaxTurns | End::Budget | End::Failed { .. } => 1,
    };
    stage.emit(&Event::Result {
        end,
        message: stage.said(),
    });
    Ok(code)
}

/// What is done without a script.
fn unscripted(args: &Args) -> Result<Vec<Step>, String> {
    match args.role {
        Role::Implement => {}
        Role::Review => {
            return Ok(vec![Step::Verdict {
                approved: true,
                findings: "The change does what its task says.".to_owned(),
            }]);
        }
        Role::Postmortem => {
            let report =
                "# Postmortem\n\nThe run did what its plan says; run/summary.md shows how.";
            return Ok(vec![Step::Say(report.to_owned())]);
        }
    }
    let plan = Checklist::parse(&read(&args.plan)?);
    let pending = plan.tasks().filter(|task| !task.mark.is_done()).count();
    let Some(task) = plan.next_task() else {
        return Ok(vec![if pending == 0 {
            Step::Complete
        } else {
            Step::Say("Only blocked tasks are left.".to_owned())
        }]);
    };
    let mut steps = vec![
        Step::Tick("next".to_owned()),
        Step::Commit(format!("Do: {}", one_line(&task.text))),
    ];
    if pending == 1 {
        steps.push(Step::Complete);
    }
    Ok(steps)
}

fn perform(step: &Step, args: &Args, stage: &mut Stage) -> Result<After, String> {
    match step {
        Step::Say(text) => stage.emit(&Event::Text { text: text.clone() }),
        Step::Complete => say(stage, &format!("All tasks are done.\n\n{TOKEN}")),
        Step::Verdict { approved, findings } => {
            let verdict = if *approved {
                "APPROVED"
            } else {
                "CHANGES REQUESTED"
            };
            say(stage, format!("{findings}\n\n{verdict}").trim_start());
        }
        Step::Write { path, text } => tool(stage, "write", path, || write(path, text))?,
        Step::Append { path, text } => tool(stage, "append", path, || {
            write(path, &(read(path).unwrap_or_default() + text))
        })?,
        Step::Edit {
            path,
            find,
            replace,
        } => tool(stage, "edit", path, || edit(path, find, replace))?,
        Step::Delete(path) => tool(stage, "delete", path, || {
            fs::remove_file(path)
                .map_err(|error| format!("failed to delete {}: {error}", path.display()))
        })?,
        Step::Tick(which) => tool(stage, "tick", &args.plan, || tick(&args.plan, which))?,
        Step::Commit(message) => {
            run(stage, git(["add", "-A"]))?;
            run(stage, git(["commit", "-q", "-m", message]))?;
        }
        Step::Git(arguments) => run(stage, git(arguments))?,
        Step::Sh(command) => {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", command]);
            // A command that fails is no fault of the agent: it is told, and the next step follows.
            if let Err(message) = run(stage, shell) {
                stage.emit(&Event::Error { message });
            }
        }
        Step::Usage {
            input_tokens,
            output_tokens,
            cost_usd,
        } => stage.emit(&Event::Usage {
            input_tokens: *input_tokens,
            output_tokens: *output_tokens,
            cost_usd: *cost_usd,
            scope: Scope::Request,
        }),
        Step::Raw(line) => {
            stage.raw(format!("{line}\n").as_bytes());
        }
        Step::Stderr(line) => eprintln!("{line}"),
        Step::SleepMs(ms) => std::thread::sleep(std::time::Duration::from_millis(*ms)),
        Step::End(end) => return Ok(After::End(end.clone())),
        Step::Limit { resets_in_sec } => {
            return Ok(After::End(End::Failed {
                fault: Fault::Limited {
                    reset: resets_in_sec.map_or(Reset::Unknown, |sec| Reset::After { sec }),
                },
                message: "the script's quota is used up".to_owned(),
            }));
        }
        Step::Auth => {
            return Ok(After::End(End::Failed {
                fault: Fault::Auth,
                message: "401 the script has no credentials".to_owned(),
            }));
        }
        Step::NoSession => {
            if let Some(session) = &args.resume {
                return Ok(After::End(End::Failed {
                    fault: Fault::NoSession,
                    message: format!("the script has no session {session}"),
                }));
            }
        }
        Step::Exit(code) => return Ok(After::Exit(*code)),
        Step::Lie => say(
            stage,
            &format!("The task is done, and so are all others.\n\n{TOKEN}"),
        ),
        Step::Signal(_)
        | Step::Hang
        | Step::Flood(_)
        | Step::EndlessLine(_)
        | Step::Orphan { .. }
        | Step::IgnoreTerm
        | Step::CloseStdout
        | Step::EditMain { .. }
        | Step::TamperPlan
        | Step::TamperTests(_) => return faults::perform(step, args, stage),
    }
    Ok(After::Next)
}

fn say(stage: &mut Stage, text: &str) {
    stage.emit(&Event::Text {
        text: text.to_owned(),
    });
}
