//! What a table owes as a whole, without being asked: reachability, an end for everything, and timers that move.

use super::finds;

#[test]
fn a_state_that_nothing_leads_to_is_named() {
    finds(
        &[(
            "to.open = { state = \"opening\"",
            "to.open = { state = \"same\"",
        )],
        "the state `opening` cannot be reached from `shut`",
    );
}

#[test]
fn a_state_that_cannot_end_is_named() {
    finds(
        &[("kind = \"ended\"", "kind = \"held\"")],
        "the state `open` cannot reach a state that has ended",
    );
}

#[test]
fn a_timer_fires_an_event_of_its_own() {
    let wrong = "has to be an event from `timer`, without data";
    finds(
        &[("fires = \"shut_due\"", "fires = \"push\"")],
        &format!("`push` {wrong}"),
    );
    finds(
        &[("fires = \"shut_due\"", "fires = \"noon\"")],
        "unknown event `noon`",
    );
    finds(
        &[(
            "doc = \"It has been open for long enough.\"",
            "doc = \"x\"\ndata = { n = \"u8\" }",
        )],
        &format!("`shut_due` {wrong}"),
    );
}

#[test]
fn a_timer_fires_only_where_its_event_moves() {
    finds(
        &[(
            "in = [\"open\"]\ndue = \"shut_at\"",
            "in = [\"open\", \"opening\"]\ndue = \"shut_at\"",
        )],
        "timer `shut_at` in open, opening: `shut_due` does not move `opening` and would fire for ever",
    );
    finds(
        &[(
            "in = [\"open\"]\ndue = \"shut_at\"",
            "in = [\"ajar\"]\ndue = \"shut_at\"",
        )],
        "unknown state or empty group `ajar`",
    );
}

#[test]
fn a_timer_event_that_nothing_fires_is_named() {
    finds(
        &[("fires = \"shut_due\"", "fires = \"chime_due\"")],
        "events.shut_due: no timer fires it",
    );
}
