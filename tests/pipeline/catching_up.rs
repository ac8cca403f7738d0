//! A target that moves while a run works: it is taken in, verified again, and its conflicts go back to the agent.

use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
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

#[tokio::test]
async fn a_protected_path_that_came_with_the_target_was_not_changed_by_the_run() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.git(&["branch", "agent/thing"]);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = waits_then_writes(&stile, "ours", "ours");
    let settings = json!({ "verify_cmds": ["true"], "protected_paths": ["guarded"] });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    repo.commit_on("agent/thing", "guarded", "by its owner\n");
    stile.open();
    house.rests(&id, State::Completed).await;
    assert_eq!(repo.at("agent/thing", "guarded"), "by its owner");
}

#[tokio::test]
async fn a_protected_path_that_the_run_changes_beside_what_came_with_the_target_holds_it() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.git(&["branch", "agent/thing"]);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "{}[[turn]]\nsteps = [{{ write = {{ path = \"guarded-ours\", text = \"ours\\n\" }} }}, {{ commit = \"More\" }}, \"complete\"]\n",
        waits_then_writes(&stile, "ours", "ours")
    );
    // What came with the target is looked at by the checks, and the agent has to go on.
    let settings = json!({
        "reviewer": false,
        "verify_cmds": ["test ! -e guarded-theirs || test -e guarded-ours"],
        "protected_paths": ["guarded-*"],
    });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    repo.commit_on("agent/thing", "guarded-theirs", "by its owner\n");
    stile.open();
    let why = house.held(&id, "plan_tampered").await;
    assert!(
        why.contains("guarded-ours") && !why.contains("guarded-theirs"),
        "{why}"
    );
}

#[tokio::test]
async fn a_git_that_is_killed_while_a_run_catches_up_holds_nobody_up() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.write(".gitattributes", "b-theirs filter=once\n");
    repo.commit_all("filter");
    repo.git(&["branch", "agent/thing"]);
    // The first git that writes the file is killed: that of the run's worktree.
    let killed = repo.outside().join("killed");
    let smudge = format!(
        "mkdir '{}' 2>/dev/null && kill -9 $PPID; cat",
        killed.display()
    );
    repo.git(&["config", "filter.once.smudge", &smudge]);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = waits_then_writes(&stile, "ours", "ours");
    let settings = json!({ "verify_cmds": ["test -z \"$(git status --porcelain)\""] });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    repo.commit_on("agent/thing", "a-theirs", "theirs\n");
    repo.commit_on("agent/thing", "b-theirs", "theirs\n");
    assert!(!killed.exists());
    stile.open();
    house.rests(&id, State::Completed).await;
    assert!(killed.exists(), "it was killed");
    assert_eq!(
        house.path(&id).await,
        "queued running verifying watchdog merging verifying watchdog merging completed"
    );
    for (file, text) in [
        ("ours", "ours"),
        ("a-theirs", "theirs"),
        ("b-theirs", "theirs"),
    ] {
        assert_eq!(repo.at("agent/thing", file), text);
    }
    house.check().await;
}
