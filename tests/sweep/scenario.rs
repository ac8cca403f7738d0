//! The stories. Together they pass through every state and every decision between them. A person's part is a function of
//! what is stored, so that it can be taken up after any death.

use agent_loop::core::run::State;
use agent_loop::store::StoredRun;
use serde_json::{Value, json};

use super::scene::Scene;

/// What a person does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Pause,
    Resume,
    Cancel,
    Retry,
}

impl Wish {
    /// As the API calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Wish::Pause => "pause",
            Wish::Resume => "resume",
            Wish::Cancel => "cancel",
            Wish::Retry => "retry",
        }
    }
}

const ONE_TASK: &str = "# Plan\n\n- [ ] first thing\n";

/// A story.
pub struct Scenario {
    pub name: &'static str,
    /// The script of each run's agent.
    pub scripts: &'static [&'static str],
    pub settings: fn() -> Value,
    /// How each run ends; of the others it is not known.
    pub ends: &'static [State],
    /// The branch that is merged into.
    pub target: &'static str,
    /// The target is there, and checked out, before the first run.
    pub checked_out: bool,
    pub plan: &'static str,
    /// Runs of the workspace at a time.
    pub slots: usize,
    /// What a person does, seeing a run (and which of them it is) and the kinds of its events.
    pub person: fn(&Scene, usize, &StoredRun, &[String]) -> Option<Wish>,
}

fn nothing(_: &Scene, _: usize, _: &StoredRun, _: &[String]) -> Option<Wish> {
    None
}

/// Somebody works and is not going to end.
fn waits(scene: &Scene, run: &StoredRun) -> bool {
    run.state == State::Running && scene.outside().join("waiting").exists()
}

/// A rejected review and a failed verification, then a merge into the branch that the user has checked out.
pub const EVENTFUL: Scenario = Scenario {
    name: "eventful",
    scripts: &[r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { write = { path = "state", text = "bad" } }, { tick = "next" }, { commit = "One" }, { sh = "../keep.sh" }, "complete"]
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { write = { path = "state", text = "good" } }, { tick = "next" }, { commit = "Two" }, { sh = "../keep.sh" }, "complete"]
        [[turn]]
        role = "review"
        steps = [{ sh = "../enter.sh review $PPID" }, { verdict = { approved = false, findings = "it is bad" } }]
        [[turn]]
        role = "review"
        steps = [{ sh = "../enter.sh review $PPID" }, { verdict = { approved = true } }]
    "#],
    settings: || json!({ "merge_target_branch": "main", "verify_cmds": ["../enter.sh check $$; test $(cat state) = good"] }),
    ends: &[State::Completed],
    target: "main",
    checked_out: true,
    plan: ONE_TASK,
    slots: 1,
    person: nothing,
};

/// No progress until the prompt is rewritten, a usage limit, and work that nobody commits.
pub const STUCK: Scenario = Scenario {
    name: "stuck",
    scripts: &[r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { say = "I am thinking about it." }]
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { say = "I am thinking about it." }]
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { limit = { resets_in_sec = 1 } }]
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { write = { path = "left", text = "over" } }, { tick = "next" }, "complete"]
    "#],
    settings: || json!({ "reviewer": false }),
    ends: &[State::Completed],
    target: "agent/thing",
    checked_out: false,
    plan: ONE_TASK,
    slots: 1,
    person: nothing,
};

/// A name by a model, a pause in the middle of the work, and a target that moves meanwhile.
pub const OPERATED: Scenario = Scenario {
    name: "operated",
    scripts: &[r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { write = { path = "half", text = "half" } }, { sh = "touch ../waiting; sleep 1000" }]
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { sh = "../move.sh other theirs" }, { tick = "next" }, { commit = "Done" }, { sh = "../keep.sh" }, "complete"]
    "#],
    settings: || json!({ "reviewer": false, "run_naming_mode": "haiku", "verify_cmds": ["../enter.sh check $$"] }),
    ends: &[State::Completed],
    target: "agent/thing",
    checked_out: false,
    plan: ONE_TASK,
    slots: 1,
    person: |scene, _, run, told| match run.state {
        State::Running if waits(scene, run) && !told.iter().any(|kind| kind == "RUN_PAUSED") => {
            Some(Wish::Pause)
        }
        State::Paused => Some(Wish::Resume),
        _ => None,
    },
};

/// A conflict with the target, which the agent settles; a merge commit.
pub const CONFLICT: Scenario = Scenario {
    name: "conflict",
    scripts: &[r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { write = { path = "shared", text = "ours" } }, { sh = "../move.sh shared theirs" }, { tick = "next" }, { commit = "Ours" }, { sh = "../keep.sh" }, "complete"]
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID; git merge agent/thing || true" }, { write = { path = "shared", text = "both" } }, { commit = "Settle it" }, { sh = "../keep.sh" }, "complete"]
    "#],
    settings: || json!({ "reviewer": false, "merge_strategy": "merge" }),
    ends: &[State::Completed],
    target: "agent/thing",
    checked_out: false,
    plan: ONE_TASK,
    slots: 1,
    person: nothing,
};

/// A run is canceled at work, and the one that waits behind it has its slot; a model names both of them alike.
pub const CANCELED: Scenario = Scenario {
    name: "canceled",
    scripts: &[
        r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { write = { path = "half", text = "half" } }, { commit = "Half" }, { sh = "../keep.sh; touch ../waiting; sleep 1000" }]
        "#,
        r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { tick = "next" }, { commit = "Done" }, { sh = "../keep.sh" }, "complete"]
        "#,
    ],
    settings: || json!({ "reviewer": false, "run_naming_mode": "haiku" }),
    ends: &[State::Canceled, State::Completed],
    target: "agent/thing",
    checked_out: false,
    plan: ONE_TASK,
    slots: 1,
    person: |scene, which, run, _| (which == 0 && waits(scene, run)).then_some(Wish::Cancel),
};

pub const ALL: [&Scenario; 5] = [&EVENTFUL, &STUCK, &OPERATED, &CONFLICT, &CANCELED];
