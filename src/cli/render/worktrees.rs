//! Worktrees, one line each.

use super::style::{ATTENTION, DIM, GOOD};
use super::table::Columns;
use super::text::tail;
use crate::api::wire::{StrayWorktree, WorktreeEntry, WorktreeList};

/// All of them, strays last.
pub fn lines(list: &WorktreeList) -> Vec<String> {
    let mut table = Columns::new(&["PATH", "RUN", "STATE", "BRANCH", "REMOVABLE"]);
    for entry in &list.worktrees {
        let style = if entry.removable { GOOD } else { DIM };
        table.row(style, &row(entry));
    }
    for stray in &list.strays {
        table.row(ATTENTION, &stray_row(stray));
    }
    table.lines()
}

fn row(entry: &WorktreeEntry) -> [String; 5] {
    let name = format!("{} {}", tail(entry.run_id), entry.run_name);
    let state = match entry.present {
        true => entry.state.clone(),
        false => format!("{}, left by a reset", entry.state),
    };
    let removable = match (&entry.why_kept, entry.on_disk) {
        (Some(why), _) => format!("no: {why}"),
        (None, true) => "yes".to_owned(),
        (None, false) => "yes, its directory is gone".to_owned(),
    };
    [
        entry.path.clone(),
        name,
        state,
        entry.run_branch.clone(),
        removable,
    ]
}

fn stray_row(stray: &StrayWorktree) -> [String; 5] {
    let why = match stray.run_known {
        true => "stray: its run was never told of it; worktree-rm looks at it",
        false => "no: its run is not known to this daemon",
    };
    let start = stray.run_id.char_indices().rev().nth(7);
    let id = stray
        .run_id
        .get(start.map_or(0, |(at, _)| at)..)
        .unwrap_or_default();
    let branch = stray.branch.clone().unwrap_or_else(|| "-".to_owned());
    [
        stray.path.clone(),
        id.to_owned(),
        "-".to_owned(),
        branch,
        why.to_owned(),
    ]
}
