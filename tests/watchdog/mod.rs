//! The watchdog: stories in plain text, each with the verdict after every iteration, and properties.

mod corpus;
mod properties;
mod story;
