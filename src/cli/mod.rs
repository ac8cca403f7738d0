//! `loopctl`: arguments, readiness, requests, rendering. Every command that touches a run is a request to the daemon;
//! nothing in here opens the database, runs an agent or knows the lifecycle.

pub mod args;
pub mod client;
pub mod commands;
pub mod context;
pub mod demo;
pub mod error;
pub mod preview;
pub mod render;
pub mod settings;
pub mod workspace;
