//! A fast-forward of a checked-out target that breaks off in the middle: what it left is taken back, or the next try does
//! it. What a person has done there meanwhile is in `broken_off_beside`.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use agent_loop::effect::git::{Executed, GitErrorKind, Intent};

use super::Lab;
use super::deadly::{Scene, cut};
use crate::support::not_tried;

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
