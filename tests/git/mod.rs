//! The git room against real git, in throw-away directories with a throw-away HOME.

mod anew;
mod broken_off;
mod broken_off_beside;
mod catch_up;
mod commit;
mod deadly;
mod forward;
mod grounds;
mod hostile;
mod inspect;
mod keeping;
mod killed;
mod locked;
mod meanwhile;
mod merge;
mod names;
mod nested;
mod opening;
mod paths;
mod pipes;
mod prepare;
mod push;
mod put_back;
mod remove;
mod retiring;
mod run;
mod settings;
mod snapshot;
mod strangers;
mod taking_up;
mod whole;

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use agent_loop::crash::{Crash, CrashPoint, Death, Place};
use agent_loop::effect::git::{
    Drivers, Git, Intent, MergeWant, Oid, Prepared, Removal, Repo, Step, Strategy, Tip, Want,
    Worktree, head, plan_merge, remove_worktree,
};
use tempfile::TempDir;

use crate::support::PATIENCE;
pub use crate::support::executable;

/// A directory of its own, with `repo` in it: one commit on `main`, holding `f` and `.gitignore` (`*.log`).
pub struct Lab {
    pub dir: TempDir,
    pub git: Git,
}

impl Lab {
    pub async fn new() -> Lab {
        let dir = TempDir::new().unwrap();
        let script = dir.path().join("git");
        let lines = format!(
            "#!/bin/sh\nexport HOME='{0}' XDG_CONFIG_HOME='{0}' GIT_CONFIG_NOSYSTEM=1\nexec git \"$@\"\n",
            dir.path().join("home").display()
        );
        executable(&script, &lines);
        fs::create_dir(dir.path().join("home")).unwrap();
        let git = Git::with(&script, PATIENCE, PATIENCE).await.unwrap();
        let lab = Lab { dir, git };
        lab.start("repo");
        lab
    }

    /// A repository with one commit on `main`.
    pub fn start(&self, name: impl AsRef<Path>) -> PathBuf {
        let repo = self.at(name);
        fs::create_dir_all(&repo).unwrap();
        self.sh(&repo, &["init", "-q", "-b", "main"]);
        self.sh(&repo, &["config", "user.name", "Ada"]);
        self.sh(&repo, &["config", "user.email", "ada@example.org"]);
        fs::write(repo.join("f"), "one\n").unwrap();
        fs::write(repo.join(".gitignore"), "*.log\n").unwrap();
        self.commit(&repo, "first");
        repo
    }

    pub fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join(name)
    }

    pub fn repo(&self) -> PathBuf {
        self.at("repo")
    }

    pub async fn open(&self) -> Repo {
        Repo::open(&self.git, &self.repo()).await.unwrap()
    }

    /// A git that works in `cwd` until it is killed.
    pub fn waiting_git(&self, cwd: &Path) -> Child {
        let mut git = Command::new("git")
            .args(["cat-file", "--batch"])
            .current_dir(cwd)
            .env("GIT_DIR", self.repo().join(".git"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It has come up when it has answered.
        git.stdin.as_ref().unwrap().write_all(b"HEAD\n").unwrap();
        let mut answer = [0; 1];
        git.stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut answer)
            .unwrap();
        git
    }

    /// Git as a person uses it.
    pub fn git(&self, cwd: &Path, args: &[&str]) -> (bool, String) {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.at("home"));
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C")
            .env("GIT_EDITOR", ":");
        let output = command.current_dir(cwd).args(args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text.trim_end().to_owned())
    }

    pub fn sh(&self, cwd: &Path, args: &[&str]) -> String {
        let (ok, text) = self.git(cwd, args);
        assert!(ok, "git {args:?}: {text}");
        text
    }

    pub fn commit(&self, cwd: &Path, message: &str) -> Oid {
        self.sh(cwd, &["add", "-A"]);
        self.sh(cwd, &["commit", "-q", "--allow-empty", "-m", message]);
        self.id(cwd, "HEAD")
    }

    pub fn id(&self, cwd: &Path, name: &str) -> Oid {
        Oid::parse(&self.sh(cwd, &["rev-parse", name])).unwrap()
    }

    /// Once, just before loopd's git is called with arguments that match this pattern of the shell, somebody does this in the
    /// repository.
    pub fn meanwhile(&self, pattern: &str, action: &str) {
        let home = self.at("home");
        let script = format!(
            "#!/bin/sh\nexport HOME='{0}' XDG_CONFIG_HOME='{0}' GIT_CONFIG_NOSYSTEM=1\n\
             case \" $* \" in {pattern}) if mkdir '{0}/meanwhile' 2>/dev/null; then\n\
             (unset GIT_DIR GIT_COMMON_DIR GIT_WORK_TREE GIT_INDEX_FILE; cd '{1}' && {action}) </dev/null >/dev/null 2>&1\n\
             fi ;; esac\nexec git \"$@\"\n",
            home.display(),
            self.repo().display()
        );
        executable(&self.at("git"), &script);
    }

    /// Whether it has come to that.
    pub fn has_happened(&self) -> bool {
        self.at("home/meanwhile").is_dir()
    }

    /// The same git, of a daemon that dies at the `nth` call with this name.
    pub fn dying(&self, place: Place, name: &str, nth: u64) -> (Git, Crash) {
        let crash = Crash::at(CrashPoint {
            place,
            name: Some(name.to_owned()),
            nth,
            death: Death::Quit,
        });
        (self.git.clone().dying(crash.clone()), crash)
    }

    /// Takes a worktree out of the repository; its branch stays.
    pub fn drop_worktree(&self, worktree: &Worktree) {
        let path = worktree.path.to_str().unwrap();
        self.sh(&self.repo(), &["worktree", "remove", "-f", "-f", path]);
    }

    pub fn has(&self, name: &str) -> bool {
        self.git(&self.repo(), &["rev-parse", "-q", "--verify", name])
            .0
    }

    /// What a person would notice of their checkout: every file, HEAD and the index, byte for byte.
    pub fn picture(&self, checkout: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut files, mut left) = (BTreeMap::new(), vec![checkout.to_path_buf()]);
        while let Some(dir) = left.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.file_name().unwrap() == ".git" {
                    continue;
                }
                if path.is_dir() {
                    left.push(path);
                } else {
                    files.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        for name in ["HEAD", "index"] {
            let path = checkout.join(".git").join(name);
            files.insert(path.clone(), fs::read(path).unwrap());
        }
        files
    }
}

