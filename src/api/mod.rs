//! HTTP on loopback: parse, ask the engine, answer.

pub mod wire;
