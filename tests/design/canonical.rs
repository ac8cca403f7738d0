//! When two worlds are the same to the search: counters jump to the brink, names and times are counted from where the run
//! stands, generations become their places in their order, and what is written before it is read again is forgotten.
//! Everything else is kept exactly.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};

use agent_loop::core::machine::Kind;
use agent_loop::core::run::{Current, Effect, Mode, Stage};
use agent_loop::core::watchdog::Ladder;

use super::world::{NOW, Pending, World, stays};

/// Worlds that behave alike become the same.
pub fn canonical(world: &mut World) {
    // An analysis that nobody waits for is dropped by its lane; until then it changes nothing.
    let waits = |it: &Pending| it.effect != Effect::WritePostmortem || !world.is_superseded(it);
    let outbox = world.outbox.iter().filter(|it| waits(it)).cloned();
    world.outbox = outbox.collect();
    // A stop names its step and a close its run, and to repeat either is harmless: each is kept once.
    let mut kept: Vec<Pending> = Vec::new();
    for mut it in world.outbox.drain(..) {
        if stays(it.effect) {
            it.generation = 0;
        }
        if !kept.contains(&it) {
            kept.push(it);
        }
    }
    world.outbox = kept;
    in_their_order(world);
    let facts = &mut world.facts;
    let word = || "a word".to_owned();
    // The rules only ask whether there are any.
    let records = facts.history.iter_mut().chain([&mut facts.current.record]);
    for record in records {
        record.commits = record.commits.min(1);
    }
    // The rules only ask whether these are beyond their bound.
    let brink = |it: &mut u32, bound: u32| {
        *it = if *it > bound {
            bound + 1
        } else {
            (*it).min(1) * bound
        }
    };
    brink(&mut facts.lost, 5);
    brink(&mut facts.troubles, 5);
    brink(&mut facts.catch_ups, 5);
    facts.limits_met = facts.limits_met.min(1);
    // Written before they are read, in one and the same event.
    (facts.last_result, facts.last_verdict, facts.last_trouble) = (None, None, None);
    // What only names something, or is only told.
    (facts.ticket, facts.rewrites) = (0, 0);
    facts.current.rewrite = facts.current.rewrite.map(|_| 1);
    facts.abandoned.clear();
    facts.emptied.clear();
    facts.removals.clear();
    facts.resets = 0;
    facts.kept_back.clear();
    (facts.files_removed, facts.nothing_left) = (false, false);
    facts.notes.signals.clear();
    if let Some(naming) = &mut facts.naming {
        naming.name = None;
    }
    facts.last_message = word();
    if let Some(postmortem) = &mut facts.postmortem {
        postmortem.began_at = NOW;
    }
    if !facts.terms.postmortem && !facts.is_analyzed_now() {
        // Whether there was one is asked only where one is to follow.
        facts.postmortem = None;
    }
    facts.due = facts.due.map(|_| NOW);
    if let Some(wait) = &mut facts.wait {
        (wait.until, wait.message) = (NOW, word());
    }
    if let Some(hold) = &mut facts.hold {
        (hold.code, hold.message) = (word(), word());
    }
    if let Some(failure) = &mut facts.failure {
        (failure.code, failure.message) = (word(), word());
    }
    for it in [&mut facts.started_at, &mut facts.ended_at] {
        *it = it.map(|_| NOW);
    }
    let kind = world.state.kind();
    if matches!(kind, Kind::Held | Kind::Ended) {
        // Whoever lets it go on starts these anew.
        (facts.attempt, facts.lost, facts.troubles, facts.limits_met) = (0, 0, 0, 0);
        (facts.catch_ups, facts.conflicts, facts.confirms) = (0, 0, 0);
        (facts.verification_failures, facts.review_failures) = (0, 0);
        facts.review_rounds = 0;
        facts.ladder = Ladder::default();
    }
    if kind == Kind::Ended {
        // What follows begins from its branch and its approval alone.
        facts.history.clear();
        facts.resumes = None;
        facts.current = Current::default();
        (facts.stage, facts.iteration, facts.mode) = (Stage::Implement, 0, Mode::Task);
        facts.verified_tree = facts.verified_tree.as_ref().map(|_| word());
        (world.checked, world.said) = (None, false);
    }
}

/// Of generations only the order counts: they become their places in it.
fn in_their_order(world: &mut World) {
    let mut named: BTreeSet<u64> = BTreeSet::new();
    generations(world, |it| {
        named.insert(*it);
    });
    let place = |it: &u64| named.range(..*it).count() as u64;
    generations(world, |it| *it = place(it));
}

/// Every generation that anybody names.
fn generations(world: &mut World, mut each: impl FnMut(&mut u64)) {
    each(&mut world.facts.generation);
    world.process.iter_mut().for_each(&mut each);
    let step = world.facts.step.iter_mut();
    step.for_each(|it| each(&mut it.generation));
    let busy = world.busy.iter_mut().map(|(it, _)| it);
    for it in world.outbox.iter_mut().chain(busy) {
        // What stays is told apart by its step alone.
        if !stays(it.effect) {
            each(&mut it.generation);
        }
        it.step.iter_mut().for_each(&mut each);
    }
}

/// A number for a world; equal worlds have equal ones, and a collision among so few is not to be expected.
pub fn key(world: &World) -> u64 {
    struct Key(DefaultHasher);
    impl std::fmt::Write for Key {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut key = Key(DefaultHasher::new());
    write!(key, "{world:?}").expect("a hash takes everything");
    key.0.finish()
}
