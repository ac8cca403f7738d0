//! The name in a model's answer. It becomes part of a branch, a path and messages, and the answer is nobody's word that
//! could be trusted: what is not plainly a short name is none. Not here: who is asked, and whether the name is taken.

/// Letters of a name.
const LEAST: usize = 3;
const MOST: usize = 40;
/// Bytes of an answer that are looked at: what is longer is a talk.
const ANSWER_BYTES: usize = 200;

/// The name that the answer gives: lower-case ASCII letters and digits, words joined by single hyphens, 3 to 40 of them
/// together, one letter at least. Spaces, underscores, capitals and a pair of quotes around it are forgiven.
///
/// # Errors
/// What is wrong with the answer, in a few words.
pub fn name_in(answer: &str) -> Result<String, String> {
    let said = answer.trim();
    if said.is_empty() {
        return Err("it is empty".to_owned());
    }
    if said.len() > ANSWER_BYTES {
        return Err(format!("it is {} bytes long", said.len()));
    }
    if said.lines().count() > 1 {
        return Err("it has several lines".to_owned());
    }
    let mut name = String::new();
    for c in bare(said).chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => name.push(c.to_ascii_lowercase()),
            ' ' | '-' | '_' if name.is_empty() || name.ends_with('-') => {}
            ' ' | '-' | '_' => name.push('-'),
            // Named by its number where it could not be read, or would change what is read.
            _ => return Err(format!("it holds `{}`", c.escape_default())),
        }
    }
    let name = name.trim_end_matches('-');
    if !(LEAST..=MOST).contains(&name.len()) {
        return Err(format!(
            "its name has {} characters, and not {LEAST} to {MOST}",
            name.len()
        ));
    }
    if !name.contains(|c: char| c.is_ascii_alphabetic()) {
        return Err("it has no letter".to_owned());
    }
    Ok(name.to_owned())
}

/// The answer without a pair of quotes around it.
fn bare(said: &str) -> &str {
    let unquoted = |quote: char| said.strip_prefix(quote)?.strip_suffix(quote);
    ['"', '\'', '`']
        .into_iter()
        .find_map(unquoted)
        .unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_name_is_taken_however_it_is_dressed() {
        for (answer, name) in [
            ("login-form", "login-form"),
            ("  Login Form\n", "login-form"),
            ("`retry_on_429`", "retry-on-429"),
            ("\"OAuth 2\"", "oauth-2"),
            ("--a - b__c--", "a-b-c"),
        ] {
            assert_eq!(name_in(answer).as_deref(), Ok(name), "{answer:?}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        let long = "a".repeat(41);
        let endless = "word ".repeat(1_000_000);
        for (answer, why) in [
            ("", "empty"),
            (" \n\t", "empty"),
            ("../../x", "`.`"),
            ("run/main", "`/`"),
            ("-", "0 characters"),
            ("ab", "2 characters"),
            (long.as_str(), "41 characters"),
            (endless.as_str(), "bytes long"),
            ("one\ntwo", "several lines"),
            ("one\r\ntwo", "several lines"),
            ("größe", "`\\u{f6}`"),
            ("na\u{202e}me", "`\\u{202e}`"),
            ("a name\0", "`\\u{0}`"),
            ("$(reboot)", "`$`"),
            ("{{ run_id }}", "`{`"),
            ("name.lock", "`.`"),
            ("2026-11-22", "no letter"),
            ("\u{fffd}\u{fffd}\u{fffd}", "`\\u{fffd}`"),
        ] {
            let said = name_in(answer).expect_err(answer);
            assert!(said.contains(why), "{answer:.80}: {said}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_answered_a_name_is_a_name_and_stays_itself(answer in "\\PC{0,60}|[a-zA-Z0-9 _-]{0,60}") {
            if let Ok(name) = name_in(&answer) {
                prop_assert!((LEAST..=MOST).contains(&name.len()));
                let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
                let is_word = |word: &str| !word.is_empty() && word.bytes().all(plain);
                prop_assert!(name.split('-').all(is_word));
                prop_assert_eq!(name_in(&name), Ok(name));
            }
        }
    }
}
