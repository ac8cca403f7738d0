//! A daemon goes down while its steps work: tasks and calls in it break off in any order. That is trouble of no run: nothing
//! is ended or told because of it, the steps work on, and the next daemon takes them up.

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use agent_loop::core::handover;
use agent_loop::core::run::{Effect, RunId, State, Trouble, TroubleKind};
use agent_loop::effect::{
    HandoverOrder, Notice, Order, give_up, hand_over, notices_dir, notify, perform,
};
use agent_loop::store::{EffectId, HandoverEffect};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ONE_TASK;
use super::postmortem::{ask, ended, explains};
use crate::support::{House, Options, Repository, Turnstile, eventually, keeper_in};

/// So many steps are at work at a time, so that each end of a daemon meets performers at many places.
const CROWD: u32 = 6;
/// So often the daemon goes.
const ENDS: usize = 6;

/// It acts on nothing. On a machine where it takes longer to act than is waited here, that is missed, and nobody is blamed.
async fn does_nothing<T: Debug>(work: impl Future<Output = T>) {
    let acted = tokio::time::timeout(Duration::from_secs(2), work).await;
    acted.expect_err("it waits for the end");
}

/// What is to be performed for the run, as its performer is handed it.
async fn order(house: &House, id: &RunId, effect: Effect) -> Order {
    let pending = house.reader.pending_effects().await.expect("effects");
    let found = pending.into_iter().find(|it| it.effect == effect);
    Order {
        effect: found.expect("it is pending"),
        run: house.run(id).await,
    }
}

fn trouble() -> Trouble {
    Trouble {
        kind: TroubleKind::Transient,
        code: "io".to_owned(),
        message: "the runtime went down".to_owned(),
    }
}

fn waits_once(stile: &Turnstile) -> String {
    let wait = stile.sh();
    format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"{wait}\" }}, {{ tick = \"next\" }}, {{ commit = \"Once\" }}, \"complete\"]\n"
    )
}

#[tokio::test]
async fn a_daemon_that_goes_down_again_and_again_ends_no_step() {
    let repo = Repository::with_plan(ONE_TASK);
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = waits_once(&stile);
    let data = repo.outside().join("data");
    let options = Options::caps(CROWD, CROWD);
    let mut house = House::open(&data, &options).await;
    let mut runs: Vec<RunId> = Vec::new();
    for _ in 0..CROWD {
        let settings = json!({ "merge_strategy": "none" });
        runs.push(house.create(&repo, Some(&script), settings).await);
    }
    for _ in &runs {
        stile.somebody().await;
    }
    let mut keepers = Vec::new();
    for id in &runs {
        keepers.push(keeper_of(&house, id).await);
    }
    for _ in 0..ENDS {
        house.die().await;
        house = House::open(&data, &options).await;
        eventually(async || keepers.iter().all(|pid| is_waited_for(*pid)).then_some(())).await;
    }
    for _ in &runs {
        stile.open();
    }
    for id in &runs {
        house.rests(id, State::Completed).await;
        assert_eq!(house.steps(id, "implementation").await.len(), 1);
    }
    assert!(stile.is_empty(), "nobody came a second time");
    house.check().await;
}

#[tokio::test]
async fn a_step_whose_performer_breaks_off_with_its_daemon_works_on() {
    let repo = Repository::with_plan(ONE_TASK);
    let mut house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let settings = json!({ "merge_strategy": "none" });
    let script = waits_once(&stile);
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    let order = order(&house, &id, Effect::StartAgent).await;
    house.over = None;
    does_nothing(give_up(&house.world, &order, trouble())).await;
    house.die().await;
    let house = House::over(&repo).await;
    stile.open();
    house.rests(&id, State::Completed).await;
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
}

#[tokio::test]
async fn an_analysis_whose_performer_breaks_off_with_its_daemon_works_on() {
    let repo = Repository::with_plan(ONE_TASK);
    let mut house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "analysis");
    let script = explains(&format!(
        "{{ sh = \"{}\" }}, {{ say = \"Seen.\" }}",
        stile.sh()
    ));
    let id = ended(&house, &repo, &script, State::Completed).await;
    ask(&house, &id).await;
    stile.somebody().await;
    let mut order = order(&house, &id, Effect::WritePostmortem).await;
    // Stands for whatever fails.
    order.run.spec.agent = "nobody".to_owned();
    house.over = None;
    let stop = CancellationToken::new();
    does_nothing(perform(&house.world, &order, &stop)).await;
    house.die().await;
    let house = House::over(&repo).await;
    stile.open();
    super::postmortem::analyzed(&house, &id).await;
    assert_eq!(super::postmortem::report(&house, &id), "Seen.\n");
    assert!(stile.is_empty(), "nobody came a second time");
}

#[tokio::test]
async fn a_handover_that_breaks_off_with_its_daemon_has_failed_nobody() {
    let repo = Repository::with_plan(ONE_TASK);
    let mut house = House::over(&repo).await;
    let settings = json!({ "merge_strategy": "none" });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    let mut order = HandoverOrder {
        effect: HandoverEffect {
            id: EffectId(0),
            run_id: id.clone(),
            generation: 1,
            effect: handover::Effect::Merge,
        },
        run: house.run(&id).await,
    };
    order.run.facts.worktree = None;
    house.over = None;
    does_nothing(hand_over(&house.world, &order)).await;
}

#[tokio::test]
async fn a_notice_that_breaks_off_with_its_daemon_is_left_to_the_next_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let options = Options {
        self_exe: Some(PathBuf::from("/bin/false")),
        ..Options::default()
    };
    let mut house = House::open(&repo.outside().join("data"), &options).await;
    let notice = Notice {
        command: "true",
        run_id: &RunId("nobody".to_owned()),
        seq: 7,
        json: "{}\n",
        timeout: Duration::from_secs(60),
    };
    let call = notices_dir(&house.data).join("7");
    let failed = notify(&house.world, &notice).await;
    failed.expect_err("no keeper comes up");
    assert!(!call.exists(), "cleared up");
    house.over = None;
    does_nothing(notify(&house.world, &notice)).await;
    assert!(call.exists(), "found by the next one");
}

/// Who keeps the run's step.
async fn keeper_of(house: &House, id: &RunId) -> i32 {
    let keeper = keeper_in(&house.step_dir(id, "implementation").await);
    keeper.record().expect("a keeper").identity.pid
}

/// Whether a daemon in this process waits for the end of another one: it holds a handle, and a copy to wait by.
fn is_waited_for(pid: i32) -> bool {
    let of = format!("Pid:\t{pid}\n");
    let held = std::fs::read_dir("/proc/self/fdinfo").expect("/proc");
    let of_it = held.flatten().filter(|fd| {
        let told = std::fs::read_to_string(fd.path());
        told.is_ok_and(|told| told.contains(&of))
    });
    of_it.count() > 1
}
