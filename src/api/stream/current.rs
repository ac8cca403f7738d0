//! The step whose output is being sent: what is read of it, and where one waits for more.

use std::path::{Path, PathBuf};

use axum::response::sse::Event;

use super::decode::Decoder;
use super::source::{Files, Source};
use super::sse;
use super::tail::{Read, Tail};
use super::watcher::Watch;
use crate::agent::Dialect;
use crate::api::error::ApiError;
use crate::api::state::App;
use crate::api::view;
use crate::api::wire::{OutputChunk, OutputCursor, OutputFormat, Phase};
use crate::core::machine::Kind;
use crate::effect::step_dir;
use crate::store::{StoredRun, StoredStep};

/// Directories up from a step's own to the one with the files of all runs: `runs/run-ID/steps/N`, all of which are made by
/// loopd, and what they stand in.
const ABOVE_A_STEP: usize = 5;

/// A step that writes something.
pub(super) struct Current {
    /// As it was stored when it was last looked at.
    pub step: StoredStep,
    phase: Phase,
    /// The step's own directory.
    dir: PathBuf,
    tail: Tail,
    /// What is watched, and whether it is the step's own directory.
    watch: Option<(Watch, bool)>,
}

impl Current {
    /// The output of this step after `from`; `None` for a step that has none. Paths are made of stored ids alone.
    pub(super) fn begin(
        app: &App,
        run: &StoredRun,
        step: StoredStep,
        dialect: Dialect,
        format: OutputFormat,
        from: u64,
    ) -> Result<Option<Self>, ApiError> {
        let phase = view::phase(&step)?;
        let (files, decoder) = match (phase, format) {
            (Phase::Implementation | Phase::Review, OutputFormat::Text) => {
                (Files::One, Decoder::transcript(dialect))
            }
            (Phase::Implementation | Phase::Review, OutputFormat::Raw) => {
                (Files::One, Decoder::raw())
            }
            (Phase::Verification, OutputFormat::Text | OutputFormat::Raw) => {
                (Files::Numbered, Decoder::raw())
            }
            (Phase::Watchdog | Phase::Merge, OutputFormat::Text | OutputFormat::Raw) => {
                return Ok(None);
            }
        };
        let dir = step_dir(&app.state.data_dir, run, step.generation);
        let tail = Tail::new(Source::new(dir.clone(), files), decoder, from);
        Ok(Some(Current {
            step,
            phase,
            dir,
            tail,
            watch: None,
        }))
    }

    /// Whether nothing more will be written.
    pub(super) fn has_ended(&self) -> bool {
        self.step.state.kind() == Kind::Ended
    }

    /// Looks for more, on a thread that may block.
    pub(super) async fn read(self) -> Result<(Read, Self), ApiError> {
        let ended = self.has_ended();
        let Current {
            step,
            phase,
            dir,
            mut tail,
            watch,
        } = self;
        let reading = tokio::task::spawn_blocking(move || (tail.next(ended), tail)).await;
        let (read, tail) = reading.map_err(|error| failed(&step, &error))?;
        let read = read.map_err(|error| failed(&step, &error))?;
        let current = Current {
            step,
            phase,
            dir,
            tail,
            watch,
        };
        Ok((read, current))
    }

    /// A piece of the output as a message.
    pub(super) fn message(&self, from: u64, upto: u64, text: String) -> Result<Event, ApiError> {
        let step_id = self.step.id.0.clone();
        let place = OutputCursor {
            step_id: step_id.clone(),
            offset: upto,
        };
        let chunk = OutputChunk {
            step_id,
            phase: self.phase,
            offset: from,
            text,
        };
        sse::message(&place.to_string(), None, &chunk)
    }

    /// Watches the step's directory, or, as long as there is none, the nearest one above it in which it will be made.
    pub(super) fn keep_watch(&mut self, app: &App) -> Result<(), ApiError> {
        if matches!(self.watch, Some((_, true))) {
            return Ok(());
        }
        'look: loop {
            let mut below = None;
            for dir in self.dir.ancestors().take(ABOVE_A_STEP) {
                let watch = app.watcher.watch(dir);
                if let Some(watch) = watch.map_err(|error| failed(&self.step, &error))? {
                    if below.is_some_and(Path::is_dir) {
                        // Made after it was looked for and before this watch began, which says nothing of it.
                        continue 'look;
                    }
                    self.watch = Some((watch, dir == self.dir));
                    return Ok(());
                }
                below = Some(dir);
            }
            return Err(failed(
                &self.step,
                &"the directory with the files of runs is gone",
            ));
        }
    }

    /// Waits until something has changed in what is watched; for ever when nothing is.
    pub(super) async fn changed(&mut self) {
        let alive = match &mut self.watch {
            Some((watch, _)) => watch.changed().await,
            None => std::future::pending().await,
        };
        if !alive {
            self.watch = None;
        }
    }
}

fn failed(step: &StoredStep, error: &dyn std::fmt::Display) -> ApiError {
    let message = format!("failed to read the output of step {}: {error}", step.id);
    ApiError::internal(message)
}
