//! Whose commands git may run. A repository's own configuration can name commands for files with an attribute
//! (`filter.*`, `merge.*.driver`), and an agent can write that configuration: a plain `git config` in its worktree
//! writes to the file that all worktrees share. What was configured when the run began is the user's and stays in
//! force (git-crypt would commit secrets in the clear without it); what came later is not executed.
//!
//! Nothing is fetched for a repository that names a command to fetch by ([`names_what_fetches`]), whoever named it.
//!
//! Global and system configuration is the user's own and is not looked at. Hooks are off altogether, in `run`.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};

use super::{GitError, Repo, Result, call::Call, repo::fields};

/// Settings that make git run a command, the author's name, and hooks that are configured rather than files.
const LOOKED_AT: &str = r"^(filter\..*\.(clean|smudge|process|required)|merge\..*\.driver|hook\..*|user\.(name|email))$";

/// Settings by which git executes something when it fetches objects that are missing: it does so by itself, in a
/// repository that says of itself that it is a part of another one.
const FETCHES_BY: &str = r"^(core\.(sshcommand|gitproxy|askpass)|credential\.(.*\.)?helper|remote\..*\.(uploadpack|vcs))$";

/// Whether the repository's own files name a command to fetch by. Then nothing is fetched: of some of them, git takes the
/// first that is configured, so that none can be overridden.
pub(super) async fn names_what_fetches(repo: &Repo) -> Result<bool> {
    Ok(!named_by_itself(repo, FETCHES_BY).await?.is_empty())
}

/// The keys of this pattern that the repository's own files set, which an agent can write.
pub(super) async fn named_by_itself(repo: &Repo, pattern: &str) -> Result<Vec<String>> {
    let args = [
        "config",
        "-z",
        "--show-scope",
        "--name-only",
        "--get-regexp",
        pattern,
    ];
    let found = repo.call(args).output().await?;
    if !matches!(found.code, 0 | 1) {
        return Err(found.error());
    }
    let mut words = fields(&found.stdout).map(|word| String::from_utf8_lossy(word).into_owned());
    let mut keys = Vec::new();
    while let (Some(scope), Some(key)) = (words.next(), words.next()) {
        if matches!(scope.as_str(), "local" | "worktree") {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// The drivers that the repository's own configuration named when a run began: (key, value), in git's order. Stored
/// with the run's worktree; not to be read again from a file that the agent could write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drivers(Vec<(String, String)>);

/// A repository, with the overrides under which it is safe to change it or to read a worktree of it.
#[derive(Debug)]
pub(super) struct Safe<'r> {
    pub repo: &'r Repo,
    /// What the repository names now.
    pub drivers: Drivers,
    overrides: Vec<(String, String)>,
}

impl<'r> Safe<'r> {
    /// Everything that the repository names now is trusted: a run begins.
    pub(super) async fn beginning(repo: &'r Repo) -> Result<Safe<'r>> {
        let (drivers, overrides) = read(repo).await?;
        Ok(Safe {
            repo,
            drivers,
            overrides,
        })
    }

    /// Only `known` drivers may run; new ones are switched off.
    ///
    /// # Errors
    /// Permanent, when a known one was changed: files would not mean what they meant.
    pub(super) async fn trusting(repo: &'r Repo, known: &Drivers) -> Result<Safe<'r>> {
        let mut safe = Safe::beginning(repo).await?;
        for name in names(known) {
            if entries(known, name).ne(entries(&safe.drivers, name)) {
                let tried = format!("use the configuration of {}", repo.common_dir.display());
                let said = format!(
                    "{name} is not what it was when the run began; restore it with `git config --local`"
                );
                return Err(GitError::permanent(tried, said));
            }
        }
        for name in names(&safe.drivers).filter(|name| entries(known, name).next().is_none()) {
            safe.overrides.extend(switched_off(name));
        }
        Ok(safe)
    }

    /// A call about the repository as a whole, under the overrides.
    pub(super) fn call<I, S>(&self, args: I) -> Call
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.overridden(self.repo.call(args))
    }

    /// Any call, under the overrides: they reach the git that another program starts, too.
    pub(super) fn overridden(&self, call: Call) -> Call {
        self.overrides
            .iter()
            .fold(call, |call, (key, value)| call.setting(key, value))
    }
}

/// What the repository's own files name, and what always has to be overridden.
async fn read(repo: &Repo) -> Result<(Drivers, Vec<(String, String)>)> {
    let call = repo
        .call(["config", "-z", "--show-scope", "--get-regexp", LOOKED_AT])
        .output()
        .await?;
    if !matches!(call.code, 0 | 1) {
        return Err(call.error());
    }
    let text = String::from_utf8_lossy(&call.stdout).into_owned();
    let (mut drivers, mut overrides) = (Drivers::default(), Vec::new());
    let (mut name, mut email) = (false, false);
    let mut fields = text.split('\0');
    while let (Some(scope), Some(entry)) = (fields.next(), fields.next()) {
        let (key, value) = entry.split_once('\n').unwrap_or((entry, "true"));
        match key {
            "user.name" => name = !value.trim().is_empty(),
            "user.email" => email = !value.trim().is_empty(),
            // Git 2.54 runs these beside the hooks directory that is switched off.
            hook if hook.starts_with("hook.") => {
                let hook = hook.rsplit_once('.').map_or(hook, |(hook, _)| hook);
                overrides.push((format!("{hook}.enabled"), "false".into()));
            }
            _ if matches!(scope, "local" | "worktree") => {
                drivers.0.push((key.into(), value.into()))
            }
            _ => {}
        }
    }
    // A machine without an author still gets its commits made.
    if !name {
        overrides.push(("user.name".into(), "loopd".into()));
    }
    if !email {
        overrides.push(("user.email".into(), "loopd@localhost".into()));
    }
    Ok((drivers, overrides))
}

/// `filter.lfs` of `filter.lfs.clean`.
fn driver(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(driver, _)| driver)
}

fn names(drivers: &Drivers) -> impl Iterator<Item = &str> {
    let mut seen = std::collections::BTreeSet::new();
    drivers
        .0
        .iter()
        .map(|(key, _)| driver(key))
        .filter(move |name| seen.insert(*name))
}

fn entries<'d>(drivers: &'d Drivers, name: &str) -> impl Iterator<Item = &'d (String, String)> {
    drivers.0.iter().filter(move |(key, _)| driver(key) == name)
}

fn switched_off(name: &str) -> Vec<(String, String)> {
    let set = |what: &str, value: &str| (format!("{name}.{what}"), value.to_owned());
    if name.starts_with("merge.") {
        // An empty driver would take one side in silence; a failing one is a conflict that somebody sees.
        return vec![set("driver", "false")];
    }
    vec![
        set("clean", ""),
        set("smudge", ""),
        set("process", ""),
        set("required", "false"),
    ]
}
