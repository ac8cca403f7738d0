//! The branches of other runs lie in the same directory as the run's own, and no fence can tell them apart. So they are
//! looked at before an agent works and afterwards: one that has moved although its run was at rest all the while was
//! moved by somebody else, and a person is told. What loopd itself does with a run at rest (a scrap commits what was left)
//! is asked for in the store first, so that its run is seen not to rest, or to have been written to. And where the fence
//! has kept the agent out of other checkouts, what was done in the one that is on the branch was done by a person.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::desk::{Desk, oid};
use super::note::{read_json, write_json};
use crate::core::machine::Kind;
use crate::core::run::{RunId, Trouble};
use crate::core::step::Confined;
use crate::effect::git::{self, Repo};
use crate::effect::keeper::KeeperRecord;

/// In the step's directory.
const FILE: &str = "neighbours.json";

/// A branch of another run that was at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Neighbour {
    branch: String,
    run: String,
    /// Of the run: it rises with every write to it. An earlier version noted something else: then nothing is compared.
    #[serde(default)]
    rev: u64,
    /// The same of its handover; 0 while there is none.
    #[serde(default)]
    handover_rev: u64,
    tip: Option<String>,
}

/// Notes where the branches of runs at rest stand.
pub(super) async fn note(desk: &Desk<'_>, repo: &Repo) -> Result<(), Trouble> {
    write_json(&desk.step_dir().join(FILE), &at_rest(desk, repo).await?)
}

/// Which of them have moved since, in a sentence.
pub(super) async fn moved(desk: &Desk<'_>, repo: &Repo) -> Result<Option<String>, Trouble> {
    let noted = desk.step_dir().join(FILE);
    // A step that was begun by an earlier version has none.
    if !Path::new(&noted).exists() {
        return Ok(None);
    }
    let before: Vec<Neighbour> = read_json(&noted)?;
    let after = at_rest(desk, repo).await?;
    let place = |tip: &Option<String>| tip.clone().unwrap_or_else(|| "nothing".to_owned());
    let mut moved = Vec::new();
    for old in &before {
        let same = |new: &&Neighbour| {
            (&new.branch, &new.run) == (&old.branch, &old.run)
                && (new.rev, new.handover_rev) == (old.rev, old.handover_rev)
        };
        let Some(new) = after.iter().find(same) else {
            continue;
        };
        if new.tip != old.tip && !by_a_person(desk, repo, old, new).await? {
            moved.push(format!(
                "{} from {} to {}",
                old.branch,
                place(&old.tip),
                place(&new.tip)
            ));
        }
    }
    Ok((!moved.is_empty()).then(|| {
        format!(
            "branches of other runs were moved while the agent worked: {}; if it was not you, put them back with `git branch --force`",
            moved.join(", ")
        )
    }))
}

/// Whether it is known that a person has done it: in a checkout of that branch, which the fence has kept the agent out of.
async fn by_a_person(
    desk: &Desk<'_>,
    repo: &Repo,
    old: &Neighbour,
    new: &Neighbour,
) -> Result<bool, Trouble> {
    let (Some(from), Some(to)) = (&old.tip, &new.tip) else {
        return Ok(false);
    };
    let keeper = KeeperRecord::read(&desk.step_dir())?;
    let level = keeper.and_then(|it| it.confinement).map(|it| it.level);
    if level != Some(Confined::Full) {
        return Ok(false);
    }
    let (own, from, to) = (desk.git_worktree()?, oid(from)?, oid(to)?);
    Ok(git::moved_at_home(repo, &own, &old.branch, &from, &to).await?)
}

/// The store is read between two looks at the branches: what stands still meanwhile stands as the store explains it.
async fn at_rest(desk: &Desk<'_>, repo: &Repo) -> Result<Vec<Neighbour>, Trouble> {
    let reader = &desk.world.reader;
    let worktree = desk.git_worktree()?;
    let tips = git::neighbours(repo, &worktree).await?;
    let pending = reader.pending_effects().await?;
    let mut found = Vec::new();
    for (branch, run, tip) in tips {
        let id = RunId(run.clone());
        let Some(stored) = reader.run(&id).await? else {
            continue;
        };
        let handover = reader.handover(&id).await?;
        let idle = match stored.state.kind() {
            Kind::Waiting | Kind::Held | Kind::Ended => stored.facts.step.is_none(),
            Kind::Active => false,
        };
        let handed = handover
            .as_ref()
            .is_none_or(|it| it.state.kind() != Kind::Active);
        if idle && handed && pending.iter().all(|effect| effect.run_id != id) {
            found.push(Neighbour {
                branch,
                run,
                rev: stored.rev,
                handover_rev: handover.map_or(0, |it| it.rev),
                tip: tip.map(|tip| tip.to_string()),
            });
        }
    }
    let tips = git::neighbours(repo, &worktree).await?;
    found.retain(|it| {
        tips.iter().any(|(branch, run, tip)| {
            let tip = tip.as_ref().map(ToString::to_string);
            (branch, run, tip) == (&it.branch, &it.run, it.tip.clone())
        })
    });
    Ok(found)
}
