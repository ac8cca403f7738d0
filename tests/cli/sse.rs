//! The parser of event streams, by the rules of the HTML standard.

use std::time::Duration;

use agent_loop::cli::client::sse::{MAX_BYTES, Message, Parser, TooLong};
use proptest::prelude::*;

fn parse(chunks: &[&[u8]]) -> Vec<Message> {
    let mut parser = Parser::default();
    let mut out = Vec::new();
    for chunk in chunks {
        parser.feed(chunk, &mut out).expect("short enough");
    }
    out
}

fn one(text: &str) -> Vec<Message> {
    parse(&[text.as_bytes()])
}

fn message(event: &str, data: &str, id: &str) -> Message {
    Message {
        event: event.to_owned(),
        data: data.to_owned(),
        id: id.to_owned(),
    }
}

#[test]
fn a_message_has_a_type_data_and_an_id() {
    let text = "event: RUN_CREATED\nid: 7\ndata: {}\n\n";
    assert_eq!(one(text), [message("RUN_CREATED", "{}", "7")]);
}

#[test]
fn lines_of_data_are_joined_by_a_line_feed() {
    let text = "data: a\ndata:\ndata:  b\n\n";
    assert_eq!(one(text), [message("", "a\n\n b", "")]);
}

#[test]
fn every_kind_of_line_end_ends_a_line() {
    let expected = [message("", "a", "1"), message("", "b", "1")];
    assert_eq!(one("id: 1\r\ndata: a\r\n\r\ndata: b\r\n\r\n"), expected);
    assert_eq!(one("id: 1\rdata: a\r\rdata: b\r\r"), expected);
    assert_eq!(one("id: 1\ndata: a\n\ndata: b\n\n"), expected);
}

#[test]
fn a_line_end_cut_in_two_is_one_line_end() {
    let chunks: &[&[u8]] = &[b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n"];
    assert_eq!(parse(chunks), [message("", "a\nb", "")]);
}

#[test]
fn a_byte_order_mark_is_skipped_once() {
    assert_eq!(one("\u{feff}data: a\n\n"), [message("", "a", "")]);
    assert_eq!(
        one("\ndata: a\n\u{feff}data: b\n\n"),
        [message("", "a", "")]
    );
}

#[test]
fn comments_and_unknown_fields_are_no_messages() {
    assert_eq!(one(": keep-alive\n\nfoo: bar\nfoo\n\n"), []);
}

#[test]
fn a_message_without_data_is_dropped_but_its_id_is_kept() {
    assert_eq!(
        one("id: 9\nevent: x\n\ndata: a\n\n"),
        [message("", "a", "9")]
    );
}

#[test]
fn an_id_with_a_nul_is_ignored_and_an_empty_one_clears() {
    assert_eq!(one("id: 1\nid: 2\0\ndata\n\n"), [message("", "", "1")]);
    assert_eq!(one("id: 1\ndata\n\nid\ndata\n\n")[1].id, "");
}

#[test]
fn what_is_not_finished_is_not_delivered() {
    assert_eq!(one("data: a\n"), []);
}

#[test]
fn bytes_that_are_not_utf8_are_data() {
    let chunks: &[&[u8]] = &[b"data: \xff\xfe\n\n"];
    assert_eq!(parse(chunks), [message("", "\u{fffd}\u{fffd}", "")]);
}

#[test]
fn a_pause_that_the_server_wishes_is_known() {
    let mut parser = Parser::default();
    let mut out = Vec::new();
    parser
        .feed(b"retry: 1500\nretry: soon\nretry: -1\n", &mut out)
        .expect("short");
    assert_eq!(parser.retry(), Some(Duration::from_millis(1500)));
}

#[test]
fn a_message_without_end_is_refused_before_it_fills_the_memory() {
    let mut parser = Parser::default();
    let mut out = Vec::new();
    let line = vec![b'x'; MAX_BYTES];
    assert_eq!(parser.feed(b"data: ", &mut out), Ok(()));
    assert_eq!(parser.feed(&line, &mut out), Err(TooLong));
    let mut parser = Parser::default();
    let lines = b"data: 0123456789\n".repeat(MAX_BYTES / 10);
    assert_eq!(parser.feed(&lines, &mut out), Err(TooLong));
}

proptest! {
    #[test]
    fn always_where_a_stream_is_cut_makes_no_difference(
        lines in prop::collection::vec("(data|id|event|retry|:|x)?:? ?[a-z\u{e9}\u{0}]{0,4}(\r\n|\r|\n|\n\n|\r\n\r\n|\r\r)", 0..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = lines.concat().into_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
        at.push(whole.len());
        at.sort_unstable();
        let mut from = 0;
        let chunks: Vec<&[u8]> = at.iter().map(|&to| &whole[std::mem::replace(&mut from, to)..to]).collect();
        prop_assert_eq!(parse(&chunks), parse(&[&whole]));
    }

    #[test]
    fn always_what_was_said_is_heard(data in "[^\r\n\0]{0,40}(\n[^\r\n\0]{0,40}){0,3}", id in "[0-9]{1,8}") {
        let body: String = data.split('\n').map(|line| format!("data: {line}\n")).collect();
        let text = format!("id: {id}\n{body}\n");
        prop_assert_eq!(one(&text), [message("", &data, &id)]);
    }

    #[test]
    fn never_arbitrary_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&[&bytes]);
    }
}
