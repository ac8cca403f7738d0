//! A public event.

use crate::api::wire::{EventRecord, stamp};
use crate::store::StoredEvent;

/// The event as the streams carry it.
pub(crate) fn record(stored: StoredEvent) -> EventRecord {
    EventRecord {
        seq: i64::try_from(stored.seq).unwrap_or(i64::MAX),
        kind: stored.kind,
        run_id: stored.run_id.0.parse().ok(),
        at: stamp(stored.at),
        payload: stored.payload,
    }
}
