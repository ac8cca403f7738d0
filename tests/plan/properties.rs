//! Plans nobody would write: no text may panic, hang, or be changed anywhere but in its marks.

use agent_loop::core::plan::{
    Checklist, CompletionMode, Mark, TOKEN, approve, claims, disown, next, reopen, set_mark,
    tampering, ticked,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Lines that mean something to a plan, in any order.
fn plan() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        8 => ("[ \t]{0,6}", "[-*+]|1[.]|2[)]|> -", "[ \t]{1,2}", r"\[[ ~xXR]\]", "[ ?]?", "[a-c]{0,2}")
            .prop_map(|(indent, bullet, gap, mark, after, text)| format!("{indent}{bullet}{gap}{mark}{after}{text}")),
        2 => "[ ]{0,4}#{1,6} (Verification|Build|a checklist|[a-z]{0,3})",
        2 => "[ ]{0,4}(```|~~~~|<!--|-->|---|===|> )[a-z ]{0,3}",
        2 => "[ \t]{0,5}[a-z]{0,4}",
        1 => "\\PC{0,12}",
    ];
    let end = prop_oneof![6 => Just("\n"), 2 => Just("\r\n"), 1 => Just("\r"), 1 => Just("\n\n")];
    vec((line, end), 0..25).prop_map(|lines| {
        lines
            .into_iter()
            .map(|(line, end)| format!("{line}{end}"))
            .collect()
    })
}

/// The text with every byte of a task's mark blotted out.
fn blotted(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for item in Checklist::parse(text).tasks() {
        bytes[item.mark_at] = b'_';
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn always_reads_any_text_without_panic(a in any::<String>(), b in plan()) {
        for text in [&a, &b] {
            let list = Checklist::parse(text);
            let reading = list.reading();
            prop_assert_eq!(reading.total, reading.done + reading.pending);
            prop_assert!(reading.blocked <= reading.pending && reading.reviewed <= reading.done);
            prop_assert!(list.items.is_sorted_by(|a, b| a.mark_at < b.mark_at && a.line < b.line));
            prop_assert_eq!(tampering(&list, &list), None);
            prop_assert_eq!(ticked(&list, &list), 0);
            let _ = (next(&list, true), claims(text, CompletionMode::Trailing, TOKEN));
        }
    }

    #[test]
    fn always_changes_nothing_but_marks(before in plan(), now in plan()) {
        let before = Checklist::parse(&before);
        for edited in [approve(&now), reopen(&before, &now), disown(&before, &now)] {
            prop_assert_eq!(blotted(&edited.text), blotted(&now));
            prop_assert_eq!(tampering(&Checklist::parse(&now), &Checklist::parse(&edited.text)), None);
        }
    }

    #[test]
    fn always_reads_back_the_mark_that_was_set(text in plan()) {
        let list = Checklist::parse(&text);
        for (index, item) in list.items.iter().enumerate().filter(|(_, item)| item.counts()) {
            for mark in [Mark::Pending, Mark::Blocked, Mark::Implemented, Mark::Reviewed] {
                let changed = set_mark(&text, item, mark);
                let mut expected = list.clone();
                expected.items[index].mark = mark;
                prop_assert_eq!(changed.map(|it| Checklist::parse(&it)), Some(expected));
            }
        }
    }

    #[test]
    fn always_settles_in_one_go(before in plan(), now in plan()) {
        let before = Checklist::parse(&before);
        let reopened = reopen(&before, &now);
        prop_assert_eq!(ticked(&before, &Checklist::parse(&reopened.text)), 0);
        let disowned = disown(&before, &now);
        prop_assert!(disown(&before, &disowned.text).tasks.is_empty());
        prop_assert!(approve(&approve(&now).text).tasks.is_empty());
    }

    #[test]
    fn always_notices_a_task_that_is_taken_out(text in plan(), pick in any::<prop::sample::Index>()) {
        let base = Checklist::parse(&text);
        let counted: Vec<_> = base.tasks().collect();
        prop_assume!(!counted.is_empty());
        let mut now = base.clone();
        let gone = pick.get(&counted).mark_at;
        now.items.retain(|item| item.mark_at != gone);
        let lost = tampering(&base, &now).map_or(0, |it| it.lost.len());
        prop_assert_eq!(lost, 1);
        prop_assert_eq!(tampering(&now, &base), None);
    }
}

#[test]
fn sometimes_generated_plans_hold_everything_that_matters() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..2_000 {
        let Ok(text) = plan().new_tree(&mut runner) else {
            continue;
        };
        let list = Checklist::parse(&text.current());
        seen.extend(list.skipped().map(|(_, why)| format!("{why:?}")));
        seen.extend(list.tasks().map(|item| format!("{:?}", item.mark)));
        seen.extend(
            list.tasks()
                .filter(|item| !item.more.is_empty())
                .map(|_| "continued".to_owned()),
        );
        seen.extend(
            list.tasks()
                .filter(|item| item.depth > 1)
                .map(|_| "nested".to_owned()),
        );
    }
    let wanted = [
        "Blocked",
        "Empty",
        "Comment",
        "FencedCode",
        "Implemented",
        "IndentedCode",
        "Pending",
        "PersonsCheck",
        "PersonsSection",
        "Quotation",
        "Reviewed",
        "continued",
        "nested",
    ];
    let missing: Vec<_> = wanted.iter().filter(|it| !seen.contains(**it)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
}

/// Texts that make a reader slow which looks back, nests, or searches for an end that is not there.
#[test]
fn a_hostile_text_is_read_whole() {
    let size = 100_000;
    let nested = |bullet: &str, line: &str| bullet.repeat(size / 8) + "\n" + &line.repeat(size / 8);
    let mut texts = vec![
        nested("- ", "\n"),
        nested("> ", "a\n"),
        nested("- ", "a\n"),
        nested("> ", "- [ ] a\n"),
        (0..700)
            .map(|depth| "  ".repeat(depth) + "- [ ] a\n")
            .collect(),
    ];
    let units = "- [ ] a\n|- |> |- > |[|- [ ] [|```\n|~~~\n- x\n|<!--|<!-- |# a\n## b\n|*a_ |`|\t|\\|&|<a |]|[a](|![|1. |\
        - [ ] a\n  |a\n===\n|---\n|\r|<!--\n|> - [ ] a\n|a\n- [~]\n---\n|[a]: b\n|\u{feff}";
    texts.extend(units.split('|').map(|unit| unit.repeat(size / unit.len())));
    for text in texts {
        let list = Checklist::parse(&text);
        assert!(list.items.is_sorted_by_key(|item| item.line));
    }
}
