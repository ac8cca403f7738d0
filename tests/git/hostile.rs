//! What an agent configured is not executed: a canary file must not appear.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use agent_loop::effect::git::{
    CatchUpWant, Leftovers, Prepared, Repo, Step, Strategy, Worktree, catch_up, changed_tracked,
    commit_file, commit_leftovers, execute, head, list_worktrees, plan_merge, prepare_worktree,
    remove_worktree, show,
};

use super::{Lab, executable, merge_want, want, with_worktree};

/// A command that leaves a trace.
fn canary(lab: &Lab) -> String {
    let script = lab.at("canary.sh");
    let body = format!(
        "#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n",
        lab.at("canary").display()
    );
    executable(&script, &body);
    script.to_str().unwrap().to_owned()
}

/// Everything that looks at or changes the worktree.
async fn everything(lab: &Lab, repo: &Repo, worktree: &Worktree) {
    fs::write(worktree.path.join("f"), "changed\n").unwrap();
    fs::write(worktree.path.join("new.txt"), "new\n").unwrap();
    let _ = changed_tracked(repo, worktree).await;
    let _ = commit_leftovers(repo, worktree, "x", &[], &[]).await;
    let _ = commit_file(repo, worktree, Path::new("f"), b"plan\n", "x").await;
    fs::write(lab.repo().join("theirs"), "t\n").unwrap();
    let unarmed = "-c core.fsmonitor=false -c core.hooksPath=/dev/null";
    for words in ["add theirs", "commit -qm t"] {
        let command = format!("{unarmed} {words}");
        lab.sh(&lab.repo(), &command.split(' ').collect::<Vec<_>>());
    }
    let _ = fs::remove_file(lab.at("canary"));
    let from = head(repo, worktree).await.unwrap().commit;
    let _ = catch_up(
        repo,
        &CatchUpWant {
            worktree,
            from: &from,
            target_branch: "main",
        },
    )
    .await;
    let verified = head(repo, worktree).await.unwrap();
    let wish = agent_loop::effect::git::MergeWant {
        target_branch: "main",
        ..merge_want(worktree, &verified, Strategy::Squash)
    };
    if let Ok(Step::Ready(intent)) = plan_merge(repo, &wish).await {
        let _ = execute(repo, &intent, &worktree.drivers).await;
    }
    let _ = list_worktrees(repo).await;
    let _ = remove_worktree(repo, worktree).await;
}

