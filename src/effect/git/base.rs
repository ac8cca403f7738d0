//! What a run starts from: a named branch, or the repository's default one. Nothing is fetched.

use super::{
    GitError, Oid, Repo, Result,
    refs::{branch_ref, resolve, symbolic},
};

/// A branch, and where it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its short name (`main`; `origin/main` where only the remote's copy is known).
    pub branch: String,
    /// Its tip.
    pub commit: Oid,
}

/// The default branch, resolved now. The first that leads to a commit of: what `origin/HEAD` names (the local branch
/// of that name, else the remote's copy); for a bare repository its HEAD; `init.defaultBranch`; `main`; `master`; the
/// branch that the primary checkout is on.
///
/// # Errors
/// Permanent, when there is no commit yet, or none of these leads to one.
pub async fn default_base(repo: &Repo) -> Result<Base> {
    let mut names = Vec::new();
    if let Some(remote) = symbolic(repo, "refs/remotes/origin/HEAD").await? {
        let short = remote
            .strip_prefix("refs/remotes/origin/")
            .unwrap_or(&remote)
            .to_owned();
        names.push(format!("origin/{short}"));
        names.insert(0, short);
    }
    let head = symbolic(repo, "HEAD")
        .await?
        .and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
    if repo.bare {
        names.extend(head.clone());
    }
    let configured = repo
        .call(["config", "--get", "init.defaultBranch"])
        .output()
        .await?;
    if configured.code == 0 {
        names.push(
            String::from_utf8_lossy(&configured.stdout)
                .trim()
                .to_owned(),
        );
    }
    names.extend(["main".to_owned(), "master".to_owned()]);
    names.extend(head);
    for name in names.iter().filter(|name| !name.is_empty()) {
        if let Some(base) = find(repo, name).await? {
            return Ok(base);
        }
    }
    let tried = format!("find the default branch of {}", repo.common_dir.display());
    let empty = repo
        .call(["for-each-ref", "--count=1", "refs/heads/"])
        .text()
        .await?
        .is_empty();
    let said = if empty {
        "the repository has no commit yet; make a first one"
    } else {
        "neither origin/HEAD, init.defaultBranch, main, master nor HEAD leads to a commit; name a base branch"
    };
    Err(GitError::permanent(tried, said))
}

/// The local branch `name`, else the remote's copy that is written so (`origin/topic`).
///
/// # Errors
/// Permanent, when there is neither.
pub async fn named_base(repo: &Repo, name: &str) -> Result<Base> {
    let missing = || {
        let tried = format!("find the base branch {name}");
        GitError::permanent(
            tried,
            format!("there is no such branch in {}", repo.common_dir.display()),
        )
    };
    find(repo, name).await?.ok_or_else(missing)
}

async fn find(repo: &Repo, name: &str) -> Result<Option<Base>> {
    for full in [branch_ref(name), format!("refs/remotes/{name}")] {
        if let Some(commit) = resolve(repo, &full).await? {
            return Ok(Some(Base {
                branch: name.to_owned(),
                commit,
            }));
        }
    }
    Ok(None)
}
