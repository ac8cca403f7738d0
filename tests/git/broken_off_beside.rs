//! A person's own work beside what a broken-off fast-forward has left: it is told from loopd's, named where it holds the
//! merge, and never touched. How loopd's own is taken back is tried in `broken_off`.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
};

use agent_loop::effect::git::{CatchUp, CatchUpWant, Executed, catch_up, head};

use super::deadly::Scene;

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
