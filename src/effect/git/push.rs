//! Pushes a run branch to the remote of its base, never by force.
//!
//! The user's own hooks do not run, as everywhere here. What the *repository's* configuration names to be executed for a
//! push (an agent can write that file) is not executed either: it is named, and nothing is pushed.

use super::{GitError, Repo, Result, refs::branch_ref, safe::named_by_itself};

/// Settings that make a push execute a command of their own.
const EXECUTES: &str = r"^(core\.sshcommand|core\.gitproxy|core\.askpass|credential\.(.*\.)?helper|remote\..*\.(receivepack|uploadpack|vcs)|push\.gpgsign|gpg\.(.*\.)?program)$";

/// Where a run branch is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its name.
    pub name: String,
    /// Its address, as configured.
    pub url: String,
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// The remote has the branch as it is here.
    Done,
    /// The repository's own configuration names commands that an agent may have put there; nothing was pushed.
    Distrusted {
        /// The keys.
        keys: Vec<String>,
    },
}

/// The remote that a branch made from `base` belongs to: the one that `base` follows, else `origin`, else the only one.
///
/// # Errors
/// When git cannot read the repository.
pub async fn remote_of(repo: &Repo, base: &str) -> Result<Option<Remote>> {
    let followed = repo
        .call(["config", "--get", &format!("branch.{base}.remote")])
        .output()
        .await?;
    let followed = String::from_utf8_lossy(&followed.stdout).trim().to_owned();
    let all = repo.call(["remote"]).text().await?;
    let all: Vec<&str> = all.lines().collect();
    let wanted = [followed.as_str(), "origin"];
    let only = match all.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    let named = wanted.into_iter().find(|name| all.contains(name)).or(only);
    let Some(name) = named else {
        return Ok(None);
    };
    let key = format!("remote.{name}.url");
    let url = repo.call(["config", "--get", &key]).output().await?;
    if url.code != 0 {
        return Ok(None);
    }
    Ok(Some(Remote {
        name: name.to_owned(),
        url: String::from_utf8_lossy(&url.stdout).trim().to_owned(),
    }))
}

/// Pushes the branch under its own name. A remote that has something else there refuses, and keeps it.
///
/// # Errors
/// Permanent, with git's words: the remote refuses or cannot be reached; transient after a long silence.
pub async fn push_branch(repo: &Repo, remote: &Remote, branch: &str) -> Result<Pushed> {
    let keys = named_by_itself(repo, EXECUTES).await?;
    if !keys.is_empty() {
        return Ok(Pushed::Distrusted { keys });
    }
    let full = branch_ref(branch);
    let refspec = format!("{full}:{full}");
    let args = [
        "push",
        "--no-signed",
        "--no-follow-tags",
        "--quiet",
        "--",
        &remote.name,
        &refspec,
    ];
    let mut call = repo.call(args).slow();
    let own = repo.call(["config", "--get", "core.sshCommand"]).output();
    if own.await?.code != 0 {
        // A question on a terminal would wait for nobody.
        call = call.setting("core.sshCommand", "ssh -o BatchMode=yes");
    }
    match call.ok().await {
        Ok(_) => Ok(Pushed::Done),
        Err(error) => Err(GitError {
            tried: format!("push {branch} to {} ({})", remote.name, remote.url),
            ..error
        }),
    }
}
