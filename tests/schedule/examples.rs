//! The rules as short stories, one behaviour each.

use agent_loop::core::schedule::{
    Dependency, DependencyState, Gate, LowDisk, NotBefore, Occupied, Order, Policy, ProviderLimit,
    Queue, Schedule, StoreLock, Unwritable, Wait, Waiting, plan,
};
use agent_loop::core::time::Time;

const NOW: Time = Time(50_000);

fn run(id: &str, seq: u64, workspace: &str) -> Waiting {
    Waiting {
        id: id.into(),
        seq,
        priority: 0,
        workspace: workspace.into(),
        provider: "claude".into(),
        overtaken: 0,
        not_before: None,
        after: Vec::new(),
        step_alive: false,
    }
}

fn busy(id: &str, workspace: &str) -> Occupied {
    Occupied {
        id: id.into(),
        workspace: workspace.into(),
        provider: "claude".into(),
    }
}

fn fifo(all: u32, workspace: u32) -> Policy {
    Policy {
        max_concurrent_runs: all,
        max_runs_per_workspace: workspace,
        order: Order::Fifo,
        aging_starts: 8,
    }
}

fn newest_first(all: u32, aging_starts: u32) -> Policy {
    let order = Order::NewestFirst;
    Policy {
        max_concurrent_runs: all,
        max_runs_per_workspace: all,
        order,
        aging_starts,
    }
}

fn waiting(waiting: Vec<Waiting>) -> Queue {
    Queue {
        waiting,
        ..Queue::default()
    }
}

fn gates<'a>(schedule: &'a Schedule, id: &str) -> Vec<&'a str> {
    let held = schedule.held.iter().find(|held| held.id == id);
    held.map_or_else(Vec::new, |held| held.gates.iter().map(Gate::name).collect())
}

#[test]
fn fifo_starts_the_oldest_and_the_id_tells_nothing_about_age() {
    let queue = waiting(vec![
        run("a", 9, "/x"),
        run("z", 2, "/y"),
        run("m", 5, "/z"),
    ]);
    let schedule = plan(&queue, &fifo(2, 1), NOW);
    assert_eq!(schedule.start, ["z", "m"]);
    assert_eq!(
        (schedule.held[0].id.as_str(), schedule.held[0].position),
        ("a", 1)
    );
}

#[test]
fn a_higher_priority_goes_first_whatever_its_age() {
    let mut urgent = run("urgent", 9, "/y");
    urgent.priority = 5;
    let schedule = plan(
        &waiting(vec![run("old", 1, "/x"), urgent]),
        &fifo(1, 1),
        NOW,
    );
    assert_eq!(schedule.start, ["urgent"]);
}

#[test]
fn a_run_behind_a_full_workspace_goes_ahead_and_the_other_names_who_holds_it() {
    let mut queue = waiting(vec![run("first", 1, "/x"), run("second", 2, "/y")]);
    queue.occupied.push(busy("holder", "/x"));
    let schedule = plan(&queue, &fifo(3, 1), NOW);
    assert_eq!(schedule.start, ["second"]);
    let workspace = "/x".to_owned();
    let holders = vec!["holder".to_owned()];
    let gate = Gate::WorkspaceCap {
        workspace,
        running: 1,
        max: 1,
        holders,
    };
    assert!(
        gate.message().contains("/x are in use by holder"),
        "{}",
        gate.message()
    );
    assert_eq!(schedule.held[0].gates, [gate]);
}

#[test]
fn a_start_of_this_plan_counts_for_the_gates_of_the_others() {
    let queue = waiting(vec![run("one", 1, "/x"), run("two", 2, "/x")]);
    let schedule = plan(&queue, &fifo(1, 1), NOW);
    assert_eq!(gates(&schedule, "two"), ["global_cap", "workspace_cap"]);
    assert_eq!(schedule.wake_at, None);
}

#[test]
fn a_resumed_run_waits_for_its_own_step_and_its_slot_is_counted_once() {
    let mut resumed = run("resumed", 1, "/x");
    resumed.step_alive = true;
    let mut queue = waiting(vec![resumed, run("other", 2, "/y"), run("third", 3, "/z")]);
    queue.occupied.push(busy("resumed", "/x"));
    let schedule = plan(&queue, &fifo(2, 1), NOW);
    assert_eq!(schedule.start, ["other"]);
    // Another run fills the last slot, which holds `third`, but not the run that would keep the slot it has.
    assert_eq!(gates(&schedule, "resumed"), ["previous_step_alive"]);
    assert_eq!(gates(&schedule, "third"), ["global_cap"]);
}

