//! A step under a keeper, whatever it runs: started once, adopted after a restart, ended when it has to be. A repeat of
//! this for one step finds what the first time began.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::agent_step;
use super::desk::Desk;
use super::session;
use super::trouble::{io_trouble, trouble};
use crate::core::run::{Event, Left, StepId, Trouble, TroubleKind};
use crate::core::step::{self, Confined, Confinement};
use crate::crash::Place;
use crate::effect::files::private_dir;
use crate::effect::git;
use crate::effect::is_read_only;
use crate::effect::keeper::{self, Ended, ExitRecord, Found, Handle, Job, KeeperRecord, Reaped};

use super::Done;
use crate::store::StepReport;

/// How long a store that could not take something is left in peace.
const RETRY: Duration = Duration::from_secs(1);

/// What there is of a job, once it was begun or found.
enum Begun {
    /// Its keeper works.
    Works(Handle),
    /// It has ended before.
    Exited(ExitRecord),
    /// Its keeper is gone without a record.
    Lost,
    /// Nothing was begun, because it was told to stop.
    LetGo,
}

/// How a step came to its end, as far as its performer is concerned.
pub(super) enum Outcome {
    /// Its commands have ended, and everything that they started.
    Exited(ExitRecord),
    /// Nothing of it is left, and nobody knows how it ended.
    Lost,
    /// It was told to stop. By its run: the `stop_step` effect makes sure that it is gone. With its daemon: it is gone.
    LetGo,
}

/// Runs the step's job, or takes up the step that is already there. `prepare` is asked for the job only when nothing has
/// been started yet.
pub(super) async fn drive(
    desk: &Desk<'_>,
    stop: &CancellationToken,
    prepare: impl AsyncFnOnce(&Path) -> Result<Job, Trouble>,
) -> Result<Outcome, Trouble> {
    let dir = desk.step_dir();
    let handle = match begin(desk, &dir, stop, prepare).await? {
        Begun::Exited(record) => {
            // Perhaps nobody lived to tell that it had begun; what never began cannot have succeeded.
            tell_begun(desk, &dir).await?;
            drop_stale_locks(desk).await;
            writable(desk)?;
            return Ok(exited(desk, record, stop));
        }
        Begun::Lost => {
            end_rest(desk, &dir).await?;
            return Ok(Outcome::Lost);
        }
        Begun::LetGo => return Ok(Outcome::LetGo),
        Begun::Works(handle) => handle,
    };
    tell_begun(desk, &dir).await?;
    wait(desk, &dir, handle, stop).await
}

/// Does a job ahead of the step, in a directory of its own: nobody is told of it, and it leaves nothing behind.
pub(super) async fn ahead(
    desk: &Desk<'_>,
    dir: &Path,
    stop: &CancellationToken,
    prepare: impl AsyncFnOnce(&Path) -> Result<Job, Trouble>,
) -> Result<Outcome, Trouble> {
    match begin(desk, dir, stop, prepare).await? {
        Begun::Works(handle) => wait(desk, dir, handle, stop).await,
        Begun::Exited(record) => Ok(exited(desk, record, stop)),
        Begun::Lost => {
            end_rest(desk, dir).await?;
            Ok(Outcome::Lost)
        }
        Begun::LetGo => Ok(Outcome::LetGo),
    }
}

/// Starts the keeper of a job in `dir`, or finds the one that is or was there. `prepare` is asked only when there is none.
async fn begin(
    desk: &Desk<'_>,
    dir: &Path,
    stop: &CancellationToken,
    prepare: impl AsyncFnOnce(&Path) -> Result<Job, Trouble>,
) -> Result<Begun, Trouble> {
    if let Some(begun) = begun_before(dir)? {
        return Ok(begun);
    }
    // Its directory may be gone, and its keeper and agent be alive all the same.
    if keeper::has_strays(of_run(desk)).await? {
        // A keeper that was just coming up is on record by the time its agent is seen.
        if let Some(begun) = begun_before(dir)? {
            return Ok(begun);
        }
        end_strays(desk).await?;
        return Ok(Begun::Lost);
    }
    if stop.is_cancelled() {
        return Ok(Begun::LetGo);
    }
    writable(desk)?;
    private_dir(dir).map_err(io_trouble(format!("make {}", dir.display())))?;
    let job = prepare(dir).await?;
    if stop.is_cancelled() {
        return Ok(Begun::LetGo);
    }
    let crash = &desk.world.crash;
    crash.pass_on(Place::Calling, "keeper").await;
    let handle = keeper::start(dir, &job, &desk.world.self_exe).await?;
    crash.pass_on(Place::Called, "keeper").await;
    Ok(Begun::Works(handle))
}

