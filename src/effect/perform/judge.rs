//! Gathers the evidence of an iteration: the tip, its plan, the iteration's diff, how much the agent repeats itself.
//! Only looking happens here; what the evidence means is weighed by the pure core.

use std::collections::HashSet;
use std::path::Path;

use super::Done;
use super::desk::Desk;
use super::step_news;
use super::tampering;
use crate::core::run::{Event, Evidence, Trouble};
use crate::core::step::Event as Step;
use crate::effect::git;

/// Bytes of a transcript that are compared.
const COMPARED: usize = 256 * 1024;

/// Gathers the evidence.
pub(super) async fn judge(desk: &Desk<'_>) -> Result<Done, Trouble> {
    step_news::begun(desk).await?;
    let repo = desk.repo().await?;
    let worktree = desk.git_worktree()?;
    let tip = git::head(&repo, &worktree).await?;
    let (_, checklist) = desk.plan_at(&repo, &tip.commit).await?;
    let since = desk.iteration_start()?;
    let diff_id = if since == tip.commit
        || git::changed_paths(&repo, &since, &tip.commit)
            .await?
            .is_empty()
    {
        None
    } else {
        Some(git::diff_id(&repo, &since, &tip.commit).await?)
    };
    let evidence = Evidence {
        head: tip.commit.to_string(),
        tree: tip.tree.to_string(),
        diff_id,
        plan: checklist.reading(),
        output_similarity: similarity(desk),
        tampered: tampering::seen(desk, &repo, &tip.commit, &checklist).await?,
    };
    Ok(Done::event(
        Event::Judged {
            generation: desk.generation(),
            evidence,
        },
        "gathered",
    )
    .with_step(desk.step_report(Step::Succeeded { exit_code: None })))
}

/// How much of what the agent said it had said in the iteration before, in permille of its distinct lines.
fn similarity(desk: &Desk<'_>) -> Option<u16> {
    let now = desk.facts().iteration;
    let log = |iteration: u32| desk.files.path(&format!("iter-{iteration:02}-impl.log"));
    let before = read_some(&log(now.checked_sub(1).filter(|n| *n > 0)?))?;
    let present = read_some(&log(now))?;
    permille(&before, &present)
}

fn permille(before: &str, present: &str) -> Option<u16> {
    let lines = |text: &str| -> HashSet<String> {
        text.lines()
            .map(|line| {
                line.chars()
                    .filter(|c| !c.is_ascii_digit())
                    .collect::<String>()
            })
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect()
    };
    let (before, present) = (lines(before), lines(present));
    let all = before.union(&present).count();
    if all == 0 {
        return None;
    }
    u16::try_from(before.intersection(&present).count() * 1000 / all).ok()
}

fn read_some(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .ok()?
        .take(COMPARED as u64)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::permille;

    #[test]
    fn equal_output_is_wholly_similar_and_numbers_do_not_count() {
        assert_eq!(
            permille("took 12 ms\nfailed", "took 99 ms\nfailed"),
            Some(1000)
        );
        assert_eq!(permille("a\nb", "c\nd"), Some(0));
        assert_eq!(permille("", ""), None);
    }
}
