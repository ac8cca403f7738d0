//! Lets the agent of an ended run explain it. It works under a keeper like any step, in a scratch copy of the run's files and
//! in no checkout, and one run at a time: a repeat after a restart takes up what an earlier daemon began. It is ended, and
//! begun again later, when its run has something else to do or its daemon ends. What it is given to look at is `scratch`'s
//! business.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::agent_job::{self, Scene};
use super::desk::{Desk, oid};
use super::trouble::{io_trouble, trouble};
use super::{agent_step, hearing};
use super::{prompting, scratch};
use crate::agent::{AgentSpec, Role};
use crate::core::run::{ResultClass, Trouble, TroubleKind, Usage};
use crate::crash::Place;
use crate::effect::files::{Records, private_dir};
use crate::effect::keeper::{self, Ended, ExitRecord, Found, Handle};
use crate::effect::private;
use crate::store::Artifact;

/// Attempts of one analysis whose keeper was killed, before it is given up.
const LOST_AT_MOST: u32 = 5;

/// What became of the agent's part.
pub(super) enum Told {
    /// There is nothing that an agent could look at.
    Nothing,
    /// It wrote this.
    Report(String, Usage),
    /// It wrote nothing of use, and why.
    Failed(String, Usage),
    /// Another analysis still works; ask again.
    Busy,
    /// It was ended, or never begun: the run has something else to do, or the daemon ends.
    LetGo,
}

/// Lets the agent explain the run, when it is its turn.
pub(super) async fn explain(
    desk: &Desk<'_>,
    stop: &CancellationToken,
    summary: &str,
    artifacts: &mut Vec<Artifact>,
) -> Result<Told, Trouble> {
    if desk.facts().worktree.is_none() {
        return Ok(Told::Nothing);
    }
    let spec = agent_step::agent_of(desk, desk.facts().agent(&desk.order.run.spec.agent))?;
    // Held until this returns. What is at work already waits for no turn; it takes one, so that others wait for it.
    let mut turn = desk.world.postmortems.try_acquire().ok();
    let mut lost = 0;
    for attempt in 1.. {
        let dir = attempt_dir(desk, attempt);
        let handle = match keeper::find(&dir)? {
            Found::Exited(exit) if exit.refused.is_none() => {
                if exit.canceled {
                    // Also what escaped its keeper is gone before another one begins.
                    end_rest(desk, &dir).await?;
                    continue;
                }
                return hear(desk, &spec, &dir, &exit, artifacts).await;
            }
            Found::Lost => {
                end_rest(desk, &dir).await?;
                lost += 1;
                if lost == LOST_AT_MOST {
                    break;
                }
                continue;
            }
            Found::Alive(handle) => handle,
            Found::NotStarted | Found::Exited(_) => {
                if turn.is_none() {
                    turn = tokio::select! {
                        turn = desk.world.postmortems.acquire() => turn.ok(),
                        () = stop.cancelled() => None,
                    };
                }
                if turn.is_none() || stop.is_cancelled() {
                    return Ok(Told::LetGo);
                }
                begin(desk, &spec, &dir, summary).await?
            }
        };
        match wait(desk, &handle, &dir, stop).await? {
            Some(ExitRecord {
                refused: Some(why), ..
            }) => {
                return Ok(match why.starts_with(keeper::BUSY) {
                    true => Told::Busy,
                    false => Told::Failed(why, Usage::default()),
                });
            }
            Some(exit) if !exit.canceled => {
                return hear(desk, &spec, &dir, &exit, artifacts).await;
            }
            Some(_) | None if stop.is_cancelled() => return Ok(Told::LetGo),
            // Ended by somebody else, or lost.
            Some(_) | None => lost += 1,
        }
        if lost == LOST_AT_MOST {
            break;
        }
    }
    let why = format!(
        "the keeper of the analysis was killed {LOST_AT_MOST} times; look for what kills it (out of memory?), then ask again"
    );
    Ok(Told::Failed(why, Usage::default()))
}

/// Starts the agent in a scratch copy of what there is to look at.
async fn begin(
    desk: &Desk<'_>,
    spec: &AgentSpec,
    dir: &Path,
    summary: &str,
) -> Result<Handle, Trouble> {
    let cwd = dir.join("scratch");
    private_dir(&cwd).map_err(io_trouble(format!("make {}", cwd.display())))?;
    let repo = desk.repo().await?;
    let head = match &desk.facts().head {
        Some(head) => oid(head)?,
        None => oid(&desk.worktree()?.start_commit)?,
    };
    let run_dir = scratch::fill(desk, &repo, &head, &cwd, summary).await?;
    let outcome = Records::outcome_of(&desk.order.run);
    let prompt = prompting::postmortem(desk, &repo, &cwd, &run_dir, outcome).await?;
    let prompt_file = dir.join("prompt.txt");
    private::write(&prompt_file, &prompt)
        .map_err(io_trouble(format!("write {}", prompt_file.display())))?;
    let scene = Scene {
        role: Role::Postmortem,
        resumes: None,
        new_session: None,
        cwd,
        marker: marker(desk),
        // One for all runs: also what an earlier daemon left is waited for.
        lock: desk.world.data_dir.join("postmortem.lock"),
    };
    let (job, _) = agent_job::job(desk, spec, scene, dir, prompt_file).await?;
    let crash = &desk.world.crash;
    crash.pass_on(Place::Calling, "keeper").await;
    let handle = keeper::start(dir, &job, &desk.world.self_exe).await?;
    crash.pass_on(Place::Called, "keeper").await;
    Ok(handle)
}

