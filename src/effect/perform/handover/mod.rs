//! Performing what a person asked for an ended run: one file for each effect of `machines/handover.toml`. A person waits
//! for the answer, so nothing is tried again here: what is in the way is told, and can be asked for once more. A repeat
//! after a crash is harmless.

mod forge;
mod merge;
mod pr;
mod scrap;
mod tool;

use std::path::Path;

use super::World;
use super::desk::read_record;
use super::environment::Environment;
use super::trouble::trouble;
use crate::config::RunConfig;
use crate::core::handover::{Effect, Event, Snag, SnagKind};
use crate::core::run::{self, State, Trouble, TroubleKind, Worktree};
use crate::effect::files::RunFiles;
use crate::effect::git::{self, Repo, Tip};
use crate::store::{HandoverEffect, StoredRun};

/// An effect of a handover, and the ended run that it is for.
#[derive(Clone, Debug)]
pub struct HandoverOrder {
    /// The row of the outbox.
    pub effect: HandoverEffect,
    /// The run.
    pub run: StoredRun,
}

/// What performing it came to.
#[must_use]
#[derive(Clone, Debug)]
pub struct HandoverDone {
    /// What the handover is told.
    pub event: Event,
    /// What the run is told in the same breath: that its worktree is gone.
    pub run_event: Option<run::Event>,
    /// How it went, for whoever looks into the database.
    pub outcome: String,
}

/// What a performer did; or what was in the way.
type Performed = Result<(Event, Option<run::Event>), Snag>;

/// Performs one effect.
pub async fn hand_over(world: &World, order: &HandoverOrder) -> HandoverDone {
    let performed = match Table::lay(world, order) {
        Err(trouble) => Err(trouble.into()),
        Ok(table) => {
            let performed = match order.effect.effect {
                Effect::Merge => merge::merge(&table).await,
                Effect::CreatePr => pr::create_pr(&table).await,
                Effect::Scrap => scrap::scrap(&table).await,
            };
            table.register_log().await;
            performed
        }
    };
    match performed {
        Ok((event, run_event)) => HandoverDone {
            outcome: event.name().as_str().to_owned(),
            event,
            run_event,
        },
        Err(snag) => {
            world.goes_on().await;
            in_the_way(order, snag)
        }
    }
}

/// What becomes of an effect that met a snag.
fn in_the_way(order: &HandoverOrder, snag: Snag) -> HandoverDone {
    tracing::warn!(run = %order.run.id, effect = %order.effect.effect, code = snag.code, message = snag.message, "a handover was not made");
    HandoverDone {
        outcome: format!("{}: {}", snag.code, snag.message),
        event: Event::Failed {
            generation: order.effect.generation,
            snag,
        },
        run_event: None,
    }
}

impl HandoverDone {
    /// The performer itself has failed: a bug of ours, which must neither wedge the handover nor be hidden.
    pub fn broken(order: &HandoverOrder, panic: &str) -> Self {
        let what = order.effect.effect;
        let message = format!("a bug in loopd: performing {what} failed: {panic}");
        in_the_way(order, failed("internal", message))
    }
}

/// What every performer has at hand: the run, its files, its configuration.
struct Table<'a> {
    world: &'a World,
    run: &'a StoredRun,
    config: RunConfig,
    files: RunFiles,
    generation: u64,
}

impl<'a> Table<'a> {
    fn lay(world: &'a World, order: &'a HandoverOrder) -> Result<Self, Trouble> {
        let run = &order.run;
        let config: RunConfig = serde_json::from_str(&run.config).map_err(|error| {
            trouble(
                TroubleKind::Permanent,
                "config_unreadable",
                format!("failed to read the stored configuration of the run: {error}"),
            )
        })?;
        let files = RunFiles::of(&world.data_dir, run, &config);
        Ok(Table {
            world,
            run,
            config,
            files,
            generation: order.effect.generation,
        })
    }

    async fn repo(&self) -> Result<Repo, Snag> {
        let place = Path::new(&self.run.spec.workspace_key);
        Ok(Repo::open(&self.world.git, place).await?)
    }

