//! What a person reads who has made a mistake.

use serde_json::json;

use super::{complaints, daemon, overridden, workspace};

#[test]
fn all_problems_are_reported_at_once_with_file_line_key_and_the_nearest_key() {
    let text = "\
iteratons = 3
reviewer = 1

verify_cmds = \"make\"
merge_strategy = \"rebase\"
iterations = 0
agent_timout_sec = 3
context_files = [1]
model = [\"a\"]
what_is_this = 1
";
    assert_eq!(
        complaints(workspace(".loop/config.toml", text)),
        [
            ".loop/config.toml:1: iteratons: unknown key; did you mean `iterations`?",
            ".loop/config.toml:2: reviewer: expected true or false, found a whole number",
            ".loop/config.toml:4: verify_cmds: expected a list of texts, each a shell command, found \"make\"",
            ".loop/config.toml:5: merge_strategy: expected one of \"squash\", \"merge\", \"none\", found \"rebase\"",
            ".loop/config.toml:6: iterations: 0 is out of range, expected a whole number from 1 to 10000",
            ".loop/config.toml:7: agent_timout_sec: unknown key; did you mean `agent_timeout_sec`?",
            ".loop/config.toml:8: context_files: a list of texts is expected, but one item is a whole number",
            ".loop/config.toml:9: model: expected a name without spaces, found a list",
            ".loop/config.toml:10: what_is_this: unknown key",
        ]
    );
}

#[test]
fn syntax_errors_and_wrong_values_are_reported_together() {
    let text = "iterations =\nmodel = \"open\nreviewer = 3\n";
    let lines = complaints(workspace(".loop/config.toml", text));
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with(".loop/config.toml:1: "), "{lines:#?}");
    assert!(lines[1].starts_with(".loop/config.toml:2: "), "{lines:#?}");
    assert!(
        lines[2].starts_with(".loop/config.toml:3: reviewer: "),
        "{lines:#?}"
    );
}

#[test]
fn an_unknown_field_of_a_request_is_named() {
    assert_eq!(
        complaints(overridden(
            json!({"iterashuns": 1, "max_rewrites": -1, "reviewer": null})
        )),
        [
            "config_override: iterashuns: unknown key; did you mean `iterations`?",
            "config_override: max_rewrites: -1 is out of range, expected a whole number from 0 to 100",
            "config_override: reviewer: expected true or false, found null",
        ]
    );
}

#[test]
fn a_key_set_twice_is_an_error_whichever_of_its_names_was_used() {
    let twice = "iterations = 1\niterations = 2\n";
    let lines = complaints(workspace(".loop/config.toml", twice));
    assert!(
        lines[0].starts_with(".loop/config.toml:2: duplicate key `iterations`; remove one"),
        "{lines:?}"
    );
    let both = "agent_retries = 1\nclaude_retries = 2\n";
    assert_eq!(
        complaints(workspace(".loop/config.toml", both)),
        [
            ".loop/config.toml:2: claude_retries: `agent_retries` is already set in line 1; remove one of them"
        ]
    );
}

#[test]
fn a_file_is_read_as_toml_by_the_end_of_its_name_in_either_case() {
    for name in ["run.toml", "RUN.TOML"] {
        let resolved = workspace(name, "verify_cmds = [\"a | b\", \"c\"]\n").expect("TOML");
        assert_eq!(resolved.config.verify_cmds, ["a | b", "c"], "{name}");
    }
}

#[test]
fn an_earlier_name_works_and_a_warning_gives_the_present_one() {
    let resolved = workspace(".loop/config.toml", "claude_timeout_sec = 60").expect("an alias");
    assert_eq!(resolved.config.agent_timeout_sec, 60);
    let warnings: Vec<String> = resolved.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            ".loop/config.toml:1: claude_timeout_sec: the name of an earlier version; write `agent_timeout_sec`"
        ]
    );
}

#[test]
fn settings_under_a_table_are_told_where_keys_stand() {
    let text = "[run]\niterations = 3\n[agent.mine]\ndriver = \"exec\"\n[other]\nx = 1\n";
    assert_eq!(
        complaints(workspace(".loop/config.toml", text)),
        [
            ".loop/config.toml:1: run: unknown table; keys stand at the top level, before any `[table]`",
            ".loop/config.toml:3: agent: expected a name without spaces, found a table",
            ".loop/config.toml:5: other: unknown table; the only tables are [agents.NAME]",
        ]
    );
}

