//! Git: branches, worktrees, marked commits and merges of runs, through the git command line.
//!
//! A user's checkout may be dirty and on any branch; runs start, go on and merge beside it. So nothing here reads or
//! writes the files of a checkout that loopd did not make, with two exceptions, each a function of its own: git's own
//! fast-forward of a checked-out target ([`execute`]; of one that broke off, what it left is taken back) and one line in
//! `info/exclude` ([`exclude_line`]).
//!
//! Words: a *base* is the commit that a run starts from; the *run branch* holds its work; the *target* is the branch
//! that the work is merged into; an *intent* is a planned move of the target, to be stored before it is carried out;
//! an *admin directory* is `<common>/worktrees/<x>`, what git keeps about a worktree.
//!
//! | room | what lives there |
//! |---|---|
//! | `run`, `call`, `process`, `error`, `room`, `oid` | one call of git: environment, bounds, timeout, what went wrong |
//! | `repo`, `safe` | a repository, its lane, and the overrides that keep its own configuration from being executed |
//! | `refs`, `ref_lock`, `at_work`, `base`, `claim` | refs by compare-and-swap, locks that a killed git left and whether one lives, the default branch, names that never collide |
//! | `admin`, `worktree`, `place`, `make`, `worktrunk` | worktrees: made, recognised, taken up again |
//! | `index`, `nested`, `advance`, `put_back` | an index of our own: what a worktree holds, without running what an agent configured; how its files go from one tree to another |
//! | `commit`, `leftovers`, `file` | marked commits |
//! | `writable`, `at_home` | what commits on a run's branch have to write; who has moved a branch that is open with it |
//! | `author` | an author for the agent's commits, where the machine has none |
//! | `merge`, `execute`, `forward`, `catch_up` | the target moves, or the run catches up with it |
//! | `heal`, `broken_off`, `cut_off` | what a fast-forward that broke off left in a checkout is taken back |
//! | `push` | the run branch goes to a remote, because a person asks for it |
//! | `inspect`, `diff` | questions about commits |
//! | `remove`, `proof`, `retire`, `rescue`, `list` | clean-up with positive proof |
//! | `exclude`, `own` | what keeps loopd's files out of the user's status; what is git's own directory, where none of them may lie |
//!
//! Deliberately absent: fetching, any push by force, any `git status` in an agent's worktree, any forced checkout or reset,
//! and decisions about a run's lifecycle: outcomes are handed back as values, a caller turns them into events.

mod admin;
mod advance;
mod anew;
mod at_home;
mod at_work;
mod author;
mod base;
mod broken_off;
mod call;
mod catch_up;
mod claim;
mod commit;
mod cut_off;
mod denied;
mod diff;
mod error;
mod exclude;
mod execute;
mod file;
mod forward;
mod heal;
mod index;
mod inspect;
mod leftovers;
mod list;
mod make;
mod merge;
mod nested;
mod oid;
mod own;
mod pipes;
mod place;
mod process;
mod proof;
mod push;
mod put_back;
mod ref_lock;
mod refs;
mod remove;
mod repo;
mod rescue;
mod retire;
mod room;
mod run;
mod safe;
mod stale;
mod whole;
mod worktree;
mod worktrunk;
mod writable;

pub use anew::check_out_anew;
pub use at_home::moved_at_home;
pub use author::author_fallback;
pub use base::{Base, default_base, named_base};
pub use catch_up::{CatchUp, CatchUpWant, catch_up};
pub use claim::foresee;
pub use diff::{Diff, changed_paths, diff, diff_id};
pub use error::{GitError, GitErrorKind};
pub use exclude::exclude_line;
pub use execute::{Executed, Settled, execute, ready, settle};
pub use file::{FileCommit, commit_file};
pub use inspect::{
    Commit, Entry, EntryKind, FILE_BYTES, Shown, commits_between, entries_below, is_ancestor, look,
    merge_base, show,
};
pub use leftovers::{Leftovers, changed_tracked, commit_leftovers, drop_stale_locks, untracked};
pub use list::{
    Listed, Marked, list_worktrees, marked_worktrees, of_run, unrecorded, users_checkouts,
};
pub use merge::{BrokenOff, Intent, MergeWant, Step, Strategy, plan_merge};
pub use oid::Oid;
pub use own::is_gits_own;
pub use place::{Place, Prepared, Want, prepare_worktree};
pub(in crate::effect) use process::drive;
pub use push::{Pushed, Remote, push_branch, remote_of};
pub use refs::{Tip, head, in_the_way, tip};
pub use remove::{Removable, Removal, removable, remove_worktree};
pub use repo::Repo;
pub use rescue::rescue_at;
pub use retire::{Retirable, Retired, retirable, retire_branch};
pub use run::Git;
pub use safe::Drivers;
pub use worktree::Worktree;
pub use worktrunk::Worktrunk;
pub use writable::{Writable, neighbours, shared, writable};

/// What git calls return here.
pub type Result<T> = std::result::Result<T, GitError>;
