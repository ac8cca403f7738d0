//! Planted bugs: each wraps the scheduler in one mistake that a person could make. The checker has to see every one of
//! them, by the property that it breaks; otherwise the properties above would prove nothing.

use super::checker::{Planner, broken};
use super::generate::{NOW, policy, queue};
use agent_loop::core::schedule::{
    DependencyState, Gate, Occupied, Order, Policy, Queue, Schedule, plan,
};
use agent_loop::core::time::Time;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;

/// What the checker says about a planner over many queues, up to the first case in which `enough` is among it.
fn seen_by_the_checker(planner: Planner, enough: &str) -> BTreeSet<&'static str> {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..600 {
        let cases = (
            queue().new_tree(&mut runner),
            policy().new_tree(&mut runner),
        );
        let (Ok(queue), Ok(policy)) = cases else {
            continue;
        };
        seen.extend(broken(planner, &queue.current(), &policy.current(), NOW));
        if seen.contains(enough) {
            break;
        }
    }
    seen
}

fn with_policy(queue: &Queue, policy: &Policy, change: impl Fn(&mut Policy)) -> Schedule {
    let mut policy = policy.clone();
    change(&mut policy);
    plan(queue, &policy, NOW)
}

fn with_queue(queue: &Queue, policy: &Policy, change: impl Fn(&mut Queue)) -> Schedule {
    let mut queue = queue.clone();
    change(&mut queue);
    plan(&queue, policy, NOW)
}

fn with_answer(queue: &Queue, policy: &Policy, change: impl Fn(&mut Schedule)) -> Schedule {
    let mut schedule = plan(queue, policy, NOW);
    change(&mut schedule);
    schedule
}

fn gated_head_blocks_the_line(queue: &Queue, policy: &Policy, _: Time) -> Schedule {
    let mut schedule = plan(queue, policy, NOW);
    let seq = |id: &str| {
        queue
            .waiting
            .iter()
            .find(|run| run.id == id)
            .map_or(0, |run| run.seq)
    };
    if let Some(head) = schedule.held.iter().map(|held| seq(&held.id)).min() {
        schedule.start.retain(|id| seq(id) < head);
    }
    schedule
}

fn the_order_of_the_list_decides(queue: &Queue, policy: &Policy, _: Time) -> Schedule {
    with_queue(queue, policy, |queue| {
        queue
            .waiting
            .iter_mut()
            .zip(1..)
            .for_each(|(run, place)| run.seq = place);
    })
}

