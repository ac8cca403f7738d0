//! What error texts come to, and when work is taken again.

use agent_loop::agent::{Clock, Event, Fault, Reset, render};
use agent_loop::core::time::Time;

/// 2026-11-22 07:10 UTC.
const NOW: Time = Time(1_795_331_400_000);
const UTC: Clock = Clock {
    now: NOW,
    utc_offset_sec: 0,
};

fn kind(text: &str) -> &'static str {
    match Fault::new(None, text) {
        Fault::Limited { reset: _ } => "limited",
        Fault::Auth => "auth",
        Fault::Refused => "refused",
        Fault::NoSession => "no session",
        Fault::Interrupted => "interrupted",
        Fault::Other => "other",
    }
}

/// Seconds from now until the reset that `text` tells.
fn wait(text: &str, clock: Clock) -> Option<i64> {
    let at = Reset::in_text(text).resolve(clock)?;
    Some((at.0 - NOW.0) / 1000)
}

#[test]
fn errors_are_told_apart_by_status_and_words() {
    for (expected, text) in [
        (
            "auth",
            "unexpected status 401 Unauthorized: x, url: http://h/s/529/x",
        ),
        ("auth", "401 {\"type\":\"error\"}"),
        ("auth", "[API Error: {\"error\":{\"code\":401}}]"),
        ("auth", "API Error: 403 forbidden"),
        ("auth", "Invalid API key · Fix external API key"),
        ("auth", "Please run /login"),
        (
            "limited",
            "exceeded retry limit, last status: 429 Too Many Requests",
        ),
        ("limited", "Request rejected (429) · later"),
        ("limited", "You’ve hit your usage limit."),
        (
            "refused",
            "429 insufficient_quota: check your plan and billing details",
        ),
        ("refused", "Your credit balance is too low"),
        (
            "refused",
            "prompt is too long: 250000 tokens > 200000 maximum",
        ),
        ("refused", "status 404: model gone"),
        (
            "no session",
            "No conversation found with session ID: 00000000-0000-4000-8000-000000000001",
        ),
        ("no session", "404 session not found: ses_1"),
        ("other", "status 529 <unknown status code>: Overloaded"),
        ("other", "500 internal"),
        ("other", "wrote 401 files"),
        (
            "other",
            "see http://localhost/429/x, request id: req_401401",
        ),
        ("other", "took 429 ms"),
        ("other", "error 4290: odd"),
        ("auth", "ended with code 101: status 401"),
        ("other", "barcode401 is sold out"),
        ("other", "removed some (429 files)"),
        ("limited", "usage limit of this oauth token"),
        ("other", ""),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
}

#[test]
fn a_status_field_outweighs_the_words() {
    assert_eq!(Fault::new(Some(503), "rate limit"), Fault::Other);
    assert_eq!(Fault::new(Some(401), "rate limit"), Fault::Auth);
    assert_eq!(Fault::new(Some(402), "rate limit"), Fault::Refused);
}

#[test]
fn reset_times_are_read_in_every_known_form() {
    for (expected, text) in [
        (Some(3600), "Suggested retry after 3600s.]"),
        (Some(13), "Please retry in 12.5s."),
        (Some(1), "retry in 250ms"),
        (
            Some(3 * 86_400 + 4 * 3600 + 60),
            "try again in 3 days 4 hours and 1 minute.",
        ),
        (Some(1440), "or try again at 7:33 AM."),
        (Some(7 * 3600 + 51 * 60), "try again at 3:00 PM."),
        (Some(2220), "You've hit your limit · resets 7:46am (UTC)"),
        (Some(3060), "resets 8am (UTC)"),
        (
            Some(1440),
            "try again at 7:33 AM. See (https://example.org)",
        ),
        (Some(1440), "resets at 07:33 UTC"),
        (
            Some(2 * 86_400 + 1440),
            "Try again at Nov 24th, 2026 7:33 AM.",
        ),
        (
            Some(2 * 86_400 + 1440),
            "Try again at Nov 24th, 2026 at 7:33 AM.",
        ),
        // A while is more exact than a time of the clock.
        (Some(90), "resets 8am (UTC), so try again in 90 seconds"),
        // A date is meant as it stands.
        (Some(1440 - 86_400), "Try again at Nov 21st, 2026 7:33 AM."),
        (None, "Try again at Nov 24th 7:33 AM."),
        (None, "Try again at Nov 24th, 26 7:33 AM."),
        (None, "try again at 7 or so"),
        (Some(2185), "Claude AI usage limit reached|1795333585"),
        (None, "resets 3pm (Europe/Berlin)"),
        (None, "try again later"),
        (None, "try again at noon"),
        (None, "try again at 25:99"),
        (None, "try again at 13:00 PM"),
        (None, "retry after a while"),
        (None, "Try again at Feb 31st, 2026 7:33 AM"),
        (None, ""),
    ] {
        assert_eq!(wait(text, UTC), expected, "{text}");
    }
}

#[test]
fn a_wall_time_is_local_and_the_next_of_its_kind() {
    let berlin = Clock {
        now: NOW,
        utc_offset_sec: 3600,
    };
    // 07:10 UTC is 08:10 there.
    assert_eq!(wait("try again at 8:33 AM.", berlin), Some(1440));
    assert_eq!(wait("try again at 7:33 AM.", berlin), Some(86_400 - 2160));
    // 23:10 there, on the day before.
    let los_angeles = Clock {
        now: NOW,
        utc_offset_sec: -8 * 3600,
    };
    assert_eq!(wait("try again at 11:33 PM.", los_angeles), Some(1440));
    // Seconds are cut off: 07:10 is now, and not tomorrow.
    assert_eq!(wait("try again at 7:10 AM.", UTC), Some(60));
    assert_eq!(wait("try again at 7:05 AM.", UTC), Some(-240));
    assert_eq!(
        wait("try again at 12:05 AM.", UTC),
        Some(16 * 3600 + 56 * 60)
    );
}

#[test]
fn absurd_figures_saturate() {
    for text in [
        "retry after 99999999999999999999s",
        "retry after 999999999999999999 days",
        "limit reached|999999999999999999",
    ] {
        let _ = wait(text, UTC);
        let far = Clock {
            now: Time(i64::MAX),
            utc_offset_sec: i32::MAX,
        };
        let _ = Reset::in_text(text).resolve(far);
        let _ = Reset::in_text("try again at 7:33 AM").resolve(far);
    }
}

#[test]
fn a_transcript_tells_what_failed() {
    let answer = |ok: bool| {
        render(&Event::ToolResult {
            ok,
            summary: "no such file".to_owned(),
        })
    };
    assert_eq!(answer(true).as_deref(), Some("  no such file"));
    assert_eq!(answer(false).as_deref(), Some("  failed: no such file"));
}

#[test]
fn a_transcript_cannot_command_the_terminal() {
    let event = Event::Text {
        text: "red \u{1b}[31m\u{1b}]0;title\u{7} \u{9b}2J\rline\n\tend".to_owned(),
    };
    let shown = render(&event).unwrap();
    assert!(
        shown
            .chars()
            .all(|c| !c.is_control() || c == '\n' || c == '\t'),
        "{shown:?}"
    );
    assert!(shown.starts_with("red ") && shown.ends_with("\n\tend"));
}
