//! The rule of waiting before another try.

use std::time::Duration;

use agent_loop::cli::client::delay::delay;
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The pauses of a budget when the attempts themselves take no time.
fn pauses(budget: Duration) -> Vec<Duration> {
    let mut left = budget;
    let mut pauses = Vec::new();
    while let Some(pause) = delay(pauses.len() as u32, left) {
        left -= pause;
        pauses.push(pause);
    }
    pauses
}

#[test]
fn five_seconds_are_spent_as_the_table_says() {
    let expected = [0, 200, 400, 800, 1600, 2000].map(ms);
    assert_eq!(pauses(ms(5000)), expected);
}

#[test]
fn an_empty_budget_still_has_one_attempt() {
    assert_eq!(pauses(Duration::ZERO), [Duration::ZERO]);
}

#[test]
fn a_budget_shorter_than_the_first_pause_ends_with_an_attempt() {
    assert_eq!(pauses(ms(50)), [0, 50].map(ms));
}

proptest! {
    #[test]
    fn always_the_pauses_fill_the_budget_exactly(budget in 0_u64..10_000_000) {
        let all: Duration = pauses(ms(budget)).iter().sum();
        prop_assert_eq!(all, ms(budget));
    }

    #[test]
    fn never_a_pause_is_longer_than_what_is_left(attempt in any::<u32>(), left in any::<u64>()) {
        if let Some(pause) = delay(attempt, ms(left)) {
            prop_assert!(pause <= ms(left));
        }
    }
}
