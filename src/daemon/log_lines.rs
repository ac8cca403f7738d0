//! The log as lines, an event each. What is told there is not loopd's own word alone: paths and messages come from
//! repositories, agents and clients, and a line end in one of them must not begin a line that looks as if loopd had said it.
//! (Escape sequences are made harmless by the library that writes the events, and JSON has escapes of its own.)

use std::io::{self, Write};

/// Takes an event at a time, as the library hands them over, and makes one line of it: line ends within become `\n` and `\r`.
#[derive(Debug)]
pub struct LogLines<W>(pub W);

impl<W: Write> Write for LogLines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        if !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            self.0.write_all(event)?;
            return Ok(event.len());
        }
        let mut line = Vec::with_capacity(event.len() + 16);
        for byte in text {
            match byte {
                b'\n' => line.extend_from_slice(b"\\n"),
                b'\r' => line.extend_from_slice(b"\\r"),
                byte => line.push(*byte),
            }
        }
        line.push(b'\n');
        self.0.write_all(&line)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_a_path_in_it_holds() {
        let written = |event: &str| {
            let mut lines = LogLines(Vec::new());
            lines.write_all(event.as_bytes()).expect("written");
            String::from_utf8(lines.0).expect("text")
        };
        assert_eq!(written("ready dir=/a\tb\n"), "ready dir=/a\tb\n");
        assert_eq!(written("dir=/a\nb INFO\r\n"), "dir=/a\\nb INFO\\r\n");
        assert_eq!(written("\n"), "\n");
    }
}
