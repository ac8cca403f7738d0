//! The `always` rules: each is broken once, and each names the edges that break it together with the reason.

use super::{finds, problems};

#[test]
fn a_way_around_is_found() {
    finds(
        &[(
            "to.stay = { state = \"same\" }",
            "to.stay = { state = \"open\" }",
        )],
        "`open` can be reached around `opening` (only the motor opens it)",
    );
}

#[test]
fn an_edge_out_of_a_group_without_its_effect_is_named() {
    assert_eq!(
        problems(&[("effects = [\"stop_motor\"]", "")]),
        [
            "always: opening -> gone on remove has to carry the effect `stop_motor` (no motor runs without a door)"
        ]
    );
}

#[test]
fn events_of_another_sender_owe_the_effect_only_where_the_rule_names_none() {
    finds(
        &[("sent_by = \"operator\"\n", "")],
        "opening -> open on opened has to carry the effect `stop_motor`",
    );
}

#[test]
fn an_edge_into_a_group_without_its_update_is_named() {
    assert_eq!(
        problems(&[("update = [\"end\"]\neffects", "effects")]),
        [
            "always: opening -> gone on remove has to carry the update `end` (what is gone says when)"
        ]
    );
}

#[test]
fn an_edge_into_a_state_without_its_update_is_named() {
    finds(
        &[(
            "group = \"ended\"\nupdate = \"end\"",
            "state = \"open\"\nupdate = \"end\"",
        )],
        "opening -> open on opened has to carry the update `end`",
    );
}

#[test]
fn entering_takes_a_group_or_a_state() {
    let wrong = "update_when_entering takes a group or a state";
    finds(&[("group = \"ended\"\n", "")], wrong);
    finds(
        &[(
            "group = \"ended\"\n",
            "group = \"ended\"\nstate = \"gone\"\n",
        )],
        wrong,
    );
}

#[test]
fn an_edge_out_of_a_state_without_its_update_is_named_with_its_answer() {
    finds(
        &[("record = [\"count_push\"]", "record = [\"count_jam\"]")],
        "shut -> opening on push / open has to carry the update `count_push` (every opening was asked for)",
    );
    finds(
        &[("except = [\"gone\"]\n", "")],
        "shut -> gone on remove has to carry the update `count_push`",
    );
}

#[test]
fn an_edge_from_elsewhere_is_named() {
    finds(
        &[
            ("to = \"shut\"", "to = \"open\""),
            (
                "from = [\"opening\"]\nbecause",
                "from = [\"gone\"]\nbecause",
            ),
        ],
        "opening -> open on opened has to come from gone",
    );
}

#[test]
fn unknown_names_in_a_rule_are_named() {
    finds(
        &[("through = \"opening\"", "through = \"ajar\"")],
        "always: unknown state `ajar`",
    );
    finds(
        &[("except = [\"gone\"]", "except = [\"ajar\"]")],
        "always: unknown state `ajar`",
    );
    finds(
        &[("update = \"count_push\"", "update = \"tally\"")],
        "always: unknown update `tally`",
    );
    finds(
        &[("effect = \"stop_motor\"", "effect = \"halt\"")],
        "always: unknown effect `halt`",
    );
}