/// What the step's directory knows of a job that was begun; a refused one was not.
fn begun_before(dir: &Path) -> Result<Option<Begun>, Trouble> {
    Ok(match keeper::find(dir)? {
        Found::Exited(record) if record.refused.is_none() => Some(Begun::Exited(record)),
        Found::Lost => Some(Begun::Lost),
        Found::Alive(handle) => Some(Begun::Works(handle)),
        Found::NotStarted | Found::Exited(_) => None,
    })
}

/// A place that every step has to write is read-only: no step is begun, and what one has come to that was at work just then
/// says nothing of the work.
fn writable(desk: &Desk<'_>) -> Result<(), Trouble> {
    let worktree = desk.facts().worktree.as_ref();
    let places = [
        Some(desk.world.data_dir.as_path()),
        Some(Path::new(&desk.order.run.spec.workspace_key)),
        worktree.map(|it| Path::new(&it.path)),
    ];
    match places.into_iter().flatten().find(|it| is_read_only(it)) {
        None => Ok(()),
        Some(place) => Err(trouble(
            TroubleKind::ReadOnly,
            "read_only",
            format!(
                "{} is on a file system that is mounted read-only",
                place.display()
            ),
        )),
    }
}

/// How far the keeper says that it confines its commands; and the log is told.
fn confinement(desk: &Desk<'_>, dir: &Path) -> Result<Option<Confinement>, Trouble> {
    let found = KeeperRecord::read(dir)?.and_then(|record| record.confinement);
    let (run, step) = (&desk.order.run.id, desk.generation());
    if let Some(Confinement {
        level,
        landlock_abi,
        lacks,
    }) = &found
    {
        match level {
            Confined::Off => {
                tracing::info!(%run, step, "the step is not confined (sandbox = \"off\")")
            }
            Confined::Full => tracing::info!(%run, step, landlock_abi, "the step is confined"),
            Confined::Partial => {
                tracing::warn!(%run, step, landlock_abi, lacks = lacks.join("; "), "the step is confined in part");
            }
            Confined::None => {
                tracing::warn!(%run, step, landlock_abi, lacks = lacks.join("; "), "the step is not confined");
            }
        }
    }
    Ok(found)
}

/// The agent of the step, as it was noted when the step began.
fn called(dir: &Path) -> Option<step::Called> {
    // What cannot be read is met, and told, by whoever reads it at the step's end.
    agent_step::read_begin(dir)
        .ok()
        .flatten()
        .map(|begin| begin.called)
}

async fn wait(
    desk: &Desk<'_>,
    dir: &Path,
    handle: Handle,
    stop: &CancellationToken,
) -> Result<Outcome, Trouble> {
    let ended = tokio::select! {
        ended = handle.wait() => ended?,
        () = stop.cancelled() => handle.stop().await?,
    };
    match ended {
        Ended::Exited(record) => match &record.refused {
            Some(why) => Err(trouble(TroubleKind::Transient, "step_refused", why.clone())),
            None => {
                let outcome = exited(desk, record, stop);
                match outcome {
                    // Nobody comes after it who would look for what escaped its keeper.
                    Outcome::LetGo if desk.world.stopping.is_cancelled() => {
                        end_rest(desk, dir).await?
                    }
                    Outcome::LetGo => {}
                    Outcome::Exited(_) => {
                        drop_stale_locks(desk).await;
                        writable(desk)?;
                    }
                    Outcome::Lost => drop_stale_locks(desk).await,
                }
                Ok(outcome)
            }
        },
        Ended::Lost => {
            end_rest(desk, dir).await?;
            // Told to stop, it had to be killed with its keeper: that is no loss.
            Ok(if stop.is_cancelled() {
                Outcome::LetGo
            } else {
                Outcome::Lost
            })
        }
    }
}

fn existing(dir: &Path, name: &str) -> Option<String> {
    let path = dir.join(name);
    path.exists().then(|| path.display().to_string())
}

/// A step that has no process of its own begins: the step's machine is told.
pub(super) async fn begun(desk: &Desk<'_>) -> Result<(), Trouble> {
    let started = step::Event::Started {
        confinement: None,
        agent: None,
    };
    if let Some(report) = desk.step_report(started) {
        tell(desk, report).await?;
    }
    Ok(())
}

/// Tells the step's machine that its process works, or has worked, and where its files are.
async fn tell_begun(desk: &Desk<'_>, dir: &Path) -> Result<(), Trouble> {
    let confinement = confinement(desk, dir)?;
    let agent = called(dir);
    if let Some(mut report) = desk.step_report(step::Event::Started { confinement, agent }) {
        report.prompt_path = existing(dir, "prompt.txt");
        report.output_path = existing(dir, "output").or_else(|| existing(dir, "output-1"));
        tell(desk, report).await?;
    }
    Ok(())
}

