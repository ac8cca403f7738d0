//! What a box says, and why a box may not count.

use serde::{Deserialize, Serialize};

/// What a box says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// `[ ]`
    Pending,
    /// `[~]`: cannot go on now; counts as pending.
    Blocked,
    /// `[x]` or `[X]`: done, says whoever wrote it.
    Implemented,
    /// `[R]`: done and reviewed.
    Reviewed,
}

impl Mark {
    /// Implemented or reviewed.
    pub fn is_done(self) -> bool {
        match self {
            Mark::Pending | Mark::Blocked => false,
            Mark::Implemented | Mark::Reviewed => true,
        }
    }

    /// What stands in the box.
    pub(super) fn symbol(self) -> char {
        match self {
            Mark::Pending => ' ',
            Mark::Blocked => '~',
            Mark::Implemented => 'x',
            Mark::Reviewed => 'R',
        }
    }
}

/// Why a box is not a task of the agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// `[ ]?`
    PersonsCheck,
    /// Its section, or one around it, is headed "verification…", "… checklist" or "manual qa…".
    PersonsSection,
    /// It stands in fenced code.
    FencedCode,
    /// It stands in indented code.
    IndentedCode,
    /// It stands in an HTML comment.
    Comment,
    /// It stands in a quotation.
    Quotation,
    /// The box holds something that is not a mark.
    UnknownMark,
    /// No word follows the box.
    Empty,
}

impl Skip {
    /// The reason, for people.
    pub fn message(self) -> &'static str {
        match self {
            Skip::PersonsCheck => "a person's check (`[ ]?`)",
            Skip::PersonsSection => "in a section for people (verification, checklist, manual qa)",
            Skip::FencedCode => "in fenced code",
            Skip::IndentedCode => "in indented code",
            Skip::Comment => "in an HTML comment",
            Skip::Quotation => "in a quotation",
            Skip::UnknownMark => "not a known mark (use `[ ]`, `[~]`, `[x]` or `[R]`)",
            Skip::Empty => "an empty box",
        }
    }
}
