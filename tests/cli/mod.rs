//! `loopctl` from outside: the real binary against servers that this suite plays itself, and the pure parts of the client.

mod address;
mod analyze;
mod broken;
mod commands;
mod delay;
mod fake;
mod follow;
mod help;
mod list;
mod loopctl;
mod not_loopd;
mod prompt;
mod readiness;
mod render;
mod restart;
mod run;
mod settings;
mod sse;
mod terminal;
mod token;
mod unreachable;
mod wire;
mod worktrees;