    /// The run's branch and worktree; a run that ended before it had any has nothing to hand over.
    fn worktree(&self) -> Result<(&Worktree, git::Worktree), Snag> {
        let recorded = self.run.facts.worktree.as_ref().ok_or_else(|| {
            blocked(
                "no_branch",
                "the run ended before it had a branch, so there is no work to hand over",
            )
            .hint(self.begin_again())
        })?;
        Ok((recorded, read_record(recorded)?))
    }

    /// The tip of the run's branch. One that the clean-up or a person took is not made anew here: the run itself does that
    /// when it is started again, and proves what it finds.
    async fn tip(
        &self,
        repo: &Repo,
        recorded: &Worktree,
        worktree: &git::Worktree,
    ) -> Result<Tip, Snag> {
        let branch = &recorded.run_branch;
        if git::tip(repo, branch).await?.is_some() {
            return Ok(git::head(repo, worktree).await?);
        }
        let taken = self.run.facts.retired.iter();
        let message = match taken.into_iter().find(|it| it.branch == *branch) {
            Some(taken) => format!(
                "{branch} was removed by the clean-up when it stood at {}; its commits are kept",
                taken.tip
            ),
            None => format!("{branch} is gone"),
        };
        let id = &self.run.id;
        Err(blocked("branch_gone", message).hint(match self.run.state {
            State::Completed => format!(
                "`loopctl retry {id} --merge-strategy squash` makes it again where it stood, runs the checks on it, and merges"
            ),
            State::Queued
            | State::Running
            | State::Verifying
            | State::Watchdog
            | State::Merging
            | State::Paused
            | State::Failed
            | State::Canceled => format!(
                "`loopctl retry {id}` makes it again where it stood and goes on with the work"
            ),
        }))
    }

    /// What of the daemon's environment a command of the person's may see: the list of agents, the run's own `env_pass`,
    /// and what these commands are told their account by.
    fn environment(&self) -> Result<Environment, Trouble> {
        let accounts = ["GH_*", "GITHUB_*", "GITLAB_*", "GLAB_*", "SSH_AUTH_SOCK"];
        let mut pass = self.config.env_pass.clone();
        pass.extend(accounts.map(str::to_owned));
        Environment::of(&self.world.environment, &pass)
    }

    /// What can be done with an ended run that has no work to hand over.
    fn begin_again(&self) -> String {
        let id = &self.run.id;
        match self.run.state {
            State::Completed => format!("`loopctl scrap {id}` throws it away"),
            State::Queued
            | State::Running
            | State::Verifying
            | State::Watchdog
            | State::Merging
            | State::Paused
            | State::Failed
            | State::Canceled => {
                format!("`loopctl retry {id}` lets it work, `loopctl scrap {id}` throws it away")
            }
        }
    }

    /// Registers the log again as it is now: it was when the run ended, and what was done since stands in it.
    async fn register_log(&self) {
        let now = (self.world.now)();
        for file in self.files.register("log", "run.log", now).await {
            if let Err(error) = self.world.writer.record_artifact(file).await {
                tracing::warn!(run = %self.run.id, %error, "failed to register the log of the run");
            }
        }
    }

    /// A line in the run's log.
    fn log(&self, text: &str) {
        self.files.log(text, (self.world.now)());
    }
}

/// A snag that lies in the work or in its way.
fn blocked(code: &str, message: impl Into<String>) -> Snag {
    Snag {
        kind: SnagKind::InTheWay,
        code: code.to_owned(),
        message: message.into(),
        hint: None,
    }
}

/// A snag that was met while trying.
fn failed(code: &str, message: impl Into<String>) -> Snag {
    Snag {
        kind: SnagKind::Failed,
        ..blocked(code, message)
    }
}

impl Snag {
    /// The same, saying what to do.
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Trouble> for Snag {
    fn from(trouble: Trouble) -> Self {
        match trouble.kind {
            TroubleKind::Transient | TroubleKind::NoSpace | TroubleKind::ReadOnly => {
                failed(&trouble.code, trouble.message).hint("ask again")
            }
            TroubleKind::NeedsPerson | TroubleKind::Permanent => {
                failed(&trouble.code, trouble.message)
            }
        }
    }
}

impl From<git::GitError> for Snag {
    fn from(error: git::GitError) -> Self {
        Trouble::from(error).into()
    }
}
