#![no_main]
//! See `bodies::config_key_value`.

#[path = "../bodies.rs"]
#[allow(dead_code)]
mod bodies;
#[path = "../../store/support.rs"]
#[allow(dead_code)]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::config_key_value(bytes));
