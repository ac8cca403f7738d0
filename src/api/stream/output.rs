//! The output of a run: the steps that write something, one after the other. While the last of them works, the stream
//! waits for its directory to change or for an event of the engine (a step has ended, another one begins); it is over when
//! the run and all its steps have ended, and everything was sent.

use axum::response::Response;
use axum::response::sse::Event;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::decode::Decoder;
use super::source::{Files, Source};
use super::sse::{self, Pieces};
use super::tail::{Read, Tail};
use super::watcher::Watch;
use crate::agent::{self, Dialect};
use crate::api::error::ApiError;
use crate::api::state::Shared;
use crate::api::view;
use crate::api::wire::{OutputChunk, OutputCursor, OutputFormat, Phase};
use crate::config::RunConfig;
use crate::core::machine::Kind;
use crate::effect::step_dir;
use crate::store::{StoredRun, StoredStep};

/// What of a run's output is wanted.
#[derive(Clone, Debug)]
pub(in crate::api) struct Asked {
    /// The place after which to begin: generation of a step, and bytes of it.
    pub after: Option<(u64, u64)>,
    /// Whether to go on with what is still to come.
    pub follow: bool,
    /// How agents' output is given.
    pub format: OutputFormat,
}

/// The step whose output is being sent.
struct Current {
    step: StoredStep,
    phase: Phase,
    tail: Tail,
    /// What is watched, and whether it is the step's own directory.
    watch: Option<(Watch, bool)>,
}

struct Output {
    app: Shared,
    run: StoredRun,
    dialect: Dialect,
    asked: Asked,
    told: watch::Receiver<u64>,
    /// The engine has told something since the current step was read.
    news: bool,
    /// Steps up to this generation were sent.
    sent: u64,
    current: Option<Current>,
}

/// What is to be done next.
enum Turn {
    Send(Event),
    Again,
    Wait,
    End,
}

/// The output of a run.
pub(in crate::api) fn output(
    app: &Shared,
    room: OwnedSemaphorePermit,
    run: StoredRun,
    asked: Asked,
) -> Response {
    let output = Output {
        told: app.state.engine.told(),
        dialect: dialect(&run),
        // The step of the cursor itself is taken up again.
        sent: asked
            .after
            .map_or(0, |(generation, _)| generation.saturating_sub(1)),
        app: app.clone(),
        run,
        asked,
        news: false,
        current: None,
    };
    sse::reply(output, app.state.shutdown.clone(), room)
}

impl Pieces for Output {
    async fn next(&mut self) -> Option<Event> {
        loop {
            match self.turn().await {
                Ok(Turn::Send(event)) => return Some(event),
                Ok(Turn::Again) => {}
                Ok(Turn::Wait) => self.changed().await?,
                Ok(Turn::End) => return None,
                Err(_logged) => return None,
            }
        }
    }
}

impl Output {
    /// Looks once. Whatever happens after the first line is noticed by [`Self::changed`].
    async fn turn(&mut self) -> Result<Turn, ApiError> {
        self.news |= self.told.has_changed().unwrap_or(true);
        self.told.borrow_and_update();
        match self.current.take() {
            Some(current) => self.go_on(current).await,
            None => self.begin().await,
        }
    }

    /// Takes up the next step; its end is looked at together with its beginning.
    async fn begin(&mut self) -> Result<Turn, ApiError> {
        self.news = false;
        // Read before the steps: a run that has ended by now begins no further one.
        let run = self.app.run(&self.run.id).await?;
        let over = run.state.kind() == Kind::Ended;
        let steps = self.app.state.reader.steps(&self.run.id).await?;
        self.run = run;
        let Some(step) = steps.into_iter().find(|step| step.generation > self.sent) else {
            return Ok(if over || !self.asked.follow {
                Turn::End
            } else {
                Turn::Wait
            });
        };
        let phase = view::phase(&step)?;
        let files = match phase {
            Phase::Implementation | Phase::Review => Files::One,
            Phase::Verification => Files::Numbered,
            Phase::Watchdog | Phase::Merge => {
                self.sent = step.generation;
                return Ok(Turn::Again);
            }
        };
        let decoder = match (files, self.asked.format) {
            (Files::One, OutputFormat::Text) => Decoder::transcript(self.dialect),
            (Files::One, OutputFormat::Raw)
            | (Files::Numbered, OutputFormat::Text | OutputFormat::Raw) => Decoder::raw(),
        };
        let from = match self.asked.after {
            Some((generation, place)) if generation == step.generation => place,
            Some(_) | None => 0,
        };
        let dir = step_dir(&self.app.state.data_dir, &step.run_id, step.generation);
        let tail = Tail::new(Source::new(dir, files), decoder, from);
        self.current = Some(Current {
            step,
            phase,
            tail,
            watch: None,
        });
        Ok(Turn::Again)
    }

