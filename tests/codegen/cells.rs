//! Every (state, event) is said exactly once, every choice is complete, and nothing is declared in vain.

use super::{finds, problems};

#[test]
fn adding_a_state_names_every_missing_cell() {
    let found = problems(&[(
        "[states.gone]",
        "[states.ajar]\nkind = \"held\"\ndoc = \"Ajar.\"\n[states.gone]",
    )]);
    for event in [
        "push",
        "opened",
        "jammed",
        "shut_due",
        "chime_due",
        "remove",
    ] {
        let missing = format!("the cell `ajar` on `{event}` is missing: move, refuse or ignore it");
        assert!(found.contains(&missing), "no {missing:?} in {found:#?}");
    }
}

#[test]
fn adding_an_event_names_every_missing_cell() {
    let found = problems(&[(
        "[effects.start_motor]",
        "[events.lock]\nfrom = \"operator\"\ndoc = \"Lock.\"\n[effects.start_motor]",
    )]);
    for state in ["shut", "opening", "open", "gone"] {
        let missing = format!("the cell `{state}` on `lock` is missing: move, refuse or ignore it");
        assert!(found.contains(&missing), "no {missing:?} in {found:#?}");
    }
}

#[test]
fn a_cell_that_is_said_twice_is_named() {
    let twice = [(
        "in = [\"opening\", \"open\"]",
        "in = [\"shut\", \"opening\", \"open\"]",
    )];
    assert_eq!(
        problems(&twice),
        ["the cell `shut` on `push` is said 2 times"]
    );
}

#[test]
fn a_cell_that_one_row_says_twice_is_named() {
    let twice = [(
        "in = [\"opening\", \"open\"]",
        "in = [\"opening\", \"open\", \"@held\"]",
    )];
    assert_eq!(
        problems(&twice),
        ["the cell `open` on `push` is said 2 times"]
    );
}

#[test]
fn an_answer_without_a_target_is_named() {
    let found = problems(&[(
        "answers = [\"open\", \"stay\"]",
        "answers = [\"open\", \"stay\", \"break\"]",
    )]);
    assert!(
        found[0].contains("`break` is not snake_case"),
        "a keyword is no answer: {found:#?}"
    );
    finds(
        &[(
            "answers = [\"open\", \"stay\"]",
            "answers = [\"open\", \"stay\", \"fall\"]",
        )],
        "on push: `after_push` can answer `fall`, which leads nowhere",
    );
}

#[test]
fn a_target_that_is_no_answer_is_named() {
    finds(
        &[("answers = [\"open\", \"stay\"]", "answers = [\"open\"]")],
        "`after_push` never answers `stay`",
    );
}

#[test]
fn an_answer_is_given_once() {
    finds(
        &[("answers = [\"open\", ", "answers = [\"open\", \"open\", ")],
        "choices.after_push: names answers, and each once",
    );
}

#[test]
fn targets_by_answer_need_a_choice() {
    finds(
        &[("choose = \"after_push\"\n", "")],
        "transition in shut on push: answers without `choose`",
    );
}

#[test]
fn a_choice_needs_targets_by_answer() {
    finds(
        &[("to = \"open\"", "choose = \"after_push\"\nto = \"open\"")],
        "`after_push` can answer `stay`, which leads nowhere",
    );
}

#[test]
fn updates_beside_a_choice_belong_to_its_answers() {
    finds(
        &[(
            "choose = \"after_push\"",
            "update = [\"end\"]\nchoose = \"after_push\"",
        )],
        "transition in shut on push: `update` and `effects` belong into each `to.<answer>`",
    );
}

#[test]
fn what_nothing_uses_is_named() {
    let add = |section: &'static str, entry: &'static str| problems(&[(section, entry)]);
    assert_eq!(
        add("[updates]", "[updates]\nidle = \"Idle.\""),
        ["the update `idle` moves nothing"]
    );
    assert_eq!(
        add(
            "[effects.ring]",
            "[effects.idle]\ndoc = \"Idle.\"\n[effects.ring]"
        ),
        ["the effect `idle` moves nothing"]
    );
    assert_eq!(
        add(
            "[choices.after_push]",
            "[choices.idle]\ndoc = \"Idle.\"\nanswers = [\"x\"]\n[choices.after_push]"
        ),
        ["the choice `idle` moves nothing"]
    );
    finds(
        &[("on = \"opened\"", "on = \"jammed\"")],
        "the event `opened` moves nothing",
    );
}

#[test]
fn an_effect_either_begins_or_stops_a_step() {
    finds(
        &[("stops = true", "stops = true\nstep = \"x\"")],
        "effects.stop_motor: either begins a step or stops one",
    );
}
