//! What is a task, and what is not: small plans with what they count.

use agent_loop::core::plan::{Checklist, Mark, PlanReading, Skip};

fn tasks(text: &str) -> Vec<(String, Mark)> {
    Checklist::parse(text)
        .tasks()
        .map(|item| (item.full_text(), item.mark))
        .collect()
}

fn texts(text: &str) -> Vec<String> {
    tasks(text).into_iter().map(|(text, _)| text).collect()
}

fn skips(text: &str) -> Vec<(String, Skip)> {
    Checklist::parse(text)
        .skipped()
        .map(|(item, why)| (item.text.clone(), why))
        .collect()
}

#[test]
fn each_mark_is_read_as_what_it_says() {
    let plan = "- [ ] a\n- [~] b\n- [x] c\n- [X] d\n- [R] e\n";
    let marks: Vec<_> = tasks(plan).into_iter().map(|(_, mark)| mark).collect();
    use Mark::{Blocked, Implemented, Pending, Reviewed};
    assert_eq!(
        marks,
        [Pending, Blocked, Implemented, Implemented, Reviewed]
    );
    let reading = Checklist::parse(plan).reading();
    assert_eq!(
        reading,
        PlanReading {
            total: 5,
            done: 3,
            reviewed: 1,
            pending: 2,
            blocked: 1
        }
    );
}

#[test]
fn any_indent_and_any_bullet_makes_a_task() {
    for line in [
        "- [ ] t",
        "* [ ] t",
        "+ [ ] t",
        "1. [ ] t",
        "12) [ ] t",
        "   - [ ] t",
        "\t- [ ] t",
        "-\t[ ] t",
        "-   [ ]   t  ",
        "- [ ]t",
        "- - [ ] t",
        "1. - [ ] t",
        "        - [ ] t",
        "- [ ] t\r",
        "\u{feff}- [ ] t",
    ] {
        assert_eq!(texts(line), ["t"], "{line:?}");
    }
    assert_eq!(
        texts("- [ ] one\n        - [ ] deep\n\n                - [ ] deeper\n"),
        ["one", "deep", "deeper"]
    );
}

#[test]
fn what_is_no_box_is_no_task() {
    for line in [
        "[ ] t",
        "-[ ] t",
        "- [x](http://example.org)",
        "- [x][ref]",
        "- \\[ ] t",
        "text - [ ] t",
        "- `[ ] t`",
        "1[ ] t",
        "1234567890. [ ] t",
        "- [ ",
        "- [",
        "- ]",
        "* * *",
        "- [long words] t",
    ] {
        assert_eq!(texts(line), [""; 0], "{line:?}");
    }
}

#[test]
fn a_box_with_an_unknown_mark_is_named_and_not_counted() {
    for line in [
        "- [-] t",
        "- [r] t",
        "- [] t",
        "- [ x ] t",
        "- [\u{a0}] t",
        "- [✓] t",
    ] {
        assert_eq!(
            skips(line),
            [("t".to_owned(), Skip::UnknownMark)],
            "{line:?}"
        );
        assert_eq!(texts(line), [""; 0], "{line:?}");
    }
}

#[test]
fn a_persons_check_is_not_counted_whatever_it_says() {
    for line in ["- [ ]? t", "- [x]? t", "- [~]? t", "  * [ ]?t"] {
        assert_eq!(
            skips(line),
            [("t".to_owned(), Skip::PersonsCheck)],
            "{line:?}"
        );
    }
}

#[test]
fn an_empty_box_asks_for_nothing_unless_its_next_line_does() {
    assert_eq!(
        skips("- [ ]\n- [x]  \n"),
        vec![(String::new(), Skip::Empty); 2]
    );
    assert_eq!(texts("- [ ]\n  build it\n"), ["build it"]);
}

#[test]
fn fenced_code_is_no_task_wherever_the_fence_stands() {
    let inside = "- [ ] a\n  ```md\n  - [ ] no\n  ```\n- [ ] b\n\n~~~~\n- [ ] no\n~~~\n- [ ] no\n~~~~\n- [ ] c\n";
    assert_eq!(texts(inside), ["a", "b", "c"]);
    assert_eq!(skips(inside), vec![("no".to_owned(), Skip::FencedCode); 3]);
    // The end of a list item ends its fence; an inline span is no fence.
    assert_eq!(texts("- x\n  ```\n  - [ ] no\n- [ ] a\n"), ["a"]);
    assert_eq!(texts("``` not a `fence\n- [ ] a\n"), ["a"]);
    // A fence that is never closed reaches to the end.
    assert_eq!(texts("- [ ] a\n\n```\n- [ ] no\n"), ["a"]);
}

#[test]
fn an_example_in_indented_code_is_no_task_but_an_indented_plan_is() {
    let example = "Write it so:\n\n    - [ ] no\n\n    - [ ] no\n\n- [ ] a\n";
    assert_eq!(texts(example), ["a"]);
    assert_eq!(
        skips(example),
        vec![("no".to_owned(), Skip::IndentedCode); 2]
    );
    assert_eq!(texts("# Plan\n\n    - [ ] a\n    - [ ] b\n"), ["a", "b"]);
    assert_eq!(texts("- [ ] a\n\n      - [ ] b\n"), ["a", "b"]);
}