    /// Sends what the step has written since.
    async fn go_on(&mut self, mut current: Current) -> Result<Turn, ApiError> {
        if std::mem::take(&mut self.news) && !has_ended(&current.step) {
            let steps = self.app.state.reader.steps(&self.run.id).await?;
            if let Some(now) = steps
                .into_iter()
                .find(|it| it.generation == current.step.generation)
            {
                current.step = now;
            }
        }
        let ended = has_ended(&current.step);
        if self.asked.follow && !ended {
            self.keep_watch(&mut current)?;
        }
        let mut tail = current.tail;
        let read = tokio::task::spawn_blocking(move || (tail.next(ended), tail)).await;
        let (read, tail) = read.map_err(|error| failed(&current.step, &error))?;
        current.tail = tail;
        match read.map_err(|error| failed(&current.step, &error))? {
            Read::Piece { from, upto, text } => {
                let event = message(&current, from, upto, text)?;
                self.current = Some(current);
                Ok(Turn::Send(event))
            }
            Read::More => {
                self.current = Some(current);
                Ok(Turn::Again)
            }
            Read::Dry if self.asked.follow => {
                self.current = Some(current);
                Ok(Turn::Wait)
            }
            Read::Dry | Read::Over => {
                self.sent = current.step.generation;
                Ok(Turn::Again)
            }
        }
    }

    /// Watches the step's directory, or, as long as there is none, the nearest one above it in which it will be made.
    fn keep_watch(&self, current: &mut Current) -> Result<(), ApiError> {
        if matches!(current.watch, Some((_, true))) {
            return Ok(());
        }
        let root = self.app.state.data_dir.as_path();
        let own = step_dir(root, &current.step.run_id, current.step.generation);
        for dir in own.ancestors() {
            let watch = self.app.watcher.watch(dir);
            if let Some(watch) = watch.map_err(|error| failed(&current.step, &error))? {
                current.watch = Some((watch, dir == own));
                return Ok(());
            }
            if dir == root {
                break;
            }
        }
        Err(failed(&current.step, &"the data directory is gone"))
    }

    /// Waits for news of the step or of the engine; `None` when the engine is gone.
    async fn changed(&mut self) -> Option<()> {
        let watch = self.current.as_mut().and_then(|it| it.watch.as_mut());
        let told = match watch {
            Some((watch, _)) => tokio::select! {
                alive = watch.changed() => {
                    if !alive && let Some(current) = &mut self.current {
                        current.watch = None;
                    }
                    return Some(());
                }
                told = self.told.changed() => told,
            },
            None => self.told.changed().await,
        };
        self.news = true;
        told.ok()
    }
}

fn has_ended(step: &StoredStep) -> bool {
    step.state.kind() == Kind::Ended
}

fn message(current: &Current, from: u64, upto: u64, text: String) -> Result<Event, ApiError> {
    let step_id = current.step.id.0.clone();
    let place = OutputCursor {
        step_id: step_id.clone(),
        offset: upto,
    };
    let chunk = OutputChunk {
        step_id,
        phase: current.phase,
        offset: from,
        text,
    };
    sse::message(&place.to_string(), None, &chunk)
}

/// The stream ends early; the client comes back with its last place.
fn failed(step: &StoredStep, error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(step = %step.id, %error, "a stream of output ends early");
    ApiError::internal(format!(
        "failed to read the output of step {}: {error}",
        step.id
    ))
}

/// What the run's agent speaks. An agent that is not known any more has spoken text.
fn dialect(run: &StoredRun) -> Dialect {
    let config: Option<RunConfig> = serde_json::from_str(&run.config).ok();
    let defined = config.map(|config| config.agents).unwrap_or_default();
    let spec = agent::resolve(run.facts.agent(&run.spec.agent), &defined);
    spec.map_or(Dialect::Text, |spec| spec.dialect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::core::run::RunId;

    #[test]
    fn the_directories_above_a_step_lead_to_the_data_directory() {
        let root = Path::new("/data");
        let dir = step_dir(root, &RunId("r".to_owned()), 3);
        assert!(
            dir.ancestors().any(|above| above == root),
            "{}",
            dir.display()
        );
    }
}