/// Waits for the end, or makes it when it is asked for; `None` when nobody knows how it ended.
async fn wait(
    desk: &Desk<'_>,
    handle: &Handle,
    dir: &Path,
    stop: &CancellationToken,
) -> Result<Option<ExitRecord>, Trouble> {
    let ended = tokio::select! {
        ended = handle.wait() => ended?,
        () = stop.cancelled() => handle.stop().await?,
    };
    let exit = match ended {
        Ended::Exited(exit) => Some(exit),
        Ended::Lost => None,
    };
    if exit.is_none() || stop.is_cancelled() {
        end_rest(desk, dir).await?;
    }
    Ok(exit)
}

/// Reads what the agent said.
async fn hear(
    desk: &Desk<'_>,
    spec: &AgentSpec,
    dir: &Path,
    exit: &ExitRecord,
    artifacts: &mut Vec<Artifact>,
) -> Result<Told, Trouble> {
    let record = exit.commands.first().cloned().unwrap_or_default();
    let now = desk.now();
    let (report, _) = hearing::hear(spec, dir, &record, now).await?;
    for (name, file) in [
        ("prompt.txt", "prompt.txt"),
        ("agent.log", "transcript.txt"),
    ] {
        let (name, file) = (format!("analysis/{name}"), dir.join(file));
        let adopted = desk.files.adopt("analysis", &name, &file, now);
        artifacts.extend(adopted.await);
    }
    discard(desk, dir);
    let said = report.final_message.trim();
    Ok(match report.class {
        ResultClass::Done | ResultClass::MaxTurns | ResultClass::Budget if !said.is_empty() => {
            Told::Report(said.to_owned(), report.usage)
        }
        ResultClass::Done
        | ResultClass::MaxTurns
        | ResultClass::Budget
        | ResultClass::Limited { .. }
        | ResultClass::Auth
        | ResultClass::Refused
        | ResultClass::SessionGone
        | ResultClass::Crashed
        | ResultClass::TimedOut
        | ResultClass::Canceled => {
            let why = match report.message.as_str() {
                "" => "the agent ended without a word".to_owned(),
                said => said.to_owned(),
            };
            Told::Failed(why, report.usage)
        }
    })
}

/// Makes sure that nothing of this analysis is alive, whichever attempt it is of.
pub(super) async fn end(desk: &Desk<'_>) -> Result<(), Trouble> {
    for attempt in 1.. {
        let dir = attempt_dir(desk, attempt);
        match keeper::find(&dir)? {
            Found::NotStarted => break,
            Found::Exited(_) | Found::Lost => {}
            Found::Alive(handle) => {
                // However the keeper ended, what may be left is looked for below.
                let _ = handle.stop().await?;
            }
        }
        end_rest(desk, &dir).await?;
    }
    Ok(())
}

/// Ends what is left of an attempt whose keeper is gone, or of one that was told to stop.
async fn end_rest(desk: &Desk<'_>, dir: &Path) -> Result<(), Trouble> {
    let reaped = keeper::reap_survivors(dir, &marker(desk)).await?;
    if reaped.survivors.is_empty() {
        discard(desk, dir);
        return Ok(());
    }
    let message = format!(
        "processes of the analysis are another user's and cannot be ended: {}; end them by hand",
        reaped.survivors.join(", ")
    );
    Err(trouble(
        TroubleKind::NeedsPerson,
        "processes_survive",
        message,
    ))
}

/// Throws the scratch copy away: what it was made of is where it was.
fn discard(desk: &Desk<'_>, dir: &Path) {
    match std::fs::remove_dir_all(dir.join("scratch")) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(run = %desk.order.run.id, %error, "failed to remove the scratch copy of an analysis");
        }
    }
}

/// Where an attempt of this analysis has its files.
fn attempt_dir(desk: &Desk<'_>, attempt: u32) -> PathBuf {
    let name = format!("{}.{attempt}", desk.order.effect.id.0);
    desk.files.postmortem_dir(&name)
}

/// The entry that marks every process of this analysis.
fn marker(desk: &Desk<'_>) -> String {
    let (run, effect) = (&desk.order.run.id, desk.order.effect.id.0);
    keeper::marker(&format!("{run}.postmortem.{effect}"))
}
