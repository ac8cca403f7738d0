//! What every performer has at hand: the order, the run's configuration and files, its repository and worktree.

use std::path::{Path, PathBuf};

use super::prompt_facts::Subject;
use super::trouble::trouble;
use super::{Order, World};
use crate::config::RunConfig;
use crate::core::plan::Checklist;
use crate::core::run::{Facts, PlanReading, StepId, Trouble, TroubleKind, Worktree};
use crate::core::step;
use crate::core::time::Time;
use crate::effect::files::{Row, RowKind, RunFiles};
use crate::effect::git::{self, Oid, Repo};
use crate::store::StepReport;

/// One order with everything that is read for it.
pub(super) struct Desk<'a> {
    pub world: &'a World,
    pub order: &'a Order,
    pub config: RunConfig,
    pub files: RunFiles,
}

impl<'a> Desk<'a> {
    /// Reads the configuration that the run was created with.
    pub(super) fn open(world: &'a World, order: &'a Order) -> Result<Self, Trouble> {
        let config: RunConfig = serde_json::from_str(&order.run.config).map_err(|error| {
            trouble(
                TroubleKind::Permanent,
                "config_unreadable",
                format!("failed to read the stored configuration of the run: {error}"),
            )
        })?;
        let files = RunFiles::of(&world.data_dir, &order.run, &config).dying(world.crash.clone());
        Ok(Desk {
            world,
            order,
            config,
            files,
        })
    }

    /// The facts of the run.
    pub(super) fn facts(&self) -> &Facts {
        &self.order.run.facts
    }

    /// The generation that reports about this order carry.
    pub(super) fn generation(&self) -> u64 {
        self.order.effect.generation
    }

    /// Now.
    pub(super) fn now(&self) -> Time {
        (self.world.now)()
    }

    /// The directory of this order's step.
    pub(super) fn step_dir(&self) -> PathBuf {
        let generation = self
            .order
            .effect
            .step_id
            .as_ref()
            .and_then(StepId::generation)
            .unwrap_or(self.generation());
        self.files.step_dir(generation)
    }

    /// The run's repository.
    pub(super) async fn repo(&self) -> Result<Repo, Trouble> {
        Ok(Repo::open(
            &self.world.git,
            Path::new(&self.order.run.spec.workspace_key),
        )
        .await?)
    }

    /// Keeps the mirrored files of runs, and nothing else of that folder, out of the user's `git status`. Only its look
    /// depends on it, so that a failure is logged and no more. A run without any in its workspace has nothing to hide.
    pub(super) async fn hide_files(&self, repo: &Repo) {
        if !self.files.are_in_the_workspace() {
            return;
        }
        let pattern = format!("/{}/run-*/", self.config.log_dir.trim_matches('/'));
        if let Err(error) = git::exclude_line(repo, &pattern).await {
            tracing::warn!(run = %self.order.run.id, %error, "failed to keep the run's files out of git status");
        }
    }

    /// The run's worktree as recorded.
    pub(super) fn worktree(&self) -> Result<&Worktree, Trouble> {
        self.facts().worktree.as_ref().ok_or_else(|| {
            trouble(
                TroubleKind::Transient,
                "no_worktree",
                "the run has no worktree yet",
            )
        })
    }

    /// What a prompt of this run is about.
    pub(super) fn subject(&self) -> Result<Subject<'_>, Trouble> {
        let run = &self.order.run;
        Ok(Subject {
            run_id: &run.id,
            spec: &run.spec,
            config: &self.config,
            facts: &run.facts,
            worktree: self.worktree()?,
        })
    }

    /// The same as the git room knows it.
    pub(super) fn git_worktree(&self) -> Result<git::Worktree, Trouble> {
        read_record(self.worktree()?)
    }

    /// The run branch's tip when the iteration began. What a step that was stopped or lost has left since then belongs to
    /// the iteration like everything else.
    pub(super) fn iteration_start(&self) -> Result<Oid, Trouble> {
        match &self.facts().current.start_head {
            Some(head) => oid(head),
            None => oid(&self.worktree()?.start_commit),
        }
    }

    /// Adds a row to the run's report: once for this order, however often it is performed. A run is started and ended once
    /// for each ticket, whatever it was stopped by in between.
    pub(super) fn report(&self, kind: RowKind, row: &Row<'_>, plan: PlanReading) {
        let order = match kind {
            RowKind::RunStart | RowKind::RunEnd => format!("ticket {}", self.facts().ticket),
            RowKind::IterationStart
            | RowKind::IterationEnd
            | RowKind::ReviewStart
            | RowKind::ReviewEnd
            | RowKind::VerifyStart
            | RowKind::VerifyCmdEnd
            | RowKind::VerifyEnd
            | RowKind::WatchdogRewrite
            | RowKind::CompleteDetected => format!("generation {}", self.generation()),
        };
        let path = row.output_path.map(|p| p.display().to_string());
        let key = format!("{order} {} {}", kind.as_str(), path.unwrap_or_default());
        self.files.report_once(&key, kind, row, plan, self.now());
    }

    /// A file at a commit, as text; `None` where there is none. Bytes that are not UTF-8 are replaced.
    pub(super) async fn text_at(
        &self,
        repo: &Repo,
        commit: &Oid,
        path: &str,
    ) -> Result<Option<String>, Trouble> {
        let bytes = git::show(repo, commit, Path::new(path)).await?;
        Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
    }

    /// The plan at a commit: its text, and what it says. A plan that is not there has no tasks.
    pub(super) async fn plan_at(
        &self,
        repo: &Repo,
        commit: &Oid,
    ) -> Result<(String, Checklist), Trouble> {
        let text = self
            .text_at(repo, commit, &self.order.run.spec.plan_path)
            .await?
            .unwrap_or_default();
        let plan = Checklist::parse(&text);
        Ok((text, plan))
    }

    /// What this order's step is told.
    pub(super) fn step_report(&self, event: step::Event) -> Option<StepReport> {
        let id = self.order.effect.step_id.clone()?;
        Some(StepReport {
            id,
            event,
            prompt_path: None,
            output_path: None,
        })
    }
}

/// The git room's own record of a worktree.
///
/// # Errors
/// It was written by another version, or is damaged.
pub fn read_record(worktree: &Worktree) -> Result<git::Worktree, Trouble> {
    serde_json::from_str(&worktree.record).map_err(|error| {
        trouble(
            TroubleKind::Permanent,
            "worktree_unreadable",
            format!(
                "failed to read what is recorded of the worktree {}: {error}",
                worktree.path
            ),
        )
    })
}

/// An object name out of the run's facts.
pub(super) fn oid(text: &str) -> Result<Oid, Trouble> {
    Oid::parse(text).ok_or_else(|| {
        trouble(
            TroubleKind::Permanent,
            "facts_unreadable",
            format!("`{text}` is no object name"),
        )
    })
}
