//! A scratch git repository with a spec and a plan, and the questions that tests ask of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::executable;

/// A repository in a temporary directory. Worktrees of runs appear beside it, in the same directory.
pub struct Repository {
    dir: tempfile::TempDir,
    pub root: PathBuf,
}

impl Repository {
    /// A repository with `specs/thing.md` and this plan, committed on `main`.
    pub fn with_plan(plan: &str) -> Self {
        Self::with_plan_in(tempfile::tempdir().expect("a temporary directory"), plan)
    }

    /// The same where no sandbox is open by itself: in no directory that is for temporary files. The sources may lie in one,
    /// and the home of whoever runs the tests, too.
    pub fn apart_from_temporary_files(plan: &str) -> Self {
        let mut temporary = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from).to_vec();
        temporary.push(std::env::temp_dir());
        let is_apart = |place: &PathBuf| {
            place.is_absolute() && !temporary.iter().any(|dir| place.starts_with(dir))
        };
        let home = std::env::var_os("HOME").unwrap_or_default();
        let places = [
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            Path::new(&home).join(".cache/loopd-tests"),
            PathBuf::from("/var/cache/loopd-tests"),
        ];
        let made = places.into_iter().filter(is_apart).find_map(|place| {
            std::fs::create_dir_all(&place).ok()?;
            tempfile::tempdir_in(place).ok()
        });
        let dir = made.expect(
            "a sandbox is tried apart from temporary files: set HOME or CARGO_TARGET_DIR to a place outside of them",
        );
        Self::with_plan_in(dir, plan)
    }

    /// The same at this path below the temporary directory.
    pub fn with_plan_at(path: &str, plan: &str) -> Self {
        Self::with_plan_below(
            tempfile::tempdir().expect("a temporary directory"),
            path,
            plan,
        )
    }

    /// The same in a directory below this one, where there is a disk of its own.
    pub fn in_dir(place: &Path, plan: &str) -> Self {
        Self::with_plan_in(tempfile::tempdir_in(place).expect("a directory"), plan)
    }

    fn with_plan_in(dir: tempfile::TempDir, plan: &str) -> Self {
        Self::with_plan_below(dir, "repo", plan)
    }

    fn with_plan_below(dir: tempfile::TempDir, path: &str, plan: &str) -> Self {
        let root = dir.path().canonicalize().expect("a real path").join(path);
        std::fs::create_dir_all(&root).expect("a directory");
        let repo = Repository { dir, root };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo.git(&["config", "user.name", "Tester"]);
        repo.git(&["config", "user.email", "tester@localhost"]);
        repo.git(&["config", "commit.gpgsign", "false"]);
        repo.write("specs/thing.md", "# Thing\n\nMake the thing.\n");
        repo.write("specs/planning/thing-plan.md", plan);
        repo.commit_all("Begin");
        repo
    }

    /// A clone of it beside it, by these options of `git clone`, which takes its place; it is the clone's origin.
    pub fn cloned(self, name: &str, options: &[&str]) -> Self {
        let origin = format!("file://{}", self.root.display());
        let root = self.root.with_file_name(name);
        let at = root.display().to_string();
        let args = [&["clone", "--quiet"], options, &["--", &origin, &at]].concat();
        self.git(&args);
        let clone = Repository { root, ..self };
        clone.git(&["config", "user.name", "Tester"]);
        clone.git(&["config", "user.email", "tester@localhost"]);
        clone
    }

    /// The directory above it, for scripts and other files of a test.
    pub fn outside(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves everything where it is; the directory.
    pub fn keep(self) -> PathBuf {
        self.dir.keep()
    }

    /// Writes a file of the checkout.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    /// Writes a file beside the repository; its path.
    pub fn beside(&self, name: &str, text: &str) -> PathBuf {
        let path = self.outside().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Writes a script beside the repository that can be run; its path.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.outside().join(name);
        executable(&path, text);
        path
    }

    /// Commits everything in the checkout.
    pub fn commit_all(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// Commits a file on a branch that is checked out nowhere; the new commit.
    pub fn commit_on(&self, branch: &str, path: &str, text: &str) -> String {
        let at = self.outside().join("elsewhere");
        let there = at.display().to_string();
        self.git(&["worktree", "add", "--quiet", &there, branch]);
        std::fs::write(at.join(path), text).expect("a file");
        self.git(&["-C", &there, "add", "--all"]);
        self.git(&["-C", &there, "commit", "--quiet", "--message", "Elsewhere"]);
        self.git(&["worktree", "remove", "--force", &there]);
        self.git(&["rev-parse", branch])
    }

    /// What git prints, trimmed; a failure fails the test.
    pub fn git(&self, args: &[&str]) -> String {
        self.try_git(args)
            .unwrap_or_else(|said| panic!("git {args:?} failed: {said}"))
    }

    /// What git prints, or what it complains of.
    pub fn try_git(&self, args: &[&str]) -> Result<String, String> {
        let out = Command::new("git")
            .args(args)
            .current_dir(&self.root)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .expect("git runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if out.status.success() {
            Ok(text(&out.stdout))
        } else {
            Err(text(&out.stderr))
        }
    }

    /// Whether a branch, or whatever else git knows by this name, is there.
    pub fn has(&self, name: &str) -> bool {
        self.try_git(&["rev-parse", "--quiet", "--verify", name])
            .is_ok()
    }

    /// A file at a revision; empty where there is none.
    pub fn at(&self, revision: &str, path: &str) -> String {
        self.try_git(&["show", &format!("{revision}:{path}")])
            .unwrap_or_default()
    }

    /// Everything that must not change about the user's checkout: branch, head, status and the index as it is.
    pub fn checkout(&self) -> (String, String, String, Vec<u8>) {
        let index = std::fs::read(self.root.join(".git/index")).unwrap_or_default();
        (
            self.try_git(&["symbolic-ref", "HEAD"]).unwrap_or_default(),
            self.git(&["rev-parse", "HEAD"]),
            self.git(&[
                "--no-optional-locks",
                "status",
                "--porcelain=v1",
                "--untracked-files=all",
            ]),
            index,
        )
    }
}
