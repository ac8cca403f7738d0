//! The parser of an agent's standard output: bytes in, events out, a report at the end. Pure: no clock, no I/O, and
//! the same events however the bytes are cut. Its memory is bounded by the longest line and the longest message.

use super::dialect::{Dialect, Reader};
use super::event::Event;
use super::lines::{Line, Lines};
use super::report::{Exit, Report};
use super::reset::Clock;
use super::tally::Tally;
use super::text::one_line;

/// Bytes of a message that are kept; of a longer one, the end.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The parser of one stream.
#[derive(Debug)]
pub struct Parser {
    dialect: Dialect,
    lines: Lines,
    reader: Reader,
    tally: Tally,
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(dialect: Dialect) -> Self {
        Parser {
            dialect,
            lines: Lines::default(),
            reader: Reader::new(dialect),
            tally: Tally::default(),
        }
    }

    /// Takes the next bytes, gives the events that they complete.
    pub fn feed(&mut self, bytes: &[u8], out: &mut impl FnMut(Event)) {
        let (reader, tally) = (&mut self.reader, &mut self.tally);
        self.lines
            .feed(bytes, &mut |line| read(reader, tally, &line, out));
    }

    /// The process has ended, and its output too: gives the last events, and what they all come to. `stderr_tail` is
    /// the end of its standard error.
    pub fn finish(
        mut self,
        exit: &Exit,
        stderr_tail: &str,
        clock: Clock,
        out: &mut impl FnMut(Event),
    ) -> Report {
        let (reader, tally) = (&mut self.reader, &mut self.tally);
        self.lines.end(&mut |line| read(reader, tally, &line, out));
        let whole = reader.end(&mut |event| {
            tally.take(&event);
            out(event);
        });
        self.tally
            .report(self.dialect, exit, stderr_tail, clock, whole)
    }
}

fn read(reader: &mut Reader, tally: &mut Tally, line: &Line<'_>, out: &mut impl FnMut(Event)) {
    let mut give = |event: Event| {
        tally.take(&event);
        out(event);
    };
    match line {
        Line::Whole(bytes) => reader.line(&String::from_utf8_lossy(bytes), &mut give),
        Line::Oversize(start) => {
            let start = start.get(..1024).unwrap_or(start);
            give(Event::Raw {
                line: one_line(&format!(
                    "a line that is too long, skipped: {}",
                    String::from_utf8_lossy(start)
                )),
            });
        }
    }
}
