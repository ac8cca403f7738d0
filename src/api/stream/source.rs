//! The bytes that a step has written, as one row of bytes: the file of its agent, or the logs of its checks one after the
//! other. Files only grow while the step works, so that a place in the row stays true.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

/// What a step writes to, in its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// `output`.
    One,
    /// `output-1`, `output-2`, …; each begins when the one before has ended.
    Numbered,
}

/// Reads a step's bytes in their order.
#[derive(Debug)]
pub(super) struct Source {
    dir: PathBuf,
    files: Files,
    /// Which of the numbered files is being read, from 1.
    number: u32,
    /// Where it begins in the row.
    base: u64,
    open: Option<File>,
}

impl Source {
    pub(super) fn new(dir: PathBuf, files: Files) -> Self {
        Source {
            dir,
            files,
            number: 1,
            base: 0,
            open: None,
        }
    }

    /// Reads what stands at `place` in the row, which is where the last read ended or further on; 0 when there is nothing
    /// yet. At most up to the end of a file.
    pub(super) fn read(&mut self, place: u64, into: &mut [u8]) -> io::Result<usize> {
        loop {
            // Looked for first: the present file does not grow any more once there is a next one.
            let more = self.files == Files::Numbered && self.path(self.number + 1).exists();
            let length = match self.file()? {
                Some(file) => file.metadata()?.len(),
                None => 0,
            };
            if more && place >= self.base + length {
                self.base += length;
                self.number += 1;
                self.open = None;
                continue;
            }
            // A place before this file: the one before it was longer once, and was written anew.
            let within = place.saturating_sub(self.base);
            return match self.file()? {
                Some(file) => file.read_at(into, within),
                None => Ok(0),
            };
        }
    }

    fn file(&mut self) -> io::Result<Option<&File>> {
        if self.open.is_none() {
            self.open = match File::open(self.path(self.number)) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        Ok(self.open.as_ref())
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(match self.files {
            Files::One => "output".to_owned(),
            Files::Numbered => format!("output-{number}"),
        })
    }
}
