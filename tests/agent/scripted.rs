//! The built-in agent in a real repository: turns, steps and ends.

use agent_loop::agent::{ResultClass, Role, verdict};
use agent_loop::core::plan::{CompletionMode, TOKEN, claims};

use super::lab::Lab;
use super::streams::CLOCK;

#[test]
fn without_a_script_it_does_task_after_task_and_says_when_all_are_done() {
    let lab = Lab::new();
    let first = lab.play(Role::Implement, 1, None);
    assert_eq!(first.class, ResultClass::Done, "{}", first.message);
    assert!(!claims(
        &first.final_message,
        CompletionMode::Trailing,
        TOKEN
    ));
    assert_eq!(lab.read("plan.md"), "# Plan\n\n- [x] one\n- [ ] two\n");
    assert_eq!(lab.git(&["log", "-1", "--format=%s"]), "Do: one");
    assert_eq!(
        lab.git(&["log", "-1", "--format=%an, %cn"]),
        "t, t",
        "as whoever is named in its environment"
    );

    let second = lab.play(Role::Implement, 2, None);
    assert!(claims(
        &second.final_message,
        CompletionMode::Trailing,
        TOKEN
    ));
    assert_eq!(lab.read("plan.md"), "# Plan\n\n- [x] one\n- [x] two\n");

    let third = lab.play(Role::Implement, 3, None);
    assert!(claims(
        &third.final_message,
        CompletionMode::Trailing,
        TOKEN
    ));
    assert_eq!(lab.git(&["rev-list", "--count", "HEAD"]), "3");
    assert_eq!(lab.git(&["status", "--porcelain"]), "");
}

#[test]
fn without_a_script_it_does_not_claim_that_blocked_tasks_are_done() {
    let lab = Lab::new();
    lab.write("plan.md", "- [x] one\n- [~] two\n");
    let report = lab.play(Role::Implement, 1, None);
    assert!(!claims(
        &report.final_message,
        CompletionMode::Trailing,
        TOKEN
    ));
}

#[test]
fn without_a_script_it_approves() {
    let report = Lab::new().play(Role::Review, 1, None);
    assert!(verdict::parse(&report.final_message).unwrap().approved);
}

#[test]
fn every_step_does_what_it_says() {
    let lab = Lab::new();
    let report = lab.implement(
        r##"
        [[turn]]
        steps = [
          { say = "I begin." },
          { write = { path = "src/a.txt", text = "one\n" } },
          { append = { path = "src/a.txt", text = "two\n" } },
          { edit = { path = "src/a.txt", find = "one", replace = "1" } },
          { write = { path = "gone.txt", text = "" } },
          { delete = "gone.txt" },
          { tick = "two" },
          { commit = "Second first" },
          { git = ["tag", "here"] },
          { sh = "echo shell > sh.txt; exit 3" },
          { raw = "no event" },
          { stderr = "careful" },
          { usage = { input_tokens = 5, output_tokens = 7, cost_usd = 0.5 } },
          { sleep_ms = 1 },
          { say = "I end." },
        ]
        "##,
    );
    assert_eq!(report.class, ResultClass::Done, "{}", report.message);
    assert_eq!(report.final_message, "I end.");
    assert_eq!(report.raw_lines, 1);
    assert_eq!(report.usage.input_tokens, 5);
    assert_eq!(report.usage.cost_usd, Some(0.5));
    assert_eq!(lab.read("src/a.txt"), "1\ntwo\n");
    assert_eq!(lab.read("plan.md"), "# Plan\n\n- [ ] one\n- [x] two\n");
    assert_eq!(
        lab.git(&["log", "-1", "--format=%s", "here"]),
        "Second first"
    );
    assert_eq!(lab.read("sh.txt"), "shell\n");
    assert!(!lab.repo().join("gone.txt").exists());
}

#[test]
fn turns_are_played_in_order_by_role_and_the_last_one_again() {
    let lab = Lab::new();
    let script = r#"
        [[turn]]
        steps = [{ say = "first" }]
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = false, findings = "no" } }]
        [[turn]]
        steps = [{ say = "second" }]
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = true } }]
    "#;
    let play = |role| lab.play(role, 1, Some(script)).final_message;
    assert_eq!(play(Role::Implement), "first");
    assert_eq!(play(Role::Review), "no\n\nCHANGES REQUESTED");
    assert_eq!(play(Role::Implement), "second");
    assert_eq!(play(Role::Implement), "second");
    assert_eq!(play(Role::Review), "APPROVED");
    assert_eq!(play(Role::Review), "APPROVED");
}

#[test]
fn after_the_last_turn_it_can_go_on_as_without_a_script() {
    let lab = Lab::new();
    let script = "then = 'default'\n[[turn]]\nsteps = [{ say = 'first' }]";
    assert_eq!(lab.implement(script).final_message, "first");
    lab.implement(script);
    assert!(lab.read("plan.md").contains("[x] one"));
}

