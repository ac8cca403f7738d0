//! Marks change in place and nothing else does; only loopd's own reviews are believed.

use agent_loop::core::plan::{Checklist, Mark, approve, disown, reopen, set_mark, ticked};

#[test]
fn setting_a_mark_changes_one_byte() {
    let plan = "\u{feff}# P\r\n\t1. [ ] täsk  \r\n\r\n```\n- [ ] no\n```\n- [X] other";
    let list = Checklist::parse(plan);
    let changed = list
        .tasks()
        .next()
        .and_then(|item| set_mark(plan, item, Mark::Reviewed));
    assert_eq!(changed, Some(plan.replacen("[ ] t", "[R] t", 1)));
}

#[test]
fn a_mark_is_not_set_in_a_text_that_the_item_was_not_read_from() {
    let list = Checklist::parse("- [ ] a\n");
    let item = &list.items[0];
    for other in [
        "",
        "- [",
        "- [é] a",
        "- ( ) a\n",
        "- [ ) a\n",
        "- ( ] a\n",
        "a\n- [ ] a\n",
    ] {
        assert_eq!(set_mark(other, item, Mark::Blocked), None, "{other:?}");
    }
}

#[test]
fn an_approval_turns_implemented_into_reviewed_and_leaves_the_rest() {
    let plan = "- [x] a\n- [ ] b\n- [X] c\n- [~] d\n- [R] e\n- [x]? f\n## Verification\n- [x] g\n";
    let edited = approve(plan);
    assert_eq!(
        edited.text,
        "- [R] a\n- [ ] b\n- [R] c\n- [~] d\n- [R] e\n- [x]? f\n## Verification\n- [x] g\n"
    );
    assert_eq!(edited.tasks, ["a", "c"]);
}

#[test]
fn a_rejection_reopens_what_was_ticked_since() {
    let before = Checklist::parse("- [x] old\n- [ ] new\n- [ ] later\n");
    let edited = reopen(&before, "- [x] old\n- [X] new\n- [x] added\n- [ ] later\n");
    assert_eq!(
        edited.text,
        "- [x] old\n- [ ] new\n- [ ] added\n- [ ] later\n"
    );
    assert_eq!(edited.tasks, ["new", "added"]);
}

#[test]
fn a_review_that_the_agent_wrote_itself_means_no_more_than_done() {
    let before = Checklist::parse("- [R] trusted\n- [ ] mine\n- [x] done\n");
    let edited = disown(
        &before,
        "- [R] trusted\n- [R] mine\n- [R] done\n- [R] added\n",
    );
    assert_eq!(
        edited.text,
        "- [R] trusted\n- [x] mine\n- [x] done\n- [x] added\n"
    );
    assert_eq!(edited.tasks, ["mine", "done", "added"]);
}

#[test]
fn a_mark_of_one_task_does_not_vouch_for_another_of_the_same_text() {
    let before = Checklist::parse("- [R] test\n- [ ] test\n");
    assert_eq!(
        disown(&before, "- [R] test\n- [R] test\n").text,
        "- [R] test\n- [x] test\n"
    );
    assert_eq!(
        reopen(&before, "- [R] test\n- [x] test\n").text,
        "- [R] test\n- [ ] test\n"
    );
    assert_eq!(
        ticked(&before, &Checklist::parse("- [R] test\n- [x] test\n")),
        1
    );
}

#[test]
fn only_boxes_that_are_done_now_and_were_not_before_are_ticked() {
    let before = Checklist::parse("- [x] a\n- [ ] b\n- [~] c\n- [ ] d\n");
    let ticks = |now: &str| ticked(&before, &Checklist::parse(now));
    assert_eq!(ticks("- [x] a\n- [ ] b\n- [~] c\n- [ ] d\n"), 0);
    assert_eq!(ticks("- [ ] a\n- [x] b\n- [R] c\n- [~] d\n"), 2);
    assert_eq!(ticks("- [x] a\n- [x]? b\n"), 0);
}
