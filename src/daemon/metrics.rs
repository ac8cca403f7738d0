//! Counters of the daemon, in the Prometheus text format. Counts of runs by state are read from the store at the scrape,
//! so that they cannot drift from it; what is counted here are things that happened.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::core::run::State;

/// What the daemon counts.
pub struct Metrics {
    registry: Registry,
    /// Times a run was found held by the cap of its workspace, counted when that began.
    pub queue_blocked_workspace: Counter,
    /// Readiness retries that clients reported with their next request.
    pub readiness_retry_count: Counter,
    /// Moves of runs.
    pub transitions: Counter,
    /// Reports that the store could not take at the first try.
    pub store_retries: Counter,
    /// Requests that were answered.
    pub http_requests: Counter,
    /// Events that the notify command was called for.
    pub notifications: Counter,
    /// Calls of it that failed.
    pub notifications_failed: Counter,
    runs: Family<Vec<(&'static str, &'static str)>, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let queue_blocked_workspace = counter(
            "queue_blocked_workspace",
            "Times a run was found held by the cap of its workspace",
        );
        let readiness_retry_count = counter(
            "readiness_retry_count",
            "Readiness retries that clients reported",
        );
        let transitions = counter("transitions", "Moves of runs");
        let store_retries = counter(
            "store_retries",
            "Reports that the store could not take at the first try",
        );
        let http_requests = counter("http_requests", "Requests that were answered");
        let notifications = counter("notifications", "Calls of the notify command");
        let notifications_failed = counter("notifications_failed", "Calls of it that failed");
        let runs = Family::default();
        registry.register("runs", "Runs by state", runs.clone());
        Metrics {
            registry,
            queue_blocked_workspace,
            readiness_retry_count,
            transitions,
            store_retries,
            http_requests,
            notifications,
            notifications_failed,
            runs,
        }
    }
}

impl Metrics {
    /// Everything as text, with the counts by state as they are stored now.
    ///
    /// # Errors
    /// Only when the text cannot be built.
    pub fn render(&self, counts: &[(State, u64)]) -> Result<String, std::fmt::Error> {
        for state in State::ALL {
            let count = counts
                .iter()
                .find(|(s, _)| s == state)
                .map_or(0, |(_, n)| *n);
            self.runs
                .get_or_create(&vec![("state", state.as_str())])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
