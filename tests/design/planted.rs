//! Planted bugs: each wraps the machine, or the crash, in one mistake that a person could make. The searches or the walks
//! have to see every one of them, by the law that it breaks; otherwise the laws would prove nothing.

use agent_loop::core::machine::{Moved, Outcome};
use agent_loop::core::run::{self, Effect, Event, EventName, Facts, Session, State, Totals};
use agent_loop::core::time::Time;

use super::answers::Agent;
use super::joint;
use super::laws::{self, Answer};
use super::quotient::quotient;
use super::scopes::{SCOPES, graph};
use super::search;
use super::walk::fixed_walks;
use super::world::{self, Machine, REAL, Step, World};

/// Whether the checks see that the law is broken.
fn is_seen(machine: Machine, law: &'static str) -> bool {
    let by_search = || {
        SCOPES
            .iter()
            .any(|it| graph(it, machine, Some(law)).broken.contains_key(law))
    };
    let by_walk = || fixed_walks(machine, 100).any(|it| it.broken.contains(law));
    by_search() || by_walk()
}

fn assert_caught(step: Step, law: &'static str) {
    let machine = Machine { step, ..REAL };
    assert!(is_seen(machine, law), "not seen: {law}");
}

/// The machine, with other facts put before it.
fn before(state: State, facts: &Facts, event: &Event, change: impl Fn(&mut Facts)) -> Answer {
    let mut facts = facts.clone();
    change(&mut facts);
    run::step(state, &facts, event, world::NOW)
}

/// The machine, with another answer taken from it.
fn after(
    state: State,
    facts: &Facts,
    event: &Event,
    change: impl Fn(&mut Moved<State, Facts, Effect>),
) -> Answer {
    match run::step(state, facts, event, world::NOW) {
        Outcome::Moved(mut moved) => {
            change(&mut moved);
            Outcome::Moved(moved)
        }
        other => other,
    }
}

/// The machine, while it believes something else of the run's terms.
fn believing(state: State, facts: &Facts, event: &Event, change: impl Fn(&mut Facts)) -> Answer {
    match before(state, facts, event, change) {
        Outcome::Moved(mut moved) => {
            moved.facts.terms = facts.terms.clone();
            Outcome::Moved(moved)
        }
        other => other,
    }
}

macro_rules! planted {
    ($($name:ident breaks $law:expr; |$state:ident, $facts:ident, $event:ident| $body:expr)*) => {$(
        #[test]
        fn $name() {
            fn planted($state: State, $facts: &Facts, $event: &Event, _: Time) -> Answer { $body }
            assert_caught(planted, $law);
        }
    )*};
}

