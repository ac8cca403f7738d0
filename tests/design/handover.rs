//! The handover beside its run, searched whole: a run that ends and is started anew, a person who asks for anything at any
//! time, work that is done, fails, or reports late, and a daemon that dies in between. The laws are said once, and planted
//! bugs show that they see.

use std::collections::BTreeSet;

use agent_loop::core::handover::{
    self, EDGES, Edge, Effect, Event, Facts, RunEnd, Snag, SnagKind, State,
};
use agent_loop::core::machine::{Kind, Outcome};
use agent_loop::core::time::Time;

const NOW: Time = Time(1_000);

type Answer = Outcome<State, Facts, Effect>;
type Step = fn(State, &Facts, &Event) -> Answer;

const STALE: &str = "a report of earlier work moves nothing";
const APART: &str = "the run and its handover are never both at work";
const FOLLOWS: &str = "the handover is open exactly while its run has ended";
const PROVED: &str = "only what is proved is merged, and once";
const ONE: &str = "work begins where none is, as one effect";
const KEPT: &str = "a merge is never forgotten";

/// A run and its handover, as small as they can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    /// How the run ended; `None` while it is under way.
    run: Option<u8>,
    /// The handover: state, and facts as text.
    state: &'static str,
    facts: String,
    /// The work that was asked for and has not reported, by its generation.
    pending: Option<u64>,
    /// Merges made.
    merges: u8,
    /// Starts of the run, bounded.
    starts: u8,
}

const ENDS: [RunEnd; 3] = [RunEnd::GivenUp, RunEnd::Proved, RunEnd::Merged];

fn real(state: State, facts: &Facts, event: &Event) -> Answer {
    handover::step(state, facts, event, NOW)
}

fn snag() -> Snag {
    Snag {
        kind: SnagKind::InTheWay,
        code: "in_the_way".to_owned(),
        message: "something".to_owned(),
        hint: None,
    }
}

fn reports(state: State, generation: u64) -> Vec<Event> {
    let done = match state {
        State::Merging => Event::MergeDone {
            generation,
            commit: "c".to_owned(),
        },
        State::Requesting => Event::PrDone {
            generation,
            url: "u".to_owned(),
        },
        State::Scrapping => Event::ScrapDone { generation },
        State::None | State::GivenUp | State::Proved | State::Merged | State::Scrapped => {
            return Vec::new();
        }
    };
    let snag = snag();
    vec![done, Event::Failed { generation, snag }]
}

/// What was found on every path.
#[derive(Default)]
struct Found {
    broken: BTreeSet<&'static str>,
    taken: BTreeSet<usize>,
    worlds: usize,
}

