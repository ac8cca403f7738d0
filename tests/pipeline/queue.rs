//! Several runs: who starts, who is held by what, and in which order; caps hold whatever path a workspace is named by.

use agent_loop::core::run::{Event, RunId, State};
use agent_loop::core::schedule::{Gate, Order};
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Options, RESUME, RETRY, Repository, Turnstile, request};

fn unmerged() -> serde_json::Value {
    json!({ "merge_strategy": "none", "reviewer": false })
}

fn waits(stile: &Turnstile) -> String {
    format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ commit = \"Do\" }}, \"complete\"]\n",
        stile.sh()
    )
}

/// The runs in the order of their first starts.
async fn started(house: &House) -> Vec<RunId> {
    let events = house.reader.events(None, 0, 10_000).await.expect("events");
    let starts = events.into_iter().filter(|e| e.kind == "RUN_STARTED");
    starts.map(|e| e.run_id).collect()
}

#[tokio::test]
async fn a_second_run_of_a_workspace_waits_for_the_first_by_whatever_path_it_came() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let first = house.create(&repo, Some(&waits(&stile)), unmerged()).await;
    stile.somebody().await;
    let link = repo.outside().join("link");
    std::os::unix::fs::symlink(&repo.root, &link).expect("a link");
    let linked = repo.outside().join("linked worktree");
    repo.git(&[
        "worktree",
        "add",
        "--quiet",
        "--detach",
        &linked.display().to_string(),
    ]);
    let mut others = Vec::new();
    for path in [&link, &linked] {
        let mut wanted = request(&repo, None, unmerged());
        wanted.workspace_root = path.display().to_string();
        others.push(house.try_create(wanted).await.expect("a run"));
    }
    for other in &others {
        let gates = house.gated(other, &["workspace_cap"]).await;
        let Gate::WorkspaceCap {
            holders,
            running,
            max,
            ..
        } = &gates[0]
        else {
            panic!("{gates:?}");
        };
        assert_eq!(
            (holders.as_slice(), *running, *max),
            ([first.0.clone()].as_slice(), 1, 1)
        );
        let told = house.told(other, "RUN_BLOCKED").await;
        assert_eq!(told[0]["gates"][0]["gate"], "workspace_cap");
    }
    stile.open();
    for id in [&first, &others[0], &others[1]] {
        house.rests(id, State::Completed).await;
    }
    assert_eq!(
        started(&house).await,
        [first, others[0].clone(), others[1].clone()]
    );
    house.check().await;
}

#[tokio::test]
async fn the_global_cap_counts_all_workspaces() {
    let (one, two) = (
        Repository::with_plan(ONE_TASK),
        Repository::with_plan(ONE_TASK),
    );
    let house = House::open(&one.outside().join("data"), &Options::caps(1, 1)).await;
    let mut stile = Turnstile::new(one.outside(), "agent");
    let first = house.create(&one, Some(&waits(&stile)), unmerged()).await;
    stile.somebody().await;
    let second = house.create(&two, None, unmerged()).await;
    house.gated(&second, &["global_cap"]).await;
    stile.open();
    house.rests(&first, State::Completed).await;
    house.rests(&second, State::Completed).await;
}

#[tokio::test]
async fn workspaces_work_beside_each_other() {
    let (one, two) = (
        Repository::with_plan(ONE_TASK),
        Repository::with_plan(ONE_TASK),
    );
    let house = House::over(&one).await;
    let mut stiles = [
        Turnstile::new(one.outside(), "agent"),
        Turnstile::new(two.outside(), "agent"),
    ];
    let first = house
        .create(&one, Some(&waits(&stiles[0])), unmerged())
        .await;
    let second = house
        .create(&two, Some(&waits(&stiles[1])), unmerged())
        .await;
    for stile in &mut stiles {
        stile.somebody().await;
    }
    assert_eq!(house.reader.holding_slots().await.expect("slots").len(), 2);
    for stile in &mut stiles {
        stile.open();
    }
    house.rests(&first, State::Completed).await;
    house.rests(&second, State::Completed).await;
}

/// Three runs come while a first one works; the order in which they start. The second of them has this priority.
async fn order_of_three(order: Order, priority: i32) -> Vec<usize> {
    let repo = Repository::with_plan(ONE_TASK);
    let mut options = Options::caps(1, 1);
    options.policy.order = order;
    let house = House::open(&repo.outside().join("data"), &options).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let mut ids = vec![house.create(&repo, Some(&waits(&stile)), unmerged()).await];
    stile.somebody().await;
    for priority in [0, priority, 0] {
        let mut wanted = request(&repo, None, unmerged());
        wanted.priority = priority;
        ids.push(house.try_create(wanted).await.expect("a run"));
    }
    stile.open();
    for id in &ids {
        house.rests(id, State::Completed).await;
    }
    let place = |id: &RunId| ids.iter().position(|it| it == id);
    let started = started(&house).await;
    started.iter().skip(1).filter_map(place).collect()
}

