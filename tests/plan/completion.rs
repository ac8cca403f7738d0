//! Which messages claim that everything is complete.

use agent_loop::core::plan::{CompletionMode, TOKEN, claims};

#[test]
fn trailing_takes_the_last_line_that_is_not_blank() {
    for (message, claimed) in [
        ("<promise>COMPLETE</promise>", true),
        (
            "All done.\n\n  <promise>COMPLETE</promise>  \r\n\n \t\n",
            true,
        ),
        ("Готово。\n<promise>COMPLETE</promise>", true),
        ("I will end with <promise>COMPLETE</promise>", false),
        ("<promise>COMPLETE</promise>\nor not", false),
        ("<promise>COMPLETE</promise>.", false),
        ("`<promise>COMPLETE</promise>`", false),
        ("<promise>complete</promise>", false),
        ("COMPLETE", false),
        ("", false),
        ("\n\n", false),
    ] {
        assert_eq!(
            claims(message, CompletionMode::Trailing, TOKEN),
            claimed,
            "{message:?}"
        );
    }
}

#[test]
fn exact_takes_the_whole_message() {
    for (message, claimed) in [
        ("<promise>COMPLETE</promise>", true),
        ("\n <promise>COMPLETE</promise>\r\n", true),
        ("done\n<promise>COMPLETE</promise>", false),
        (
            "<promise>COMPLETE</promise><promise>COMPLETE</promise>",
            false,
        ),
        ("", false),
    ] {
        assert_eq!(
            claims(message, CompletionMode::Exact, TOKEN),
            claimed,
            "{message:?}"
        );
    }
}

#[test]
fn an_empty_token_claims_nothing() {
    assert!(!claims("", CompletionMode::Exact, ""));
    assert!(!claims("\n", CompletionMode::Trailing, ""));
}
