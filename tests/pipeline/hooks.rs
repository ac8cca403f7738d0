//! Hooks that never end, and a file system monitor that never answers. Nothing of loopd's own waits for them: it runs no
//! hooks. An agent or a check that does is ended when its time is over, and what it waited for is named.

use std::path::PathBuf;
use std::process::Command;

use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository, processes_of};

const HOOKS: [&str; 13] = [
    "commit-msg",
    "fsmonitor",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-rewrite",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "prepare-commit-msg",
    "reference-transaction",
    "update",
];

/// Makes these hooks of the repository block whoever comes, after they have noted their name.
struct Blocked<'a> {
    repo: &'a Repository,
    noted: PathBuf,
}

impl Blocked<'_> {
    fn by<'a>(repo: &'a Repository, hooks: &[&str]) -> Blocked<'a> {
        let noted = repo.outside().join("hooked");
        for hook in hooks {
            let script = format!(
                "#!/bin/sh\necho {hook} >> '{}'\nsleep 100000\n:\n",
                noted.display()
            );
            let source = repo.beside(&format!("hook-{hook}"), &script);
            // By another process: a file that this one has open for writing, nobody could execute.
            let done = Command::new("install")
                .args(["-D", "-m", "755"])
                .arg(source)
                .arg(repo.root.join(".git/hooks").join(hook))
                .status();
            assert!(done.expect("install runs").success());
        }
        if hooks.contains(&"fsmonitor") {
            let monitor = repo.root.join(".git/hooks/fsmonitor");
            let monitor = monitor.display().to_string();
            repo.git(&["config", "core.fsmonitor", &monitor]);
        }
        Blocked { repo, noted }
    }

    /// Which of them were run, with nobody blocked any more.
    fn lifted(self) -> String {
        std::fs::remove_dir_all(self.repo.root.join(".git/hooks")).expect("removed");
        let _ = self.repo.try_git(&["config", "--unset", "core.fsmonitor"]);
        std::fs::read_to_string(self.noted).unwrap_or_default()
    }
}

/// The hook blocks git, which is what the tests below are about.
fn blocks(repo: &Repository, args: &[&str]) {
    let ended = Command::new("timeout")
        .args(["--kill-after=1", "2", "git"])
        .args(args)
        .current_dir(&repo.root)
        .status();
    assert_eq!(ended.expect("timeout runs").code(), Some(124), "{args:?}");
}

#[tokio::test]
async fn a_run_is_made_merged_and_cleaned_up_past_hooks_that_never_end() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let blocked = Blocked::by(&repo, &HOOKS);
    blocks(&repo, &["status"]);
    blocks(
        &repo,
        &["-c", "core.fsmonitor=false", "branch", "--quiet", "blocked"],
    );
    let tried = std::fs::read_to_string(&blocked.noted).expect("noted");
    assert!(
        tried.contains("fsmonitor") && tried.contains("reference-transaction"),
        "{tried}"
    );
    std::fs::remove_file(&blocked.noted).expect("removed");
    let _ = std::fs::remove_file(repo.root.join(".git/index.lock"));
    // The agent leaves the committing to loopd, whose git goes everywhere: worktree, commits, the user's checkout.
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "made", text = "made\n" } }, { tick = "next" }, "complete"]
    "#;
    let settings = json!({ "merge_target_branch": "main", "verify_cmds": ["test -e made"] });
    let id = house.create(&repo, Some(script), settings).await;
    let run = house.rests(&id, State::Completed).await;
    let run_of = house.settled(&id).await;
    assert!(run_of.facts.worktree_removed);
    assert_eq!(blocked.lifted(), "", "no hook was run");
    assert_eq!(processes_of(&id), []);
    let merged = repo.git(&["rev-parse", "main"]);
    assert_eq!(Some(merged), run.facts.merge_commit);
    assert_eq!(repo.checkout().2, "", "the checkout came along");
    house.check().await;
}

#[tokio::test]
async fn an_agent_that_waits_for_a_hook_is_ended_and_the_hook_is_named() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let blocked = Blocked::by(&repo, &["pre-commit"]);
    let script =
        "[[turn]]\nsteps = [{ sh = \"git commit --quiet --allow-empty --message never\" }]\n";
    let settings = json!({ "agent_timeout_sec": 2, "agent_retries": 1, "stop_grace_sec": 1 });
    let id = house.create(&repo, Some(script), settings).await;
    let why = house.failed(&id, "agent_failed").await;
    for words in ["time was over", "hooks/pre-commit"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    house.settled(&id).await;
    assert_eq!(processes_of(&id), []);
    assert_eq!(blocked.lifted(), "pre-commit\npre-commit\n", "two tries");
    house.check().await;
}

#[tokio::test]
async fn work_that_a_hook_kept_from_being_committed_is_kept_by_loopd() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let blocked = Blocked::by(&repo, &["pre-commit"]);
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "made", text = "made\n" } }, { tick = "next" }, { commit = "Never" }, "complete"]
        [[turn]]
        steps = ["complete"]
    "#;
    let settings =
        json!({ "agent_timeout_sec": 2, "stop_grace_sec": 1, "verify_cmds": ["test -e made"] });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert_eq!(blocked.lifted(), "pre-commit\n");
    assert_eq!(processes_of(&id), []);
    assert_eq!(repo.at("agent/thing", "made"), "made");
    house.check().await;
}

#[tokio::test]
async fn a_check_that_waits_for_a_hook_has_failed_and_the_hook_is_named() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let blocked = Blocked::by(&repo, &["pre-commit"]);
    let check = "test -e mended || git commit --quiet --allow-empty --message never";
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, "complete"]
        [[turn]]
        steps = [{ write = { path = "mended", text = "" } }, "complete"]
    "#;
    let settings = json!({ "verify_cmds": [check], "verify_timeout_sec": 1, "stop_grace_sec": 1 });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    let prompts = house.prompts(&id, "implementation").await;
    for words in ["verify_timeout_sec", "hooks/pre-commit"] {
        assert!(prompts[1].contains(words), "{words}: {}", prompts[1]);
    }
    assert_eq!(processes_of(&id), []);
    assert_eq!(blocked.lifted(), "pre-commit\n");
}