#[tokio::test]
async fn fifo_starts_the_oldest_first() {
    assert_eq!(order_of_three(Order::Fifo, 0).await, [1, 2, 3]);
}

#[tokio::test]
async fn newest_first_starts_the_newest_first() {
    assert_eq!(order_of_three(Order::NewestFirst, 0).await, [3, 2, 1]);
}

#[tokio::test]
async fn a_higher_priority_goes_first() {
    assert_eq!(order_of_three(Order::Fifo, 1).await, [2, 1, 3]);
}

#[tokio::test]
async fn a_paused_run_keeps_its_place_in_the_queue() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let first = house.create(&repo, Some(&waits(&stile)), unmerged()).await;
    stile.somebody().await;
    let second = house.create(&repo, None, unmerged()).await;
    let third = house.create(&repo, None, unmerged()).await;
    let _ = house.operate(&second, Event::Pause).await;
    house.resume(&second).await;
    stile.open();
    for id in [&first, &second, &third] {
        house.wait_for(id, State::Completed).await;
    }
    assert_eq!(started(&house).await, [first, second, third]);
}

#[tokio::test]
async fn a_run_comes_after_those_that_it_depends_on() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::open(&repo.outside().join("data"), &Options::caps(4, 4)).await;
    let script = "then = \"default\"\n[[turn]]\nsteps = [\"auth\"]\n";
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let first = house.create(&repo, Some(&waits(&stile)), unmerged()).await;
    let other = house.create(&repo, Some(script), unmerged()).await;
    house.failed(&other, "agent_auth").await;
    let mut wanted = request(&repo, None, unmerged());
    wanted.after = vec![first.0.clone(), other.0.clone()];
    let last = house.try_create(wanted).await.expect("a run");
    house
        .gated(&last, &["dependency", "dependency_failed"])
        .await;
    stile.somebody().await;
    stile.open();
    house.rests(&first, State::Completed).await;
    house.gated(&last, &["dependency_failed"]).await;
    let _ = house.operate(&other, RETRY).await;
    house.wait_for(&other, State::Completed).await;
    house.rests(&last, State::Completed).await;
    let unknown = house.try_create(agent_loop::daemon::Request {
        after: vec!["nobody".to_owned()],
        ..request(&repo, None, unmerged())
    });
    let unknown = unknown.await.expect_err("there is no such run");
    assert!(unknown.contains("no run `nobody`"), "{unknown}");
}

#[tokio::test]
async fn a_resumed_run_waits_until_its_stopped_step_is_gone() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [\"ignore_term\", {{ sh = \"trap '' TERM; {}\" }}]\n",
        stile.sh()
    );
    let mut settings = unmerged();
    settings["stop_grace_sec"] = json!(1);
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    let _ = house.operate(&id, Event::Pause).await;
    house.resume(&id).await;
    house.rests(&id, State::Completed).await;
    let blocked = house.told(&id, "RUN_BLOCKED").await;
    let by = |gate: &str| {
        blocked.iter().any(|b| {
            b["gates"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|g| g["gate"] == gate)
        })
    };
    assert!(by("previous_step_alive"), "{blocked:?}");
}

#[tokio::test]
async fn a_run_that_comes_back_into_the_queue_is_told_of_its_gates_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    let id = house.create(&repo, None, unmerged()).await;
    for times in 1..=3 {
        let told = house
            .until(&id, async || {
                let told = house.told(&id, "RUN_BLOCKED").await;
                (told.len() == times).then_some(told)
            })
            .await;
        assert_eq!(told[times - 1]["gates"][0]["gate"], "global_cap");
        // Asked in between, the scheduler has nothing new to tell.
        house.gated(&id, &["global_cap"]).await;
        house.operate(&id, Event::Pause).await;
        house.operate(&id, RESUME).await;
    }
    house.check().await;
}

#[tokio::test]
async fn whom_a_younger_run_has_overtaken_goes_before_the_next_younger_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let mut options = Options::caps(1, 1);
    options.policy.order = Order::NewestFirst;
    options.policy.aging_starts = 1;
    let house = House::open(&repo.outside().join("data"), &options).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = waits(&stile);
    let mut ids = vec![house.create(&repo, Some(&script), unmerged()).await];
    stile.somebody().await;
    for _ in 0..3 {
        ids.push(house.create(&repo, None, unmerged()).await);
    }
    stile.open();
    for id in &ids {
        house.rests(id, State::Completed).await;
    }
    // The newest first; and then whoever was passed over once, in the order of the queue.
    let expected = [0, 3, 1, 2].map(|n: usize| ids[n].clone());
    assert_eq!(started(&house).await, expected);
    house.check().await;
}
