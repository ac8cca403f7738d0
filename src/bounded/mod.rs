//! Reads a file that somebody else wrote, of which neither kind nor size is known: never more of it than is wanted. What it
//! says, and whether it may be read at all, is the caller's business.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// At most `most` bytes and one more, by which a longer file is known. Also of a pipe, as a shell gives for `<(…)`.
///
/// # Errors
/// Whatever the system says.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    head(File::open(path)?, most)
}

/// A whole regular file of at most `most` bytes. A pipe that nobody writes to is not waited for.
///
/// # Errors
/// `InvalidInput` for what is no regular file, `IsADirectory` for a directory, `FileTooLarge`; else what the system says.
pub fn read_regular(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        let why = "it is no regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let bytes = head(file, most)?;
    if bytes.len() > most {
        let why = format!("it is larger than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// A whole regular file of at most `most` bytes; `None` where there is nothing. A link that leads nowhere is not nothing:
/// somebody has put it there, and what it led to may have mattered.
///
/// # Errors
/// As of [`read_regular`], `NotFound` only for such a link.
pub fn read_optional(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    match read_regular(path, most) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            let why = "it is a link that leads nowhere";
            Err(io::Error::new(io::ErrorKind::NotFound, why))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn head(file: File, most: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_read_to_the_bound() {
        let bytes = read(Path::new("/dev/zero"), 10).expect("read");
        assert_eq!(bytes, [0; 11]);
        let why = read_regular(Path::new("/dev/zero"), 10).expect_err("no file");
        assert_eq!(why.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_pipe_without_a_writer_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("pipe");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).expect("a pipe");
        let why = read_regular(&pipe, 10).expect_err("no file");
        assert_eq!(why.kind(), io::ErrorKind::InvalidInput);
        let why = read_regular(dir.path(), 10).expect_err("no file");
        assert_eq!(why.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn what_is_not_there_is_none_and_a_link_that_leads_nowhere_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        std::os::unix::fs::symlink("nowhere", at("link")).expect("a link");
        assert_eq!(read_optional(&at("none"), 9).expect("none"), None);
        let why = read_optional(&at("link"), 9).expect_err("a link");
        assert!(why.to_string().contains("leads nowhere"), "{why}");
        std::fs::write(at("nowhere"), "here").expect("a file");
        let bytes = read_optional(&at("link"), 9).expect("read");
        assert_eq!(bytes.as_deref(), Some(b"here".as_slice()));
    }

    #[test]
    fn a_file_that_just_fits_is_read_and_a_longer_one_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "0123456789").expect("a file");
        assert_eq!(read_regular(&file, 10).expect("read"), b"0123456789");
        let why = read_regular(&file, 9).expect_err("too long");
        assert_eq!(why.kind(), io::ErrorKind::FileTooLarge);
    }
}
