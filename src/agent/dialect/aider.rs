//! aider's text. It exits 0 on every error of its provider; what shows a good end is the line of tokens after an answer.

use super::Out;
use crate::agent::event::{End, Event, Scope};
use crate::agent::fault::Fault;
use crate::agent::parser::MAX_MESSAGE_BYTES;
use crate::agent::text::Tail;

/// Lines that aider adds after an answer.
const AFTERWORDS: [&str; 5] = [
    "Applied edit to ",
    "Commit ",
    "You can use /undo",
    "Creating empty file ",
    "Added ",
];

#[derive(Debug, PartialEq)]
enum Place {
    /// Before aider has named its version.
    Start,
    /// In the list of models and files.
    Head,
    /// In an answer.
    Answer,
    /// In an error, which is wrapped over several lines.
    Trouble,
}

#[derive(Debug)]
pub(in crate::agent) struct Aider {
    place: Place,
    answer: Tail,
    trouble: String,
    answered: bool,
}

impl Aider {
    pub(super) fn new() -> Self {
        Aider {
            place: Place::Start,
            answer: Tail::new(MAX_MESSAGE_BYTES),
            trouble: String::new(),
            answered: false,
        }
    }

    pub(super) fn line(&mut self, line: &str, out: Out<'_>) {
        if line.starts_with("litellm.") {
            self.settle_trouble(out);
            self.place = Place::Trouble;
        } else if self.place == Place::Trouble && !line.is_empty() {
            if let Some(seconds) = line.strip_prefix("Retrying in ") {
                self.retry(seconds, out);
                return;
            }
        } else if self.place == Place::Trouble {
            self.settle_trouble(out);
        }
        match self.place {
            Place::Start | Place::Head => self.head(line, out),
            Place::Answer => self.answer(line, out),
            Place::Trouble => {
                if self.trouble.len() < 4096 {
                    self.trouble.push_str(line.trim());
                    self.trouble.push(' ');
                }
            }
        }
    }

    fn head(&mut self, line: &str, out: Out<'_>) {
        if line.starts_with("Aider v") {
            self.place = Place::Head;
        } else if let Some(model) = line.strip_prefix("Main model: ") {
            out(Event::Model {
                name: model.split(' ').next().unwrap_or_default().to_owned(),
            });
        }
        if self.place == Place::Head && line.is_empty() {
            self.place = Place::Answer;
        } else {
            note(line, out);
        }
    }

    fn answer(&mut self, line: &str, out: Out<'_>) {
        if let Some(counts) = line.strip_prefix("Tokens: ") {
            self.flush(out);
            self.answered = true;
            out(usage(counts));
            out(Event::Result {
                end: End::Done,
                message: None,
            });
        } else if self.answer.as_str().trim().is_empty()
            && AFTERWORDS.iter().any(|word| line.starts_with(word))
        {
            // Said after the end: shown, but no new message.
            note(line, out);
        } else {
            self.answer.push(line);
            self.answer.push("\n");
        }
    }

    fn retry(&mut self, seconds: &str, out: Out<'_>) {
        let why = std::mem::take(&mut self.trouble).trim_end().to_owned();
        let seconds: f64 = seconds
            .split(' ')
            .next()
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(0.0);
        self.place = Place::Answer;
        out(Event::Retry {
            attempt: 0,
            // A cast of a float saturates, and aider waits a minute at most.
            delay_ms: (seconds * 1000.0) as u64,
            fault: Fault::new(None, &why),
            why,
        });
    }

    /// An error that no retry follows is the end, unless aider goes on.
    fn settle_trouble(&mut self, out: Out<'_>) {
        let message = std::mem::take(&mut self.trouble).trim_end().to_owned();
        self.place = Place::Answer;
        if !message.is_empty() {
            self.flush(out);
            out(Event::Result {
                end: End::Failed {
                    fault: Fault::new(None, &message),
                    message,
                },
                message: None,
            });
        }
    }

    fn flush(&mut self, out: Out<'_>) {
        let answer = self.answer.take();
        if !answer.trim().is_empty() {
            out(Event::Text {
                text: answer.trim().to_owned(),
            });
        }
    }

    /// The stream is over. What comes after the last answer without tokens of its own is no answer.
    pub(super) fn end(&mut self, out: Out<'_>) {
        self.settle_trouble(out);
        if self.answered {
            note(self.answer.take().trim(), out);
        } else {
            self.flush(out);
        }
    }
}

fn note(line: &str, out: Out<'_>) {
    if !line.is_empty() {
        out(Event::Note {
            text: line.to_owned(),
        });
    }
}

/// `1.0k sent, 50 received. Cost: $0.0037 message, $0.0037 session.`
fn usage(counts: &str) -> Event {
    let number = |word: &str| -> Option<f64> {
        let before = counts.split(word).next()?;
        let text = before
            .trim_end()
            .rsplit(' ')
            .next()?
            .trim_start_matches('$');
        let (text, factor) = match text.strip_suffix(['k', 'K']) {
            Some(text) => (text, 1_000.0),
            None => match text.strip_suffix('M') {
                Some(text) => (text, 1_000_000.0),
                None => (text, 1.0),
            },
        };
        let number: f64 = text.replace(',', "").parse().ok()?;
        Some(number * factor)
    };
    Event::Usage {
        input_tokens: number(" sent").unwrap_or(0.0) as u64,
        output_tokens: number(" received").unwrap_or(0.0) as u64,
        cost_usd: counts
            .contains(" message")
            .then(|| number(" message"))
            .flatten(),
        scope: Scope::Request,
    }
}
