//! What a review's last message decides.

use agent_loop::agent::verdict::{Verdict, parse};

fn approved(message: &str) -> Option<bool> {
    parse(message).map(|verdict| verdict.approved)
}

#[test]
fn a_line_that_is_nothing_but_a_verdict_decides() {
    for message in [
        "APPROVED",
        "approved.",
        "All fine.\n\nAPPROVED\n\n",
        "**APPROVED**",
        "## Verdict: Approved",
        "**Verdict:** APPROVED",
        "Final verdict: approved!",
        "CHANGES REQUESTED\nall was fixed since\nAPPROVED",
        "`x`\r\nAPPROVED\r\n",
        "~~~\nCHANGES REQUESTED\n~~~\nAPPROVED",
    ] {
        assert_eq!(approved(message), Some(true), "{message}");
    }
    for message in [
        "CHANGES REQUESTED",
        "changes requested:",
        "CHANGES_REQUESTED",
        "*Changes-Requested*",
        "APPROVED\n\nno, wait\n\n__CHANGES REQUESTED__",
        "CHANGES REQUESTED\n\n- a.rs: wrong\n- b.rs: worse",
    ] {
        assert_eq!(approved(message), Some(false), "{message}");
    }
}

#[test]
fn a_word_within_other_text_decides_nothing() {
    for message in [
        "",
        "I have approved it",
        "not approved",
        "APPROVED or CHANGES REQUESTED",
        "> APPROVED",
        "```\nAPPROVED\n```",
        "```text\nAPPROVED",
        "```\n~~~\nAPPROVED\n```",
        "    APPROVED",
        "\tAPPROVED",
        "- APPROVED",
        "disapproved",
        "APPROVED with remarks",
        "{\"verdict\":\"perhaps\"}",
        "{\"verdict\":7}",
        "[\"APPROVED\"]",
    ] {
        assert_eq!(approved(message), None, "{message}");
    }
}

#[test]
fn findings_are_all_but_the_verdict() {
    assert_eq!(
        parse("a.rs:3 leaks\n\n**CHANGES REQUESTED**\n"),
        Some(Verdict {
            approved: false,
            findings: "a.rs:3 leaks".to_owned()
        })
    );
}

#[test]
fn an_object_by_schema_decides() {
    for (message, expected, findings) in [
        ("{\"verdict\":\"approved\"}", true, ""),
        (
            "{\"verdict\":\"changes_requested\",\"findings\":\"it leaks\"}",
            false,
            "it leaks",
        ),
        (
            "```json\n{\"verdict\":\"CHANGES_REQUESTED\",\"findings\":[\"a\",\"b\"],\"more\":1}\n```",
            false,
            "- a\n- b",
        ),
    ] {
        let verdict = parse(message).unwrap();
        assert_eq!(
            (verdict.approved, verdict.findings.as_str()),
            (expected, findings)
        );
    }
}
