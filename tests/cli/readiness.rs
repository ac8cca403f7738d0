//! The waiting itself, on a clock that stands still unless everybody waits.

use std::cell::RefCell;
use std::time::Duration;

use agent_loop::api::wire::Health;
use agent_loop::cli::client::readiness::{Miss, NotReady, Ready, wait};
use tokio::time::{Instant, sleep};

fn health() -> Health {
    Health {
        service: "loopd".to_owned(),
        version: "1".to_owned(),
        api: 1,
    }
}

const BUDGET: Duration = Duration::from_secs(5);

/// Attempts that fail at once until number `good`; with the moments in ms at which they were made.
async fn tried(good: usize, miss: fn() -> Miss) -> (Result<Ready, NotReady>, Vec<u128>) {
    let begun = Instant::now();
    let moments = RefCell::new(Vec::new());
    let outcome = wait(BUDGET, async |_patience| {
        let mut moments = moments.borrow_mut();
        moments.push(begun.elapsed().as_millis());
        if moments.len() > good {
            Ok(health())
        } else {
            Err(miss())
        }
    });
    let outcome = outcome.await;
    (outcome, moments.into_inner())
}

fn nobody() -> Miss {
    Miss::Nobody("connection refused".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_there_is_asked_once() {
    let (ready, moments) = tried(0, nobody).await;
    assert_eq!(ready.expect("ready").retries, 0);
    assert_eq!(moments, [0]);
}

#[tokio::test(start_paused = true)]
async fn retries_are_made_at_the_agreed_moments_and_counted() {
    let (ready, moments) = tried(3, nobody).await;
    assert_eq!(ready.expect("ready").retries, 3);
    assert_eq!(moments, [0, 200, 600, 1400]);
}

#[tokio::test(start_paused = true)]
async fn nobody_there_ends_after_five_seconds_with_a_last_attempt() {
    let (outcome, moments) = tried(usize::MAX, nobody).await;
    let not_ready = outcome.expect_err("nobody");
    assert_eq!(moments, [0, 200, 600, 1400, 3000, 5000]);
    assert_eq!(not_ready.attempts, 6);
    assert_eq!(not_ready.elapsed, BUDGET);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_not_tried_again() {
    let misses: [fn() -> Miss; 3] = [
        || Miss::Stranger(String::new()),
        || Miss::Token(String::new()),
        || Miss::Denied(String::new()),
    ];
    for miss in misses {
        let (outcome, moments) = tried(usize::MAX, miss).await;
        assert_eq!(outcome.expect_err("no daemon").attempts, 1);
        assert_eq!(moments, [0]);
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_within_half_a_second_of_the_budget() {
    let begun = Instant::now();
    let outcome = wait(BUDGET, async |patience| {
        sleep(patience).await;
        Err(Miss::Silent("no answer".to_owned()))
    });
    let not_ready = outcome.await.expect_err("silence");
    assert!(not_ready.attempts > 2, "{}", not_ready.attempts);
    assert!(begun.elapsed() >= BUDGET, "{:?}", begun.elapsed());
    assert!(begun.elapsed() <= BUDGET + Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn without_patience_there_is_one_attempt() {
    let outcome = wait(Duration::ZERO, async |patience| {
        assert!(!patience.is_zero(), "an attempt needs some time");
        Err(nobody())
    });
    assert_eq!(outcome.await.expect_err("nobody").attempts, 1);
}
