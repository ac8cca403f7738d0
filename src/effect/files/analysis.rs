//! `analysis/summary.md`: an ended run on a page, made of what is recorded and of nothing else. It needs no agent, and the
//! same records always make the same page. What the figures mean is for its reader, and for the agent that reads it next.

use std::fmt::{self, Display, Write as _};

use crate::core::time::Time;
use crate::core::watchdog::{Checks, Iteration, Review};
use crate::store::{StoredEvent, StoredRun, StoredStep};

/// Lines of the timeline; of more, the first and the last are shown.
const TIMELINE: usize = 400;
/// Characters of one cell or of one line of the timeline.
const CELL: usize = 160;

/// Everything that is recorded of a run.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    /// The run, ended.
    pub run: &'a StoredRun,
    /// Its steps, oldest first.
    pub steps: &'a [StoredStep],
    /// What the world was told of it, in order.
    pub events: &'a [StoredEvent],
    /// The content of `report.tsv`; empty where there is none.
    pub report: &'a str,
}

impl Display for Records<'_> {
    fn fmt(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(page)?;
        self.counts(page)?;
        self.times(page)?;
        self.iterations(page)?;
        self.attempts(page)?;
        self.failures(page)?;
        self.timeline(page)
    }
}

impl Records<'_> {
    fn head(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (run, facts) = (self.run, &self.run.facts);
        writeln!(page, "# Summary of {}\n", cell(run.name()))?;
        let mut row = |name: &str, value: String| writeln!(page, "- {name}: {value}");
        row("run", run.id.to_string())?;
        row("ended", Self::outcome_of(run))?;
        if !facts.terms.has_checks {
            row("unverified", "it had no verify_cmds".to_owned())?;
        }
        row(
            "spec, plan",
            format!("{}, {}", run.spec.spec_path, run.spec.plan_path),
        )?;
        row("agent", facts.agent(&run.spec.agent).to_owned())?;
        row(
            "tasks",
            format!("{} of {} done", facts.plan.done, facts.plan.total),
        )?;
        let most = facts.terms.limits.iterations;
        row(
            "iterations",
            format!("{} of at most {most}", facts.iteration),
        )?;
        let cost = facts.usage.cost_micro_usd.map_or_else(
            || "cost unknown".to_owned(),
            |micro| format!("{:.4} USD", micro as f64 / 1e6),
        );
        let (sent, received) = (facts.usage.input_tokens, facts.usage.output_tokens);
        row("usage", format!("{sent} tokens in, {received} out, {cost}"))?;
        row("created", when(Some(run.created_at)))?;
        row("started", when(facts.started_at))?;
        row("over", when(facts.ended_at))?;
        let took = facts.started_at.zip(facts.ended_at);
        row(
            "took",
            took.map_or_else(none, |(from, to)| span(to.ms_since(from))),
        )?;
        if let Some(tree) = &facts.worktree {
            row(
                "branch",
                format!(
                    "{} from {} ({})",
                    tree.run_branch, tree.base_branch, tree.base_commit
                ),
            )?;
            row("target", tree.merge_target_branch.clone())?;
        }
        // By the run itself, or by a person afterwards, which only the events tell.
        let mut merges = self.events.iter().filter(|it| it.kind == "MERGE_FINISHED");
        let last = merges.next_back();
        let told = last.and_then(|it| it.payload["commit"].as_str().map(str::to_owned));
        row(
            "merged as",
            facts.merge_commit.clone().or(told).unwrap_or_else(none),
        )
    }

    /// How the run ended, in a line.
    pub fn outcome_of(run: &StoredRun) -> String {
        let state = run.state.as_str();
        match &run.facts.failure {
            Some(failure) => format!("{state}: {}: {}", failure.code, cell(&failure.message)),
            None => state.to_owned(),
        }
    }

    /// Which end of which run is meant, in a line.
    pub fn head_of(run: &StoredRun) -> String {
        let (name, ended) = (cell(run.name()), when(run.facts.ended_at));
        format!("{name}, ended {ended}: {}", Self::outcome_of(run))
    }

    fn counts(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |kind: &str| self.events.iter().filter(|it| it.kind == kind).count();
        let verdict = |word: &str| {
            let reviews = self.events.iter().filter(|it| it.kind == "REVIEW_FINISHED");
            reviews.filter(|it| it.payload["verdict"] == word).count()
        };
        let checks = |passed: bool| {
            let all = self
                .events
                .iter()
                .filter(|it| it.kind == "VERIFICATION_FINISHED");
            all.filter(|it| it.payload["passed"] == passed).count()
        };
        let steps = |state: &str| {
            self.steps
                .iter()
                .filter(|it| it.state.as_str() == state)
                .count()
        };
        let facts = &self.run.facts;
        writeln!(page, "\n## Counts\n")?;
        for (name, count) in [
            ("reviews that approved", verdict("approved")),
            ("reviews that sent back", verdict("changes_requested")),
            ("reviews without a verdict", verdict("unavailable")),
            ("verifications passed", checks(true)),
            ("verifications failed", checks(false)),
            ("steps that succeeded", steps("succeeded")),
            ("steps that failed", steps("failed")),
            ("steps that were tried again", steps("retrying")),
            ("steps that were stopped", steps("canceled")),
            ("usage limits met", told("AGENT_LIMITED")),
            ("prompts rewritten", told("WATCHDOG_REWRITE")),
            ("holds and pauses", told("RUN_PAUSED")),
            ("merge conflicts", told("MERGE_CONFLICT")),
            (
                "merges sent back by a moved target",
                facts.catch_ups as usize,
            ),
        ] {
            writeln!(page, "- {name}: {count}")?;
        }
        Ok(())
    }

    /// Where the time went, by the rows of the report.
    fn times(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            page,
            "\n## Time\n\n| what | times | in all | longest |\n|---|---|---|---|"
        )?;
        for (kind, name) in [
            ("ITERATION_END", "implementing"),
            ("REVIEW_END", "reviewing"),
            ("VERIFY_CMD_END", "checking"),
        ] {
            let rows = self.report.lines().map(|row| row.split('\t'));
            let took: Vec<u64> = rows
                .filter_map(|mut row| (row.nth(1)? == kind).then_some(row)?.nth(1)?.parse().ok())
                .collect();
            let (all, longest) = (took.iter().sum(), took.iter().max().copied().unwrap_or(0));
            writeln!(
                page,
                "| {name} | {} | {} | {} |",
                took.len(),
                span(all),
                span(longest)
            )?;
        }
        Ok(())
    }

    fn iterations(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
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

    fn attempts(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
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
    fn failures(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
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

    fn timeline(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
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

fn review(it: &Iteration) -> &'static str {
    match it.review {
        Review::NotAsked => "-",
        Review::Approved => "approved",
        Review::ChangesRequested => "sent back",
    }
}

fn checks(it: &Iteration) -> &'static str {
    match it.checks {
        Checks::None => "-",
        Checks::Passed => "passed",
        Checks::Failed { .. } => "failed",
    }
}

fn none() -> String {
    "-".to_owned()
}

fn when(at: Option<Time>) -> String {
    let at = at.and_then(|at| jiff::Timestamp::from_millisecond(at.0).ok());
    at.map_or_else(none, |at| at.to_string())
}

/// A duration for people.
fn span(ms: u64) -> String {
    let (seconds, tenths) = (ms / 1000, ms % 1000 / 100);
    match seconds {
        0..60 => format!("{seconds}.{tenths} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Text that stays in its cell: one line, no bars, not too long.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == CELL {
            cell.push('…');
            break;
        }
        let _ = match c {
            '|' => write!(cell, "\\|"),
            c if c.is_control() => write!(cell, " "),
            c => write!(cell, "{c}"),
        };
    }
    cell
}
