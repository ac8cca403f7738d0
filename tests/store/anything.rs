//! Whatever can be sent to a run, in any order and of any age, for the properties of the store. What has to hold is in
//! `properties`.

use agent_loop::core::run::{
    self, CheckFailure, Event, Facts, MergeStrategy, PlanReading, ResultClass, ReviewReport, State,
    Trouble, TroubleKind, Usage, Verdict,
};
use agent_loop::core::time::Time;
use proptest::prelude::*;

use super::support::*;

/// What to send, before it is known to which run and about which generation.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) run: usize,
    /// How old the generation is that a report names.
    age: u64,
    pub(super) what: What,
    pub(super) wait_ms: u64,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// What comes next when all goes well: without it few sequences would get anywhere.
    OnTheWay,
    Agent(ResultClass, bool),
    Review(Option<bool>),
    Checks(bool),
    Judged(PlanReading),
    TargetMoved,
    Conflict,
    Held,
    BranchMoved,
    Lost,
    Trouble(TroubleKind),
    Closed(bool),
    Gone,
    Stopped,
    RetryDue,
    Pause,
    Resume(bool),
    Cancel,
    Retry(Option<MergeStrategy>),
    RetryMerge(MergeStrategy),
    Reset,
}

pub(super) fn event(sent: &Sent, state: State, facts: &Facts) -> Option<Event> {
    let generation = facts.generation.saturating_sub(sent.age);
    let text = |text: &str| text.to_owned();
    Some(match &sent.what {
        What::OnTheWay => return next(state, facts),
        What::Agent(result, complete) => {
            let mut event = agent_ended(generation, result.clone());
            if let Event::AgentDone { report, .. } = &mut event {
                report.claimed_complete = *complete;
            }
            event
        }
        What::Review(approved) => Event::ReviewDone {
            generation,
            report: ReviewReport {
                result: ResultClass::Done,
                message: text("m"),
                exit_code: Some(0),
                verdict: approved.map(|approved| Verdict {
                    approved,
                    findings: text("f"),
                }),
                head: text("h1"),
                tree: text("t1"),
                plan: done(),
                usage: Usage {
                    cost_usd: Some(0.1),
                    ..Usage::default()
                },
                usage_of_session: false,
                session: None,
            },
        },
        What::Checks(passed) => {
            let mut event = checks_done(generation);
            if let (Event::ChecksDone { report, .. }, false) = (&mut event, passed) {
                report.failures = vec![CheckFailure {
                    command: text("c"),
                    why: text("exit 1"),
                    tail: text("…"),
                }];
                report.fingerprint = text("x");
            }
            event
        }
        What::Judged(plan) => {
            let mut event = judged(generation);
            if let Event::Judged { evidence, .. } = &mut event {
                evidence.plan = *plan;
            }
            event
        }
        What::TargetMoved => Event::TargetMoved {
            generation,
            head: text("h2"),
            tree: text("t2"),
        },
        What::Conflict => Event::MergeConflict {
            generation,
            files: vec![text("f")],
        },
        What::Held => Event::TargetHeld {
            generation,
            files: vec![text("f")],
            message: text("m"),
        },
        What::BranchMoved => Event::BranchMoved { generation },
        What::Lost => Event::StepLost {
            generation,
            left: None,
        },
        What::Stopped => Event::StepStopped {
            generation,
            left: None,
        },
        What::Trouble(kind) => Event::EffectFailed {
            generation,
            trouble: Trouble {
                kind: *kind,
                code: text("c"),
                message: text("m"),
            },
        },
        What::Closed(worktree_removed) => Event::Closed {
            worktree_removed: *worktree_removed,
            note: None,
        },
        What::Gone => Event::StepGone {
            step: generation,
            left: None,
        },
        What::RetryDue => Event::RetryDue { generation },
        What::Pause => Event::Pause,
        What::Resume(accept) => Event::Resume {
            accept: *accept,
            note: accept.then(|| text("n")),
        },
        What::Cancel => Event::Cancel,
        What::Retry(merge_strategy) => Event::Retry {
            merge_strategy: *merge_strategy,
        },
        What::RetryMerge(merge_strategy) => Event::RetryMerge {
            merge_strategy: *merge_strategy,
        },
        What::Reset => Event::Reset,
    })
}

fn what() -> impl Strategy<Value = What> {
    let result = prop_oneof![
        Just(ResultClass::Done),
        Just(ResultClass::Crashed),
        Just(ResultClass::Auth),
        prop::option::of(0_i64..200_000).prop_map(|at| ResultClass::Limited {
            resets_at: at.map(Time)
        }),
    ];
    let trouble = prop_oneof![
        Just(TroubleKind::Transient),
        Just(TroubleKind::NoSpace),
        Just(TroubleKind::ReadOnly),
        Just(TroubleKind::NeedsPerson),
        Just(TroubleKind::Permanent),
    ];
    let strategy = || prop_oneof![Just(MergeStrategy::None), Just(MergeStrategy::Merge)];
    prop_oneof![
        20 => Just(What::OnTheWay),
        2 => (result, any::<bool>()).prop_map(|(result, complete)| What::Agent(result, complete)),
        2 => any::<Option<bool>>().prop_map(What::Review),
        2 => any::<bool>().prop_map(What::Checks),
        1 => prop_oneof![Just(done()), Just(pending())].prop_map(What::Judged),
        1 => Just(What::TargetMoved),
        1 => Just(What::Conflict),
        1 => Just(What::Held),
        1 => Just(What::BranchMoved),
        2 => Just(What::Lost),
        2 => trouble.prop_map(What::Trouble),
        1 => any::<bool>().prop_map(What::Closed),
        2 => Just(What::Gone),
        1 => Just(What::Stopped),
        3 => Just(What::RetryDue),
        1 => Just(What::Pause),
        3 => any::<bool>().prop_map(What::Resume),
        1 => Just(What::Cancel),
        2 => prop::option::of(strategy()).prop_map(What::Retry),
        2 => strategy().prop_map(What::RetryMerge),
        1 => Just(What::Reset),
    ]
}

pub(super) fn sent() -> impl Strategy<Value = Sent> {
    (
        0_usize..3,
        prop_oneof![9 => Just(0), 1 => 1_u64..3],
        what(),
        0_u64..20_000,
    )
        .prop_map(|(run, age, what, wait_ms)| Sent {
            run,
            age,
            what,
            wait_ms,
        })
}

/// What comes next for a run that is only known as state and facts.
fn next(state: State, facts: &Facts) -> Option<Event> {
    let generation = facts.generation;
    match state {
        State::Running if facts.terms.reviewer && facts.stage == run::Stage::Review => event(
            &Sent {
                run: 0,
                age: 0,
                what: What::Review(Some(true)),
                wait_ms: 0,
            },
            state,
            facts,
        ),
        State::Queued => Some(claim()),
        State::Running if facts.worktree.is_none() => Some(worktree_ready(generation)),
        State::Running => Some(agent_done(generation)),
        State::Verifying => Some(checks_done(generation)),
        State::Watchdog => Some(judged(generation)),
        State::Merging => Some(Event::Merged {
            generation,
            commit: "c1".to_owned(),
        }),
        State::Paused | State::Completed | State::Failed | State::Canceled => None,
    }
}
