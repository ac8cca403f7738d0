//! The token and where it comes from: given, or the daemon's token file, which is read anew each time it is needed,
//! because a daemon that starts for the first time writes it while `loopctl` is already waiting.

use std::io;
use std::path::{Path, PathBuf};

/// Where the token comes from.
#[derive(Clone)]
pub enum TokenSource {
    /// `--token` or `LOOPD_TOKEN`.
    Given(String),
    /// The file that the daemon keeps.
    File(PathBuf),
    /// Neither given nor a data directory to look in.
    Nowhere,
}

/// The token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file is there and cannot be read.
    #[error("failed to read the token file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It would not survive as a header.
    #[error("the token {place} is not one line of visible ASCII")]
    Malformed {
        /// Where it was found.
        place: String,
    },
}

impl TokenSource {
    /// The given token, or the file in the data directory.
    pub fn new(given: Option<&str>, data_dir: Option<&Path>) -> Self {
        // A variable that is set to nothing is as good as not set.
        match (given.filter(|token| !token.is_empty()), data_dir) {
            (Some(token), _) => TokenSource::Given(token.to_owned()),
            (None, Some(dir)) => TokenSource::File(dir.join("token")),
            (None, None) => TokenSource::Nowhere,
        }
    }

    /// The token as it is now; `None` when there is none (yet).
    ///
    /// # Errors
    /// A file that exists and cannot be read, or a token that is not one line of visible ASCII.
    pub fn read(&self) -> Result<Option<String>, TokenError> {
        let text = match self {
            TokenSource::Given(token) => token.clone(),
            TokenSource::Nowhere => return Ok(None),
            TokenSource::File(path) => match std::fs::read(path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(source) => {
                    let path = path.clone();
                    return Err(TokenError::Read { path, source });
                }
            },
        };
        let token = text.trim();
        if token.is_empty() {
            // A file that is just being written.
            return Ok(None);
        }
        if token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Some(token.to_owned()))
        } else {
            let place = self.place();
            Err(TokenError::Malformed { place })
        }
    }

    /// Where it comes from, for a message; never the token itself.
    pub fn place(&self) -> String {
        match self {
            TokenSource::Given(_) => "given by --token or LOOPD_TOKEN".to_owned(),
            TokenSource::File(path) => format!("in {}", path.display()),
            TokenSource::Nowhere => {
                "of nowhere (no --token, and no home directory to look in)".to_owned()
            }
        }
    }
}
