//! The built-in agent: it plays a script instead of asking a model. For the demo, for tests, and for users who want to
//! see what loopd does with an agent that hangs, floods, lies or is limited.
//!
//! Without a script, a call to implement ticks the next pending task of the plan and commits (and says that all is
//! complete when none is left), and a call to review approves.
//!
//! A script is TOML: turns in the order in which calls play them, each a list of steps.
//!
//! ```toml
//! then = "repeat"                        # after the last turn: "repeat" it (default), or "default": as without a script
//!
//! [[turn]]                               # the first call to implement
//! steps = [
//!   { say = "I will do the first task." },
//!   { write = { path = "src/greet.sh", text = "echo hello\n" } },
//!   { tick = "next" },
//!   { commit = "Greet" },
//! ]
//!
//! [[turn]]                               # the second one
//! steps = ["hang"]
//!
//! [[turn]]
//! role = "review"                        # the first call to review
//! steps = [{ verdict = { approved = false, findings = "greet.sh greets nobody" } }]
//!
//! [[turn]]
//! when = { iteration = 3, prompt_contains = "parser" }   # out of order: played when all that is said holds
//! times = 2                              # so often at most; 1 without it
//! steps = [{ limit = { resets_in_sec = 60 } }]
//! ```
//!
//! Which turns have been played is kept in the state directory of the run, so a turn is played once even if it ends in a
//! crash. The steps are documented at [`Step`](script::Step).

mod args;
mod faults;
mod hands;
mod play;
mod script;
mod stage;
mod state;

use std::ffi::OsString;

pub use script::{Script, ScriptError, Step, Turn};

use super::event::{End, Event};
use super::fault::Fault;
use args::Args;
use stage::Stage;

/// The built-in agent's whole life: the arguments after its subcommand, its exit status.
pub fn main(args: impl Iterator<Item = OsString>) -> i32 {
    let mut stage = Stage::new();
    let played = Args::parse(args).and_then(|args| play::play(&args, &mut stage));
    match played {
        Ok(code) => code,
        Err(message) => {
            stage.emit(&Event::Result {
                end: End::Failed {
                    fault: Fault::Refused,
                    message,
                },
                message: None,
            });
            2
        }
    }
}
