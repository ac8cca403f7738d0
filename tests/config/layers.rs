//! What wins over what.

use agent_loop::config::{
    DaemonSources, RunDefaults, RunSources, load_daemon, overrides_from_file, resolve_run,
};
use serde_json::json;

use super::{daemon, file, object, overridden, workspace};

#[test]
fn a_later_layer_wins() {
    let user = file(
        "user.toml",
        "iterations = 2\nmodel = \"user\"\nagent = \"user\"\nlog_dir = \"user\"",
    );
    let explicit = file(
        "daemon.toml",
        "model = \"daemon\"\nagent = \"daemon\"\nlog_dir = \"daemon\"",
    );
    let loaded = load_daemon(&DaemonSources {
        user: Some(user),
        explicit: Some(explicit),
        flags: None,
    });
    let loaded = loaded.expect("accepted");
    let overrides = object(json!({"plans_dir": "request"}));
    let resolved = resolve_run(
        &loaded.run_defaults,
        &RunSources {
            workspace: &[file(
                ".loop/config.toml",
                "agent = \"workspace\"\nlog_dir = \"workspace\"",
            )],
            explicit: Some(file("run.toml", "log_dir = \"file\"\nplans_dir = \"file\"")),
            overrides: Some(("config_override", &overrides)),
        },
    );
    let config = resolved.expect("accepted").config;
    assert_eq!(config.iterations, 2);
    assert_eq!(config.model.as_deref(), Some("daemon"));
    assert_eq!(config.agent, "workspace");
    assert_eq!(config.log_dir, "file");
    assert_eq!(config.plans_dir, "request");
    assert_eq!(config.specs_dir, "specs");
}

#[test]
fn flags_win_over_files_for_the_daemon() {
    let flags = object(json!({"max_concurrent_runs": 9}));
    let loaded = load_daemon(&DaemonSources {
        user: Some(file(
            "user.toml",
            "max_concurrent_runs = 2\naging_starts = 1",
        )),
        explicit: Some(file("daemon.toml", "max_concurrent_runs = 4")),
        flags: Some(&flags),
    });
    let config = loaded.expect("accepted").daemon;
    assert_eq!((config.max_concurrent_runs, config.aging_starts), (9, 1));
}

#[test]
fn a_list_replaces_the_one_below() {
    let user = daemon("verify_cmds = [\"a\", \"b\"]").expect("accepted");
    let resolved = resolve_run(
        &user.run_defaults,
        &RunSources {
            workspace: &[file(".loop/config.toml", "verify_cmds = [\"c\"]")],
            ..RunSources::default()
        },
    );
    assert_eq!(resolved.expect("accepted").config.verify_cmds, ["c"]);
}

#[test]
fn protected_paths_add_up_so_that_no_layer_takes_one_away() {
    let user = daemon("protected_paths = [\"secrets/**\"]").expect("accepted");
    let overrides = object(json!({"protected_paths": ["tests/**", "secrets/**"]}));
    let resolved = resolve_run(
        &user.run_defaults,
        &RunSources {
            workspace: &[file(".loop/config.toml", "protected_paths = []")],
            overrides: Some(("config_override", &overrides)),
            ..RunSources::default()
        },
    );
    let config = resolved.expect("accepted").config;
    assert_eq!(
        config.protected_paths,
        [".loop/**", "secrets/**", "tests/**"]
    );
}

#[test]
fn a_later_layer_can_unset_what_is_optional() {
    let user = daemon("model = \"m\"\nmax_tokens = 5\nmax_cost_usd = 2.5").expect("accepted");
    for unset in [
        json!({"model": null, "max_tokens": null, "max_cost_usd": null}),
        json!({"model": "", "max_tokens": 0, "max_cost_usd": 0}),
    ] {
        let sources = RunSources {
            overrides: Some(("config_override", &object(unset))),
            ..RunSources::default()
        };
        let config = resolve_run(&user.run_defaults, &sources)
            .expect("accepted")
            .config;
        assert_eq!(
            (config.model, config.max_tokens, config.max_cost_usd),
            (None, None, None)
        );
    }
}

#[test]
fn an_agents_table_replaces_the_whole_table_of_its_name_only() {
    let user = "[agents.a]\ndriver = \"exec\"\ncommand = \"old\"\nargs = [\"x\"]\n[agents.b]\ndriver = \"claude\"";
    let user = daemon(user).expect("accepted");
    let toml = "[agents.a]\ndriver = \"acp\"\ncommand = \"new\"\nenv = { K = \"v\" }";
    let resolved = resolve_run(
        &user.run_defaults,
        &RunSources {
            workspace: &[file(".loop/config.toml", toml)],
            ..RunSources::default()
        },
    );
    let agents = resolved.expect("accepted").config.agents;
    assert_eq!(agents.len(), 2);
    assert_eq!(agents["a"].driver.as_deref(), Some("acp"));
    assert_eq!(agents["a"].command.as_deref(), Some("new"));
    assert!(agents["a"].args.is_empty());
    assert_eq!(agents["a"].env["K"], "v");
    assert_eq!(agents["b"].driver.as_deref(), Some("claude"));
}

#[test]
fn where_both_workspace_files_are_the_older_one_is_not_read_and_a_warning_says_so() {
    for order in [[0, 1], [1, 0]] {
        let files = [
            file(".loop/config.toml", "iterations = 7"),
            file(".loop/config", "iterations=9\nnonsense here"),
        ];
        let resolved = resolve_run(
            &RunDefaults::default(),
            &RunSources {
                workspace: &order.map(|at| files[at]),
                ..RunSources::default()
            },
        );
        let resolved = resolved.expect("only the TOML is read");
        assert_eq!(resolved.config.iterations, 7);
        let warnings: Vec<String> = resolved.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [".loop/config: not read, because there is .loop/config.toml; remove one of them"]
        );
    }
}

#[test]
fn a_file_sent_as_overrides_says_the_same_as_the_file() {
    let text = "iterations = 3\nmodel = \"\"\nmax_cost_usd = 1.5\nmax_output_bytes = \"1 MiB\"\n\
                verify_cmds = [\"a\"]\n[agents.x]\ndriver = \"codex\"";
    let direct = resolve_run(
        &RunDefaults::default(),
        &RunSources {
            explicit: Some(file("my.toml", text)),
            ..RunSources::default()
        },
    );
    let (overrides, warnings) = overrides_from_file(file("my.toml", text)).expect("accepted");
    assert_eq!(warnings, []);
    let sent = overridden(overrides.into()).expect("accepted");
    assert_eq!(sent.config, direct.expect("accepted").config);
}

#[test]
fn a_fallback_needs_an_agent_to_fall_back_to() {
    let toml = "\non_usage_limit = \"fallback\"";
    let error = workspace(".loop/config.toml", toml).expect_err("no agent");
    assert_eq!(
        error.to_string(),
        ".loop/config.toml:2: on_usage_limit: \"fallback\" needs `fallback_agent`, which is not set"
    );
    let both = format!("{toml}\nfallback_agent = \"codex\"");
    workspace(".loop/config.toml", &both).expect("now there is one");
}
