//! Colours. Whether they reach the terminal is decided once, by the stream that they are written to.

use anstyle::{AnsiColor, Style};

use crate::api::wire::Status;

/// Something that needs a person.
pub const ATTENTION: Style = AnsiColor::Yellow.on_default();
/// Something that went wrong.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Something that went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something that matters less.
pub const DIM: Style = Style::new().dimmed();
/// Headings.
pub const HEADING: Style = Style::new().bold();

/// A text in a style.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// The style of a run in a list.
pub fn of(status: Status) -> Style {
    match status {
        Status::Pending => Style::new(),
        Status::Running => GOOD,
        Status::Paused => ATTENTION,
        Status::Failed => BAD,
        Status::Completed | Status::Canceled => DIM,
    }
}