#[rustfmt::skip] // a table: the mistake, the property that it breaks, and how it is planted
const PLANTED: &[(&str, &str, Planner)] = &[
    ("global cap off by one", "no cap is exceeded",
        |q, p, _| with_policy(q, p, |p| p.max_concurrent_runs += 1)),
    ("workspace cap off by one", "no cap is exceeded",
        |q, p, _| with_policy(q, p, |p| p.max_runs_per_workspace += 1)),
    ("global cap one too low", "no slot stays free while a run could start",
        |q, p, _| with_policy(q, p, |p| p.max_concurrent_runs = p.max_concurrent_runs.saturating_sub(1))),
    ("survivors not counted", "no cap is exceeded",
        |q, p, _| with_queue(q, p, |q| q.waiting.retain(|run| !run.step_alive))),
    ("survivors counted twice", "no slot stays free while a run could start",
        |q, p, _| with_queue(q, p, |q| {
            let alive = q.waiting.iter().filter(|run| run.step_alive);
            let twins: Vec<_> = alive.map(|run| Occupied {
                id: format!("{}-twin", run.id), workspace: run.workspace.clone(), provider: run.provider.clone(),
            }).collect();
            q.occupied.extend(twins);
        })),
    ("a run with a living step is started", "no gated run is started",
        |q, p, _| with_queue(q, p, |q| {
            q.waiting.iter_mut().for_each(|run| run.step_alive = false);
            q.occupied.retain(|run| run.id.starts_with("busy"));
        })),
    ("newest_first without aging", "each start is the next in line that could start",
        |q, p, _| with_policy(q, p, |p| p.aging_starts = u32::MAX)),
    ("aging one start late", "each start is the next in line that could start",
        |q, p, _| with_policy(q, p, |p| p.aging_starts += 1)),
    ("fifo upside down", "each start is the next in line that could start",
        |q, p, _| with_policy(q, p, |p| p.order = Order::NewestFirst)),
    ("newest_first ignored", "each start is the next in line that could start",
        |q, p, _| with_policy(q, p, |p| p.order = Order::Fifo)),
    ("priority ignored", "each start is the next in line that could start",
        |q, p, _| with_queue(q, p, |q| q.waiting.iter_mut().for_each(|run| run.priority = 0))),
    ("a gated head blocks the line", "no slot stays free while a run could start", gated_head_blocks_the_line),
    ("one start in each plan", "no slot stays free while a run could start",
        |q, p, _| with_answer(q, p, |it| it.start.truncate(1))),
    ("the order of the list decides", "the plan is a function, and the order of its input does not matter",
        the_order_of_the_list_decides),
    ("a failed dependency opens", "no gated run is started",
        |q, p, _| with_queue(q, p, |q| q.waiting.iter_mut().flat_map(|run| &mut run.after)
            .filter(|it| it.state == DependencyState::Failed).for_each(|it| it.state = DependencyState::Completed))),
    ("an unknown dependency opens", "no gated run is started",
        |q, p, _| with_queue(q, p, |q| q.waiting.iter_mut().flat_map(|run| &mut run.after)
            .filter(|it| it.state == DependencyState::Unknown).for_each(|it| it.state = DependencyState::Completed))),
    ("a provider's limit holds only the run that met it", "no gated run is started",
        |q, p, _| with_queue(q, p, |q| q.limited.clear())),
    ("low disk is not looked at", "no gated run is started", |q, p, _| with_queue(q, p, |q| q.disk = None)),
    ("a locked store is not looked at", "no gated run is started",
        |q, p, _| with_queue(q, p, |q| q.locked = None)),
    ("draining starts runs", "no gated run is started", |q, p, _| with_queue(q, p, |q| q.draining = false)),
    ("time gates open early", "no gated run is started", |q, p, now| plan(q, p, now.plus_ms(1))),
    ("time gates open late", "no slot stays free while a run could start", |q, p, now| plan(q, p, Time(now.0 - 1))),
    ("positions from zero", "everybody else is held, at its place in line",
        |q, p, _| with_answer(q, p, |it| it.held.iter_mut().for_each(|held| held.position -= 1))),
    ("positions in the wrong order", "everybody else is held, at its place in line",
        |q, p, _| with_answer(q, p, |it| it.held.reverse())),
    ("the last in line is forgotten", "everybody else is held, at its place in line",
        |q, p, _| with_answer(q, p, |it| { it.held.pop(); })),
    ("held without a gate", "every held run names a gate",
        |q, p, _| with_answer(q, p, |it| if let Some(held) = it.held.last_mut() { held.gates.clear(); })),
    ("a gate that is not true", "every gate that is named is true",
        |q, p, _| with_answer(q, p, |it| it.held.iter_mut().for_each(|held| held.gates.push(Gate::Draining)))),
    ("only the first gate is named", "every gate that is true is named",
        |q, p, _| with_answer(q, p, |it| it.held.iter_mut().for_each(|held| held.gates.truncate(1)))),
    ("gates from before the starts", "every gate that is true is named",
        |q, p, now| {
            let open = Policy { max_concurrent_runs: u32::MAX, max_runs_per_workspace: u32::MAX, ..p.clone() };
            let mut schedule = plan(q, p, now);
            for held in &mut schedule.held {
                let shut = plan(&Queue { draining: true, ..q.clone() }, &open, now).held.into_iter().find(|it| it.id == held.id);
                held.gates = shut.map_or_else(Vec::new, |it| it.gates.into_iter().filter(|gate| *gate != Gate::Draining || q.draining).collect());
            }
            schedule
        }),
    ("never woken", "the wake-up is the earliest time at which a gate opens",
        |q, p, _| with_answer(q, p, |it| it.wake_at = None)),
    ("woken by the last gate", "the wake-up is the earliest time at which a gate opens",
        |q, p, _| with_answer(q, p, |it| it.wake_at = it.held.iter().flat_map(|it| &it.gates).filter_map(Gate::until).max())),
    ("overtaking is not counted", "every overtaking is counted",
        |q, p, _| with_answer(q, p, |it| it.overtaken.clear())),
];

#[test]
fn the_scheduler_itself_passes_where_the_planted_bugs_fail() {
    assert_eq!(seen_by_the_checker(plan, "anything"), BTreeSet::new());
}

#[test]
fn every_planted_bug_is_seen_by_the_property_that_it_breaks() {
    let missed: Vec<_> = PLANTED
        .iter()
        .map(|(bug, property, planner)| (bug, property, seen_by_the_checker(*planner, property)))
        .filter(|(_, property, seen)| !seen.contains(*property))
        .collect();
    assert!(missed.is_empty(), "not seen: {missed:#?}");
}
