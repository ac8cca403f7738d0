//! Our own dialect: one [`Event`] as JSON a line.

use serde::Deserialize;
use serde_json::Value;

use super::Out;
use crate::agent::event::Event;

pub(super) fn value(value: &Value, out: Out<'_>) -> bool {
    match Event::deserialize(value) {
        Ok(event) => {
            out(event);
            true
        }
        Err(_) => false,
    }
}
