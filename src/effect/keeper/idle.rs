//! When a command counts as idle: for a whole span it wrote nothing and its tree used less than 1 % of a core. A model
//! that thinks is silent, and a build is silent and busy; only both together say that nothing is going on.
//! Pure: time, output and processor time are handed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So often is looked within one span.
const LOOKS: u32 = 4;

/// Watches one command.
#[derive(Debug)]
pub struct Gauge {
    span: Duration,
    ticks_per_second: u64,
    /// No older than needed: the first is the latest one that is a whole span old.
    looks: VecDeque<Look>,
    last_reading: u64,
    spent: u64,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    output: u64,
    spent: u64,
}

impl Gauge {
    /// Starts at `now` with what the tree has used so far, in clock ticks.
    pub fn new(span: Duration, ticks_per_second: u64, now: Instant, cpu_ticks: u64) -> Self {
        let first = Look {
            at: now,
            output: 0,
            spent: 0,
        };
        Self {
            span,
            ticks_per_second,
            looks: VecDeque::from([first]),
            last_reading: cpu_ticks,
            spent: 0,
        }
    }

    /// When to look next.
    pub fn due(&self) -> Option<Instant> {
        let step = (self.span / LOOKS).max(Duration::from_millis(1));
        self.looks.back().and_then(|last| last.at.checked_add(step))
    }

    /// Looks: `output` is all bytes so far, `cpu_ticks` a reading over the tree. The reading may fall when a process
    /// takes its account with it; that is no use of a core, and none is forgotten.
    pub fn is_idle(&mut self, now: Instant, output: u64, cpu_ticks: u64) -> bool {
        self.spent += cpu_ticks.saturating_sub(self.last_reading);
        self.last_reading = cpu_ticks;
        self.looks.push_back(Look {
            at: now,
            output,
            spent: self.spent,
        });
        let old = |look: &Look| now.saturating_duration_since(look.at) >= self.span;
        while self.looks.get(1).is_some_and(old) {
            self.looks.pop_front();
        }
        let Some(then) = self.looks.front().copied().filter(old) else {
            return false;
        };
        let span_ms = now.saturating_duration_since(then.at).as_millis();
        let used_ms =
            u128::from(self.spent - then.spent) * 1000 / u128::from(self.ticks_per_second.max(1));
        output == then.output && used_ms * 100 < span_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second at a span of four seconds; gives the second in which the command counted as idle.
    fn idle_after(readings: impl IntoIterator<Item = (u64, u64)>) -> Option<usize> {
        let start = Instant::now();
        let mut gauge = Gauge::new(Duration::from_secs(4), 100, start, 0);
        readings
            .into_iter()
            .enumerate()
            .find(|(n, (output, cpu))| {
                let now = start + Duration::from_secs(*n as u64 + 1);
                assert_eq!(gauge.due(), Some(now));
                gauge.is_idle(now, *output, *cpu)
            })
            .map(|(n, _)| n + 1)
    }

    #[test]
    fn silence_and_rest_for_the_whole_span_are_idle() {
        assert_eq!(idle_after([(0, 0); 9]), Some(4));
    }

    #[test]
    fn one_byte_starts_the_span_anew() {
        let readings = [(0, 0), (0, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0)];
        assert_eq!(idle_after(readings), Some(7));
    }

    #[test]
    fn a_busy_tree_is_never_idle_and_less_than_one_percent_is() {
        assert_eq!(idle_after((1..50).map(|n| (0, n))), None);
        assert_eq!(idle_after((1..50).map(|n| (0, n / 2))), Some(4));
    }

    #[test]
    fn an_account_that_falls_hides_no_work() {
        let saw = (1..50).map(|n| (0, if n % 2 == 0 { 0 } else { 90 }));
        assert_eq!(idle_after(saw), None);
    }
}
