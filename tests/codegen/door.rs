//! What the generator writes, run: the door's `step`, `timer` and names, and the page that people read.

use std::str::FromStr;

use super::generator::generate;
use crate::core::machine::{Cell as AnyCell, Kind, Outcome, STALE_GENERATION, Source};
use crate::core::time::Time;

include!(concat!(env!("OUT_DIR"), "/door.rs"));

/// Facts that only write down what was asked of them, in order.
#[derive(Clone, Debug, Default, PartialEq)]
struct Log {
    calls: Vec<String>,
    generation: u64,
    shut_at: Option<Time>,
    chime_at: Option<Time>,
}

impl Rules for Log {
    fn generation(&self) -> u64 {
        self.generation
    }
    fn begin_step(&mut self, phase: &'static str) {
        self.calls.push(format!("begin {phase}"));
    }
    fn stop_step(&mut self) {
        self.calls.push("stop".to_owned());
    }
    fn count_push(&mut self, event: &Event, now: Time) {
        self.calls.push(format!("{} at {}", event.name(), now.0));
    }
    fn count_jam(&mut self, _event: &Event, _now: Time) {
        self.calls.push("jam".to_owned());
    }
    fn end(&mut self, _event: &Event, _now: Time) {
        self.calls.push("end".to_owned());
    }
    fn after_push(&self, _now: Time) -> AfterPush {
        // Sees the facts as recorded: the push that is being judged is among them.
        if self.calls.len() > 1 {
            AfterPush::Open
        } else {
            AfterPush::Stay
        }
    }
    fn shut_at(&self) -> Option<Time> {
        self.shut_at
    }
    fn chime_at(&self) -> Option<Time> {
        self.chime_at
    }
}

const NOW: Time = Time(5);

fn push() -> Event {
    Event::Push {
        force: 3,
        who: None,
    }
}

#[test]
fn a_choice_is_made_on_recorded_facts_and_each_answer_leads_to_its_target() {
    let Outcome::Moved(stay) = step(State::Shut, &Log::default(), &push(), NOW) else {
        panic!("a shut door can be pushed");
    };
    assert_eq!(
        (stay.from, stay.to, stay.answer),
        (State::Shut, State::Shut, Some("stay"))
    );
    assert_eq!(
        (stay.facts.calls.as_slice(), stay.effects.as_slice()),
        (&["push at 5".to_owned()][..], &[][..])
    );
    let Outcome::Moved(open) = step(State::Shut, &stay.facts, &push(), NOW) else {
        panic!("a shut door can be pushed again");
    };
    assert_eq!((open.to, open.answer), (State::Opening, Some("open")));
    assert_eq!(
        open.facts.calls,
        ["push at 5", "push at 5", "begin opening"]
    );
    assert_eq!(open.effects, [Effect::Ring, Effect::StartMotor]);
}

#[test]
fn steps_stop_and_begin_in_the_order_of_the_effects_and_after_the_updates() {
    let jammed = Event::Jammed {
        generation: 0,
        loud: true,
    };
    let Outcome::Moved(again) = step(State::Opening, &Log::default(), &jammed, NOW) else {
        panic!("a jam starts the motor again");
    };
    assert_eq!(again.facts.calls, ["jam", "stop", "begin opening"]);
    assert_eq!((again.to, again.answer), (State::Opening, None));
}

#[test]
fn a_report_of_another_generation_is_ignored_before_its_cell_is_looked_at() {
    let facts = Log {
        generation: 4,
        ..Log::default()
    };
    for state in State::ALL.iter().copied() {
        for generation in [3, 5] {
            let outcome = step(state, &facts, &Event::Opened { generation }, NOW);
            assert_eq!(outcome, Outcome::Ignored(STALE_GENERATION), "in {state}");
        }
    }
    let live = step(
        State::Opening,
        &facts,
        &Event::Opened { generation: 4 },
        NOW,
    );
    assert!(matches!(live, Outcome::Moved(moved) if moved.to == State::Open));
}

#[test]
fn step_answers_every_cell_as_the_table_says() {
    let events = [
        push(),
        Event::Opened { generation: 0 },
        Event::Jammed {
            generation: 0,
            loud: false,
        },
        Event::ShutDue { generation: 0 },
        Event::ChimeDue { generation: 0 },
        Event::Remove,
    ];
    assert_eq!(events.each_ref().map(Event::name), EventName::ALL);
    for state in State::ALL.iter().copied() {
        for event in &events {
            match (
                step(state, &Log::default(), event, NOW),
                cell(state, event.name()),
            ) {
                (Outcome::Moved(moved), AnyCell::Moves(to)) => assert!(to.contains(&moved.to)),
                (Outcome::Refused(told), AnyCell::Refused(text)) => assert_eq!(told, text),
                (Outcome::Ignored(told), AnyCell::Ignored(text)) => assert_eq!(told, text),
                (outcome, cell) => {
                    panic!("{state} on {}: {outcome:?} is not {cell:?}", event.name())
                }
            }
        }
    }
    assert_eq!(
        cell(State::Gone, EventName::Push),
        Cell::Refused("the door is gone")
    );
    assert_eq!(
        cell(State::Shut, EventName::Push),
        Cell::Moves(&[State::Opening, State::Shut])
    );
}

