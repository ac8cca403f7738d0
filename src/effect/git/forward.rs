//! A target that somebody has checked out: where, and git's own fast-forward in there.
//!
//! This is the one place that changes files of a checkout that loopd did not make, and git does it: local changes in
//! the way make it refuse as a whole.

use std::path::PathBuf;

use super::{
    GitErrorKind, Intent, Result,
    admin::all,
    call::{Call, Output},
    error::excerpt,
    heal::{heal, undo},
    refs::{resolve, symbolic},
    repo::path,
    safe::Safe,
    stale::IndexLock,
};
use crate::bounded;

/// Files that a message names; all of them stand beside it.
const NAMED: usize = 20;

/// Somebody's checkout of a branch.
#[derive(Debug)]
pub(super) struct Checkout {
    /// The working tree; for messages, where it cannot be known.
    pub path: PathBuf,
    pub git_dir: PathBuf,
    /// Why nothing may be moved in there.
    pub hands_off: Option<String>,
}

impl Checkout {
    /// What it is called where it is stored.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The lock that git takes in there.
    pub(super) fn index_lock(&self) -> IndexLock<'_> {
        IndexLock {
            tree: &self.path,
            git_dir: &self.git_dir,
        }
    }
}

/// Why a fast-forward did not happen: the files in the way, and a message.
pub(super) type Refusal = (Vec<PathBuf>, String);

/// All checkouts that are on this branch, or in the middle of something that will come back to it.
pub(super) async fn occupied(safe: &Safe<'_>, full: &str) -> Result<Vec<Checkout>> {
    let repo = safe.repo;
    let mut found = Vec::new();
    let common = &repo.common_dir;
    // A bare repository with an index has files somewhere (`git --work-tree=… --git-dir=…`), and does not know where.
    if !repo.bare || common.join("index").exists() {
        let primary = repo.primary().await?;
        let on_it = symbolic(repo, "HEAD").await?.as_deref() == Some(full);
        let busy = busy(common, full);
        if on_it || busy.is_some() {
            let at = common.display();
            let unknown = || {
                format!(
                    "the target is checked out, but {at} does not say where; merge it there by hand"
                )
            };
            let hands_off = busy.or_else(|| primary.is_none().then(unknown));
            let path = primary.unwrap_or_else(|| common.clone());
            found.push(Checkout {
                path,
                git_dir: common.clone(),
                hands_off,
            });
        }
    }
    for admin in all(repo)? {
        let busy = busy(&admin.dir, full);
        let on_it = admin.head(repo).await? == super::admin::Head::Branch(full.to_owned());
        if !on_it && busy.is_none() {
            continue;
        }
        let at = admin.path.display();
        let ours = admin
            .owner
            .as_ref()
            .map(|owner| format!("the target is checked out by run {} in {at}", owner.run_id));
        let gone = (!admin.path.is_dir()).then(|| {
            format!("the target is checked out in {at}, which is gone; run `git worktree prune`")
        });
        found.push(Checkout {
            hands_off: busy.or(ours).or(gone),
            path: admin.path,
            git_dir: admin.dir,
        });
    }
    Ok(found)
}

/// An unfinished rebase or bisection comes back to the branch that it started from.
fn busy(git_dir: &std::path::Path, full: &str) -> Option<String> {
    let short = full.strip_prefix("refs/heads/").unwrap_or(full);
    let names = [
        "rebase-merge/head-name",
        "rebase-apply/head-name",
        "BISECT_START",
    ];
    let started = |name: &&str| {
        let text = bounded::read_regular(&git_dir.join(name), 4096).unwrap_or_default();
        [full.as_bytes(), short.as_bytes()].contains(&text.trim_ascii())
    };
    let what = names.iter().find(|name| started(name))?;
    let what = if what.starts_with("rebase") {
        "rebase"
    } else {
        "bisection"
    };
    Some(format!(
        "a {what} of the target is unfinished (see {}); finish or abort it",
        git_dir.display()
    ))
}

