//! Recorded streams of real agents against what they come to: `streams/expected.txt`, one line for each recording.
//! The file is the specification; `UPDATE_STREAMS=1` writes it anew, for a person to read the difference.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use agent_loop::agent::{Clock, Dialect, Event, Exit, Parser, Report, ResultClass};
use agent_loop::core::time::Time;

/// 2026-11-22 07:10 UTC, shortly after most of the recordings.
pub const CLOCK: Clock = Clock {
    now: Time(1_795_331_400_000),
    utc_offset_sec: 0,
};

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agent/streams")
}

/// Every recording: its stem, its dialect, its standard output and standard error.
pub fn recordings() -> Vec<(String, Dialect, Vec<u8>, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let kind = path.extension().unwrap().to_str().unwrap();
        if !["jsonl", "txt"].contains(&kind) || stem == "expected" {
            continue;
        }
        let agent = stem.split('-').next().unwrap();
        let dialect = match (agent, kind) {
            ("aider", _) => Dialect::Aider,
            (_, "txt") => Dialect::Text,
            (agent, _) => Dialect::ALL
                .into_iter()
                .find(|dialect| dialect.as_str() == agent)
                .unwrap(),
        };
        let stderr = std::fs::read_to_string(path.with_extension("stderr")).unwrap_or_default();
        all.push((stem, dialect, std::fs::read(&path).unwrap(), stderr));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn exit(how: &str) -> Exit {
    let mut exit = Exit::default();
    match how {
        "timeout" => exit.timed_out = true,
        "idle" => exit.idle = true,
        "cancel" => exit.canceled = true,
        _ => match how.strip_prefix("sig") {
            Some(signal) => exit.signal = Some(signal.parse().unwrap()),
            None => exit.code = Some(how.parse().unwrap()),
        },
    }
    exit
}

pub fn parse(dialect: Dialect, stdout: &[u8], stderr: &str, exit: &Exit) -> (Vec<Event>, Report) {
    let mut events = Vec::new();
    let mut parser = Parser::new(dialect);
    parser.feed(stdout, &mut |event| events.push(event));
    let report = parser.finish(exit, stderr, CLOCK, &mut |event| events.push(event));
    (events, report)
}

fn line(stem: &str, how: &str, report: &Report) -> String {
    let class = match &report.class {
        ResultClass::Limited {
            resets_at: Some(at),
        } => {
            format!("limited until {}", (at.0 - CLOCK.now.0) / 1000)
        }
        other => other.as_str().to_owned(),
    };
    let mut usage = format!(
        "{}/{}",
        report.usage.input_tokens, report.usage.output_tokens
    );
    if let Some(cost) = report.usage.cost_usd {
        write!(usage, " ${cost:.5}").unwrap();
    }
    if report.usage_of_session {
        usage.push_str(" of session");
    }
    let session = report.session.as_deref().unwrap_or("-");
    let session = session.get(..8).unwrap_or(session);
    let model = report.model.as_deref().unwrap_or("-");
    let mut extra = String::new();
    if report.raw_lines > 0 {
        write!(extra, " raw={}", report.raw_lines).unwrap();
    }
    for denied in &report.denied {
        write!(extra, " denied={:?}", cut(denied, 20)).unwrap();
    }
    format!(
        "{stem} | {how} | {class} | {usage} | {session} {model}{extra} | {:?} | {}",
        cut(&report.final_message, 80),
        report.message
    )
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[test]
fn every_recorded_stream_comes_to_what_the_table_says() {
    let path = directory().join("expected.txt");
    let expected = std::fs::read_to_string(&path).unwrap();
    let (comment, rows): (Vec<&str>, Vec<&str>) =
        expected.lines().partition(|row| row.starts_with('#'));
    let exits: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| {
            let mut cells = row.split(" | ");
            (cells.next().unwrap(), cells.next().unwrap().trim())
        })
        .collect();
    let recordings = recordings();
    let mut actual: Vec<String> = comment.iter().map(|&row| row.to_owned()).collect();
    for (stem, dialect, stdout, stderr) in &recordings {
        let listed: Vec<&str> = exits
            .iter()
            .filter(|(name, _)| name == stem)
            .map(|(_, how)| *how)
            .collect();
        assert!(!listed.is_empty(), "{stem} is not in the table");
        for how in listed {
            let (_, report) = parse(*dialect, stdout, stderr, &exit(how));
            actual.push(line(stem, how, &report));
        }
    }
    assert_eq!(
        rows.len(),
        actual.len() - comment.len(),
        "a recording is missing"
    );
    let actual = actual.join("\n") + "\n";
    if std::env::var_os("UPDATE_STREAMS").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    for (expected, actual) in expected.lines().zip(actual.lines()) {
        assert_eq!(expected, actual);
    }
}