fn search(step: Step) -> Found {
    let facts = |facts: &Facts| serde_json::to_string(facts).expect("facts are JSON");
    let first = World {
        run: None,
        state: State::INITIAL.as_str(),
        facts: facts(&Facts::default()),
        pending: None,
        merges: 0,
        starts: 0,
    };
    let mut found = Found::default();
    let mut seen = BTreeSet::from([first.clone()]);
    let mut open = vec![first];
    while let Some(world) = open.pop() {
        for (event, next) in nexts(&world) {
            let state: State = world.state.parse().expect("a state");
            let before: Facts = serde_json::from_str(&world.facts).expect("facts");
            let mut next = next;
            match step(state, &before, &event) {
                Outcome::Moved(moved) => {
                    look(&world, state, &before, &event, &moved, &mut found);
                    if !moved.effects.is_empty() {
                        next.pending = Some(moved.facts.generation);
                    }
                    if let Event::MergeDone { .. } = event {
                        next.merges += 1;
                    }
                    // Only whether a report is of this work or of earlier work counts: not how much there was before.
                    let mut after = moved.facts;
                    let past = after.generation.saturating_sub(1);
                    after.generation -= past;
                    next.pending = next.pending.map(|it| it.saturating_sub(past));
                    (next.state, next.facts) = (moved.to.as_str(), facts(&after));
                }
                // Without its handover's consent a run stays at its end.
                Outcome::Refused(_) if matches!(event, Event::Reopened { .. }) => continue,
                Outcome::Refused(_) | Outcome::Ignored(_) => {}
            }
            let stands: State = next.state.parse().expect("a state");
            let mut law = |holds: bool, name| {
                if !holds {
                    found.broken.insert(name);
                }
            };
            law((stands == State::None) == next.run.is_none(), FOLLOWS);
            law(next.run.is_some() || stands.kind() != Kind::Active, APART);
            law(next.merges <= 1, PROVED);
            if next.merges <= 2 && seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    found.worlds = seen.len();
    found
}

/// Every event that can come next, and the world beside it.
fn nexts(world: &World) -> Vec<(Event, World)> {
    let mut all = Vec::new();
    let mut add = |event: Event, change: &dyn Fn(&mut World)| {
        let mut next = world.clone();
        change(&mut next);
        all.push((event, next));
    };
    match world.run {
        None => {
            for (n, how) in ENDS.into_iter().enumerate() {
                let n = u8::try_from(n).expect("three");
                add(Event::Ended { how }, &|it| it.run = Some(n));
            }
        }
        Some(_) if world.starts < 2 => {
            for same_branch in [true, false] {
                add(Event::Reopened { same_branch }, &|it| {
                    (it.run, it.starts) = (None, it.starts + 1);
                });
            }
        }
        Some(_) => {}
    }
    for event in [Event::Merge, Event::Pr, Event::Scrap] {
        add(event, &|_| {});
    }
    let state: State = world.state.parse().expect("a state");
    if let Some(generation) = world.pending {
        for report in reports(state, generation) {
            add(report.clone(), &|it| it.pending = None);
            // The daemon died after the report was stored, and before it knew: it comes again.
            add(report, &|_| {});
        }
        for late in [State::Merging, State::Requesting, State::Scrapping] {
            for report in reports(late, generation.saturating_sub(1)) {
                add(report, &|_| {});
            }
        }
    }
    all
}

/// The laws of one move.
fn look(
    world: &World,
    state: State,
    before: &Facts,
    event: &Event,
    moved: &agent_loop::core::machine::Moved<State, Facts, Effect>,
    found: &mut Found,
) {
    let edge = Edge {
        from: state,
        event: event.name(),
        answer: moved.answer,
        to: moved.to,
    };
    found.taken.extend(EDGES.iter().position(|it| *it == edge));
    let mut law = |holds: bool, name| {
        if !holds {
            found.broken.insert(name);
        }
    };
    law(
        event.generation().is_none_or(|it| it == before.generation),
        STALE,
    );
    let begins = moved.to.kind() == Kind::Active && state != moved.to;
    law(
        moved.effects.len() == usize::from(begins)
            && (!begins || state.kind() == Kind::Held)
            && (!begins || moved.facts.generation > before.generation),
        ONE,
    );
    let proved = world.run == Some(1) && before.merge_commit.is_none();
    law(!moved.effects.contains(&Effect::Merge) || proved, PROVED);
    law(
        before.merge_commit.is_none() || moved.facts.merge_commit == before.merge_commit,
        KEPT,
    );
    law(
        !matches!(event, Event::Reopened { .. }) || state.kind() != Kind::Active,
        APART,
    );
}

#[test]
fn always_every_law_holds_whatever_happens_to_a_run_and_its_handover() {
    let found = search(real);
    println!("{} worlds", found.worlds);
    assert_eq!(found.broken, BTreeSet::new());
    assert!(found.worlds > 200, "{} worlds", found.worlds);
}

#[test]
fn sometimes_every_declared_edge_of_the_handover_is_taken() {
    let taken = search(real).taken;
    let missing: Vec<_> = (0..EDGES.len()).filter(|it| !taken.contains(it)).collect();
    let missing: Vec<_> = missing.iter().map(|it| &EDGES[*it]).collect();
    assert!(missing.is_empty(), "never taken: {missing:#?}");
}

/// The machine, with one thing about the moves of an event changed.
fn wrong(
    state: State,
    facts: &Facts,
    event: &Event,
    change: impl Fn(&mut agent_loop::core::machine::Moved<State, Facts, Effect>),
) -> Answer {
    match real(state, facts, event) {
        Outcome::Moved(mut moved) => {
            change(&mut moved);
            Outcome::Moved(moved)
        }
        other => other,
    }
}

#[test]
fn planted_bugs_are_seen_by_the_law_that_they_break() {
    let planted: [(Step, &str); 6] = [
        // A run is started anew while its work is being merged.
        (
            |state, facts, event| match (state, event) {
                (State::Merging, Event::Reopened { .. }) => real(State::Proved, facts, event),
                _ => real(state, facts, event),
            },
            APART,
        ),
        // A late report is taken for one of this work.
        (
            |state, facts, event| {
                let mut believed = facts.clone();
                believed.generation = event.generation().unwrap_or(facts.generation);
                real(state, &believed, event)
            },
            STALE,
        ),
        // What was given up is merged.
        (
            |state, facts, event| match (state, event) {
                (State::GivenUp, Event::Merge) => real(State::Proved, facts, event),
                _ => real(state, facts, event),
            },
            PROVED,
        ),
        // The end of the run is not noted when it ends for the second time.
        (
            |state, facts, event| {
                if facts.generation > 0 && matches!(event, Event::Ended { .. }) {
                    return Outcome::Ignored("");
                }
                real(state, facts, event)
            },
            FOLLOWS,
        ),
        // Two things are done at once.
        (
            |state, facts, event| {
                wrong(state, facts, event, |moved| {
                    if moved.effects == [Effect::Scrap] {
                        moved.effects.push(Effect::CreatePr);
                    }
                })
            },
            ONE,
        ),
        // A pull request lets the merge be forgotten.
        (
            |state, facts, event| {
                wrong(state, facts, event, |moved| {
                    if matches!(event, Event::PrDone { .. }) {
                        moved.facts.merge_commit = None;
                    }
                })
            },
            KEPT,
        ),
    ];
    for (step, law) in planted {
        let found = search(step);
        assert!(found.broken.contains(law), "not seen: {law}");
    }
}
