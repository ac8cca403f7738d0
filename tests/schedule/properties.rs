//! Each *always* holds for every generated queue; each *sometimes* shows that the situation it is about really comes up.

use super::checker::broken;
use super::generate::{NOW, policy, queue};
use agent_loop::core::schedule::{Occupied, Order, Policy, Queue, Schedule, Waiting, plan};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn always_keeps_every_promise_of_a_schedule(queue in queue(), policy in policy()) {
        let broken = broken(plan, &queue, &policy, NOW);
        prop_assert!(broken.is_empty(), "broken: {broken:?}\n{:#?}", plan(&queue, &policy, NOW));
    }

    #[test]
    fn always_starts_nothing_more_when_asked_again_after_the_starts(queue in queue(), policy in policy()) {
        let first = plan(&queue, &policy, NOW);
        let mut after = queue;
        apply(&mut after, &first);
        let second = plan(&after, &policy, NOW);
        prop_assert!(second.start.is_empty(), "{second:?}");
        prop_assert_eq!(first.held, second.held);
    }

    #[test]
    fn always_holds_nobody_at_the_wake_up_for_the_gate_that_opened_it(queue in queue(), policy in policy()) {
        let schedule = plan(&queue, &policy, NOW);
        if let Some(at) = schedule.wake_at {
            prop_assert!(at > NOW);
            let then = plan(&queue, &policy, at);
            let gates = then.held.iter().flat_map(|held| &held.gates);
            prop_assert!(gates.filter_map(|gate| gate.until()).all(|until| until > at));
        }
    }

    /// One slot, newcomers in every round: a run waits for whoever is older, and for `aging_starts` younger ones.
    #[test]
    fn always_bounds_the_wait_under_newest_first(
        aging_starts in 0..6_u32,
        arrivals in prop::collection::vec(0..4_usize, 1..40),
    ) {
        let worst = overtakings(aging_starts, &arrivals)?;
        prop_assert!(worst <= aging_starts, "overtaken {worst} times, at most {aging_starts} allowed");
    }
}

/// Plays a stream of newcomers over one slot until everybody was served; the most often that a run was overtaken.
fn overtakings(aging_starts: u32, arrivals: &[usize]) -> Result<u32, TestCaseError> {
    let policy = Policy {
        max_concurrent_runs: 1,
        max_runs_per_workspace: 1,
        order: Order::NewestFirst,
        aging_starts,
    };
    let mut queue = Queue::default();
    let mut seq = 0;
    let mut passed: BTreeMap<u64, u32> = BTreeMap::new();
    let mut rounds = 0;
    while rounds < arrivals.len() || !queue.waiting.is_empty() {
        for _ in 0..arrivals.get(rounds).copied().unwrap_or(0) {
            queue.waiting.push(run(seq));
            seq += 1;
        }
        rounds += 1;
        prop_assert!(
            rounds <= arrivals.len() + seq as usize + 1,
            "somebody is never served"
        );
        queue.occupied.clear();
        let schedule = plan(&queue, &policy, NOW);
        let started = queue
            .waiting
            .iter()
            .find(|run| schedule.start.contains(&run.id));
        if let Some(started) = started.map(|run| run.seq) {
            for run in queue.waiting.iter().filter(|run| run.seq < started) {
                *passed.entry(run.seq).or_default() += 1;
            }
        }
        apply(&mut queue, &schedule);
    }
    Ok(passed.values().copied().max().unwrap_or(0))
}

fn run(seq: u64) -> Waiting {
    Waiting {
        id: format!("run-{seq}"),
        seq,
        priority: 0,
        workspace: "/w".into(),
        provider: "claude".into(),
        overtaken: 0,
        not_before: None,
        after: Vec::new(),
        step_alive: false,
    }
}

/// What the engine does with a schedule.
fn apply(queue: &mut Queue, schedule: &Schedule) {
    for it in &schedule.overtaken {
        if let Some(run) = queue.waiting.iter_mut().find(|run| run.id == it.id) {
            run.overtaken = it.overtaken;
        }
    }
    let (started, waiting) = std::mem::take(&mut queue.waiting)
        .into_iter()
        .partition(|run| schedule.start.contains(&run.id));
    queue.waiting = waiting;
    let started: Vec<Waiting> = started;
    queue
        .occupied
        .extend(started.into_iter().map(|run| Occupied {
            id: run.id,
            workspace: run.workspace,
            provider: run.provider,
        }));
}

#[test]
fn sometimes_the_aging_bound_is_what_ends_a_wait() {
    let worst = overtakings(3, &[1, 2, 2, 2, 2, 2, 2]);
    assert!(matches!(worst, Ok(3)), "{worst:?}");
}

#[test]
fn sometimes_every_situation_of_the_rules_comes_up() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for _ in 0..4_000 {
        let (Ok(queue), Ok(policy)) = (
            queue().new_tree(&mut runner),
            policy().new_tree(&mut runner),
        ) else {
            continue;
        };
        let (queue, policy) = (queue.current(), policy.current());
        let schedule = plan(&queue, &policy, NOW);
        seen.extend(
            schedule
                .held
                .iter()
                .flat_map(|it| &it.gates)
                .map(|it| it.name().to_owned()),
        );
        let mut see = |what: &str, yes: bool| yes.then(|| seen.insert(what.to_owned()));
        let seq = |id: &String| {
            queue
                .waiting
                .iter()
                .find(|run| run.id == *id)
                .map(|run| run.seq)
        };
        let starts: Vec<_> = schedule.start.iter().filter_map(seq).collect();
        let survivors = queue.waiting.iter().filter(|run| run.step_alive).count();
        let fifo = policy.order == Order::Fifo;
        see("several starts", starts.len() > 2);
        see(
            "a start beside a survivor",
            !starts.is_empty() && survivors > 0,
        );
        see(
            "a gated run passed under fifo",
            fifo && starts.first() > schedule.held.first().and_then(|it| seq(&it.id)).as_ref(),
        );
        see(
            "young before old",
            !fifo && starts.is_sorted_by(|a, b| a > b) && starts.len() > 1,
        );
        see("an overtaking", !schedule.overtaken.is_empty());
        let line = || queue.waiting.iter().filter(|run| run.priority == 0);
        let fresh = line().all(|run| run.overtaken < policy.aging_starts);
        let order = schedule
            .start
            .iter()
            .filter_map(|id| line().find(|run| run.id == *id));
        let turned = !order.map(|run| run.seq).is_sorted_by(|a, b| a > b);
        see("somebody ages within a plan", !fifo && fresh && turned);
        see("a wake-up", schedule.wake_at.is_some());
        see(
            "held without a wake-up",
            schedule.wake_at.is_none() && !schedule.held.is_empty(),
        );
        see(
            "many gates on one run",
            schedule.held.iter().any(|it| it.gates.len() > 3),
        );
    }
    let wanted = [
        "a gated run passed under fifo",
        "a start beside a survivor",
        "a wake-up",
        "an overtaking",
        "dependency",
        "dependency_failed",
        "dependency_unknown",
        "disk",
        "draining",
        "global_cap",
        "held without a wake-up",
        "limit",
        "locked",
        "low_disk",
        "many gates on one run",
        "previous_step_alive",
        "provider_limited",
        "read_only",
        "several starts",
        "somebody ages within a plan",
        "unwritable",
        "workspace_cap",
        "young before old",
    ];
    let missing: Vec<_> = wanted.iter().filter(|it| !seen.contains(**it)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
}
