//! A file of output that keeps its promises under a flood: everything is counted, at most a given number of bytes kept.
//!
//! The file only ever grows, so that it can be followed while it is written and offsets into it stay true. The head
//! goes in as it comes; what exceeds it passes through a bounded buffer that holds the latest bytes. At the end one line
//! marks the cut and the buffer follows. If everything fitted, there is no mark and the file is exactly the output.
//! A keeper that is killed loses at most the buffer.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::effect::private;

/// The most that is held back as tail: it is memory of the keeper, and invisible to followers until the end.
const TAIL_MAX: u64 = 4 << 20;

/// One output file, while it is written.
#[derive(Debug)]
pub struct Sink {
    file: File,
    head_left: u64,
    tail: VecDeque<u8>,
    tail_cap: usize,
    /// The last byte was no line end.
    open_line: bool,
    seen: Seen,
}

/// What has passed through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes in all, kept or not.
    pub bytes: u64,
    /// Lines in all; a last one without its line end counts.
    pub lines: u64,
    /// Bytes that are missing between head and tail.
    pub cut: u64,
    /// Why writing ended early; what came later is counted only.
    pub error: Option<String>,
}

impl Sink {
    /// Creates or empties the file. At most `max` bytes of output are kept, the line that marks a cut apart.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub fn create(path: &Path, max: u64) -> io::Result<Self> {
        let tail_cap = (max / 2).min(TAIL_MAX);
        Ok(Self {
            file: private::create(path)?,
            head_left: max - tail_cap,
            tail: VecDeque::new(),
            tail_cap: usize::try_from(tail_cap).unwrap_or(0),
            open_line: false,
            seen: Seen::default(),
        })
    }

    /// Takes the next bytes. Never fails: a file that can no longer be written (a full disk) must not stop the agent.
    pub fn push(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.seen.bytes += bytes.len() as u64;
        self.seen.lines += bytes.iter().filter(|b| **b == b'\n').count() as u64;
        self.open_line = *last != b'\n';
        let to_head = usize::try_from(self.head_left)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let (head, rest) = bytes.split_at(to_head);
        self.head_left -= head.len() as u64;
        self.write(head);
        self.hold(rest);
    }

    /// Writes the mark and the tail, and says what has passed through.
    pub fn finish(mut self) -> Seen {
        if self.seen.cut > 0 {
            let mark = format!("\n[loopd: {} bytes cut here]\n", self.seen.cut);
            self.write(mark.as_bytes());
        }
        let tail = std::mem::take(&mut self.tail);
        let (front, back) = tail.as_slices();
        self.write(front);
        self.write(back);
        self.seen.lines += u64::from(self.open_line);
        self.seen
    }

    fn hold(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.tail_cap)..];
        let over = (self.tail.len() + kept.len()).saturating_sub(self.tail_cap);
        self.tail.drain(..over);
        self.tail.extend(kept);
        self.seen.cut += (over + bytes.len() - kept.len()) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.seen.error.is_none()
            && let Err(e) = self.file.write_all(bytes)
        {
            self.seen.error = Some(e.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(max: u64, chunks: &[&[u8]]) -> (String, Seen) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("out");
        let mut sink = Sink::create(&path, max).expect("a file");
        chunks.iter().for_each(|chunk| sink.push(chunk));
        let seen = sink.finish();
        (std::fs::read_to_string(path).expect("text"), seen)
    }

    #[test]
    fn what_fits_is_kept_to_the_byte_without_a_mark() {
        let (text, seen) = through(10, &[b"abc", b"def\n", b"ghi"]);
        assert_eq!(text, "abcdef\nghi");
        assert_eq!((seen.bytes, seen.lines, seen.cut), (10, 2, 0));
    }

    #[test]
    fn one_byte_too_many_is_cut_and_marked() {
        let (text, seen) = through(10, &[b"01234567", b"89X"]);
        assert_eq!(text, "01234\n[loopd: 1 bytes cut here]\n6789X");
        assert_eq!((seen.bytes, seen.lines, seen.cut), (11, 1, 1));
    }

    #[test]
    fn a_chunk_longer_than_everything_leaves_its_ends() {
        let (text, seen) = through(4, &[b"ab......yz"]);
        assert_eq!(text, "ab\n[loopd: 6 bytes cut here]\nyz");
        assert_eq!(seen.bytes, 10);
    }

    #[test]
    fn a_cap_of_nothing_still_counts() {
        let (text, seen) = through(0, &[b"a\nb\n"]);
        assert_eq!(text, "\n[loopd: 4 bytes cut here]\n");
        assert_eq!((seen.bytes, seen.lines), (4, 2));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named_and_the_rest_is_counted() {
        let mut sink = Sink::create(Path::new("/dev/full"), 100).expect("opens");
        sink.push(b"a\n");
        sink.push(b"b\n");
        let seen = sink.finish();
        assert_eq!((seen.bytes, seen.lines), (4, 2));
        assert!(seen.error.is_some());
    }
}
