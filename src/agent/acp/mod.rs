//! The bridge to the Agent Client Protocol (version 1, JSON-RPC by lines): one call of an agent that speaks it, told in
//! our own events.
//!
//! The protocol tells less than the agents' own streams: no retries, no reset times, seldom a cost; and every agent words
//! its errors in another way. What it does better is to stop: `session/cancel` leaves no orphan. So a request to end
//! (SIGTERM) becomes one, and the agent is in a process group of its own, where the signal does not reach it first.
//!
//! | file | what it does |
//! |---|---|
//! | `client` | the conversation, without I/O: a message in, messages and events out |
//! | `update`, `outcome` | what the agent's notifications and its last answer mean |
//! | `bridge` | the process and its pipes |

mod bridge;
mod client;
mod outcome;
mod update;

pub use bridge::main;
pub use client::{Client, Order, Step};
