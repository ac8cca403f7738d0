//! Everything that is known of a run besides its state. One record, stored as JSON, changed only by the updates of the
//! table (`rules/`). Counters say in their doc when they start anew; nothing here is a second copy of the state.

use serde::{Deserialize, Serialize};

use super::agent_result::ResultClass;
use super::data::{Naming, Removal, RetiredBranch, Trouble, Worktree};
use super::parts::{
    Current, Failure, Hold, LiveStep, Mode, Notes, Postmortem, Session, Stage, Totals, Wait,
};
use super::spec::{Spec, Terms};
use crate::core::plan::PlanReading;
use crate::core::time::Time;
use crate::core::watchdog::{Iteration, Ladder};

/// Everything that is known of a run besides its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What the rules decide by.
    pub terms: Terms,
    /// Rises whenever a step begins, ends or is told to stop; a worker's report carries the one it was started with.
    pub generation: u64,
    /// The step that is not yet known to be gone.
    pub step: Option<LiveStep>,
    /// Where the run goes on.
    pub stage: Stage,
    /// The present iteration, from 1; 0 before the first.
    pub iteration: u32,
    /// What the present iteration is for.
    pub mode: Mode,
    /// Further tries of the present step; anew with every step that ends well.
    pub attempt: u32,
    /// Effects that failed in a row for reasons that may pass by themselves; anew with every report.
    pub troubles: u32,
    /// Steps lost in a row; anew with every report.
    pub lost: u32,
    /// Usage limits met in a row; anew with every other result.
    pub limits_met: u32,
    /// The fallback agent is at work.
    pub on_fallback: bool,
    /// What asking a model for the name came to; `None` while none has been asked. Never changed again: the branch is named
    /// by it.
    #[serde(default)]
    pub naming: Option<Naming>,
    /// Branch and worktree; `None` before the first claim and after a reset.
    pub worktree: Option<Worktree>,
    /// The worktree's directory has been removed; the branch stays.
    pub worktree_removed: bool,
    /// Worktrees left behind by resets, for the clean-up.
    pub abandoned: Vec<Worktree>,
    /// Worktrees left behind by resets whose directories are gone; their branches stay.
    #[serde(default)]
    pub emptied: Vec<Worktree>,
    /// How often the run was reset: each reset has a branch and a worktree of its own, also where the one before was
    /// never reported.
    #[serde(default)]
    pub resets: u32,
    /// Paths of worktrees that are wanted no more, until it is reported what became of them.
    #[serde(default)]
    pub unwanted: Vec<String>,
    /// What became of each worktree when it was last to be removed.
    #[serde(default)]
    pub removals: Vec<Removal>,
    /// Branches that the clean-up removed; one that a retry makes again is none any more.
    #[serde(default)]
    pub retired: Vec<RetiredBranch>,
    /// The clean-up removed the directory of the run's files; anew with every start.
    #[serde(default)]
    pub files_removed: bool,
    /// Why something of the run stays that was to go with its end, or with the clean-up when that last came; anew with every
    /// start.
    #[serde(default)]
    pub kept_back: Vec<String>,
    /// The clean-up has nothing more to do; anew with every start.
    #[serde(default)]
    pub nothing_left: bool,
    /// The run branch's tip as last reported.
    pub head: Option<String>,
    /// The plan at the run branch's tip.
    pub plan: PlanReading,
    /// The iteration that is going on.
    pub current: Current,
    /// Iterations that are over, oldest first; the last 32.
    pub history: Vec<Iteration>,
    /// How far up the ladder the run is; anew with every ticked box and every resume.
    pub ladder: Ladder,
    /// Iterations in a row whose verification failed; anew with a passed one and with every resume.
    pub verification_failures: u32,
    /// Rejections in a row; anew with an approval and with every resume.
    pub review_failures: u32,
    /// Rejections of the present task.
    pub review_rounds: u32,
    /// The task that these rounds belong to.
    pub review_task: Option<String>,
    /// The tree that the review approved, loopd's own commits on top included.
    pub approved_tree: Option<String>,
    /// How often all was done and only the token was missing.
    pub confirms: u32,
    /// Merge conflicts met.
    pub conflicts: u32,
    /// Merges that were sent back because the target, or the run branch, had moved.
    pub catch_ups: u32,
    /// Prompts rewritten in the whole run; names `prompt.rewrite.N.txt`.
    pub rewrites: u32,
    /// How the last agent step ended; the choices read it.
    pub last_result: Option<ResultClass>,
    /// Whether the last review had a verdict.
    pub last_verdict: Option<bool>,
    /// What the last agent step, or the last failed effect, said: a cause that a person understands.
    pub last_message: String,
    /// The last effect that failed; the choices read it.
    pub last_trouble: Option<Trouble>,
    /// What the next prompt has to tell.
    pub notes: Notes,
    /// The tampering that a person has seen and accepted; the same evidence does not hold the run again.
    pub accepted: Option<String>,
    /// The tree that passed everything; present exactly in `merging` and `completed`.
    pub verified_tree: Option<String>,
    /// The gate with a time, while queued.
    pub wait: Option<Wait>,
    /// When the next try is due, while a step waits for it.
    pub due: Option<Time>,
    /// Why the run needs a person, while paused.
    pub hold: Option<Hold>,
    /// Why the run failed.
    pub failure: Option<Failure>,
    /// Tokens and money.
    pub usage: Totals,
    /// The commit that the merge target was moved to.
    pub merge_commit: Option<String>,
    /// The last analysis since the run ended; forgotten when it is started anew.
    #[serde(default)]
    pub postmortem: Option<Postmortem>,
    /// The session that the next try of the step at hand goes on with; `None` for one that is told everything. See
    /// `rules/sessions.rs`.
    #[serde(default)]
    pub resumes: Option<Session>,
    /// Rises when the run takes a new place in the queue; a pause or a limit keeps the place.
    pub ticket: u32,
    /// The worker that claimed it last.
    pub worker: Option<String>,
    /// When it was put into the queue for its present ticket.
    pub queued_at: Time,
    /// When it was first claimed.
    pub started_at: Option<Time>,
    /// When it ended; set exactly while the state is an ended one.
    pub ended_at: Option<Time>,
}