#[test]
fn a_turn_out_of_order_waits_for_its_moment_and_is_played_so_often_at_most() {
    let lab = Lab::new();
    let script = r#"
        [[turn]]
        steps = [{ say = "usual" }]
        [[turn]]
        when = { iteration = 2, prompt_contains = "next task" }
        steps = [{ say = "special" }]
        [[turn]]
        when = { prompt_contains = "never said" }
        steps = [{ say = "never" }]
    "#;
    let play = |iteration| {
        lab.play(Role::Implement, iteration, Some(script))
            .final_message
    };
    assert_eq!(play(1), "usual");
    assert_eq!(play(2), "special");
    assert_eq!(play(2), "usual");
}

#[test]
fn a_turn_out_of_order_may_be_played_more_than_once() {
    let lab = Lab::new();
    let script = r#"
        [[turn]]
        steps = [{ say = "usual" }]
        [[turn]]
        when = { prompt_contains = "next task" }
        times = 2
        steps = [{ say = "special" }]
        [[turn]]
        when = { resumed = true }
        steps = [{ say = "again" }]
    "#;
    let play = || lab.implement(script).final_message;
    let said: Vec<String> = std::iter::repeat_with(play).take(3).collect();
    assert_eq!(said, ["special", "special", "usual"], "nothing was resumed");
}

#[test]
fn ends_are_told_as_real_agents_tell_them() {
    for (step, class) in [
        (
            "{ limit = { resets_in_sec = 60 } }",
            ResultClass::Limited {
                resets_at: Some(CLOCK.now.plus_ms(60_000)),
            },
        ),
        ("{ limit = {} }", ResultClass::Limited { resets_at: None }),
        ("'auth'", ResultClass::Auth),
        ("{ end = { how = 'max_turns' } }", ResultClass::MaxTurns),
        ("{ end = { how = 'budget' } }", ResultClass::Budget),
        (
            "{ end = { how = 'failed', message = 'm', fault = { kind = 'refused' } } }",
            ResultClass::Refused,
        ),
        ("{ exit = 0 }", ResultClass::Crashed),
        ("{ exit = 3 }", ResultClass::Crashed),
        ("{ signal = 9 }", ResultClass::Crashed),
        (
            "{ edit = { path = 'plan.md', find = 'zzz', replace = '' } }",
            ResultClass::Crashed,
        ),
        ("{ git = ['frobnicate'] }", ResultClass::Crashed),
    ] {
        let report = Lab::new().implement(&format!("[[turn]]\nsteps = [{step}, {{ say = 'on' }}]"));
        assert_eq!(report.class, class, "{step}: {}", report.message);
        assert_eq!(report.final_message, "", "{step}");
        assert!(!report.message.is_empty(), "{step}");
    }
}

#[test]
fn its_exit_status_says_whether_it_was_done() {
    for (step, status) in [("'auth'", 1), ("{ say = 'on' }", 0)] {
        let script = format!("[[turn]]\nsteps = [{step}]");
        let lab = Lab::new();
        let output = lab.command(Role::Implement, 1, Some(&script)).output();
        assert_eq!(output.unwrap().status.code(), Some(status), "{step}");
    }
}

#[test]
fn what_it_has_played_is_never_forgotten_unsaid() {
    let lab = Lab::new();
    let state = lab.dir.path().join("state/scripted.json");
    std::fs::create_dir_all(&state).unwrap();
    let report = lab.implement("[[turn]]\nsteps = []");
    assert_eq!(report.class, ResultClass::Refused);
    assert!(
        report.message.contains("failed to read") && report.message.contains("scripted.json"),
        "{}",
        report.message
    );
}

#[test]
fn a_turn_is_counted_before_it_is_played_so_that_a_crash_is_played_once() {
    let lab = Lab::new();
    let script = "[[turn]]\nsteps = [{ signal = 9 }]\n[[turn]]\nsteps = [{ say = 'back' }]";
    assert_eq!(lab.implement(script).class, ResultClass::Crashed);
    assert_eq!(lab.implement(script).final_message, "back");
}

#[test]
fn a_script_that_is_wrong_is_refused_and_the_place_is_named() {
    for (script, part) in [
        ("[[turn]]\nsteps = ['fly']", "fly"),
        ("[[turn]]\nstep = []", "step"),
        ("[[turn]]\nrole = 'cook'\nsteps = []", "cook"),
        ("[[turn]]\nsteps = [{ write = { path = 'a' } }]", "text"),
        ("not toml", "script.toml"),
    ] {
        let report = Lab::new().implement(script);
        assert_eq!(report.class, ResultClass::Refused, "{script}");
        assert!(report.message.contains(part), "{}", report.message);
    }
}

#[test]
fn the_script_of_the_documentation_is_a_script() {
    let page = include_str!("../../docs/agents.md");
    let script = page
        .split("```toml\n")
        .filter_map(|block| block.split("```").next())
        .find(|block| block.starts_with("then ="))
        .unwrap();
    let report = Lab::new().implement(script);
    assert_eq!(report.final_message, "I will do the first task.");
}
