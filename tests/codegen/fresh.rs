//! What is committed for people is what the tables say: the pages under `docs/machines/` and the lock of versions.
//! `UPDATE_DOCS=1 cargo test` refreshes both.

use std::path::Path;
use std::{env, fs};

use agent_loop::core::{handover, run, step};

#[track_caller]
fn is_fresh(file: &str, fresh: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os("UPDATE_DOCS").is_some() {
        let folder = path.parent().expect("the file is in the project");
        fs::create_dir_all(folder).expect("the folder can be made");
        fs::write(&path, fresh).expect("the file can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let says = "is not what the tables say: run UPDATE_DOCS=1 cargo test";
    assert!(committed == fresh, "{file} {says}");
}

/// The names of the files in a folder, without their ending.
fn names(folder: &str, ending: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let name = entry.expect("the folder can be read").file_name();
        names.extend(
            name.to_string_lossy()
                .strip_suffix(ending)
                .map(str::to_owned),
        );
    }
    names.sort();
    names
}

#[test]
fn every_table_has_a_fresh_page_and_every_page_a_table() {
    is_fresh("docs/machines/run.md", run::MARKDOWN);
    is_fresh("docs/machines/step.md", step::MARKDOWN);
    is_fresh("docs/machines/handover.md", handover::MARKDOWN);
    assert_eq!(names("machines", ".toml"), names("docs/machines", ".md"));
}

#[test]
fn the_lock_of_versions_is_fresh() {
    let lock = include_str!(concat!(env!("OUT_DIR"), "/versions.lock"));
    is_fresh("machines/versions.lock", lock);
}