/// Fast-forwards the checkout to the intent's commit. None: git did it; whether the right ref moved is seen by the ref.
pub(super) async fn forward(
    safe: &Safe<'_>,
    checkout: &Checkout,
    intent: &Intent,
) -> Result<Option<Refusal>> {
    if let Some(why) = &checkout.hands_off {
        return Ok(Some((Vec::new(), why.clone())));
    }
    if let Some(refusal) = checkout.index_lock().wait().await {
        return Ok(Some(refusal));
    }
    let at = checkout.path.display();
    let call = |args: &[&str]| bound(safe, checkout, args);
    let branch = || async { call(&["symbolic-ref", "--quiet", "HEAD"]).output().await };
    let before = branch().await?;
    if before.stdout.trim_ascii_end() != intent.target_ref.as_bytes() {
        return Ok(Some((
            Vec::new(),
            format!("{at} was switched to another branch meanwhile; ask again"),
        )));
    }
    let short = intent
        .target_ref
        .strip_prefix("refs/heads/")
        .unwrap_or(&intent.target_ref);
    let merge = ["merge", "--ff-only", "--quiet"];
    if let Some(refusal) = heal(safe, checkout, intent).await? {
        return Ok(Some(refusal));
    }
    let args: Vec<&str> = merge.into_iter().chain([intent.new.as_str()]).collect();
    // What the user has this branch merged with is not for a fast-forward.
    let merged = call(&args)
        .setting(format!("branch.{short}.mergeOptions"), "")
        .slow()
        .output()
        .await;
    let merged = match merged.and_then(got_through) {
        Ok(merged) => merged,
        Err(error) => {
            undo(safe, checkout, intent).await;
            return Err(error);
        }
    };
    let after = branch().await?;
    if after.stdout != before.stdout && resolve(safe.repo, &intent.target_ref).await? == intent.old
    {
        let now = String::from_utf8_lossy(&after.stdout).trim().to_owned();
        let message = format!(
            "{at} was switched to {now:?} while the target was fast-forwarded; look at its last commit"
        );
        return Ok(Some((Vec::new(), message)));
    }
    if merged.code == 0 {
        return Ok(None);
    }
    let files = named(&merged.stderr);
    let why = match files.as_slice() {
        [] => merged.error().said,
        files => in_the_way(&merged.stderr, files),
    };
    let message =
        format!("git refuses to fast-forward {at}: {why}; commit or move what is in the way");
    Ok(Some((files, message)))
}

/// Anything but git's own refusal, which comes before it writes, may have left files in the checkout.
fn got_through(merged: Output) -> Result<Output> {
    if merged.code == 0 {
        return Ok(merged);
    }
    let error = merged.error();
    match error.kind {
        GitErrorKind::Permanent => Ok(merged),
        GitErrorKind::Transient
        | GitErrorKind::NoSpace
        | GitErrorKind::ReadOnly
        | GitErrorKind::Held
        | GitErrorKind::Denied
        | GitErrorKind::MissingRepo => Err(error),
    }
}

/// The first of some files, and how many more there are.
pub(super) fn listed(files: &[PathBuf]) -> String {
    let first: Vec<String> = files
        .iter()
        .take(NAMED)
        .map(|path| path.display().to_string())
        .collect();
    let more = match files.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", first.join(", "))
}

/// A call in somebody's checkout, bound to it by name and not by the `.git` in there.
pub(super) fn bound(safe: &Safe<'_>, checkout: &Checkout, args: &[&str]) -> Call {
    let here = ["-C".as_ref(), checkout.path.as_os_str()].into_iter();
    let call = safe.call(here.chain(args.iter().map(|arg| arg.as_ref())));
    let call = call
        .env("GIT_DIR", &checkout.git_dir)
        .env("GIT_COMMON_DIR", &safe.repo.common_dir);
    call.env("GIT_WORK_TREE", &checkout.path)
}

/// What git says of the files, and the first of them: a list of thousands would hide what it is about.
fn in_the_way(stderr: &[u8], files: &[PathBuf]) -> String {
    let words: Vec<&[u8]> = stderr
        .split(|b| *b == b'\n')
        .filter(|line| !line.starts_with(b"\t"))
        .collect();
    format!("{} {}", excerpt(&words.join(&b'\n')), listed(files))
}

/// The files that git names in its refusal, each on a line that starts with a tab.
fn named(stderr: &[u8]) -> Vec<PathBuf> {
    stderr
        .split(|b| *b == b'\n')
        .filter_map(|line| line.strip_prefix(b"\t"))
        .map(|name| path(name.to_vec()))
        .collect()
}
