//! What the next iteration is for.

use super::{Checklist, Mark};
use serde::{Deserialize, Serialize};

/// The purpose of an iteration.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "snake_case")]
pub enum Next {
    /// Implement a task.
    Task {
        /// Index into [`Checklist::items`].
        index: usize,
        /// The whole task.
        text: String,
        /// The headings around it, the outermost first.
        path: Vec<String>,
        /// What its headings say that it is blocked by; shown, never enforced.
        blocked_by: Option<String>,
    },
    /// No task is left to take up, but failed checks, findings of a review or a conflict are open.
    Mend,
    /// Everything is done; only the agent's own word is missing.
    Confirm,
    /// Only blocked tasks are left: a person has to help.
    Blocked {
        /// Those tasks.
        tasks: Vec<String>,
    },
}

/// Chooses: the first pending task; else what is open; else what is blocked; else the confirmation. Blocked tasks do
/// not keep open work from being mended: whoever is asked for help then meets a branch in order.
pub fn next(plan: &Checklist, open_work: bool) -> Next {
    let task = plan
        .items
        .iter()
        .enumerate()
        .find(|(_, it)| it.counts() && it.mark == Mark::Pending);
    if let Some((index, item)) = task {
        return Next::Task {
            index,
            text: item.full_text(),
            path: plan.path(item).into_iter().map(str::to_owned).collect(),
            blocked_by: plan.blocked_by(item).map(str::to_owned),
        };
    }
    if open_work {
        return Next::Mend;
    }
    let blocked = plan.tasks().filter(|item| item.mark == Mark::Blocked);
    let tasks: Vec<String> = blocked.map(super::Item::full_text).collect();
    if tasks.is_empty() {
        Next::Confirm
    } else {
        Next::Blocked { tasks }
    }
}
