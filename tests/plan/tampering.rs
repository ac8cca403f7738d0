//! What an agent may do to its plan, and what holds the run.

use agent_loop::core::plan::{Checklist, Skip, tampering};

fn lost(base: &str, now: &str) -> Vec<(String, Option<Skip>)> {
    let found = tampering(&Checklist::parse(base), &Checklist::parse(now));
    let lost = found.map_or_else(Vec::new, |it| it.lost);
    lost.into_iter().map(|it| (it.task, it.uncounted)).collect()
}

fn gone(task: &str) -> Vec<(String, Option<Skip>)> {
    vec![(task.to_owned(), None)]
}

#[test]
fn marks_added_tasks_notes_and_another_order_are_fine() {
    let base = "# P\n- [ ] a\n- [ ] b\n  in two lines\n## Verification\n- [ ] v\n";
    for now in [
        base,
        "# P\n- [R] a\n- [~] b\n  in two lines\n## Verification\n- [x] v\n",
        "- [ ] b\n  in two lines\n- [ ] a\n",
        "# Q\n- [ ] zero\n- [x]  a\n  done in two commits\n- [ ] b\n  in two lines\n  and a remark\n- [ ] c\n",
        "# P\r\n* [ ] a\r\n1. [ ] b in two lines\r\n- [ ] b\r\n in two  lines",
    ] {
        assert_eq!(lost(base, now), [], "{now}");
    }
}

#[test]
fn a_task_that_vanishes_or_is_reworded_is_lost() {
    let base = "- [ ] a\n- [ ] b\n";
    assert_eq!(lost(base, "- [ ] a\n"), gone("b"));
    assert_eq!(lost(base, "- [ ] a\n- [x] b (mostly)\n"), gone("b"));
    assert_eq!(lost(base, "- [ ] a\n- [x] B\n"), gone("b"));
    assert_eq!(
        lost("- [ ] a\n  with tests\n", "- [x] a\n"),
        gone("a with tests")
    );
    assert_eq!(
        lost("- [ ] a\n  with test\n", "- [x] a\n  with testimony\n"),
        gone("a with test")
    );
    assert_eq!(lost("- [x] done\n", ""), gone("done"));
}

#[test]
fn a_task_that_is_moved_out_of_count_is_lost_and_it_is_said_where_to() {
    let base = "- [ ] a\n\n- [ ] b\n";
    for (now, why) in [
        ("- [ ]? a\n- [ ] b\n", Skip::PersonsCheck),
        ("- [ ] b\n## Verification\n- [ ] a\n", Skip::PersonsSection),
        ("- [ ] b\n```\n- [ ] a\n```\n", Skip::FencedCode),
        ("- [ ] b\n\n<!--\n- [ ] a\n-->\n", Skip::Comment),
        ("- [ ] b\n\n> - [ ] a\n", Skip::Quotation),
        ("- [-] a\n- [ ] b\n", Skip::UnknownMark),
        ("- [ ] b\n\nlike this:\n\n    - [ ] a\n", Skip::IndentedCode),
    ] {
        assert_eq!(lost(base, now), [("a".to_owned(), Some(why))], "{now}");
    }
    assert_eq!(lost(base, "# Verification\n- [ ] a\n- [ ] b\n").len(), 2);
}

#[test]
fn of_equal_tasks_as_many_have_to_stay() {
    let base = "- [ ] test\n- [ ] test\n";
    assert_eq!(lost(base, "- [x] test\n"), gone("test"));
    assert_eq!(lost(base, "- [x] test\n- [ ] test\n- [ ] test\n"), []);
    // The longer one needs the longer one, whichever comes first.
    let longer = "- [ ] test\n- [ ] test\n  as asked\n- [ ] test\n  on arm\n";
    assert_eq!(
        lost(
            longer,
            "- [ ] test\n  as asked\n- [ ] test\n  on arm\n- [ ] test\n  too\n"
        ),
        []
    );
    let base = "- [ ] test\n- [ ] test\n  on arm\n";
    assert_eq!(
        lost(base, "- [ ] test\n  on arm\n- [ ] test\n  as asked\n"),
        []
    );
    assert_eq!(
        lost(base, "- [ ] test\n- [ ] test\n  on x86\n"),
        gone("test on arm")
    );
}

#[test]
fn the_message_names_the_tasks_and_their_lines_but_not_all_of_many() {
    let base = "# P\n- [ ] a\n- [ ] b\n- [ ] c\n- [ ] d\n- [ ] e\n";
    let found = tampering(
        &Checklist::parse(base),
        &Checklist::parse("- [ ]? a\n- [ ] b\n"),
    );
    let message = found.map(|it| it.message()).unwrap_or_default();
    assert_eq!(
        message,
        "\"a\" (line 2) is not counted any more: a person's check (`[ ]?`); \"c\" (line 4) is gone or worded otherwise; \
         \"d\" (line 5) is gone or worded otherwise; and 1 more"
    );
}
