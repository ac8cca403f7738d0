//! The hidden subcommands, by which a binary starts itself anew for a part that must outlive or be kept apart from it.
//! They are no part of the surface: looked at before the command line is parsed, absent from every help text.

use std::ffi::OsString;
use std::path::Path;

use super::keeper;

/// `__keeper DIR`: keep the step in this directory. The agents of our own have subcommands in their own room.
pub const KEEPER: &str = "__keeper";

/// Runs a hidden subcommand if the arguments (the program's own name first) ask for one, and returns the exit status.
/// To be called first in `main`, before a runtime, a thread or a file exists.
pub fn hidden(args: impl IntoIterator<Item = OsString>) -> Option<i32> {
    let args: Vec<OsString> = args.into_iter().collect();
    match &args[..] {
        [_, name, dir] if name == KEEPER => Some(keeper::main(Path::new(dir))),
        _ => crate::agent::hidden_subcommand(args.into_iter()),
    }
}
