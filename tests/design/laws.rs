//! The laws: what no step of a run may break, and what holds in every state. Each has a name, by which the planted bugs
//! are known. They read only what the machine says; what is true of the outside is compared in `world`.

use agent_loop::core::machine::{Cell, Kind, Outcome, Source};
use agent_loop::core::run::{EDGES, Edge, Effect, Event, Facts, Stage, State, cell};

/// What the machine answers.
pub type Answer = Outcome<State, Facts, Effect>;

pub const DECLARED: &str = "only declared edges happen";
pub const STALE: &str = "no stale report moves a run";
pub const ONCE: &str = "a report is taken once";
pub const GENERATION: &str = "the generation never falls";
pub const ONE_STEP: &str = "a step begins only when none is live";
pub const SLOT: &str = "a slot is kept until its step is known to be gone";
pub const PROOF: &str = "only what is proved is merged or completed";
pub const UNPROVED: &str = "a verified tree is kept only while it is merged";
pub const ENDED: &str = "the end is noted exactly when a run has ended";
pub const HELD: &str = "a paused run says why, and no other does";
pub const FAILED: &str = "a failed run says why, and no other does";
pub const EXIT: &str = "an active run has a living step or a time for the next";
pub const PHASE: &str = "a step belongs to its state";
pub const GATE: &str = "only a run that waits has a gate with a time";
pub const ITERATIONS: &str = "no iteration is begun beyond the limit";
pub const SESSION: &str = "a session is gone on with by the same step of the same agent only";
pub const AFRESH: &str = "a session that was refused is not tried again";
pub const NAMED: &str = "a run is named once, and before it has a branch";
pub const COUNTERS: &str = "every counter is bounded";

/// Collects the names of broken laws.
struct Broken(Vec<&'static str>);

impl Broken {
    fn unless(&mut self, holds: bool, law: &'static str) {
        if !holds {
            self.0.push(law);
        }
    }
}

/// The laws that one event breaks, and those that the state after it breaks.
pub fn broken(state: State, before: &Facts, event: &Event, answer: &Answer) -> Vec<&'static str> {
    let mut broken = Broken(Vec::new());
    let stale = event.generation().is_some_and(|g| g != before.generation);
    let moved = match answer {
        Outcome::Moved(moved) => moved,
        Outcome::Ignored(why) => {
            let said = matches!(cell(state, event.name()), Cell::Ignored(it) if it == *why);
            broken.unless(stale || said, DECLARED);
            return broken.0;
        }
        Outcome::Refused(why) => {
            let said = matches!(cell(state, event.name()), Cell::Refused(it) if it == *why);
            broken.unless(said, DECLARED);
            return broken.0;
        }
    };
    broken.unless(!stale, STALE);
    let taken = Edge {
        from: state,
        event: event.name(),
        answer: moved.answer,
        to: moved.to,
    };
    broken.unless(moved.from == state && EDGES.contains(&taken), DECLARED);
    let after = &moved.facts;
    broken.unless(after.generation >= before.generation, GENERATION);

    let report = event.source() == Source::Worker;
    // What prepares a step reports beside it; all others report its end.
    let beside = matches!(event, Event::WorktreeReady { .. } | Event::Named { .. });
    broken.unless(
        !report || beside || after.generation > before.generation,
        ONCE,
    );
    let ends_it = |live: u64| match event {
        Event::StepGone { step, .. } => *step == live,
        _ => report && !beside && event.generation() == Some(live),
    };
    if let Some(live) = &before.step {
        let kept = after.step.as_ref() == Some(live);
        broken.unless(kept || ends_it(live.generation), SLOT);
    }
    let starts: Vec<&str> = moved.effects.iter().filter_map(|e| e.step()).collect();
    if let Some(phase) = starts.first() {
        let free = before.step.as_ref().is_none_or(|s| ends_it(s.generation));
        let begun = after.step.as_ref().is_some_and(|s| {
            s.phase == *phase
                && s.generation == after.generation
                && s.generation > before.generation
        });
        broken.unless(free && begun && starts.len() == 1, ONE_STEP);
    }
    let kept = before.naming.is_none() || before.naming == after.naming;
    broken.unless(kept, NAMED);
    broken.unless(after.worktree.is_none() || !after.awaits_name(), NAMED);
    let same = before.stage == after.stage
        && before.iteration == after.iteration
        && before.on_fallback == after.on_fallback;
    broken.unless(
        starts.is_empty() || after.resumes.is_none() || same,
        SESSION,
    );
    let again = before.resumes.is_none() || after.resumes.is_some();
    broken.unless(moved.answer != Some("afresh") || !again, AFRESH);
    let stopped = moved.effects.iter().any(|e| e.stops());
    let leaves = state.kind() == Kind::Active && moved.to.kind() != Kind::Active;
    broken.unless(!leaves || after.step.is_none() || stopped, SLOT);

    let enters = state != moved.to && matches!(moved.to, State::Merging | State::Completed);
    broken.unless(!enters || is_proved(moved.to, before, after), PROOF);
    in_state(moved.to, after, &mut broken);
    broken.0
}

