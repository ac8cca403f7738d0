//! The whole path of a run, with real git, real SQLite and real processes: what a spec becomes, and what happens on the
//! way when checks fail, reviewers reject, people interfere and daemons die.

mod completion;
