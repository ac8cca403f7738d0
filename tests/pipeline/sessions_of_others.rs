//! Sessions of others than the agent that implements: reviewers and fallback agents, and commands of a person's own, with and
//! without a session. Those of the agent at work are in `sessions`.

use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
use super::sessions::{assert_continued, heard, sessions};
use crate::support::{House, Repository, Turnstile};

#[tokio::test]
async fn a_review_without_a_verdict_is_asked_for_it() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        role = "review"
        steps = [{ say = "I have looked at it." }]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.rests(&id, State::Completed).await;
    assert_continued(&house, &id, "review", &[false, true]).await;
    let prompts = house.prompts(&id, "review").await;
    assert!(
        prompts[1].contains("finish it, and change nothing"),
        "{}",
        prompts[1]
    );
    let kept = house.file(&id, "review-prompt.txt");
    assert!(!kept.starts_with("# Go on:"), "{kept}");
}

/// Does the work as claude would, says nothing of use in its first review, and gives its verdict by schema in the next.
const LIKE_CLAUDE: &str = r#"#!/bin/sh
case "$*" in *--version*) echo 2.1.0; exit 0 ;; esac
said() { printf '{"type":"result","subtype":"success","is_error":false,"result":"%s"%s}\n' "$1" "$2"; }
printf '{"type":"system","subtype":"init","session_id":"s1"}\n'
case "$*" in
  *--json-schema*--resume* | *--resume*--json-schema*)
    said ok ',"structured_output":{"verdict":"APPROVED","findings":""}' ;;
  *--json-schema*) said 'I have looked at it.' '' ;;
  *) sed -i 's/\[ \]/[x]/' specs/planning/thing-plan.md
     git commit -qam 'Do it'
     said '<promise>COMPLETE</promise>' '' ;;
esac
"#;

#[tokio::test]
async fn a_verdict_by_schema_is_asked_for_by_schema_once_more() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let program = repo.program("claude", LIKE_CLAUDE);
    let settings = json!({
        "agent": "claude",
        "agents": { "scripted": { "driver": "scripted" }, "claude": { "command": program } },
    });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    assert_continued(&house, &id, "review", &[false, true]).await;
    for prompt in house.prompts(&id, "review").await {
        assert!(prompt.contains("an object of two texts"), "{prompt}");
    }
}

#[tokio::test]
async fn the_fallback_agent_begins_afresh() {
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
    assert_continued(&house, &id, "implementation", &[false, false]).await;
}

#[tokio::test]
async fn what_the_fallback_agent_said_is_read_in_its_own_words() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let second = format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ usage = {{ input_tokens = 70, output_tokens = 7 }} }}, {{ sh = \"{}\" }}]\n",
        stile.sh()
    );
    let settings = json!({
        "reviewer": false,
        "agent": "first",
        "on_usage_limit": "fallback",
        "fallback_agent": "second",
        "agents": {
            "first": { "command": "/bin/sh", "args": ["-c", "echo 'rate limit reached' >&2; exit 1"] },
            "second": { "driver": "scripted", "args": [repo.beside("second.toml", &second)] },
        },
    });
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    heard(&house, &id, "implementation", "input_tokens").await;
    house.kill_keeper(&id, "implementation").await;
    let run = house.rests(&id, State::Completed).await;
    assert_continued(&house, &id, "implementation", &[false, false, true]).await;
    let told = sessions(&house, &id, "implementation").await;
    assert_eq!(told[1..], ["scripted-1", "scripted-1"]);
    assert_eq!(run.facts.usage.input_tokens, 70);
}

#[tokio::test]
async fn a_lost_review_goes_on_in_its_session() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "reviewer");
    let script = format!(
        "then = \"default\"\n[[turn]]\nrole = \"review\"\nsteps = [{{ sh = \"{}\" }}]\n",
        stile.sh()
    );
    let id = house.create(&repo, Some(&script), json!({})).await;
    stile.somebody().await;
    heard(&house, &id, "review", "scripted-2").await;
    house.kill_keeper(&id, "review").await;
    house.rests(&id, State::Completed).await;
    assert_continued(&house, &id, "review", &[false, true]).await;
}

#[tokio::test]
async fn a_command_that_takes_a_session_is_given_one_and_gets_it_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let agent = repo.beside(
        "agent.sh",
        r#"
        echo "$1" >> ../sessions
        [ $(wc -l < ../sessions) -gt 1 ] || exit 3
        sed -i 's/\[ \]/[x]/' specs/planning/thing-plan.md
        git commit -qam 'Do it'
        echo '<promise>COMPLETE</promise>'
        "#,
    );
    let settings = json!({
        "agent": "mine",
        "agents": { "mine": { "command": "/bin/sh", "args": [agent, "{session}"] } },
        "reviewer": false,
    });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    assert_continued(&house, &id, "implementation", &[false, true]).await;
    let given = std::fs::read_to_string(repo.outside().join("sessions")).expect("sessions");
    let given: Vec<&str> = given.lines().collect();
    assert_eq!((given.len(), given[0]), (2, given[1]));
    assert!(uuid::Uuid::parse_str(given[0]).is_ok(), "{given:?}");
}

#[tokio::test]
async fn a_command_without_sessions_is_told_everything_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings = json!({
        "agent": "mine",
        "agents": { "mine": { "command": "/bin/false" } },
        "agent_retries": 1,
    });
    let id = house.create(&repo, None, settings).await;
    house.failed(&id, "agent_failed").await;
    assert_continued(&house, &id, "implementation", &[false, false]).await;
}
