//! The target moves to the verified tree and to nothing else; the user's checkouts are as they were.

use agent_loop::core::run::State;
use serde_json::json;

use super::{ONE_TASK, TWO_TASKS};
use crate::support::{House, Options, Repository, Turnstile};

/// The agent waits once in its first turn, then does the one task with this file.
fn waits_then_writes(stile: &Turnstile, path: &str, text: &str) -> String {
    format!(
        r#"
        [[turn]]
        steps = [
            {{ sh = "{}" }},
            {{ write = {{ path = "{path}", text = "{text}\n" }} }},
            {{ tick = "next" }},
            {{ commit = "Do it" }},
            "complete",
        ]
        "#,
        stile.sh()
    )
}

#[tokio::test]
async fn a_dirty_checkout_on_another_branch_is_as_it_was_to_the_byte() {
    let repo = Repository::with_plan(TWO_TASKS);
    repo.git(&["switch", "--quiet", "--create", "mine"]);
    repo.write("specs/thing.md", "# Thing\n\nMy own words.\n");
    repo.write("staged", "staged\n");
    repo.git(&["add", "staged"]);
    repo.write("staged", "and changed again\n");
    repo.write("untracked", "untracked\n");
    let before = repo.checkout();
    let house = House::over(&repo).await;
    let settings = json!({ "base_branch": "main", "verify_cmds": ["test ! -e untracked"] });
    let mut wanted = crate::support::request(&repo, None, settings);
    let refused = house
        .try_create(wanted.clone())
        .await
        .expect_err("the spec differs");
    assert!(refused.contains("specs/thing.md differs"), "{refused}");
    repo.git(&["checkout", "--quiet", "main", "--", "specs/thing.md"]);
    repo.git(&["reset", "--quiet", "specs/thing.md"]);
    let before_run = repo.checkout();
    wanted.name = Some("mine".to_owned());
    let id = house.try_create(wanted).await.expect("a run");
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert_eq!(repo.checkout(), before_run);
    assert_eq!(before.0, before_run.0);
    for (path, text) in [
        ("staged", "and changed again\n"),
        ("untracked", "untracked\n"),
    ] {
        let found = std::fs::read_to_string(repo.root.join(path)).expect("a file");
        assert_eq!(found, text);
    }
    assert_eq!(repo.git(&["diff", "--cached", "--name-only"]), "staged");
}

#[tokio::test]
async fn a_target_that_is_checked_out_is_fast_forwarded_there() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.write("mine", "mine\n");
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "made", text = "made\n" } }, { tick = "next" }, { commit = "Make" }, "complete"]
    "#;
    let settings = json!({ "merge_target_branch": "main", "verify_cmds": ["true"] });
    let id = house.create(&repo, Some(script), settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        Some(repo.git(&["rev-parse", "main"])),
        run.facts.merge_commit
    );
    assert_eq!(repo.checkout().2, "?? mine", "and nothing else has changed");
    assert!(repo.root.join("made").exists());
}

#[tokio::test]
async fn a_checkout_in_the_way_holds_the_run_and_a_resume_merges() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "made", text = "by the agent\n" } }, { tick = "next" }, { commit = "Make" }, "complete"]
    "#;
    repo.write("made", "by the user\n");
    let before = repo.checkout();
    let settings = json!({ "merge_target_branch": "main", "verify_cmds": ["true"] });
    let id = house.create(&repo, Some(script), settings).await;
    let why = house.held(&id, "target_held").await;
    assert!(why.contains("made"), "{why}");
    assert_eq!(repo.checkout(), before);
    let found = std::fs::read_to_string(repo.root.join("made")).expect("a file");
    assert_eq!(found, "by the user\n");
    std::fs::remove_file(repo.root.join("made")).expect("removed");
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(
        house.steps(&id, "implementation").await.len(),
        1,
        "the work was done"
    );
    assert_eq!(
        house.steps(&id, "verification").await.len(),
        2,
        "but proved again"
    );
    assert_eq!(repo.at("main", "made"), "by the agent");
}

#[tokio::test]
async fn a_target_that_moves_meanwhile_is_taken_in_and_verified_again() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.git(&["branch", "agent/thing"]);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = waits_then_writes(&stile, "ours", "ours");
    let settings = json!({ "verify_cmds": ["ls"] });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    let theirs = repo.commit_on("agent/thing", "theirs", "theirs\n");
    stile.open();
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        house.path(&id).await,
        "queued running verifying watchdog merging verifying watchdog merging completed"
    );
    assert_eq!(
        repo.git(&["rev-parse", "agent/thing^"]),
        theirs,
        "one commit on top of theirs"
    );
    assert_eq!(repo.at("agent/thing", "ours"), "ours");
    assert_eq!(repo.at("agent/thing", "theirs"), "theirs");
    let verified = house.told(&id, "VERIFICATION_FINISHED").await;
    assert_ne!(verified[0]["tree"], verified[1]["tree"]);
    let tree = repo.git(&["rev-parse", "agent/thing^{tree}"]);
    assert_eq!(
        verified[1]["tree"], tree,
        "what was merged is what was verified last"
    );
    assert_eq!(run.facts.verified_tree, Some(tree));
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
}

