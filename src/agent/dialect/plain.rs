//! Any text: each line is shown, and all of it, or the end of it where it is very long, is the final message.

use super::Out;
use crate::agent::event::Event;
use crate::agent::parser::MAX_MESSAGE_BYTES;
use crate::agent::text::Tail;

#[derive(Debug)]
pub(in crate::agent) struct Plain {
    all: Tail,
}

impl Plain {
    pub(super) fn new() -> Self {
        Plain {
            all: Tail::new(MAX_MESSAGE_BYTES),
        }
    }

    pub(super) fn line(&mut self, line: &str, out: Out<'_>) {
        self.all.push(line);
        self.all.push("\n");
        out(Event::Note {
            text: line.to_owned(),
        });
    }

    pub(super) fn end(&mut self) -> String {
        self.all.take()
    }
}