#[test]
fn newest_first_lets_an_old_run_be_overtaken_only_so_often() {
    let fresh = (2..=6).map(|seq| run(&format!("new-{seq}"), seq, "/x"));
    let queue = waiting([run("old", 1, "/x")].into_iter().chain(fresh).collect());
    let schedule = plan(&queue, &newest_first(4, 3), NOW);
    assert_eq!(schedule.start, ["new-6", "new-5", "new-4", "old"]);
    // Those three overtook the two that still wait as well: they have aged now, and stand in line oldest first.
    let line: Vec<_> = schedule
        .held
        .iter()
        .map(|held| (held.id.as_str(), held.position))
        .collect();
    assert_eq!(line, [("new-2", 1), ("new-3", 2)]);
    assert!(schedule.overtaken.iter().all(|it| it.overtaken == 3) && schedule.overtaken.len() == 2);
}

#[test]
fn a_run_that_could_not_start_is_not_overtaken() {
    let mut limited = run("old", 1, "/x");
    let wait = NotBefore {
        until: Time(60_000),
        why: Wait::Limit,
        message: "crashed".into(),
    };
    limited.not_before = Some(wait);
    let queue = waiting(vec![limited, run("new", 2, "/x")]);
    let schedule = plan(&queue, &newest_first(1, 3), NOW);
    assert_eq!(schedule.start, ["new"]);
    assert_eq!(schedule.overtaken, []);
    assert_eq!(schedule.wake_at, Some(Time(60_000)));
}

#[test]
fn a_limit_of_one_run_holds_the_other_runs_of_its_provider_until_the_reset() {
    let mut other = run("other", 2, "/y");
    other.provider = "codex".into();
    let mut queue = waiting(vec![run("same", 1, "/x"), other]);
    queue.limited = vec![ProviderLimit {
        provider: "claude".into(),
        until: Time(50_001),
    }];
    let schedule = plan(&queue, &fifo(2, 1), NOW);
    assert_eq!(schedule.start, ["other"]);
    assert_eq!(gates(&schedule, "same"), ["provider_limited"]);
    assert_eq!(
        plan(&queue, &fifo(2, 1), Time(50_001)).start,
        ["same", "other"]
    );
}

#[test]
fn a_dependency_opens_only_when_it_is_completed() {
    let states = [
        (DependencyState::Pending, "dependency"),
        (DependencyState::Failed, "dependency_failed"),
        (DependencyState::Unknown, "dependency_unknown"),
    ];
    for (state, gate) in states {
        let mut run = run("later", 1, "/x");
        run.after = vec![Dependency {
            id: "before".into(),
            state,
        }];
        let schedule = plan(&waiting(vec![run]), &fifo(1, 1), NOW);
        assert_eq!(gates(&schedule, "later"), [gate]);
        assert!(schedule.held[0].gates[0].message().contains("run before"));
    }
}

#[test]
fn draining_a_low_disk_one_that_takes_nothing_and_a_locked_store_hold_everybody_and_are_named_beside_the_rest()
 {
    let mut queue = waiting(vec![run("one", 1, "/x")]);
    queue.draining = true;
    queue.disk = Some(LowDisk {
        until: Time(80_000),
        message: "/data: 3 MiB free of 500".into(),
    });
    queue.read_only = Some(Unwritable {
        until: Time(75_000),
        message: "/data is read-only".into(),
    });
    queue.locked = Some(StoreLock {
        until: Time(70_000),
        message: "write to the database: held".into(),
    });
    let schedule = plan(&queue, &fifo(0, 1), NOW);
    assert_eq!(
        gates(&schedule, "one"),
        ["global_cap", "draining", "low_disk", "unwritable", "locked"]
    );
    assert_eq!(schedule.wake_at, Some(Time(70_000)));
}

#[test]
fn a_gate_is_written_with_its_name_and_data() {
    let gate = Gate::Disk {
        until: Time(7),
        message: "full".into(),
    };
    let json = serde_json::to_value(&gate).expect("a gate is plain data");
    assert_eq!(
        json,
        serde_json::json!({ "gate": "disk", "until": 7, "message": "full" })
    );
    assert_eq!(json["gate"], gate.name());
}

#[test]
fn a_long_queue_with_many_slots_is_planned_in_one_go() {
    let count = 40_000;
    let runs =
        (0..count).map(|seq| run(&format!("run-{seq:05}"), seq, &format!("/w/{}", seq % 50)));
    let queue = waiting(runs.collect());
    let schedule = plan(&queue, &newest_first(20_000, 8), NOW);
    // Eight young ones, then the eight starts have aged everybody else: the oldest follow.
    assert_eq!(
        schedule.start[..9],
        [
            "run-39999",
            "run-39998",
            "run-39997",
            "run-39996",
            "run-39995",
            "run-39994",
            "run-39993",
            "run-39992",
            "run-00000"
        ]
        .map(str::to_owned)
    );
    assert_eq!(
        (schedule.start.len(), schedule.held.len()),
        (20_000, 20_000)
    );
}
