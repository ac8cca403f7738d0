//! Templates of a workspace in the place of the built-in ones: what they may use, and what is wrong with one is told with its
//! line before a run depends on it. What the built-in ones say is in `ours`.

use agent_loop::prompt::{Overrides, PromptFacts, PromptKind, check, render};

use super::{built_in, first, own};

#[test]
fn a_workspace_can_replace_a_template_and_use_our_parts() {
    let text = "# Mine\n{% include \"parts/rules.md\" %}\n{{ runner_notes | fenced(10) }}\n";
    let prompt = own(text, &PromptFacts::example()).expect("well formed");
    assert!(prompt.starts_with("# Mine\n1. Read the spec"));
    let mut overrides = Overrides::default();
    overrides.set(PromptKind::Implementation, "prompt.md", text);
    let review = render(PromptKind::Review, &overrides, &PromptFacts::example());
    assert_eq!(
        review,
        Ok(built_in(PromptKind::Review, &PromptFacts::example()))
    );
}

#[test]
fn an_unknown_name_is_an_error_with_its_line_even_where_it_is_not_reached() {
    let text = "spec_pth is only prose here\n{% if false %}\n{{ spec_pth }}\n{% endif %}";
    let error = own(text, &PromptFacts::example()).expect_err("no such fact");
    assert!(
        error.starts_with(
            "prompt.md:3: `spec_pth` is not known here, did you mean `spec_path`?; known are base_branch, branch, "
        ),
        "{error}"
    );
    assert!(
        error.contains("task (blocked_by, line, section, text)"),
        "{error}"
    );
    assert!(error.contains("skills (hint, name, path, text)"), "{error}");
}

#[test]
fn of_several_unknown_names_the_first_is_told_and_only_a_near_one_is_offered() {
    let facts = PromptFacts::example();
    let error = own("{{ zebra_count }}\n{{ appetite }}", &facts).expect_err("no such facts");
    assert!(
        error.starts_with("prompt.md:1: `zebra_count` is not known here; known are"),
        "{error}"
    );
    // Part of another name is another name.
    let error = own("{{ branch }}\n{{ bran }}", &facts).expect_err("no such fact");
    assert!(error.starts_with("prompt.md:2: `bran`"), "{error}");
}

#[test]
fn an_unknown_field_is_an_error_with_its_line() {
    let error = own("\n\n{{ task.txt }}", &PromptFacts::example()).expect_err("no such field");
    assert!(
        error.starts_with("prompt.md:3: `task.txt` is not known here"),
        "{error}"
    );
    assert!(
        error.contains("task (blocked_by, line, section, text)"),
        "{error}"
    );
}

#[test]
fn a_template_is_tried_out_with_facts_absent_before_a_run_depends_on_it() {
    let mut overrides = Overrides::default();
    overrides.set(
        PromptKind::Implementation,
        "prompt.md",
        "Do: {{ task.text }}",
    );
    let error = check(&overrides).expect_err("in mode `mend` there is no task");
    assert!(
        error
            .to_string()
            .starts_with("prompt.md:1: `task.text` is not known"),
        "{error}"
    );
    let guarded = "{% if task %}Do: {{ task.text }}{% endif %}";
    overrides.set(PromptKind::Implementation, "prompt.md", guarded);
    check(&overrides).expect("guarded");
}

#[test]
fn what_is_absent_has_to_be_asked_for_first() {
    let text = "{{ run_id }}\n{{ operator_note }}";
    let error = own(text, &first()).expect_err("there is none");
    assert_eq!(
        error,
        "prompt.md:2: `operator_note`: invalid operation: it is absent here; put it in `{% if … %}`"
    );
    own(text, &PromptFacts::example()).expect("there is one");
}

#[test]
fn what_is_not_well_formed_is_an_error_with_its_line() {
    for (text, line) in [
        ("a\n{{ run_id", 2),
        ("{% if task %}\nx", 2),
        ("a\nb\n{{ run_id | nope }}", 3),
        ("{{ nope() }}", 1),
        ("a\n{% include \"/etc/passwd\" %}", 2),
        ("{{ 1 / 0 }}", 1),
    ] {
        let error = own(text, &PromptFacts::example()).expect_err(text);
        assert!(
            error.starts_with(&format!("prompt.md:{line}: ")),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_template_cannot_run_for_ever_or_fill_the_memory() {
    let facts = PromptFacts::example();
    let loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    let error = own(loops, &facts).expect_err("endless");
    assert!(error.contains("fuel"), "{error}");
    let floods = "{% for a in range(9999) %}{{ 'xxxxxxxxxx' * 1000 }}{% endfor %}";
    let error = own(floods, &facts).expect_err("too long");
    assert!(
        error.contains("the prompt is longer than 4194304 bytes"),
        "{error}"
    );
    let recursive = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    own(recursive, &facts).expect_err("endless");
    let error = own(&"x".repeat(300_000), &facts).expect_err("too long");
    assert!(
        error.contains("the template is longer than 65536 bytes"),
        "{error}"
    );
}

#[test]
fn no_nesting_is_too_deep_to_be_refused() {
    let long = |part: &str, times: usize| part.repeat(times);
    for (before, part, after) in [
        ("{{ ", "(", " }}"),
        ("{{ 1", "+1", " }}"),
        ("{{ 1", "~1", " }}"),
        ("{{ run_id", ".a", " }}"),
        ("{{ run_id", "|trim", " }}"),
        ("{{ run_id", "[0]", " }}"),
        ("{{ run_id", "()", " }}"),
        ("{{ ", "[", " }}"),
        ("{{ ", "not ", "1 }}"),
        ("{{ ", "-", "1 }}"),
        ("{{ 1", " and 1", " }}"),
        ("{{ 1", " if 1 else 1", " }}"),
        ("", "{% if 1 %}", ""),
        ("{% if 1 %}", "{% elif 1 %}", "{% endif %}"),
        ("", "{% for a in [1] %}", ""),
        ("{{ 1", " is defined", " }}"),
        ("{{ 1", " < 1", " }}"),
        ("{{ 1", "**1", " }}"),
    ] {
        for times in [100, 65_000 / part.len()] {
            let text = format!("{before}{}{after}", long(part, times));
            let _ = own(&text, &PromptFacts::example());
        }
    }
}
