//! What an agent says while it works, in one vocabulary for all agents.
//!
//! The JSON of these events, one a line, is a dialect of its own ("normal"): the built-in agent and the bridge to the
//! Agent Client Protocol speak it. Judging is not done here: an event tells what was said, not whether it is so.

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::core::time::Time;

/// One thing that an agent said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The session that a later call can resume.
    Session {
        /// The agent's own id of it.
        id: String,
    },
    /// The model that answers.
    Model {
        /// As the agent calls it.
        name: String,
    },
    /// A whole message of the agent itself. The last one of a stream is its final message.
    Text {
        /// The message; may have many lines.
        text: String,
    },
    /// Words that are shown but are no message of the agent: a thought, a sub-agent's answer, a line of plain output.
    Note {
        /// The words.
        text: String,
    },
    /// A tool is called.
    Tool {
        /// The tool's name.
        name: String,
        /// Its main argument (a command, a path) on one line, cut.
        summary: String,
    },
    /// A tool has answered.
    ToolResult {
        /// False when the tool reports an error.
        ok: bool,
        /// The start of the answer, on one line, cut.
        summary: String,
    },
    /// Tokens used.
    Usage {
        /// Tokens sent, cached ones included.
        #[serde(default)]
        input_tokens: u64,
        /// Tokens written.
        #[serde(default)]
        output_tokens: u64,
        /// Cost in US dollars, where the agent knows it.
        #[serde(default)]
        cost_usd: Option<f64>,
        /// How the figures relate to those before.
        #[serde(default)]
        scope: Scope,
    },
    /// The state of a usage window of the provider.
    Limit {
        /// Its name, e.g. `five_hour`.
        window: String,
        /// Used part, from 0 to 1.
        #[serde(default)]
        used: Option<f64>,
        /// When it starts anew.
        #[serde(default)]
        resets_at: Option<Time>,
        /// True when the provider refused a request because of it.
        rejected: bool,
    },
    /// The agent was not allowed to do something.
    Denied {
        /// The tool and its main argument.
        what: String,
    },
    /// The agent asks a person.
    Question {
        /// The question.
        text: String,
    },
    /// The agent waits and tries a request again by itself.
    Retry {
        /// Counted from 1; 0 when the agent does not count.
        attempt: u32,
        /// How long it waits, in milliseconds; 0 when unknown.
        delay_ms: u64,
        /// Why, as the agent says it.
        why: String,
        /// What kind of trouble it is.
        fault: Fault,
    },
    /// Trouble that does not end the call.
    Error {
        /// As the agent says it.
        message: String,
    },
    /// The agent says that its turn is over. If it goes on all the same, the next such event counts.
    Result {
        /// How.
        end: End,
        /// The final message, where the agent repeats it here.
        #[serde(default)]
        message: Option<String>,
    },
    /// A line that this parser does not understand, cut; it is counted, and it is never fatal.
    Raw {
        /// The start of the line.
        line: String,
    },
}

/// How a figure of [`Event::Usage`] relates to those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One more request: to be added.
    #[default]
    Request,
    /// All of this call so far: replaces what was added.
    Call,
    /// All of the session so far, earlier calls that were resumed included: replaces what was added.
    Session,
}

/// How an agent says that its turn ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case", deny_unknown_fields)]
pub enum End {
    /// In good order.
    Done,
    /// At its limit of turns.
    MaxTurns,
    /// At its budget.
    Budget,
    /// With an error.
    Failed {
        /// What kind of error.
        fault: Fault,
        /// As the agent says it.
        message: String,
    },
}

/// The event as a line or lines of the readable transcript; `None` for what is of no use to a reader. Control
/// characters are left out, so that a transcript cannot command the terminal that shows it.
pub fn render(event: &Event) -> Option<String> {
    let line = match event {
        Event::Session { id } => format!("[session {id}]"),
        Event::Model { name } => format!("[model {name}]"),
        Event::Text { text } | Event::Note { text } => text.trim_end().to_owned(),
        Event::Tool { name, summary } => format!("> {name}: {summary}"),
        Event::ToolResult { ok: true, summary } if summary.is_empty() => return None,
        Event::ToolResult { ok: true, summary } => format!("  {summary}"),
        Event::ToolResult { ok: false, summary } => format!("  failed: {summary}"),
        Event::Usage { .. } => return None,
        Event::Limit {
            rejected: false, ..
        } => return None,
        Event::Limit {
            window,
            rejected: true,
            ..
        } => format!("[the provider's limit {window} is reached]"),
        Event::Denied { what } => format!("[denied: {what}]"),
        Event::Question { text } => format!("[asks: {text}]"),
        Event::Retry {
            attempt,
            delay_ms,
            why,
            ..
        } => format!("[tries again, attempt {attempt}, after {delay_ms} ms: {why}]"),
        Event::Error { message } => format!("[error: {message}]"),
        Event::Result {
            end: End::Done,
            message: _,
        } => return None,
        Event::Result {
            end: End::MaxTurns,
            message: _,
        } => "[stopped at its limit of turns]".to_owned(),
        Event::Result {
            end: End::Budget,
            message: _,
        } => "[stopped at its budget]".to_owned(),
        Event::Result {
            end: End::Failed { message, fault: _ },
            message: _,
        } => format!("[failed: {message}]"),
        Event::Raw { line } => line.clone(),
    };
    Some(super::text::printable(&line))
}
