//! `analysis/summary.md`: an ended run on a page, made of what is recorded and of nothing else. It needs no agent, and the
//! same records always make the same page. What the figures mean is for its reader, and for the agent that reads it next.

mod lists;
mod words;

use std::fmt::{self, Display};

use crate::store::{StoredEvent, StoredRun, StoredStep};
use words::{cell, none, span, when};

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
}
