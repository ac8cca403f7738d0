//! The bodies of the fuzz targets, on their corpora and on what proptest makes of them. `tests/fuzz` is a crate of its
//! own as well: `cargo +nightly fuzz run --fuzz-dir tests/fuzz checklist` looks for more, from the same corpora.

mod bodies;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::store::support;
use bodies::TARGETS;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

/// The files of a target's corpus, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = corpora().join(target);
    let mut found: Vec<(String, Vec<u8>)> = std::fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| {
            let path = entry.expect("readable").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read(&path).expect("readable"))
        })
        .collect();
    found.sort();
    found
}

fn body(target: &str) -> fn(&[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    found.expect("a target").1
}

/// Bytes that begin as a file of the corpus and were changed in a few places, or any bytes at all.
fn altered(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, bytes)| bytes).collect();
    let words = prop_oneof![
        any::<Vec<u8>>().prop_map(|mut bytes| {
            bytes.truncate(8);
            bytes
        }),
        "[-\\[\\]{}:=\"'\\\\\n\r\t 0-9x]{1,6}".prop_map(String::into_bytes),
        Just("\u{feff}é\u{10ffff}".as_bytes().to_vec()),
    ];
    let change = (any::<prop::sample::Index>(), 0..12_usize, words);
    let changed = (
        prop::sample::select(seeds),
        prop::collection::vec(change, 0..6),
    )
        .prop_map(|(mut bytes, changes)| {
            for (at, cut, word) in changes {
                let at = at.index(bytes.len() + 1);
                let end = (at + cut).min(bytes.len());
                bytes.splice(at..end, word);
            }
            bytes
        });
    prop_oneof![9 => changed, 1 => any::<Vec<u8>>()]
}

#[test]
fn every_body_holds_for_every_file_of_its_corpus() {
    for (target, body) in TARGETS {
        let files = corpus(target);
        assert!(files.len() >= 3, "{target} has a corpus");
        for (name, bytes) in files {
            assert!(bytes.len() <= 4096, "{target}/{name} is small");
            assert!(catch_unwind(|| body(&bytes)).is_ok(), "{target}/{name}");
        }
    }
}

#[test]
fn every_corpus_and_every_fuzz_target_belongs_to_a_body() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    for entry in std::fs::read_dir(corpora()).expect("corpora") {
        let name = entry.expect("readable").file_name();
        assert!(names.iter().any(|known| name == *known), "{name:?}");
    }
    let manifest = include_str!("Cargo.toml");
    for name in names {
        let path = corpora()
            .with_file_name("fuzz_targets")
            .join(format!("{name}.rs"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(text.contains(&format!("bodies::{name}(")), "{text}");
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn always_holds_for_plans(bytes in altered("checklist")) {
        body("checklist")(&bytes);
    }

    #[test]
    fn always_holds_for_configurations(toml in altered("config_toml"), old in altered("config_key_value")) {
        body("config_toml")(&toml);
        body("config_key_value")(&old);
    }

    #[test]
    fn always_holds_for_streams_of_agents(bytes in altered("streams")) {
        body("streams")(&bytes);
    }

    #[test]
    fn always_holds_for_conversations_with_agents(bytes in altered("conversation")) {
        body("conversation")(&bytes);
    }

    #[test]
    fn always_holds_for_streams_of_events(bytes in altered("sse")) {
        body("sse")(&bytes);
    }

    #[test]
    fn always_holds_for_what_is_stored(bytes in altered("events")) {
        body("events")(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn always_answers_for_a_journal_that_was_tampered_with(bytes in altered("replay")) {
        body("replay")(&bytes);
    }
}
