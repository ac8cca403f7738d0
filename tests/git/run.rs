//! Calls of git: found, bounded, told apart, and of nothing but what loopd tells them. Which repository they find is tried
//! in `opening`.

use std::{fs, path::Path, time::Duration};

use agent_loop::effect::git::{Git, GitErrorKind, Repo, prepare_worktree};

use super::{Lab, executable, ready, want};
use crate::support::PATIENCE;

async fn with_script(body: &str) -> agent_loop::effect::git::GitError {
    let dir = tempfile::TempDir::new().unwrap();
    let script = dir.path().join("git");
    executable(&script, body);
    Git::with(
        &script,
        Duration::from_millis(300),
        Duration::from_millis(300),
    )
    .await
    .unwrap_err()
}

#[tokio::test]
async fn a_missing_git_is_said_with_the_version_to_install() {
    let error = Git::with(
        Path::new("/nowhere/git"),
        Duration::from_secs(5),
        Duration::from_secs(5),
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind, GitErrorKind::Permanent);
    assert!(
        error
            .to_string()
            .contains("/nowhere/git not found; install git 2.38 or newer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_git_that_is_too_old_is_refused_by_its_version() {
    let error = with_script("#!/bin/sh\necho git version 2.30.2\n").await;
    assert_eq!(error.kind, GitErrorKind::Permanent);
    assert!(
        error.said.contains("2.30.2") && error.said.contains("2.38"),
        "{error}"
    );
}

/// A git that never answers, with a child; both hold a pipe open, which ends when both are gone.
struct Stuck {
    _dir: tempfile::TempDir,
    script: std::path::PathBuf,
    started: tokio::sync::oneshot::Receiver<()>,
    ended: tokio::sync::oneshot::Receiver<()>,
}

impl Stuck {
    async fn gone(self) {
        let ended = tokio::time::timeout(PATIENCE, self.ended).await;
        ended.expect("nothing of it is left").unwrap();
    }
}

fn stuck() -> Stuck {
    stuck_in("sleep 600 & sleep 600")
}

/// A git that does this when it has told that it is there.
fn stuck_in(body: &str) -> Stuck {
    let dir = tempfile::TempDir::new().unwrap();
    let (script, pipe) = (dir.path().join("git"), dir.path().join("pipe"));
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    executable(
        &script,
        &format!(
            "#!/bin/sh\nexec 3>'{}'\necho up >&3\n{body}\n",
            pipe.display()
        ),
    );
    let (tell, started) = tokio::sync::oneshot::channel();
    let (tell_end, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut pipe = std::io::BufReader::new(fs::File::open(pipe).unwrap());
        std::io::BufRead::read_line(&mut pipe, &mut String::new()).unwrap();
        tell.send(()).unwrap();
        std::io::Read::read_to_end(&mut pipe, &mut Vec::new()).unwrap();
        let _ = tell_end.send(());
    });
    Stuck {
        _dir: dir,
        script,
        started,
        ended,
    }
}

#[tokio::test]
async fn a_git_that_does_not_answer_is_ended_with_its_children_and_is_transient() {
    let stuck = stuck();
    let limit = Duration::from_millis(500);
    let error = Git::with(&stuck.script, limit, limit).await.unwrap_err();
    assert_eq!(error.kind, GitErrorKind::Transient);
    assert!(error.said.contains("no answer"), "{error}");
    stuck.gone().await;
}

#[tokio::test]
async fn a_git_that_will_not_end_is_killed_with_its_children() {
    let stuck = stuck_in("trap '' TERM; sleep 600 & sleep 600");
    let limit = Duration::from_millis(500);
    let called = tokio::time::timeout(PATIENCE, Git::with(&stuck.script, limit, limit)).await;
    let error = called.expect("it is killed").unwrap_err();
    assert!(error.said.contains("no answer"), "{error}");
    stuck.gone().await;
}

#[tokio::test]
async fn what_a_git_leaves_at_its_output_is_ended() {
    let stuck = stuck_in("sleep 600 & echo git version 1.0");
    let limit = Duration::from_secs(600);
    let error = Git::with(&stuck.script, limit, limit).await.unwrap_err();
    assert!(error.said.contains("too old"), "{error}");
    stuck.gone().await;
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_is_ended_with_its_children() {
    let mut stuck = stuck();
    let limit = Duration::from_secs(600);
    tokio::select! {
        answer = Git::with(&stuck.script, limit, limit) => panic!("{answer:?}"),
        started = &mut stuck.started => started.unwrap(),
    }
    stuck.gone().await;
}

#[tokio::test]
async fn a_child_that_holds_the_output_open_does_not_hold_the_answer() {
    let error = with_script("#!/bin/sh\necho git version 1.0\nsleep 600 &\n").await;
    assert!(error.said.contains("1.0"), "{error}");
}

#[tokio::test]
async fn scratch_directories_of_a_killed_daemon_are_cleared_and_nothing_else() {
    let (lab, _, worktree) = super::with_worktree().await;
    let dir = lab.at("data/scratch");
    std::fs::create_dir_all(dir.join("loopd-git-dead/files")).unwrap();
    std::fs::write(dir.join("loopd-git-dead/index"), "x").unwrap();
    std::fs::write(dir.join("other"), "x").unwrap();
    let git = lab.git.clone().with_scratch(&dir).unwrap();
    assert!(!dir.join("loopd-git-dead").exists() && dir.join("other").exists());
    let repo = Repo::open(&git, &lab.repo()).await.unwrap();
    let looked = agent_loop::effect::git::removable(&repo, &worktree).await;
    assert_eq!(looked.unwrap(), agent_loop::effect::git::Removable::Yes);
    assert_eq!(
        std::fs::read_dir(&dir).unwrap().count(),
        1,
        "nothing is left of a look"
    );
    // They are made there, and nowhere else.
    std::fs::remove_dir_all(&dir).unwrap();
    let error = agent_loop::effect::git::removable(&repo, &worktree)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("data/scratch"), "{error}");
}

#[tokio::test]
async fn what_a_git_has_started_and_let_go_is_none_of_loopds() {
    let dir = tempfile::TempDir::new().unwrap();
    let (script, at) = (dir.path().join("git"), dir.path().display());
    // As a helper does that keeps a passphrase for a while.
    let helper = format!(
        "trap \"touch '{at}/asked'\" TERM; echo up > '{at}/up'; read x < '{at}/gate'; mv '{at}/up' '{at}/over'"
    );
    let body = format!(
        "#!/bin/sh\nmkfifo '{at}/gate'\nsh -c '{}' </dev/null >/dev/null 2>&1 &\n\
         while [ ! -s '{at}/up' ]; do :; done\necho git version 2.47.0\n",
        helper.replace('\'', "'\\''")
    );
    executable(&script, &body);
    let limit = PATIENCE;
    Git::with(&script, limit, limit).await.unwrap();
    let mut both = fs::File::options();
    let gate = both.read(true).write(true).open(dir.path().join("gate"));
    std::io::Write::write_all(&mut gate.as_ref().unwrap(), b"go\n").unwrap();
    let over = dir.path().join("over");
    crate::support::eventually(async || over.exists().then_some(())).await;
    assert!(!dir.path().join("asked").exists(), "it was told to end");
}

/// What every call is told: in plain words, and that nobody is there to answer.
const TOLD: [&str; 6] = [
    "LC_ALL=C",
    "GIT_TERMINAL_PROMPT=0",
    "GIT_ASKPASS=",
    "SSH_ASKPASS_REQUIRE=never",
    "GIT_EDITOR=:",
    "GIT_OPTIONAL_LOCKS=0",
];

/// What a daemon may have been started with, by a hook of git's or by a person.
const AROUND: [(&str, &str); 8] = [
    ("GIT_DIR", "/nowhere"),
    ("GIT_INDEX_FILE", "/nowhere/index"),
    ("GIT_SSH_COMMAND", "/nowhere/ssh"),
    ("GIT_CONFIG_PARAMETERS", "'user.name'='Eve'"),
    ("GIT_ASKPASS", "/nowhere/ask"),
    ("GIT_EDITOR", "/nowhere/editor"),
    ("LC_ALL", "de_DE.UTF-8"),
    ("LANGUAGE", "de"),
];

#[tokio::test]
async fn git_hears_nothing_of_what_the_daemon_was_started_with() {
    let lab = Lab::new().await;
    lab.sh(&lab.repo(), &["config", "hook.mine.command", "true"]);
    let seen = lab.at("seen");
    let script = format!(
        "#!/bin/sh\n(echo; echo called; env) >> '{}'\nexec git \"$@\"\n",
        seen.display()
    );
    executable(&lab.at("git"), &script);
    // In a process of its own, whose environment is nobody else's.
    let alone = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "git::run::works_with_all_that_around_it"])
        .args(["--ignored", "--nocapture"])
        .env("GIT_TEST_LAB", lab.at(""))
        .envs(AROUND)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&alone.stdout);
    assert!(said.contains("1 passed"), "{said}");
    let seen = fs::read_to_string(&seen).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    let times = |wanted: &str| lines.iter().filter(|line| **line == wanted).count();
    let calls = times("called");
    assert!(calls > 5, "{seen}");
    for told in TOLD {
        assert_eq!(times(told), calls, "{told}");
    }
    for (name, value) in AROUND {
        assert_eq!(times(&format!("{name}={value}")), 0, "{name}");
    }
    // Of a git that runs hooks by configuration, too.
    let key = lines
        .iter()
        .find(|line| line.ends_with("=hook.mine.enabled"));
    let (key, _) = key.expect("it is switched off").split_once('=').unwrap();
    let value = key.replace("_KEY_", "_VALUE_");
    assert!(times(&format!("{value}=false")) > 0, "{value}");
}

/// Not a test of its own: the process of the one above.
#[tokio::test]
#[ignore = "played by another test"]
async fn works_with_all_that_around_it() {
    let lab = std::path::PathBuf::from(std::env::var_os("GIT_TEST_LAB").unwrap());
    let limit = PATIENCE;
    let git = Git::with(&lab.join("git"), limit, limit).await.unwrap();
    let repo = Repo::open(&git, &lab.join("repo")).await.unwrap();
    let worktree = ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
    assert_eq!(
        fs::read_to_string(worktree.path.join("f")).unwrap(),
        "one\n"
    );
}