fn is_proved(to: State, before: &Facts, after: &Facts) -> bool {
    let tree = after.verified_tree.as_ref();
    let reviewed = !after.terms.reviewer || after.approved_tree.as_ref() == tree;
    let by_merge = to == State::Completed && before.verified_tree.as_ref() == tree;
    let checked = after.current.checked_tree.as_ref() == tree;
    tree.is_some()
        && checked
        && reviewed
        && after.plan.pending == 0
        && after.current.record.claimed_complete
        && (by_merge || before.verified_tree.is_none())
}

fn in_state(state: State, facts: &Facts, broken: &mut Broken) {
    let kind = state.kind();
    let merging = matches!(state, State::Merging | State::Completed);
    broken.unless(facts.verified_tree.is_some() == merging, UNPROVED);
    broken.unless(facts.ended_at.is_some() == (kind == Kind::Ended), ENDED);
    let said = |code: &str, message: &str| !code.is_empty() && !message.is_empty();
    let hold = facts.hold.as_ref();
    broken.unless(hold.is_some() == (state == State::Paused), HELD);
    broken.unless(hold.is_none_or(|it| said(&it.code, &it.message)), HELD);
    let failure = facts.failure.as_ref();
    broken.unless(failure.is_some() == (state == State::Failed), FAILED);
    broken.unless(failure.is_none_or(|it| said(&it.code, &it.message)), FAILED);
    let live = facts.step.as_ref();
    if kind == Kind::Active {
        let listened_to = live.is_some_and(|it| it.generation == facts.generation);
        broken.unless(listened_to != facts.due.is_some(), EXIT);
        broken.unless(live.is_some() == listened_to, EXIT);
        broken.unless(
            live.is_none_or(|it| phases(state).contains(&it.phase.as_str())),
            PHASE,
        );
    } else {
        broken.unless(facts.due.is_none(), EXIT);
    }
    let may_wait = matches!(kind, Kind::Waiting | Kind::Held);
    broken.unless(facts.wait.is_none() || may_wait, GATE);
    broken.unless(
        facts.stage == Stage::Implement || facts.iteration > 0,
        PHASE,
    );
    let limits = &facts.terms.limits;
    broken.unless(facts.iteration <= limits.iterations, ITERATIONS);
    let bounded = facts.attempt <= facts.terms.agent_retries
        && facts.lost <= 6
        && facts.troubles <= 6
        && facts.catch_ups <= 6
        && facts.conflicts <= 3
        && facts.confirms <= 2
        && facts.ladder.rewrites <= limits.max_rewrites
        && facts.verification_failures <= limits.max_consecutive_verification_failures
        && facts.review_rounds <= limits.max_review_rounds;
    broken.unless(bounded, COUNTERS);
}

fn phases(state: State) -> &'static [&'static str] {
    match state {
        State::Running => &["implementation", "review"],
        State::Verifying => &["verification"],
        State::Watchdog => &["watchdog"],
        State::Merging => &["merge"],
        State::Queued | State::Paused | State::Completed | State::Failed | State::Canceled => &[],
    }
}
