//! What all events of a call come to. The last result counts, and only while nothing was said after it: a stream that
//! ends in the middle of work has no result, whatever the exit status says.

use super::event::{End, Event, Scope};
use super::fault::Fault;
use super::parser::MAX_MESSAGE_BYTES;
use super::text::{cut_front, one_line};
use crate::core::run::agent_result::Usage;

/// Denials and questions that are kept.
const MAX_LISTED: usize = 50;

/// The facts of the events so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) session: Option<String>,
    pub(super) model: Option<String>,
    pub(super) last_text: String,
    pub(super) usage: Usage,
    pub(super) usage_of_session: bool,
    pub(super) denied: Vec<String>,
    pub(super) questions: Vec<String>,
    /// What the last tool answered, if that was an error.
    pub(super) tool_failed: Option<String>,
    pub(super) raw_lines: u64,
    pub(super) end: Option<End>,
    /// The trouble that the agent was waiting out when it was last heard of.
    pub(super) waiting: Option<(Fault, String)>,
    pub(super) last_error: String,
    pub(super) last_raw: String,
}

impl Tally {
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::Session { id } => self.session = Some(id.clone()),
            Event::Model { name } => self.model = Some(name.clone()),
            Event::Text { text } => {
                self.goes_on();
                self.last_text = cut_front(text, MAX_MESSAGE_BYTES).to_owned();
            }
            Event::Tool { .. } => self.goes_on(),
            Event::ToolResult { ok, summary } => {
                self.tool_failed = (!ok).then(|| summary.clone());
            }
            Event::Note { .. } | Event::Limit { .. } => {}
            Event::Usage {
                input_tokens,
                output_tokens,
                cost_usd,
                scope,
            } => {
                let used = Usage {
                    input_tokens: *input_tokens,
                    output_tokens: *output_tokens,
                    cost_usd: *cost_usd,
                };
                match scope {
                    Scope::Request => self.usage = self.usage.plus(used),
                    Scope::Call => self.usage = used,
                    Scope::Session => {
                        self.usage = used;
                        self.usage_of_session = true;
                    }
                }
            }
            Event::Denied { what } => list(&mut self.denied, what),
            Event::Question { text } => list(&mut self.questions, text),
            Event::Retry { why, fault, .. } => {
                self.goes_on();
                self.waiting = Some((fault.clone(), why.clone()));
            }
            Event::Error { message } => self.last_error = one_line(message),
            Event::Result { end, message } => {
                if let Some(message) = message {
                    self.last_text = cut_front(message, MAX_MESSAGE_BYTES).to_owned();
                }
                self.end = Some(end.clone());
            }
            Event::Raw { line } => {
                self.raw_lines = self.raw_lines.saturating_add(1);
                self.last_raw = one_line(line);
            }
        }
    }

    fn goes_on(&mut self) {
        self.end = None;
        self.waiting = None;
    }
}

fn list(listed: &mut Vec<String>, what: &str) {
    if listed.len() < MAX_LISTED {
        listed.push(one_line(what));
    }
}
