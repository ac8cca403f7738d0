//! What a clean-up is about to take, noted in the store before it goes. It leaves no trace, and a retry has to know where
//! its branch stood: a repeat after a crash tells of that, too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::desk::{Desk, oid};
use super::remains::Left;
use super::trouble::trouble;
use crate::core::run::{RetiredBranch, Trouble, TroubleKind};
use crate::effect::git::{self, Repo};

/// What is about to go, or has gone.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Taking {
    /// Branches, each with the commit that it stands at.
    pub branches: BTreeMap<String, String>,
    /// There is a directory with files.
    pub files: bool,
}

impl Taking {
    /// What an earlier try of this effect has noted.
    pub async fn read(desk: &Desk<'_>) -> Result<Taking, Trouble> {
        let effect = desk.order.effect.id;
        let Some(note) = desk.world.reader.effect_note(effect).await? else {
            return Ok(Taking::default());
        };
        serde_json::from_str(&note).map_err(|error| {
            let what = format!("failed to read what the clean-up was about to take: {error}");
            trouble(TroubleKind::Permanent, "internal", what)
        })
    }

    /// The same, and what there is now; noted.
    pub async fn noted(desk: &Desk<'_>, left: &Left, files: bool) -> Result<Taking, Trouble> {
        let mut taking = Taking::read(desk).await?;
        taking.files |= files;
        if let Ok(repo) = &left.repo {
            for branch in &left.branches {
                let name = &branch.run_branch;
                if let Some(tip) = git::tip(repo, name).await? {
                    taking.branches.insert(name.clone(), tip.commit.to_string());
                }
            }
        }
        let note = serde_json::to_string(&taking)
            .map_err(|error| trouble(TroubleKind::Permanent, "internal", error.to_string()))?;
        let effect = desk.order.effect.id;
        desk.world.writer.note_effect(effect, note).await?;
        Ok(taking)
    }

    /// The branches that an earlier try has taken, and those of `now`.
    pub async fn branches(
        &self,
        desk: &Desk<'_>,
        repo: &Repo,
        now: Vec<RetiredBranch>,
    ) -> Result<Vec<RetiredBranch>, Trouble> {
        let run = &desk.order.run.id;
        let mut gone = now;
        for (branch, tip) in &self.branches {
            let told = gone.iter().any(|it| it.branch == *branch);
            if !told && git::tip(repo, branch).await?.is_none() {
                gone.push(RetiredBranch {
                    branch: branch.clone(),
                    tip: tip.clone(),
                    rescue: None,
                });
            }
        }
        for it in gone.iter_mut().filter(|it| it.rescue.is_none()) {
            it.rescue = git::rescue_at(repo, &run.0, &oid(&it.tip)?).await?;
        }
        Ok(gone)
    }
}
