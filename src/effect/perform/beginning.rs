//! The prompt that a run would begin with, before there is a run: branch and worktree are foreseen instead of made, all
//! else is what the first implementation is told.

use super::prompt_facts::Subject;
use super::prompting;
use super::worktree::foreseen;
use crate::config::RunConfig;
use crate::core::plan::Checklist;
use crate::core::run::{Facts, RunId, Spec, Trouble};
use crate::effect::git::{Base, Repo};

/// A run that has just been claimed for the first time, or would be.
#[derive(Clone, Copy)]
pub struct Beginning<'a> {
    /// Its repository.
    pub repo: &'a Repo,
    /// What it starts from.
    pub base: &'a Base,
    /// Its id, or what stands for it.
    pub run_id: &'a RunId,
    /// What it is created with.
    pub spec: &'a Spec,
    /// Its configuration.
    pub config: &'a RunConfig,
    /// What is known of it after the claim.
    pub facts: &'a Facts,
    /// The plan that it starts with.
    pub plan: &'a Checklist,
    /// The spec that it starts with.
    pub spec_text: &'a str,
}

/// The prompt of its first implementation. A workspace's own template is read at the base.
///
/// # Errors
/// What the run would meet: a name, a path or a template that cannot be used.
pub async fn first_prompt(run: &Beginning<'_>) -> Result<String, Trouble> {
    let worktree = foreseen(run.repo, run.base, run.spec, run.run_id).await?;
    let subject = Subject {
        run_id: run.run_id,
        spec: run.spec,
        config: run.config,
        facts: run.facts,
        worktree: &worktree,
    };
    prompting::first(&subject, run.repo, run.plan, run.spec_text).await
}