#[test]
fn comments_and_quotations_are_no_tasks() {
    let plan = "<!--\n- [ ] old\n-->\n- [ ] a\n\n> - [ ] said\n\n<!-- note -->\n- [ ] b\n";
    assert_eq!(texts(plan), ["a", "b"]);
    let skipped = [
        ("old".to_owned(), Skip::Comment),
        ("said".to_owned(), Skip::Quotation),
    ];
    assert_eq!(skips(plan), skipped);
    // Other HTML hides nothing.
    assert_eq!(texts("<div>\n- [ ] inside\n\n</div>\n"), ["inside"]);
}

#[test]
fn sections_for_people_are_not_the_agents_and_end_with_the_next_of_their_level() {
    let plan = "# Build it\n## Phase 1\n- [ ] a\n## Verification Checklist\n- [ ] no\n### Cargo\n- [ ] no\n\
        ### Manual QA Checklist (do not mark, human verification)\n- [ ]? see\n- [ ] no\n## Phase 2\n- [ ] b\n";
    assert_eq!(texts(plan), ["a", "b"]);
    let whys: Vec<_> = skips(plan).into_iter().map(|(_, why)| why).collect();
    use Skip::{PersonsCheck, PersonsSection};
    assert_eq!(
        whys,
        [PersonsSection, PersonsSection, PersonsCheck, PersonsSection]
    );
}

#[test]
fn headings_are_recognised_in_every_spelling() {
    for heading in [
        "## Verification",
        "### verification steps",
        "## 4. Verification",
        "## ✅ Verification",
        "## **Verification**",
        "## VERIFICATION ##",
        "Verification\n---",
        "Final\nverification checklist\n===",
        "Manual\nqa\n---",
        "## Release checklist)",
        "## Release Checklist",
        "## Release checklist:",
        "## Release checklist (by hand) [draft]",
        "# Manual QA",
        "## Manual QA: phones",
        "## Manual  qa",
        "##\tVerification",
        "   ## Verification",
    ] {
        assert_eq!(
            texts(&format!("{heading}\n\n- [ ] t\n")),
            [""; 0],
            "{heading}"
        );
    }
    for heading in [
        "## Implementation",
        "## Checklist",
        "## Checklists of ours",
        "## Unverified verification",
        "## Manual",
        "## Quality",
        "#Verification",
        "text\n\n    ## Verification",
        "- ## Verification",
        "> ## Verification",
        "```\n## Verification\n```",
    ] {
        assert_eq!(
            texts(&format!("{heading}\n\n- [ ] t\n")),
            ["t"],
            "{heading}"
        );
    }
}

#[test]
fn what_blocks_a_section_is_known_to_its_tasks_and_stops_nothing() {
    let plan = "# P\n## One [BLOCKED by: the schema]\n- [ ] a\n### Sub\n- [ ] b\n## Two [blocked by: ]\n- [ ] c\n";
    let list = Checklist::parse(plan);
    let by: Vec<_> = list.tasks().map(|item| list.blocked_by(item)).collect();
    assert_eq!(by, [Some("the schema"), Some("the schema"), None]);
    assert_eq!(list.next_task().map(|item| item.text.as_str()), Some("a"));
    let path = list.tasks().nth(1).map(|item| list.path(item));
    assert_eq!(path, Some(vec!["P", "One [BLOCKED by: the schema]", "Sub"]));
}

#[test]
fn a_task_that_goes_on_over_lines_is_read_whole() {
    let plan = "- [ ] first\n  goes   on\nand on\n- [ ] second\n\n  a paragraph of its own\n- [ ] third\n  - a note\n";
    assert_eq!(texts(plan), ["first goes on and on", "second", "third"]);
    assert_eq!(
        texts(
            "- [ ] a\n---\n- [ ] b\n# H\n- [ ] c\n```\nx\n```\n- [ ] d\n> said\n- [ ] e\n~~~\nx\n~~~\n"
        ),
        ["a", "b", "c", "d", "e"]
    );
}

#[test]
fn lines_offsets_and_depths_are_those_of_the_text() {
    let plan = "\u{feff}---\ntitle: Release checklist\n---\r\n# Pläne\r\n\r\n- [ ] ünï\r\n\t- [x] b\r- [~] c";
    let list = Checklist::parse(plan);
    let seen: Vec<_> = list
        .tasks()
        .map(|it| (it.line, it.depth, plan.as_bytes()[it.mark_at]))
        .collect();
    // A lone carriage return ends a line for Markdown and for us.
    assert_eq!(seen, [(6, 0, b' '), (7, 1, b'x'), (8, 0, b'~')]);
}

#[test]
fn a_tab_indents_to_the_next_fourth_column() {
    let plan = "- [ ] a\n\t- [ ] b\n    - [ ] c\n \t- [ ] d\n     - [ ] e\n";
    let list = Checklist::parse(plan);
    let depths: Vec<_> = list.tasks().map(|it| it.depth).collect();
    assert_eq!(depths, [0, 1, 1, 1, 2]);
}

#[test]
fn a_front_matter_is_no_heading_and_never_hides_a_task() {
    assert_eq!(texts("---\nVerification: none\n---\n- [ ] a\n"), ["a"]);
    assert_eq!(texts("---\n- [ ] a\n---\n- [ ] b\n"), ["a", "b"]);
    assert_eq!(texts("---\nno end\n\n- [ ] a\n"), ["a"]);
}

#[test]
fn no_text_holds_no_task() {
    for text in ["", "\n", "\u{feff}", "words", "---", "---\n---", "\0"] {
        assert_eq!(
            Checklist::parse(text).reading(),
            PlanReading::default(),
            "{text:?}"
        );
    }
}
