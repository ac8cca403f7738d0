//! What the surroundings of a run may answer, as words: what an agent did, what a reviewer said, how checks and merges
//! ended, what went wrong. A scope picks words; `world` turns them into reports about its branch.

use agent_loop::core::run::{
    AgentReport, CheckFailure, ChecksReport, Event, Evidence, Naming, PlanReading, ResultClass,
    ReviewReport, Trouble, TroubleKind, Usage, Verdict, Worktree,
};
use agent_loop::core::time::Time;

/// What an implementing agent did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    Nothing,
    Works,
    Finishes,
    FinishesSilently,
    Says,
    Blocks,
    Tampers,
    Crashes,
    CrashesWithWork,
    Limited,
    LimitedInThePast,
    Estranged,
    Auth,
}

/// The session of every agent that has one to go on with.
fn session(has: bool) -> Option<String> {
    has.then(|| "s".to_owned())
}

impl Agent {
    pub const ALL: &'static [Agent] = &[
        Agent::Nothing,
        Agent::Works,
        Agent::Finishes,
        Agent::FinishesSilently,
        Agent::Says,
        Agent::Blocks,
        Agent::Tampers,
        Agent::Crashes,
        Agent::CrashesWithWork,
        Agent::Limited,
        Agent::LimitedInThePast,
        Agent::Estranged,
        Agent::Auth,
    ];

    pub fn commits(self) -> bool {
        use Agent::*;
        matches!(
            self,
            Works | Finishes | FinishesSilently | Blocks | Tampers | CrashesWithWork
        )
    }

    pub fn says(self) -> bool {
        matches!(self, Agent::Finishes | Agent::Says | Agent::Tampers)
    }

    /// The plan after it.
    pub fn plan(self, before: PlanReading) -> PlanReading {
        match self {
            Agent::Finishes | Agent::FinishesSilently | Agent::Tampers => plan(1, 0),
            Agent::Blocks => plan(0, 1),
            Agent::Nothing
            | Agent::Works
            | Agent::Says
            | Agent::Crashes
            | Agent::CrashesWithWork
            | Agent::Limited
            | Agent::LimitedInThePast
            | Agent::Estranged
            | Agent::Auth => before,
        }
    }

    pub fn result(self) -> ResultClass {
        match self {
            Agent::Nothing
            | Agent::Works
            | Agent::Finishes
            | Agent::FinishesSilently
            | Agent::Says
            | Agent::Blocks
            | Agent::Tampers => ResultClass::Done,
            Agent::Crashes | Agent::CrashesWithWork => ResultClass::Crashed,
            Agent::Limited => ResultClass::Limited { resets_at: None },
            Agent::LimitedInThePast => ResultClass::Limited {
                resets_at: Some(Time(1)),
            },
            Agent::Estranged => ResultClass::SessionGone,
            Agent::Auth => ResultClass::Auth,
        }
    }

    pub fn report(self, tip: &str, plan: PlanReading, tampered: bool) -> AgentReport {
        AgentReport {
            result: self.result(),
            message: "what it said".to_owned(),
            exit_code: Some(0),
            commits: u32::from(self.commits()),
            head: tip.to_owned(),
            tree: tip.to_owned(),
            plan,
            tampered: tampered.then(|| "a task has vanished".to_owned()),
            claimed_complete: self.says(),
            task: Some("the task".to_owned()),
            denied: Vec::new(),
            usage: Usage::default(),
            usage_of_session: false,
            session: session(matches!(self, Agent::Crashes | Agent::Limited)),
        }
    }
}

/// How a review ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    Approves,
    Rejects,
    SaysNothing,
    Limited,
    Estranged,
    Auth,
}

impl Review {
    pub const ALL: &'static [Review] = &[
        Review::Approves,
        Review::Rejects,
        Review::SaysNothing,
        Review::Limited,
        Review::Estranged,
        Review::Auth,
    ];

    pub fn report(self, tip: &str, plan: PlanReading) -> ReviewReport {
        let verdict = |approved| {
            Some(Verdict {
                approved,
                findings: "a finding".to_owned(),
            })
        };
        let (result, verdict) = match self {
            Review::Approves => (ResultClass::Done, verdict(true)),
            Review::Rejects => (ResultClass::Done, verdict(false)),
            Review::SaysNothing => (ResultClass::Done, None),
            Review::Limited => (ResultClass::Limited { resets_at: None }, None),
            Review::Estranged => (ResultClass::SessionGone, None),
            Review::Auth => (ResultClass::Auth, None),
        };
        ReviewReport {
            result,
            message: "what it said".to_owned(),
            exit_code: Some(0),
            verdict,
            head: tip.to_owned(),
            tree: tip.to_owned(),
            plan,
            usage: Usage::default(),
            usage_of_session: false,
            session: session(matches!(self, Review::SaysNothing | Review::Limited)),
        }
    }
}

/// How a merge ended that found the branch as it was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    Merges,
    /// The ref moves, and the daemon dies before it says so.
    MergesUnsaid,
    TargetMoved,
    Conflicts,
    Held,
}

impl Merge {
    pub const ALL: &'static [Merge] = &[
        Merge::Merges,
        Merge::MergesUnsaid,
        Merge::TargetMoved,
        Merge::Conflicts,
        Merge::Held,
    ];
}

pub const TROUBLES: &[TroubleKind] = &[
    TroubleKind::Transient,
    TroubleKind::NoSpace,
    TroubleKind::ReadOnly,
    TroubleKind::NeedsPerson,
    TroubleKind::Permanent,
];

/// A plan with one task.
pub fn plan(done: u32, blocked: u32) -> PlanReading {
    PlanReading {
        total: 1,
        done,
        reviewed: 0,
        pending: 1 - done,
        blocked,
    }
}

pub fn checks(tip: &str, passed: bool) -> ChecksReport {
    let failure = CheckFailure {
        command: "test".to_owned(),
        why: "exit 1".to_owned(),
        tail: "…".to_owned(),
    };
    ChecksReport {
        head: tip.to_owned(),
        tree: tip.to_owned(),
        failures: (!passed).then_some(failure).into_iter().collect(),
        fingerprint: if passed { "" } else { "f" }.to_owned(),
    }
}

pub fn evidence(tip: &str, plan: PlanReading, diff: Option<String>, tampered: bool) -> Evidence {
    Evidence {
        head: tip.to_owned(),
        tree: tip.to_owned(),
        diff_id: diff,
        plan,
        output_similarity: None,
        tampered: tampered.then(|| "a task has vanished".to_owned()),
    }
}

pub fn trouble(kind: TroubleKind) -> Trouble {
    Trouble {
        kind,
        code: "trouble".to_owned(),
        message: "what went wrong".to_owned(),
    }
}

pub fn named(generation: u64, name: Option<&str>) -> Event {
    Event::Named {
        generation,
        naming: Naming {
            name: name.map(str::to_owned),
            message: "who was asked, or why not".to_owned(),
        },
        usage: Usage::default(),
    }
}

pub fn worktree() -> Worktree {
    Worktree {
        base_branch: "main".to_owned(),
        base_commit: "base".to_owned(),
        run_branch: "run/a".to_owned(),
        merge_target_branch: "agent/a".to_owned(),
        path: "/w".to_owned(),
        start_commit: "base".to_owned(),
        record: "{}".to_owned(),
    }
}
