//! Where the token comes from.

use agent_loop::cli::client::token::TokenSource;
use tempfile::TempDir;

#[test]
fn a_given_token_wins_over_the_file() {
    let dir = TempDir::new().expect("a directory");
    std::fs::write(dir.path().join("token"), "from-file\n").expect("a file");
    let given = TokenSource::new(Some("given"), Some(dir.path()));
    assert_eq!(given.read().expect("readable"), Some("given".to_owned()));
    // A variable that is set to nothing is not given.
    for nothing in [None, Some("")] {
        let file = TokenSource::new(nothing, Some(dir.path()));
        assert_eq!(file.read().expect("readable"), Some("from-file".to_owned()));
    }
}

#[test]
fn the_file_is_read_anew_each_time() {
    let dir = TempDir::new().expect("a directory");
    let source = TokenSource::new(None, Some(dir.path()));
    assert_eq!(source.read().expect("absent is fine"), None);
    std::fs::write(dir.path().join("token"), "").expect("a file");
    assert_eq!(source.read().expect("being written"), None);
    std::fs::write(dir.path().join("token"), "t1").expect("a file");
    assert_eq!(source.read().expect("readable"), Some("t1".to_owned()));
}

#[test]
fn a_token_that_cannot_be_sent_is_named_by_its_place_and_never_shown() {
    for bad in ["two words", "tab\tbed", "caf\u{e9}", "two\nlines"] {
        let error = TokenSource::Given(bad.to_owned()).read().expect_err(bad);
        let text = error.to_string();
        assert!(text.contains("LOOPD_TOKEN"), "{text}");
        assert!(!text.contains(bad), "{text}");
    }
}
