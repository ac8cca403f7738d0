//! What is stored, as a client sees it: from the store's and the scheduler's types to the wire's. Nothing is decided and
//! nothing is read in here.

mod error;
mod event;
mod gate;
mod plan;
mod run;
mod step;

pub(super) use error::Unreadable;
pub(super) use event::record;
pub(super) use gate::{gate, policy, waiting};
pub(super) use plan::summary;
pub(super) use run::{run, strategy, uuid};
pub(super) use step::{artifact, phase, step};
