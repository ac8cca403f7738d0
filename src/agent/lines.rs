//! Bytes into lines, however they are cut into chunks, with bounded memory. What a line means is not known here.

/// Bytes of one line that are kept. Some agents print their list of commands in one line of over 500 kB; a line above
/// this bound is no message of any agent.
pub const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// A line of a stream, without its line break.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The whole line. May be no UTF-8.
    Whole(&'a [u8]),
    /// The line is longer than [`MAX_LINE_BYTES`]: its start; the rest of it is skipped.
    Oversize(&'a [u8]),
}

/// Splits a stream into lines.
#[derive(Debug, Default)]
pub struct Lines {
    begun: Vec<u8>,
    skipping: bool,
}

impl Lines {
    /// Takes the next bytes of the stream and gives every line that they complete.
    pub fn feed(&mut self, mut bytes: &[u8], give: &mut impl FnMut(Line<'_>)) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(at);
            bytes = rest.get(1..).unwrap_or_default();
            if self.skipping {
                self.skipping = false;
            } else if self.begun.is_empty() && line.len() <= MAX_LINE_BYTES {
                give(Line::Whole(without_return(line)));
            } else if self.keep(line, give) {
                give(Line::Whole(without_return(&self.begun)));
                self.begun.clear();
            } else {
                self.skipping = false;
            }
        }
        if !self.skipping && !bytes.is_empty() {
            self.keep(bytes, give);
        }
    }

    /// The stream is over: gives the last line if it has no line break.
    pub fn end(&mut self, give: &mut impl FnMut(Line<'_>)) {
        if !self.begun.is_empty() {
            give(Line::Whole(without_return(&self.begun)));
        }
        self.begun = Vec::new();
        self.skipping = false;
    }

    /// Appends to the line that has begun. False, and the line is given up, when that makes it too long.
    fn keep(&mut self, more: &[u8], give: &mut impl FnMut(Line<'_>)) -> bool {
        let room = MAX_LINE_BYTES - self.begun.len();
        if more.len() <= room {
            self.begun.extend_from_slice(more);
            return true;
        }
        self.begun
            .extend_from_slice(more.get(..room).unwrap_or_default());
        give(Line::Oversize(&self.begun));
        self.begun = Vec::new();
        self.skipping = true;
        false
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
