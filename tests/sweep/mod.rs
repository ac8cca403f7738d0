//! Deaths of the daemon at every place where it can die: before and after each commit, around each effect and around each
//! change outside, while it works and while it recovers from the death before. Whatever dies, the run ends as the
//! undisturbed one does, and nothing was lost, done twice or left behind.
//!
//! | word | meaning |
//! |---|---|
//! | *scenario* | a story that passes through some states: scripts of the agents, and a person who acts on what is stored |
//! | *life* | one daemon from its start to its death; a *story* is played by one life or by many |
//! | *point* | the passing of a place at which a life ends |
//! | *outcome* | what a story came to, as far as it must not depend on who died on the way |
//!
//! `inside` is a daemon in this process, `outside` the real one.

mod at_work;
mod every_point;
mod faults;
mod full_disk;
mod inside;
mod life;
mod mortal;
mod outcome;
mod outside;
mod places;
mod read_only;
mod real;
mod scenario;
mod scene;
mod soak;
mod starting;
mod stories;
mod upgrade;
