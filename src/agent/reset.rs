//! When a provider takes work again: the ways in which agents say it, and what they come to once the time is known.
//! Texts are read here only where an agent has no field for it; a text that is not understood is "unknown", never a guess.

use jiff::civil::{Date, DateTime, Time as WallTime};
use serde::{Deserialize, Serialize};

use crate::core::time::Time;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// A wall time without a date that is so little in the past is meant as now, not as tomorrow.
const JUST_PASSED_MS: i64 = 10 * MINUTE_MS;

/// The time as the caller knows it when an agent has ended: handed in, since nothing here reads a clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// When the agent ended.
    pub now: Time,
    /// Seconds that local time is ahead of UTC; some agents name local wall time only.
    pub utc_offset_sec: i32,
}

/// When work is taken again, as the agent said it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "when", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reset {
    /// It did not say, or not in words that are understood.
    #[default]
    Unknown,
    /// At a point in time.
    At {
        /// The point.
        time: Time,
    },
    /// After a while, counted from the end of the call.
    After {
        /// The while, in seconds.
        sec: u64,
    },
    /// At a time of the wall clock.
    Wall {
        /// The date, `YYYY-MM-DD`; `None` means the next time that the clock shows it.
        date: Option<Date>,
        /// Hour (0 to 23) and minute.
        time: WallTime,
        /// True when the clock is UTC, false when it is the local one.
        utc: bool,
    },
}

impl Reset {
    /// The point in time, or `None` when it is unknown.
    pub fn resolve(&self, clock: Clock) -> Option<Time> {
        match self {
            Reset::Unknown => None,
            Reset::At { time } => Some(*time),
            Reset::After { sec } => Some(clock.now.plus_ms(sec.saturating_mul(1000))),
            Reset::Wall { date, time, utc } => {
                let offset_ms = if *utc {
                    0
                } else {
                    i64::from(clock.utc_offset_sec) * 1000
                };
                let local_now = clock.now.0.saturating_add(offset_ms);
                let day = match date {
                    Some(date) => *date,
                    None => day_of(local_now)?,
                };
                // Agents cut the seconds off: the end of the named minute is never too early.
                let mut at = local_ms(day.to_datetime(*time))?.saturating_add(MINUTE_MS);
                if date.is_none() && at < local_now.saturating_sub(JUST_PASSED_MS) {
                    at = at.saturating_add(DAY_MS);
                }
                Some(Time(at.saturating_sub(offset_ms)))
            }
        }
    }

    /// What an error text says about it.
    pub fn in_text(text: &str) -> Reset {
        let lower = text.to_lowercase();
        epoch(&lower)
            .or_else(|| after(&lower))
            .or_else(|| wall(&lower))
            .unwrap_or_default()
    }
}

fn day_of(local_ms: i64) -> Option<Date> {
    Date::constant(1970, 1, 1)
        .checked_add(
            jiff::Span::new()
                .try_days(local_ms.div_euclid(DAY_MS))
                .ok()?,
        )
        .ok()
}

fn local_ms(at: DateTime) -> Option<i64> {
    jiff::tz::Offset::UTC
        .to_timestamp(at)
        .ok()
        .map(|stamp| stamp.as_millisecond())
}

/// `… limit reached|1795333585`: seconds since the epoch after a bar.
fn epoch(text: &str) -> Option<Reset> {
    let (_, after) = text.split_once("limit reached|")?;
    let seconds: i64 = digits(after).parse().ok()?;
    Some(Reset::At {
        time: Time(seconds.saturating_mul(1000)),
    })
}

