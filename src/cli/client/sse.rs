//! Server-sent events: bytes in, messages out, as the HTML standard says (section 9.2.6, "interpreting an event
//! stream"). Pure: no I/O, no clock, no reconnecting. Written here because the crates in use either buffer without a
//! bound or are no longer kept; this one refuses a message above [`MAX_BYTES`].

use std::mem;
use std::time::Duration;

/// The most that one message may need, in bytes.
pub const MAX_BYTES: usize = 16 << 20;

/// One dispatched message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its type; empty when the server named none.
    pub event: String,
    /// Its data, lines joined by `\n`.
    pub data: String,
    /// The last id that the stream has named, up to and with this message; empty when none.
    pub id: String,
}

/// A message is longer than [`MAX_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of the event stream is longer than {MAX_BYTES} bytes")]
pub struct TooLong;

/// What is known of a stream between two chunks.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last byte was CR: an LF right after it belongs to the same line end.
    after_cr: bool,
    /// The first line, which may begin with a byte order mark, is behind us.
    begun: bool,
    message: Message,
    has_data: bool,
    retry: Option<Duration>,
}

impl Parser {
    /// Takes the next bytes of the stream, cut anywhere, and appends the messages that they complete.
    ///
    /// # Errors
    /// [`TooLong`]; the stream is of no further use then.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<Message>) -> Result<(), TooLong> {
        for &byte in bytes {
            let continues_crlf = mem::take(&mut self.after_cr) && byte == b'\n';
            match byte {
                b'\n' if continues_crlf => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    self.end_line(out);
                }
                byte => {
                    if self.line.len() + self.message.data.len() >= MAX_BYTES {
                        return Err(TooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    /// How long the server asks clients to wait before they connect again, if it did.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn end_line(&mut self, out: &mut Vec<Message>) {
        let line = mem::take(&mut self.line);
        let bytes = match mem::replace(&mut self.begun, true) {
            true => &line[..],
            false => line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line),
        };
        if bytes.is_empty() {
            self.dispatch(out);
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        let (field, value) = match text.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (&*text, ""),
        };
        match field {
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                if mem::replace(&mut self.has_data, true) {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.message.id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis);
            }
            // Comments (an empty field) and fields that nobody has defined yet.
            _ => {}
        }
    }

    fn dispatch(&mut self, out: &mut Vec<Message>) {
        let id = self.message.id.clone();
        let message = mem::replace(
            &mut self.message,
            Message {
                id,
                ..Message::default()
            },
        );
        if mem::take(&mut self.has_data) {
            out.push(message);
        }
    }
}