/// Where a name comes from that a model made up.
const MADE_UP: &str = "haiku";

/// Iterations kept in [`Facts::history`]: more than any rule of the watchdog looks back.
pub(super) const HISTORY_KEPT: usize = 32;

impl Facts {
    /// The facts of a run that was just created.
    pub fn new(terms: Terms, plan: PlanReading, now: Time) -> Self {
        Facts {
            terms,
            generation: 0,
            step: None,
            stage: Stage::Implement,
            iteration: 0,
            mode: Mode::Task,
            attempt: 0,
            troubles: 0,
            lost: 0,
            limits_met: 0,
            on_fallback: false,
            naming: None,
            worktree: None,
            worktree_removed: false,
            abandoned: Vec::new(),
            emptied: Vec::new(),
            resets: 0,
            unwanted: Vec::new(),
            removals: Vec::new(),
            retired: Vec::new(),
            files_removed: false,
            kept_back: Vec::new(),
            nothing_left: false,
            head: None,
            plan,
            current: Current::default(),
            history: Vec::new(),
            ladder: Ladder::default(),
            verification_failures: 0,
            review_failures: 0,
            review_rounds: 0,
            review_task: None,
            approved_tree: None,
            confirms: 0,
            conflicts: 0,
            catch_ups: 0,
            rewrites: 0,
            last_result: None,
            last_verdict: None,
            last_message: String::new(),
            last_trouble: None,
            notes: Notes::default(),
            accepted: None,
            verified_tree: None,
            wait: None,
            due: None,
            hold: None,
            failure: None,
            usage: Totals::default(),
            merge_commit: None,
            postmortem: None,
            resumes: None,
            ticket: 0,
            worker: None,
            queued_at: now,
            started_at: None,
            ended_at: None,
        }
    }

    /// The worktrees whose directories are not known to be gone: the present one and those that resets left behind.
    pub fn worktrees(&self) -> impl Iterator<Item = &Worktree> {
        let present = self.worktree.iter().filter(|_| !self.worktree_removed);
        present.chain(&self.abandoned)
    }

    /// Whether a model is still to be asked for the run's name. No branch is made before.
    pub fn awaits_name(&self) -> bool {
        self.terms.named_by_model && self.naming.is_none()
    }

    /// The run's name: the model's, where it gave one, else the one that the run was created with.
    pub fn name<'a>(&'a self, spec: &'a Spec) -> &'a str {
        let made_up = self.naming.as_ref().and_then(|it| it.name.as_deref());
        made_up.unwrap_or(&spec.name)
    }

    /// Where the name comes from: as in [`Spec::name_source`], or `haiku` for a model's.
    pub fn name_source<'a>(&'a self, spec: &'a Spec) -> &'a str {
        match &self.naming {
            Some(Naming { name: Some(_), .. }) => MADE_UP,
            Some(Naming { name: None, .. }) | None => &spec.name_source,
        }
    }

    /// The agent that works now: the fallback while the first one is limited.
    pub fn agent<'a>(&'a self, configured: &'a str) -> &'a str {
        match (&self.terms.fallback_agent, self.on_fallback) {
            (Some(fallback), true) => fallback,
            (_, _) => configured,
        }
    }
}
