//! The key table: every key once, with all that parsing, validation, suggestions, `loopctl init` and
//! `docs/configuration.md` need to know of it. A key is added here and as a field in `types`; a test compares the two.

use super::choices::*;
use super::key::{Form, Key, Kind, Scope};

/// The most that `iterations` takes.
pub const MOST_ITERATIONS: u32 = 10_000;

const WEEK_SEC: u64 = 7 * 24 * 60 * 60;
const KIB: u64 = 1024;
const GIB: u64 = 1024 * 1024 * KIB;

const fn daemon(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key::new(Scope::Daemon, name, kind, default, doc)
}

const fn run(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key::new(Scope::Run, name, kind, default, doc)
}

const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

/// Every key, in the order of the docs.
#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    daemon("max_concurrent_runs", count(1, 1000), "3", "Runs that may be active at once."),
    daemon("max_runs_per_workspace", count(1, 1000), "1", "Runs that may be active at once in one repository, whatever path it was named by."),
    daemon("queue_policy", Kind::Choice(QUEUE_POLICIES), "\"fifo\"", "Order of the queue among runs of one priority."),
    daemon("aging_starts", count(0, 1_000_000), "8", "With `newest_first`: so many younger starts may overtake one run."),
    daemon("min_free_disk_mb", count(0, 1_000_000_000), "500", "Nothing is started while less than this many MiB are free; 0 turns the gate off."),
    daemon("shutdown", Kind::Choice(Shutdown::WORDS), "\"keep\"", "What a stopping daemon does with steps that still work: they go on and are adopted at the next start, or they are stopped."),
    daemon("retention_days", count(0, 36_500), "30", "Days after its end for which the worktree, the branch and the files of a run are kept; then `gc`, which the daemon does by itself once a day, removes what cannot be lost. 0: for ever."),
    daemon("allowed_hosts", Kind::List(Form::Host), "[]", "Names besides loopback that the `Host` of a request may carry."),
    daemon("global_log_dir", Kind::Text(Form::PathAbsolute), "\"\"", "Directory whose `runs` holds the files of runs; not set: the data directory. Runs of a repository whose git directory either of them lies in are refused. A run keeps the place that it was created with.").optional(),
    daemon("notify", Kind::Text(Form::Command), "\"\"", "Command, run by `/bin/sh -c`, that is given each event that needs a person as JSON on its standard input: a hold that no person made, a failure, and work that is proved and left for a person to merge.").optional(),

    run("specs_dir", Kind::Text(Form::PathInside), "\"specs\"", "Folder of the specs."),
    run("plans_dir", Kind::Text(Form::PathInside), "\"specs/planning\"", "Folder of the plans: `<plans_dir>/<spec stem>-plan.md` is taken when no plan is named."),
    run("log_dir", Kind::Text(Form::PathInside), "\"logs/loop\"", "Folder in the workspace where the files of a run are mirrored; never in git's own directory, so that a bare repository has none."),
    run("agent", Kind::Text(Form::Name), "\"claude\"", "The agent: one that loopd knows by name, such as `claude` or `codex`, or one that `[agents.NAME]` defines."),
    run("fallback_agent", Kind::Text(Form::Name), "\"\"", "The agent that takes over with `on_usage_limit = \"fallback\"`.").optional(),
    run("model", Kind::Text(Form::Name), "\"\"", "Model of the implementing agent; not set: the agent's own choice.").optional(),
    run("review_model", Kind::Text(Form::Name), "\"\"", "Model of the reviewer; not set: as `model`.").optional(),
    run("iterations", count(1, MOST_ITERATIONS as u64), "50", "Iterations that a run may spend."),
    run("completion_mode", Kind::Choice(COMPLETION_MODES), "\"trailing\"", "Whether the completion token is the last non-empty line of the agent's last message or all of it."),
    run("reviewer", Kind::Flag, "true", "Whether each iteration is reviewed."),
    run("max_review_rounds", count(1, 1000), "3", "Rejections of one task after which a person is asked."),
    run("prompt_file", Kind::Text(Form::Path), "\"\"", "Template of the implementation prompt; not set: the built-in one.").optional(),
    run("context_files", Kind::List(Form::PathInside), "[]", "Files that the agent is told to read."),
    run("verify_cmds", Kind::List(Form::Command), "[]", "The checks, each run by `/bin/sh -c` in the run's worktree; all of them have to pass."),
    run("verify_timeout_sec", count(1, WEEK_SEC), "1800", "Seconds that one check may take."),
    run("agent_timeout_sec", count(1, WEEK_SEC), "3600", "Seconds that one agent step may take.").alias(&["claude_timeout_sec"]),
    run("agent_idle_timeout_sec", count(0, WEEK_SEC), "1800", "Seconds without output and without work after which an agent step is ended; 0 turns this off."),
    run("agent_retries", count(0, 100), "2", "Further tries of an agent step that crashed or timed out.").alias(&["claude_retries"]),
    run("agent_retry_backoff_sec", count(0, 120), "5", "Seconds before the first further try; doubles with each, up to 120.").alias(&["claude_retry_backoff_sec"]),
    run("stop_grace_sec", count(0, 600), "10", "Seconds between asking a process to end and killing it."),
    run("max_output_bytes", Kind::Size { min: 64 * KIB, max: 64 * GIB }, "\"256 MiB\"", "Output kept of each step: its head and its tail, the cut marked."),
    run("max_tokens", count(0, 1_000_000_000_000), "0", "Tokens that a run may spend; 0: no limit.").optional(),
    run("max_cost_usd", Kind::Money, "0", "US dollars that a run may spend; 0: no limit.").optional(),
    run("on_usage_limit", Kind::Choice(ON_USAGE_LIMIT), "\"wait\"", "What follows a usage limit of the agent's provider."),
    run("max_rewrites", count(0, 100), "2", "Rewritten prompts after which a person is asked."),
    run("max_consecutive_verification_failures", count(1, 10_000), "3", "Failed verifications in a row that fail the run."),
    run("max_consecutive_review_failures", count(0, 10_000), "0", "Rejections in a row that fail the run; 0 turns this off."),
    run("protected_paths", Kind::List(Form::Glob), "[\".loop/**\"]", "Paths that the agent must not change.").grows(),
    run("artifact_mode", Kind::Choice(ArtifactMode::WORDS), "\"mirror\"", "Whether the files of a run are kept in the data directory, in the workspace, or in both. In a bare repository `mirror` is as `global`, with a warning, and `workspace` is refused: it is git's own directory."),
    run("run_naming_mode", Kind::Choice(RunNamingMode::WORDS), "\"spec_slug\"", "Where a run's name comes from when none is given: the file name of its spec, or a model that is asked before the run gets its branch, which then bears that name (see agents.md)."),
    run("run_naming_model", Kind::Text(Form::Name), "\"\"", "Model that makes up names; not set: `haiku`.").optional(),
    run("base_branch", Kind::Text(Form::Branch), "\"\"", "Branch the work starts from; not set: the default branch.").optional(),
    run("run_branch_prefix", Kind::Text(Form::BranchPrefix), "\"run/\"", "What the name of a run's branch begins with."),
    run("merge_target_branch", Kind::Text(Form::Branch), "\"\"", "Branch the proved work goes to; not set: `agent/<spec slug>`.").optional(),
    run("merge_strategy", Kind::Choice(MERGE_STRATEGIES), "\"squash\"", "How it gets there; `none` leaves the run branch for a person."),
    run("worktree_path_template", Kind::Text(Form::WorktreePath), "\"../{{ repo }}.{{ run_branch | sanitize }}\"", "Where the run's worktree stands, relative to the workspace; never in git's own directory, nor in a bare repository. Knows `repo` (the name of the workspace's folder, control characters as `-`), `run_branch`, `run_id`, `run_name` and the filter `sanitize`."),
    run("worktree_cleanup", Kind::Flag, "true", "Whether the worktree of a completed run is removed."),
    run("worktree_provider", Kind::Choice(WorktreeProvider::WORDS), "\"git\"", "What adds a worktree: git, at `worktree_path_template`; Worktrunk's `wt`, where its own configuration says; or `wt` where it is installed and configured, and git elsewhere. Git removes them in any case."),
    run("sandbox", Kind::Choice(Sandbox::WORDS), "\"guard\"", "How far a step is kept from writing elsewhere (see operating.md): as far as this machine can, not at all, or wholly or not started. A workspace file may raise it (`off` < `guard` < `required`), never lower it."),
    run("env_pass", Kind::List(Form::Variable), "[]", "Further environment variables, by name or glob, that reach the agent. A known agent's own (its API keys) reach it anyway."),
    run("summary_json", Kind::Flag, "true", "Whether `summary.json` is written when a run ends."),
    run("postmortem", Kind::Flag, "false", "Whether an ended run is analyzed by itself: a summary of what is recorded, and the report of its agent."),
    run("skills_enabled", Kind::Flag, "false", "Whether skills are offered to the agent: folders with a `SKILL.md`."),
    run("skills_dirs", Kind::List(Form::Path), "[\".loop/skills\", \".claude/skills\", \".agents/skills\"]", "Where skills are looked for: in the workspace at the run's base commit, and in absolute folders where they are. Of two skills of one name the first counts."),
];
