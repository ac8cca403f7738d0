//! The design check: what has to be true of a run whatever happens, tried on random walks, on every path in small
//! scopes with crashes in between, for several runs under the scheduler, and against the store. Planted bugs prove that
//! the checks see; `flaws` keeps, one by one, what they have found.
//!
//! `world` is the reference: one run with its outbox, its lane, its process and its branch. `laws` are the properties.

mod acts;
mod answers;
mod canonical;
mod cleaning;
mod coverage;
mod figures;
mod flaws;
mod handover;
mod handover_figures;
mod joint;
mod known;
mod laws;
mod line;
mod performing;
mod planted;
mod quotient;
mod reopening;
mod resuming;
mod scopes;
mod search;
mod sessions;
mod story;
mod walk;
mod world;
