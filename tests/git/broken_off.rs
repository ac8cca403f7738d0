//! A fast-forward of a checked-out target that breaks off in the middle: what it left is taken back, or the next try does
//! it; a person's work beside it is never touched.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use agent_loop::effect::git::{
    CatchUp, CatchUpWant, Executed, Git, GitError, GitErrorKind, Intent, MergeWant, Repo, Step,
    Strategy, Worktree, catch_up, execute, head, plan_merge, prepare_worktree, ready,
};

use super::{Lab, executable, merge_want, want};
use crate::support::not_tried;

/// What a merge can do to a checkout, with a file between whose filter can kill the git that writes it.
struct Scene {
    lab: Lab,
    repo: Repo,
    worktree: Worktree,
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
    async fn new() -> Scene {
        Scene::of(Lab::new().await).await
    }

    async fn of(lab: Lab) -> Scene {
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

    fn top(&self) -> PathBuf {
        self.lab.repo()
    }

    /// The next try: planned anew, and what is stored of it before it is carried out.
    async fn stored(&self, before: Option<&Intent>) -> Intent {
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

    async fn go(&self, intent: &Intent) -> Result<Executed, GitError> {
        execute(&self.repo, intent, &self.worktree.drivers).await
    }

    /// Its git is killed in the middle.
    async fn killed(&self, intent: &Intent) {
        fs::write(self.lab.at("armed"), "").unwrap();
        let error = self.go(intent).await.unwrap_err();
        assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
        assert!(error.said.contains("killed by signal 9"), "{error}");
        assert!(!self.lab.at("armed").exists(), "it was killed elsewhere");
    }

    /// A try whose daemon dies together with its git: nobody looks after what they leave. What was stored of it.
    async fn abandoned(&self) -> Intent {
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
    fn picture(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut picture = self.lab.picture(&self.top());
        picture.remove(&self.top().join(".git/index"));
        let staged = self.lab.sh(&self.top(), &["ls-files", "--stage"]);
        picture.insert("index".into(), staged.into_bytes());
        picture
    }

    fn status(&self) -> String {
        self.lab.sh(
            &self.top(),
            &["--no-optional-locks", "status", "--porcelain"],
        )
    }

    async fn merges(&self, intent: &Intent) {
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

#[tokio::test]
async fn a_fast_forward_whose_git_is_killed_leaves_the_checkout_as_it_was_and_the_next_try_merges()
{
    let scene = Scene::new().await;
    let mine = scene.top().join("mine");
    fs::write(&mine, "untracked\n").unwrap();
    fs::write(scene.top().join("f"), "my own change\n").unwrap();
    let before = scene.picture();
    let first = scene.stored(None).await;
    scene.killed(&first).await;
    assert!(scene.picture() == before, "{}", scene.status());
    assert_eq!(scene.status(), " M f\n?? mine");
    assert!(!scene.repo.common_dir.join("index.lock").exists());
    let second = scene.stored(Some(&first)).await;
    let done = scene.go(&second).await.unwrap();
    let commit = second.new.clone();
    assert_eq!(done, Executed::Merged { commit });
    assert_eq!(scene.status(), " M f\n?? mine");
}

#[tokio::test]
async fn what_a_dead_daemons_fast_forward_left_is_recognised_and_the_merge_goes_on() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    // Files that were cut off as they were written.
    cut(&scene.top().join("a-long"), 100_001);
    cut(&scene.top().join("fresh/deep/added"), 0);
    let second = scene.stored(Some(&first)).await;
    scene.merges(&second).await;
}

#[tokio::test]
async fn taking_back_may_itself_be_cut_off() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    let top = scene.top();
    // The beginning of what HEAD has, and a file that is gone.
    fs::write(top.join("a-long"), "old\n".repeat(7)).unwrap();
    fs::remove_file(top.join("c-mode")).unwrap();
    // A try between that came to nothing either does not make it forget.
    let second = scene.stored(Some(&first)).await;
    assert_eq!(second.clean_at, None);
    let third = scene.stored(Some(&second)).await;
    scene.merges(&third).await;
}

#[tokio::test]
async fn a_directory_without_the_file_that_it_was_made_for_is_taken_back() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    fs::remove_dir_all(scene.top().join("e-was-file/deep")).unwrap();
    let second = scene.stored(Some(&first)).await;
    scene.merges(&second).await;
}

#[tokio::test]
async fn a_mode_that_a_person_has_set_since_is_theirs() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    let file = scene.top().join("a-long");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let before = scene.picture();
    let second = scene.stored(Some(&first)).await;
    let Executed::Held { files, message } = scene.go(&second).await.unwrap() else {
        panic!("not held")
    };
    assert_eq!(files, [PathBuf::from("a-long")], "{message}");
    assert!(scene.picture() == before, "{}", scene.status());
}

#[tokio::test]
async fn where_a_person_has_put_it_right_only_their_own_change_is_spoken_of() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    let top = scene.top();
    fs::remove_file(scene.repo.common_dir.join("index.lock")).unwrap();
    scene.lab.sh(&top, &["reset", "-q", "--hard"]);
    scene.lab.sh(&top, &["clean", "-q", "-f", "-d"]);
    fs::write(top.join("z-last"), "by a person\n").unwrap();
    let second = scene.stored(Some(&first)).await;
    let Executed::Held { files, message } = scene.go(&second).await.unwrap() else {
        panic!("not held")
    };
    assert_eq!(files, [PathBuf::from("z-last")]);
    assert!(!message.contains("broke off"), "{message}");
}

