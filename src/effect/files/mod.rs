//! The files of a run: what was told to agents, what they and the checks wrote, the report and the summary. They are for
//! people and scripts; only the likeness of two transcripts is looked at again, as evidence, and trouble with them never stops a run (it is logged and the file
//! is missing from the artifacts, which is where it shows).
//!
//! | file | what it writes |
//! |---|---|
//! | `place` | where a run's files are, atomically, in one or two places |
//! | `lines` | files that grow line by line, in the first place and its mirrors |
//! | `report` | `report.tsv` and `run.log`, a row for each thing as it happens |
//! | `analysis` | `analysis/summary.md`, when an ended run is explained |
//! | `summary` | `summary.json`, once, at the end |

mod analysis;
mod lines;
mod place;
mod report;
mod summary;

pub use analysis::Records;
pub use place::{RunFiles, prepare_root, run_dir, runs_dir, step_dir};
pub use report::{Row, RowKind};
pub use summary::Summary;

pub(super) use super::private::dir as private_dir;