#[tokio::test]
async fn a_conflict_goes_back_to_the_agent_which_mends_it() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.git(&["branch", "agent/thing"]);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = waits_then_writes(&stile, "shared", "ours")
        + r#"
        [[turn]]
        steps = [
            { sh = "git merge agent/thing || true" },
            { write = { path = "shared", text = "both\n" } },
            { commit = "Settle the conflict" },
            "complete",
        ]
    "#;
    let id = house
        .create(&repo, Some(&script), json!({ "verify_cmds": ["true"] }))
        .await;
    stile.somebody().await;
    repo.commit_on("agent/thing", "shared", "theirs\n");
    stile.open();
    house.rests(&id, State::Completed).await;
    assert_eq!(
        house.path(&id).await,
        "queued running verifying watchdog merging running verifying watchdog merging completed"
    );
    assert_eq!(
        house.told(&id, "MERGE_CONFLICT").await[0]["files"],
        json!(["shared"])
    );
    let prompts = house.prompts(&id, "implementation").await;
    assert!(prompts[1].contains("a merge conflict"), "{}", prompts[1]);
    assert!(prompts[1].contains("- `shared`"), "{}", prompts[1]);
    assert_eq!(repo.at("agent/thing", "shared"), "both");
    assert_eq!(
        house.steps(&id, "review").await.len(),
        2,
        "the settled tree was reviewed"
    );
}

#[tokio::test]
async fn a_conflict_that_nobody_mends_asks_a_person() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.git(&["branch", "agent/thing"]);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script =
        waits_then_writes(&stile, "shared", "ours") + "\n[[turn]]\nsteps = [\"complete\"]\n";
    let settings = json!({ "verify_cmds": ["true"], "reviewer": false });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    let theirs = repo.commit_on("agent/thing", "shared", "theirs\n");
    stile.open();
    let why = house.held(&id, "merge_conflict").await;
    assert!(why.contains("shared"), "{why}");
    assert_eq!(house.told(&id, "MERGE_CONFLICT").await.len(), 3);
    assert_eq!(repo.git(&["rev-parse", "agent/thing"]), theirs);
}

#[tokio::test]
async fn a_completed_run_leaves_its_branch_and_no_worktree() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = house
        .create(&repo, None, json!({ "verify_cmds": ["true"] }))
        .await;
    house.rests(&id, State::Completed).await;
    let run = house.settled(&id).await;
    let worktree = run.facts.worktree.expect("a worktree");
    assert!(run.facts.worktree_removed);
    assert!(!std::fs::exists(&worktree.path).unwrap_or(true));
    assert_eq!(repo.git(&["worktree", "list"]).lines().count(), 1);
    repo.git(&["rev-parse", "--verify", &worktree.run_branch]);
    assert_eq!(house.told(&id, "WORKTREE_REMOVED").await.len(), 1);
}

#[tokio::test]
async fn two_runs_of_one_workspace_merge_one_after_the_other() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::open(&repo.outside().join("data"), &Options::caps(2, 2)).await;
    let mut stiles = ["one", "two"].map(|name| Turnstile::new(repo.outside(), name));
    let mut ids = Vec::new();
    for (stile, file) in stiles.iter().zip(["one", "two"]) {
        let script = waits_then_writes(stile, file, "made");
        let settings = json!({ "verify_cmds": ["true"], "reviewer": false });
        ids.push(house.create(&repo, Some(&script), settings).await);
    }
    for stile in &mut stiles {
        stile.somebody().await;
    }
    for stile in &mut stiles {
        stile.open();
    }
    for id in &ids {
        let run = house.rests(id, State::Completed).await;
        let merged = run.facts.merge_commit.expect("a merge");
        let tree = repo.git(&["rev-parse", &format!("{merged}^{{tree}}")]);
        assert_eq!(
            run.facts.verified_tree,
            Some(tree),
            "what was merged was verified"
        );
    }
    assert_eq!(repo.git(&["rev-list", "--count", "main..agent/thing"]), "2");
    for file in ["one", "two"] {
        assert_eq!(repo.at("agent/thing", file), "made");
    }
    house.check().await;
}
