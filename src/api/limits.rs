//! How many clients there may be: as many as are promised, or as many as the system gives descriptors for. Each
//! connection is one, and a stream of output holds a second for the file that it follows.

use rustix::process::{Resource, getrlimit};

/// Streams at a time. Each is a client that stays; one that is idle costs a descriptor and little else.
const MAX_STREAMS: u64 = 1200;
/// Connections at a time besides those of streams; further ones wait in the system's queue.
const MAX_OTHERS: u64 = 512;
/// Descriptors for everything else: the database, keepers, git.
const RESERVE: u64 = 256;
/// The fewest of each, however few descriptors there are.
const FEWEST: u64 = 16;

/// How many clients there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub streams: usize,
    /// Streams and others.
    pub connections: usize,
}

impl Limits {
    /// As far as the descriptors of this process go.
    pub(super) fn of_this_process() -> Self {
        let found = getrlimit(Resource::Nofile).current;
        Limits::with(found.unwrap_or(u64::MAX))
    }

    fn with(descriptors: u64) -> Self {
        let usable = descriptors.saturating_sub(RESERVE);
        let others = MAX_OTHERS.min(usable / 4).max(FEWEST);
        // Two for each stream.
        let streams = (usable.saturating_sub(others) / 2).clamp(FEWEST, MAX_STREAMS);
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Limits {
            streams: count(streams),
            connections: count(streams.saturating_add(others)),
        }
    }
}

/// Descriptors that all promised clients together need; a shell often gives 1024.
pub fn wanted_descriptors() -> u64 {
    RESERVE + 2 * MAX_STREAMS + MAX_OTHERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_streams_fit_into_what_is_asked_for_and_few_descriptors_serve_few_clients() {
        let limits = Limits::with(wanted_descriptors());
        assert_eq!((limits.streams, limits.connections), (1200, 1712));
        for descriptors in [0, 64, 256, 1024, 2048, 4096, 1 << 20, u64::MAX] {
            let Limits {
                streams,
                connections,
            } = Limits::with(descriptors);
            assert!(connections > streams, "requests find room beside streams");
            if descriptors >= 512 {
                let held = (streams + connections) as u64 + RESERVE;
                assert!(held <= descriptors, "{held} of {descriptors}");
            }
        }
    }
}