#[test]
fn every_mistake_in_an_agents_table_is_named_with_its_line() {
    let text = "\
[agents.a]
comand = \"x\"
[agents.b]
driver = 3
args = \"x\"
[agents.c]
args = [\"x\"]
[agents.d]
driver = \"exec\"
env = { 1A = \"x\" }
[agents.\"e f\"]
driver = \"claude\"
[agents.g]
driver = \"acp\"
command = \" \"
env = { LOOPD_TOKEN = \"x\" }
";
    assert_eq!(
        complaints(workspace(".loop/config.toml", text)),
        [
            ".loop/config.toml:2: agents.a.comand: unknown key; an agent has `driver`, `command`, `args` and `env`",
            ".loop/config.toml:4: agents.b.driver: expected text, found a whole number",
            ".loop/config.toml:5: agents.b.args: expected a list of texts, found text",
            ".loop/config.toml:10: agents.d.env: \"1A\" is no name of a variable",
            ".loop/config.toml:11: agents.e f: the name of an agent is 1 to 64 letters, digits, `-`, `_` and `.`",
            ".loop/config.toml:15: agents.g.command: it is empty",
            ".loop/config.toml:16: agents.g.env: LOOPD_TOKEN: loopd's own variables never reach an agent",
        ]
    );
}

#[test]
fn texts_have_to_look_like_what_they_are() {
    for (setting, why) in [
        ("base_branch = \"a b\"", "git does not accept it"),
        ("base_branch = \"-x\"", "git does not accept it"),
        ("base_branch = \"a..b\"", "git does not accept it"),
        ("base_branch = \"x.lock\"", "git does not accept it"),
        ("base_branch = \"HEAD\"", "git does not accept it"),
        ("base_branch = \"@\"", "git does not accept it"),
        ("base_branch = \"a@{1}\"", "git does not accept it"),
        ("base_branch = \"x.\"", "git does not accept it"),
        ("base_branch = \".x\"", "git does not accept it"),
        ("base_branch = \"a/.x\"", "git does not accept it"),
        ("base_branch = \"a//b\"", "git does not accept it"),
        ("base_branch = \"a\\\\b\"", "git does not accept it"),
        ("base_branch = \"refs/heads/main\"", "without `refs/…/`"),
        ("run_branch_prefix = \"\"", "it is empty"),
        ("run_branch_prefix = \"a~\"", "git does not accept it"),
        ("specs_dir = \"../specs\"", "leads out of the workspace"),
        ("specs_dir = \"/specs\"", "it is absolute"),
        ("global_log_dir = \"logs\"", "it is not absolute"),
        ("log_dir = \"~/logs\"", "`~` is not expanded"),
        ("log_dir = \"a\\nb\"", "control character"),
        ("log_dir = \" \"", "it is empty"),
        ("model = \"a b\"", "contains a space"),
        ("model = \"--yolo\"", "as only an option does"),
        ("protected_paths = [\"a[\"]", "it is no glob"),
        ("env_pass = [\"A-B\"]", "no name of a variable"),
        ("env_pass = [\"1A\"]", "no name of a variable"),
        ("env_pass = [\"LOOPD_TOKEN\"]", "loopd's own variables"),
        ("verify_cmds = [\"\"]", "it is empty"),
        ("verify_cmds = [\"a\\u0000b\"]", "control character"),
        ("allowed_hosts = [\"http://box.lan/\"]", "no host name"),
        ("allowed_hosts = [\"a b\"]", "no host name"),
        (
            "worktree_path_template = '{{ \"\\n\" }}x'",
            "a path with a control character",
        ),
        ("max_output_bytes = \"5 parsecs\"", "expected a size"),
        (
            "max_output_bytes = \"1 KiB\"",
            "1024 is out of range, expected a size from 64 KiB to 64 GiB",
        ),
        ("max_cost_usd = -1", "-1 is out of range"),
        ("max_cost_usd = nan", "NaN is out of range"),
        (
            "iterations = 999999999999999999999999999999999999999999",
            "expected a whole number",
        ),
        ("iterations = 1979-05-27", "found a date"),
        ("iterations = 1.5", "found a fraction"),
    ] {
        let lines = complaints(daemon(setting));
        assert!(
            lines.len() == 1 && lines[0].contains(why),
            "{setting}: {lines:?}"
        );
    }
}

/// What stands in a configuration is stored with every run and told in every error: it has bounds.
#[test]
fn texts_names_and_lists_without_end_are_refused() {
    let (long, name) = ("x".repeat(8193), "n".repeat(65));
    let many = "'x', ".repeat(1001);
    for (setting, why) in [
        (format!("model = '{long}'"), "it is longer than 8192 bytes"),
        (
            format!("verify_cmds = ['true', '{long}']"),
            "it is longer than 8192 bytes",
        ),
        (
            format!("worktree_path_template = '{}'", "x".repeat(513)),
            "it is longer than 512 bytes",
        ),
        (
            format!("context_files = [{many}]"),
            "1001 items; at most 1000",
        ),
        (
            format!("[agents.{name}]\ncommand = 'x'"),
            "is 1 to 64 letters",
        ),
        (
            "[agents.a]\ncommand = \"x\\u0000\"".to_owned(),
            "it contains a NUL",
        ),
        (
            "[agents.a]\nargs = [\"x\\u0000\"]".to_owned(),
            "it contains a NUL",
        ),
        (
            "[agents.a]\nenv = { A = \"x\\u0000\" }".to_owned(),
            "it contains a NUL",
        ),
    ] {
        let lines = complaints(daemon(&setting));
        assert!(
            lines.len() == 1 && lines[0].contains(why) && lines[0].len() < 400,
            "{lines:?}"
        );
    }
    let (long, many) = ("x".repeat(8192), "'x', ".repeat(1000));
    daemon(&format!("model = '{long}'\ncontext_files = [{many}]")).expect("as long as is allowed");
}

/// A file can have no longer name, a branch needs room for its lock, and a run's own name comes after the prefix.
#[test]
fn names_that_no_file_can_have_are_refused_and_the_longest_ones_are_taken() {
    for (key, longest) in [
        ("log_dir", 255),
        ("merge_target_branch", 250),
        ("run_branch_prefix", 175),
    ] {
        let set = |bytes| format!("{key} = 'a/{}'", "x".repeat(bytes));
        daemon(&set(longest)).expect(key);
        let lines = complaints(daemon(&set(longest + 1)));
        let why = format!("a part of it is longer than {longest} bytes");
        assert!(lines.len() == 1 && lines[0].contains(&why), "{lines:?}");
        let lines = complaints(daemon(&format!("{key} = '{}x'", "a/".repeat(1024))));
        assert!(
            lines[0].contains("it is longer than 2048 bytes"),
            "{lines:?}"
        );
    }
    // A pattern is no name: what it means may be short.
    let names = vec!["lock"; 100].join(",");
    daemon(&format!("protected_paths = ['{{{names}}}']")).expect("a pattern");
}

#[test]
fn branches_and_paths_that_git_accepts_are_accepted() {
    for setting in [
        "base_branch = \"feature/größe-1.0\"",
        "run_branch_prefix = \"bots/x-\"",
        "context_files = [\"docs/Überblick.md\", \"a..b\"]",
        "skills_dirs = [\"/opt/skills\"]",
        "prompt_file = \"/home/u/prompt.md\"",
        "verify_cmds = [\"set -e\\nmake test\"]",
        "env_pass = [\"*\"]",
        "allowed_hosts = [\"build.example:7700\", \"[::1]\"]",
    ] {
        daemon(setting).expect(setting);
    }
}

#[test]
fn sizes_are_bytes_or_text_with_a_unit() {
    for (written, bytes) in [
        (json!(65536), 65536),
        (json!("65536"), 65536),
        (json!("64 KiB"), 65536),
        (json!("2mib"), 2 << 20),
        (json!(" 1 GiB "), 1 << 30),
        (json!("100 KB"), 100_000),
    ] {
        let config = overridden(json!({"max_output_bytes": written}))
            .expect("a size")
            .config;
        assert_eq!(config.max_output_bytes, bytes);
    }
    // The second is a number, and one that its unit takes beyond 64 bits: to 1 GiB, were it let go on.
    for much in ["99999999999999999999 GiB", "17179869185 GiB"] {
        overridden(json!({"max_output_bytes": much})).expect_err(much);
    }
}

#[test]
fn a_worktree_template_is_tried_out_when_it_is_read() {
    for (template, why) in [
        ("{{ repo", "syntax error"),
        ("{{ rpo }}", "at `rpo`"),
        ("{{ repo | upper }}", "unknown filter"),
        (
            "{% for a in repo %}{% for b in repo %}{% endfor %}{% endfor %}",
            "an empty path",
        ),
        ("~/w/{{ run_id }}", "`~` is not expanded"),
        (
            &format!("{{{{ 1{} }}}}", "+1".repeat(4000)),
            "longer than 512 bytes",
        ),
        ("", "it is empty"),
    ] {
        let lines = complaints(overridden(json!({"worktree_path_template": template})));
        assert!(lines[0].contains(why), "{template}: {lines:?}");
    }
}
