//! The output of a run: the steps that write something, one after the other. While the last of them works, the stream
//! waits for its directory to change or for an event of the engine (a step has ended, another one begins); it is over when
//! the run and all its steps have ended, and everything was sent.

use axum::response::Response;
use axum::response::sse::Event;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::current::Current;
use super::sse::{self, Pieces};
use super::tail::Read;
use crate::agent::{self, Dialect};
use crate::api::error::ApiError;
use crate::api::state::Shared;
use crate::api::wire::OutputFormat;
use crate::config::RunConfig;
use crate::core::machine::Kind;
use crate::core::run::RunId;
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

struct Output {
    app: Shared,
    run: RunId,
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
    // The step of the place itself is taken up again.
    let place = asked.after.map(|(generation, _)| generation);
    let output = Output {
        app: app.clone(),
        dialect: dialect(&run),
        run: run.id,
        told: app.state.engine.told(),
        news: false,
        sent: place.map_or(0, |generation| generation.saturating_sub(1)),
        asked,
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
                Err(error) => {
                    // The client comes back with its last place, and is told then.
                    tracing::error!(run = %self.run, ?error, "a stream of output ends early");
                    return None;
                }
            }
        }
    }
}

impl Output {
    /// Looks once. Whatever happens after the first line is noticed by [`Self::changed`].
    async fn turn(&mut self) -> Result<Turn, ApiError> {
        self.news |= has_news(&mut self.told);
        match self.current.take() {
            Some(current) => self.go_on(current).await,
            None => self.begin().await,
        }
    }

    /// Takes up the next step.
    async fn begin(&mut self) -> Result<Turn, ApiError> {
        self.news = false;
        // Read before the steps: a run that has ended by now begins no further one.
        let run = self.app.run(&self.run).await?;
        let over = run.state.kind() == Kind::Ended || !self.asked.follow;
        let mut steps = self.app.state.reader.steps(&self.run).await?.into_iter();
        let Some(step) = steps.find(|step| step.generation > self.sent) else {
            return Ok(if over { Turn::End } else { Turn::Wait });
        };
        let (generation, format) = (step.generation, self.asked.format);
        let from = match self.asked.after {
            Some((of, place)) if of == generation => place,
            Some(_) | None => 0,
        };
        let dialect = spoken(&step).unwrap_or(self.dialect);
        self.current = Current::begin(&self.app, &run, step, dialect, format, from)?;
        if self.current.is_none() {
            self.sent = generation;
        }
        Ok(Turn::Again)
    }

    /// Sends what the step has written since.
    async fn go_on(&mut self, mut current: Current) -> Result<Turn, ApiError> {
        let generation = current.step.generation;
        if std::mem::take(&mut self.news) && !current.has_ended() {
            let mut steps = self.app.state.reader.steps(&self.run).await?.into_iter();
            if let Some(now) = steps.find(|step| step.generation == generation) {
                current.step = now;
            }
        }
        if self.asked.follow && !current.has_ended() {
            current.keep_watch(&self.app)?;
        }
        let (read, current) = current.read().await?;
        let turn = match read {
            Read::Piece { from, upto, text } => Turn::Send(current.message(from, upto, text)?),
            Read::More => Turn::Again,
            Read::Dry if self.asked.follow => Turn::Wait,
            Read::Dry | Read::Over => {
                self.sent = generation;
                return Ok(Turn::Again);
            }
        };
        self.current = Some(current);
        Ok(turn)
    }

    /// Waits for news of the step or of the engine; `None` when the engine is gone.
    async fn changed(&mut self) -> Option<()> {
        let current = async {
            match &mut self.current {
                Some(current) => current.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = current => Some(()),
            told = self.told.changed() => {
                self.news = true;
                told.ok()
            }
        }
    }
}

/// Whether the engine has told something since this was last asked. Asked and answered in one look: what is told between
/// two would be taken for seen.
fn has_news(told: &mut watch::Receiver<u64>) -> bool {
    told.borrow_and_update().has_changed()
}

/// What the agent of a step speaks, which need not be the run's present one; `None` before it is known.
fn spoken(step: &StoredStep) -> Option<Dialect> {
    Dialect::named(&step.facts.agent.as_ref()?.dialect)
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
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn what_is_told_while_somebody_looks_is_seen_by_this_look_or_the_next() {
        const ROUNDS: u64 = 20_000;
        let (tell, mut told) = watch::channel(0);
        let meet = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    meet.wait();
                    tell.send_replace(round);
                    meet.wait();
                }
            });
            let mut unseen = 0;
            for _ in 0..ROUNDS {
                meet.wait();
                let at_once = has_news(&mut told);
                meet.wait();
                unseen += u64::from(!(has_news(&mut told) || at_once));
            }
            assert_eq!(unseen, 0);
        });
    }
}
