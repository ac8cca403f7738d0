//! Generated queues: small, so that runs meet in workspaces, priorities and caps; times close around `now`.

use agent_loop::core::schedule::{
    Dependency, DependencyState, LowDisk, NotBefore, Occupied, Order, Policy, ProviderLimit, Queue,
    StoreLock, Unwritable, Wait, Waiting,
};
use agent_loop::core::time::Time;
use proptest::collection::vec;
use proptest::prelude::*;

/// The time of every generated case.
pub const NOW: Time = Time(1_000);

fn about_now() -> impl Strategy<Value = Time> {
    (997_i64..=1_004).prop_map(Time)
}

fn workspace() -> impl Strategy<Value = String> {
    prop_oneof!["/w/a", "/w/b", "/w/c"].prop_map(|it| it)
}

fn provider() -> impl Strategy<Value = String> {
    prop_oneof!["claude", "codex"].prop_map(|it| it)
}

fn not_before() -> impl Strategy<Value = NotBefore> {
    let why = prop_oneof![Just(Wait::Limit), Just(Wait::Disk), Just(Wait::ReadOnly)];
    (about_now(), why).prop_map(|(until, why)| NotBefore {
        until,
        why,
        message: "busy".into(),
    })
}

fn dependency() -> impl Strategy<Value = Dependency> {
    let state = prop_oneof![
        6 => Just(DependencyState::Completed),
        1 => Just(DependencyState::Pending),
        1 => Just(DependencyState::Failed),
        1 => Just(DependencyState::Unknown),
    ];
    ("[a-c]", state).prop_map(|(id, state)| Dependency {
        id: format!("dep-{id}"),
        state,
    })
}

fn waiting() -> impl Strategy<Value = Waiting> {
    let rarely = |odds: u32| prop::bool::weighted(1.0 / f64::from(odds));
    (
        -1..=1_i32,
        workspace(),
        provider(),
        0..=3_u32,
        prop::option::weighted(0.2, not_before()),
        vec(dependency(), 0..2),
        rarely(8),
    )
        .prop_map(
            |(priority, workspace, provider, overtaken, not_before, after, step_alive)| Waiting {
                id: String::new(),
                seq: 0,
                priority,
                workspace,
                provider,
                overtaken,
                not_before,
                after,
                step_alive,
            },
        )
}

/// Queues in which ids tell nothing about age, some survivors stand in both lists, and the outside is mostly kind.
pub fn queue() -> impl Strategy<Value = Queue> {
    let runs = vec(waiting(), 0..10).prop_flat_map(|runs| {
        let seqs: Vec<u64> = (10..10 + runs.len() as u64).collect();
        (Just(runs), Just(seqs).prop_shuffle())
    });
    let disk = about_now().prop_map(|until| LowDisk {
        until,
        message: "12 MiB free".into(),
    });
    let lock = about_now().prop_map(|until| StoreLock {
        until,
        message: "held".into(),
    });
    let read_only = about_now().prop_map(|until| Unwritable {
        until,
        message: "read-only".into(),
    });
    (
        runs,
        vec((workspace(), provider()), 0..4),
        vec((provider(), about_now()), 0..2),
        prop::bool::weighted(0.03),
        prop::option::weighted(0.05, disk),
        prop::option::weighted(0.05, lock),
        prop::option::weighted(0.05, read_only),
        any::<bool>(),
    )
        .prop_map(
            |((runs, seqs), occupied, limited, draining, disk, locked, read_only, listed_twice)| {
                let mut waiting = runs;
                for (number, (run, seq)) in waiting.iter_mut().zip(seqs).enumerate() {
                    run.id = format!("run-{number}");
                    run.seq = seq;
                }
                let mut slots: Vec<Occupied> = occupied
                    .into_iter()
                    .enumerate()
                    .map(|(number, (workspace, provider))| Occupied {
                        id: format!("busy-{number}"),
                        workspace,
                        provider,
                    })
                    .collect();
                if let Some(run) = waiting.iter().find(|run| listed_twice && run.step_alive) {
                    slots.push(Occupied {
                        id: run.id.clone(),
                        workspace: run.workspace.clone(),
                        provider: run.provider.clone(),
                    });
                }
                let limited = limited
                    .into_iter()
                    .map(|(provider, until)| ProviderLimit { provider, until })
                    .collect();
                Queue {
                    waiting,
                    occupied: slots,
                    draining,
                    disk,
                    locked,
                    read_only,
                    limited,
                }
            },
        )
}

/// Policies with caps around the size of the queue.
pub fn policy() -> impl Strategy<Value = Policy> {
    (0..=8_u32, 0..=4_u32, any::<bool>(), 0..=4_u32).prop_map(
        |(max_concurrent_runs, max_runs_per_workspace, fifo, aging_starts)| Policy {
            max_concurrent_runs,
            max_runs_per_workspace,
            order: if fifo {
                Order::Fifo
            } else {
                Order::NewestFirst
            },
            aging_starts,
        },
    )
}
