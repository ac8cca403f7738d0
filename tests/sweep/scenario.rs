//! The stories. Together they pass through every state and every decision between them. A person's part is a function of
//! what is stored, so that it can be taken up after any death.

use agent_loop::core::handover::State as Handover;
use agent_loop::core::machine::Kind;
use agent_loop::core::run::State;
use agent_loop::store::{StoredHandover, StoredRun};
use serde_json::{Value, json};

use super::scene::Scene;

/// What a person does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Pause,
    Resume,
    Cancel,
    Retry,
    Merge,
    PullRequest,
    Scrap,
    /// Clean up, long after everything has ended.
    CleanUp,
}

impl Wish {
    /// As the API calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Wish::Pause => "pause",
            Wish::Resume => "resume",
            Wish::Cancel => "cancel",
            Wish::Retry => "retry",
            Wish::Merge => "merge",
            Wish::PullRequest => "create-pr",
            Wish::Scrap => "scrap",
            Wish::CleanUp => "gc",
        }
    }
}

/// What a person sees when looking at one of the runs.
pub struct Seen<'a> {
    /// Which of them it is.
    pub which: usize,
    /// All of them.
    pub runs: &'a [StoredRun],
    /// The kinds of its events.
    pub told: &'a [String],
    /// What has been done with it since its end.
    pub handover: Option<&'a StoredHandover>,
    /// The daemon has something to do for them.
    pub busy: bool,
}

impl Seen<'_> {
    fn run(&self) -> &StoredRun {
        &self.runs[self.which]
    }

    fn all_ended(&self) -> bool {
        let ended = |run: &StoredRun| run.state.kind() == Kind::Ended && run.facts.step.is_none();
        self.runs.iter().all(ended)
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
    /// There is a remote, and a forge.
    pub remote: bool,
    /// Much time passes in it.
    pub long: bool,
    /// What a person does, seeing a run.
    pub person: fn(&Scene, &Seen<'_>) -> Option<Wish>,
}

/// What most stories have in common.
pub const PLAIN: Scenario = Scenario {
    name: "plain",
    scripts: &[],
    settings: || json!({ "reviewer": false }),
    ends: &[State::Completed],
    target: "agent/thing",
    checked_out: false,
    plan: ONE_TASK,
    slots: 1,
    remote: false,
    long: false,
    person: |_, _| None,
};

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
    target: "main",
    checked_out: true,
    ..PLAIN
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
    ..PLAIN
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
    person: |scene, seen| match seen.run().state {
        State::Running
            if waits(scene, seen.run()) && !seen.told.iter().any(|kind| kind == "RUN_PAUSED") =>
        {
            Some(Wish::Pause)
        }
        State::Paused => Some(Wish::Resume),
        _ => None,
    },
    ..PLAIN
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
    ..PLAIN
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
    ends: &[State::Canceled, State::Completed],
    person: |scene, seen| (seen.which == 0 && waits(scene, seen.run())).then_some(Wish::Cancel),
    ..PLAIN
};

/// A canceled run is scrapped while the next one works; that one proves its work, and a person merges it into the branch
/// that is checked out, makes a pull request of it, and scraps it.
pub const HANDED_OVER: Scenario = Scenario {
    name: "handed over",
    scripts: &[
        r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { write = { path = "half", text = "half" } }, { commit = "Half" }, { write = { path = "rest", text = "rest" } }, { sh = "../keep.sh; touch ../waiting; sleep 1000" }]
        "#,
        r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { write = { path = "made", text = "made" } }, { tick = "next" }, { commit = "Done" }, { sh = "../keep.sh" }, "complete"]
        "#,
    ],
    settings: || {
        json!({
            "reviewer": false,
            "merge_strategy": "none",
            "merge_target_branch": "main",
            "verify_cmds": ["../enter.sh check $$"],
        })
    },
    ends: &[State::Canceled, State::Completed],
    target: "main",
    checked_out: true,
    remote: true,
    person: |scene, seen| match (seen.which, seen.run().state, seen.handover) {
        (0, State::Running, _) if waits(scene, seen.run()) => Some(Wish::Cancel),
        (0, State::Canceled, Some(it)) if it.state == Handover::GivenUp => Some(Wish::Scrap),
        (1, State::Completed, Some(it)) => match it.state {
            Handover::Proved => Some(Wish::Merge),
            Handover::Merged if it.facts.pr_url.is_none() => Some(Wish::PullRequest),
            Handover::Merged => Some(Wish::Scrap),
            _ => None,
        },
        _ => None,
    },
    ..PLAIN
};

/// Long after a run was canceled and another one completed, what is left of them goes; then the canceled one is wanted
/// after all, and goes on from where it stood.
pub const CLEANED_UP: Scenario = Scenario {
    name: "cleaned up",
    scripts: &[
        r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID; ../half.sh; [ -e ../waiting ] || { touch ../waiting; sleep 1000; }" }, { tick = "next" }, { commit = "Done" }, { sh = "../keep.sh" }, "complete"]
        "#,
        r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { write = { path = "made", text = "made" } }, { tick = "next" }, { commit = "Done" }, { sh = "../keep.sh" }, "complete"]
        "#,
    ],
    ends: &[State::Completed, State::Completed],
    long: true,
    person: |scene, seen| match (seen.which, seen.run().state) {
        (0, State::Running)
            if waits(scene, seen.run()) && !seen.told.iter().any(|kind| kind == "RUN_CANCELED") =>
        {
            Some(Wish::Cancel)
        }
        (0, State::Canceled) if seen.all_ended() && !seen.busy => {
            let over = seen.runs.iter().all(|run| run.facts.nothing_left);
            Some(if over { Wish::Retry } else { Wish::CleanUp })
        }
        _ => None,
    },
    ..PLAIN
};

/// A run that fails is explained by itself, and started anew; the one that then completes is explained, too.
pub const EXPLAINED: Scenario = Scenario {
    name: "explained",
    scripts: &[r#"
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, "auth"]
        [[turn]]
        steps = [{ sh = "../enter.sh implement $PPID" }, { tick = "next" }, { commit = "Done" }, { sh = "../keep.sh" }, "complete"]
        [[turn]]
        role = "postmortem"
        steps = [{ sh = "../../../../../../enter.sh explain $PPID" }, { say = "It failed." }]
        [[turn]]
        role = "postmortem"
        steps = [{ sh = "../../../../../../enter.sh explain $PPID" }, { say = "It went well." }]
        "#],
    settings: || json!({ "reviewer": false, "postmortem": true }),
    ends: &[State::Completed],
    person: |_, seen| {
        let postmortem = seen.run().facts.postmortem.as_ref();
        let explained = postmortem.is_some_and(|it| it.end.is_some());
        (seen.run().state == State::Failed && explained).then_some(Wish::Retry)
    },
    ..PLAIN
};

pub const ALL: [&Scenario; 8] = [
    &EVENTFUL,
    &STUCK,
    &OPERATED,
    &CONFLICT,
    &CANCELED,
    &HANDED_OVER,
    &CLEANED_UP,
    &EXPLAINED,
];
