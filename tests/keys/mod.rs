//! Every key of the configuration changes something. `table` names, for each of them, the test that shows it, and fails for a
//! key that has none; tests that stand nowhere else are here.
//!
//! | file | what |
//! |---|---|
//! | `table` | key by key, the test that shows what it changes |
//! | `loopd` | the real daemon with a configuration file, for `daemon` |
//! | `daemon` | keys of the daemon |
//! | `run` | keys of runs |

mod daemon;
pub mod loopd;
mod run;
mod table;
