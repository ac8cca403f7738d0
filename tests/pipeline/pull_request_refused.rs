//! Pull requests that are not made: what is missing or distrusted is told, with what to do, and before anything leaves the
//! machine. Those that are made are in `pull_request`.

use std::path::PathBuf;

use agent_loop::core::handover::Event;
use serde_json::json;

use super::ONE_TASK;
use super::forge::{FORGE, Yard};
use crate::support::{House, Options, Repository, executable};

#[tokio::test]
async fn a_run_without_a_commit_of_its_own_has_nothing_to_request() {
    let yard = Yard::new(&["gh"], Some("")).await;
    let script = Some("[[turn]]\nsteps = [\"auth\"]\n");
    let id = yard.house.create(&yard.repo, script, json!({})).await;
    yard.house.failed(&id, "agent_auth").await;
    yard.house.settled(&id).await;
    let (code, message, hint) = yard.refused(&id).await;
    assert_eq!(code, "nothing_to_request");
    assert!(message.contains("no commit that main had not"), "{message}");
    assert!(hint.contains(&format!("loopctl retry {id}")), "{hint}");
    assert_eq!(yard.pushed("run/thing"), None);
    assert_eq!(yard.said("asked"), "");
}

#[tokio::test]
async fn what_is_missing_is_told_and_nothing_leaves_the_machine() {
    let yard = Yard::new(&["gh"], None).await;
    let (id, _) = yard.completed().await;
    let (code, _, hint) = yard.refused(&id).await;
    assert_eq!(code, "no_remote");
    assert!(hint.contains("git remote add"), "{hint}");

    let yard = Yard::new(&["gh"], Some("https://gitlab.example/o/r.git")).await;
    let (id, branch) = yard.completed().await;
    let (code, message, hint) = yard.refused(&id).await;
    assert_eq!(code, "forge_missing");
    assert!(
        message.contains("glab") && hint.contains("install glab"),
        "{message}; {hint}"
    );
    assert_eq!(yard.pushed(&branch), None);

    let yard = Yard::new(&["gh"], Some("")).await;
    let (id, branch) = yard.completed().await;
    std::fs::write(yard.bin.join("refuse"), "run gh auth login\n").expect("written");
    let (code, message, hint) = yard.refused(&id).await;
    assert_eq!(code, "forge_failed");
    assert!(
        message.contains("run gh auth login") && hint.contains("`gh auth login`"),
        "{message}; {hint}"
    );
    assert_eq!(yard.pushed(&branch), None, "asked before it is pushed");
    // It can be asked for again.
    std::fs::remove_file(yard.bin.join("refuse")).expect("removed");
    let it = yard.house.handed(&id, Event::Pr).await;
    assert!(it.facts.pr_url.is_some(), "{:?}", it.facts.snag);
    yard.house.check().await;
}

#[tokio::test]
async fn a_branch_that_the_remote_has_otherwise_is_not_overwritten() {
    let yard = Yard::new(&["gh"], Some("")).await;
    let (id, branch) = yard.completed().await;
    yard.repo.git(&["branch", "theirs", "main"]);
    let theirs = yard.repo.commit_on("theirs", "theirs", "theirs\n");
    yard.repo.git(&[
        "push",
        "--quiet",
        "origin",
        &format!("{theirs}:refs/heads/{branch}"),
    ]);
    let (code, _, hint) = yard.refused(&id).await;
    assert_eq!(code, "push_failed");
    assert!(hint.contains("by force"), "{hint}");
    assert_eq!(yard.pushed(&branch), Some(theirs));
}

#[tokio::test]
async fn a_push_runs_no_hook_and_nothing_that_an_agent_can_have_configured() {
    let yard = Yard::new(&["gh"], Some("")).await;
    let (id, branch) = yard.completed().await;
    let trap = yard.repo.outside().join("sprung").display().to_string();
    let hook = yard.repo.root.join(".git/hooks/pre-push");
    std::fs::create_dir_all(hook.parent().expect("a parent")).expect("a directory");
    executable(&hook, &format!("#!/bin/sh\ntouch {trap}\nexit 1\n"));
    yard.repo
        .git(&["config", "core.sshCommand", &format!("touch {trap}")]);
    let (code, message, _) = yard.refused(&id).await;
    assert_eq!(code, "push_distrusted");
    assert!(message.contains("core.sshcommand"), "{message}");
    assert_eq!(yard.pushed(&branch), None);
    yard.repo.git(&["config", "--unset", "core.sshCommand"]);
    let it = yard.house.handed(&id, Event::Pr).await;
    assert!(it.facts.pr_url.is_some(), "{:?}", it.facts.snag);
    assert!(!std::fs::exists(&trap).expect("looked"));
}

#[tokio::test]
async fn a_forge_that_only_a_relative_path_leads_to_is_not_taken() {
    let repo = Repository::with_plan(ONE_TASK);
    let bare = repo.outside().join("remote.git").display().to_string();
    repo.git(&["init", "--quiet", "--bare", &bare]);
    repo.git(&["remote", "add", "origin", &bare]);
    repo.git(&["push", "--quiet", "origin", "main"]);
    let bin = repo.outside().join("bin");
    std::fs::create_dir(&bin).expect("a directory");
    executable(&bin.join("gh"), FORGE);
    // From where this process stands, it is there.
    let here = std::env::current_dir().expect("a directory");
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let relative = up.join(bin.strip_prefix("/").expect("absolute"));
    assert!(relative.join("gh").is_file(), "{}", relative.display());
    // Beside it what a run needs, and no forge of this machine's.
    let tools = repo.outside().join("tools");
    std::fs::create_dir(&tools).expect("a directory");
    let path = std::env::var_os("PATH").unwrap_or_default();
    for tool in ["git", "sh"] {
        let mut found = std::env::split_paths(&path).map(|dir| dir.join(tool));
        let found = found.find(|it| it.is_file()).expect("it is installed");
        std::os::unix::fs::symlink(found, tools.join(tool)).expect("a link");
    }
    let path = format!("{}:{}", relative.display(), tools.display());
    let options = Options {
        environment: vec![("PATH", path)],
        ..Options::default()
    };
    let house = House::open(&repo.outside().join("data"), &options).await;
    let yard = Yard { repo, house, bin };
    let (id, _) = yard.completed().await;
    let (code, message, _) = yard.refused(&id).await;
    assert_eq!(code, "forge_missing", "{message}");
    assert_eq!(yard.said("asked"), "", "nobody was asked");
}
