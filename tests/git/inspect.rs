//! Questions about commits.

use std::{fs, path::Path, path::PathBuf};

use agent_loop::effect::git::{
    changed_paths, commits_between, diff, diff_id, is_ancestor, show, tip,
};

use super::Lab;

#[tokio::test]
async fn commits_paths_and_files_are_told() {
    let lab = Lab::new().await;
    let (repo, place) = (lab.open().await, lab.repo());
    let first = lab.id(&place, "HEAD");
    fs::create_dir(place.join("d")).unwrap();
    fs::rename(place.join("f"), place.join("d/g")).unwrap();
    std::os::unix::fs::symlink("d/g", place.join("link")).unwrap();
    let second = lab.commit(&place, "second\n\nbody\n\nLoopd-Run: r9");
    let third = lab.commit(&place, "third");
    let commits = commits_between(&repo, &first, &third, 10).await.unwrap();
    assert_eq!(
        commits
            .iter()
            .map(|commit| commit.subject())
            .collect::<Vec<_>>(),
        ["second", "third"]
    );
    assert_eq!(commits[0].id, second);
    assert_eq!(commits[0].parents, std::slice::from_ref(&first));
    assert_eq!(commits[0].trailer("Loopd-Run"), Some("r9"));
    assert_eq!(
        commits_between(&repo, &first, &third, 1).await.unwrap()[0].subject(),
        "third"
    );
    assert!(
        commits_between(&repo, &third, &third, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let paths = changed_paths(&repo, &first, &third).await.unwrap();
    assert_eq!(paths, [PathBuf::from("d/g"), "f".into(), "link".into()]);
    assert_eq!(
        show(&repo, &third, Path::new("d/g")).await.unwrap(),
        Some(b"one\n".to_vec())
    );
    for none in ["f", "d", "link", "d/g/x", "*"] {
        assert_eq!(
            show(&repo, &third, Path::new(none)).await.unwrap(),
            None,
            "{none}"
        );
    }
    assert!(show(&repo, &third, Path::new("../f")).await.is_err());
    assert!(is_ancestor(&repo, &first, &third).await.unwrap());
    assert!(!is_ancestor(&repo, &third, &first).await.unwrap());
    assert_eq!(tip(&repo, "main").await.unwrap().unwrap().commit, third);
    assert_eq!(tip(&repo, "none").await.unwrap(), None);
}

#[tokio::test]
async fn the_same_change_has_the_same_name_whoever_made_it() {
    let lab = Lab::new().await;
    let (repo, place) = (lab.open().await, lab.repo());
    let base = lab.id(&place, "HEAD");
    let mut names = Vec::new();
    for (message, text) in [("a", "two\n"), ("b", "two\n"), ("c", "three\n")] {
        lab.sh(&place, &["switch", "-q", "--detach", base.as_str()]);
        fs::write(place.join("f"), text).unwrap();
        let commit = lab.commit(&place, message);
        names.push(diff_id(&repo, &base, &commit).await.unwrap());
    }
    assert_eq!(names[0], names[1]);
    assert_ne!(names[0], names[2]);
    assert_eq!(names[0].len(), 64);
}

#[tokio::test]
async fn a_diff_is_bounded_and_says_so() {
    let lab = Lab::new().await;
    let (repo, place) = (lab.open().await, lab.repo());
    let base = lab.id(&place, "HEAD");
    fs::write(place.join("f"), b"a\xff\n".repeat(1000)).unwrap();
    let commit = lab.commit(&place, "large");
    let whole = diff(&repo, &base, &commit, 1 << 20).await.unwrap();
    assert!(!whole.cut && whole.text.contains("-one") && whole.text.ends_with('\n'));
    let part = diff(&repo, &base, &commit, 100).await.unwrap();
    assert!(part.cut && part.text.len() <= 300);
}
