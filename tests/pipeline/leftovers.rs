//! What an agent leaves behind in its worktree: it is committed under a name, or kept and told, and what git cannot take is
//! shown to a person. What an agent must not touch is in `trust`.

use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository};

#[tokio::test]
async fn what_the_agent_did_not_commit_is_kept_in_a_marked_commit() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "new/größe.txt", text = "kept\n" } }, { tick = "next" }, "complete"]
    "#;
    let settings = json!({ "merge_strategy": "none" });
    let id = house.create(&repo, Some(script), settings).await;
    let run = house.rests(&id, State::Completed).await;
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    assert_eq!(repo.at(&branch, "new/größe.txt"), "kept");
    let kinds = repo.git(&[
        "log",
        "--reverse",
        "--format=%(trailers:key=Loopd-Kind,valueonly,separator=%x2C)",
        &format!("main..{branch}"),
    ]);
    assert_eq!(kinds, "leftovers\nplan");
    assert!(
        house.prompts(&id, "review").await[0].contains(".."),
        "the commit was reviewed"
    );
}

/// A run whose agent commits by git's own command; what git tells of that commit in this format.
async fn commit_of_its_own(repo: &Repository, house: &House, format: &str) -> String {
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { sh = "git add -A && git commit -q -m Mine" }, "complete"]
    "#;
    let settings = json!({ "merge_strategy": "none", "reviewer": false });
    let id = house.create(repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    let branch = house.worktree(&id).await.run_branch;
    repo.git(&["log", "-1", &format!("--format={format}"), &branch])
}

#[tokio::test]
async fn an_agent_can_commit_on_a_machine_where_nobody_has_a_name() {
    let repo = Repository::with_plan(ONE_TASK);
    for key in ["user.name", "user.email"] {
        repo.git(&["config", "--unset", key]);
    }
    let house = House::over(&repo).await;
    assert_eq!(
        commit_of_its_own(&repo, &house, "%s by %an, %cn").await,
        "Mine by loopd agent, loopd agent"
    );
}

#[tokio::test]
async fn an_agent_commits_by_the_name_that_is_configured() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.git(&["config", "--unset", "user.email"]);
    let house = House::over(&repo).await;
    std::fs::write(house.data.join(".gitconfig"), "[user]\n\temail = at@home\n").expect("a file");
    assert_eq!(
        commit_of_its_own(&repo, &house, "%s by %an, %ae").await,
        "Mine by Tester, at@home"
    );
}

#[tokio::test]
async fn a_completed_run_whose_checks_may_have_used_what_no_commit_has_says_so() {
    let repo = Repository::with_plan(ONE_TASK);
    std::fs::write(repo.root.join(".git/info/exclude"), "hidden\n").expect("written");
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ write = { path = "hidden", text = "work\n" } }, { tick = "next" }, { commit = "Done" }, "complete"]
    "#;
    let settings = json!({ "reviewer": false, "verify_cmds": ["test -e hidden"] });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    let run = house.settled(&id).await;
    let path = run.facts.worktree.expect("a worktree").path;
    let [why] = &run.facts.kept_back[..] else {
        panic!("{:?}", run.facts.kept_back);
    };
    for words in [
        &*path,
        "files that no commit has: hidden",
        "the checks may have used it",
    ] {
        assert!(why.contains(words), "{words}: {why}");
    }
    assert!(std::path::Path::new(&path).join("hidden").exists());
    house.check().await;
}

#[tokio::test]
async fn what_a_kept_worktree_says_of_the_result_is_true_of_its_reason() {
    let merged = "what was merged has nothing of that";
    let branch = "the run's branch has nothing of that";
    let checks = "the checks may have used it";
    let hides = "echo work > hidden";
    for (does, settings, says, says_not) in [
        (
            hides,
            json!({ "verify_cmds": [] }),
            vec![merged],
            vec![checks],
        ),
        (
            hides,
            json!({ "verify_cmds": ["true"], "merge_strategy": "none" }),
            vec![branch, checks],
            vec![merged],
        ),
        // Of git's own, which no check has used.
        (
            "git update-ref refs/worktree/mine HEAD",
            json!({ "verify_cmds": ["true"] }),
            vec!["it holds refs of its own"],
            vec![merged, branch, checks],
        ),
    ] {
        let repo = Repository::with_plan(ONE_TASK);
        std::fs::write(repo.root.join(".git/info/exclude"), "hidden\n").expect("written");
        let house = House::over(&repo).await;
        let script = format!(
            r#"
            [[turn]]
            steps = [{{ sh = "{does}" }}, {{ tick = "next" }}, {{ commit = "Done" }}, "complete"]
            "#
        );
        let id = house.create(&repo, Some(&script), settings).await;
        house.rests(&id, State::Completed).await;
        let run = house.settled(&id).await;
        let path = run.facts.worktree.expect("a worktree").path;
        let [why] = &run.facts.kept_back[..] else {
            panic!("{:?}", run.facts.kept_back);
        };
        for words in says.into_iter().chain([&*path]) {
            assert!(why.contains(words), "{does}: {why}");
        }
        for words in says_not {
            assert!(!why.contains(words), "{does}: {why}");
        }
    }
}

#[tokio::test]
async fn what_git_cannot_commit_or_would_wait_for_is_shown_to_a_person_and_the_run_goes_on_afterwards()
 {
    let odd = [
        (
            "mkdir deep; mkfifo deep/.gitignore",
            "deep/.gitignore is a pipe",
            "deep",
        ),
        ("touch .GIT", "cannot commit", ".GIT"),
        (
            "echo '*.u working-tree-encoding=UTF-16' > .gitattributes; echo x > a.u",
            "cannot commit",
            "a.u",
        ),
    ];
    for (does, says, gone) in odd {
        let repo = Repository::with_plan(ONE_TASK);
        let house = House::over(&repo).await;
        let script = format!(
            r#"
            then = "default"
            [[turn]]
            steps = [{{ tick = "next" }}, {{ commit = "Done" }}, {{ sh = "{does}" }}, "complete"]
            "#
        );
        let settings = json!({ "reviewer": false });
        let id = house.create(&repo, Some(&script), settings).await;
        let why = house.held(&id, "worktree_held").await;
        assert!(why.contains(says), "{does}: {why}");
        let run = house.run(&id).await;
        let path =
            std::path::PathBuf::from(run.facts.worktree.expect("a worktree").path).join(gone);
        if path.is_dir() {
            std::fs::remove_dir_all(path).expect("removed");
        } else {
            std::fs::remove_file(path).expect("removed");
        }
        house.resume(&id).await;
        house.wait(&id, |run| run.state != State::Paused).await;
        house.rests(&id, State::Completed).await;
    }
}
