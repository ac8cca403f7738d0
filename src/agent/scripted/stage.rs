//! The built-in agent's output: events as lines, and raw bytes for the faults. A reader that is gone ends nothing: the
//! agent goes on in silence, as a real one might.

use std::io::Write;

use crate::agent::event::Event;

/// Where events go.
#[derive(Debug)]
pub(super) struct Stage {
    out: std::io::Stdout,
    /// The message said last.
    said: Option<String>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Stage {
            out: std::io::stdout(),
            said: None,
        }
    }

    /// Prints one event.
    pub(super) fn emit(&mut self, event: &Event) {
        if let Event::Text { text } = event {
            self.said = Some(text.clone());
        }
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            self.raw(&line);
        }
    }

    /// Prints bytes as they are. False when nobody reads them.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> bool {
        self.out
            .write_all(bytes)
            .and_then(|()| self.out.flush())
            .is_ok()
    }

    /// The message said last.
    pub(super) fn said(&self) -> Option<String> {
        self.said.clone()
    }
}
