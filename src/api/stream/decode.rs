//! From bytes to text, with a promise about places: what was given up to a place depends on the bytes before that place
//! and on nothing else, so that a client can go on from any place it was given. Raw text is cut between characters, a
//! transcript between lines of the agent's stream.

use crate::agent::{Clock, Dialect, Event, Exit, Parser, render};
use crate::core::time::Time;

/// Turns bytes into text.
#[derive(Debug)]
pub(super) enum Decoder {
    /// The bytes themselves; those of a character that has not ended yet.
    Raw(Vec<u8>),
    /// What an agent's stream says, as a transcript.
    Transcript(Box<Parser>),
}

impl Decoder {
    /// The bytes themselves, what is not UTF-8 replaced.
    pub(super) fn raw() -> Self {
        Decoder::Raw(Vec::new())
    }

    /// The transcript of a stream in this dialect.
    pub(super) fn transcript(dialect: Dialect) -> Self {
        Decoder::Transcript(Box::new(Parser::new(dialect)))
    }

    /// Whether text at a place depends on all bytes before it, and not only on the next ones.
    pub(super) fn needs_all(&self) -> bool {
        match self {
            Decoder::Raw(_) => false,
            Decoder::Transcript(_) => true,
        }
    }

    /// Takes the next bytes and adds their text. How many of the last of them belong to what has not ended yet; `None`
    /// when nothing has ended in them.
    pub(super) fn feed(&mut self, bytes: &[u8], text: &mut String) -> Option<usize> {
        match self {
            Decoder::Raw(rest) => {
                rest.extend_from_slice(bytes);
                let whole = rest.len() - unfinished(rest);
                text.push_str(&String::from_utf8_lossy(&rest[..whole]));
                rest.drain(..whole);
                (whole > 0).then_some(rest.len())
            }
            Decoder::Transcript(parser) => {
                parser.feed(bytes, &mut |event| add(&event, text));
                let newline = bytes.iter().rposition(|byte| *byte == b'\n')?;
                Some(bytes.len() - newline - 1)
            }
        }
    }

    /// There are no more bytes: adds the text of what had not ended.
    pub(super) fn finish(self, text: &mut String) {
        match self {
            Decoder::Raw(rest) => text.push_str(&String::from_utf8_lossy(&rest)),
            Decoder::Transcript(parser) => {
                // Only the last words are of interest, and they do not depend on how the process ended.
                let clock = Clock {
                    now: Time(0),
                    utc_offset_sec: 0,
                };
                let _report =
                    parser.finish(&Exit::default(), "", clock, &mut |event| add(&event, text));
            }
        }
    }
}

fn add(event: &Event, text: &mut String) {
    if let Some(line) = render(event) {
        text.push_str(&line);
        text.push('\n');
    }
}

/// How many of the last bytes are the beginning of a character that may still be completed.
fn unfinished(bytes: &[u8]) -> usize {
    /// A character has at most four bytes.
    const LONGEST: usize = 4;
    let from = bytes.len().saturating_sub(LONGEST - 1);
    for at in from..bytes.len() {
        if let Err(error) = std::str::from_utf8(&bytes[at..])
            && error.valid_up_to() == 0
            && error.error_len().is_none()
        {
            return bytes.len() - at;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(decoder: &mut Decoder, pieces: &[&[u8]]) -> String {
        let mut text = String::new();
        for piece in pieces {
            let _ = decoder.feed(piece, &mut text);
        }
        text
    }

    #[test]
    fn a_character_is_never_cut_in_two() {
        let bytes = "aß€𝄞z".as_bytes();
        for at in 0..bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(
                cut(&mut Decoder::raw(), &[head, tail]),
                "aß€𝄞z",
                "cut at {at}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_nothing_waits_for_them() {
        assert_eq!(
            cut(&mut Decoder::raw(), &[b"a\xff\xfeb", b"\xc3(", b"\x80"]),
            "a\u{fffd}\u{fffd}b\u{fffd}(\u{fffd}"
        );
        let mut decoder = Decoder::raw();
        assert_eq!(cut(&mut decoder, &[b"a\xe2\x82"]), "a");
        let mut text = String::new();
        decoder.finish(&mut text);
        assert_eq!(text, "\u{fffd}");
    }

    #[test]
    fn a_transcript_moves_on_by_whole_lines() {
        let mut decoder = Decoder::transcript(Dialect::Text);
        let mut text = String::new();
        assert_eq!(decoder.feed(b"half", &mut text), None);
        assert_eq!(
            (decoder.feed(b" a line\nand", &mut text), text.as_str()),
            (Some(3), "half a line\n")
        );
        decoder.finish(&mut text);
        assert_eq!(text, "half a line\nand\n");
    }
}
