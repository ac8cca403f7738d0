//! The version of an agent, as its program answers to `--version`. No program is started here.

/// Bytes of a version that are kept.
const LONGEST: usize = 64;

/// The version in an answer: the first word that is a number with a dot in it, whatever stands around it.
pub fn version_in(said: &str) -> Option<String> {
    let words = said.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ';' | '"'));
    let bare = words.map(|word| word.trim_start_matches('v').trim_end_matches('.'));
    let numbered = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.') && word.is_ascii()
    };
    let mut found = bare.filter(numbered).filter(|word| word.len() <= LONGEST);
    found.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn the_number_is_found_in_what_agents_answer() {
        for (said, version) in [
            ("2.1.330 (Claude Code)\n", Some("2.1.330")),
            ("codex-cli 0.169.0\n", Some("0.169.0")),
            ("0.61.0", Some("0.61.0")),
            ("aider v0.86.2.", Some("0.86.2")),
            ("1.0.0-beta.3+5", Some("1.0.0-beta.3+5")),
            ("no number here", None),
            ("7", None),
            ("", None),
        ] {
            assert_eq!(version_in(said).as_deref(), version, "{said}");
        }
        assert_eq!(version_in(&format!("1.{}", "0".repeat(100))), None);
    }
}
