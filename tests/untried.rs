//! A test that goes without something says so, with its name and the reason, and fails where everything is asked for.

use std::process::{Command, Output};

use crate::support::not_tried;

/// Not a test of its own: what the next one looks at.
#[test]
#[ignore = "played by another test"]
fn goes_without_the_moon() {
    not_tried("the moon", "it is too far away");
}

fn played(all: Option<&str>) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "untried::goes_without_the_moon", "--ignored"]);
    command.env_remove("LOOPD_TEST_ALL");
    command.envs(all.map(|all| ("LOOPD_TEST_ALL", all)));
    command.output().expect("it starts")
}

#[test]
fn what_is_not_tried_is_said_with_its_test_and_fails_where_everything_is_asked_for() {
    let line = "NOT TRIED: untried::goes_without_the_moon without the moon: it is too far away";
    for (all, passes) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let ended = played(all);
        let said = [ended.stdout, ended.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(line), "{all:?}: {said}");
        assert_eq!(ended.status.success(), passes, "{all:?}: {said}");
    }
}

/// A line of a test's own would count nowhere, and never fail.
#[test]
fn nobody_goes_without_something_in_other_words() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("tests"), root.join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let other = ["eprintln!(\"skip", "eprintln!(\"SKIP", "NOT TRIED: "];
                let known = path.ends_with("untried.rs");
                if !known && other.iter().any(|words| text.contains(words)) {
                    found.push(path);
                }
            }
        }
    }
    assert!(found.is_empty(), "use `support::not_tried`: {found:?}");
}
