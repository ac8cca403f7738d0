//! An author for the commits that an agent makes, where nobody has configured one: without it, a plain `git commit` fails
//! on a bare machine, and the agent spends its time on that. What loopd commits itself has its own fallback (`safe`).

use std::ffi::{OsStr, OsString};

use super::{GitError, Repo, Result, Worktree};

/// Who commits where nobody is configured.
const NAME: &str = "loopd agent";
/// See [`NAME`].
const EMAIL: &str = "loopd-agent@localhost";
/// Where git looks for the user's own configuration.
const LOOKED_FOR: &[&str] = &["HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL"];

/// The variables that a process with this environment needs so that git in the worktree knows who commits: none where
/// it knows already. A name without an address is completed, and the other way round.
///
/// # Errors
/// When git cannot be run, or the worktree is gone.
pub async fn author_fallback(
    repo: &Repo,
    worktree: &Worktree,
    environment: &[(OsString, OsString)],
) -> Result<Vec<(&'static str, &'static str)>> {
    let admin = worktree.admin(repo)?;
    let mut call = admin.call(
        repo,
        ["config", "-z", "--get-regexp", r"^user\.(name|email)$"],
    );
    for name in LOOKED_FOR {
        if let Some((_, value)) = environment.iter().find(|(n, _)| n == *name) {
            call = call.env(name, value);
        }
    }
    let said = call.output().await?;
    if !matches!(said.code, 0 | 1) {
        return Err(GitError::permanent(
            format!("read the author's name in {}", worktree.path().display()),
            "git config failed; see `git config --list` there",
        ));
    }
    let configured = String::from_utf8_lossy(&said.stdout).into_owned();
    let given = |key: &str, variable: &str| {
        // The last one is in force.
        let by_file = configured
            .split('\0')
            .filter_map(|entry| entry.split_once('\n'))
            .rfind(|(name, _)| *name == key)
            .is_some_and(|(_, value)| !value.trim().is_empty());
        by_file || environment.iter().any(|(n, _)| n == OsStr::new(variable))
    };
    let wanted = [
        ("user.name", "GIT_AUTHOR_NAME", NAME),
        ("user.name", "GIT_COMMITTER_NAME", NAME),
        ("user.email", "GIT_AUTHOR_EMAIL", EMAIL),
        ("user.email", "GIT_COMMITTER_EMAIL", EMAIL),
    ];
    Ok(wanted
        .into_iter()
        .filter(|(key, variable, _)| !given(key, variable))
        .map(|(_, variable, value)| (variable, value))
        .collect())
}
