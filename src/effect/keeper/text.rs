//! A string of the operating system in JSON: text where it is UTF-8, else an array of its bytes. Arguments, values of
//! the environment and paths are bytes to us; not one of them is lost or replaced on its way to the child.

use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An argument, a value or a path that need not be UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OsText(OsString);

impl OsText {
    /// The same bytes, seen as a path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl Deref for OsText {
    type Target = OsStr;
    fn deref(&self) -> &OsStr {
        &self.0
    }
}

impl AsRef<OsStr> for OsText {
    fn as_ref(&self) -> &OsStr {
        &self.0
    }
}

impl From<OsString> for OsText {
    fn from(text: OsString) -> Self {
        Self(text)
    }
}

impl From<PathBuf> for OsText {
    fn from(path: PathBuf) -> Self {
        Self(path.into_os_string())
    }
}

impl From<&Path> for OsText {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().to_owned())
    }
}

impl From<String> for OsText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for OsText {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Wire {
    Text(String),
    Bytes(Vec<u8>),
}

impl Serialize for OsText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let wire = match self.0.to_str() {
            Some(text) => Wire::Text(text.to_owned()),
            None => Wire::Bytes(self.0.as_bytes().to_vec()),
        };
        wire.serialize(to)
    }
}

impl<'de> Deserialize<'de> for OsText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match Wire::deserialize(from)? {
            Wire::Text(text) => text.into(),
            Wire::Bytes(bytes) => Self(OsString::from_vec(bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_readable_and_bytes_come_back_unchanged() {
        let text = OsText::from("grüße");
        let bytes = OsText::from(OsString::from_vec(vec![0xff, b'a', 0xfe]));
        assert_eq!(serde_json::to_string(&text).expect("json"), "\"grüße\"");
        for value in [text, bytes] {
            let json = serde_json::to_string(&value).expect("json");
            assert_eq!(
                serde_json::from_str::<OsText>(&json).expect("parses"),
                value
            );
        }
    }
}