#[tokio::test]
async fn what_broke_off_in_one_checkout_is_not_looked_for_in_another() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    let (lab, top) = (&scene.lab, scene.top());
    fs::remove_file(scene.repo.common_dir.join("index.lock")).unwrap();
    lab.sh(&top, &["checkout", "-q", "--force", "-b", "other"]);
    let linked = lab.at("linked");
    let place = linked.display().to_string();
    lab.sh(&top, &["worktree", "add", "-q", &place, "main"]);
    // In there, it is a person's.
    fs::write(linked.join("a-long"), "").unwrap();
    let second = scene.stored(Some(&first)).await;
    let Executed::Held { files, message } = scene.go(&second).await.unwrap() else {
        panic!("not held")
    };
    assert_eq!(files, [PathBuf::from("a-long")], "{message}");
    assert_eq!(fs::read(linked.join("a-long")).unwrap(), b"");
}

#[tokio::test]
async fn what_broke_off_on_the_way_to_one_target_is_nothing_to_another() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    let elsewhere = Intent {
        target_ref: "refs/heads/other".to_owned(),
        ..first.clone()
    };
    let second = scene.stored(Some(&elsewhere)).await;
    assert_eq!((second.broken_off, second.unlocked_at_ms), (None, None));
    let lock = scene.repo.common_dir.join("index.lock");
    assert!(lock.exists(), "its proof is of another checkout");
    let third = scene.stored(Some(&first)).await;
    scene.merges(&third).await;
}

#[tokio::test]
async fn a_git_that_is_killed_when_it_has_merged_takes_nothing_back() {
    let scene = Scene::new().await;
    let intent = scene.stored(None).await;
    let script = format!("'{}' \"$@\"; kill -9 $$\n", scene.lab.at("git").display());
    fs::write(scene.lab.at("at-merge"), script).unwrap();
    let error = scene.go(&intent).await.unwrap_err();
    assert_eq!(error.kind, GitErrorKind::Transient, "{error}");
    assert_eq!(scene.status(), "");
    scene.merges(&intent).await;
}

#[tokio::test]
async fn a_file_that_the_broken_off_merge_did_not_touch_is_a_persons_whatever_came_since() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    let top = scene.top();
    fs::remove_file(scene.repo.common_dir.join("index.lock")).unwrap();
    fs::write(top.join("f"), "mine\n").unwrap();
    scene
        .lab
        .sh(&top, &["commit", "-q", "-m", "mine", "--", "f"]);
    let from = head(&scene.repo, &scene.worktree).await.unwrap().commit;
    let wish = CatchUpWant {
        worktree: &scene.worktree,
        from: &from,
        target_branch: "main",
    };
    let caught = catch_up(&scene.repo, &wish).await.unwrap();
    assert!(matches!(caught, CatchUp::Done(_)), "{caught:?}");
    fs::write(top.join("f"), "").unwrap();
    let second = scene.stored(Some(&first)).await;
    let done = scene.go(&second).await.unwrap();
    let commit = second.new.clone();
    assert_eq!(done, Executed::Merged { commit });
    assert_eq!(scene.status(), " M f");
    assert_eq!(fs::read(top.join("f")).unwrap(), b"");
}

#[tokio::test]
async fn what_a_person_put_into_a_directory_of_the_merges_holds_it_by_name() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    let mine = scene.top().join("e-was-file/deep/mine");
    fs::write(&mine, "mine\n").unwrap();
    let before = scene.picture();
    let second = scene.stored(Some(&first)).await;
    let Executed::Held { files, message } = scene.go(&second).await.unwrap() else {
        panic!("not held")
    };
    assert_eq!(files, [PathBuf::from("e-was-file/deep/mine")], "{message}");
    assert!(scene.picture() == before, "{}", scene.status());
    fs::remove_file(&mine).unwrap();
    let third = scene.stored(Some(&second)).await;
    scene.merges(&third).await;
}

#[tokio::test]
async fn a_persons_change_beside_what_was_left_holds_it_and_both_are_named() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    let top = scene.top();
    fs::write(top.join("z-last"), "by a person\n").unwrap();
    let before = scene.picture();
    let second = scene.stored(Some(&first)).await;
    let Executed::Held { files, message } = scene.go(&second).await.unwrap() else {
        panic!("not held")
    };
    assert_eq!(files, [PathBuf::from("z-last")]);
    for part in [
        "broke off (git was killed, or the disk was full)",
        "a-long",
        "not loopd's: z-last",
        "loopctl resume",
        "checkout HEAD -- ",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(scene.picture() == before, "{}", scene.status());
    // As the message says.
    scene.lab.sh(&top, &["stash", "push", "-q", "--", "z-last"]);
    let third = scene.stored(Some(&second)).await;
    scene.merges(&third).await;
}

