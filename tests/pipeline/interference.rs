//! Whole runs while somebody interferes with git: the agent with its own worktree and branch, a person with the target; and
//! repositories whose files are not what they seem: filters, submodules.

use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository, Turnstile, processes_of};

/// The first call does this; later ones do the work.
fn once(sh: &str) -> String {
    format!("then = \"default\"\n[[turn]]\nsteps = [{{ sh = '''{sh}''' }}]\n")
}

/// Whatever an agent does to its place, a person is told in these words, and the run goes on when they let it.
async fn held_and_mended(sh: &str, words: &str, mend: impl FnOnce(&Repository, &str)) {
    let repo = Repository::with_plan(ONE_TASK);
    let before = repo.checkout();
    let house = House::over(&repo).await;
    let settings = json!({ "reviewer": false, "verify_cmds": ["true"], "artifact_mode": "global" });
    let id = house.create(&repo, Some(&once(sh)), settings).await;
    let why = house.held(&id, "worktree_held").await;
    assert!(why.contains(words), "{words}: {why}");
    house.settled(&id).await;
    assert_eq!(repo.checkout(), before);
    let path = house.worktree(&id).await.path;
    mend(&repo, &path);
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(processes_of(&id), []);
    house.check().await;
}

#[tokio::test]
async fn an_agent_that_removes_its_worktree_holds_the_run_which_gets_it_again() {
    held_and_mended("rm -rf \"$PWD\"", "is gone", |_, _| {}).await;
}

#[tokio::test]
async fn an_agent_that_rewrites_its_git_file_holds_the_run() {
    held_and_mended(
        "cp .git ../kept && git init -q ../evil && echo \"gitdir: $(cd .. && pwd)/evil/.git\" > .git",
        ".git",
        |repo, path| {
            let kept = repo.outside().join("kept");
            std::fs::copy(kept, std::path::Path::new(path).join(".git")).expect("put back");
        },
    )
    .await;
}

#[tokio::test]
async fn an_agent_that_deletes_its_branch_holds_the_run() {
    held_and_mended(
        "git rev-parse HEAD > ../tip && git update-ref -d refs/heads/run/thing",
        "restore it with `git branch run/thing ",
        |repo, _| {
            let tip = std::fs::read_to_string(repo.outside().join("tip")).expect("a tip");
            repo.git(&["branch", "run/thing", tip.trim()]);
        },
    )
    .await;
}

#[tokio::test]
async fn a_worktree_that_somebody_moved_holds_the_run_until_it_is_moved_back() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "then = \"default\"\n[[turn]]\nsteps = [{{ sh = \"{}\" }}]\n",
        stile.sh()
    );
    let settings = json!({ "reviewer": false, "verify_cmds": ["true"] });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    let made = house.run(&id).await.facts.worktree;
    let path = made.expect("a worktree").path;
    let there = format!("{path}.moved");
    repo.git(&["worktree", "move", "-f", "-f", &path, &there]);
    stile.open();
    let helps = format!("worktree move -f -f {there} {path}");
    for _ in 0..2 {
        // Whoever resumes without having followed is told the same.
        let why = house.held(&id, "worktree_held").await;
        assert!(why.contains(&helps) && why.contains("reset"), "{why}");
        house.settled(&id).await;
        house.resume(&id).await;
    }
    house.held(&id, "worktree_held").await;
    house.settled(&id).await;
    repo.git(&["worktree", "move", "-f", "-f", &there, &path]);
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    house.check().await;
}

#[tokio::test]
async fn a_target_that_is_deleted_meanwhile_is_made_again_from_the_base() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.git(&["branch", "agent/thing"]);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "check");
    let settings = json!({ "reviewer": false, "verify_cmds": [stile.sh()] });
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    repo.git(&["branch", "--quiet", "-D", "agent/thing"]);
    stile.open();
    let run = house.rests(&id, State::Completed).await;
    let target = repo.git(&["rev-parse", "agent/thing"]);
    assert_eq!(run.facts.merge_commit.as_ref(), Some(&target));
    let base = repo.git(&["rev-parse", "main"]);
    assert_eq!(repo.git(&["rev-parse", "agent/thing^"]), base);
    assert_eq!(house.steps(&id, "verification").await.len(), 1);
    house.check().await;
}

#[tokio::test]
async fn a_target_that_became_another_history_is_not_merged_into_in_silence() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.git(&["branch", "agent/thing"]);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "check");
    let settings = json!({ "reviewer": false, "verify_cmds": [stile.sh()] });
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    let empty = repo.git(&["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let other = repo.git(&["commit-tree", "-m", "Another history", &empty]);
    repo.git(&["update-ref", "refs/heads/agent/thing", &other]);
    stile.open();
    let run = house.rest(&id).await;
    assert_ne!(run.state, State::Completed, "{}", house.story(&id).await);
    let hold = run.facts.hold.map(|it| it.message);
    let why = hold.or(run.facts.failure.map(|it| it.message));
    let why = why.expect("a cause");
    assert!(
        why.contains("agent/thing") && why.contains("histor"),
        "{why}"
    );
    assert_eq!(repo.git(&["rev-parse", "agent/thing"]), other);
    house.check().await;
}

#[tokio::test]
async fn filters_of_the_user_are_in_force_from_the_worktree_to_the_checkout() {
    let repo = Repository::with_plan(ONE_TASK);
    // As large files or encrypted ones: what is stored is not what stands in the directory.
    repo.git(&["config", "filter.up.clean", "tr a-z A-Z"]);
    repo.git(&["config", "filter.up.smudge", "tr A-Z a-z"]);
    repo.git(&["config", "filter.up.required", "true"]);
    repo.write(".gitattributes", "*.up filter=up\n");
    repo.write("old.up", "old\n");
    repo.commit_all("With a filter");
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "new.up", text = "new\n" } }, { tick = "next" }, "complete"]
    "#;
    let check = "grep -qx old old.up && grep -qx new new.up";
    let settings = json!({ "merge_target_branch": "main", "verify_cmds": [check] });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(house.run(&id).await.facts.iteration, 1);
    for (name, stored, stands) in [("old.up", "OLD", "old\n"), ("new.up", "NEW", "new\n")] {
        assert_eq!(
            repo.git(&["cat-file", "blob", &format!("main:{name}")]),
            stored
        );
        let found = std::fs::read_to_string(repo.root.join(name)).expect("a file");
        assert_eq!(found, stands);
    }
    assert_eq!(repo.checkout().2, "");
}

#[tokio::test]
async fn a_submodule_stays_what_it_is_in_the_target_and_in_the_checkout() {
    let (repo, part) = (
        Repository::with_plan(ONE_TASK),
        Repository::with_plan(ONE_TASK),
    );
    let from = part.root.display().to_string();
    let local = ["-c", "protocol.file.allow=always"];
    repo.git(&[&local[..], &["submodule", "--quiet", "add", &from, "part"]].concat());
    repo.commit_all("With a submodule");
    let pinned = repo.git(&["rev-parse", "main:part"]);
    let before = repo.checkout().2;
    let house = House::over(&repo).await;
    let settings = json!({ "merge_target_branch": "main", "verify_cmds": ["true"] });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert_eq!(repo.git(&["rev-parse", "main:part"]), pinned);
    assert!(repo.root.join("part/specs/thing.md").is_file());
    assert_eq!(repo.checkout().2, before);
    house.check().await;
}