/// A git at `dir/mortal` that is killed at every call whose arguments hold the words in the file `dir/dies-at`; without that
/// file it lives.
pub fn mortal_git(dir: &Path, git: &Path) -> PathBuf {
    let (script, words) = (dir.join("mortal"), dir.join("dies-at"));
    let lines = format!(
        "#!/bin/sh\nif [ -e '{0}' ]; then case \" $* \" in *\"$(cat '{0}')\"*) kill -9 $$;; esac; fi\nexec '{1}' \"$@\"\n",
        words.display(),
        git.display()
    );
    executable(&script, &lines);
    script
}

/// `../wt.<branch, slashes as dashes>`, beside the repository.
pub fn beside(branch: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(format!("../wt.{}", branch.replace('/', "-"))))
}

pub fn want(run_id: &str) -> Want<'_> {
    Want {
        run_id,
        reset: 0,
        slug: "spec",
        run_branch_prefix: "run/",
        base_branch: None,
        known: None,
        retired: None,
        workspace: None,
        confined: false,
        worktrunk: None,
        place: &beside,
        snapshot: &[],
    }
}

pub fn ready(prepared: Prepared) -> Worktree {
    match prepared {
        Prepared::Ready(worktree) => worktree,
        Prepared::Held { why } => panic!("held: {why}"),
    }
}

pub fn held(prepared: Prepared) -> String {
    match prepared {
        Prepared::Ready(worktree) => panic!("ready: {worktree:?}"),
        Prepared::Held { why } => why,
    }
}

/// A lab with a prepared worktree of run `r1`.
pub async fn with_worktree() -> (Lab, Repo, Worktree) {
    let lab = Lab::new().await;
    let repo = lab.open().await;
    let worktree = ready(
        agent_loop::effect::git::prepare_worktree(&repo, &want("r1"))
            .await
            .unwrap(),
    );
    (lab, repo, worktree)
}

pub fn merge_want<'a>(
    worktree: &'a Worktree,
    verified: &'a Tip,
    strategy: Strategy,
) -> MergeWant<'a> {
    MergeWant {
        run_id: &worktree.run_id,
        run_branch: &worktree.run_branch,
        verified,
        target_branch: "agent/spec",
        base_commit: &worktree.base_commit,
        strategy,
        message: "Build the spec",
        trailers: &[],
        drivers: &worktree.drivers,
        lenders: worktree.lenders.as_deref(),
    }
}

pub fn no_drivers() -> Drivers {
    Drivers::default()
}

/// A squash of the branch, as it is, into the branch that the user has checked out: planned.
pub async fn into_main(repo: &Repo, worktree: &Worktree) -> Intent {
    let verified = head(repo, worktree).await.unwrap();
    let wish = MergeWant {
        target_branch: "main",
        ..merge_want(worktree, &verified, Strategy::Squash)
    };
    match plan_merge(repo, &wish).await.unwrap() {
        Step::Ready(intent) => intent,
        other => panic!("{other:?}"),
    }
}

/// Why a worktree stays that was to be removed.
pub async fn kept(repo: &Repo, worktree: &Worktree) -> String {
    match remove_worktree(repo, worktree).await.unwrap() {
        Removal::Unsaved { why } | Removal::Kept { why } => {
            assert!(worktree.path.exists());
            why
        }
        other => panic!("{other:?}"),
    }
}

/// Nothing had to be rescued.
pub const GONE: Removal = Removal::Removed { rescue: None };
