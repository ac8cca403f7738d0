//! `report.tsv`: one row for each thing, as it happens, every column filled; and `run.log`, the same for reading.
//! Column order and kinds are the contract of the product's files.

use std::path::Path;

use super::place::RunFiles;
use crate::core::run::PlanReading;
use crate::core::time::Time;
use crate::crash::Place;

/// What was reported, a line each, beside the agent's own state: its key, a tab, and how long the report was before.
const TOLD: &str = "reported";
const REPORT: &str = "report.tsv";
const LOG: &str = "run.log";
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
        let report = self.so_far(REPORT);
        let found = match noted.and_then(|at| at.parse().ok()) {
            Some(at) => row_behind(&report, at, kind),
            None => {
                if let Err(error) = self.add(&told, "", &format!("{key}\t{}\n", report.len())) {
                    tracing::warn!(path = %told.display(), %error, "failed to note what is reported");
                }
                if self.crash.pass(Place::Called, "note") {
                    return;
                }
                None
            }
        };
        let (row, new) = found.map_or_else(
            || {
                let row = line(kind, row, plan, now);
                let new = format!("{row}\n");
                self.append(REPORT, HEADER, &new);
                (row, new)
            },
            |row| (row, String::new()),
        );
        if self.crash.pass(Place::Called, "row") {
            return;
        }
        let logged = self.log_row(&row);
        if self.crash.pass(Place::Called, "log") {
            return;
        }
        self.mirror(REPORT, &new);
        self.mirror(LOG, &logged);
    }

    /// Adds the line of a row to `run.log`, unless it is there: what was added. Rows that read the same have a line each.
    fn log_row(&self, row: &str) -> String {
        let Some(line) = logged(row) else {
            return String::new();
        };
        let (report, log) = (self.so_far(REPORT), self.so_far(LOG));
        let rows = report
            .lines()
            .filter(|it| logged(it).as_ref() == Some(&line));
        let there = log.lines().filter(|it| **it == line);
        if there.count() >= rows.count() {
            return String::new();
        }
        let line = format!("{line}\n");
        self.append(LOG, "", &line);
        line
    }

    /// Adds a line to `run.log`.
    pub fn log(&self, text: &str, now: Time) {
        let line = format!("{} {}\n", when(now.0), field(text));
        self.append(LOG, "", &line);
        self.mirror(LOG, &line);
    }
}

/// The row of this kind that stands in the report behind its first `at` bytes.
fn row_behind(report: &str, at: usize, kind: RowKind) -> Option<String> {
    let is_it = |row: &&str| row.split('\t').nth(1) == Some(kind.as_str());
    report.get(at..)?.lines().find(is_it).map(str::to_owned)
}

/// The row as it is written.
fn line(kind: RowKind, row: &Row<'_>, plan: PlanReading, now: Time) -> String {
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
    format!(
        "{}\t{}\t{}\t{}\t{exit}\t{}\t{}\t{path}\t{message}\t{}\t{}",
        now.0,
        kind.as_str(),
        row.iteration,
        row.duration_ms,
        row.output_bytes,
        row.output_lines,
        plan.done,
        plan.total
    )
}

/// What `run.log` says of a row.
fn logged(row: &str) -> Option<String> {
    let cells: Vec<&str> = row.split('\t').collect();
    let [at, kind, iteration, _, exit, _, _, _, message, ..] = cells.as_slice() else {
        return None;
    };
    let at = when(at.parse().ok()?);
    Some(format!(
        "{at} {kind} iteration {iteration} exit {exit} {message}"
    ))
}

/// A moment in milliseconds since 1970, for reading.
fn when(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |it| it.to_string())
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
        let files = RunFiles::only_in(dir.path(), None);
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

    #[test]
    fn the_log_has_a_line_for_each_row_also_when_its_teller_died_between_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = RunFiles::only_in(dir.path(), None);
        let row = Row {
            message: "true",
            ..Row::default()
        };
        let tell = |key: &str| {
            let plan = PlanReading::default();
            files.report_once(key, RowKind::VerifyCmdEnd, &row, plan, Time(1));
            files.so_far(LOG)
        };
        let line = "1970-01-01T00:00:00.001Z VERIFY_CMD_END iteration 0 exit - true\n";
        assert_eq!(tell("1"), line);
        assert_eq!(tell("2"), line.repeat(2), "another that reads the same");
        assert_eq!(tell("2"), line.repeat(2), "performed again");
        std::fs::write(dir.path().join(LOG), line).expect("written");
        assert_eq!(tell("2"), line.repeat(2), "its teller died before the line");
        assert_eq!(files.so_far(REPORT).lines().count(), 3);
    }
}
