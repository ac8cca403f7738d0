//! Drivers: how a coding agent is called, and what its stream of bytes means.
