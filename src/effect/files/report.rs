//! `report.tsv`: one row for each thing, as it happens, every column filled; and `run.log`, the same for reading.
//! Column order and kinds are the contract of the product's files.

use std::path::Path;

use super::place::{RunFiles, add};
use crate::core::run::PlanReading;
use crate::core::time::Time;

/// What was reported, a line each, beside the agent's own state: its key, a tab, and how long the report was before.
const TOLD: &str = "reported";
const REPORT: &str = "report.tsv";
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
    /// Adds a row, unless one was added under this key before: what is performed again after a crash is not told again. It is
    /// noted first where the row will stand, so that whoever comes after a death in between sees which of both was done.
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
        let mut lines = before.lines();
        let noted = lines.find_map(|line| line.strip_prefix(&key)?.strip_prefix('\t'));
        match noted.and_then(|at| at.parse().ok()) {
            Some(at) if self.has_row(kind, at) => return,
            Some(_) => {}
            None => {
                let end = self.report_so_far().len();
                if let Err(error) = add(&told, "", &format!("{key}\t{end}\n")) {
                    tracing::warn!(path = %told.display(), %error, "failed to note what is reported");
                }
            }
        }
        self.report(kind, row, plan, now);
    }

    /// Whether a row of this kind stands in the report behind its first `at` bytes.
    fn has_row(&self, kind: RowKind, at: usize) -> bool {
        let report = self.report_so_far();
        let rest = report.get(at..).unwrap_or_default();
        let mut rows = rest.split(|byte| *byte == b'\n');
        rows.any(|row| row.split(|byte| *byte == b'\t').nth(1) == Some(kind.as_str().as_bytes()))
    }

    /// The report in the first of its places; empty where there is none yet.
    fn report_so_far(&self) -> Vec<u8> {
        let place = self.first_place().map(|dir| dir.join(REPORT));
        place
            .and_then(|path| std::fs::read(path).ok())
            .unwrap_or_default()
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
            REPORT,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_told_once_also_by_whoever_died_just_before_or_after_it_was_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = RunFiles::only_in(dir.path());
        let plan = PlanReading::default();
        let tell = |key: &str, kind| {
            files.report_once(key, kind, &Row::default(), plan, Time(1));
            std::fs::read_to_string(dir.path().join(REPORT)).expect("a report")
        };
        let first = tell("generation 1 ITERATION_START ", RowKind::IterationStart);
        let second = tell("generation 2 ITERATION_START ", RowKind::IterationStart);
        assert_eq!(second.lines().count(), 3, "a header and two rows: {second}");
        // Performed again.
        assert_eq!(
            tell("generation 1 ITERATION_START ", RowKind::IterationStart),
            second
        );
        assert_eq!(
            tell("generation 2 ITERATION_START ", RowKind::IterationStart),
            second
        );
        // It was noted, and its teller died before the row.
        std::fs::write(dir.path().join(REPORT), &first).expect("written");
        assert_eq!(
            tell("generation 2 ITERATION_START ", RowKind::IterationStart),
            second
        );
        assert_eq!(
            tell("generation 2 ITERATION_START ", RowKind::IterationStart),
            second
        );
        let third = tell("generation 2 ITERATION_END ", RowKind::IterationEnd);
        assert_eq!(third.lines().count(), 4, "{third}");
    }
}
