//! The tests that the pages name exist.

use std::collections::BTreeSet;
use std::path::Path;

use pulldown_cmark::{Event, Parser};

use super::{ROOT, files, read};

/// Tests by their place below `tests/`: `room::file::name`, without `mod` and the file's own inner modules.
fn tests() -> BTreeSet<String> {
    let root = Path::new(ROOT).join("tests");
    let mut sources = Vec::new();
    files(&root, "rs", &mut sources);
    let mut found = BTreeSet::new();
    for file in sources {
        let place = file.strip_prefix(&root).unwrap_or(&file).with_extension("");
        let place: Vec<_> = place
            .iter()
            .map(|it| it.to_string_lossy())
            .filter(|it| it != "mod")
            .collect();
        let text = read(&file);
        let names = text
            .split("fn ")
            .skip(1)
            .filter_map(|rest| rest.split_once('(').map(|(name, _)| name));
        found.extend(names.map(|name| format!("{}::{name}", place.join("::"))));
    }
    found
}

#[test]
fn every_test_that_a_page_names_exists() {
    let pages = ["docs/origin.md", "docs/promises.md"];
    let page = pages
        .map(|page| read(&Path::new(ROOT).join(page)))
        .join("\n\n");
    let tests = tests();
    let spans = Parser::new_ext(&page, pulldown_cmark::Options::ENABLE_TABLES);
    let named = spans.filter_map(|event| match event {
        Event::Code(text) if text.matches("::").count() > 1 && !text.contains([' ', '…']) => {
            Some(text.to_string())
        }
        _ => None,
    });
    let named: BTreeSet<_> = named.collect();
    let missing: Vec<_> = named.difference(&tests).collect();
    assert!(
        named.len() > 20 && missing.is_empty(),
        "not found: {missing:?}"
    );
}
