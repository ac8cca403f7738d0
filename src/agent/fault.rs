//! What kind of trouble an error of an agent is: the status where the agent gives one, else the words of its *error*.
//! What an agent writes as its own message is never read here, so a program that prints "429" limits nobody.

use serde::{Deserialize, Serialize};

use super::reset::Reset;

/// The kinds that lead to different reactions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The provider takes no more work for now.
    Limited {
        /// When it does again.
        #[serde(default)]
        reset: Reset,
    },
    /// The credentials are missing or were refused.
    Auth,
    /// The work is refused as it is; a repeat ends the same way.
    Refused,
    /// The session that it was to go on with is not known, or cannot be opened.
    NoSession,
    /// Somebody stopped the agent.
    Interrupted,
    /// Anything else: may pass.
    Other,
}

/// No money, no plan: waiting does not help.
const UNPAID: [&str; 6] = [
    "insufficient_quota",
    "billing details",
    "billing_error",
    "credit balance",
    "insufficient credit",
    "payment required",
];
const LIMITED: [&str; 11] = [
    "usage limit",
    "usage_limit",
    "usagelimit",
    "rate limit",
    "rate_limit",
    "ratelimit",
    "hit your limit",
    "limit reached",
    "too many requests",
    "quota",
    "resource_exhausted",
];
const AUTH: [&str; 16] = [
    "authentication",
    "unauthorized",
    "unauthenticated",
    "invalid api key",
    "invalid x-api-key",
    "invalid_api_key",
    "api key not valid",
    "no api key",
    "missing api key",
    "api key is missing",
    "api_key environment variable",
    "not logged in",
    "please run /login",
    "please log in",
    "oauth token",
    "providerauth",
];
const REFUSED: [&str; 15] = [
    "prompt is too long",
    "prompt_too_long",
    "context window",
    "context length",
    "context_length",
    "contextoverflow",
    "model not found",
    "model_not_found",
    "not_found_error",
    "trusted directory",
    "root/sudo privileges",
    "unknown option",
    "unexpected argument",
    "unknown argument",
    "command not found",
];

/// What agents say of a session that they cannot go on with.
const NO_SESSION: [&str; 8] = [
    "no conversation found with session",
    "no rollout found for",
    "error resuming session",
    "invalid session identifier",
    "no previous sessions found",
    "no saved session found",
    "session not found",
    "no session found",
];

impl Fault {
    /// From an error's HTTP status, where it has one, and its text.
    pub fn new(status: Option<u16>, text: &str) -> Fault {
        let lower = text.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if says(&NO_SESSION) {
            return Fault::NoSession;
        }
        let status = status.or_else(|| status_in(&lower));
        if status == Some(402) || says(&UNPAID) {
            return Fault::Refused;
        }
        match status {
            Some(401 | 403) => return Fault::Auth,
            Some(429) => {
                return Fault::Limited {
                    reset: Reset::in_text(text),
                };
            }
            Some(404 | 413) => return Fault::Refused,
            Some(500..) => return Fault::Other,
            Some(_) | None => {}
        }
        if says(&REFUSED) {
            Fault::Refused
        } else if says(&LIMITED) {
            Fault::Limited {
                reset: Reset::in_text(text),
            }
        } else if says(&AUTH) {
            Fault::Auth
        } else {
            Fault::Other
        }
    }
}

/// The HTTP status in an error text (lower case): `status 401`, `"code":401`, `(429)`, `api error: 529 …`, `401 {…`.
/// A number elsewhere (in a path, an id, a count) is none.
fn status_in(lower: &str) -> Option<u16> {
    let bytes = lower.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    for at in 0..bytes.len() {
        let number = digit(at) && digit(at + 1) && digit(at + 2) && !digit(at + 3);
        if !number {
            continue;
        }
        let Some(status) = lower.get(at..at + 3).and_then(|text| text.parse().ok()) else {
            continue;
        };
        let before = lower.get(..at).unwrap_or_default();
        let lead = before.trim_end_matches([' ', ':', '"', '=', '(', '\'']);
        let named = ["status", "code", "error", "http", "status code"]
            .iter()
            .any(|word| lead.ends_with(word));
        let bracketed = before.ends_with('(') && bytes.get(at + 3) == Some(&b')');
        let led = (named && lead.len() < before.len()) || bracketed || before.trim().is_empty();
        if led && (400..600).contains(&status) {
            return Some(status);
        }
    }
    None
}
