//! What the scheduler and the timers read: places, slots, gates, and what that costs.

use agent_loop::core::run::{Event, ResultClass, RunId, State, Trouble, TroubleKind};
use agent_loop::core::schedule::{Dependency, DependencyState, Overtaken, Queue, Wait};
use agent_loop::core::time::Time;
use agent_loop::store::{Answer, Apply};

use super::support::*;

async fn queue(bench: &Bench) -> Queue {
    bench.reader.queue_snapshot().await.expect("readable")
}

async fn order(bench: &Bench) -> Vec<String> {
    queue(bench)
        .await
        .waiting
        .into_iter()
        .map(|it| it.id)
        .collect()
}

#[tokio::test]
async fn a_pause_and_a_limit_keep_the_place_and_a_retry_renews_it() {
    let bench = Bench::new();
    for id in ["a", "b", "c"] {
        bench.create(id).await;
    }
    bench.moves("a", Event::Pause).await;
    assert_eq!(order(&bench).await, ["b", "c"]);
    bench.moves("a", RESUME).await;
    assert_eq!(order(&bench).await, ["a", "b", "c"], "its old place");

    bench.moves("b", claim()).await;
    bench
        .moves(
            "b",
            agent_ended(
                1,
                ResultClass::Limited {
                    resets_at: Some(Time(90_000)),
                },
            ),
        )
        .await;
    assert_eq!(order(&bench).await, ["a", "b", "c"], "its old place");

    bench.moves("a", Event::Cancel).await;
    assert_eq!(bench.count("places"), 2, "what has ended has no place");
    bench.moves("a", RETRY).await;
    assert_eq!(order(&bench).await, ["b", "c", "a"], "a new place");
    bench.moves("b", Event::Pause).await;
    bench.moves("b", Event::Reset).await;
    assert_eq!(order(&bench).await, ["c", "a", "b"], "a new place");
    assert_eq!(bench.replay().await, []);
}

#[tokio::test]
async fn a_limited_run_is_gated_and_holds_its_provider() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.moves("a", claim()).await;
    bench
        .moves(
            "a",
            agent_ended(
                1,
                ResultClass::Limited {
                    resets_at: Some(Time(90_000)),
                },
            ),
        )
        .await;
    let queue = queue(&bench).await;
    let gate = queue.waiting[0].not_before.clone().expect("a gate");
    assert_eq!(
        (gate.until, gate.why, gate.message.as_str()),
        (Time(90_000), Wait::Limit, "as it said")
    );
    assert_eq!(
        (queue.limited[0].provider.as_str(), queue.limited[0].until),
        ("claude", Time(90_000))
    );
    assert_eq!(queue.occupied, [], "the slot is free");
}

#[tokio::test]
async fn a_run_waits_for_what_was_in_its_way_and_limits_nobody() {
    for (kind, why) in [
        (TroubleKind::NoSpace, Wait::Disk),
        (TroubleKind::ReadOnly, Wait::ReadOnly),
    ] {
        let bench = Bench::new();
        bench.create("a").await;
        bench.moves("a", claim()).await;
        let trouble = Trouble {
            kind,
            code: "in_the_way".to_owned(),
            message: "nothing can be written".to_owned(),
        };
        let generation = 1;
        let failed = Event::EffectFailed {
            generation,
            trouble,
        };
        bench.moves("a", failed).await;
        let queue = queue(&bench).await;
        let gate = queue.waiting[0].not_before.clone().expect("a gate");
        assert_eq!((gate.why, queue.limited.len()), (why, 0));
    }
}

