//! Which agent a step has called, and in which version; and agents that are silent.

use agent_loop::agent::ResultClass;
use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository, processes_of};

#[tokio::test]
async fn every_step_notes_its_own_agent_also_after_the_fallback_took_over() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let limited = repo.beside("limited.toml", "[[turn]]\nsteps = [{ limit = {} }]\n");
    let second = repo.beside(
        "second.sh",
        "sed -i 's/\\[ \\]/[x]/' specs/planning/thing-plan.md\ngit commit -qam 'Do it'\necho '<promise>COMPLETE</promise>'\n",
    );
    let settings = json!({
        "reviewer": false,
        "verify_cmds": ["true"],
        "on_usage_limit": "fallback",
        "fallback_agent": "second",
        "agents": {
            "scripted": { "driver": "scripted", "args": [limited] },
            "second": { "command": "/bin/sh", "args": [second] },
        },
    });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    let steps = house.steps(&id, "implementation").await;
    let agents: Vec<[String; 2]> = steps
        .iter()
        .filter_map(|step| step.facts.agent.clone())
        .map(|agent| [agent.name, agent.dialect])
        .collect();
    assert_eq!(agents, [["scripted", "normal"], ["second", "text"]]);
    let own = env!("CARGO_PKG_VERSION");
    let version = |at: usize| {
        steps[at]
            .facts
            .agent
            .as_ref()
            .and_then(|it| it.version.clone())
    };
    assert_eq!((version(0).as_deref(), version(1)), (Some(own), None));
    let checks = &house.steps(&id, "verification").await[0];
    assert_eq!(checks.facts.agent, None, "checks are nobody's");
    house.check().await;
}

#[tokio::test]
async fn a_known_agent_is_asked_for_its_version_in_the_environment_that_it_gets() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let program = repo.beside(
        "claude.sh",
        r#"#!/bin/sh
        case "$1" in --version) echo asked >> "$ASKED"; echo "$VERSION (Claude Code)"; exit;; esac
        sed -i 's/\[ \]/[x]/' specs/planning/thing-plan.md
        git commit -qam 'Do it'
        echo '{"type":"result","subtype":"success","is_error":false,"result":"<promise>COMPLETE</promise>"}'
        "#,
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("a mode");
    let asked = repo.outside().join("asked");
    let env = json!({ "VERSION": "9.8.7", "ASKED": asked });
    let settings = json!({
        "reviewer": false,
        "agent": "claude",
        "agents": { "claude": { "command": program, "env": env } },
        "merge_strategy": "none",
    });
    for times in 1..=2 {
        let id = house.create(&repo, None, settings.clone()).await;
        house.rests(&id, State::Completed).await;
        let step = house.steps(&id, "implementation").await.remove(0);
        let agent = step.facts.agent.expect("the agent");
        assert_eq!(agent.version.as_deref(), Some("9.8.7"));
        let asked = std::fs::read_to_string(&asked).expect("it was asked");
        assert_eq!(asked, "asked\n", "once for {times} runs");
    }
}

#[tokio::test]
async fn a_silent_and_idle_agent_is_ended() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [{ say = 'I think.' }, 'hang']\n";
    let settings = json!({ "agent_idle_timeout_sec": 1, "agent_retries": 0 });
    let id = house.create(&repo, Some(script), settings).await;
    let why = house.failed(&id, "agent_failed").await;
    assert!(why.contains("silent and idle for too long"), "{why}");
    let run = house.settled(&id).await;
    assert_eq!(run.facts.last_result, Some(ResultClass::TimedOut));
    assert_eq!(processes_of(&id), []);
}

#[tokio::test]
async fn a_silent_agent_that_works_is_left_alone() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    // Busy for longer than the agent may be idle, in a process of its own, without a word.
    let busy = "end=$(($(date +%s) + 5)); while [ $(date +%s) -lt $end ]; do :; done";
    let script = format!("then = 'default'\n[[turn]]\nsteps = [{{ sh = '{busy}' }}]\n");
    let settings = json!({ "agent_idle_timeout_sec": 2, "agent_retries": 0 });
    let id = house.create(&repo, Some(&script), settings).await;
    house.rests(&id, State::Completed).await;
    let first = house.steps(&id, "implementation").await.remove(0);
    assert_eq!(first.state.as_str(), "succeeded", "{:?}", first.facts);
}

#[tokio::test]
async fn a_large_output_is_kept_whole_and_registered_with_its_checksum() {
    use sha2::{Digest as _, Sha256};
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "then = 'default'\n[[turn]]\nsteps = [{ flood = 20000000 }, { tick = 'next' }, { commit = 'Do it' }, 'complete']\n";
    let id = house.create(&repo, Some(script), json!({})).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let step = house.steps(&id, "implementation").await.remove(0);
    let written = house
        .dir(&id)
        .join(format!("steps/{}/output", step.generation));
    let written = std::fs::read(written).expect("an output");
    assert!(written.len() >= 20_000_000);
    let sum: String = Sha256::digest(&written)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let artifacts = house.reader.artifacts(&id).await.expect("artifacts");
    let copies: Vec<_> = artifacts
        .iter()
        .filter(|it| it.path.ends_with("iter-01-impl.jsonl"))
        .collect();
    assert_eq!(copies.len(), 2, "the data directory's and the workspace's");
    for copy in copies {
        assert_eq!((&copy.sha256, copy.bytes), (&sum, written.len() as u64));
        assert!(
            std::fs::read(&copy.path).expect("a copy") == written,
            "{}",
            copy.path
        );
    }
}
