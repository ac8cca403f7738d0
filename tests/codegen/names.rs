//! Unknown keys, unknown names, and names that Rust or SQL could not bear: one test for each problem.

use super::{finds, problems};

#[test]
fn the_door_itself_has_no_problem() {
    assert_eq!(problems(&[]), Vec::<String>::new());
}

#[test]
fn an_unknown_section_is_named() {
    finds(
        &[("[updates]", "[extras]\nx = \"y\"\n[updates]")],
        "unknown section `extras`",
    );
}

#[test]
fn an_unknown_key_of_every_kind_of_entry_is_named() {
    finds(
        &[("version = 1", "version = 1\nowner = \"me\"")],
        "[machine]: unknown field `owner`",
    );
    finds(
        &[("doc = \"Shut.\"", "doc = \"Shut.\"\ncolour = \"red\"")],
        "states.shut: unknown field `colour`",
    );
    finds(
        &[("stops = true", "stops = true\nloudly = true")],
        "effects.stop_motor: unknown field `loudly`",
    );
    finds(
        &[("record = [", "guard = \"x\"\nrecord = [")],
        "unknown field `guard`",
    );
    finds(
        &[("{ state = \"same\" }", "{ state = \"same\", on = \"x\" }")],
        "to.stay: unknown field `on`",
    );
    finds(
        &[("in = [\"@ended\"]", "in = [\"@ended\"]\nstatus = 409")],
        "unknown field `status`",
    );
    finds(
        &[("due = \"shut_at\"", "due = \"shut_at\"\nafter = 5")],
        "unknown field `after`",
    );
    finds(
        &[("through = \"opening\"", "through = \"opening\"\nby = \"x\"")],
        "unknown field `by`",
    );
}

#[test]
fn an_entry_cannot_carry_a_second_name() {
    finds(
        &[("doc = \"Shut.\"", "doc = \"Shut.\"\nname = \"x\"")],
        "states.shut: unknown field `name`",
    );
}

#[test]
fn unknown_kinds_sources_and_rules_are_named() {
    finds(
        &[("kind = \"held\"", "kind = \"stuck\"")],
        "states.open: unknown variant `stuck`",
    );
    finds(
        &[("from = \"worker\"", "from = \"motor\"")],
        "events.opened: unknown variant `motor`",
    );
    finds(&[("\"only_from\"", "\"never\"")], "unknown variant `never`");
}

#[test]
fn unknown_names_in_a_row_are_named_with_the_row() {
    let row = "transition in opening on jammed: unknown";
    finds(
        &[("[\"count_jam\"]", "[\"count_jams\"]")],
        &format!("{row} update `count_jams`"),
    );
    finds(
        &[("[\"stop_motor\", ", "[\"halt\", ")],
        &format!("{row} effect `halt`"),
    );
    finds(
        &[("on = \"jammed\"", "on = \"stuck\"")],
        "transition in opening on stuck: unknown event `stuck`",
    );
    finds(
        &[("to = \"shut\"", "to = \"closed\"")],
        "transition in open on shut_due: unknown state `closed`",
    );
    finds(
        &[("choose = \"after_push\"", "choose = \"force\"")],
        "on push: unknown choice `force`",
    );
    finds(
        &[("record = [\"count_push\"]", "record = [\"tally\"]")],
        "on push: unknown update `tally`",
    );
    finds(
        &[("in = [\"opening\", \"open\"]", "in = [\"ajar\"]")],
        "refusal in ajar on push: unknown state",
    );
    finds(
        &[("in = [\"@ended\"]", "in = [\"@over\"]")],
        "unknown state or empty group `@over`",
    );
}

#[test]
fn an_unknown_initial_state_is_named() {
    finds(
        &[("initial = \"shut\"", "initial = \"closed\"")],
        "unknown initial state `closed`",
    );
}

#[test]
fn a_row_names_states_and_events() {
    finds(&[("from = [\"open\"]", "from = []")], "names no state");
    finds(
        &[("on = [\"opened\", \"jammed\"]", "on = []")],
        "names no event",
    );
}

#[test]
fn a_name_that_is_no_name_is_refused() {
    finds(
        &[("[states.gone]", "[states.Gone]")],
        "the state name `Gone` is not snake_case",
    );
    finds(
        &[("count_jam =", "count__jam =")],
        "the update name `count__jam` is not snake_case",
    );
    finds(
        &[("force =", "type =")],
        "the field name `type` is not snake_case",
    );
    finds(
        &[("needs = [\"opened_by\"]", "needs = [\"a; drop\"]")],
        "the fact name `a; drop` is not snake_case",
    );
}

#[test]
fn a_data_type_is_rust() {
    finds(
        &[("\"Option<String>\"", "\"Option<\"")],
        "events.push: \"Option<\" is not a Rust type for `who`",
    );
}

#[test]
fn a_field_that_is_generated_cannot_be_declared() {
    finds(
        &[("loud =", "generation =")],
        "events.jammed: the field `generation` is there already",
    );
    finds(
        &[("force =", "event =")],
        "events.push: the field `event` is there already",
    );
}

#[test]
fn two_methods_of_the_trait_cannot_share_a_name() {
    finds(
        &[("count_jam =", "after_push =")],
        "the choice `after_push` is called like a update",
    );
    finds(
        &[("count_jam =", "stop_step =")],
        "the update `stop_step` is called like a rule",
    );
    finds(
        &[("due = \"shut_at\"", "due = \"end\"")],
        "the due `end` is called like a update",
    );
}

#[test]
fn a_choice_cannot_take_the_name_of_a_generated_type() {
    finds(
        &[("[choices.after_push]", "[choices.event]")],
        "choices.event: the name is that of a generated type",
    );
}

#[test]
fn same_is_no_name_for_a_state() {
    finds(
        &[("[states.gone]", "[states.same]")],
        "states.same: the name stands for the state before",
    );
}

#[test]
fn the_file_is_called_like_the_machine() {
    finds(
        &[("name = \"door\"", "name = \"gate\"")],
        "the name `gate` is not the file's",
    );
}

#[test]
fn text_that_is_not_toml_is_one_problem() {
    assert_eq!(problems(&[("[machine]", "[machine")]).len(), 1);
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(&[
        ("doc = \"Shut.\"", "doc = \"Shut.\"\ncolour = \"red\""),
        ("[\"stop_motor\", ", "[\"halt\", "),
        ("\"only_from\"", "\"never\""),
        (
            "because = \"the door is gone\"",
            "reason = \"the door is gone\"",
        ),
    ]);
    for part in ["`colour`", "`halt`", "`never`", "`reason`"] {
        assert!(
            found.iter().any(|problem| problem.contains(part)),
            "no {part} in {found:#?}"
        );
    }
}
