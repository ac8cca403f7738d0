//! The key table against the structs: a key that is in one of them only is found here.

use std::collections::BTreeSet;

use agent_loop::config::{KEYS, Kind, RunConfig, Scope, TemplateFor, Usd, template};
use agent_loop::core::plan::CompletionMode;
use agent_loop::core::run::OnUsageLimit;
use agent_loop::core::schedule::Order;
use serde_json::{Value, json};

use super::{as_json, daemon, object, overridden, workspace};

#[test]
fn every_row_is_a_field_of_its_struct_and_every_field_a_row() {
    let rows = |scope| -> BTreeSet<String> {
        let of_scope = KEYS.iter().filter(|key| key.scope == scope);
        of_scope.map(|key| key.name.to_owned()).collect()
    };
    let mut run: BTreeSet<String> = as_json(&RunConfig::default()).keys().cloned().collect();
    assert!(run.remove("agents"), "the table of agents is no row");
    assert_eq!(run, rows(Scope::Run));

    let loaded = daemon("").expect("nothing to refuse");
    let loaded = object(serde_json::to_value(loaded.daemon).expect("JSON"));
    let fields: BTreeSet<String> = loaded.keys().cloned().collect();
    assert_eq!(fields, rows(Scope::Daemon));
}

#[test]
fn no_name_or_alias_is_used_twice() {
    let mut seen = BTreeSet::new();
    for key in KEYS {
        for name in key.aliases.iter().chain([&key.name]) {
            assert!(seen.insert(*name), "{name} is used twice");
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let run = RunConfig::default();
    assert_eq!(run.specs_dir, "specs");
    assert_eq!(run.plans_dir, "specs/planning");
    assert_eq!(run.log_dir, "logs/loop");
    assert_eq!(run.agent, "claude");
    assert_eq!(run.iterations, 50);
    assert!(run.reviewer);
    assert_eq!(run.verify_timeout_sec, 1800);
    assert_eq!(run.agent_timeout_sec, 3600);
    assert_eq!(run.agent_idle_timeout_sec, 1800);
    assert_eq!(run.agent_retries, 2);
    assert_eq!(run.agent_retry_backoff_sec, 5);
    assert_eq!(run.stop_grace_sec, 10);
    assert_eq!(run.max_output_bytes, 256 * 1024 * 1024);
    assert_eq!(run.max_tokens, None);
    assert_eq!(run.max_cost_usd, None);
    assert_eq!(run.protected_paths, [".loop/**"]);
    assert_eq!(run.run_branch_prefix, "run/");
    assert_eq!(
        run.worktree_path_template,
        "../{{ repo }}.{{ run_branch | sanitize }}"
    );
    let words = [
        run.artifact_mode.as_str(),
        run.run_naming_mode.as_str(),
        run.merge_strategy.as_str(),
        run.worktree_provider.as_str(),
        run.sandbox.as_str(),
    ];
    assert_eq!(run.completion_mode, CompletionMode::Trailing);
    assert_eq!(run.on_usage_limit, OnUsageLimit::Wait);
    assert!(run.env_pass.is_empty());
    let expected = ["mirror", "spec_slug", "squash", "git", "guard"];
    assert_eq!(words, expected);
    assert!(run.worktree_cleanup && run.summary_json);
    assert!(!run.postmortem && !run.skills_enabled);

    let loaded = daemon("").expect("nothing to refuse").daemon;
    assert_eq!(loaded.max_concurrent_runs, 3);
    assert_eq!(loaded.max_runs_per_workspace, 1);
    assert_eq!(loaded.queue_policy, Order::Fifo);
    assert_eq!(loaded.aging_starts, 8);
    assert_eq!(loaded.min_free_disk_mb, 500);
    assert_eq!(loaded.shutdown.as_str(), "keep");
    assert_eq!(loaded.retention_days, 30);
}

#[test]
fn every_word_of_every_choice_is_one_of_its_enum() {
    for key in KEYS {
        let Kind::Choice(words) = key.kind else {
            continue;
        };
        for word in words {
            let settings = json!({ key.name: word, "fallback_agent": "other" });
            match key.scope {
                Scope::Run => assert_eq!(
                    as_json(&overridden(settings).expect(word).config)[key.name],
                    json!(word)
                ),
                Scope::Daemon => {
                    daemon(&format!("{} = \"{word}\"", key.name)).expect(word);
                }
            }
        }
    }
}

#[test]
fn the_scheduler_gets_its_policy() {
    let toml = "max_concurrent_runs = 5\nmax_runs_per_workspace = 2\nqueue_policy = \"newest_first\"\naging_starts = 4";
    let policy = daemon(toml).expect("accepted").daemon.policy();
    assert_eq!(
        (policy.max_concurrent_runs, policy.max_runs_per_workspace),
        (5, 2)
    );
    assert_eq!((policy.order, policy.aging_starts), (Order::NewestFirst, 4));
}

#[test]
fn the_watchdog_gets_its_limits() {
    let limits = RunConfig::default().limits();
    assert_eq!(limits.iterations, 50);
    assert_eq!(limits.max_consecutive_verification_failures, 3);
    assert_eq!(limits.max_consecutive_review_failures, 0);
    assert_eq!((limits.max_rewrites, limits.max_review_rounds), (2, 3));
    assert_eq!((limits.max_tokens, limits.max_cost_micro_usd), (None, None));
    let limited = overridden(json!({"max_tokens": 9, "max_cost_usd": 1.25})).expect("in range");
    let limits = limited.config.limits();
    assert_eq!(limits.max_tokens, Some(9));
    assert_eq!(limits.max_cost_micro_usd, Some(1_250_000));
}

/// A value that is accepted and is not the default.
fn another_value(name: &str, kind: Kind, default: &Value) -> Value {
    match kind {
        Kind::Flag => json!(!default.as_bool().expect("a flag")),
        Kind::Count { min, max } => {
            let low = default.as_u64() == Some(min) || default.is_null();
            json!(if low { max } else { min })
        }
        Kind::Size { min, .. } => json!(min),
        Kind::Money => json!(12.5),
        Kind::Choice(words) => {
            let other = words.iter().find(|word| default != &json!(word));
            json!(other.expect("more than one word"))
        }
        Kind::Text(_) if name == "global_log_dir" => json!("/var/log/loopd"),
        Kind::Text(_) => json!("other"),
        Kind::List(_) => json!(["other_one", "other_two"]),
    }
}

#[test]
fn every_key_of_a_run_changes_its_field_and_no_other() {
    let defaults = as_json(&RunConfig::default());
    for key in KEYS.iter().filter(|key| key.scope == Scope::Run) {
        let mut value = another_value(key.name, key.kind, &defaults[key.name]);
        let mut settings = object(json!({ key.name: value }));
        if value == "fallback" || key.name == "on_usage_limit" {
            value = json!("fail");
            settings = object(json!({ key.name: value }));
        }
        let resolved = overridden(Value::Object(settings)).expect(key.name);
        if key.grows {
            value = json!([".loop/**", "other_one", "other_two"]);
        }
        let mut expected = defaults.clone();
        expected.insert(key.name.to_owned(), value);
        assert_eq!(as_json(&resolved.config), expected, "{}", key.name);
    }
}

#[test]
fn every_key_of_the_daemon_changes_its_field_and_no_other() {
    let loaded = daemon("").expect("nothing to refuse");
    let defaults = object(serde_json::to_value(&loaded.daemon).expect("JSON"));
    for key in KEYS.iter().filter(|key| key.scope == Scope::Daemon) {
        let value = match key.name {
            "allowed_hosts" => json!(["build.example"]),
            _ => another_value(key.name, key.kind, &defaults[key.name]),
        };
        let changed = daemon(&format!("{} = {value}", key.name)).expect(key.name);
        let mut expected = defaults.clone();
        expected.insert(key.name.to_owned(), value);
        let changed = object(serde_json::to_value(&changed.daemon).expect("JSON"));
        assert_eq!(changed, expected, "{}", key.name);
    }
}

/// A template with every setting uncommented.
fn uncommented(file: TemplateFor) -> String {
    let settings = template(file);
    let settings = settings.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting,
        Some(_) | None => line,
    });
    settings.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_template_names_every_key_and_says_exactly_the_defaults() {
    let user = uncommented(TemplateFor::User);
    for key in KEYS {
        let line = format!("\n{} = ", key.name);
        assert_eq!(user.matches(&line).count(), 1, "{}", key.name);
    }
    let untouched = daemon("").expect("nothing to refuse");
    let loaded = daemon(&user).expect("the template is accepted");
    assert_eq!(loaded.daemon, untouched.daemon);
    assert_eq!(loaded.warnings, []);

    let text = uncommented(TemplateFor::Workspace);
    let resolved = workspace(".loop/config.toml", &text).expect("the template is accepted");
    assert_eq!(resolved.config, RunConfig::default());
}

#[test]
fn a_template_as_it_is_changes_nothing() {
    let text = template(TemplateFor::Workspace);
    let resolved = workspace(".loop/config.toml", &text).expect("comments only");
    assert_eq!(resolved.config, RunConfig::default());
    assert_eq!(template(TemplateFor::User).matches("\n[").count(), 0);
}

#[test]
fn a_stored_configuration_reads_back_as_it_was() {
    let settings = json!({
        "max_cost_usd": 0.1, "max_tokens": 5, "model": "größer", "verify_cmds": ["make\ttest"],
        "agents": {"mine": {"driver": "exec", "command": "a b", "args": ["x"], "env": {"A": "1"}}},
    });
    let config = overridden(settings).expect("accepted").config;
    let stored = serde_json::to_string(&config).expect("JSON");
    let back: RunConfig = serde_json::from_str(&stored).expect("its own JSON");
    assert_eq!(back, config);
}

#[test]
fn a_configuration_stored_by_another_version_gets_the_defaults_of_what_it_does_not_say() {
    let older = r#"{"iterations": 7, "a_key_of_a_newer_version": true}"#;
    let config: RunConfig = serde_json::from_str(older).expect("read with defaults");
    let expected = RunConfig {
        iterations: 7,
        ..RunConfig::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn money_is_exact_to_a_millionth() {
    assert_eq!(Usd::from_dollars(0.1).map(Usd::micros), Some(100_000));
    for wrong in [-0.01, 1_000_000.5, f64::NAN, f64::INFINITY] {
        assert_eq!(Usd::from_dollars(wrong), None, "{wrong}");
    }
}
