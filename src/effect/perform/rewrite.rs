//! Writes the next prompt anew when the watchdog asks for it: `prompt.rewrite.N.txt`, with what was told before and what
//! the trouble was. The next implementation is told this instead of the usual prompt.

use super::Done;
use super::desk::Desk;
use super::prompting;
use super::trouble::io_trouble;
use crate::core::run::{StepId, Trouble};
use crate::effect::files::{Row, RowKind};
use crate::effect::private;

/// Writes the prompt.
pub(super) async fn rewrite(desk: &Desk<'_>) -> Result<Done, Trouble> {
    let repo = desk.repo().await?;
    let tip = crate::effect::git::head(&repo, &desk.git_worktree()?).await?;
    let (_, checklist) = desk.plan_at(&repo, &tip.commit).await?;
    let n = desk.facts().rewrites;
    let name = rewrite_name(n);
    let before = desk.files.path("prompt.txt");
    let text = prompting::rewritten(
        desk,
        &repo,
        &checklist,
        &prompting::selected(desk.facts(), &checklist),
    )
    .await?;
    let kept = desk.files.state_dir().join(&name);
    crate::effect::files::private_dir(&desk.files.state_dir())
        .and_then(|()| private::write(&kept, &text))
        .map_err(io_trouble(format!("write {}", kept.display())))?;
    let artifacts = desk
        .files
        .write("rewrite", &name, text.as_bytes(), desk.now())
        .await;
    let signals: Vec<&str> = desk
        .facts()
        .notes
        .signals
        .iter()
        .map(|s| s.as_str())
        .collect();
    let message = signals.join(", ");
    let path = desk.files.path(&name);
    let row = Row {
        iteration: desk.facts().iteration,
        output_path: Some(&path),
        message: &message,
        ..Row::default()
    };
    desk.report(RowKind::WatchdogRewrite, &row, desk.facts().plan);
    // The step that is told the new prompt begins with the same move.
    let told = desk.facts().step.as_ref().map(|step| {
        let step_id = StepId::new(&desk.order.run.id, step.generation);
        crate::core::run::PublicEvent::WatchdogRewrite {
            step_id,
            signal: message,
            prompt_before: before.display().to_string(),
            prompt_after: path.display().to_string(),
        }
    });
    Ok(Done {
        told: told.into_iter().collect(),
        ..Done::nothing("rewritten").with_artifacts(artifacts)
    })
}

/// The file of the N-th rewrite.
pub(super) fn rewrite_name(n: u32) -> String {
    format!("prompt.rewrite.{n}.txt")
}
