//! The sandbox of a step: what its processes may write, and everything else they may not. Reading stays free.
//!
//! | room | what lives there |
//! |---|---|
//! | `paths` | which places a step may write, which must not be among them, and what follows when one lies in another |
//! | `kernel` | Landlock: what this kernel can do, and the fence around a command |
//! | `limits` | the limits of processes outside stay as they are |
//!
//! Words: a *fence* is a Landlock ruleset that a command enters between fork and exec and can never leave, and that
//! everything it starts inherits; what a fence *lacks* is told in whole sentences, to be shown to a person.
//!
//! Landlock knows only what is allowed, never an exception below it: a place that has to stay closed cannot lie in one
//! that is open. It is a guard rail against an agent that errs, and no wall against one that is run as root or speaks to
//! a service outside through a socket. Deliberately absent: the network, and any wrapper that has to be installed.

mod kernel;
mod limits;
mod paths;

use serde::{Deserialize, Serialize};

use super::keeper::OsText;
use crate::core::step::{Confined, Confinement};

pub use kernel::{Fence, Kernel};
pub use paths::{Places, caches, devices, temporary};

/// What a keeper is told of the sandbox of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Nothing is started unless nothing is lacking.
    pub required: bool,
    /// Files, and directories with all that is in them. What does not exist is passed over.
    pub writable: Vec<OsText>,
    /// The same, but nothing is made there that is neither a file nor a directory. Git keeps nothing else, and a pipe in the
    /// place of one of its files would hold whoever reads that.
    #[serde(default)]
    pub plain: Vec<OsText>,
    /// What the list above lays open that should be closed.
    pub lacks: Vec<String>,
}

/// How far this machine could confine a step that needs nothing open that should be closed. Puts up a fence and enters
/// it in a thread, so that the answer is the kernel's own.
pub fn trial() -> Confinement {
    Sandbox::default().put_up().1
}

impl Sandbox {
    /// The fence for commands, as far as this kernel can put one up, and how far that is.
    pub fn put_up(&self) -> (Option<Fence>, Confinement) {
        let kernel = Kernel::of_this_machine();
        let mut lacks = kernel.lacks();
        let fence = if kernel.is_useful() {
            let fence = Fence::around(&self.writable, &self.plain);
            fence.map_err(|why| lacks.push(why)).ok()
        } else {
            None
        };
        if let Some(fence) = &fence {
            lacks.extend(fence.lacks());
            lacks.extend(self.lacks.iter().cloned());
        }
        let level = match (&fence, lacks.is_empty()) {
            (None, _) => Confined::None,
            (Some(_), true) => Confined::Full,
            (Some(_), false) => Confined::Partial,
        };
        let confinement = Confinement {
            level,
            landlock_abi: kernel.abi(),
            lacks,
        };
        (fence, confinement)
    }
}
