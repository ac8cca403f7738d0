//! How long a run waits: before the next try of a step, until a usage limit resets, until the disk has room or can be
//! written again.
//! Durations are spread by a hash of the run's seed, so that runs that failed together do not come back together.

use super::super::agent_result::ResultClass;
use super::super::data::TroubleKind;
use super::super::facts::Facts;
use super::super::machine::Event;
use super::super::parts::{Wait, WaitWhy};
use crate::core::time::Time;

/// The longest wait between two tries, in seconds.
const MAX_BACKOFF_SEC: u64 = 120;
/// The first wait for a usage limit whose reset nobody told, in milliseconds; it doubles.
const UNKNOWN_LIMIT_MS: u64 = 15 * 60 * 1000;
/// The first wait for a usage limit whose reset is said to be over already, in milliseconds; it doubles, too.
const PAST_LIMIT_MS: u64 = 1000;
/// The longest such waits.
const MAX_UNKNOWN_LIMIT_MS: u64 = 2 * 60 * 60 * 1000;
/// How often the disk is looked at again, in milliseconds, and only while a run waits for it.
const DISK_LOOK_MS: u64 = 30 * 1000;

impl Facts {
    /// Sets the time of the next try: exponential, capped, spread by up to a quarter.
    pub(super) fn set_back_off(&mut self, event: &Event, now: Time) {
        let tries = if let Event::EffectFailed { .. } = event {
            self.troubles
        } else {
            self.attempt += 1;
            self.attempt
        };
        let base = u64::from(self.terms.agent_retry_backoff_sec);
        let doubled = base.saturating_mul(1 << tries.saturating_sub(1).min(16));
        let ms = doubled.min(MAX_BACKOFF_SEC) * 1000;
        let spread = mix(self.terms.jitter_seed ^ self.generation) % (ms / 4 + 1);
        self.due = Some(now.plus_ms(ms - ms / 8 + spread));
    }

    /// Sets the gate that holds the run until it may go on: room on the disk, or a disk that can be written, for an effect
    /// that failed; the reset of the limit for an agent that met one.
    pub(super) fn set_wait(&mut self, event: &Event, now: Time) {
        if let Event::EffectFailed { trouble, .. } = event {
            self.wait = Some(Wait {
                until: now.plus_ms(DISK_LOOK_MS),
                why: match trouble.kind {
                    TroubleKind::ReadOnly => WaitWhy::ReadOnly,
                    TroubleKind::NoSpace
                    | TroubleKind::Transient
                    | TroubleKind::NeedsPerson
                    | TroubleKind::Permanent => WaitWhy::Disk,
                },
                message: self.last_message.clone(),
            });
            return;
        }
        let told = match self.last_result {
            Some(ResultClass::Limited { resets_at }) => resets_at,
            Some(
                ResultClass::Done
                | ResultClass::MaxTurns
                | ResultClass::Budget
                | ResultClass::Auth
                | ResultClass::Refused
                | ResultClass::SessionGone
                | ResultClass::Crashed
                | ResultClass::TimedOut
                | ResultClass::Canceled,
            )
            | None => None,
        };
        let doubled = |first: u64| (first << self.limits_met.min(16)).min(MAX_UNKNOWN_LIMIT_MS);
        // A reset that lies in the past (a clock that jumped, a limit that was just over) is looked at again soon, but
        // never at once, and less and less often: a provider that keeps saying so must not make the run spin.
        let until = match told {
            Some(reset) if reset > now => reset,
            Some(_) => now.plus_ms(doubled(PAST_LIMIT_MS)),
            None => now.plus_ms(doubled(UNKNOWN_LIMIT_MS)),
        };
        self.limits_met = self.limits_met.saturating_add(1);
        self.wait = Some(Wait {
            until,
            why: WaitWhy::Limit,
            message: self.last_message.clone(),
        });
    }
}

/// A well-mixed 64-bit value (the finaliser of SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
