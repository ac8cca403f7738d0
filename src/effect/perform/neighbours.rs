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
        let life = Life {
            state: stored.state.kind(),
            has_step: stored.facts.step.is_some(),
            handover: handover.as_ref().map(|it| it.state.kind()),
            has_effects: pending.iter().any(|effect| effect.run_id == id),
        };
        if life.is_at_rest() {
            found.push(Neighbour {
                branch,
                run,
                rev: stored.rev,
                handover_rev: handover.map_or(0, |it| it.rev),
                tip: tip.map(|tip| tip.to_string()),
            });
        }
    }
    Ok(still(found, &git::neighbours(repo, &worktree).await?))
}

/// What is known of another run's doings.
#[derive(Clone, Copy, Debug)]
struct Life {
    state: Kind,
    has_step: bool,
    handover: Option<Kind>,
    has_effects: bool,
}

impl Life {
    /// Whether loopd does nothing for it: whoever moves its branch now is somebody else.
    fn is_at_rest(self) -> bool {
        let is_idle = match self.state {
            Kind::Waiting | Kind::Held | Kind::Ended => !self.has_step,
            Kind::Active => false,
        };
        is_idle && self.handover != Some(Kind::Active) && !self.has_effects
    }
}

/// Those that stand at a second look where they stood at the first.
fn still(mut found: Vec<Neighbour>, tips: &[(String, String, Option<git::Oid>)]) -> Vec<Neighbour> {
    found.retain(|it| {
        tips.iter().any(|(branch, run, tip)| {
            let tip = tip.as_ref().map(ToString::to_string);
            (branch, run, tip) == (&it.branch, &it.run, it.tip.clone())
        })
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_REST: Life = Life {
        state: Kind::Ended,
        has_step: false,
        handover: None,
        has_effects: false,
    };

    #[test]
    fn a_run_is_at_rest_while_nothing_at_all_is_done_for_it() {
        for state in [Kind::Waiting, Kind::Held, Kind::Ended] {
            assert!(Life { state, ..AT_REST }.is_at_rest(), "{state:?}");
        }
        let handover = Some(Kind::Ended);
        assert!(
            Life {
                handover,
                ..AT_REST
            }
            .is_at_rest()
        );
    }

    #[test]
    fn a_run_that_works_or_whose_step_handover_or_effect_is_under_way_is_not_at_rest() {
        let state = Kind::Active;
        assert!(!Life { state, ..AT_REST }.is_at_rest());
        let has_step = true;
        assert!(
            !Life {
                has_step,
                ..AT_REST
            }
            .is_at_rest()
        );
        let handover = Some(Kind::Active);
        assert!(
            !Life {
                handover,
                ..AT_REST
            }
            .is_at_rest()
        );
        let has_effects = true;
        assert!(
            !Life {
                has_effects,
                ..AT_REST
            }
            .is_at_rest()
        );
    }

    #[test]
    fn a_branch_that_moves_between_two_looks_is_left_out() {
        let oid = |digit: &str| git::Oid::parse(&digit.repeat(40)).expect("a name");
        let neighbour = |branch: &str, run: &str| Neighbour {
            branch: branch.to_owned(),
            run: run.to_owned(),
            rev: 1,
            handover_rev: 0,
            tip: Some(oid("a").to_string()),
        };
        let look = |branch: &str, run: &str, digit: &str| {
            (branch.to_owned(), run.to_owned(), Some(oid(digit)))
        };
        let first = ["stays", "moves", "goes", "changes-hands"].map(|it| neighbour(it, "r1"));
        let second = [
            look("stays", "r1", "a"),
            look("moves", "r1", "b"),
            look("changes-hands", "r2", "a"),
        ];
        let found = still(first.to_vec(), &second);
        assert_eq!(found, [neighbour("stays", "r1")]);
    }
}
