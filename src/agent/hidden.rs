//! The door to the programs of this room that run as processes of their own: hidden subcommands of our binaries.

use std::ffi::OsString;

use super::driver::{ACP_SUBCOMMAND, SCRIPTED_SUBCOMMAND};

/// Runs the hidden subcommand that `args` (the program's name first) ask for, to its end; its exit status. `None` when
/// they ask for none. To be asked before anything else is parsed or started.
pub fn hidden_subcommand(mut args: impl Iterator<Item = OsString>) -> Option<i32> {
    let name = args.nth(1)?;
    if name == SCRIPTED_SUBCOMMAND {
        Some(super::scripted::main(args))
    } else if name == ACP_SUBCOMMAND {
        Some(super::acp::main(args))
    } else {
        None
    }
}
