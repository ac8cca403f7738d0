//! Carries out a stored intent, and settles one after a crash by looking at the ref.
//!
//! A target that nobody has checked out moves by compare-and-swap; one that is checked out, by git's own fast-forward
//! in there (`forward`), or their tree would look changed.

use std::path::PathBuf;

use super::{
    Drivers, Intent, Oid, Repo, Result,
    forward::{forward, occupied},
    heal::is_untouched,
    inspect::is_ancestor,
    refs::{resolve, swap},
    safe::Safe,
};

/// What became of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Executed {
    /// The target holds it, now or already.
    Merged {
        /// Its commit.
        commit: Oid,
    },
    /// The target does not stand where the intent expects it; nothing was done: plan again.
    TargetMoved {
        /// Where it stands.
        target: Option<Oid>,
    },
    /// Where the target is checked out, git refuses to move it; nothing was done.
    Held {
        /// The files in the way, if git named any.
        files: Vec<PathBuf>,
        /// What is wrong, and what to do.
        message: String,
    },
}

/// How a stored intent stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// The target holds it.
    Merged {
        /// Its commit.
        commit: Oid,
    },
    /// It was not carried out; it still can be.
    Pending,
    /// It was not carried out, and the target has moved: plan again.
    TargetMoved {
        /// Where it stands.
        target: Option<Oid>,
    },
}

/// Makes an intent ready to be stored: notes whether the target's checkout is free to be moved, and whether anything is
/// changed there that would be, so that what a broken-off try leaves can be told from a person's work. A lock that an earlier try
/// of the same run (`before`) has left there, when it was killed, is removed with proof.
///
/// # Errors
/// When git cannot read the repository, or the lock cannot be looked at.
pub async fn ready(
    repo: &Repo,
    mut intent: Intent,
    before: Option<&Intent>,
    drivers: &Drivers,
    now_ms: i64,
) -> Result<Intent> {
    let _lane = repo.lane().await;
    let safe = Safe::trusting(repo, drivers).await?;
    let checkouts = occupied(&safe, &intent.target_ref).await?;
    let [checkout] = checkouts.as_slice() else {
        return Ok(intent);
    };
    let before = before.filter(|it| it.target_ref == intent.target_ref);
    let since = before.and_then(|it| it.unlocked_at_ms);
    let lock = checkout.index_lock();
    let free = match since {
        Some(since) => lock.clear(since)?,
        None => !lock.is_there(),
    };
    intent.unlocked_at_ms = if free { Some(now_ms) } else { since };
    intent.broken_off = before.and_then(Intent::breaking_off);
    if free && is_untouched(&safe, checkout, &intent).await? {
        intent.clean_at = Some(checkout.name());
    }
    Ok(intent)
}

/// Moves the target as planned, or not at all.
///
/// # Errors
/// Transient, while somebody holds a lock in the repository or the checkout; then nothing has moved.
pub async fn execute(repo: &Repo, intent: &Intent, drivers: &Drivers) -> Result<Executed> {
    let _lane = repo.lane().await;
    match look(repo, intent).await? {
        Settled::Merged { commit } => return Ok(Executed::Merged { commit }),
        Settled::TargetMoved { target } => return Ok(Executed::TargetMoved { target }),
        Settled::Pending => {}
    }
    let safe = Safe::trusting(repo, drivers).await?;
    let checkouts = occupied(&safe, &intent.target_ref).await?;
    let held = match checkouts.as_slice() {
        [] => {
            let why = format!("loopd: merge run {}", intent.run_id);
            swap(
                &safe,
                &intent.target_ref,
                &intent.new,
                intent.old.as_ref(),
                &why,
            )
            .await?;
            None
        }
        [only] => forward(&safe, only, intent).await?,
        [first, second, ..] => {
            let (first, second) = (first.path.display(), second.path.display());
            Some((
                Vec::new(),
                format!(
                    "the target is checked out twice, in {first} and {second}; leave one of them"
                ),
            ))
        }
    };
    Ok(match (look(repo, intent).await?, held) {
        (Settled::Merged { commit }, _) => Executed::Merged { commit },
        (Settled::TargetMoved { target }, _) => Executed::TargetMoved { target },
        (Settled::Pending, Some((files, message))) => Executed::Held { files, message },
        (Settled::Pending, None) => {
            let message = format!("{} came back to where it was; ask again", intent.target_ref);
            Executed::Held {
                files: Vec::new(),
                message,
            }
        }
    })
}

/// How an intent stands after a crash. Nothing is changed.
///
/// # Errors
/// When git cannot read the repository.
pub async fn settle(repo: &Repo, intent: &Intent) -> Result<Settled> {
    let _lane = repo.lane().await;
    look(repo, intent).await
}

async fn look(repo: &Repo, intent: &Intent) -> Result<Settled> {
    let target = resolve(repo, &intent.target_ref).await?;
    let merged = Settled::Merged {
        commit: intent.new.clone(),
    };
    match &target {
        now if *now == intent.old => Ok(Settled::Pending),
        // Commits on top of ours do not undo it.
        Some(now) if *now == intent.new || is_ancestor(repo, &intent.new, now).await? => Ok(merged),
        Some(_) | None => Ok(Settled::TargetMoved { target }),
    }
}
