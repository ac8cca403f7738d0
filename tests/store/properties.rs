//! Whatever happens, in whatever order: what is stored is what the pure machine says, and follows from the journal.

use agent_loop::core::machine::Outcome;
use agent_loop::core::run::{
    self, CheckFailure, Event, Facts, MergeStrategy, PlanReading, ResultClass, ReviewReport, RunId,
    State, Trouble, TroubleKind, Usage, Verdict,
};
use agent_loop::core::time::Time;
use agent_loop::store::{Answer, Apply, NewRun};
use proptest::prelude::*;

use super::support::*;

/// What to send, before it is known to which run and about which generation.
#[derive(Clone, Debug)]
struct Sent {
    run: usize,
    /// How old the generation is that a report names.
    age: u64,
    what: What,
    wait_ms: u64,
}

#[derive(Clone, Debug)]
enum What {
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

fn event(sent: &Sent, state: State, facts: &Facts) -> Option<Event> {
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

fn sent() -> impl Strategy<Value = Sent> {
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

/// Sends what the script says; the moves that were made, from where to where.
async fn agrees(reviewer: bool, script: Vec<Sent>) -> Vec<(State, State)> {
    let bench = Bench::new();
    let ids = ["a", "b", "c"];
    let mut model = Vec::new();
    for id in ids {
        let mut new = new_run(id);
        new.facts.terms.reviewer = reviewer;
        if id == "c" {
            // Completed, it is still to be merged.
            new.facts.terms.merge_strategy = MergeStrategy::None;
        }
        let run = bench.create_as(NewRun { ..new }).await;
        model.push((run.state, run.facts, run.rev));
    }
    let (mut now, mut told, mut reached) = (Time(2_000), 6, Vec::new());
    for sent in script {
        now = now.plus_ms(sent.wait_ms);
        let (state, facts, rev) = &mut model[sent.run];
        let Some(event) = event(&sent, *state, facts) else {
            continue;
        };
        let id = RunId(ids[sent.run].to_owned());
        let applied = bench
            .writer
            .apply(Apply::new(id, event.clone(), now))
            .await
            .expect("applies");
        match (run::step(*state, facts, &event, now), applied.answer) {
            (Outcome::Moved(moved), Answer::Moved(made)) => {
                reached.push((*state, moved.to));
                (*state, *facts, *rev) = (moved.to, moved.facts, *rev + 1);
                assert_eq!(
                    (&made.run.state, &made.run.facts, &made.run.rev),
                    (&*state, &*facts, &*rev)
                );
                let effects: Vec<_> = made.effects.iter().map(|it| it.effect).collect();
                assert_eq!(effects, moved.effects);
            }
            (Outcome::Ignored(expected), Answer::Ignored(why))
            | (Outcome::Refused(expected), Answer::Refused(why)) => {
                assert_eq!(why, expected);
            }
            (expected, answer) => panic!("{expected:?} and {answer:?}"),
        }
        for event in applied.events {
            told += 1;
            assert_eq!(event.seq, told, "no gap");
        }
    }
    for (id, (state, facts, rev)) in ids.iter().zip(model) {
        let run = bench.run(id).await;
        assert_eq!((run.state, run.facts, run.rev), (state, facts, rev));
    }
    assert_eq!(bench.replay().await, []);
    starts_are_wanted(&bench).await;
    reached
}

/// What is pending to be started is what its run waits for.
async fn starts_are_wanted(bench: &Bench) {
    for effect in bench.reader.pending_effects().await.expect("readable") {
        if effect.effect.step().is_some() {
            let facts = bench.run(&effect.run_id.0).await.facts;
            assert_eq!(effect.generation, facts.generation, "{effect:?}");
            assert_eq!(
                facts.step.map(|live| live.generation),
                Some(effect.generation),
                "{effect:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn always_what_is_stored_is_what_the_pure_machine_says(
        reviewer in any::<bool>(),
        script in prop::collection::vec(sent(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let _ = runtime.block_on(agrees(reviewer, script));
    }
}

/// The pair of the property: its sequences get everywhere, and back from the end where a person may take a run from there.
#[tokio::test]
async fn sometimes_every_state_is_reached() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut missing: Vec<State> = State::ALL.to_vec();
    let mut merged_later = false;
    for _ in 0..40 {
        let script = prop::collection::vec(sent(), 60..80)
            .new_tree(&mut runner)
            .expect("a script")
            .current();
        let reached = agrees(false, script).await;
        missing.retain(|state| reached.iter().all(|(_, to)| to != state));
        merged_later |= reached.contains(&(State::Completed, State::Queued));
        if missing.is_empty() && merged_later {
            return;
        }
    }
    panic!("never reached: {missing:?}; merged later: {merged_later}");
}