#[tokio::test]
async fn a_file_that_only_looks_like_a_part_of_the_merge_is_a_persons_where_no_try_was_begun() {
    let scene = Scene::new().await;
    let top = scene.top();
    fs::write(top.join("a-long"), "new\n").unwrap();
    fs::create_dir_all(top.join("fresh/deep")).unwrap();
    fs::write(top.join("fresh/deep/added"), "added\n").unwrap();
    let before = scene.picture();
    let first = scene.stored(None).await;
    assert_eq!(first.clean_at, None);
    for intent in [first.clone(), scene.stored(Some(&first)).await] {
        assert_eq!(intent.broken_off, None);
        let held = scene.go(&intent).await.unwrap();
        assert!(matches!(held, Executed::Held { .. }), "{held:?}");
        assert!(scene.picture() == before, "{}", scene.status());
    }
}

#[tokio::test]
async fn what_a_person_staged_or_put_behind_a_link_is_not_taken_back() {
    let scene = Scene::new().await;
    let first = scene.abandoned().await;
    let top = scene.top();
    fs::remove_file(scene.repo.common_dir.join("index.lock")).unwrap();
    scene.lab.sh(&top, &["add", "a-long"]);
    fs::rename(top.join("fresh"), scene.lab.at("elsewhere")).unwrap();
    symlink(scene.lab.at("elsewhere"), top.join("fresh")).unwrap();
    let second = scene.stored(Some(&first)).await;
    let Executed::Held { files, message } = scene.go(&second).await.unwrap() else {
        panic!("not held")
    };
    assert!(files.contains(&"a-long".into()), "{files:?}: {message}");
    assert!(files.contains(&"fresh/deep/added".into()), "{files:?}");
    assert!(scene.lab.at("elsewhere/deep/added").exists());
}

/// A small disk of its own, for as long as this lives.
struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}

#[tokio::test]
async fn a_fast_forward_that_meets_a_full_disk_is_told_as_such_and_merges_when_there_is_room() {
    if !rustix::process::geteuid().is_root() {
        return not_tried("a disk of its own", "only root can mount one");
    }
    let lab = Lab::new().await;
    let place = lab.at("disk");
    fs::create_dir(&place).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs"])
        .arg(&place)
        .status();
    assert!(mounted.unwrap().success());
    let disk = Disk(place.clone());
    fs::rename(lab.repo(), lab.at("first")).unwrap();
    let moved = std::process::Command::new("cp")
        .arg("-a")
        .arg(lab.at("first"))
        .arg(place.join("repo"))
        .status();
    assert!(moved.unwrap().success());
    symlink(place.join("repo"), lab.repo()).unwrap();
    let scene = Scene::of(lab).await;
    // All but some room is taken in the moment of the merge.
    let filler = place.join("filler");
    fs::write(
        scene.lab.at("at-merge"),
        format!(
            "if [ ! -e '{0}' ]; then free=$(df --output=avail -k '{1}' | tail -1); head -c $(((free - 120) * 1024)) /dev/zero > '{0}'; fi\n",
            filler.display(),
            place.display()
        ),
    )
    .unwrap();
    let first = scene.stored(None).await;
    let error = scene.go(&first).await.unwrap_err();
    assert_eq!(error.kind, GitErrorKind::NoSpace, "{error}");
    assert!(filler.exists());
    fs::remove_file(scene.lab.at("at-merge")).unwrap();
    fs::remove_file(&filler).unwrap();
    let second = scene.stored(Some(&first)).await;
    scene.merges(&second).await;
    drop(disk);
}

#[tokio::test]
async fn a_clone_of_the_users_in_the_place_of_a_submodule_is_in_nobodys_way() {
    let scene = Scene::new().await;
    let (lab, top) = (&scene.lab, scene.top());
    let clone = top.join("sub");
    fs::create_dir(&clone).unwrap();
    lab.sh(&clone, &["init", "-q"]);
    fs::write(clone.join("inside"), "inside\n").unwrap();
    lab.sh(&clone, &["add", "inside"]);
    let author = ["-c", "user.name=x", "-c", "user.email=x@localhost"];
    lab.sh(
        &clone,
        &[&author[..], &["commit", "-q", "-m", "own"]].concat(),
    );
    let commit = lab.id(&clone, "HEAD");
    let entry = format!("160000,{commit},sub");
    let work = &scene.worktree.path;
    lab.sh(work, &["update-index", "--add", "--cacheinfo", &entry]);
    lab.sh(work, &["commit", "-q", "-m", "a submodule"]);
    let first = scene.abandoned().await;
    fs::write(clone.join("mine"), "mine\n").unwrap();
    let second = scene.stored(Some(&first)).await;
    let done = scene.go(&second).await.unwrap();
    let commit = second.new.clone();
    assert_eq!(done, Executed::Merged { commit });
    assert_eq!(fs::read(clone.join("mine")).unwrap(), b"mine\n");
    fs::remove_file(clone.join("mine")).unwrap();
    assert_eq!(scene.status(), "");
}
