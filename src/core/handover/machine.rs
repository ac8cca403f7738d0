//! The machine of the handover, generated from `machines/handover.toml` by `machines/build.rs`; only the imports stand
//! here.

use super::facts::{RunEnd, Snag};

include!(concat!(env!("OUT_DIR"), "/handover.rs"));
