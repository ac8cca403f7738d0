//! A step under a keeper, whatever it runs: started once, adopted after a restart, ended when it has to be. A repeat of
//! this for one step finds what the first time began. Who is told of it stands in `step_news`, what is ended and swept up
//! after a keeper that is gone in `step_rest`.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::step_news::tell_begun;
use super::step_rest::{drop_stale_locks, end_rest, end_strays, of_run};
use super::trouble::{io_trouble, trouble};
use crate::core::run::{Trouble, TroubleKind};
use crate::crash::Place;
use crate::effect::files::private_dir;
use crate::effect::is_read_only;
use crate::effect::keeper::{self, Ended, ExitRecord, Found, Handle, Job};

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

/// A keeper that was asked to stop by somebody else than this run has lost its step, however orderly it went. A step that
/// ended by itself while the daemon was ending has ended.
fn exited(desk: &Desk<'_>, record: ExitRecord, stop: &CancellationToken) -> Outcome {
    let stopped = stop.is_cancelled();
    let with_the_daemon = desk.world.stopping.is_cancelled();
    came_to(record, stopped, with_the_daemon)
}

fn came_to(record: ExitRecord, stopped: bool, with_the_daemon: bool) -> Outcome {
    match (record.canceled, stopped, with_the_daemon) {
        (false, true, true) | (false, false, _) => Outcome::Exited(record),
        (_, true, _) => Outcome::LetGo,
        (true, false, _) => Outcome::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_for_the_end_says_what_it_came_to() {
        for (canceled, stopped, with_the_daemon, expected) in [
            (false, false, false, "exited"),
            (false, false, true, "exited"),
            (false, true, false, "let go"),
            (false, true, true, "exited"),
            (true, false, false, "lost"),
            (true, false, true, "lost"),
            (true, true, false, "let go"),
            (true, true, true, "let go"),
        ] {
            let record = ExitRecord {
                canceled,
                ..ExitRecord::default()
            };
            let found = match came_to(record, stopped, with_the_daemon) {
                Outcome::Exited(_) => "exited",
                Outcome::Lost => "lost",
                Outcome::LetGo => "let go",
            };
            let case = (canceled, stopped, with_the_daemon);
            assert_eq!(found, expected, "{case:?}");
        }
    }
}
