//! Runs: a line of the list, the whole of one, its steps and its files.

use jiff::Timestamp;

use super::style::{DIM, HEADING, of, paint};
use super::table::Columns;
use super::text::{plain, step_tail, tail};
use super::time::{age, moment};
use crate::api::wire::{Artifact, ConfinementLevel, Run, Status, Step, StepAgent, StepStatus};

/// Why a run is where it is: its hold, its failure, what it is doing, or that no check proved it;
/// empty when there is nothing to add.
pub fn why(run: &Run) -> String {
    match (&run.hold, &run.failure, &run.stage) {
        (Some(hold), _, _) => format!("{}: {}", hold.gate, hold.message),
        (None, Some(failure), _) => format!("{}: {}", failure.code, failure.message),
        (None, None, Some(stage)) => stage.clone(),
        (None, None, None) if run.unverified && run.status == Status::Completed => {
            "unverified: it had no verify_cmds".to_owned()
        }
        (None, None, None) => String::new(),
    }
}

/// What a person has done with the run since it ended; empty when nothing.
fn handed_over(run: &Run) -> String {
    match (run.review_status.as_deref(), &run.merge_commit, &run.pr_url) {
        (Some("merged"), Some(commit), _) => format!("merged as {commit}"),
        (Some("pr_created"), _, Some(url)) => url.clone(),
        (Some(status), _, _) => status.to_owned(),
        (None, _, _) => String::new(),
    }
}

/// What a list says of a run: where it stands, or what has become of it.
fn remark(run: &Run) -> String {
    let scrapped = run.review_status.as_deref() == Some("scrapped");
    match why(run) {
        why if why.is_empty() || scrapped => handed_over(run),
        why => why,
    }
}

/// The list.
pub fn list(runs: &[Run], now: Timestamp) -> Vec<String> {
    let mut table = Columns::new(&["RUN", "STATE", "ITER", "TASKS", "AGE", "NAME", "WHY"]);
    for run in runs {
        let cells = [
            tail(run.id),
            run.state.clone(),
            run.iteration.to_string(),
            format!("{}/{}", run.tasks_done, run.tasks_total),
            age(now, run.created_at),
            run.name.clone(),
            shorten(&remark(run)),
        ];
        table.row(of(run.status), &cells);
    }
    table.lines()
}

/// A long reason belongs to `inspect`; a list keeps its head.
fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// One line: what a request led to.
pub fn line(run: &Run) -> String {
    let state = paint(of(run.status), &plain(&run.state));
    let name = plain(&run.name);
    let mut line = format!("{}  {state}  {name}", tail(run.id));
    for more in [why(run), handed_over(run)] {
        if !more.is_empty() {
            line.push_str("  ");
            line.push_str(&plain(&more));
        }
    }
    line
}

/// Everything about one run.
pub fn whole(run: &Run, now: Timestamp) -> Vec<String> {
    let none = || "-".to_owned();
    let text = |value: &Option<String>| value.clone().unwrap_or_else(none);
    let when = |at: Option<Timestamp>| at.map_or_else(none, moment);
    let tree = &run.worktree;
    let cost = match run.usage.cost_usd {
        Some(cost) => format!("{cost:.2} USD"),
        None => "cost not told".to_owned(),
    };
    let mut rows = vec![
        ("run", run.id.to_string()),
        ("name", run.name.clone()),
        ("state", run.state.clone()),
    ];
    match why(run) {
        why if why.is_empty() => {}
        why => rows.push(("why", why)),
    }
    rows.extend([
        ("iteration", run.iteration.to_string()),
        (
            "tasks",
            format!("{} of {} done", run.tasks_done, run.tasks_total),
        ),
        ("agent", run.agent.clone()),
        ("priority", run.priority.to_string()),
        ("workspace", run.workspace_root.clone()),
        ("spec", run.spec_path.clone()),
        ("plan", run.plan_path.clone()),
        ("base branch", text(&tree.base_branch)),
        ("run branch", text(&tree.run_branch)),
        (
            "merges into",
            format!(
                "{} ({})",
                tree.merge_target_branch,
                word(&tree.merge_strategy)
            ),
        ),
        ("worktree", text(&tree.worktree_path)),
        (
            "kept",
            if tree.kept.is_empty() {
                none()
            } else {
                tree.kept.join("; ")
            },
        ),
        ("merge commit", text(&run.merge_commit)),
        ("pull request", text(&run.pr_url)),
        ("review status", text(&run.review_status)),
        (
            "handover",
            run.handover.as_ref().map_or_else(none, |it| {
                let message = it.message.as_ref();
                let message = message.map_or(String::new(), |text| format!(": {text}"));
                format!("{}{message}", it.state)
            }),
        ),
        (
            "analysis",
            run.postmortem
                .as_ref()
                .map_or_else(none, |it| match (it.ended_at, &it.failure) {
                    (None, _) => "at work".to_owned(),
                    (Some(_), Some(why)) => format!("a summary, no report: {why}"),
                    (Some(_), None) if it.written => "a summary, and a report".to_owned(),
                    (Some(_), None) => "a summary".to_owned(),
                }),
        ),
        (
            "usage",
            format!(
                "{} tokens in, {} out, {cost}",
                run.usage.input_tokens, run.usage.output_tokens
            ),
        ),
        (
            "created",
            format!(
                "{} ({} ago)",
                moment(run.created_at),
                age(now, run.created_at)
            ),
        ),
        ("queued", when(run.queued_at)),
        ("started", when(run.started_at)),
        ("ended", when(run.ended_at)),
    ]);
    rows.into_iter()
        .map(|(label, value)| {
            let value = plain(&value);
            let value = match label {
                "state" => paint(of(run.status), &value),
                _ => value,
            };
            format!("{} {value}", paint(DIM, &format!("{label:<14}")))
        })
        .collect()
}

