//! What a machine cannot try: every test that goes without something says so by this one function, the tests inside of the
//! library, too, which take this file in. Nothing else decides here: whether something is there, each test finds out itself.

use std::io::Write as _;

/// Asks that a test which cannot try something fails, and is not passed over.
const ALL: &str = "LOOPD_TEST_ALL";

/// Says out loud that this test, or a part of it, is not tried, and why; the caller leaves that out. Where `LOOPD_TEST_ALL`
/// is set to something, it is a failure.
pub fn not_tried(what: &str, why: &str) {
    let thread = std::thread::current();
    // The harness calls a test's thread by the test's name.
    let line = format!(
        "NOT TRIED: {} without {what}: {why}",
        thread.name().unwrap_or("a test")
    );
    let all = std::env::var_os(ALL).is_some_and(|it| !it.is_empty());
    assert!(!all, "{line} ({ALL} asks for everything)");
    // Not by `eprintln!`: the harness would hide it, since the test passes. In one piece, since others say something, too.
    std::io::stderr()
        .write_all(format!("{line}\n").as_bytes())
        .expect("standard error");
}