#[test]
fn the_edges_are_the_targets_of_the_rows() {
    let edge = |from, event, answer, to| Edge {
        from,
        event,
        answer,
        to,
    };
    assert_eq!(EDGES.len(), 9);
    assert_eq!(
        EDGES[0],
        edge(State::Shut, EventName::Push, Some("open"), State::Opening)
    );
    assert_eq!(
        EDGES[1],
        edge(State::Shut, EventName::Push, Some("stay"), State::Shut)
    );
    assert!(EDGES.contains(&edge(
        State::Opening,
        EventName::Jammed,
        None,
        State::Opening
    )));
}

#[test]
fn the_earliest_wait_fires_and_only_where_the_table_has_one() {
    let facts = Log {
        shut_at: Some(Time(9)),
        chime_at: Some(Time(7)),
        generation: 5,
        ..Log::default()
    };
    assert_eq!(
        timer(State::Open, &facts),
        Some((Time(7), Event::ChimeDue { generation: 5 }))
    );
    let later = Log {
        chime_at: None,
        ..facts.clone()
    };
    assert_eq!(
        timer(State::Open, &later),
        Some((Time(9), Event::ShutDue { generation: 5 }))
    );
    assert_eq!(timer(State::Open, &Log::default()), None);
    assert_eq!(timer(State::Opening, &facts), None);
}

#[test]
fn names_read_back_and_an_unknown_one_says_which_there_are() {
    for state in State::ALL.iter().copied() {
        assert_eq!(State::from_str(state.as_str()), Ok(state));
        assert_eq!(
            serde_json::to_value(state).ok(),
            Some(state.as_str().into())
        );
    }
    for event in EventName::ALL.iter().copied() {
        assert_eq!(EventName::from_str(event.as_str()), Ok(event));
    }
    for effect in Effect::ALL.iter().copied() {
        assert_eq!(Effect::from_str(effect.as_str()), Ok(effect));
    }
    let unknown = State::from_str("ajar").expect_err("there is no such state");
    assert_eq!(
        unknown.to_string(),
        "unknown state `ajar` (known: shut, opening, open, gone)"
    );
    assert_eq!(
        AfterPush::ALL
            .iter()
            .map(|answer| answer.as_str())
            .collect::<Vec<_>>(),
        ["open", "stay"]
    );
}

#[test]
fn events_keep_their_data_their_sender_and_their_generation() {
    let jammed = Event::Jammed {
        generation: 2,
        loud: true,
    };
    let due = Event::ShutDue { generation: 3 };
    assert_eq!((jammed.generation(), push().generation()), (Some(2), None));
    assert_eq!(due.generation(), Some(3), "a timer is set for one wait");
    assert_eq!(
        (jammed.source(), push().source(), due.source()),
        (Source::Worker, Source::Operator, Source::Timer)
    );
    let json = serde_json::json!({"event": "jammed", "generation": 2, "loud": true});
    assert_eq!(serde_json::to_value(&jammed).ok(), Some(json.clone()));
    assert_eq!(serde_json::from_value::<Event>(json).ok(), Some(jammed));
}

#[test]
fn states_and_effects_say_what_the_table_says() {
    assert_eq!(
        (State::INITIAL, State::Gone.kind()),
        (State::Shut, Kind::Ended)
    );
    assert_eq!(
        (State::Opening.needs(), State::Shut.needs()),
        (&["opened_by"][..], &[][..])
    );
    assert_eq!(
        (State::Gone.doc(), Effect::Ring.doc()),
        ("Taken off its hinges.", "Ring the bell.")
    );
    assert_eq!(EventName::Remove.doc(), "Take it off.");
    assert_eq!(
        (Effect::StartMotor.step(), Effect::Ring.step()),
        (Some("opening"), None)
    );
    assert_eq!(
        (Effect::StopMotor.stops(), Effect::Ring.stops()),
        (true, false)
    );
    assert_eq!((VERSION, CELLS.len()), (1, State::ALL.len()));
}

#[test]
fn the_page_shows_diagram_matrix_and_every_answer() {
    for part in [
        "# door (version 1)",
        "  shut --> opening: push / open",
        "| **push** | opening / shut | *refused* | *refused* | *refused* |",
        "| **jammed** | · | opening | · | · |",
        "| **push** | operator | `force: u32`, `who: Option<String>` | Somebody pushes. |",
        "- **start_motor**: Start the motor. Begins a step: opening.",
        "- **after_push**: Whether the push was hard enough. Answers: open, stay.",
        "| the door is gone | push, remove | gone |",
        "| late word from the motor | opened, jammed | shut, open, gone |",
    ] {
        assert!(MARKDOWN.contains(part), "no {part:?} in\n{MARKDOWN}");
    }
    assert!(MARKDOWN.contains(MERMAID));
}

#[test]
fn the_generator_is_a_function_of_the_table() {
    let made = || {
        generate("tests/codegen/door.toml", super::DOOR, "")
            .expect("the door is sound")
            .files
    };
    assert_eq!(made(), made());
    assert!(made().contains(&("sql", SQL.to_owned())));
}
