//! The lists of the page, a line for each of their kind: iterations, steps, what was open at the end, what was told.

use std::fmt;

use super::Records;
use super::words::{cell, checks, none, review, span, when};

/// Lines of the timeline; of more, the first and the last are shown.
const TIMELINE: usize = 400;

impl Records<'_> {
    pub(super) fn iterations(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.run.facts;
        if facts.history.is_empty() {
            return Ok(());
        }
        writeln!(
            page,
            "\n## Iterations\n\n| # | task | commits | boxes | review | checks | said to be complete |\n|---|---|---|---|---|---|---|"
        )?;
        for it in &facts.history {
            writeln!(
                page,
                "| {} | {} | {} | {} | {} | {} | {} |",
                it.number,
                it.task.as_deref().map_or_else(none, cell),
                it.commits,
                it.boxes_ticked,
                review(it),
                checks(it),
                if it.claimed_complete { "yes" } else { "no" },
            )?;
        }
        Ok(())
    }

    pub(super) fn attempts(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            page,
            "\n## Steps\n\n| step | iteration | phase | try | ended as | took | exit | why |\n|---|---|---|---|---|---|---|---|"
        )?;
        for step in self.steps {
            let took = step.facts.started_at.zip(step.facts.ended_at);
            writeln!(
                page,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                step.generation,
                step.iteration,
                step.phase,
                step.attempt,
                step.state.as_str(),
                took.map_or_else(none, |(from, to)| span(to.ms_since(from))),
                step.facts
                    .exit_code
                    .map_or_else(none, |code| code.to_string()),
                step.facts.message.as_deref().map_or_else(none, cell),
            )?;
        }
        Ok(())
    }

    /// What was open at the end.
    pub(super) fn failures(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let notes = &self.run.facts.notes;
        let mut lines = Vec::new();
        lines.extend(
            notes
                .signals
                .iter()
                .map(|it| format!("signal: {}", it.as_str())),
        );
        let failed = notes.failures.iter();
        lines.extend(failed.map(|it| format!("check `{}`: {}", cell(&it.command), cell(&it.why))));
        lines.extend(
            notes
                .findings
                .as_deref()
                .map(|it| format!("review: {}", cell(it))),
        );
        lines.extend(
            notes
                .conflict
                .iter()
                .map(|it| format!("conflict: {}", cell(it))),
        );
        if lines.is_empty() {
            return Ok(());
        }
        writeln!(page, "\n## Open at the end\n")?;
        lines.iter().try_for_each(|line| writeln!(page, "- {line}"))
    }

    pub(super) fn timeline(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(page, "\n## Timeline\n")?;
        let half = TIMELINE / 2;
        let all = self.events.len();
        for (at, event) in self.events.iter().enumerate() {
            let left_out = all > TIMELINE && (half..all - half).contains(&at);
            if !left_out {
                let payload = cell(&event.payload.to_string());
                writeln!(page, "- {} {} {payload}", when(Some(event.at)), event.kind)?;
            } else if at == half {
                writeln!(page, "- … {} more …", all - TIMELINE)?;
            }
        }
        Ok(())
    }
}
