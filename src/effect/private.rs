//! What loopd makes below the data directory: its owner alone may enter and read it, whatever the umask. It holds what
//! agents are told and what they say. Not here: what lies in a workspace, which is its user's, and what agents and checks
//! make themselves.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Makes a directory with those above it, where they are missing. Mode 0700.
pub(crate) fn dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// How a file is opened that is made where it is missing, in mode 0600. Nothing of one that is there is cut.
pub(crate) fn options() -> OpenOptions {
    let mut options = File::options();
    options.create(true).truncate(false).mode(0o600);
    options
}

/// Makes or empties a file.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    options().write(true).truncate(true).open(path)
}

/// Writes a whole file, in place of what was in it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    create(path)?.write_all(content.as_ref())
}
