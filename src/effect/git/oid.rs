//! Names of git objects: hex, of the length that the repository's hash gives them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The full hexadecimal name of an object (40 digits for SHA-1, 64 for SHA-256). Never an abbreviation or a ref.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid(String);

impl Oid {
    /// Takes a full name; anything else is none.
    pub fn parse(text: &str) -> Option<Oid> {
        let full = matches!(text.len(), 40 | 64);
        let hex = text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (full && hex).then(|| Oid(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Oid {
    type Error = String;

    fn try_from(text: String) -> Result<Oid, String> {
        Oid::parse(&text).ok_or_else(|| format!("{text:?} is not the full name of a git object"))
    }
}

impl From<Oid> for String {
    fn from(oid: Oid) -> String {
        oid.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_lowercase_names_are_taken() {
        assert!(Oid::parse(&"a1".repeat(20)).is_some());
        assert!(Oid::parse(&"a1".repeat(32)).is_some());
        for bad in ["", "a1", "HEAD", &"A1".repeat(20), &"g1".repeat(20)] {
            assert!(Oid::parse(bad).is_none(), "{bad}");
        }
    }
}
