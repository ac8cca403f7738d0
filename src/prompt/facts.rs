//! What a template can name. One plain record, filled in by whoever sends a prompt; spec and plan are named by path,
//! never copied in. Every field is always there (an absent one is none, false or an empty list), so that a misspelt name
//! is an error in every run and not only in some.

use serde::{Deserialize, Serialize};

use crate::core::plan::CompletionMode;
use crate::core::run::Mode;
use crate::core::watchdog::Signal;

/// The facts of one prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptFacts {
    /// The run's id.
    pub run_id: String,
    /// Its name.
    pub run_name: String,
    /// The iteration, from 1.
    pub iteration: u32,
    /// The spec, relative to the workspace.
    pub spec_path: String,
    /// The plan, relative to the workspace.
    pub plan_path: String,
    /// The run's worktree: an absolute path.
    pub workspace: String,
    /// The run's branch.
    pub branch: String,
    /// The branch it began at.
    pub base_branch: String,
    /// The branch the work goes to; none where it is not merged.
    pub merge_target: Option<String>,
    /// What the iteration is for.
    pub mode: Mode,
    /// The task, in mode `task`.
    pub task: Option<TaskFacts>,
    /// Tasks done, as the plan says.
    pub tasks_done: u32,
    /// Tasks in all.
    pub tasks_total: u32,
    /// Files the agent is told to read, relative to the workspace.
    pub context_files: Vec<String>,
    /// Heading of the plan's section of learnings; none where it has none.
    pub learnings: Option<String>,
    /// What failed last: checks, with the end of their output.
    pub runner_notes: Option<String>,
    /// What the last review found.
    pub review_findings: Option<String>,
    /// A summary of the iteration before.
    pub last_iteration: Option<String>,
    /// What the watchdog saw.
    pub signals: Vec<Signal>,
    /// Files of a merge conflict.
    pub conflict_files: Vec<String>,
    /// What a person said when resuming the run.
    pub operator_note: Option<String>,
    /// The checks.
    pub verify_cmds: Vec<String>,
    /// What the agent says when all is done.
    pub completion_token: String,
    /// Where it has to say it.
    pub completion_mode: CompletionMode,
    /// Skills that are offered, those that were selected for the task first.
    pub skills: Vec<SkillFacts>,
    /// Names of skills for which there was no room.
    pub skills_left_out: Vec<String>,
    /// Globs the agent must not change.
    pub protected_paths: Vec<String>,
    /// The commits to review, as git names a range; none in other prompts.
    pub review_range: Option<String>,
    /// The verdict is asked for by schema, and not by a line; in reviews only.
    pub verdict_by_schema: bool,
    /// How the run ended, for a postmortem.
    pub outcome: Option<String>,
    /// Where the run's files are, for a postmortem.
    pub run_dir: Option<String>,
}

/// The task of an iteration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFacts {
    /// Its text, without bullet and box.
    pub text: String,
    /// Its line in the plan, from 1.
    pub line: u32,
    /// The heading above it.
    pub section: Option<String>,
    /// What its heading says it is blocked by.
    pub blocked_by: Option<String>,
}

/// A skill that is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillFacts {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: String,
    /// When to use it, in one line.
    pub hint: String,
    /// What it says, cut where it is long; none of a skill that was not selected for the task.
    pub text: Option<String>,
}

impl PromptFacts {
    /// An example in which every field says something: what templates are tried out on before a run depends on them.
    pub fn example() -> Self {
        let text = |text: &str| Some(text.to_owned());
        PromptFacts {
            run_id: "01890000-0000-7000-8000-000000000000".to_owned(),
            run_name: "greeting".to_owned(),
            iteration: 3,
            spec_path: "specs/greeting.md".to_owned(),
            plan_path: "specs/planning/greeting-plan.md".to_owned(),
            workspace: "/home/ada/repo.run-greeting".to_owned(),
            branch: "run/greeting".to_owned(),
            base_branch: "main".to_owned(),
            merge_target: text("agent/greeting"),
            mode: Mode::Task,
            task: Some(TaskFacts {
                text: "Greet in the user's language".to_owned(),
                line: 12,
                section: text("Languages"),
                blocked_by: text("the translations"),
            }),
            tasks_done: 4,
            tasks_total: 9,
            context_files: vec!["CONTRIBUTING.md".to_owned()],
            learnings: text("Learnings"),
            runner_notes: text("cargo test: exit 101\ntest greets_in_french ... FAILED"),
            review_findings: text("- src/greet.rs:12: the empty name is not handled"),
            last_iteration: text("1 commit, no box ticked"),
            signals: vec![Signal::VerificationFailed],
            conflict_files: vec!["src/greet.rs".to_owned()],
            operator_note: text("French first, please."),
            verify_cmds: vec!["cargo test".to_owned()],
            completion_token: "<promise>COMPLETE</promise>".to_owned(),
            completion_mode: CompletionMode::Trailing,
            skills: vec![SkillFacts {
                name: "translations".to_owned(),
                path: ".loop/skills/translations/SKILL.md".to_owned(),
                hint: "how texts are translated here".to_owned(),
                text: text("Texts stand in `i18n/`, a file for each language."),
            }],
            skills_left_out: vec!["zebras".to_owned()],
            protected_paths: vec![".loop/**".to_owned()],
            review_range: text("1111111..2222222"),
            verdict_by_schema: false,
            outcome: text("failed: max_consecutive_failures:verification:3"),
            run_dir: text("/data/runs/run-01890000-0000-7000-8000-000000000000"),
        }
    }

    /// An example in which every field that may be absent is.
    pub(super) fn bare_example() -> Self {
        PromptFacts {
            merge_target: None,
            mode: Mode::Mend,
            task: None,
            context_files: Vec::new(),
            learnings: None,
            runner_notes: None,
            review_findings: None,
            last_iteration: None,
            signals: Vec::new(),
            conflict_files: Vec::new(),
            operator_note: None,
            verify_cmds: Vec::new(),
            skills: Vec::new(),
            skills_left_out: Vec::new(),
            protected_paths: Vec::new(),
            review_range: None,
            outcome: None,
            run_dir: None,
            ..PromptFacts::example()
        }
    }
}