/// The steps of a run, oldest first.
pub fn steps(steps: &[Step], now: Timestamp) -> Vec<String> {
    let mut table = Columns::new(&[
        "STEP", "ITER", "PHASE", "STATUS", "TRY", "TOOK", "EXIT", "AGENT", "CONFINED", "OUTPUT",
    ]);
    for step in steps {
        let took = match (step.started_at, step.ended_at) {
            (Some(start), end) => age(end.unwrap_or(now), start),
            (None, _) => "-".to_owned(),
        };
        let cells = [
            step_tail(&step.id),
            step.iteration.to_string(),
            word(&step.phase),
            word(&step.status),
            step.attempt.to_string(),
            took,
            step.exit_code
                .map_or_else(|| "-".to_owned(), |c| c.to_string()),
            step.agent.as_ref().map_or_else(|| "-".to_owned(), agent),
            step.confinement
                .as_ref()
                .map_or_else(|| "-".to_owned(), |c| word(&c.level)),
            step.output_path.clone().unwrap_or_else(|| "-".to_owned()),
        ];
        let like = match step.status {
            StepStatus::Queued | StepStatus::Retrying => Status::Pending,
            StepStatus::InProgress => Status::Running,
            StepStatus::Succeeded => Status::Completed,
            StepStatus::Failed => Status::Failed,
            StepStatus::Canceled => Status::Canceled,
        };
        table.row(of(like), &cells);
    }
    table.lines()
}

/// What the steps of a run could write although they should not: each sentence once, after how far such a step was confined.
pub fn lacks(steps: &[Step]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for confinement in steps.iter().filter_map(|step| step.confinement.as_ref()) {
        let how_far = match confinement.level {
            ConfinementLevel::Off | ConfinementLevel::None => "not confined",
            ConfinementLevel::Partial => "confined in part",
            ConfinementLevel::Full => "confined",
        };
        for lack in &confinement.lacks {
            let line = format!("{how_far}: {}", plain(lack));
            if !told.contains(&line) {
                told.push(line);
            }
        }
    }
    told
}

/// An agent, with its version where it tells one.
fn agent(agent: &StepAgent) -> String {
    match &agent.version {
        Some(version) => format!("{} {version}", agent.name),
        None => agent.name.clone(),
    }
}

/// The registered files of a run.
pub fn artifacts(artifacts: &[Artifact]) -> Vec<String> {
    let mut table = Columns::new(&["ARTIFACT", "WHERE", "PATH"]);
    for artifact in artifacts {
        let cells = [
            artifact.kind.clone(),
            artifact.location.clone(),
            artifact.path.clone(),
        ];
        table.row(anstyle::Style::new(), &cells);
    }
    table.lines()
}

/// A wire enum by the word that it has on the wire.
pub fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// A heading of a part.
pub fn heading(text: &str) -> String {
    paint(HEADING, text)
}
