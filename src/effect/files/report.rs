//! `report.tsv`: one row for each thing, as it happens, every column filled; and `run.log`, the same for reading.
//! Column order and kinds are the contract of the product's files.

use std::path::Path;

use super::place::{RunFiles, add};
use crate::core::run::PlanReading;
use crate::core::time::Time;

/// What was reported, a line each, beside the agent's own state.
const TOLD: &str = "reported";
const HEADER: &str = "timestamp_ms\tkind\titeration\tduration_ms\texit_code\toutput_bytes\toutput_lines\toutput_path\tmessage\ttasks_done\ttasks_total\n";

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    RunStart,
    IterationStart,
    IterationEnd,
    ReviewStart,
    ReviewEnd,
    VerifyStart,
    VerifyCmdEnd,
    VerifyEnd,
    WatchdogRewrite,
    CompleteDetected,
    RunEnd,
}

impl RowKind {
    /// The word in the second column.
    pub fn as_str(self) -> &'static str {
        match self {
            RowKind::RunStart => "RUN_START",
            RowKind::IterationStart => "ITERATION_START",
            RowKind::IterationEnd => "ITERATION_END",
            RowKind::ReviewStart => "REVIEW_START",
            RowKind::ReviewEnd => "REVIEW_END",
            RowKind::VerifyStart => "VERIFY_START",
            RowKind::VerifyCmdEnd => "VERIFY_CMD_END",
            RowKind::VerifyEnd => "VERIFY_END",
            RowKind::WatchdogRewrite => "WATCHDOG_REWRITE",
            RowKind::CompleteDetected => "COMPLETE_DETECTED",
            RowKind::RunEnd => "RUN_END",
        }
    }
}

/// One row. What does not apply is `-` in a text column and 0 in a number column, never empty.
#[derive(Clone, Debug, Default)]
pub struct Row<'a> {
    /// The run's iteration; 0 before the first.
    pub iteration: u32,
    /// Of the thing that ended.
    pub duration_ms: u64,
    /// `None` when a signal ended it, or nothing has ended.
    pub exit_code: Option<i32>,
    /// Bytes that it wrote.
    pub output_bytes: u64,
    /// Lines that it wrote.
    pub output_lines: u64,
    /// Where that is.
    pub output_path: Option<&'a Path>,
    /// A few words.
    pub message: &'a str,
}

impl RunFiles {
    /// Adds a row, unless one was added under this key before: what is performed again after a crash is not told again.
    pub fn report_once(
        &self,
        key: &str,
        kind: RowKind,
        row: &Row<'_>,
        plan: PlanReading,
        now: Time,
    ) {
        let told = self.state_dir().join(TOLD);
        let key = field(key);
        // Unreadable: better told twice than not at all.
        let before = std::fs::read_to_string(&told).unwrap_or_default();
        if before.lines().any(|line| line == key) {
            return;
        }
        self.report(kind, row, plan, now);
        if let Err(error) = add(&told, "", &format!("{key}\n")) {
            tracing::warn!(path = %told.display(), %error, "failed to note what was reported");
        }
    }

    /// Adds a row to the report and a line to the log.
    fn report(&self, kind: RowKind, row: &Row<'_>, plan: PlanReading, now: Time) {
        let path = row
            .output_path
            .map_or("-".to_owned(), |p| field(&p.display().to_string()));
        let exit = row
            .exit_code
            .map_or("-".to_owned(), |code| code.to_string());
        let message = match row.message {
            "" => "-".to_owned(),
            text => field(text),
        };
        let kind = kind.as_str();
        self.append(
            "report.tsv",
            HEADER,
            &format!(
                "{}\t{kind}\t{}\t{}\t{exit}\t{}\t{}\t{path}\t{message}\t{}\t{}\n",
                now.0,
                row.iteration,
                row.duration_ms,
                row.output_bytes,
                row.output_lines,
                plan.done,
                plan.total
            ),
        );
        self.log(
            &format!("{kind} iteration {} exit {exit} {message}", row.iteration),
            now,
        );
    }

    /// Adds a line to `run.log`.
    pub fn log(&self, text: &str, now: Time) {
        let at = jiff::Timestamp::from_millisecond(now.0)
            .map_or_else(|_| now.0.to_string(), |t| t.to_string());
        self.append("run.log", "", &format!("{at} {}\n", field(text)));
    }
}

/// A value that cannot break a row: tabs, line ends and other control characters become spaces; bounded.
fn field(text: &str) -> String {
    text.chars()
        .take(2000)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
