//! What a file of the workspace, which came with its repository, may say.

use agent_loop::config::{RunSources, resolve_run};
use serde_json::json;

use super::{complaints, daemon, file, object, overridden, workspace};

#[test]
fn a_workspace_file_cannot_set_keys_of_the_daemon() {
    let where_it_belongs = "a key of the daemon; it belongs in ~/.config/loopd/config.toml or in the file given to \
                            `loopd --config`";
    assert_eq!(
        complaints(workspace(".loop/config.toml", "\nnotify = \"rm -rf /\"")),
        [format!(".loop/config.toml:2: notify: {where_it_belongs}")]
    );
    assert_eq!(
        complaints(workspace(".loop/config", "max_concurrent_runs=99")),
        [format!(
            ".loop/config:1: max_concurrent_runs: {where_it_belongs}"
        )]
    );
    assert_eq!(
        complaints(overridden(json!({"shutdown": "stop"}))),
        [format!("config_override: shutdown: {where_it_belongs}")]
    );
}

#[test]
fn a_key_of_the_daemon_in_the_file_of_a_run_is_left_alone_with_a_warning() {
    let defaults = daemon("").expect("nothing").run_defaults;
    let sources = RunSources {
        explicit: Some(file("shared.toml", "iterations = 4\nshutdown = \"stop\"")),
        ..RunSources::default()
    };
    let resolved = resolve_run(&defaults, &sources).expect("accepted");
    assert_eq!(resolved.config.iterations, 4);
    assert_eq!(
        resolved.warnings[0].to_string(),
        "shared.toml:2: shutdown: a key of the daemon; a run leaves it alone"
    );
}

#[test]
fn a_workspace_file_can_raise_the_sandbox_and_never_lower_it() {
    let levels = ["off", "guard", "required"];
    for (below, user) in levels.iter().enumerate() {
        let defaults = daemon(&format!("sandbox = \"{user}\""))
            .expect("a level")
            .run_defaults;
        for (asked, level) in levels.iter().enumerate() {
            let text = format!("sandbox = \"{level}\"");
            let files = [file(".loop/config.toml", &text)];
            let sources = RunSources {
                workspace: &files,
                ..RunSources::default()
            };
            match resolve_run(&defaults, &sources) {
                Ok(resolved) => {
                    assert!(asked >= below, "{user} was lowered to {level}");
                    assert_eq!(resolved.config.sandbox.as_str(), *level);
                }
                Err(error) => {
                    assert!(asked < below, "{error}");
                    let expected = format!(
                        ".loop/config.toml:1: sandbox: a workspace file cannot lower it from \"{user}\" to \"{level}\""
                    );
                    assert!(error.to_string().starts_with(&expected), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_person_can_lower_the_sandbox() {
    let overrides = object(json!({"sandbox": "off"}));
    let sources = RunSources {
        workspace: &[file(".loop/config.toml", "sandbox = \"required\"")],
        overrides: Some(("config_override", &overrides)),
        ..RunSources::default()
    };
    let defaults = daemon("").expect("nothing").run_defaults;
    let resolved = resolve_run(&defaults, &sources).expect("accepted");
    assert_eq!(resolved.config.sandbox.as_str(), "off");
}

#[test]
fn a_workspace_file_stays_in_its_place() {
    for (setting, why) in [
        (
            "env_pass = [\"*\"]",
            "wider ones belong in your own config file",
        ),
        (
            "env_pass = [\"AWS*\"]",
            "wider ones belong in your own config file",
        ),
        ("prompt_file = \"/etc/passwd\"", "it is absolute"),
        ("skills_dirs = [\"/home\"]", "it is absolute"),
        (
            "context_files = [\"../other/secret\"]",
            "leads out of the workspace",
        ),
        (
            "worktree_path_template = \"/tmp/{{ run_id }}\"",
            "belong in your own config file",
        ),
        (
            "worktree_path_template = \"../../{{ run_id }}\"",
            "belong in your own config file",
        ),
        (
            "worktree_path_template = \"a/../../{{ run_id }}\"",
            "belong in your own config file",
        ),
        // Where `a` is a link, that is not the workspace.
        (
            "worktree_path_template = \"a/../{{ run_id }}\"",
            "belong in your own config file",
        ),
    ] {
        let lines = complaints(workspace(".loop/config.toml", setting));
        assert!(lines[0].contains(why), "{setting}: {lines:?}");
    }
    for setting in [
        "env_pass = [\"MYAPP_*\", \"DATABASE_URL\"]",
        "worktree_path_template = \".worktrees/{{ run_id }}\"",
        "prompt_file = \".loop/prompt.md\"",
    ] {
        workspace(".loop/config.toml", setting).expect(setting);
    }
    daemon("worktree_path_template = \"/tmp/{{ run_id }}\"").expect("the user may");
}
