#![no_main]
//! See `bodies::conversation`.

#[path = "../bodies.rs"]
#[allow(dead_code, reason = "each target needs a part of it")]
mod bodies;
#[path = "../../store/support.rs"]
#[allow(dead_code, reason = "each target needs a part of it")]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::conversation(bytes));
