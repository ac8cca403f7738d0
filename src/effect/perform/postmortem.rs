//! Explains an ended run: the summary of what is recorded, which needs nobody, and the report of the run's own agent, which
//! is `explain`'s business. What became of it is told to the run, whatever went wrong: a person waits for it.

use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::explain::{self, Told};
use super::trouble::DAEMON_ENDING;
use super::{Done, Order};
use crate::core::run::{Event, PostmortemReport, Trouble, Usage};
use crate::effect::files::Records;
use crate::store::{Artifact, StoredEvent};

/// Events that are read at a time.
const PAGE: u32 = 1000;

/// Writes the summary, and lets the agent explain.
pub(super) async fn postmortem(desk: &Desk<'_>, stop: &CancellationToken) -> Result<Done, Trouble> {
    let (summary, mut artifacts) = summarize(desk).await?;
    let told = match explain::explain(desk, stop, &summary, &mut artifacts).await {
        Ok(told) => told,
        Err(trouble) if trouble.code == DAEMON_ENDING => return Err(trouble),
        Err(trouble) => {
            desk.world.goes_on().await;
            // Nobody listens to it any more.
            explain::end(desk).await?;
            Told::Failed(trouble.message, Usage::default())
        }
    };
    let report = match told {
        Told::Nothing => PostmortemReport::default(),
        Told::Report(text, usage) => {
            let (name, text) = ("analysis/report.md", page(desk, &text));
            let written = desk
                .files
                .write("analysis", name, text.as_bytes(), desk.now());
            artifacts.extend(written.await);
            PostmortemReport {
                written: true,
                failure: None,
                usage,
            }
        }
        Told::Failed(failure, usage) => PostmortemReport {
            written: false,
            failure: Some(failure),
            usage,
        },
        Told::Busy => return Ok(Done::again("another analysis works")),
        // Where the run has been started anew nobody waits for it, and it is dropped.
        Told::LetGo => return Ok(Done::again("gave way")),
    };
    Ok(over(desk.order, report, "analyzed").with_artifacts(artifacts))
}

/// What is told when not even the summary could be written.
pub(super) fn none(order: &Order, why: String) -> Done {
    let report = PostmortemReport {
        failure: Some(why.clone()),
        ..PostmortemReport::default()
    };
    over(order, report, &why)
}

fn over(order: &Order, report: PostmortemReport, outcome: &str) -> Done {
    let event = Event::Analyzed {
        generation: order.effect.generation,
        report,
    };
    Done::event(event, outcome)
}

/// The report, with a line that says what it is about: a run may end more than once.
fn page(desk: &Desk<'_>, said: &str) -> String {
    let run = &desk.order.run;
    let (agent, run) = (run.facts.agent(&run.spec.agent), Records::head_of(run));
    format!("> `{agent}` on {run}\n\n{}\n", said.trim_end())
}

/// `analysis/summary.md`, from everything that is recorded.
async fn summarize(desk: &Desk<'_>) -> Result<(String, Vec<Artifact>), Trouble> {
    let run = &desk.order.run;
    let steps = desk.world.reader.steps(&run.id).await?;
    let mut events: Vec<StoredEvent> = Vec::new();
    loop {
        let after = events.last().map_or(0, |it| it.seq);
        let page = desk.world.reader.events(Some(&run.id), after, PAGE).await?;
        let last = page.len() < PAGE as usize;
        events.extend(page);
        if last {
            break;
        }
    }
    // The analysis is no part of what it is about, and a repeat makes the same page.
    events.retain(|it| !it.kind.starts_with("POSTMORTEM_"));
    // A report that is not there has no rows.
    let path = desk.files.path("report.tsv");
    let report = tokio::fs::read(path).await.unwrap_or_default();
    let page = Records {
        run,
        steps: &steps,
        events: &events,
        report: &String::from_utf8_lossy(&report),
    }
    .to_string();
    let name = "analysis/summary.md";
    let written = desk
        .files
        .write("analysis", name, page.as_bytes(), desk.now());
    let written = written.await;
    Ok((page, written))
}
