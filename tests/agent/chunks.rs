//! The parser under bytes as they come: cut anywhere, broken, endless.

use agent_loop::agent::{Dialect, Event, Exit, MAX_LINE_BYTES, MAX_MESSAGE_BYTES, Parser, Report};
use proptest::prelude::*;

use super::streams::{CLOCK, recordings};

const ENDED: Exit = Exit {
    code: Some(0),
    signal: None,
    timed_out: false,
    idle: false,
    canceled: false,
};

fn in_chunks<'a>(dialect: Dialect, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Report) {
    let mut events = Vec::new();
    let mut parser = Parser::new(dialect);
    for chunk in chunks {
        parser.feed(chunk, &mut |event| events.push(event));
    }
    let report = parser.finish(&ENDED, "", CLOCK, &mut |event| events.push(event));
    (events, report)
}

#[test]
fn a_stream_means_the_same_however_it_is_cut() {
    for (stem, dialect, bytes, _) in recordings() {
        let whole = in_chunks(dialect, std::iter::once(bytes.as_slice()));
        for size in [1, 2, 7, 64, 1000, 4096] {
            assert!(
                whole == in_chunks(dialect, bytes.chunks(size)),
                "{stem} in chunks of {size}"
            );
        }
    }
}

#[test]
fn a_stream_that_breaks_off_anywhere_is_parsed_and_is_not_done_before_its_result() {
    for (stem, dialect, bytes, _) in recordings() {
        if dialect == Dialect::Text {
            continue;
        }
        let step = (bytes.len() / 40).max(1);
        for end in (0..bytes.len()).step_by(step) {
            let cut = bytes.get(..end).unwrap();
            let (events, report) = in_chunks(dialect, std::iter::once(cut));
            let done = events
                .iter()
                .any(|event| matches!(event, Event::Result { .. }));
            if !done {
                assert_ne!(report.class.as_str(), "done", "{stem} cut at {end}");
            }
        }
    }
}

#[test]
fn bytes_that_are_no_utf8_are_data() {
    let mut stream = b"{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"caf\xff\xfe\"}]}}\n".to_vec();
    stream.extend_from_slice(b"\xff\xfe\x00 no json\n");
    let (events, report) = in_chunks(Dialect::Claude, stream.chunks(3));
    assert_eq!(report.final_message, "caf\u{fffd}\u{fffd}");
    assert_eq!(report.raw_lines, 1);
    assert!(matches!(events.last(), Some(Event::Raw { .. })));

    let (_, plain) = in_chunks(Dialect::Text, [&b"a\xffb\r\nc"[..]].into_iter());
    assert_eq!(plain.final_message, "a\u{fffd}b\nc\n");
}

#[test]
fn lines_that_are_not_understood_are_counted_and_harmless() {
    for dialect in Dialect::ALL {
        if matches!(dialect, Dialect::Text | Dialect::Aider) {
            continue;
        }
        let stream = "no json\n[1,2]\n{}\n{\"type\":\"tomorrow\"}\n\n   \n3\n\"x\"\n{\"type\":7}\n";
        let (events, report) = in_chunks(dialect, std::iter::once(stream.as_bytes()));
        assert_eq!(report.raw_lines, 7, "{dialect:?} {events:?}");
        assert_eq!(report.class.as_str(), "crashed");
    }
}

#[test]
fn deep_nesting_is_a_line_that_is_not_understood() {
    let stream = "[".repeat(1_000_000) + "\n";
    let (_, report) = in_chunks(Dialect::Claude, std::iter::once(stream.as_bytes()));
    assert_eq!(report.raw_lines, 1);
}

#[test]
fn an_endless_line_is_skipped_and_the_next_one_is_read() {
    // In a process of its own, whose memory is nobody else's.
    let alone = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "agent::chunks::reads_an_endless_line",
            "--ignored",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&alone.stdout);
    assert!(said.contains("1 passed"), "{said}");
}

/// Not a test of its own: the process of the one above.
#[test]
#[ignore = "played by another test"]
fn reads_an_endless_line() {
    let chunk = vec![b'x'; 1 << 20];
    let next = b"\n{\"type\":\"thread.started\",\"thread_id\":\"t1\"}\n";
    let chunks = std::iter::repeat_n(chunk.as_slice(), 300).chain(std::iter::once(&next[..]));
    let before = resident_bytes();
    let mut peak = before;
    let mut events = Vec::new();
    let mut parser = Parser::new(Dialect::Codex);
    for chunk in chunks {
        parser.feed(chunk, &mut |event| events.push(event));
        peak = peak.max(resident_bytes());
    }
    let report = parser.finish(&ENDED, "", CLOCK, &mut |event| events.push(event));
    assert_eq!(report.raw_lines, 1);
    assert_eq!(report.session.as_deref(), Some("t1"));
    // A text without end is no better: of its words only the last are kept.
    let mut parser = Parser::new(Dialect::Text);
    let lines = [&[b'x'; 1023][..], b"\n"].concat().repeat(1024);
    for _ in 0..300 {
        parser.feed(&lines, &mut |_| {});
        peak = peak.max(resident_bytes());
    }
    // Each of the two has 300 MiB.
    assert!(
        peak - before < 50 << 20,
        "memory grew by {} MiB",
        (peak - before) >> 20
    );
}

