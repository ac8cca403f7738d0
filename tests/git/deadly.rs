//! A repository in which a fast-forward can be killed in the middle: with every kind of change to make, and a file whose
//! filter kills the git that writes it. What is done about what such a git leaves is tried in the rooms that use this one.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use agent_loop::effect::git::{
    Executed, Git, GitError, GitErrorKind, Intent, MergeWant, Repo, Step, Strategy, Worktree,
    execute, head, plan_merge, prepare_worktree, ready,
};

use super::{Lab, executable, merge_want, want};

/// What a merge can do to a checkout, with a file between whose filter can kill the git that writes it.
pub(super) struct Scene {
    pub(super) lab: Lab,
    pub(super) repo: Repo,
    pub(super) worktree: Worktree,
}

const LONG: usize = 300_000;

/// The lab's repository with much in it, by a git whose calls with these words can be killed: at the first file that is
/// filtered, once, where there is a file `armed`; or fail there, once, where there is a file `fails`.
pub(super) async fn fitted(lab: &Lab, calls: &str) -> Repo {
    let place = lab.repo();
    let filter = lab.at("filter");
    // The git that writes the checkout is killed at the first file that is filtered, once.
    executable(
        &filter,
        &format!(
            "#!/bin/sh\nif [ -e '{0}/armed' ]; then rm '{0}/armed'; kill -9 \"$(cat '{0}/pid')\"; sleep 1; fi\nif [ -e '{0}/fails' ]; then rm '{0}/fails'; exit 1; fi\nexec cat\n",
            lab.at("").display()
        ),
    );
    let smudge = filter.display().to_string();
    lab.sh(&place, &["config", "filter.deadly.smudge", &smudge]);
    lab.sh(&place, &["config", "filter.deadly.clean", "cat"]);
    lab.sh(&place, &["config", "filter.deadly.required", "true"]);
    for dir in ["dir", "was-dir"] {
        fs::create_dir(place.join(dir)).unwrap();
    }
    for (name, text) in [
        (
            ".gitattributes",
            "*.deadly filter=deadly\ncrlf.txt eol=crlf\n",
        ),
        ("a-long", &"old\n".repeat(LONG / 4)),
        ("b-gone", "gone\n"),
        ("c-mode", "mode\n"),
        ("crlf.txt", "one\ntwo\n"),
        ("d-link", "no link\n"),
        ("dir/only", "only\n"),
        ("e-was-file", "file\n"),
        ("m.deadly", "old\n"),
        ("was-dir/x", "x\n"),
        ("z-last", "old\n"),
    ] {
        fs::write(place.join(name), text).unwrap();
    }
    lab.commit(&place, "much");
    // As git writes it.
    fs::remove_file(place.join("crlf.txt")).unwrap();
    lab.sh(&place, &["checkout", "-q", "--", "crlf.txt"]);
    let script = lab.at("tracked");
    let git = format!(
        "#!/bin/sh\ncase \" $* \" in *{1}*) echo $$ > '{0}/pid'; [ ! -e '{0}/at-merge' ] || . '{0}/at-merge';; *) rm -f '{0}/pid';; esac\nexec '{0}/git' \"$@\"\n",
        lab.at("").display(),
        calls
    );
    executable(&script, &git);
    let limit = crate::support::PATIENCE;
    let git = Git::with(&script, limit, limit).await.unwrap();
    Repo::open(&git, &place).await.unwrap()
}

