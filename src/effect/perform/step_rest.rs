//! What is left of a step whose keeper is gone: its processes, known by the mark that each carries, and the locks of a git
//! that was killed in its worktree.

use std::path::Path;

use super::desk::Desk;
use super::trouble::trouble;
use crate::core::run::{StepId, Trouble, TroubleKind};
use crate::effect::git;
use crate::effect::keeper::{self, Reaped};

/// Ends what is left of a step whose keeper in `dir` is gone, or has ended in good order but for what escaped it.
pub(super) async fn end_rest(desk: &Desk<'_>, dir: &Path) -> Result<(), Trouble> {
    let reaped = keeper::reap_survivors(dir, &marker(desk)).await?;
    all_ended(&reaped)?;
    drop_stale_locks(desk).await;
    Ok(())
}

/// Ends what works for a step of the run that no directory knows of: its files were removed while it lived. Nobody can say
/// what it has come to, and never may two agents work in one worktree.
pub(super) async fn end_strays(desk: &Desk<'_>) -> Result<(), Trouble> {
    let reaped = keeper::end_strays(of_run(desk)).await?;
    tracing::warn!(run = %desk.order.run.id, ended = reaped.ended, "ended processes of a step whose files are gone");
    all_ended(&reaped)
}

fn all_ended(reaped: &Reaped) -> Result<(), Trouble> {
    if reaped.survivors.is_empty() {
        return Ok(());
    }
    Err(trouble(
        TroubleKind::Transient,
        "processes_survive",
        format!(
            "processes of the step are another user's and cannot be ended: {}; end them by hand",
            reaped.survivors.join(", ")
        ),
    ))
}

/// A git that was killed in the worktree leaves its locks behind. Nobody of the run is alive now: nobody holds them.
pub(super) async fn drop_stale_locks(desk: &Desk<'_>) {
    if desk.facts().worktree.is_none() {
        return;
    }
    let drop = async || -> Result<Vec<std::path::PathBuf>, Trouble> {
        Ok(git::drop_stale_locks(&desk.repo().await?, &desk.git_worktree()?).await?)
    };
    match drop().await {
        Ok(dropped) if dropped.is_empty() => {}
        Ok(dropped) => tracing::info!(run = %desk.order.run.id, ?dropped, "removed stale locks"),
        // Whoever needs the worktree next meets the lock, or the missing worktree, and says so.
        Err(trouble) => {
            tracing::warn!(run = %desk.order.run.id, message = trouble.message, "failed to look for stale locks");
        }
    }
}

/// The entry that marks every process of this order's step, those that work ahead of it included.
pub(super) fn marker(desk: &Desk<'_>) -> String {
    let order = desk.order;
    let named = order.effect.step_id.clone();
    let id = named.unwrap_or_else(|| StepId::new(&order.run.id, order.effect.generation));
    keeper::marker(&id.0)
}

/// Knows the entry that marks a process of any step of this order's run. Analyses and notices carry other ones.
pub(super) fn of_run(desk: &Desk<'_>) -> impl Fn(&[u8]) -> bool + Clone + Send + 'static {
    let steps = keeper::marker(&format!("{}.", desk.order.run.id));
    move |entry| {
        entry
            .strip_prefix(steps.as_bytes())
            .is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
    }
}
