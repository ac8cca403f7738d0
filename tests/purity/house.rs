//! The rules over the whole of `src/`, and over what the build generates into the core.

use super::rules::{Room, Source, rooms, wrong};
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the package can be listed");
    let mut entries: Vec<_> = entries
        .map(|it| it.expect("an entry can be read").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// `src/core/plan/edit.rs` is `core::plan::edit`; a `mod.rs` is its folder.
fn module(path: &Path) -> Vec<String> {
    let below = path
        .strip_prefix(Path::new(ROOT).join("src"))
        .unwrap_or(path)
        .with_extension("");
    let names = below.iter().map(|it| it.to_string_lossy().into_owned());
    names.filter(|it| it != "mod").collect()
}

pub fn table() -> Vec<Room> {
    rooms(&read(&Path::new(ROOT).join("src/lib.rs"))).expect("the table of rooms can be read")
}

/// The crates that the package depends on, as code names them.
pub fn crates() -> Vec<String> {
    let manifest: toml::Table = read(&Path::new(ROOT).join("Cargo.toml"))
        .parse()
        .expect("a manifest is TOML");
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    dependencies
        .into_iter()
        .flat_map(toml::Table::keys)
        .map(|it| it.replace('-', "_"))
        .collect()
}

#[test]
fn every_room_names_only_what_it_may() {
    let (rooms, crates) = (table(), crates());
    let mut files = Vec::new();
    sources(&Path::new(ROOT).join("src"), &mut files);
    let mut all = Vec::new();
    for file in &files {
        let (text, module) = (read(file), module(file));
        let found = wrong(
            &Source {
                text: &text,
                module: &module,
            },
            &rooms,
            &crates,
        );
        let found = found.unwrap_or_else(|why| vec![why]);
        all.extend(
            found
                .into_iter()
                .map(|why| format!("{}: {why}", module.join("::"))),
        );
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
    let seen = |room: &Room| {
        files
            .iter()
            .any(|file| module(file).first() == Some(&room.name))
    };
    assert!(rooms.iter().all(seen), "a room of the table has no files");
}

#[test]
fn what_is_generated_into_the_core_is_as_pure_as_the_rest() {
    let (rooms, crates) = (table(), crates());
    let mut files = Vec::new();
    sources(Path::new(env!("OUT_DIR")), &mut files);
    let module = ["core", "run", "machine"].map(str::to_owned);
    for file in &files {
        let found = wrong(
            &Source {
                text: &read(file),
                module: &module,
            },
            &rooms,
            &crates,
        );
        assert_eq!(found, Ok(Vec::new()), "{}", file.display());
    }
    assert!(!files.is_empty(), "nothing was generated");
}

#[test]
fn every_folder_of_the_library_is_a_room_of_the_table() {
    let rooms = table();
    let entries = std::fs::read_dir(Path::new(ROOT).join("src")).expect("src can be listed");
    let folders = entries
        .filter_map(Result::ok)
        .filter(|it| it.path().is_dir())
        .map(|it| it.file_name());
    let unknown: Vec<_> = folders
        .filter(|it| it != "bin" && !rooms.iter().any(|room| *it == *room.name))
        .collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
}

#[test]
fn what_stands_beside_the_rooms_is_known_to_the_rules() {
    let entries = std::fs::read_dir(Path::new(ROOT).join("src")).expect("src can be listed");
    let files = entries.filter_map(Result::ok).map(|it| it.path());
    let mut names: Vec<_> = files
        .filter(|it| it.is_file())
        .map(|it| module(&it))
        .collect();
    names.sort();
    assert_eq!(names, [["lib"], ["preview"]]);
}

#[test]
fn no_warning_about_dead_code_is_silenced() {
    let mut files = Vec::new();
    sources(&Path::new(ROOT).join("src"), &mut files);
    let quiet = |file: &&PathBuf| {
        read(file).contains("allow(dead_code") || read(file).contains("allow(unused")
    };
    let silenced: Vec<_> = files.iter().filter(quiet).collect();
    assert!(silenced.is_empty(), "{silenced:?}");
}
