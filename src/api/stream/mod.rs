//! Server-sent events: what happens, and what the steps write, while it happens. Every stream is pulled: the next piece is
//! read from the database or the file when the client has taken the one before, so that a slow reader costs no memory.
//! Nobody polls: a stream with nothing to send waits for the engine's count of events, or for the kernel's word about a
//! directory.
//!
//! | file | what it knows |
//! |---|---|
//! | `sse` | the form of a reply, and its end when the daemon ends |
//! | `events` | public events by their number |
//! | `recent` | the newest of them, read once for all who listen |
//! | `output` | the output of a run: one step after the other |
//! | `current` | the step that is being sent, and where one waits for more of it |
//! | `tail` | one step's output, from any place on |
//! | `source`, `decode` | the bytes of a step's files, and the text that they come to |
//! | `watcher` | which directories have changed |

mod current;
mod decode;
mod events;
mod output;
mod recent;
mod source;
mod sse;
mod tail;
mod watcher;

pub(super) use events::events;
pub(super) use output::{Asked, output};
pub(super) use recent::Recent;
pub(super) use watcher::Watcher;