/// `retry after 3600s`, `try again in 3 days 4 hours`, `retry in 12.5s`.
fn after(text: &str) -> Option<Reset> {
    let rest = [
        "retry after ",
        "retry-after: ",
        "try again in ",
        "retry in ",
    ]
    .iter()
    .find_map(|lead| text.split_once(lead))?
    .1;
    let mut total = 0u64;
    let mut rest = rest.trim_start();
    let mut found = false;
    loop {
        let number = digits(rest);
        let Ok(count) = number.parse::<u64>() else {
            break;
        };
        let mut unit = rest.get(number.len()..).unwrap_or_default();
        let mut rounded_up = 0;
        if let Some(fraction) = unit.strip_prefix('.') {
            let fraction_digits = digits(fraction);
            if !fraction_digits.is_empty() {
                unit = fraction.get(fraction_digits.len()..).unwrap_or_default();
                rounded_up = 1;
            }
        }
        let unit = unit.trim_start();
        let word: String = unit.chars().take_while(char::is_ascii_alphabetic).collect();
        let (factor, rounded_up) = match word.as_str() {
            "ms" | "millisecond" | "milliseconds" => {
                total = total.saturating_add(count.div_ceil(1000));
                (0, 0)
            }
            "" | "s" | "sec" | "secs" | "second" | "seconds" => (1, rounded_up),
            "m" | "min" | "mins" | "minute" | "minutes" => (60, rounded_up * 60),
            "h" | "hour" | "hours" => (3600, rounded_up * 3600),
            "d" | "day" | "days" => (86_400, rounded_up * 86_400),
            _ => break,
        };
        total = total
            .saturating_add(count.saturating_mul(factor))
            .saturating_add(rounded_up);
        found = true;
        rest = unit
            .get(word.len()..)
            .unwrap_or_default()
            .trim_start_matches([' ', ','])
            .trim_start_matches("and ");
    }
    found.then_some(Reset::After { sec: total })
}

/// `try again at 7:33 am`, `try again at nov 25th, 2026 7:33 am`, `resets 7:46am (utc)`, `resets 7am (utc)`.
fn wall(text: &str) -> Option<Reset> {
    let rest = ["try again at ", "resets at ", "resets ", "reset at "]
        .iter()
        .find_map(|lead| text.split_once(lead))?
        .1;
    let (date, rest) = match leading_date(rest) {
        Some((date, rest)) => (Some(date), rest),
        None => (None, rest),
    };
    let hour_text = digits(rest);
    let mut hour: i8 = hour_text.parse().ok()?;
    let mut rest = rest.get(hour_text.len()..)?;
    let mut minute = 0;
    let mut has_minute = false;
    if let Some(after) = rest.strip_prefix(':') {
        let minute_text = digits(after);
        minute = minute_text.parse().ok()?;
        rest = after.get(minute_text.len()..)?;
        has_minute = true;
    }
    let mut rest = rest.trim_start();
    let half = ["am", "pm"].into_iter().find(|half| rest.starts_with(half));
    if let Some(half) = half {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if half == "pm" { 12 } else { 0 };
        rest = rest.get(half.len()..)?.trim_start();
    } else if !has_minute {
        return None;
    }
    let utc = rest.starts_with("(utc") || rest.starts_with("utc");
    // Another named zone: not known here, so not guessed.
    if rest.starts_with('(') && !utc {
        return None;
    }
    Some(Reset::Wall {
        date,
        time: WallTime::new(hour, minute, 0, 0).ok()?,
        utc,
    })
}

/// `nov 25th, 2026 ` at the start of `text`, and what follows it.
fn leading_date(text: &str) -> Option<(Date, &str)> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let name = text.get(..3)?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let rest = text
        .trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '.')
        .trim_start();
    let day = digits(rest);
    let rest = rest
        .get(day.len()..)?
        .trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == ',')
        .trim_start();
    let year = digits(rest);
    if year.len() != 4 {
        return None;
    }
    let rest = rest.get(year.len()..)?.trim_start_matches([',', ' ']);
    let date = Date::new(
        year.parse().ok()?,
        i8::try_from(month + 1).ok()?,
        day.parse().ok()?,
    )
    .ok()?;
    Some((date, rest.trim_start_matches("at ")))
}

/// The ASCII digits at the start of `text`; at most 18, which fits every number here.
fn digits(text: &str) -> &str {
    let end = text.bytes().take(18).take_while(u8::is_ascii_digit).count();
    text.get(..end).unwrap_or_default()
}
