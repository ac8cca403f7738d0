//! The other half of every *always*: the searches and the walks go everywhere. Every declared edge of the table, and with
//! it every answer of every choice, is taken, and every state is visited.

use std::collections::BTreeSet;

use agent_loop::core::run::{EDGES, Edge, Event, State};

use super::acts::{claim, is_startable, next};
use super::scopes::{CALM, graphs, terms};
use super::walk::fixed_walks;
use super::world::{REAL, Scope, World};

#[test]
fn sometimes_every_declared_edge_is_taken() {
    let mut taken: BTreeSet<usize> = graphs().iter().flat_map(|it| it.taken.clone()).collect();
    let by_search = taken.len();
    taken.extend(late_news());
    taken.extend(too_early());
    for walked in fixed_walks(REAL, 400) {
        taken.extend(walked.taken.into_iter().filter_map(place));
        if taken.len() == EDGES.len() {
            break;
        }
    }
    println!("{by_search} of {} edges by search", EDGES.len());
    let missing: Vec<_> = (0..EDGES.len()).filter(|it| !taken.contains(it)).collect();
    let missing: Vec<_> = missing.iter().map(|it| &EDGES[*it]).collect();
    assert!(missing.is_empty(), "never taken: {missing:#?}");
}

/// A run to its end, told in every state that a step is gone of which it knows nothing, and of a removal that came to
/// nothing.
fn late_news() -> BTreeSet<usize> {
    let quiet = Scope {
        person: &[],
        ..CALM
    };
    let mut world = World::new(terms());
    let mut taken = BTreeSet::new();
    let gone = Event::StepGone {
        step: 999,
        left: None,
    };
    loop {
        let nothing = Event::WorktreesRemoved {
            removals: Vec::new(),
        };
        let nobody = Event::Collected {
            removals: Vec::new(),
            branches: Vec::new(),
            files_removed: false,
            kept: Vec::new(),
        };
        for late in [gone.clone(), nothing, nobody] {
            let told = world.tell(REAL, &late);
            assert_eq!(told.broken, [""; 0]);
            taken.extend(told.edge.and_then(place));
        }
        let step = if is_startable(&world) {
            claim(&world, REAL)
        } else {
            match next(&world, REAL, &quiet).into_iter().next() {
                Some(step) => step,
                None => return taken,
            }
        };
        taken.extend(step.told.edge.and_then(place));
        world = step.world;
    }
}

/// A claim by somebody who has not seen that the last step is still being stopped.
fn too_early() -> Option<usize> {
    let mut world = claim(&World::new(terms()), REAL).world;
    let resume = Event::Resume {
        accept: false,
        note: None,
    };
    let worker = "w".to_owned();
    let events = [Event::Pause, resume, Event::Claim { worker }];
    let told = events.map(|event| world.tell(REAL, &event));
    assert!(told.iter().all(|it| it.broken.is_empty()));
    assert_eq!(world.state, State::Queued, "nothing has begun");
    told.last().and_then(|it| it.edge).and_then(place)
}

fn place(edge: Edge) -> Option<usize> {
    EDGES.iter().position(|it| *it == edge)
}

#[test]
fn sometimes_every_state_is_visited() {
    let visited: BTreeSet<&str> = graphs().iter().flat_map(|it| it.states()).collect();
    let all: BTreeSet<&str> = State::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(visited, all);
}
