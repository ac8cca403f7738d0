//! The agent room: what agents say, how they are called, and the agents of our own.

mod chunks;
mod drivers;
mod faults;
mod scripted;
mod streams;
mod verdicts;
