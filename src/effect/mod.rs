//! Effects: the only room that touches git, processes and the files of a run. An [`Order`] (an effect of the machine
//! with the stored run) goes in, [`Done`] (an event for the machine) comes out; nothing is decided here.
//!
//! | room | what lives there |
//! |---|---|
//! | [`perform()`] | one performer for each effect |
//! | [`keeper`] | the small process that runs a step and outlives the daemon |
//! | [`confine`] | what the processes of a step may write |
//! | [`git`] | branches, worktrees, marked commits, merges |
//! | `files` | prompts, logs, report and summary of a run |
//! | `private` | how that is made which its owner alone may read |
//! | [`caller`] | whether somebody who asks the daemon is inside of a step |
//! | `below` | directories below one that is somebody else's |
//! | [`notify()`] | a command that tells a person |

mod below;
pub mod caller;
pub mod confine;
mod descriptors;
pub(crate) mod files;
pub mod git;
mod hidden;
pub mod keeper;
mod mounted;
mod notify;
mod perform;
pub(crate) mod private;
pub mod proc;

pub use descriptors::raise as raise_descriptors;
pub use files::{prepare_root, run_dir, runs_dir, step_dir};
pub use hidden::hidden;
pub use mounted::is_read_only;
pub use notify::{Notice, notices_dir, notify};
pub use perform::{
    AgentVersions, Beginning, Done, HandoverDone, HandoverOrder, Order, Over, Remain, Remains,
    UntilOver, World, collide, first_prompt, give_up, hand_over, perform, read_record, remains,
    slug, snapshot_path, spec_slug, try_place, try_templates, until_over,
};
