//! What can happen next to a run in its surroundings: its lane goes on, a performer reports, a timer fires, a gate opens,
//! the scheduler claims, a person speaks, the daemon dies. Everything that may be answered is answered once.

use agent_loop::core::machine::Kind;
use agent_loop::core::run::{self, Effect, Event, EventName, MergeStrategy, State};

use super::answers;
use super::performing::performing;
use super::world::{Machine, Scope, Told, World};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The lane took its next effect, or dropped it.
    Begins(Effect),
    /// An effect was performed; `None` where the run was told nothing.
    Reports(Effect, Option<EventName>),
    /// A stored wait was over.
    Timer,
    /// The time of a queued run's gate has come.
    GateOpens,
    /// The scheduler gave a slot.
    Claim,
    /// A person did this.
    Person(EventName),
    /// A person committed to the run branch.
    PersonCommits,
    /// The daemon died and is back.
    Crash,
}

impl Act {
    /// Whether the run gets on by itself with this, not by a person and not by waiting for the outside, to which the
    /// daemon's end belongs.
    pub fn is_work(self) -> bool {
        match self {
            Act::Reports(_, Some(EventName::StepStopped)) => false,
            Act::Begins(_) | Act::Reports(..) | Act::Timer | Act::Claim => true,
            Act::GateOpens | Act::Person(_) | Act::PersonCommits | Act::Crash => false,
        }
    }
}

/// A next world, how it came about, and what the machine said on the way.
pub struct Next {
    pub act: Act,
    pub world: World,
    pub told: Told,
}

/// A next world of which the machine was told nothing.
pub fn silently(act: Act, world: World, broken: Vec<&'static str>) -> Next {
    let told = Told {
        broken,
        ..Told::default()
    };
    Next { act, world, told }
}

/// Everything that can happen next. A claim is left to the scheduler of whoever searches.
pub fn next(world: &World, machine: Machine, scope: &Scope) -> Vec<Next> {
    let mut all = Vec::new();
    performing(world, machine, scope, &mut all);
    if let Some((_, event)) = run::timer(world.state, &world.facts) {
        all.push(told(world.clone(), machine, Act::Timer, &event));
    }
    if world.state == State::Queued && world.facts.wait.is_some() && !world.waited {
        let mut next = world.clone();
        next.waited = true;
        all.push(silently(Act::GateOpens, next, Vec::new()));
    }
    for event in what_a_person_may_say() {
        if scope.person.contains(&event.name())
            && let run::Cell::Moves(_) = run::cell(world.state, event.name())
        {
            let act = Act::Person(event.name());
            let mut next = told(world.clone(), machine, act, &event);
            if event == Event::Reset {
                let it = &mut next.world;
                (it.plan, it.tip) = (answers::plan(0, 0), "base".to_owned());
                (it.placed, it.tampered, it.said) = (false, false, false);
                (it.checked, it.approved) = (None, None);
            }
            all.push(next);
        }
    }
    if scope.person_commits && world.placed && !world.tip.starts_with('p') {
        let mut next = world.clone();
        next.commit("p");
        all.push(silently(Act::PersonCommits, next, Vec::new()));
    }
    let mut next = world.clone();
    (machine.crash)(&mut next);
    if next.busy != world.busy || next.outbox != world.outbox {
        let broken = next.broken();
        all.push(silently(Act::Crash, next, broken));
    }
    all
}

/// Gives the run a slot.
pub fn claim(world: &World, machine: Machine) -> Next {
    let worker = "w".to_owned();
    told(world.clone(), machine, Act::Claim, &Event::Claim { worker })
}

/// Whether the scheduler may start the run, caps aside.
pub fn is_startable(world: &World) -> bool {
    world.state == State::Queued
        && world.facts.step.is_none()
        && (world.facts.wait.is_none() || world.waited)
}

pub fn what_a_person_may_say() -> Vec<Event> {
    let resume = |accept| Event::Resume { accept, note: None };
    vec![
        Event::Pause,
        resume(false),
        resume(true),
        Event::Cancel,
        Event::Retry {
            merge_strategy: None,
        },
        Event::RetryMerge {
            merge_strategy: MergeStrategy::Squash,
        },
        Event::Reset,
        Event::Analyze,
        Event::RemoveWorktree {
            path: answers::worktree().path,
        },
        // Nobody's word: the clock's.
        Event::Collect,
    ]
}

fn told(mut world: World, machine: Machine, act: Act, event: &Event) -> Next {
    let told = world.tell(machine, event);
    Next { act, world, told }
}

/// Whether the run waits for the world, the scheduler or a person, and for nothing else.
pub fn may_rest(world: &World) -> bool {
    match world.state.kind() {
        Kind::Held => world.outbox.is_empty(),
        Kind::Ended => world.is_settled(),
        Kind::Waiting | Kind::Active => false,
    }
}
