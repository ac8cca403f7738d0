//! The branches of other runs lie in the same directory as the run's own, and no fence can tell them apart. So they are
//! looked at before an agent works and afterwards: one that has moved although its run was at rest all the while was
//! moved by somebody else, and a person is told.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::agent_step::{read_json, write_json};
use super::desk::Desk;
use crate::core::machine::Kind;
use crate::core::run::{RunId, Trouble};
use crate::effect::git::{self, Repo};

/// In the step's directory.
const FILE: &str = "neighbours.json";

/// A branch of another run that was at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Neighbour {
    branch: String,
    run: String,
    /// Of the run: it rises when a step of it begins or ends.
    generation: u64,
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
    let moved: Vec<String> = before
        .iter()
        .filter_map(|old| {
            let same = |new: &&Neighbour| {
                (&new.branch, &new.run, new.generation) == (&old.branch, &old.run, old.generation)
            };
            let new = after.iter().find(same)?;
            let told = format!(
                "{} from {} to {}",
                old.branch,
                place(&old.tip),
                place(&new.tip)
            );
            (new.tip != old.tip).then_some(told)
        })
        .collect();
    Ok((!moved.is_empty()).then(|| {
        format!(
            "branches of other runs were moved while the agent worked: {}; put them back with `git branch --force`",
            moved.join(", ")
        )
    }))
}

async fn at_rest(desk: &Desk<'_>, repo: &Repo) -> Result<Vec<Neighbour>, Trouble> {
    let mut found = Vec::new();
    for (branch, run, tip) in git::neighbours(repo, &desk.git_worktree()?).await? {
        let Some(stored) = desk.world.reader.run(&RunId(run.clone())).await? else {
            continue;
        };
        let rests = match stored.state.kind() {
            Kind::Waiting | Kind::Held | Kind::Ended => stored.facts.step.is_none(),
            Kind::Active => false,
        };
        if rests {
            found.push(Neighbour {
                branch,
                run,
                generation: stored.facts.generation,
                tip: tip.map(|tip| tip.to_string()),
            });
        }
    }
    Ok(found)
}
