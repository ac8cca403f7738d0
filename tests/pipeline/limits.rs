//! Agents that crash, hang, have no credentials or no quota: what is tried again, what waits, what fails at once.

use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository};

#[tokio::test]
async fn a_crashed_agent_is_tried_again_and_then_the_run_fails() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ stderr = "the model is on fire" }, { exit = 3 }]
    "#;
    let id = house
        .create(&repo, Some(script), json!({ "agent_retries": 2 }))
        .await;
    let why = house.failed(&id, "agent_failed").await;
    assert!(why.contains("failed 3 times in a row"), "{why}");
    assert!(why.contains("on fire"), "{why}");
    let steps = house.steps(&id, "implementation").await;
    let states: Vec<&str> = steps.iter().map(|s| s.state.as_str()).collect();
    assert_eq!(states, ["retrying", "retrying", "failed"]);
    let attempts: Vec<u32> = steps.iter().map(|s| s.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert_eq!(steps[2].facts.exit_code, Some(3));
    assert_eq!(house.run(&id).await.facts.iteration, 1);
    house.check().await;
}

#[tokio::test]
async fn one_crash_costs_no_iteration() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ signal = 9 }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 1);
}

#[tokio::test]
async fn a_crash_after_a_commit_is_judged_by_the_commit() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "All of it" }, { exit = 1 }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(
        house.path(&id).await,
        "queued running verifying watchdog running verifying watchdog merging completed",
        "judged, then asked to confirm"
    );
}

#[tokio::test]
async fn a_usage_limit_gives_the_slot_back_and_the_run_goes_on_by_itself() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ limit = { resets_in_sec = 4 } }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        house.path(&id).await,
        "queued running queued running verifying watchdog merging completed"
    );
    assert_eq!(run.facts.iteration, 1, "the iteration is not spent");
    let limited = house.told(&id, "AGENT_LIMITED").await;
    assert_eq!(limited[0]["provider"], "scripted");
    let until = limited[0]["resets_at"].as_i64().expect("a time");
    let blocked = house.told(&id, "RUN_BLOCKED").await;
    let gates = blocked.last().expect("it was held")["gates"].clone();
    let limit = gates
        .as_array()
        .into_iter()
        .flatten()
        .find(|g| g["gate"] == "limit");
    assert_eq!(limit.expect("the gate")["until"], until, "{gates}");
    let resumed = house.events(&id).await;
    let started = resumed.iter().filter(|e| e.kind == "RUN_STARTED").nth(1);
    assert!(
        started.expect("a second start").at.0 >= until,
        "not before the reset"
    );
}

#[tokio::test]
async fn a_limited_run_holds_no_slot_and_survives_a_restart() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ limit = { resets_in_sec = 86400 } }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.gated(&id, &["provider_limited", "limit"]).await;
    house.die().await;
    let house = House::over(&repo).await;
    house.gated(&id, &["provider_limited", "limit"]).await;
    assert!(
        house
            .reader
            .holding_slots()
            .await
            .expect("slots")
            .is_empty()
    );
    let run = house.run(&id).await;
    assert_eq!((run.state, run.facts.iteration), (State::Queued, 1));
}

#[tokio::test]
async fn a_usage_limit_may_fail_the_run_instead() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ limit = {} }]
    "#;
    let id = house
        .create(&repo, Some(script), json!({ "on_usage_limit": "fail" }))
        .await;
    house.failed(&id, "usage_limit").await;
}

#[tokio::test]
async fn a_usage_limit_may_bring_in_the_fallback_agent() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let limited = repo.beside("limited.toml", "[[turn]]\nsteps = [{ limit = {} }]\n");
    let settings = json!({
        "on_usage_limit": "fallback",
        "fallback_agent": "second",
        "agents": {
            "scripted": { "driver": "scripted", "args": [limited] },
            "second": { "driver": "scripted" },
        },
    });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(house.steps(&id, "implementation").await.len(), 2);
    assert_eq!(
        house.told(&id, "AGENT_LIMITED").await.len(),
        1,
        "the reviewer is the second, too"
    );
}

#[tokio::test]
async fn missing_credentials_fail_the_run_at_once() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = house
        .create(&repo, Some("[[turn]]\nsteps = [\"auth\"]"), json!({}))
        .await;
    let why = house.failed(&id, "agent_auth").await;
    assert!(why.contains("no credentials"), "{why}");
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
}

#[tokio::test]
async fn an_agent_that_is_not_installed_fails_the_run_with_what_to_do() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let agents = json!({ "ghost": { "driver": "exec", "command": "/nonexistent/ghost" } });
    let settings = json!({ "agent": "ghost", "agents": agents });
    let id = house.create(&repo, None, settings).await;
    let why = house.failed(&id, "agent_refused").await;
    assert!(
        why.contains("agent `ghost`: failed to start `/nonexistent/ghost`"),
        "{why}"
    );
    assert!(why.contains("is it installed"), "{why}");
    assert!(why.contains("--agent"), "{why}");
}

#[tokio::test]
async fn an_agent_that_hangs_is_ended_when_its_time_is_over() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ say = "Working." }, "hang"]
    "#;
    let settings = json!({ "agent_timeout_sec": 1, "agent_retries": 0 });
    let id = house.create(&repo, Some(script), settings).await;
    house.failed(&id, "agent_failed").await;
    let run = house.settled(&id).await;
    assert_eq!(
        run.facts
            .last_result
            .map(|r| r.as_str().to_owned())
            .as_deref(),
        Some("timed_out")
    );
    assert_eq!(crate::support::processes_of(&id), []);
}

#[tokio::test]
async fn an_orphan_in_a_session_of_its_own_does_not_outlive_its_step() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [
            { orphan = { sec = 1000, pid_file = "../orphan-1" } },
            { orphan = { sec = 1000, pid_file = "../orphan-2", clean_env = true, holds_output = true } },
            { tick = "next" },
            { commit = "Done" },
            "complete",
        ]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.rests(&id, State::Completed).await;
    for name in ["repo/../orphan-1", "repo/../orphan-2"] {
        let pid = std::fs::read_to_string(repo.outside().join(name)).expect("a pid");
        let pid: u32 = pid.trim().parse().expect("a number");
        assert!(!crate::support::is_alive(pid), "{name}");
    }
    let report = house.file(&id, "report.tsv");
    assert!(report.contains("; left behind and ended: "), "{report}");
}