#[tokio::test]
async fn a_slot_is_held_by_an_active_state_and_by_a_step_that_is_not_known_to_be_gone() {
    let bench = Bench::new();
    let held = async || {
        let queue = queue(&bench).await;
        let runs = bench.reader.holding_slots().await.expect("readable");
        let ids: Vec<String> = queue.occupied.iter().map(|it| it.id.clone()).collect();
        assert_eq!(
            ids,
            runs.iter().map(|it| it.id.0.clone()).collect::<Vec<_>>()
        );
        ids
    };
    for id in ["a", "b", "c"] {
        bench.create(id).await;
        bench.moves(id, claim()).await;
    }
    assert_eq!(held().await, ["a", "b", "c"]);
    bench.moves("a", Event::Pause).await;
    bench.moves("b", Event::Cancel).await;
    assert_eq!(
        held().await,
        ["a", "b", "c"],
        "paused and canceled, but their steps may be alive"
    );
    bench.moves("a", RESUME).await;
    let waiting = queue(&bench).await.waiting;
    assert!(waiting[0].step_alive && waiting[0].id == "a");
    for id in ["a", "b"] {
        bench
            .moves(
                id,
                Event::StepGone {
                    step: 1,
                    left: None,
                },
            )
            .await;
    }
    assert_eq!(held().await, ["c"]);
}

#[tokio::test]
async fn dependencies_are_read_with_the_state_of_the_run_that_is_waited_for() {
    let bench = Bench::new();
    for id in ["completed", "canceled", "paused", "queued"] {
        bench.create(id).await;
    }
    bench.complete("completed").await;
    bench.moves("canceled", Event::Cancel).await;
    bench.moves("paused", Event::Pause).await;
    let expected = [
        ("completed", DependencyState::Completed),
        ("canceled", DependencyState::Failed),
        ("paused", DependencyState::Pending),
        ("queued", DependencyState::Pending),
        ("never heard of", DependencyState::Unknown),
    ];
    let mut new = new_run("last");
    new.spec.after = expected
        .iter()
        .map(|(id, _)| RunId((*id).to_owned()))
        .collect();
    bench.create_as(new).await;
    let queue = queue(&bench).await;
    let last = queue.waiting.last().expect("a run");
    let expected = expected.map(|(id, state)| Dependency {
        id: id.to_owned(),
        state,
    });
    assert_eq!(last.after, expected);
}

#[tokio::test]
async fn counts_of_overtaking_are_stored_with_the_start_that_raised_them_and_only_then() {
    let bench = Bench::new();
    for id in ["old", "young"] {
        bench.create(id).await;
    }
    let mut claim_it = Apply::new(RunId("young".to_owned()), claim(), Time(1));
    claim_it.overtaken = vec![Overtaken {
        id: "old".to_owned(),
        overtaken: 1,
    }];
    let _ = bench.writer.apply(claim_it.clone()).await.expect("applies");
    assert_eq!(queue(&bench).await.waiting[0].overtaken, 1);
    claim_it.overtaken[0].overtaken = 2;
    let _ = bench.writer.apply(claim_it).await.expect("is ignored");
    assert_eq!(queue(&bench).await.waiting[0].overtaken, 1);
    bench.moves("old", Event::Cancel).await;
    bench.moves("old", RETRY).await;
    assert_eq!(
        queue(&bench).await.waiting[0].overtaken,
        0,
        "a new place begins anew"
    );
}

#[tokio::test]
async fn a_stored_timer_is_found_when_it_is_due_and_is_gone_when_it_has_fired() {
    let bench = Bench::new();
    bench.create("a").await;
    assert_eq!(bench.reader.next_timer().await.expect("readable"), None);
    bench.moves("a", claim()).await;
    let made = bench.moves("a", agent_ended(1, ResultClass::Crashed)).await;
    let due = made.run.facts.due.expect("a next try");
    assert_eq!(made.run.state, State::Running);
    assert_eq!(
        bench.reader.next_timer().await.expect("readable"),
        Some(due)
    );
    assert_eq!(
        bench.reader.due(Time(due.0 - 1)).await.expect("readable"),
        []
    );
    let generation = made.run.facts.generation;
    let due_now = Event::RetryDue { generation };
    let fired = bench.reader.due(due).await.expect("readable");
    assert_eq!(fired, [(RunId("a".to_owned()), due_now.clone())]);
    bench.moves("a", due_now.clone()).await;
    let late = bench.send("a", due_now).await.answer;
    assert!(matches!(late, Answer::Ignored(_)), "fired once: {late:?}");
    assert_eq!(bench.reader.next_timer().await.expect("readable"), None);
}
