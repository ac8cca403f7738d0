//! Every word by which a person is told why a run waits, is held or has failed is explained in the pages. Which words there are
//! is read from the types and the source.

use std::collections::BTreeSet;
use std::path::Path;

use agent_loop::core::schedule::Gate;
use agent_loop::core::watchdog::Signal;

use super::{ROOT, files, read};

/// The names that serde knows for an enum: it lists them to whoever names none of them.
pub(super) fn names<T: serde::de::DeserializeOwned>(nonsense: &str) -> Vec<String> {
    let error = match serde_json::from_str::<T>(nonsense) {
        Ok(_) => panic!("{nonsense} is understood"),
        Err(error) => error.to_string(),
    };
    let listed = error.split("expected one of").nth(1).unwrap_or_default();
    listed
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The words in backticks in the first cells of a page's tables.
fn rows(page: &str) -> BTreeSet<String> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = cells.filter_map(|line| line.split(" | ").next());
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[test]
fn operating_explains_every_gate_and_every_signal_that_holds_a_run() {
    let known = rows(&read(&Path::new(ROOT).join("docs/operating.md")));
    let gates = names::<Gate>(r#"{"gate":"nonsense"}"#);
    let signals = names::<Signal>(r#""nonsense""#);
    assert!(
        gates.len() > 5 && signals.len() > 3,
        "{gates:?} {signals:?}"
    );
    let missing: Vec<_> = gates
        .iter()
        .chain(&signals)
        .filter(|it| !known.contains(*it))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/operating.md has no row for {missing:?}"
    );
}

/// The words by which a run is held or has failed, as the source says them: after `marker` and
/// names and commas stands a text.
fn codes(source: &str, marker: &str) -> Vec<String> {
    let kind = |c: char| c.is_alphanumeric() || c == ':' || c == ',' || c.is_whitespace();
    let after = source.split(marker).skip(1);
    let texts = after.filter_map(|rest| rest.trim_start_matches(kind).strip_prefix('"'));
    let words = texts.filter_map(|text| text.split_once('"').map(|(word, _)| word.to_owned()));
    words.collect()
}

#[test]
fn operating_explains_every_word_by_which_a_run_is_held_or_has_failed() {
    let page = read(&Path::new(ROOT).join("docs/operating.md"));
    let known = rows(&page);
    let mut sources = Vec::new();
    files(
        &Path::new(ROOT).join("src/effect/perform"),
        "rs",
        &mut sources,
    );
    files(
        &Path::new(ROOT).join("src/core/run/rules"),
        "rs",
        &mut sources,
    );
    let mut words = BTreeSet::new();
    for source in sources.iter().map(|it| read(it)) {
        for marker in [
            "(TroubleKind::Permanent",
            "(TroubleKind::NeedsPerson",
            "(TroubleKind::Transient",
            "Decision::because(",
            "fatal(",
            " code: ",
        ] {
            words.extend(codes(&source, marker));
        }
        // The same, when the formatter has put the kind on a line of its own.
        for kind in [
            "TroubleKind::Permanent,",
            "TroubleKind::NeedsPerson,",
            "TroubleKind::Transient,",
        ] {
            words.extend(codes(&source, kind));
        }
    }
    assert!(
        words.contains("target_held") && words.contains("agent_auth"),
        "{words:?}"
    );
    // Only where the machine was told of trouble and kept none: no run can get there.
    words.remove("unknown_trouble");
    let missing: Vec<_> = words.iter().filter(|it| !known.contains(*it)).collect();
    assert!(
        missing.is_empty(),
        "docs/operating.md has no row for {missing:?}"
    );
}
