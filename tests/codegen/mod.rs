//! The generator of the machines: what it refuses, what it writes, what the database then refuses, and whether the
//! committed pages are fresh. What the run and the step decide is not tested here.

#[path = "../../machines/codegen/mod.rs"]
mod generator;

mod always;
mod cells;
mod door;
mod fresh;
mod guards;
mod machines;
mod names;
mod obligations;
mod rows;
mod version;

/// A small machine with every feature of the schema; each bad table is this one with a few words replaced.
const DOOR: &str = include_str!("door.toml");

/// The door with `edits` made; each has to apply.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(DOOR.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "the door does not say {old:?}");
        text.replacen(old, new, 1)
    })
}

/// Every problem of the edited door, without the file that each of them names.
fn problems(edits: &[(&str, &str)]) -> Vec<String> {
    let found = generator::generate("machines/door.toml", &edited(edits), "");
    let found = found.err().unwrap_or_default();
    let bare = |problem: &String| {
        problem
            .strip_prefix("machines/door.toml: ")
            .map(str::to_owned)
    };
    found
        .iter()
        .map(|problem| bare(problem).expect("a problem names its file"))
        .collect()
}

/// Asserts that the edits cause this problem and say so in these words.
#[track_caller]
fn finds(edits: &[(&str, &str)], problem: &str) {
    let found = problems(edits);
    assert!(
        found.iter().any(|one| one.contains(problem)),
        "no {problem:?} in {found:#?}"
    );
}
