//! HTTP on loopback: parse, ask the engine, answer.
