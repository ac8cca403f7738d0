//! The older format, `key=value`.

use super::{complaints, old};

#[test]
fn settings_are_read_with_or_without_quotes_and_comments() {
    let text = "\
# a comment
iterations=7
  model = \"opus # not a comment\"
agent='codex'   # the other one

log_dir=logs/a#b # a comment
reviewer=no
postmortem=1
summary_json=FALSE
max_cost_usd=2.5
max_output_bytes=1 MiB
context_files=a.md, b.md c.md
base_branch=
";
    let text = text.replace("opus # not a comment", "opus#not-a-comment");
    let config = old(&text).expect("all is well").config;
    assert_eq!(config.iterations, 7);
    assert_eq!(config.model.as_deref(), Some("opus#not-a-comment"));
    assert_eq!(config.agent, "codex");
    assert_eq!(config.log_dir, "logs/a#b");
    assert!(!config.reviewer && config.postmortem && !config.summary_json);
    assert_eq!(config.max_cost_usd.map(|usd| usd.micros()), Some(2_500_000));
    assert_eq!(config.max_output_bytes, 1 << 20);
    assert_eq!(config.context_files, ["a.md", "b.md", "c.md"]);
    assert_eq!(config.base_branch, None);
}

#[test]
fn the_names_of_the_earlier_system_are_known() {
    let text = "claude_timeout_sec=60\nclaude_retries=4\nclaude_retry_backoff_sec=7\n";
    let resolved = old(text).expect("all is well");
    let config = &resolved.config;
    assert_eq!(config.agent_timeout_sec, 60);
    assert_eq!(
        (config.agent_retries, config.agent_retry_backoff_sec),
        (4, 7)
    );
    assert_eq!(resolved.warnings.len(), 3);
}

#[test]
fn verify_cmds_is_one_command_unless_a_separator_is_set() {
    let pipe = "verify_cmds=\"cargo test 2>&1 | tail -5\"\n";
    let config = old(pipe).expect("all is well").config;
    assert_eq!(config.verify_cmds, ["cargo test 2>&1 | tail -5"]);

    let two = "verify_cmds='cargo test | cargo clippy || true'\nverify_cmds_separator=\"|\"\n";
    let config = old(two).expect("all is well").config;
    assert_eq!(config.verify_cmds, ["cargo test", "cargo clippy || true"]);

    assert_eq!(
        old("verify_cmds=\n").expect("none").config.verify_cmds,
        [""; 0]
    );
    assert_eq!(
        complaints(old("verify_cmds=a ; b\nverify_cmds_separator=;\n")),
        [".loop/config:2: `verify_cmds_separator` can only be \"|\""]
    );
    let empty_part = complaints(old("verify_cmds=a |  | b\nverify_cmds_separator=|\n"));
    assert!(empty_part[0].contains("it is empty"), "{empty_part:?}");
}

#[test]
fn each_line_that_is_no_setting_is_an_error_of_its_own() {
    let text = "\
just words
=3
two words=3
model=\"open
model=\"a\" b
[run]
verify_cmds=[\"a\"]
iterations=3
iterations=4
reviewer=maybe
iteratons=3
";
    assert_eq!(
        complaints(old(text)),
        [
            ".loop/config:1: expected `key=value`, a comment or an empty line",
            ".loop/config:2: expected one word before the `=`",
            ".loop/config:3: expected one word before the `=`",
            ".loop/config:4: the closing quote is missing",
            ".loop/config:5: text after the closing quote; quote the whole value with the other kind of quotes",
            ".loop/config:6: tables need TOML; name the file `config.toml`",
            ".loop/config:7: a list needs TOML; name the file `config.toml`",
            ".loop/config:9: `iterations` is already set in line 8; remove one of them",
            ".loop/config:10: reviewer: expected true or false, found \"maybe\"",
            ".loop/config:11: iteratons: unknown key; did you mean `iterations`?",
        ]
    );
}