planted! {
    a_stale_generation_that_is_accepted_is_caught breaks laws::STALE; |s, f, e| {
        before(s, f, e, |f| f.generation = e.generation().unwrap_or(f.generation))
    }
    a_session_that_another_agent_is_to_go_on_with_is_caught breaks laws::SESSION; |s, f, e| {
        let session = || Some(Session { id: "s".to_owned(), counted: Totals::default() });
        after(s, f, e, |it| if it.answer == Some("fallback") { it.facts.resumes = session() })
    }
    a_refused_session_that_is_tried_again_is_caught breaks laws::AFRESH; |s, f, e| {
        after(s, f, e, |it| if it.answer == Some("afresh") { it.facts.resumes = f.resumes.clone() })
    }
    an_edge_that_skips_the_checks_is_caught breaks laws::DECLARED; |s, f, e| after(s, f, e, |it| {
        if s == State::Running && it.to == State::Verifying {
            it.to = State::Watchdog;
            it.effects = vec![Effect::Judge];
        }
    })
    checks_that_are_not_looked_at_are_caught breaks world::TREE; |s, f, e| before(s, f, e, |f| {
        if let Event::Judged { evidence, .. } = e {
            f.current.checked_tree = Some(evidence.tree.clone());
        }
    })
    a_verified_tree_that_outlives_a_moved_target_is_caught breaks laws::UNPROVED; |s, f, e| after(s, f, e, |it| {
        if let Event::TargetMoved { .. } = e {
            it.facts.verified_tree = f.verified_tree.clone();
        }
    })
    a_slot_that_is_freed_at_the_cancel_is_caught breaks laws::SLOT; |s, f, e| freed_at_cancel(s, f, e, world::NOW)
    a_review_that_is_skipped_is_caught breaks laws::PROOF; |s, f, e| believing(s, f, e, |f| f.terms.reviewer = false)
    a_rejection_taken_for_an_approval_is_caught breaks world::TREE; |s, f, e| after(s, f, e, |it| {
        if let Event::ReviewDone { report, .. } = e && report.verdict.is_some() {
            it.facts.approved_tree = Some(report.tree.clone());
        }
    })
    a_token_that_is_not_waited_for_is_caught breaks world::TREE; |s, f, e| before(s, f, e, |f| {
        f.current.record.claimed_complete = true;
    })
    retries_without_a_bound_are_caught breaks search::FOR_EVER; |s, f, e| after(s, f, e, |it| {
        if it.answer == Some("again") { it.facts.attempt = 0 }
    })
    losses_without_a_bound_are_caught breaks search::FOR_EVER; |s, f, e| before(s, f, e, |f| f.lost = 0)
    catch_ups_without_a_bound_are_caught breaks search::FOR_EVER; |s, f, e| before(s, f, e, |f| f.catch_ups = 0)
    a_full_disk_without_a_gate_is_caught breaks search::FOR_EVER; |s, f, e| after(s, f, e, |it| it.facts.wait = None)
    a_hold_without_a_cause_is_caught breaks laws::HELD; |s, f, e| after(s, f, e, |it| {
        if e.name() == EventName::StepLost { it.facts.hold = None }
    })
    one_iteration_too_many_is_caught breaks laws::ITERATIONS; |s, f, e| believing(s, f, e, |f| f.terms.limits.iterations += 1)
    a_claim_taken_twice_is_caught breaks laws::ONE_STEP; |s, f, e| match e {
        Event::Claim { .. } if s == State::Running => {
            let blind = Facts { step: None, ..f.clone() };
            run::step(State::Queued, &blind, e, world::NOW)
        }
        _ => run::step(s, f, e, world::NOW),
    }
    a_pause_that_stops_nothing_is_caught breaks world::FORGOTTEN; |s, f, e| after(s, f, e, |it| it.effects.retain(|e| !e.stops()))
    a_wait_that_outlives_a_pause_is_caught breaks laws::EXIT; |s, f, e| after(s, f, e, |it| {
        if *e == Event::Pause { it.facts.due = f.due }
    })
    a_next_try_that_is_never_due_is_caught breaks laws::EXIT; |s, f, e| after(s, f, e, |it| it.facts.due = None)
    a_retry_that_keeps_its_end_is_caught breaks laws::ENDED; |s, f, e| after(s, f, e, |it| {
        if let Event::Retry { .. } = e { it.facts.ended_at = f.ended_at }
    })
    a_report_that_leaves_its_generation_is_caught breaks laws::ONCE; |s, f, e| after(s, f, e, |it| {
        if let Event::EffectFailed { .. } = e { it.facts.generation = f.generation }
    })
    a_second_name_is_caught breaks laws::NAMED; |s, f, e| {
        before(s, f, e, |f| if let Event::Claim { .. } = e { f.naming = None })
    }
    a_branch_without_a_name_is_caught breaks laws::NAMED; |s, f, e| after(s, f, e, |it| {
        if it.answer == Some("name") { it.effects.retain(|it| *it != Effect::NameRun) }
    })
    a_resume_that_needs_a_cancel_is_caught breaks search::CANNOT_END_WELL; |s, f, e| match e {
        Event::Resume { .. } if !f.notes.conflict.is_empty() => Outcome::Ignored("planted"),
        _ => run::step(s, f, e, world::NOW),
    }
}

fn freed_at_cancel(state: State, facts: &Facts, event: &Event, _: Time) -> Answer {
    after(state, facts, event, |it| {
        if *event == Event::Cancel {
            it.facts.step = None;
        }
    })
}

/// The same mistake, seen by what it leads to: a process too many.
#[test]
fn a_slot_that_is_freed_at_the_cancel_is_caught_by_the_caps() {
    let step: Step = freed_at_cancel;
    let machine = Machine { step, ..REAL };
    let person = &[EventName::Cancel];
    let graph = joint::one(machine, person, &[Agent::Finishes]);
    let seen = joint::search(&quotient(&graph), &joint::room(&["a", "a"], 1, 1));
    assert!(seen.broken.contains(joint::CAPS), "{:?}", seen.broken);
}

#[test]
fn a_crash_that_loses_a_pending_effect_is_caught() {
    fn forgetful(world: &mut World) {
        world.crash();
        if !world.outbox.is_empty() {
            world.outbox.remove(0);
        }
    }
    let machine = Machine {
        crash: forgetful,
        ..REAL
    };
    assert!(is_seen(machine, world::WANTED));
}

#[test]
fn a_crash_that_forgets_a_stop_is_caught() {
    fn forgetful(world: &mut World) {
        world.crash();
        world.outbox.retain(|it| !it.effect.stops());
    }
    let machine = Machine {
        crash: forgetful,
        ..REAL
    };
    assert!(is_seen(machine, world::FORGOTTEN));
}
