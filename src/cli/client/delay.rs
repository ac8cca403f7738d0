//! The one pure rule of waiting before trying again, used by readiness and by streams that resume.

use std::time::Duration;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(200);

/// How long to wait before attempt number `attempt` (from 0) when `left` of the budget is left: at once, then 200, 400,
/// 800, 1600 … ms, the last one shortened so that the budget ends with an attempt; `None` when the budget is spent.
pub fn delay(attempt: u32, left: Duration) -> Option<Duration> {
    let Some(doublings) = attempt.checked_sub(1) else {
        return Some(Duration::ZERO);
    };
    let step = FIRST.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
    (!left.is_zero()).then(|| step.min(left))
}
