//! Plans how the target moves: an intent, which the caller stores before [`execute`](super::execute) carries it out.
//!
//! Only where the target's tip is an ancestor of the verified commit, so that the merged tree is the verified tree.
//! Nothing is moved here; the only thing made is a commit that nothing refers to yet.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    Drivers, GitError, Oid, Repo, Result,
    commit::{Marks, RUN, commit_tree},
    inspect::is_ancestor,
    refs::{
        Tip, blocker, branch_ref, branches, oid, resolve, symbolic, tip, tree_of, valid_branch,
    },
    safe::Safe,
    whole::lacking,
};

/// What a merge leaves in the target's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// One commit with the verified tree, on top of the target.
    Squash,
    /// A merge commit with the target and the run branch as parents.
    Merge,
}

/// What is to be merged, and where.
#[derive(Clone, Copy, Debug)]
pub struct MergeWant<'a> {
    /// The run.
    pub run_id: &'a str,
    /// Its branch.
    pub run_branch: &'a str,
    /// What was verified: the run branch has to stand there.
    pub verified: &'a Tip,
    /// The branch to merge into; made from the base when missing.
    pub target_branch: &'a str,
    /// Where the run started.
    pub base_commit: &'a Oid,
    /// How.
    pub strategy: Strategy,
    /// The message, without loopd's trailers.
    pub message: &'a str,
    /// More trailers, (name, value).
    pub trailers: &'a [(&'a str, &'a str)],
    /// From the run's [`Worktree`](super::Worktree).
    pub drivers: &'a Drivers,
    /// The same.
    pub lenders: Option<&'a str>,
}

/// A planned move of the target. Store it before it is carried out; after a crash, [`settle`](super::settle) it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The run.
    pub run_id: String,
    /// The full name of the ref that moves.
    pub target_ref: String,
    /// Where it stands; none: it does not exist yet.
    pub old: Option<Oid>,
    /// Where it goes.
    pub new: Oid,
    /// When the checkout of the target was seen without an index lock, in milliseconds since 1970; see
    /// [`ready`](super::ready). None: it was not.
    #[serde(default)]
    pub unlocked_at_ms: Option<i64>,
    /// The checkout of the target, where nothing that the merge touches was changed when this was stored.
    #[serde(default)]
    pub clean_at: Option<String>,
    /// An earlier try of the same run that did not get through.
    #[serde(default)]
    pub broken_off: Option<BrokenOff>,
}

/// A fast-forward in a checkout that was clean when it was begun, and that may have left its files there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenOff {
    /// The checkout.
    pub checkout: String,
    /// Where it stood.
    pub old: Oid,
    /// Where it was to go.
    pub new: Oid,
}

impl Intent {
    /// Whether it is known to move a checkout, or to come after a try that did.
    pub fn is_in_a_checkout(&self) -> bool {
        self.unlocked_at_ms.is_some() || self.clean_at.is_some() || self.broken_off.is_some()
    }

    /// What a later try has to reckon with, if this one did not get through.
    pub(super) fn breaking_off(&self) -> Option<BrokenOff> {
        let begun = self.clean_at.clone().zip(self.old.clone());
        begun
            .map(|(checkout, old)| BrokenOff {
                checkout,
                old,
                new: self.new.clone(),
            })
            .or_else(|| self.broken_off.clone())
    }
}

/// What comes next for a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Store this, then carry it out.
    Ready(Intent),
    /// The target has it already: an earlier attempt got through, or there was nothing to merge.
    Merged {
        /// The commit of the target that holds the verified tree.
        commit: Oid,
    },
    /// The target has commits that the run branch has not: catch up, then verify again.
    TargetMoved {
        /// The target's tip.
        target: Oid,
    },
    /// The run branch does not stand where it was verified.
    RunBranchMoved {
        /// Where it stands; none: it is gone.
        tip: Option<Oid>,
    },
    /// Something that only a person can put right; nothing was done.
    Held {
        /// The files in the way, if any.
        files: Vec<PathBuf>,
        /// What is wrong, and what to do.
        message: String,
    },
}

