//! The token file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use agent_loop::api::{TOKEN_FILE, Token, TokenError};

#[test]
fn the_token_is_made_once_for_its_owner_alone_and_used_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = Token::load_or_create(dir.path()).expect("made");
    let path = dir.path().join(TOKEN_FILE);
    let text = fs::read_to_string(&path).expect("readable");
    let token = text.trim();
    assert_eq!(
        (token.len(), token.bytes().all(|b| b.is_ascii_hexdigit())),
        (64, true)
    );
    assert_eq!(
        fs::metadata(&path).expect("there").permissions().mode() & 0o777,
        0o600
    );
    let again = Token::load_or_create(dir.path()).expect("read");
    assert!(first.matches(token.as_bytes()) && again.matches(token.as_bytes()));
    assert!(!again.matches(b"") && !again.matches(&token.as_bytes()[1..]));
    assert_eq!(format!("{again:?}"), "Token(…)");
    assert_eq!(
        fs::read_dir(dir.path()).expect("readable").count(),
        1,
        "nothing is left beside it"
    );
    let other = tempfile::tempdir().expect("a directory");
    let other = Token::load_or_create(other.path()).expect("made");
    assert!(!other.matches(token.as_bytes()), "no two are the same");
}

#[test]
fn a_token_that_others_can_read_is_protected_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(TOKEN_FILE);
    fs::write(&path, "chosen-by-a-person-1\n").expect("written");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
    let token = Token::load_or_create(dir.path()).expect("read");
    assert!(token.matches(b"chosen-by-a-person-1"));
    assert_eq!(
        fs::metadata(&path).expect("there").permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn what_is_no_token_is_never_taken_for_one_nor_overwritten() {
    for content in [
        "",
        "\n",
        "short",
        "two lines\nof text, quite long",
        "späte-nicht-ascii-zeichen",
        &"x".repeat(600),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(TOKEN_FILE);
        fs::write(&path, content).expect("written");
        let error = Token::load_or_create(dir.path()).expect_err("refused");
        assert!(matches!(error, TokenError::Malformed { .. }), "{error}");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).expect("readable"), content);
    }
    let missing = Token::load_or_create("/nowhere/at/all".as_ref()).expect_err("refused");
    assert!(
        missing.to_string().contains("/nowhere/at/all/token"),
        "{missing}"
    );
}

#[test]
fn many_that_make_it_at_once_end_with_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let made: Vec<Token> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Token::load_or_create(dir.path()).expect("made")))
            .collect();
        makers
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect()
    });
    let text = fs::read_to_string(dir.path().join(TOKEN_FILE)).expect("readable");
    assert!(
        made.iter()
            .all(|token| token.matches(text.trim().as_bytes()))
    );
}
