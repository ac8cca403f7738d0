//! Where files of the user's are looked for, and where worktrees stand.

use std::ffi::OsString;
use std::path::Path;

use agent_loop::config::paths::{data_dir, user_config_file};
use agent_loop::config::{WorktreeNames, render_worktree_path};

fn env<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
    move |name| {
        let found = set.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    }
}

#[test]
fn xdg_variables_win_over_home_unless_they_are_relative_or_empty() {
    let home = ("HOME", "/home/u");
    for (set, config, data) in [
        (
            vec![home],
            "/home/u/.config/loopd/config.toml",
            "/home/u/.local/share/loopd",
        ),
        (
            vec![home, ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d")],
            "/c/loopd/config.toml",
            "/d/loopd",
        ),
        (
            vec![home, ("XDG_CONFIG_HOME", "c"), ("XDG_DATA_HOME", "")],
            "/home/u/.config/loopd/config.toml",
            "/home/u/.local/share/loopd",
        ),
    ] {
        assert_eq!(
            user_config_file(env(&set)).as_deref(),
            Ok(Path::new(config))
        );
        assert_eq!(data_dir(None, env(&set)).as_deref(), Ok(Path::new(data)));
    }
}

#[test]
fn the_flag_wins_and_without_any_place_the_error_says_what_to_set() {
    let flag = Path::new("here");
    assert_eq!(data_dir(Some(flag), env(&[])).as_deref(), Ok(flag));
    assert_eq!(
        data_dir(None, env(&[])).expect_err("nowhere").to_string(),
        "no place for the data directory: neither XDG_DATA_HOME nor HOME is an absolute path; set one, or give --data-dir"
    );
    user_config_file(env(&[("HOME", "relative")])).expect_err("nowhere");
}

#[test]
fn a_worktree_path_is_one_part_whatever_the_branch_is_called() {
    let names = |run_branch| WorktreeNames {
        repo: "repo",
        run_branch,
        run_id: "id",
        run_name: "name",
    };
    let template = "../{{ repo }}.{{ run_branch | sanitize }}";
    for (branch, path) in [
        ("run/a", "../repo.run-a"),
        ("run/größe 1", "../repo.run-größe-1"),
        ("../../etc", "../repo.etc"),
        ("{{ repo }}", "../repo.repo---"),
        ("/", "../repo.run"),
    ] {
        let rendered = render_worktree_path(template, names(branch));
        assert_eq!(rendered.as_deref(), Ok(path), "{branch}");
    }
}

#[test]
fn a_template_that_never_ends_is_ended() {
    let names = WorktreeNames {
        repo: &"x".repeat(2000),
        run_branch: "b",
        run_id: "id",
        run_name: "name",
    };
    let loops = "{% for a in repo %}{% for b in repo %}{% for c in repo %}{% endfor %}{% endfor %}{% endfor %}";
    let error = render_worktree_path(loops, names).expect_err("too long");
    assert!(error.to_string().contains("fuel"), "{error}");
}
