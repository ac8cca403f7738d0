//! What the pages promise can be found: their links and the tests that they name exist, the command lines that they show
//! are accepted, and every word by which a person is told why a run waits, is held or has failed is explained.

mod explained;
mod named;
mod shown;

use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Parser, Tag};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files of these endings in a folder and below it.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the package can be listed");
    for entry in entries {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|it| it == ending) {
            found.push(path);
        }
    }
}

/// The pages for people, by path.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut found = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    files(&root.join("docs"), "md", &mut found);
    found.sort();
    found
}

#[test]
fn every_link_leads_to_a_file() {
    let mut dead = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for event in Parser::new_ext(&read(&page), pulldown_cmark::Options::ENABLE_TABLES) {
            let (Event::Start(Tag::Link { dest_url, .. })
            | Event::Start(Tag::Image { dest_url, .. })) = event
            else {
                continue;
            };
            let path = dest_url.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            seen += 1;
            let folder = page.parent().expect("a page is in a folder");
            if !folder.join(path).exists() {
                dead.push(format!("{}: {dest_url}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    assert!(seen > 0, "there are links");
}
