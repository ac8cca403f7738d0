//! The scheduler: a pure function from a queue and a policy to starts, gates, positions and the next wake-up.
