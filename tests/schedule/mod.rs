//! The scheduler: examples that a reader can follow, properties over generated queues, and planted bugs that prove
//! that the checker sees.

mod checker;
mod examples;
mod generate;
mod planted;
mod properties;
