//! A run's worktree whose files go from one commit to another, and whose git is killed in the middle: what it left is put
//! back before anything else is done there, and what is somebody's own stays.

use std::{
    fs,
    path::{Path, PathBuf},
};

use agent_loop::effect::git::{
    CatchUp, CatchUpWant, FileCommit, GitError, GitErrorKind, Leftovers, Oid, Repo, Want, Worktree,
    catch_up, commit_file, commit_leftovers, head, prepare_worktree,
};

use super::deadly::{cut, fitted, work};
use super::{Lab, ready, want};

/// A run whose target has moved on.
struct Behind {
    lab: Lab,
    repo: Repo,
    worktree: Worktree,
    from: Oid,
}

impl Behind {
    async fn new() -> Behind {
        let lab = Lab::new().await;
        let repo = fitted(&lab, "' read-tree -m -u '").await;
        let worktree = ready(prepare_worktree(&repo, &want("r1")).await.unwrap());
        fs::write(worktree.path.join("f"), "ours\n").unwrap();
        let from = lab.commit(&worktree.path, "ours");
        work(&lab.repo());
        lab.commit(&lab.repo(), "theirs");
        Behind {
            lab,
            repo,
            worktree,
            from,
        }
    }

    /// One whose first try was killed in the middle.
    async fn broken() -> Behind {
        let behind = Behind::new().await;
        behind.dies();
        killed(&behind.go().await.unwrap_err());
        assert_ne!(behind.status(), "", "it has left nothing");
        let tip = head(&behind.repo, &behind.worktree).await.unwrap();
        assert_eq!(tip.commit, behind.from);
        behind
    }

    /// The next git that writes the worktree is killed in the middle.
    fn dies(&self) {
        fs::write(self.lab.at("armed"), "").unwrap();
    }

    async fn go(&self) -> Result<CatchUp, GitError> {
        let wish = CatchUpWant {
            worktree: &self.worktree,
            from: &self.from,
            target_branch: "main",
        };
        catch_up(&self.repo, &wish).await
    }

    async fn goes_through(&self) {
        let done = self.go().await.unwrap();
        let CatchUp::Done(tip) = done else {
            panic!("{done:?}")
        };
        assert_eq!(head(&self.repo, &self.worktree).await.unwrap(), tip);
        assert_eq!(self.status(), "");
        assert_eq!(self.read("f"), "ours\n");
        assert!(self.at("fresh/deep/added").exists() && !self.at("b-gone").exists());
        assert!(!self.note().exists(), "it is over");
    }

    async fn held(&self) -> (Vec<PathBuf>, String) {
        match self.go().await.unwrap() {
            CatchUp::Held { files, message } => (files, message),
            other => panic!("{other:?}"),
        }
    }

    async fn leftovers(&self) -> Leftovers {
        let left = commit_leftovers(&self.repo, &self.worktree, "x", &[], &[]).await;
        left.unwrap()
    }

    fn at(&self, file: &str) -> PathBuf {
        self.worktree.path.join(file)
    }

    fn note(&self) -> PathBuf {
        let admin = self.repo.common_dir.join("worktrees/wt.run-spec");
        admin.join("loopd-advance")
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.at(file)).unwrap()
    }

    fn status(&self) -> String {
        let args = ["--no-optional-locks", "status", "--porcelain"];
        self.lab.sh(&self.worktree.path, &args)
    }
}

fn killed(error: &GitError) {
    assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
    assert!(error.said.contains("killed by signal 9"), "{error}");
}

#[tokio::test]
async fn a_catch_up_whose_git_is_killed_is_made_by_the_next_try() {
    let behind = Behind::broken().await;
    // Files that were cut off as they were written, and a directory without the file that it was made for.
    cut(&behind.at("a-long"), 100_001);
    cut(&behind.at("fresh/deep/added"), 0);
    fs::remove_file(behind.at("e-was-file/deep/y")).unwrap();
    behind.goes_through().await;
}

#[tokio::test]
async fn a_catch_up_that_fails_in_the_middle_leaves_the_files_as_they_were() {
    let behind = Behind::new().await;
    fs::write(behind.lab.at("fails"), "").unwrap();
    let (_, message) = behind.held().await;
    assert!(message.contains("filter"), "{message}");
    assert!(!behind.lab.at("fails").exists(), "it failed elsewhere");
    assert_eq!(behind.status(), "");
    assert!(!behind.note().exists());
    behind.goes_through().await;
}

#[tokio::test]
async fn a_target_that_moves_on_before_the_next_try_is_no_reason_to_stop() {
    let behind = Behind::broken().await;
    let place = behind.lab.repo();
    fs::write(place.join("a-long"), "quite another\n").unwrap();
    fs::write(place.join("z-last"), "and again\n").unwrap();
    behind.lab.commit(&place, "moves on");
    behind.goes_through().await;
    assert_eq!(behind.read("a-long"), "quite another\n");
}

#[tokio::test]
async fn neither_leftovers_nor_the_next_conflict_hold_half_a_catch_up() {
    let behind = Behind::broken().await;
    assert_eq!(behind.leftovers().await, Leftovers::Nothing);
    assert_eq!(behind.status(), "");
    behind.dies();
    killed(&behind.go().await.unwrap_err());
    fs::write(behind.lab.repo().join("f"), "theirs\n").unwrap();
    behind.lab.commit(&behind.lab.repo(), "the same file");
    let conflict = behind.go().await.unwrap();
    assert!(matches!(conflict, CatchUp::Conflict { .. }), "{conflict:?}");
    assert_eq!(behind.status(), "");
}

