//! A run branch goes to the remote, and nothing else does; whatever the repository's configuration wants to be executed
//! on the way is named instead.

use std::fs;

use agent_loop::effect::git::{Pushed, Remote, Repo, push_branch, remote_of};

use super::{Lab, executable, with_worktree};

/// A run with a commit of its own, and an empty remote that is `origin`.
async fn with_remote() -> (Lab, Repo, Remote) {
    let (lab, repo, worktree) = with_worktree().await;
    lab.commit(&worktree.path, "work");
    lab.sh(&lab.at(""), &["init", "-q", "--bare", "remote.git"]);
    let url = lab.at("remote.git").display().to_string();
    lab.sh(&lab.repo(), &["remote", "add", "origin", &url]);
    let remote = remote_of(&repo, "main").await.unwrap().unwrap();
    assert_eq!((remote.name.as_str(), &remote.url), ("origin", &url));
    (lab, repo, remote)
}

fn refs_of_the_remote(lab: &Lab) -> String {
    let args = ["for-each-ref", "--format=%(refname)"];
    lab.sh(&lab.at("remote.git"), &args)
}

#[tokio::test]
async fn neither_tags_nor_submodules_follow_a_pushed_branch() {
    let (lab, repo, remote) = with_remote().await;
    lab.sh(&lab.repo(), &["tag", "-m", "mine", "v1", "main"]);
    lab.sh(&lab.repo(), &["config", "push.followTags", "true"]);
    // Only submodules are pushed by that, and the branch is not.
    let only = ["config", "push.recurseSubmodules", "only"];
    lab.sh(&lab.repo(), &only);
    let pushed = push_branch(&repo, &remote, "run/spec").await.unwrap();
    assert_eq!(pushed, Pushed::Done);
    assert_eq!(refs_of_the_remote(&lab), "refs/heads/run/spec");
}

#[tokio::test]
async fn every_setting_that_would_execute_something_is_named_and_nothing_is_pushed() {
    let (lab, repo, remote) = with_remote().await;
    for key in [
        "core.sshcommand",
        "core.gitproxy",
        "core.askpass",
        "credential.helper",
        "credential.https://forge.example.helper",
        "remote.origin.receivepack",
        "remote.origin.uploadpack",
        "remote.origin.vcs",
        "push.gpgsign",
        "gpg.program",
        "gpg.ssh.program",
    ] {
        lab.sh(&lab.repo(), &["config", key, "true"]);
        let pushed = push_branch(&repo, &remote, "run/spec").await.unwrap();
        let keys = vec![key.to_owned()];
        assert_eq!(pushed, Pushed::Distrusted { keys });
        lab.sh(&lab.repo(), &["config", "--unset", key]);
    }
    // What is written for one checkout alone is the repository's, too.
    for args in [
        ["config", "extensions.worktreeConfig", "true"].as_slice(),
        &["config", "--worktree", "core.sshCommand", "true"],
    ] {
        lab.sh(&lab.repo(), args);
    }
    let pushed = push_branch(&repo, &remote, "run/spec").await.unwrap();
    let keys = vec!["core.sshcommand".to_owned()];
    assert_eq!(pushed, Pushed::Distrusted { keys });
    lab.sh(
        &lab.repo(),
        &["config", "--worktree", "--unset", "core.sshCommand"],
    );
    // The user's own configuration is the user's; a remote that takes no signature gets none.
    for key in ["credential.helper", "push.gpgSign"] {
        lab.sh(&lab.at(""), &["config", "--global", key, "true"]);
    }
    assert_eq!(refs_of_the_remote(&lab), "");
    let pushed = push_branch(&repo, &remote, "run/spec").await.unwrap();
    assert_eq!(pushed, Pushed::Done);
}

#[tokio::test]
async fn a_remote_that_is_a_command_is_not_run() {
    let (lab, repo, _) = with_remote().await;
    let trap = lab.at("sprung");
    let url = format!("ext::touch {}", trap.display());
    lab.sh(&lab.repo(), &["config", "protocol.ext.allow", "always"]);
    lab.sh(&lab.repo(), &["remote", "set-url", "origin", &url]);
    let remote = remote_of(&repo, "main").await.unwrap().unwrap();
    let _ = lab.git(&lab.repo(), &["push", "origin", "main"]);
    assert!(trap.exists(), "the trap works");
    fs::remove_file(&trap).unwrap();
    let error = push_branch(&repo, &remote, "run/spec").await.unwrap_err();
    assert!(error.to_string().contains("ext"), "{error}");
    assert!(!trap.exists());
}

#[tokio::test]
async fn nobody_is_asked_for_a_passphrase() {
    let (lab, repo, remote) = with_remote().await;
    let url = "ssh://forge.invalid/o/r.git";
    lab.sh(&lab.repo(), &["remote", "set-url", "origin", url]);
    let bin = lab.at("home/bin");
    fs::create_dir(&bin).unwrap();
    let asked = lab.at("home/asked");
    let ssh = format!("#!/bin/sh\necho \"$*\" >> '{}'\nexit 1\n", asked.display());
    executable(&bin.join("ssh"), &ssh);
    let home = lab.at("home").display().to_string();
    let git = format!(
        "#!/bin/sh\nexport HOME='{home}' XDG_CONFIG_HOME='{home}' GIT_CONFIG_NOSYSTEM=1\n\
         export PATH='{home}/bin':\"$PATH\"\nexec git \"$@\"\n"
    );
    executable(&lab.at("git"), &git);
    let remote = Remote {
        url: url.to_owned(),
        ..remote
    };
    let error = push_branch(&repo, &remote, "run/spec").await.unwrap_err();
    assert!(error.tried.contains("forge.invalid"), "{error}");
    let said = fs::read_to_string(&asked).unwrap();
    assert!(said.starts_with("-o BatchMode=yes"), "{said}");
    // A command of the user's own knows better.
    let own = format!("{home}/bin/ssh --own");
    let args = ["config", "--global", "core.sshCommand", &own];
    lab.sh(&lab.at(""), &args);
    let _ = push_branch(&repo, &remote, "run/spec").await.unwrap_err();
    let said = fs::read_to_string(&asked).unwrap();
    assert!(said.contains("\n--own"), "{said}");
    assert_eq!(said.matches("BatchMode").count(), 1, "{said}");
}

#[tokio::test]
async fn the_remote_is_the_one_that_the_base_follows_else_origin_else_the_only_one() {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    let name = async || {
        let found = remote_of(&repo, "main").await.unwrap();
        found.map(|it| it.name)
    };
    assert_eq!(name().await, None);
    lab.sh(&lab.repo(), &["remote", "add", "fork", "/fork"]);
    assert_eq!(name().await.as_deref(), Some("fork"));
    lab.sh(&lab.repo(), &["remote", "add", "other", "/other"]);
    assert_eq!(name().await, None);
    lab.sh(&lab.repo(), &["remote", "add", "origin", "/origin"]);
    assert_eq!(name().await.as_deref(), Some("origin"));
    lab.sh(&lab.repo(), &["config", "branch.main.remote", "other"]);
    assert_eq!(name().await.as_deref(), Some("other"));
    lab.sh(&lab.repo(), &["config", "branch.main.remote", "."]);
    assert_eq!(name().await.as_deref(), Some("origin"));
}
