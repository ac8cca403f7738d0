//! Does the agent's last message say that everything is complete? Only a claim: whether it is so, evidence decides.

use serde::{Deserialize, Serialize};

/// What an agent says when it believes that nothing is left to do.
pub const TOKEN: &str = "<promise>COMPLETE</promise>";

/// Where the token has to stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompletionMode {
    /// The last line that is not blank is the token, and nothing else.
    #[default]
    Trailing,
    /// The whole message is the token.
    Exact,
}

/// Whether `message` is a claim of completion. Blanks around the token do not matter. An empty token claims nothing.
pub fn claims(message: &str, mode: CompletionMode, token: &str) -> bool {
    let said = match mode {
        CompletionMode::Trailing => message
            .trim_end()
            .lines()
            .next_back()
            .unwrap_or_default()
            .trim(),
        CompletionMode::Exact => message.trim(),
    };
    !token.is_empty() && said == token
}