/// Tells the step's machine; a repeat after a restart is ignored by it. A store that is locked or full for a while is no
/// trouble of the step, which may be at work already: it is told as soon as the store can take it. A stop comes through
/// the store, too, so that none is kept waiting.
async fn tell(desk: &Desk<'_>, report: StepReport) -> Result<(), Trouble> {
    loop {
        match desk
            .world
            .writer
            .step_event(report.clone(), desk.now())
            .await
        {
            Ok(applied) => {
                desk.world.tell(&applied);
                return Ok(());
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(step = %report.id, %error, "failed to record that a step has begun; trying again");
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Ends what is left of a step whose keeper in `dir` is gone, or has ended in good order but for what escaped it.
pub(super) async fn end_rest(desk: &Desk<'_>, dir: &Path) -> Result<(), Trouble> {
    let reaped = keeper::reap_survivors(dir, &marker(desk)).await?;
    all_ended(&reaped)?;
    drop_stale_locks(desk).await;
    Ok(())
}

/// Ends what works for a step of the run that no directory knows of: its files were removed while it lived. Nobody can say
/// what it has come to, and never may two agents work in one worktree.
async fn end_strays(desk: &Desk<'_>) -> Result<(), Trouble> {
    let reaped = keeper::end_strays(of_run(desk)).await?;
    tracing::warn!(run = %desk.order.run.id, ended = reaped.ended, "ended processes of a step whose files are gone");
    all_ended(&reaped)
}

fn all_ended(reaped: &Reaped) -> Result<(), Trouble> {
    if reaped.survivors.is_empty() {
        return Ok(());
    }
    Err(trouble(
        TroubleKind::Transient,
        "processes_survive",
        format!(
            "processes of the step are another user's and cannot be ended: {}; end them by hand",
            reaped.survivors.join(", ")
        ),
    ))
}

/// A git that was killed in the worktree leaves its locks behind. Nobody of the run is alive now: nobody holds them.
async fn drop_stale_locks(desk: &Desk<'_>) {
    if desk.facts().worktree.is_none() {
        return;
    }
    let drop = async || -> Result<Vec<std::path::PathBuf>, Trouble> {
        Ok(git::drop_stale_locks(&desk.repo().await?, &desk.git_worktree()?).await?)
    };
    match drop().await {
        Ok(dropped) if dropped.is_empty() => {}
        Ok(dropped) => tracing::info!(run = %desk.order.run.id, ?dropped, "removed stale locks"),
        // Whoever needs the worktree next meets the lock, or the missing worktree, and says so.
        Err(trouble) => {
            tracing::warn!(run = %desk.order.run.id, message = trouble.message, "failed to look for stale locks");
        }
    }
}

/// A keeper that was asked to stop by somebody else than this run has lost its step, however orderly it went. A step that
/// ended by itself while the daemon was ending has ended.
fn exited(desk: &Desk<'_>, record: ExitRecord, stop: &CancellationToken) -> Outcome {
    let stopped = stop.is_cancelled();
    let with_the_daemon = desk.world.stopping.is_cancelled();
    match (record.canceled, stopped, with_the_daemon) {
        (false, true, true) | (false, false, _) => Outcome::Exited(record),
        (_, true, _) => Outcome::LetGo,
        (true, false, _) => Outcome::Lost,
    }
}

/// The entry that marks every process of this order's step, those that work ahead of it included.
pub(super) fn marker(desk: &Desk<'_>) -> String {
    let order = desk.order;
    let named = order.effect.step_id.clone();
    let id = named.unwrap_or_else(|| StepId::new(&order.run.id, order.effect.generation));
    keeper::marker(&id.0)
}

/// Knows the entry that marks a process of any step of this order's run. Analyses and notices carry other ones.
fn of_run(desk: &Desk<'_>) -> impl Fn(&[u8]) -> bool + Clone + Send + 'static {
    let steps = keeper::marker(&format!("{}.", desk.order.run.id));
    move |entry| {
        entry
            .strip_prefix(steps.as_bytes())
            .is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
    }
}

/// What the run and the step are told of a lost step.
pub(super) fn lost(desk: &Desk<'_>, left: Option<Left>) -> Done {
    Done::event(
        Event::StepLost {
            generation: desk.generation(),
            left,
        },
        "lost",
    )
    .with_step(desk.step_report(step::Event::Lost {
        message: "the keeper died without a record".to_owned(),
    }))
}

/// What is left to say of a step that was told to stop: nothing to its run, which asked for it; or that it is gone with its
/// daemon. Where both were so, the run has gone on and takes the latter for stale.
pub(super) async fn let_go(desk: &Desk<'_>) -> Done {
    let (done, message) = if desk.world.stopping.is_cancelled() {
        let event = Event::StepStopped {
            generation: desk.generation(),
            left: session::left(desk).await,
        };
        let done = Done::event(event, "stopped with the daemon");
        (done, "stopped with the daemon; begun again by the next one")
    } else {
        (Done::nothing("told to stop"), "stopped")
    };
    done.with_step(desk.step_report(step::Event::Canceled {
        exit_code: None,
        message: message.to_owned(),
    }))
}
