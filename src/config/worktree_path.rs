//! The template of a worktree's path: what it knows, how it is checked when it is read, and how it is rendered for a
//! run. Where two runs would get the same path is for the room that makes worktrees to settle.

use minijinja::{Environment, UndefinedBehavior, context};

use super::form::Trust;
use super::problem::shorten;

/// More than any sensible template needs; a loop that somebody wrote into one ends here.
const FUEL: u64 = 10_000;
/// The longest template; the engine recurses over chains in it, so that length is depth of stack.
const MOST_BYTES: usize = 512;

/// Bytes of one part of the path: the system takes 255, and a number may come after it.
const LONGEST_NAME: usize = 250;

/// What a template can name.
#[derive(Clone, Copy, Debug)]
pub struct WorktreeNames<'a> {
    /// Last part of the workspace's path.
    pub repo: &'a str,
    /// The run's branch, in full.
    pub run_branch: &'a str,
    /// The run's id.
    pub run_id: &'a str,
    /// The run's name.
    pub run_name: &'a str,
}

/// The template does not give a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("worktree_path_template {template:?}: {what}")]
pub struct WorktreePathError {
    template: String,
    what: String,
}

/// The path for one run: absolute, or relative to the workspace.
pub fn render_worktree_path(
    template: &str,
    names: WorktreeNames<'_>,
) -> Result<String, WorktreePathError> {
    render(template, names).map_err(|what| WorktreePathError {
        template: shorten(template),
        what,
    })
}

fn render(template: &str, names: WorktreeNames<'_>) -> Result<String, String> {
    if template.len() > MOST_BYTES {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("sanitize", |text: &str| sanitize(text));
    let values = context! {
        repo => names.repo,
        run_branch => names.run_branch,
        run_id => names.run_id,
        run_name => names.run_name,
    };
    let path = environment.render_str(template, values).map_err(|error| {
        let at = error.range().and_then(|range| template.get(range));
        let at = at
            .map(|at| format!(" at `{}`", shorten(at)))
            .unwrap_or_default();
        format!(
            "{}{at}; it knows `repo`, `run_branch`, `run_id`, `run_name` and the filter `sanitize`",
            error.kind()
        )
    })?;
    if path.trim().is_empty() {
        return Err("it gives an empty path".to_owned());
    }
    if path.contains(char::is_control) {
        return Err("it gives a path with a control character".to_owned());
    }
    Ok(path)
}

/// A text as one part of a path: whatever is not a letter, a digit, `.`, `_` or `-` becomes `-`, and it never begins
/// with a dot or a dash.
fn sanitize(text: &str) -> String {
    let safe = |c: char| {
        if c.is_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = text.chars().map(safe).collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() {
        "run".to_owned()
    } else {
        name.to_owned()
    }
}

/// Whether the template gives a path that this layer may ask for.
pub(super) fn check(template: &str, trust: Trust) -> Result<(), String> {
    let sample = WorktreeNames {
        repo: "repo",
        run_branch: "run/sample",
        run_id: "01890000-0000-7000-8000-000000000000",
        run_name: "sample",
    };
    let path = render(template, sample)?;
    if path.starts_with('~') {
        return Err("`~` is not expanded here; write the path in full".to_owned());
    }
    super::form::fits(&path, LONGEST_NAME)?;
    let climbs = path.split('/').filter(|part| *part == "..").count();
    let below_parent = climbs == 0 || (climbs == 1 && path.starts_with("../"));
    if trust == Trust::Workspace && (path.starts_with('/') || !below_parent) {
        return Err(
            "a workspace file can place worktrees only below the workspace or its parent folder; \
             other places belong in your own config file"
                .to_owned(),
        );
    }
    Ok(())
}