#[tokio::test]
async fn a_worktree_that_is_taken_up_again_holds_no_half_of_a_catch_up() {
    let behind = Behind::broken().await;
    let known = Some(&behind.worktree);
    let again = Want {
        known,
        ..want("r1")
    };
    ready(prepare_worktree(&behind.repo, &again).await.unwrap());
    assert_eq!(behind.status(), "");
    behind.goes_through().await;
}

#[tokio::test]
async fn putting_back_may_itself_be_cut_off() {
    let behind = Behind::broken().await;
    fs::write(behind.at("a-long"), "old\n".repeat(7)).unwrap();
    fs::remove_file(behind.at("c-mode")).unwrap();
    behind.goes_through().await;
}

#[tokio::test]
async fn what_is_somebodys_own_beside_it_stays_and_holds_the_run_by_name() {
    let behind = Behind::broken().await;
    fs::write(behind.at("z-last"), "by an agent\n").unwrap();
    let (files, message) = behind.held().await;
    assert_eq!(files, [PathBuf::from("z-last")], "{message}");
    assert_eq!(behind.status(), " M z-last", "the rest is as it was");
    assert_eq!(behind.read("z-last"), "by an agent\n");
    fs::write(behind.at("z-last"), "old\n").unwrap();
    behind.goes_through().await;
}

#[tokio::test]
async fn a_file_of_somebodys_in_a_directory_of_the_merges_stays() {
    let behind = Behind::broken().await;
    fs::write(behind.at("e-was-file/mine"), "mine\n").unwrap();
    let (files, message) = behind.held().await;
    assert_eq!(files, [PathBuf::from("e-was-file")], "{message}");
    assert_eq!(behind.read("e-was-file/mine"), "mine\n");
    assert!(!behind.note().exists(), "nothing of the advance's is left");
    fs::remove_dir_all(behind.at("e-was-file")).unwrap();
    behind.goes_through().await;
}

#[tokio::test]
async fn what_only_looks_like_a_half_of_it_stays_where_no_try_was_begun() {
    let behind = Behind::new().await;
    fs::write(behind.at("a-long"), "").unwrap();
    fs::create_dir_all(behind.at("fresh/deep")).unwrap();
    fs::write(behind.at("fresh/deep/added"), "added\n").unwrap();
    for _ in 0..2 {
        let (files, message) = behind.held().await;
        assert_eq!(files, [PathBuf::from("a-long")], "{message}");
        assert_eq!(behind.read("a-long"), "");
        assert_eq!(behind.read("fresh/deep/added"), "added\n");
    }
}

#[tokio::test]
async fn what_was_done_since_the_branch_moved_is_work() {
    let behind = Behind::broken().await;
    behind.lab.commit(&behind.worktree.path, "all of it");
    fs::write(behind.at("a-long"), "").unwrap();
    assert!(matches!(behind.leftovers().await, Leftovers::Committed(_)));
    assert_eq!(behind.read("a-long"), "");
    assert_eq!(behind.status(), "");
}

#[tokio::test]
async fn a_note_that_is_none_is_in_nobodys_way() {
    let behind = Behind::new().await;
    fs::write(behind.note(), "no note of loopd's").unwrap();
    assert_eq!(behind.leftovers().await, Leftovers::Nothing);
    assert!(!behind.note().exists());
    let made = std::process::Command::new("mkfifo")
        .arg(behind.note())
        .status();
    assert!(made.unwrap().success());
    behind.goes_through().await;
}

#[tokio::test]
async fn a_plan_that_was_half_written_is_written_again_and_an_agents_edit_is_not() {
    let behind = Behind::new().await;
    let plan = Path::new("m.deadly");
    let tick =
        |text: &'static [u8]| commit_file(&behind.repo, &behind.worktree, plan, text, "Tick");
    behind.dies();
    killed(&tick(b"ticked\n").await.unwrap_err());
    fs::write(behind.at("m.deadly"), "tick").unwrap();
    let made = tick(b"ticked\n").await.unwrap();
    assert!(matches!(made, FileCommit::Committed(_)), "{made:?}");
    assert_eq!(behind.read("m.deadly"), "ticked\n");
    assert_eq!(behind.status(), "");
    fs::write(behind.at("m.deadly"), "tick").unwrap();
    let held = tick(b"reopened\n").await.unwrap();
    assert!(matches!(held, FileCommit::Held { .. }), "{held:?}");
    assert_eq!(behind.read("m.deadly"), "tick");
}

#[tokio::test]
async fn a_disk_that_is_full_is_nobodys_change_in_the_way() {
    let behind = Behind::new().await;
    let fails = "echo 'error: unable to write file f: No space left on device' >&2; exit 1\n";
    fs::write(behind.lab.at("at-merge"), fails).unwrap();
    let error = behind.go().await.unwrap_err();
    assert_eq!(error.kind, GitErrorKind::NoSpace, "{error}");
    fs::remove_file(behind.lab.at("at-merge")).unwrap();
    behind.goes_through().await;
}
