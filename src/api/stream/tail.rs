//! One step's output from any place on, as far as it has been written. Reading and parsing take time: this is for a
//! thread that may block.

use std::io;

use super::decode::Decoder;
use super::source::Source;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;
/// Chunks that are looked at before the caller is asked whether anybody still listens.
const AT_ONCE: usize = 64;

/// Reads one step's output.
#[derive(Debug)]
pub(super) struct Tail {
    source: Source,
    /// `None` once the end has been given.
    decoder: Option<Decoder>,
    /// Bytes that were read.
    read: u64,
    /// The place up to which everything has been given.
    given: u64,
    /// What stands before this place is not wanted.
    wanted_from: u64,
    /// Text whose place is not known yet: the line that it belongs to has not ended.
    waiting: String,
    buffer: Vec<u8>,
}

/// What there is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A piece of text.
    Piece {
        /// Where it begins.
        from: u64,
        /// Where to go on after it.
        upto: u64,
        /// The text, not empty.
        text: String,
    },
    /// Nothing was found yet; there is more to look at.
    More,
    /// Nothing is left; more may be written.
    Dry,
    /// Nothing is left, and nothing will be.
    Over,
}

impl Tail {
    /// What comes after `wanted_from`.
    pub(super) fn new(source: Source, decoder: Decoder, wanted_from: u64) -> Self {
        // Text that depends on its own bytes alone needs no others.
        let read = if decoder.needs_all() { 0 } else { wanted_from };
        Tail {
            source,
            decoder: Some(decoder),
            read,
            given: read,
            wanted_from,
            waiting: String::new(),
            buffer: vec![0; CHUNK],
        }
    }

    /// The next piece. `ended` says that the step had ended before this was called.
    pub(super) fn next(&mut self, ended: bool) -> io::Result<Read> {
        for _ in 0..AT_ONCE {
            let Some(decoder) = &mut self.decoder else {
                return Ok(Read::Over);
            };
            // What is not wanted is read apart from what is.
            let left = self.wanted_from.saturating_sub(self.read);
            let most = match usize::try_from(left) {
                Ok(left) if left > 0 => left.min(CHUNK),
                Ok(_) | Err(_) => CHUNK,
            };
            let count = self.source.read(self.read, &mut self.buffer[..most])?;
            if count == 0 {
                return Ok(if ended { self.end() } else { Read::Dry });
            }
            self.read += count as u64;
            let Some(rest) = decoder.feed(&self.buffer[..count], &mut self.waiting) else {
                continue;
            };
            let (from, upto) = (self.given, self.read - rest as u64);
            self.given = upto;
            let text = std::mem::take(&mut self.waiting);
            if upto > self.wanted_from && !text.is_empty() {
                return Ok(Read::Piece { from, upto, text });
            }
        }
        Ok(Read::More)
    }

    /// The last words. Their place is one behind the last byte, so that a client that has them is told from one that has
    /// only the bytes.
    fn end(&mut self) -> Read {
        let mut text = std::mem::take(&mut self.waiting);
        if let Some(decoder) = self.decoder.take() {
            decoder.finish(&mut text);
        }
        let (from, upto) = (self.given, self.read + 1);
        if text.is_empty() || self.wanted_from >= upto {
            return Read::Over;
        }
        Read::Piece { from, upto, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Dialect;
    use crate::api::stream::source::Files;
    use std::fs;
    use std::path::Path;

    const LINES: &str = "one\ntwo, and more\n\nthrée\nunfinished";

    fn tail(dir: &Path, files: Files, raw: bool, from: u64) -> Tail {
        let decoder = if raw {
            Decoder::raw()
        } else {
            Decoder::transcript(Dialect::Text)
        };
        Tail::new(Source::new(dir.to_owned(), files), decoder, from)
    }

    /// Everything from a place on, with the places that a client could go on from.
    fn all(mut tail: Tail) -> (String, Vec<(u64, String)>) {
        let (mut whole, mut places) = (String::new(), Vec::new());
        loop {
            match tail.next(true).expect("reads") {
                Read::Piece { upto, text, .. } => {
                    whole.push_str(&text);
                    places.push((upto, whole.clone()));
                }
                Read::More => {}
                Read::Dry => unreachable!("it has ended"),
                Read::Over => return (whole, places),
            }
        }
    }

    /// Writes byte by byte, so that every place occurs, and goes on from each: nothing is missing, nothing twice.
    #[test]
    fn from_every_place_that_was_given_the_rest_follows_exactly() {
        for raw in [true, false] {
            let dir = tempfile::tempdir().expect("a directory");
            let mut live = tail(dir.path(), Files::One, raw, 0);
            let (mut given, mut places) = (String::new(), vec![(0, String::new())]);
            for end in 1..=LINES.len() {
                fs::write(dir.path().join("output"), &LINES.as_bytes()[..end]).expect("written");
                while let Read::Piece { upto, text, .. } = live.next(false).expect("reads") {
                    given.push_str(&text);
                    places.push((upto, given.clone()));
                }
            }
            let (rest, last) = all(live);
            places.extend(
                last.into_iter()
                    .map(|(upto, text)| (upto, given.clone() + &text)),
            );
            let whole = given + &rest;
            assert_eq!(whole.trim_end(), LINES, "raw: {raw}");
            for (place, before) in places {
                let (rest, _) = all(tail(dir.path(), Files::One, raw, place));
                assert_eq!(before + &rest, whole, "raw: {raw}, from {place}");
            }
        }
    }

    #[test]
    fn the_logs_of_checks_are_one_row_of_bytes() {
        let dir = tempfile::tempdir().expect("a directory");
        let write =
            |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        let mut live = tail(dir.path(), Files::Numbered, true, 0);
        assert_eq!(live.next(false).expect("reads"), Read::Dry);
        write("output-1", "first\n");
        let piece = Read::Piece {
            from: 0,
            upto: 6,
            text: "first\n".to_owned(),
        };
        assert_eq!(live.next(false).expect("reads"), piece);
        assert_eq!(live.next(false).expect("reads"), Read::Dry);
        write("output-2", "");
        write("output-3", "third\n");
        let piece = Read::Piece {
            from: 6,
            upto: 12,
            text: "third\n".to_owned(),
        };
        assert_eq!(live.next(true).expect("reads"), piece);
        assert_eq!(live.next(true).expect("reads"), Read::Over);
        let (rest, _) = all(tail(dir.path(), Files::Numbered, true, 8));
        assert_eq!(rest, "ird\n");
    }

    #[test]
    fn a_step_without_output_is_over_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut none = tail(&dir.path().join("none"), Files::One, false, 0);
        assert_eq!(none.next(false).expect("reads"), Read::Dry);
        assert_eq!(none.next(true).expect("reads"), Read::Over);
    }

    #[test]
    fn a_line_too_long_for_the_parser_is_told_once_whoever_resumes() {
        let dir = tempfile::tempdir().expect("a directory");
        let long = vec![b'x'; crate::agent::MAX_LINE_BYTES + 10];
        fs::write(
            dir.path().join("output"),
            [b"{}\n", long.as_slice()].concat(),
        )
        .expect("written");
        let (whole, places) = all(tail(dir.path(), Files::One, false, 0));
        assert_eq!(whole.matches("too long").count(), 1);
        for (place, before) in places {
            let (rest, _) = all(tail(dir.path(), Files::One, false, place));
            assert_eq!(before + &rest, whole, "from {place}");
        }
    }
}
