//! The keeper: a small process between the daemon and the commands of one step. It outlives a daemon that is killed or
//! upgraded, and nothing of the step outlives it.
//!
//! The daemon [`start`]s it with a [`Job`] in the step's directory and [`find`]s it there again; signals, a pidfd and
//! four files are all they share, no socket and no parenthood.
//!
//! | file | says | written |
//! |---|---|---|
//! | `job.json` | what to do | by the daemon; gone once read, as it may hold keys |
//! | `keeper.json` | who the keeper is | before the first command starts |
//! | the output files | what the commands write | as it comes; only ever longer, so they can be followed |
//! | `exit.json` | how it ended | when no process of the step is left |
//!
//! `keeper.json` without `exit.json` and without the process: the keeper was killed, the step is lost and its
//! [survivors](reap_survivors) are to be ended.
//!
//! The keeper is one thread and one `poll`. It is the subreaper of its commands, so that each orphan becomes its child
//! however often it forked or changed its session, and each process carries a marker in its environment for the case
//! that the keeper is gone. Its commands run behind the fence that the job describes; the keeper itself stands outside of
//! it. Not here: what the output means, whether a step is tried again, what a step may write. Under systemd a unit needs
//! `KillMode=process`, or the keepers are killed with their daemon.

mod above;
mod clearing;
mod ending;
mod error;
mod files;
mod handle;
mod idle;
mod inherit;
mod job;
mod life;
mod output;
mod reap;
mod record;
mod spawn;
mod streams;
mod text;
mod tree;
mod waiting;
mod watch;

pub use above::{is_any_fenced, step_around};
pub use error::KeeperError;
pub use handle::{Ended, Found, Handle, SELF_EXE, STOP_MARGIN, find, start};
pub use job::{Command, Job, MARKER_NAME, Stderr, Stdin, marker};
pub use life::{BUSY, main};
pub use reap::{Reaped, end_strays, has_strays, reap_survivors};
pub use record::{CommandRecord, ExitRecord, KeeperRecord, Stopped};
pub use text::OsText;
