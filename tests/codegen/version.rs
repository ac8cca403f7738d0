//! The lock of versions: a table that does something else is another version, and one that only says it better is not.

use super::{edited, generator::generate};

const FILE: &str = "machines/door.toml";

/// The lock that the unedited door would have.
fn lock() -> String {
    let door = generate(FILE, &edited(&[]), "").expect("the door is sound");
    assert_eq!(door.name, "door");
    door.lock
}

fn problems(edits: &[(&str, &str)], lock: &str) -> Vec<String> {
    generate(FILE, &edited(edits), lock)
        .err()
        .unwrap_or_default()
}

#[test]
fn a_changed_table_has_to_raise_its_version() {
    for change in [
        ("effects = [\"ring\"]", "effects = [\"ring\", \"ring\"]"),
        ("needs = [\"opened_by\"]", ""),
        ("force = \"u32\"", "force = \"u64\""),
        (
            "doc = \"The motor is stuck.\"\ndata = { loud = \"bool\" }",
            "doc = \"The motor is stuck.\"",
        ),
    ] {
        let found = problems(&[change], &lock());
        assert_eq!(found.len(), 1, "{change:?}: {found:#?}");
        assert!(
            found[0].contains("the table changed, its version is still 1: raise it to 2"),
            "{found:#?}"
        );
        assert_eq!(
            problems(&[change, ("version = 1", "version = 2")], &lock()),
            Vec::<String>::new()
        );
    }
}

#[test]
fn words_and_the_cut_of_rows_are_no_change() {
    let same: &[(&str, &str)] = &[
        ("doc = \"Shut.\"", "doc = \"Not open.\""),
        (
            "because = \"the door is gone\"",
            "because = \"there is no door\"",
        ),
        (
            "on = [\"push\", \"remove\"]\nbecause",
            "on = \"push\"\nbecause = \"it is gone\"\n[[refuse]]\nin = [\"gone\"]\non = \"remove\"\nbecause",
        ),
    ];
    assert_eq!(problems(same, &lock()), Vec::<String>::new());
}

#[test]
fn a_version_never_falls() {
    let lock = lock().replace("version = 1", "version = 7");
    assert!(problems(&[], &lock)[0].contains("version 1 is lower than the locked 7"));
}

#[test]
fn a_lock_that_cannot_be_read_is_a_problem() {
    assert!(problems(&[], "[door")[0].contains("machines/versions.lock"));
}

#[test]
fn a_table_without_an_entry_is_new() {
    assert_eq!(
        problems(&[], "[gate]\nversion = 3\nfingerprint = \"0\"\n"),
        Vec::<String>::new()
    );
}
