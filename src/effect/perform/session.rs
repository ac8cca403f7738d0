//! What an agent had said when nobody waits for its end any more, because its step was stopped or lost with its keeper:
//! its session, for the next try to go on with, and what it had used. What follows from it is decided elsewhere.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::agent_step::{agent_of, read_begin};
use super::desk::Desk;
use super::trouble::{io_trouble, trouble};
use crate::agent::{Clock, Exit, Parser, Report};
use crate::core::run::{Left, Trouble, TroubleKind};
use crate::core::time::Time;

/// What the order's step left, where it was an agent's. Only the comfort of a next try depends on it, so that a failure to
/// read it is logged and no more.
pub(super) async fn left(desk: &Desk<'_>) -> Option<Left> {
    match look(desk).await {
        Ok(left) => left,
        Err(trouble) => {
            tracing::warn!(run = %desk.order.run.id, message = trouble.message, "failed to read what a step left");
            None
        }
    }
}

async fn look(desk: &Desk<'_>) -> Result<Option<Left>, Trouble> {
    let dir = desk.step_dir();
    let Some(begin) = read_begin(&dir)? else {
        return Ok(None);
    };
    let spec = agent_of(desk, &begin.called.name)?;
    let parser = Parser::new(spec.dialect());
    let reading = tokio::task::spawn_blocking(move || read(parser, &dir)).await;
    let report = reading.map_err(|panic| {
        let message = format!("a bug in loopd: reading the agent's output failed: {panic}");
        trouble(TroubleKind::Transient, "internal", message)
    })??;
    let Some(report) = report else {
        return Ok(None);
    };
    Ok(Some(Left {
        session: begin.session(&spec, report.session.as_ref()),
        usage: report.usage,
        usage_of_session: report.usage_of_session,
    }))
}

/// Reads a stream to its end, however it ended; `None` where there is none.
fn read(mut parser: Parser, dir: &Path) -> Result<Option<Report>, Trouble> {
    let failed = || io_trouble("read the agent's output");
    let mut output = match File::open(dir.join("output")) {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed()(error)),
    };
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match output.read(&mut chunk).map_err(failed())? {
            0 => break,
            n => parser.feed(chunk.get(..n).unwrap_or_default(), &mut |_| {}),
        }
    }
    // Neither session nor usage depends on how or when it ended.
    let clock = Clock {
        now: Time(0),
        utc_offset_sec: 0,
    };
    Ok(Some(parser.finish(
        &Exit::default(),
        "",
        clock,
        &mut |_| {},
    )))
}
