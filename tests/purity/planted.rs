//! Planted breaches: each rule sees what it is for, and leaves alone what only looks like it.

use super::house::{crates, table};
use super::rules::{Source, rooms, wrong};

fn complaints(module: &str, text: &str) -> usize {
    let module: Vec<String> = module.split("::").map(str::to_owned).collect();
    wrong(
        &Source {
            text,
            module: &module,
        },
        &table(),
        &crates(),
    )
    .map_or(0, |it| it.len())
}

#[test]
fn a_core_that_looks_outside_is_seen() {
    for text in [
        "use std::fs;",
        "use std::{collections::HashMap, fs::File};",
        "use std::io::{self, Read};",
        "fn f() { let _ = std::time::SystemTime::now(); }",
        "use std::time::Instant;",
        "use ::std::env;",
        "fn f() { println!(\"{}\", 1); }",
        "use tokio::sync::mpsc;",
        "fn f() { uuid::Uuid::now_v7(); }",
        "use serde_json::Value;",
        "fn f() { g(vec![std::process::id()]); }",
        "use std::thread::spawn as go;",
        "fn f() { x.unwrap(); }",
        "fn f() { x.expect(\"y\"); }",
        "fn f() { todo!() }",
        "use pulldown_cmark::Parser;",
        "use crate::store::Reader;",
        "use super::super::effect::keeper;",
        "fn f() { crate::config::load() }",
        "use crate::{core::time::Time, store};",
        "unsafe fn f() {}",
    ] {
        assert!(complaints("core::run", text) > 0, "{text}");
    }
}

#[test]
fn a_core_that_only_mentions_it_is_left_alone() {
    for text in [
        "//! never touches std::fs or tokio::spawn\nuse std::collections::BTreeMap;",
        "use serde::{Deserialize, Serialize};",
        "const X: &str = \"std::fs::read\";",
        "use crate::core::time::Time;",
        "use super::super::plan::Checklist;",
        "use std::fmt::{self, Display};",
        "fn f(toml: u8) -> u8 { toml }",
        "fn f() { x.unwrap_or_default(); }",
    ] {
        assert_eq!(complaints("core::run::facts", text), 0, "{text}");
    }
    assert_eq!(
        complaints("core::plan::blocks", "use pulldown_cmark::Parser;"),
        0
    );
}

#[test]
fn a_room_that_reaches_up_or_too_far_is_seen() {
    for (module, text) in [
        ("config", "use crate::store::Reader;"),
        ("agent::claude", "use crate::effect::keeper;"),
        ("prompt", "use super::agent::Driver;"),
        ("store::open", "use crate::config::Config;"),
        ("effect::merge", "use crate::daemon::Engine;"),
        ("daemon", "use crate::api::router;"),
        ("api::runs", "use crate::store::Writer;"),
        ("api::runs", "use crate::store::{Reader, Apply};"),
        ("api::runs", "use crate::cli::args;"),
        ("api::runs", "use crate::effect::perform;"),
        ("api::runs", "use crate::effect::git::{diff, execute};"),
        ("cli::client", "use crate::api::runs;"),
        ("cli", "use crate::store::Reader;"),
        ("cli::commands::prompt", "use crate::preview::preview;"),
        ("daemon::engine", "fn f() { crate::serve::main([]); }"),
        ("api", "use rusqlite::Connection;"),
        ("agent", "use tokio::process::Command;"),
        ("agent::claude", "use std::process::Command;"),
        ("prompt", "fn f() { std::process::Command::new(\"git\"); }"),
        ("cli", "use axum::Router;"),
    ] {
        assert!(complaints(module, text) > 0, "{module}: {text}");
    }
}

#[test]
fn a_room_may_name_what_the_table_says() {
    for (module, text) in [
        ("config", "use crate::core::schedule::Policy;"),
        (
            "effect::merge",
            "use crate::{agent, prompt, store::StoredRun};",
        ),
        ("daemon::engine", "use crate::store::Writer;"),
        ("api::runs", "use crate::store::{Reader, Page};"),
        ("api::runs", "use crate::daemon::Handle;"),
        ("api::runs", "use crate::effect::{git::diff, step_dir};"),
        ("cli::list", "use crate::api::wire::Run;"),
        ("store::open", "use rusqlite::Connection;"),
        ("effect", "use std::process::Command;"),
        ("effect::git::run", "use super::super::keeper;"),
    ] {
        assert_eq!(complaints(module, text), 0, "{module}: {text}");
    }
}

#[test]
fn a_table_that_cannot_be_understood_allows_nothing() {
    for table in [
        "//! | [`a`] | x | b |",
        "//! | [`a`] | x |",
        "//! | [`a`] | x | nothing of ours |\n//! | [`b`] | y | a, c |",
    ] {
        assert!(rooms(table).is_err(), "{table}");
    }
}
