//! Between the lanes and the effect room: starts the performer of one effect as a task of its own and brings its answer
//! back to the engine. Whatever happens to the performer, an answer comes back.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::handle::Message;
use crate::core::run::{Effect, Trouble, TroubleKind};
use crate::crash::Place;
use crate::effect::{HandoverDone, HandoverOrder, Order, World, give_up, hand_over, perform};
use crate::store::{HandoverEffect, StoredEffect, StoredRun};

/// Whether the run has gone on since the effect was asked for, so that performing it would be wrong. A stop is addressed
/// to its step and the clean-up to an ended run: both hold whatever has happened since.
pub(super) fn superseded(effect: &StoredEffect, run: &StoredRun) -> bool {
    match effect.effect {
        Effect::StopStep | Effect::CloseRun | Effect::RemoveWorktrees | Effect::CollectRun => false,
        Effect::WritePostmortem => {
            effect.generation != run.facts.generation || !run.facts.is_analyzed_now()
        }
        Effect::NameRun
        | Effect::PrepareWorktree
        | Effect::StartAgent
        | Effect::StartReview
        | Effect::StartChecks
        | Effect::Judge
        | Effect::StartMerge
        | Effect::RewritePrompt => effect.generation != run.facts.generation,
    }
}

/// Performs the effect in a task of its own; the answer goes to the engine.
pub(super) fn spawn(
    world: &Arc<World>,
    engine: &mpsc::Sender<Message>,
    effect: StoredEffect,
    run: StoredRun,
    stop: CancellationToken,
) {
    let world = Arc::clone(world);
    let engine = engine.clone();
    tokio::spawn(async move {
        let order = Order {
            effect: effect.clone(),
            run,
        };
        let name = effect.effect.as_str();
        world.crash.pass_on(Place::Begun, name).await;
        let performing = {
            let (world, order) = (Arc::clone(&world), order.clone());
            tokio::spawn(async move { perform(&world, &order, &stop).await })
        };
        let done = match unless_taken_down(performing).await {
            Ok(done) => done,
            // A bug of ours must neither wedge the run nor be hidden: it is trouble like any other, with its text.
            Err(panic) => {
                let trouble = Trouble {
                    kind: TroubleKind::Transient,
                    code: "internal".to_owned(),
                    message: format!(
                        "a bug in loopd: performing {} failed: {panic}",
                        effect.effect
                    ),
                };
                give_up(&world, &order, trouble).await
            }
        };
        world.crash.pass_on(Place::Acted, name).await;
        // The engine is gone only when the daemon ends; the effect is still pending then and is performed again.
        let _ = engine
            .send(Message::Performed(Box::new(effect), Box::new(done)))
            .await;
    });
}

/// Performs an effect of a handover in a task of its own; the answer goes to the engine.
pub(super) fn spawn_handover(
    world: &Arc<World>,
    engine: &mpsc::Sender<Message>,
    effect: HandoverEffect,
    run: StoredRun,
) {
    let world = Arc::clone(world);
    let engine = engine.clone();
    tokio::spawn(async move {
        let order = HandoverOrder {
            effect: effect.clone(),
            run,
        };
        let name = effect.effect.as_str();
        world.crash.pass_on(Place::Begun, name).await;
        let performing = {
            let (world, order) = (Arc::clone(&world), order.clone());
            tokio::spawn(async move { hand_over(&world, &order).await })
        };
        let done = match unless_taken_down(performing).await {
            Ok(done) => done,
            Err(panic) => HandoverDone::broken(&order, &panic.to_string()),
        };
        world.crash.pass_on(Place::Acted, name).await;
        let _ = engine
            .send(Message::HandedOver(effect, Box::new(done)))
            .await;
    });
}

/// What a performer came to, or its panic. One that was taken down came to nothing: only a runtime that goes down does that,
/// it may take this task a moment later, and what the performer was about goes on under its keeper.
async fn unless_taken_down<T>(performing: JoinHandle<T>) -> Result<T, JoinError> {
    match performing.await {
        Err(error) if error.is_cancelled() => std::future::pending().await,
        performed => performed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn a_performer_that_is_taken_down_has_come_to_nothing_and_one_that_panics_to_trouble() {
        let done = unless_taken_down(tokio::spawn(async { 7 })).await;
        assert_eq!(done.ok(), Some(7));
        let broken = tokio::spawn(async { std::panic::panic_any("broken") });
        let said = unless_taken_down::<()>(broken).await.expect_err("a panic");
        assert!(said.is_panic(), "{said}");
        let taken = tokio::spawn(std::future::pending::<()>());
        taken.abort();
        while !taken.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(unless_taken_down(taken).now_or_never().is_none());
    }
}
