//! A pull request of a run: a real push to a real remote, made once, by the forge of that remote. Those that are refused
//! are in `pull_request_refused`.

use std::process::{Command, Stdio};

use agent_loop::core::handover::{Event, State as Handover};
use agent_loop::core::run::State;
use agent_loop::store::HandoverAnswer;
use serde_json::json;

use super::forge::Yard;
use crate::support::RETRY;

#[tokio::test]
async fn a_forge_command_that_a_killed_daemon_left_is_ended_before_another_one_begins() {
    let yard = Yard::new(&["gh"], Some("")).await;
    let (id, _) = yard.completed().await;
    let stray = |of: &str| {
        let mut sleep = Command::new("sleep");
        sleep.arg("1000").env("LOOPD_STEP", format!("{id}.{of}"));
        sleep.stdout(Stdio::null()).stderr(Stdio::null());
        sleep.spawn().expect("a process")
    };
    let (mut left, mut other) = (stray("pull-request"), stray("pull-request-of-another"));
    let it = yard.house.handed(&id, Event::Pr).await;
    assert_eq!(it.state, Handover::Proved, "{:?}", it.facts.snag);
    let ended = left.try_wait().expect("an answer");
    assert!(
        ended.is_some(),
        "it was ended before the pull request was made"
    );
    assert!(
        other.try_wait().expect("an answer").is_none(),
        "that is nobody of ours"
    );
    other.kill().expect("killed");
    let _ = other.wait();
    let environment = yard.said("environment");
    assert!(environment.contains(&format!("LOOPD_STEP={id}.pull-request\n")));
}

#[tokio::test]
async fn a_pull_request_pushes_the_branch_and_is_made_once() {
    let yard = Yard::new(&["gh", "glab"], Some("")).await;
    let (id, branch) = yard.completed().await;
    let it = yard.house.handed(&id, Event::Pr).await;
    assert_eq!(it.state, Handover::Proved, "{:?}", it.facts.snag);
    let url = "https://forge.example/o/r/pull/7";
    assert_eq!(it.facts.pr_url.as_deref(), Some(url));
    assert_eq!(
        yard.pushed(&branch),
        Some(yard.repo.git(&["rev-parse", &branch]))
    );
    let asked = yard.said("asked");
    let lines: Vec<&str> = asked.lines().collect();
    assert_eq!(
        lines[0],
        format!("gh pr list --head {branch} --state open --limit 1 --json url"),
        "one that was closed is none"
    );
    assert_eq!(
        lines[1],
        format!("gh pr create --head {branch} --base main --title thing --body-file -")
    );
    let body = yard.said("body");
    assert!(
        body.contains("The checks passed on exactly this tree.") && body.contains(&id.0),
        "{body}"
    );
    let environment = yard.said("environment");
    assert!(
        environment.contains("GH_TOKEN=the account"),
        "{environment}"
    );
    assert!(!environment.contains("SECRET"), "{environment}");
    for told in ["PASSED=on", "GH_PROMPT_DISABLED=1", "NO_PROMPT=1"] {
        assert!(environment.lines().any(|line| line == told), "{told}");
    }
    assert_eq!(
        yard.house.told(&id, "PULL_REQUEST_CREATED").await[0]["url"],
        url
    );
    // Asked once more, nothing is left to do; and the work can still be merged.
    assert!(matches!(
        yard.house.hand(&id, Event::Pr).await,
        HandoverAnswer::Moved(_)
    ));
    assert_eq!(yard.said("asked").lines().count(), 2);
    let it = yard.house.handed(&id, Event::Merge).await;
    assert_eq!(
        (it.state, it.facts.pr_url.as_deref()),
        (Handover::Merged, Some(url))
    );
    yard.house.check().await;
}

#[tokio::test]
async fn the_forge_is_chosen_by_the_remote() {
    let yard = Yard::new(&["gh", "glab"], Some("https://gitlab.example/o/r.git")).await;
    let (id, branch) = yard.completed().await;
    let it = yard.house.handed(&id, Event::Pr).await;
    let url = "https://forge.example/o/r/-/merge_requests/7";
    assert_eq!(it.facts.pr_url.as_deref(), Some(url), "{:?}", it.facts.snag);
    assert!(yard.pushed(&branch).is_some());
    let asked = yard.said("asked");
    assert!(
        asked.contains(&format!(
            "glab mr create --source-branch {branch} --target-branch main"
        )),
        "{asked}"
    );
    assert!(!asked.contains("gh "), "{asked}");
    let looked = format!("glab mr list --source-branch {branch} --output json");
    assert_eq!(asked.lines().next(), Some(&*looked), "looked for first");
}

#[tokio::test]
async fn a_run_that_failed_becomes_a_draft_and_a_retry_pushes_what_came_since() {
    let yard = Yard::new(&["gh"], Some("")).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ write = { path = "half", text = "half\n" } }, { commit = "Half" }, "auth"]
    "#;
    let settings = json!({ "verify_cmds": ["true"] });
    let id = yard.house.create(&yard.repo, Some(script), settings).await;
    yard.house.failed(&id, "agent_auth").await;
    yard.house.settled(&id).await;
    let it = yard.house.handed(&id, Event::Pr).await;
    assert_eq!(it.state, Handover::GivenUp, "{:?}", it.facts.snag);
    assert!(yard.said("asked").contains("--draft"));
    assert!(yard.said("body").contains("nothing is proved"));
    super::operator::moved(&yard.house, &id, RETRY, State::Queued).await;
    yard.house.wait(&id, |run| run.state != State::Queued).await;
    yard.house.wait_for(&id, State::Completed).await;
    yard.house.settled(&id).await;
    let it = yard.house.handed(&id, Event::Pr).await;
    assert_eq!(it.state, Handover::Merged, "the run has merged by itself");
    let asked = yard.said("asked");
    assert_eq!(
        asked.matches("pr create").count(),
        1,
        "found again: {asked}"
    );
    let branch = yard
        .house
        .run(&id)
        .await
        .facts
        .worktree
        .expect("made")
        .run_branch;
    assert_eq!(
        yard.pushed(&branch),
        Some(yard.repo.git(&["rev-parse", &branch]))
    );
    yard.house.check().await;
}
