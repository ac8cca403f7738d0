//! The token that every request but `GET /health` has to carry: 32 random bytes in hex, made at the first start, kept in
//! `<data>/token` (0600), used again at the next one. A person may put another there.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq as _;

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "token";
/// Random bytes of a token that is made here.
const RANDOM_BYTES: usize = 32;
/// The shortest token that is taken from a file: nobody guesses that many characters.
const SHORTEST: usize = 16;
/// The longest; it has to fit into a header.
const LONGEST: usize = 512;

/// The secret. It is not shown by `Debug`, and compared in constant time.
#[derive(Clone)]
pub struct Token(String);

/// The token cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("failed to {doing} the token file {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// What stands in the file is no token.
    #[error("the token file {} does not hold one line of {SHORTEST} to {LONGEST} visible ASCII characters; remove it, and a new token is made", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl Token {
    /// The token of this data directory, made if there is none. Others lose the right to read the file, if they had it.
    ///
    /// # Errors
    /// The file cannot be read, written, or used.
    pub fn load_or_create(data_dir: &Path) -> Result<Token, TokenError> {
        let path = data_dir.join(FILE_NAME);
        loop {
            if let Some(token) = load(&path)? {
                return Ok(token);
            }
            let at = |doing| {
                let path = path.clone();
                move |source| TokenError::Io {
                    doing,
                    path,
                    source,
                }
            };
            // Whole or not at all, and never over one that somebody else has just put there.
            let mut file = tempfile::Builder::new()
                .permissions(Permissions::from_mode(0o600))
                .tempfile_in(data_dir)
                .map_err(at("make"))?;
            writeln!(file, "{}", fresh().map_err(at("make"))?).map_err(at("write"))?;
            file.as_file().sync_all().map_err(at("write"))?;
            match file.persist_noclobber(&path) {
                Ok(_) => fs::File::open(data_dir)
                    .and_then(|dir| dir.sync_all())
                    .map_err(at("make"))?,
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(at("make")(error.error)),
            }
        }
    }

    /// Whether this is the token.
    pub fn matches(&self, offered: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(offered).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn load(path: &Path) -> Result<Option<Token>, TokenError> {
    let at = |doing| {
        let path = path.to_owned();
        move |source| TokenError::Io {
            doing,
            path,
            source,
        }
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at("read")(error)),
    };
    let mode = fs::metadata(path).map_err(at("read"))?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others could read the token file; it is now its owner's alone");
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(at("protect"))?;
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    if (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(Some(Token(text.to_owned())));
    }
    let path = path.to_owned();
    Err(TokenError::Malformed { path })
}

fn fresh() -> io::Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
