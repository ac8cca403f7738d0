//! Random walks of one run with any terms: much longer than any search, with counters and generations as they are, and
//! with noise in between: late reports, reports of the wrong kind, claims, stops and closes that come too late.

use std::collections::BTreeSet;

use agent_loop::core::run::{
    self, Cell, Edge, Event, MergeStrategy, OnUsageLimit, PostmortemReport, State, Terms,
};
use agent_loop::core::watchdog::Limits;
use proptest::prelude::*;

use super::acts::{Act, claim, is_startable, next, what_a_person_may_say};
use super::answers::{self, Agent, Merge, Review, TROUBLES};
use super::scopes::PERSON;
use super::world::{Machine, REAL, Scope, World};

pub const ANYTHING: Scope = Scope {
    agent: Agent::ALL,
    review: Review::ALL,
    merge: Merge::ALL,
    checks_may_fail: true,
    troubles: TROUBLES,
    loses: true,
    person_commits: true,
    person: PERSON,
};

/// Which of the things that can happen does, and whether there is noise.
pub type Pick = (u16, u8);

#[derive(Default)]
pub struct Walked {
    pub broken: BTreeSet<&'static str>,
    pub taken: Vec<Edge>,
    pub told: Vec<String>,
}

pub fn walk(machine: Machine, terms: Terms, picks: &[Pick]) -> Walked {
    let mut world = World::new(terms);
    let mut walked = Walked::default();
    for (pick, noise) in picks {
        if noise % 4 == 0 {
            let all = noises(&world);
            let event = &all[usize::from(*pick) % all.len()];
            let told = world.tell(machine, event);
            walked
                .told
                .push(format!("{:?} hears {event:?}", world.state));
            walked.broken.extend(told.broken);
            walked.taken.extend(told.edge);
        }
        let mut all = next(&world, machine, &ANYTHING);
        if is_startable(&world) {
            all.push(claim(&world, machine));
        }
        // People are patient, or no run would get far.
        all.retain(|it| {
            !matches!(it.act, Act::Person(_))
                || world.state == State::Paused
                || noise % 16 == 1
                || world.is_settled()
        });
        if all.is_empty() {
            continue;
        }
        let chosen = all.swap_remove(usize::from(*pick) % all.len());
        world = chosen.world;
        walked
            .told
            .push(format!("{:?} -> {:?}", chosen.act, world.state));
        walked.broken.extend(chosen.told.broken);
        walked.taken.extend(chosen.told.edge);
    }
    walked
}

/// What may be said at any time and must not harm.
fn noises(world: &World) -> Vec<Event> {
    let now = world.facts.generation;
    let claim = Event::Claim {
        worker: "other".to_owned(),
    };
    let closed = Event::Closed {
        worktree_removed: false,
        note: None,
    };
    let foreign = |it: &Event| !matches!(run::cell(world.state, it.name()), Cell::Moves(_));
    let too_early = world.facts.step.is_some().then(|| claim.clone());
    let mut all = vec![claim, closed];
    all.extend(what_a_person_may_say());
    all.extend(reports(now));
    all.retain(foreign);
    // Whoever claims has seen that the last step is gone; whoever has not must not harm.
    all.extend(too_early.filter(|_| world.state == State::Queued));
    all.push(Event::StepGone {
        step: now + 100,
        left: None,
    });
    for age in 1..=3 {
        all.extend(now.checked_sub(age).map(reports).into_iter().flatten());
    }
    all
}

/// A report of every kind.
fn reports(generation: u64) -> Vec<Event> {
    let (tip, plan) = ("late", answers::plan(1, 0));
    let text = || "late".to_owned();
    let trouble = answers::trouble(TROUBLES[0]);
    let evidence = answers::evidence(tip, plan, None, false);
    let worktree = answers::worktree();
    let files = vec![text()];
    vec![
        answers::named(generation, Some("late")),
        Event::WorktreeReady {
            generation,
            worktree,
        },
        Event::AgentDone {
            generation,
            report: Agent::Finishes.report(tip, plan, false),
        },
        Event::ReviewDone {
            generation,
            report: Review::Approves.report(tip, plan),
        },
        Event::ChecksDone {
            generation,
            report: answers::checks(tip, true),
        },
        Event::Judged {
            generation,
            evidence,
        },
        Event::Merged {
            generation,
            commit: text(),
        },
        Event::TargetMoved {
            generation,
            head: text(),
            tree: text(),
        },
        Event::MergeConflict {
            generation,
            files: files.clone(),
        },
        Event::TargetHeld {
            generation,
            files,
            message: text(),
        },
        Event::BranchMoved { generation },
        Event::StepLost {
            generation,
            left: None,
        },
        Event::StepStopped {
            generation,
            left: None,
        },
        Event::RetryDue { generation },
        Event::Analyzed {
            generation,
            report: PostmortemReport::default(),
        },
        Event::EffectFailed {
            generation,
            trouble,
        },
    ]
}

pub fn any_terms() -> impl Strategy<Value = Terms> {
    let limits = (1_u32..6, 1_u32..4, 0_u32..3, 0_u32..3, 1_u32..4).prop_map(
        |(iterations, failures, rejections, rewrites, rounds)| Limits {
            iterations,
            max_consecutive_verification_failures: failures,
            max_consecutive_review_failures: rejections,
            max_rewrites: rewrites,
            max_review_rounds: rounds,
            max_tokens: None,
            max_cost_micro_usd: None,
        },
    );
    let strategy = prop_oneof![
        Just(MergeStrategy::Squash),
        Just(MergeStrategy::Merge),
        Just(MergeStrategy::None)
    ];
    let on_limit = prop_oneof![
        Just(OnUsageLimit::Wait),
        Just(OnUsageLimit::Fail),
        Just(OnUsageLimit::Fallback)
    ];
    let other = prop::option::of(Just("other".to_owned()));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (
        limits,
        flags,
        strategy,
        0_u32..3,
        0_u32..200,
        on_limit,
        other,
        any::<u64>(),
    )
        .prop_map(
            |(
                limits,
                (reviewer, has_checks, postmortem, named_by_model),
                merge_strategy,
                agent_retries,
                agent_retry_backoff_sec,
                on_usage_limit,
                fallback_agent,
                jitter_seed,
            )| Terms {
                limits,
                reviewer,
                has_checks,
                merge_strategy,
                agent_retries,
                agent_retry_backoff_sec,
                on_usage_limit,
                fallback_agent,
                named_by_model,
                postmortem,
                jitter_seed,
            },
        )
}

pub fn picks() -> impl Strategy<Value = Vec<Pick>> {
    prop::collection::vec(any::<Pick>(), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn always_every_law_holds_on_every_walk(terms in any_terms(), picks in picks()) {
        let walked = walk(REAL, terms, &picks);
        prop_assert!(walked.broken.is_empty(), "{:?} after {:#?}", walked.broken, walked.told);
    }
}

/// Fixed walks, for those who look for something in them.
pub fn fixed_walks(machine: Machine, count: usize) -> impl Iterator<Item = Walked> {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (any_terms(), prop::collection::vec(any::<Pick>(), 100..120));
    (0..count).map(move |_| {
        let (terms, picks) = strategy.new_tree(&mut runner).expect("a walk").current();
        walk(machine, terms, &picks)
    })
}