#[tokio::test]
async fn fsmonitor_and_hooks_of_the_shared_configuration_do_not_run() {
    let (lab, repo, worktree) = with_worktree().await;
    let trap = canary(&lab);
    lab.sh(&worktree.path, &["config", "core.fsmonitor", &trap]);
    let hooks = lab.at("hooks");
    fs::create_dir(&hooks).unwrap();
    for name in [
        "reference-transaction",
        "post-checkout",
        "post-index-change",
        "post-merge",
        "pre-commit",
    ] {
        fs::copy(&trap, hooks.join(name)).unwrap();
        fs::copy(&trap, repo.common_dir.join("hooks").join(name)).unwrap();
        fs::set_permissions(hooks.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    lab.sh(
        &worktree.path,
        &["config", "core.hooksPath", hooks.to_str().unwrap()],
    );
    let _ = lab.git(&worktree.path, &["status"]);
    assert!(lab.at("canary").exists(), "the trap works");
    fs::remove_file(lab.at("canary")).unwrap();
    everything(&lab, &repo, &worktree).await;
    let next = prepare_worktree(&repo, &want("r2")).await.unwrap();
    assert!(matches!(next, Prepared::Ready(_)), "{next:?}");
    assert!(
        !lab.at("canary").exists(),
        "{}",
        fs::read_to_string(lab.at("canary")).unwrap()
    );
}

#[tokio::test]
async fn a_rewritten_git_file_and_the_configuration_behind_it_are_not_read() {
    let (lab, repo, worktree) = with_worktree().await;
    let trap = canary(&lab);
    let evil = lab.start("evil");
    lab.sh(&evil, &["config", "core.fsmonitor", &trap]);
    fs::write(
        worktree.path.join(".git"),
        format!("gitdir: {}/.git\n", evil.display()),
    )
    .unwrap();
    let admin = repo.common_dir.join("worktrees/wt.run-spec");
    fs::write(
        admin.join("commondir"),
        format!("{}/.git\n", evil.display()),
    )
    .unwrap();
    let _ = lab.git(&worktree.path, &["status"]);
    assert!(lab.at("canary").exists(), "the trap works");
    fs::remove_file(lab.at("canary")).unwrap();
    everything(&lab, &repo, &worktree).await;
    assert!(!lab.at("canary").exists());
    assert!(worktree.path.exists());
}

#[tokio::test]
async fn nothing_is_run_to_fetch_what_an_agent_has_left_out() {
    let (lab, _, worktree) = with_worktree().await;
    let at = &worktree.path;
    let trap = format!("touch '{}'; git-upload-pack", lab.at("canary").display());
    let upstream = lab.start("upstream");
    fs::write(upstream.join("f"), "only there\n").unwrap();
    lab.commit(&upstream, "only there");
    let missing = lab.id(&upstream, "HEAD:f");
    let url = upstream.to_str().unwrap();
    for (key, value) in [
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", url),
        ("remote.origin.promisor", "true"),
        ("remote.origin.uploadpack", &trap),
    ] {
        lab.sh(at, &["config", key, value]);
    }
    let entry = format!("100644,{missing},g");
    lab.sh(at, &["update-index", "--add", "--cacheinfo", &entry]);
    let tree = lab.sh(at, &["write-tree", "--missing-ok"]);
    let commit = lab.sh(at, &["commit-tree", "-p", "HEAD", "-m", "x", &tree]);
    lab.sh(at, &["update-ref", "refs/heads/run/spec", &commit]);
    let repo = lab.open().await;
    let tip = head(&repo, &worktree).await.unwrap().commit;
    let found = show(&repo, &tip, Path::new("g")).await;
    assert!(found.is_err(), "it is nowhere here: {found:?}");
    assert!(!lab.at("canary").exists());
    let _ = lab.git(at, &["cat-file", "blob", missing.as_str()]);
    assert!(lab.at("canary").exists(), "the trap works");
}

#[tokio::test]
async fn filters_that_came_after_the_start_do_not_run_and_the_leftovers_are_still_committed() {
    let (lab, repo, worktree) = with_worktree().await;
    let trap = canary(&lab);
    lab.sh(
        &lab.repo(),
        &["config", "extensions.worktreeConfig", "true"],
    );
    for scope in ["--local", "--worktree"] {
        for key in [
            "filter.x.clean",
            "filter.x.smudge",
            "filter.a=b.clean",
            "merge.m.driver",
        ] {
            lab.sh(&worktree.path, &["config", scope, key, &trap]);
        }
        lab.sh(
            &worktree.path,
            &["config", scope, "filter.x.required", "true"],
        );
    }
    // Git's own name for the configuration of the primary checkout, which all of loopd's calls read.
    lab.sh(
        &lab.repo(),
        &["config", "--worktree", "filter.primary.clean", &trap],
    );
    fs::write(
        worktree.path.join(".gitattributes"),
        "*.txt filter=x\nf filter=a=b merge=m\n*.primary filter=primary\n",
    )
    .unwrap();
    fs::write(worktree.path.join("of.primary"), "new\n").unwrap();
    fs::write(worktree.path.join("new.txt"), "new\n").unwrap();
    let _ = lab.git(&worktree.path, &["add", "new.txt"]);
    assert!(lab.at("canary").exists(), "the trap works");
    fs::remove_file(lab.at("canary")).unwrap();
    let made = commit_leftovers(&repo, &worktree, "x", &[], &[])
        .await
        .unwrap();
    assert!(matches!(made, Leftovers::Committed(_)), "{made:?}");
    assert!(!lab.at("canary").exists());
    everything(&lab, &repo, &worktree).await;
    assert!(!lab.at("canary").exists());
}

#[tokio::test]
async fn a_filter_of_the_users_own_stays_in_force_and_a_changed_one_is_an_error() {
    let lab = Lab::new().await;
    lab.sh(&lab.repo(), &["config", "filter.up.clean", "tr a-z A-Z"]);
    lab.sh(&lab.repo(), &["config", "filter.up.smudge", "tr A-Z a-z"]);
    fs::write(lab.repo().join(".gitattributes"), "*.txt filter=up\n").unwrap();
    fs::write(lab.repo().join("a.txt"), "hello\n").unwrap();
    lab.commit(&lab.repo(), "with a filter");
    let repo = lab.open().await;
    let worktree = super::ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
    assert_eq!(
        fs::read_to_string(worktree.path.join("a.txt")).unwrap(),
        "hello\n"
    );
    assert_eq!(changed_tracked(&repo, &worktree).await.unwrap().len(), 0);
    fs::write(worktree.path.join("b.txt"), "secret\n").unwrap();
    let made = commit_leftovers(&repo, &worktree, "x", &[], &[])
        .await
        .unwrap();
    assert!(matches!(made, Leftovers::Committed(_)), "{made:?}");
    assert_eq!(
        lab.sh(&lab.repo(), &["cat-file", "blob", "run/spec:b.txt"]),
        "SECRET"
    );
    lab.sh(
        &worktree.path,
        &["config", "filter.up.clean", &canary(&lab)],
    );
    fs::write(worktree.path.join("c.txt"), "secret\n").unwrap();
    let error = commit_leftovers(&repo, &worktree, "x", &[], &[])
        .await
        .unwrap_err();
    assert!(
        error.said.contains("filter.up is not what it was"),
        "{error}"
    );
    assert!(!lab.at("canary").exists());
}

#[tokio::test]
async fn git_is_not_started_inside_of_repositories_that_the_agent_left() {
    let (lab, repo, worktree) = with_worktree().await;
    let trap = canary(&lab);
    let inner = worktree.path.join("inner");
    fs::create_dir(&inner).unwrap();
    fs::rename(lab.start("made"), &inner).unwrap();
    lab.sh(&worktree.path, &["add", "inner"]);
    lab.sh(&worktree.path, &["commit", "-qm", "as a submodule"]);
    lab.sh(&inner, &["config", "core.fsmonitor", &trap]);
    lab.sh(&inner, &["config", "filter.x.clean", &trap]);
    fs::write(inner.join(".git/info/attributes"), "* filter=x\n").unwrap();
    fs::write(inner.join("f"), "dirty\n").unwrap();
    let _ = lab.git(&worktree.path, &["status"]);
    assert!(lab.at("canary").exists(), "the trap works");
    fs::remove_file(lab.at("canary")).unwrap();
    everything(&lab, &repo, &worktree).await;
    assert!(!lab.at("canary").exists());
    assert!(inner.exists());
}
