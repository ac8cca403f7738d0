//! The agent room: what agents say, how they are called, and the agents of our own.

mod aider;
mod bridge;
mod chunks;
mod conversation;
mod conversation_led;
mod conversation_told;
mod definitions;
mod dialects;
mod drivers;
mod faults;
mod lab;
mod results;
mod scripted;
mod scripted_faults;
mod streams;
mod verdicts;