/// Decides how the target moves. A repeat recognises what an earlier attempt has merged by run and tree.
///
/// # Errors
/// Permanent, when a name or commit cannot be used; transient, while a lock is held.
pub async fn plan_merge(repo: &Repo, want: &MergeWant<'_>) -> Result<Step> {
    valid_branch(repo, want.target_branch).await?;
    let target_ref = branch_ref(want.target_branch);
    if want.target_branch == want.run_branch {
        let said = "it is the run's own branch; choose another target";
        return Err(GitError::permanent(
            format!("merge into {}", want.target_branch),
            said,
        ));
    }
    let stands = tip(repo, want.run_branch).await?;
    if stands.as_ref().map(|tip| &tip.commit) != Some(&want.verified.commit) {
        return Ok(Step::RunBranchMoved {
            tip: stands.map(|tip| tip.commit),
        });
    }
    if stands.map(|tip| tip.tree).as_ref() != Some(&want.verified.tree) {
        let said = format!("its tree is not {}", want.verified.tree);
        return Err(GitError::permanent(
            format!("merge the verified commit {}", want.verified.commit),
            said,
        ));
    }
    let held = |message: String| {
        Ok(Step::Held {
            files: Vec::new(),
            message,
        })
    };
    if let Some(other) = symbolic(repo, &target_ref).await? {
        return held(format!(
            "{} is another name of {other}; name that branch as the target",
            want.target_branch
        ));
    }
    let mut old = resolve(repo, &target_ref).await?;
    if old.is_none() {
        let beside = branches(repo).await?;
        // Asked again afterwards: another run may just have made the target, which then is in nobody's way.
        old = resolve(repo, &target_ref).await?;
        if old.is_none()
            && let Some(blocker) = blocker(&beside, want.target_branch)
        {
            return held(format!(
                "{} cannot be made beside the branch {blocker}",
                want.target_branch
            ));
        }
    }
    let below = old.as_ref().unwrap_or(want.base_commit);
    if let Some(commit) = already(repo, want, below).await? {
        return Ok(Step::Merged { commit });
    }
    if !is_ancestor(repo, below, &want.verified.commit).await? {
        if old.is_none() {
            return held(format!(
                "{} does not contain the commit that the run started from",
                want.run_branch
            ));
        }
        return Ok(Step::TargetMoved {
            target: below.clone(),
        });
    }
    if let Some(why) = lacking(repo, want.lenders, &want.verified.commit, below).await? {
        return held(why);
    }
    let new = if tree_of(repo, below).await? == want.verified.tree {
        below.clone()
    } else {
        commit(repo, want, below).await?
    };
    if old.as_ref() == Some(&new) {
        return Ok(Step::Merged { commit: new });
    }
    Ok(Step::Ready(Intent {
        run_id: want.run_id.into(),
        target_ref,
        old,
        new,
        unlocked_at_ms: None,
        clean_at: None,
        broken_off: None,
    }))
}

/// The commit that becomes the target's tip.
async fn commit(repo: &Repo, want: &MergeWant<'_>, below: &Oid) -> Result<Oid> {
    let safe = Safe::trusting(repo, want.drivers).await?;
    let parents = match want.strategy {
        Strategy::Squash => vec![below],
        Strategy::Merge => vec![below, &want.verified.commit],
    };
    let marks = Marks {
        run_id: want.run_id,
        kind: "merge",
        more: want.trailers,
    };
    commit_tree(&safe, &want.verified.tree, &parents, want.message, &marks).await
}

/// A commit of the target's that merged exactly this tree for this run.
async fn already(repo: &Repo, want: &MergeWant<'_>, target: &Oid) -> Result<Option<Oid>> {
    let (grep, range) = (
        format!("--grep={RUN}: {}", want.run_id),
        format!("{}..{target}", want.base_commit),
    );
    let format = format!(
        "--format=%H %T%x00%(trailers:key={RUN},valueonly)%x00%(trailers:key=Loopd-Kind,valueonly)%x00"
    );
    let args = [
        "log",
        "--first-parent",
        "--fixed-strings",
        &grep,
        &format,
        &range,
        "--",
    ];
    let said = repo.call(args).text().await?;
    let mut fields = said.split('\0').map(str::trim);
    while let (Some(ids), Some(run), Some(kind)) = (fields.next(), fields.next(), fields.next()) {
        let Some((commit, tree)) = ids.split_once(' ') else {
            continue;
        };
        if tree == want.verified.tree.as_str() && run == want.run_id && kind == "merge" {
            return oid(commit.to_owned(), "read a merge commit").map(Some);
        }
    }
    Ok(None)
}
