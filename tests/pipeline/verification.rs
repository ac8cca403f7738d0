//! The checks: real commands with logs, timeouts and exit codes of their own; what fails comes back to the agent.

use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository};

#[tokio::test]
async fn a_run_whose_checks_fail_twice_is_told_and_mends_it() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { write = { path = "state", text = "alpha" } }, { commit = "One" }, "complete"]
        [[turn]]
        steps = [{ write = { path = "state", text = "beta" } }, { commit = "Two" }, "complete"]
        [[turn]]
        steps = [{ write = { path = "state", text = "good" } }, { commit = "Three" }, "complete"]
    "#;
    let check = "echo state is $(cat state); test $(cat state) = good";
    let settings = json!({ "verify_cmds": ["true", check] });
    let id = house.create(&repo, Some(script), settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        house.path(&id).await,
        "queued running verifying watchdog running verifying watchdog running verifying watchdog merging completed"
    );
    let prompts = house.prompts(&id, "implementation").await;
    assert!(!prompts[0].contains("state is alpha"), "{}", prompts[0]);
    assert!(
        prompts[1].contains("exit status 1\nstate is alpha"),
        "{}",
        prompts[1]
    );
    assert!(prompts[2].contains("state is beta"), "{}", prompts[2]);
    assert!(!prompts[2].contains("state is alpha"), "{}", prompts[2]);
    let finished = house.told(&id, "VERIFICATION_FINISHED").await;
    let passed: Vec<bool> = finished.iter().map(|v| v["passed"] == true).collect();
    assert_eq!(passed, [false, false, true]);
    assert_eq!(
        finished[2]["tree"],
        run.facts.verified_tree.unwrap_or_default()
    );
}

#[tokio::test]
async fn failures_in_a_row_fail_the_run() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "One" }, "complete"]
        [[turn]]
        steps = [{ append = { path = "more", text = "more\n" } }, { commit = "More" }, "complete"]
    "#;
    let settings = json!({
        "verify_cmds": ["cat more 2>&1; false", "seq 9999; false"],
        "max_consecutive_verification_failures": 2,
        "reviewer": false,
    });
    let id = house.create(&repo, Some(script), settings).await;
    let why = house
        .failed(&id, "max_consecutive_failures:verification:2")
        .await;
    assert!(
        why.contains("`cat more 2>&1; false`: exit status 1"),
        "{why}"
    );
    assert!(why.contains("loopctl retry"), "{why}");
    // Of a long output, the end says what is the matter.
    let failures = house.run(&id).await.facts.notes.failures;
    let tail = &failures[1].tail;
    assert!(tail.ends_with("\n9998\n9999\n"), "{tail}");
    assert!(tail.len() <= 4096, "{}", tail.len());
    assert!(!repo.has("agent/thing"));
}

#[tokio::test]
async fn a_check_that_changes_tracked_files_has_failed() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings = json!({
        "verify_cmds": ["echo formatted >> specs/thing.md; echo new > untracked"],
        "max_consecutive_verification_failures": 1,
        "reviewer": false,
    });
    let id = house.create(&repo, None, settings).await;
    let why = house
        .failed(&id, "max_consecutive_failures:verification:1")
        .await;
    assert!(
        why.contains("the checks changed tracked files: specs/thing.md"),
        "{why}"
    );
}

#[tokio::test]
async fn a_check_may_leave_new_files_and_the_next_ones_run_whatever_it_says() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "One" }, "complete"]
        [[turn]]
        steps = [{ write = { path = "good", text = "" } }, "complete"]
    "#;
    let settings = json!({ "verify_cmds": [
        "test -f good && yes 'a line of output' | head -c 5000000",
        "printf 'b\\na\\n' | sort | tee sorted | head -1; echo oops >&2; date +%N > 'größe report.xml'",
    ] });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(house.file(&id, "verify/verify-01-1.log"), "");
    assert_eq!(
        house.file(&id, "verify/verify-01-2.log"),
        "a\noops\n",
        "it ran although the first failed"
    );
    assert_eq!(house.file(&id, "verify/verify-02-1.log").len(), 5_000_000);
    assert_eq!(house.file(&id, "verify/verify-02-2.log"), "a\noops\n");
    for left in ["sorted", "größe report.xml"] {
        let merged = repo.at("agent/thing", left);
        assert_eq!(merged, "", "what a check leaves is nobody's work");
    }
}

#[tokio::test]
async fn a_check_that_ends_by_a_signal_or_moves_the_branch_has_failed() {
    for (check, why) in [
        ("kill -9 $$", "ended by signal 9"),
        (
            "git -c user.name=x -c user.email=x@localhost commit --quiet --allow-empty -m sneaked",
            "the run branch moved from ",
        ),
    ] {
        let repo = Repository::with_plan(ONE_TASK);
        let house = House::over(&repo).await;
        let settings = json!({
            "verify_cmds": [check],
            "max_consecutive_verification_failures": 1,
            "reviewer": false,
        });
        let id = house.create(&repo, None, settings).await;
        let told = house
            .failed(&id, "max_consecutive_failures:verification:1")
            .await;
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn what_checks_ever_left_stays_nobodys_work() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "One" }, "complete"]
        [[turn]]
        steps = [{ append = { path = "tries", text = "another\n" } }, "complete"]
    "#;
    let settings = json!({
        "reviewer": false,
        "verify_cmds": ["n=$(cat tries | wc -l); echo x > left-$n; test $n -eq 2"],
    });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(repo.at("agent/thing", "tries"), "another\nanother");
    let merged = repo.git(&["ls-tree", "--name-only", "agent/thing"]);
    assert!(!merged.contains("left-"), "{merged}");
}

#[tokio::test]
async fn a_check_that_takes_too_long_is_ended_and_has_failed() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings = json!({
        "verify_cmds": ["echo before; sleep 1000 & sleep 1000"],
        "verify_timeout_sec": 1,
        "max_consecutive_verification_failures": 1,
        "reviewer": false,
    });
    let id = house.create(&repo, None, settings).await;
    let why = house
        .failed(&id, "max_consecutive_failures:verification:1")
        .await;
    assert!(
        why.contains("not done after 1 s (verify_timeout_sec)"),
        "{why}"
    );
    assert_eq!(house.file(&id, "verify/verify-01-1.log"), "before\n");
    house.settled(&id).await;
    assert_eq!(crate::support::processes_of(&id), []);
}

#[tokio::test]
async fn the_checks_see_what_a_checkout_of_the_tip_gives() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    // The tree is the same either way; only whoever checks it out gets the other line ends.
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { write = { path = "a.txt", text = "a\n" } }, { write = { path = ".gitattributes", text = "*.txt eol=crlf\n" } }, { commit = "One" }, "complete"]
        [[turn]]
        steps = [{ sh = "git rm -q .gitattributes" }, { write = { path = "a.txt", text = "a\n" } }, { commit = "Two" }, "complete"]
    "#;
    let check = "printf 'a\\n' | cmp - a.txt";
    let settings = json!({ "verify_cmds": [check], "reviewer": false });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    let finished = house.told(&id, "VERIFICATION_FINISHED").await;
    let passed: Vec<bool> = finished.iter().map(|v| v["passed"] == true).collect();
    assert_eq!(passed, [false, true]);
}
