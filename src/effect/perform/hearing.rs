//! What an agent said: its stream, read from the start to the end, becomes a report, a transcript beside it, and the end of
//! that. Repeated after a crash, it comes to the same. Not here: the dialects (`agent`), and what a report means for the run.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;

use super::trouble::{io_trouble, trouble};
use crate::agent::{self, AgentSpec, Parser, Report};
use crate::core::run::{ResultClass, Trouble, TroubleKind};
use crate::core::time::Time;
use crate::effect::keeper::{CommandRecord, Stopped};
use crate::effect::private;

/// Lines of the transcript that `.tail.txt` holds.
const TAIL_LINES: usize = 200;
/// Bytes of standard error that the parser looks at.
const STDERR_TAIL: u64 = 64 * 1024;

/// What the agent said in `dir`, with the end of the transcript that is written beside it.
pub(super) async fn hear(
    spec: &AgentSpec,
    dir: &Path,
    record: &CommandRecord,
    now: Time,
) -> Result<(Report, String), Trouble> {
    let parser = Parser::new(spec.dialect());
    let (dir, heard) = (dir.to_owned(), record.clone());
    let reading = tokio::task::spawn_blocking(move || read_stream(parser, &dir, &heard, now)).await;
    let (mut report, tail) = match reading {
        Ok(read) => read?,
        Err(panic) => {
            return Err(trouble(
                TroubleKind::Transient,
                "internal",
                format!("a bug in loopd: reading the agent's output failed: {panic}"),
            ));
        }
    };
    if let Some(why) = &record.not_started {
        report.class = ResultClass::Refused;
        report.message = format!(
            "agent `{}`: {why}; name another with --agent, or its command in [agents.{0}]",
            spec.name()
        );
    }
    Ok((report, tail))
}

/// Parses the whole stream, writing the transcript beside it. Repeats from the start after a crash.
fn read_stream(
    mut parser: Parser,
    dir: &Path,
    record: &CommandRecord,
    now: Time,
) -> Result<(Report, String), Trouble> {
    let path = dir.join("transcript.txt");
    let told = || io_trouble(format!("write {}", path.display()));
    let mut transcript = BufWriter::new(private::create(&path).map_err(told())?);
    let mut tail: VecDeque<String> = VecDeque::new();
    let mut failed = None;
    let mut take = |event: agent::Event| {
        let Some(text) = agent::render(&event) else {
            return;
        };
        if let Err(error) = writeln!(transcript, "{text}") {
            failed.get_or_insert(error);
        }
        for line in text.lines() {
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line.to_owned());
        }
    };
    if let Ok(mut output) = File::open(dir.join("output")) {
        let mut chunk = vec![0; 256 * 1024];
        loop {
            match output.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => parser.feed(&chunk[..n], &mut take),
                Err(error) => return Err(io_trouble("read the agent's output")(error)),
            }
        }
    }
    let exit = agent::Exit {
        code: record.exit_code,
        signal: record.signal,
        timed_out: record.stopped == Some(Stopped::TimedOut),
        idle: record.stopped == Some(Stopped::Idle),
        canceled: record.stopped == Some(Stopped::Canceled),
    };
    let clock = agent::Clock {
        now,
        utc_offset_sec: utc_offset_sec(now),
    };
    let report = parser.finish(&exit, &end_of(&dir.join("stderr")), clock, &mut take);
    if let Some(error) = failed {
        return Err(told()(error));
    }
    transcript.flush().map_err(told())?;
    let tail: Vec<String> = tail.into();
    Ok((report, tail.join("\n") + "\n"))
}

/// Agents print reset times in local time.
fn utc_offset_sec(now: Time) -> i32 {
    jiff::Timestamp::from_millisecond(now.0)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).offset().seconds())
        .unwrap_or(0)
}

fn end_of(path: &Path) -> String {
    use std::io::{Seek as _, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(STDERR_TAIL)))?;
        let mut bytes = Vec::new();
        file.take(STDERR_TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // Without it only the wording of a cause is poorer.
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}
