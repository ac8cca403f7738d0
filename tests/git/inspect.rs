//! Questions about commits.

use std::{fs, path::Path, path::PathBuf};

use agent_loop::effect::git::{
    GitErrorKind, Leftovers, Oid, changed_paths, commit_leftovers, commits_between, diff, diff_id,
    entries_below, is_ancestor, show, tip,
};

use super::{Lab, executable, with_worktree};

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
    for none in ["f", "d", "link", "d/g/x", "*", ":(top)d/g"] {
        assert_eq!(
            show(&repo, &third, Path::new(none)).await.unwrap(),
            None,
            "{none}"
        );
    }
    let below = async |dir: &str| {
        let entries = entries_below(&repo, &third, Path::new(dir)).await;
        entries.unwrap().len()
    };
    assert_eq!((below("d").await, below(":(top)d").await), (1, 0));
    assert!(show(&repo, &third, Path::new("../f")).await.is_err());
    let unnamed = show(&repo, &third, Path::new("a\0b")).await.unwrap_err();
    assert_eq!(unnamed.kind, GitErrorKind::Permanent, "{unnamed}");
    let unknown = Oid::parse(&"e".repeat(40)).unwrap();
    assert!(is_ancestor(&repo, &unknown, &third).await.is_err());
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

#[tokio::test]
async fn a_listing_that_is_too_long_ends_with_a_whole_path() {
    const NAME: usize = 240;
    let lab = Lab::new().await;
    let (repo, place) = (lab.open().await, lab.repo());
    let blob = lab.id(&place, "HEAD:f");
    let file = |n: u32| format!("100644 blob {blob}\t{n:0NAME$}\n");
    let mut listing: String = (0..2000).map(file).collect();
    // So deep that each of them takes more than two thousand bytes.
    let script = ["mktree", "<", "../listing"].join(" ");
    let alias = format!("alias.made=!git {script}");
    let mut tree = String::new();
    for _ in 0..9 {
        fs::write(lab.at("listing"), &listing).unwrap();
        tree = lab.sh(&place, &["-c", &alias, "made"]);
        listing = format!("040000 tree {tree}\t{}\n", "d".repeat(NAME));
    }
    let commit = lab.sh(&place, &["commit-tree", "-m", "deep", &tree]);
    let commit = Oid::parse(&commit).unwrap();
    let top = "d".repeat(NAME);
    let entries = entries_below(&repo, &commit, Path::new(&top))
        .await
        .unwrap();
    assert!((1000..2000).contains(&entries.len()), "{}", entries.len());
    for (n, entry) in entries.iter().enumerate() {
        let name = entry.path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, format!("{n:0NAME$}"));
    }
}

#[tokio::test]
async fn what_is_read_of_commits_is_neither_signed_for_coloured_paged_nor_converted() {
    let (lab, repo, worktree) = with_worktree().await;
    let (place, at) = (lab.repo(), &worktree.path);
    let trap = lab.at("trap");
    let body = format!(
        "#!/bin/sh\ntouch '{}'\nexit 1\n",
        lab.at("sprung").display()
    );
    executable(&trap, &body);
    let trap = trap.to_str().unwrap();
    for (key, value) in [
        ("log.showSignature", "true"),
        ("gpg.program", trap),
        ("commit.gpgSign", "true"),
        ("color.ui", "always"),
        ("core.pager", trap),
        ("diff.external", trap),
        ("diff.odd.command", trap),
        ("diff.odd.textconv", trap),
        ("i18n.logOutputEncoding", "ISO-8859-1"),
    ] {
        lab.sh(&place, &["config", key, value]);
    }
    fs::write(at.join(".gitattributes"), "f diff=odd\n").unwrap();
    fs::write(at.join("f"), "two\n").unwrap();
    let left = commit_leftovers(&repo, &worktree, "Größe", &[], &[]).await;
    let Leftovers::Committed(left) = left.unwrap() else {
        panic!("nothing was committed")
    };
    // The same, signed by somebody.
    let raw = lab.sh(&place, &["cat-file", "commit", left.as_str()]);
    let (head, message) = raw.split_once("\n\n").unwrap();
    let seal = "-----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----";
    fs::write(
        lab.at("signed"),
        format!("{head}\ngpgsig {seal}\n\n{message}\n"),
    )
    .unwrap();
    let signed = lab.sh(&place, &["hash-object", "-t", "commit", "-w", "../signed"]);
    lab.sh(&place, &["update-ref", "refs/heads/run/spec", &signed]);
    let signed = lab.id(&place, "run/spec");
    let base = &worktree.base_commit;
    let commits = commits_between(&repo, base, &signed, 9).await.unwrap();
    assert_eq!(commits.len(), 1);
    assert_eq!(commits[0].subject(), "Größe");
    assert_eq!(commits[0].id, signed);
    let diff = diff(&repo, base, &signed, 1 << 20).await.unwrap();
    assert!(diff.text.contains("\n+two\n"), "{}", diff.text);
    let paths = changed_paths(&repo, base, &signed).await.unwrap();
    assert_eq!(paths, [PathBuf::from(".gitattributes"), "f".into()]);
    assert!(!lab.at("sprung").exists());
    let _ = lab.git(&place, &["log", "-1", signed.as_str()]);
    assert!(lab.at("sprung").exists(), "the trap works");
}

#[tokio::test]
async fn a_submodule_that_moves_is_a_change_whatever_is_configured_of_submodules() {
    let (lab, repo, worktree) = with_worktree().await;
    let (place, at) = (lab.repo(), &worktree.path);
    // Where git looks that works in there.
    let ignored = "[submodule \"part\"]\n\tpath = part\n\turl = x\n\tignore = all\n";
    fs::write(repo.common_dir.join(".gitmodules"), ignored).unwrap();
    let entry = format!("160000,{},part", worktree.base_commit);
    lab.sh(at, &["update-index", "--add", "--cacheinfo", &entry]);
    lab.sh(at, &["commit", "-q", "-m", "a submodule"]);
    let (from, to) = (&worktree.base_commit, lab.id(&place, "run/spec"));
    let paths = changed_paths(&repo, from, &to).await.unwrap();
    assert_eq!(paths, [PathBuf::from("part")]);
    let text = diff(&repo, from, &to, 1 << 20).await.unwrap().text;
    assert!(text.contains("+Subproject commit"), "{text}");
}