/// Changes what `fitted` made, in every way that a merge can.
pub(super) fn work(work: &Path) {
    fs::write(work.join("a-long"), "new\n".repeat(LONG / 4)).unwrap();
    fs::remove_file(work.join("b-gone")).unwrap();
    fs::set_permissions(work.join("c-mode"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(work.join("crlf.txt"), "one\r\ntwo\r\nthree\r\n").unwrap();
    fs::remove_file(work.join("d-link")).unwrap();
    symlink("a-long", work.join("d-link")).unwrap();
    fs::remove_file(work.join("dir/only")).unwrap();
    fs::remove_file(work.join("e-was-file")).unwrap();
    fs::create_dir_all(work.join("e-was-file/deep")).unwrap();
    fs::write(work.join("e-was-file/deep/y"), "y\n").unwrap();
    fs::create_dir_all(work.join("fresh/deep")).unwrap();
    fs::write(work.join("fresh/deep/added"), "added\n".repeat(LONG / 6)).unwrap();
    fs::write(work.join("m.deadly"), "new\n").unwrap();
    fs::remove_dir_all(work.join("was-dir")).unwrap();
    fs::write(work.join("was-dir"), "a file\n").unwrap();
    fs::write(work.join("z-last"), "new\n").unwrap();
}

impl Scene {
    pub(super) async fn new() -> Scene {
        Scene::of(Lab::new().await).await
    }

    pub(super) async fn of(lab: Lab) -> Scene {
        let repo = fitted(&lab, "' merge --ff-only '").await;
        let worktree = super::ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
        work(&worktree.path);
        lab.commit(&worktree.path, "work");
        Scene {
            lab,
            repo,
            worktree,
        }
    }

    pub(super) fn top(&self) -> PathBuf {
        self.lab.repo()
    }

    /// The next try: planned anew, and what is stored of it before it is carried out.
    pub(super) async fn stored(&self, before: Option<&Intent>) -> Intent {
        let verified = head(&self.repo, &self.worktree).await.unwrap();
        let wish = MergeWant {
            target_branch: "main",
            ..merge_want(&self.worktree, &verified, Strategy::Squash)
        };
        let Step::Ready(intent) = plan_merge(&self.repo, &wish).await.unwrap() else {
            panic!("not ready")
        };
        let now = i64::try_from(
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_millis(),
        );
        let drivers = &self.worktree.drivers;
        ready(&self.repo, intent, before, drivers, now.unwrap() - 2000)
            .await
            .unwrap()
    }

    pub(super) async fn go(&self, intent: &Intent) -> Result<Executed, GitError> {
        execute(&self.repo, intent, &self.worktree.drivers).await
    }

    /// Its git is killed in the middle.
    pub(super) async fn killed(&self, intent: &Intent) {
        fs::write(self.lab.at("armed"), "").unwrap();
        let error = self.go(intent).await.unwrap_err();
        assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
        assert!(error.said.contains("killed by signal 9"), "{error}");
        assert!(!self.lab.at("armed").exists(), "it was killed elsewhere");
    }

    /// A try whose daemon dies together with its git: nobody looks after what they leave. What was stored of it.
    pub(super) async fn abandoned(&self) -> Intent {
        let stored = self.stored(None).await;
        assert!(stored.clean_at.is_some());
        let unseen = Intent {
            clean_at: None,
            ..stored.clone()
        };
        self.killed(&unseen).await;
        assert_ne!(self.status(), "", "it has left nothing");
        stored
    }

    /// Every file, but for what the index notes of their times.
    pub(super) fn picture(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut picture = self.lab.picture(&self.top());
        picture.remove(&self.top().join(".git/index"));
        let staged = self.lab.sh(&self.top(), &["ls-files", "--stage"]);
        picture.insert("index".into(), staged.into_bytes());
        picture
    }

    pub(super) fn status(&self) -> String {
        self.lab.sh(
            &self.top(),
            &["--no-optional-locks", "status", "--porcelain"],
        )
    }

    pub(super) async fn merges(&self, intent: &Intent) {
        let done = self.go(intent).await.unwrap();
        let commit = intent.new.clone();
        assert_eq!(done, Executed::Merged { commit });
        assert_eq!(self.lab.id(&self.top(), "HEAD"), intent.new);
        assert_eq!(self.status(), "");
        assert!(self.top().join("fresh/deep/added").exists());
    }
}

/// Cuts a file off after so many bytes.
pub(super) fn cut(file: &Path, keep: u64) {
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_len(keep).unwrap();
}
