//! `loopctl events [RUN]`: what has happened, of all runs or of one. `-f` goes on: for one run until it has ended, for
//! all of them until it is interrupted; it resumes by itself after a broken connection, without gap or repeat.

use crate::cli::client::call::Call;
use crate::cli::client::follow::{Follow, Next};
use crate::cli::client::uri::{run_path, with_query};
use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::render;
use clap::builder::NonEmptyStringValueParser;

use super::wait::{event, fetch, may_rest};

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl events -f --after 1200 --json")]
pub struct Arguments {
    /// Only of this run: id, unique prefix or suffix of it, or name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub run: Option<String>,
    /// Go on with what happens from now on
    #[arg(short, long)]
    pub follow: bool,
    /// Only what comes after this sequence number
    #[arg(long, value_name = "SEQ")]
    pub after: Option<i64>,
}

/// Prints.
///
/// # Errors
/// No daemon, no such run, or a daemon that stays away.
pub async fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let client = context.client().await?;
    let (doing, path) = match &arguments.run {
        Some(run) => (
            format!("read the events of run {run}"),
            run_path(run, "/events"),
        ),
        None => ("read the events".to_owned(), "/events".to_owned()),
    };
    let after = arguments.after.map(|seq| seq.to_string());
    let go_on = if arguments.follow {
        None
    } else {
        Some("false")
    };
    let path = with_query(&path, &[("after", after.as_deref()), ("follow", go_on)]);
    let mut stream = Follow::new(&client, Call::get(doing, path));
    loop {
        let message = match stream.next().await? {
            Next::Message(message) => message,
            Next::Closed if !arguments.follow => return Ok(()),
            Next::Closed => match &arguments.run {
                Some(run) if fetch(&client, run).await?.status.has_ended() => return Ok(()),
                Some(_) | None => continue,
            },
        };
        let event = event(&message)?;
        if context.global.json {
            context.data(&message.data)?;
        } else {
            context.line(render::event::line(&event))?;
        }
        if let (true, Some(run), true) = (arguments.follow, &arguments.run, may_rest(&event)) {
            let run = fetch(&client, run).await?;
            // An end before this one was followed by a retry or a reset.
            if run.status.has_ended() && run.ended_at.is_none_or(|ended| event.at >= ended) {
                return Ok(());
            }
        }
    }
}
