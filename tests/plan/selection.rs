//! What the next iteration is for.

use agent_loop::core::plan::{Checklist, Next, next};

fn purpose(plan: &str, open_work: bool) -> String {
    match next(&Checklist::parse(plan), open_work) {
        Next::Task { text, .. } => text,
        Next::Mend => "mend".into(),
        Next::Confirm => "confirm".into(),
        Next::Blocked { tasks } => format!("blocked: {}", tasks.join(", ")),
    }
}

#[test]
fn the_first_pending_task_is_next_even_with_open_work_and_blocked_headings() {
    let plan = "- [x] a\n- [~] b\n## Later [BLOCKED by: b]\n- [ ] c\n- [ ] d\n";
    assert_eq!(purpose(plan, false), "c");
    assert_eq!(purpose(plan, true), "c");
}

#[test]
fn nothing_pending_but_open_work_is_mended() {
    assert_eq!(purpose("- [x] a\n", true), "mend");
    assert_eq!(purpose("- [x] a\n- [~] b\n", true), "mend");
}

#[test]
fn everything_done_is_confirmed() {
    assert_eq!(
        purpose(
            "- [x] a\n- [R] b\n- [ ]? c\n## Verification\n- [ ] d\n",
            false
        ),
        "confirm"
    );
}

#[test]
fn only_blocked_tasks_left_are_named() {
    assert_eq!(
        purpose("- [x] a\n- [~] b\n- [~] c\n", false),
        "blocked: b, c"
    );
}

#[test]
fn a_task_comes_with_where_it_stands() {
    let plan = "# P\n## Two [BLOCKED by: one]\n- [x] a\n- [ ] b\n  whole\n";
    let found = next(&Checklist::parse(plan), false);
    let path = ["P", "Two [BLOCKED by: one]"].map(str::to_owned).to_vec();
    let (text, blocked_by) = ("b whole".to_owned(), Some("one".to_owned()));
    assert_eq!(
        found,
        Next::Task {
            index: 1,
            text,
            path,
            blocked_by
        }
    );
}