/// The resident set of this process, in bytes.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn a_line_of_just_the_bound_is_whole_and_one_byte_more_is_too_long() {
    for (extra, raw) in [(0, 0), (1, 1)] {
        let frame = "{\"type\":\"thread.started\",\"thread_id\":\"\"}".len();
        let id = "i".repeat(MAX_LINE_BYTES - frame + extra);
        let next = r#"{"type":"item.completed","item":{"type":"agent_message","text":"next"}}"#;
        let line = format!("{{\"type\":\"thread.started\",\"thread_id\":\"{id}\"}}\n{next}\n");
        for size in [line.len(), 1 << 16, 12_345] {
            let (_, report) = in_chunks(Dialect::Codex, line.as_bytes().chunks(size));
            assert_eq!(report.raw_lines, raw, "{extra} in chunks of {size}");
            assert_eq!(report.final_message, "next", "{extra} in chunks of {size}");
        }
    }
}

#[test]
fn of_a_flood_of_plain_text_the_end_is_kept() {
    let line = b"a line of text that is said again and again\n".repeat(1000);
    let chunks = std::iter::repeat_n(line.as_slice(), 200)
        .chain(std::iter::once(&b"<promise>COMPLETE</promise>\n"[..]));
    let (_, report) = in_chunks(Dialect::Text, chunks);
    assert!(report.final_message.len() <= MAX_MESSAGE_BYTES);
    assert!(
        report
            .final_message
            .ends_with("<promise>COMPLETE</promise>\n")
    );
}

#[test]
fn of_a_long_message_the_end_is_kept() {
    let long = "x".repeat(MAX_MESSAGE_BYTES) + "end";
    for line in [
        format!(r#"{{"type":"text","text":"{long}"}}"#),
        format!(r#"{{"type":"result","end":{{"how":"done"}},"message":"{long}"}}"#),
    ] {
        let (_, report) = in_chunks(Dialect::Normal, std::iter::once(line.as_bytes()));
        assert_eq!(report.final_message.len(), MAX_MESSAGE_BYTES);
        assert!(report.final_message.ends_with("xend"));
    }
}

#[test]
fn of_a_long_message_no_character_is_cut_in_two() {
    for before in ["", "x", "xx"] {
        let line = format!("{before}{}", "€".repeat(400_000));
        let (_, report) = in_chunks(Dialect::Text, std::iter::once(line.as_bytes()));
        let kept = report.final_message.len();
        assert!(
            (MAX_MESSAGE_BYTES - 3..=MAX_MESSAGE_BYTES).contains(&kept),
            "{kept} bytes after {before:?}"
        );
    }
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "{\"type\":\"assistant\",\"message\":{\"id\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"usage\":{\"input_tokens\":18446744073709551615,\"cache_read_input_tokens\":7}}}",
        "{\"type\":\"result\",\"is_error\":false,\"result\":\"bye\"}",
        "{\"type\":\"message\",\"role\":\"assistant\",\"content\":\"half\",\"delta\":true}",
        "{\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\"text\":\"hi\"}}",
        "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":18446744073709551615}}",
        "{\"type\":\"step_finish\",\"part\":{\"reason\":\"stop\",\"tokens\":{\"input\":-1}}}",
        "{\"type\":\"text\",\"text\":\"ours\"}",
        "litellm.RateLimitError: x",
        "Retrying in 99999999999999999999 seconds",
        "Tokens: 1.0k sent, 5 received.",
        "\n",
        "\r\n",
        "Aider v1",
        "\u{1b}[31mred",
        "é",
    ]);
    let any = prop::collection::vec(any::<u8>(), 0..12);
    prop::collection::vec(
        prop_oneof![3 => words.prop_map(|word| word.as_bytes().to_vec()), 1 => any],
        0..24,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_panic_and_no_cut_matters(
        bytes in pieces(),
        dialect in prop::sample::select(Dialect::ALL.to_vec()),
        cuts in prop::collection::vec(0usize..4096, 0..8),
    ) {
        let whole = in_chunks(dialect, std::iter::once(bytes.as_slice()));
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut start = 0;
        let mut chunks = Vec::new();
        for cut in cuts {
            chunks.push(&bytes[start..cut]);
            start = cut;
        }
        prop_assert_eq!(whole, in_chunks(dialect, chunks.into_iter()));
    }
}
