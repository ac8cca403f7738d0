//! The plan: what counts, what is chosen, what may change.

mod completion;
mod edits;
mod properties;
mod reading;
mod selection;
mod tampering;
