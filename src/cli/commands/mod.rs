//! The commands, one file each, named by its verb. A file holds the command's arguments, its help with an example, and
//! what it does.

pub mod analyze;
pub mod cancel;
pub mod completions;
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod events;
pub mod gc;
pub mod init;
pub mod inspect;
pub mod list;
pub mod machine;
pub mod man;
pub mod merge;
pub mod pause;
pub mod picker;
pub mod pr;
pub mod prompt;
pub mod queue;
pub mod reset;
pub mod resume;
pub mod retry;
pub mod run;
pub mod scrap;
pub mod tail;
pub mod why;
pub mod worktree_rm;
pub mod worktrees;

mod operate;
mod output;

mod wait;
mod wanted;

use clap::Subcommand;

use super::context::Context;
use super::error::Error;

/// Every command, in the order of the help.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a run from a spec and a plan
    Run(Box<run::Arguments>),
    /// Print what the agent would be told first, without a daemon
    Prompt(Box<prompt::Arguments>),
    /// List runs, newest first
    List(list::Arguments),
    /// Show everything about a run: steps, files, cause of failure
    Inspect(inspect::Arguments),
    /// Show every gate that holds a run, its place and its next wake-up
    Why(why::Arguments),
    /// Show the whole schedule as the scheduler decided it
    Queue(queue::Arguments),
    /// Show the output of a run
    Tail(tail::Arguments),
    /// Show events
    Events(events::Arguments),
    /// Show what a run has changed
    Diff(diff::Arguments),
    /// Stop a run for the time being; a step of it is stopped at once
    Pause(pause::Arguments),
    /// Let a paused run go on
    Resume(resume::Arguments),
    /// End a run
    Cancel(cancel::Arguments),
    /// Start a failed or canceled run again on its own branch; a completed one only to merge it
    Retry(retry::Arguments),
    /// Start a run again on a new branch from today's base
    Reset(reset::Arguments),
    /// List the worktrees that loopd made, and whether they could be removed
    Worktrees(worktrees::Arguments),
    /// Remove a worktree of an ended run, with proof that nothing is lost
    WorktreeRm(worktree_rm::Arguments),
    /// Bring the work of a completed run to its target
    Merge(merge::Arguments),
    /// Push the branch of an ended run and make a pull request
    Pr(pr::Arguments),
    /// Throw an ended run away; its branch stays until the clean-up
    Scrap(scrap::Arguments),
    /// Remove what is left of runs that ended long ago, as far as nothing is lost
    Gc(gc::Arguments),
    /// Explain an ended run: its summary, and the report of its agent
    Analyze(analyze::Arguments),
    /// Run a whole spec in a scratch repository with the scripted agent
    Demo(demo::Arguments),
    /// Print a lifecycle: the matrix of its table, or the diagram
    Machine(machine::Arguments),
    /// Check the installation
    Doctor(doctor::Arguments),
    /// Write a configuration file, every key explained
    Init(init::Arguments),
    /// Print a completion script
    Completions(completions::Arguments),
    /// Print a manual page
    Man(man::Arguments),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What the command says when it fails.
    pub async fn execute(self, context: &mut Context) -> Result<(), Error> {
        match self {
            Command::Run(arguments) => run::execute(*arguments, context).await,
            Command::Prompt(arguments) => prompt::execute(*arguments, context).await,
            Command::List(arguments) => list::execute(arguments, context).await,
            Command::Inspect(arguments) => inspect::execute(arguments, context).await,
            Command::Why(arguments) => why::execute(arguments, context).await,
            Command::Queue(arguments) => queue::execute(arguments, context).await,
            Command::Tail(arguments) => tail::execute(arguments, context).await,
            Command::Events(arguments) => events::execute(arguments, context).await,
            Command::Diff(arguments) => diff::execute(arguments, context).await,
            Command::Pause(arguments) => pause::execute(arguments, context).await,
            Command::Resume(arguments) => resume::execute(arguments, context).await,
            Command::Cancel(arguments) => cancel::execute(arguments, context).await,
            Command::Retry(arguments) => retry::execute(arguments, context).await,
            Command::Reset(arguments) => reset::execute(arguments, context).await,
            Command::Worktrees(arguments) => worktrees::execute(arguments, context).await,
            Command::WorktreeRm(arguments) => worktree_rm::execute(arguments, context).await,
            Command::Merge(arguments) => merge::execute(arguments, context).await,
            Command::Pr(arguments) => pr::execute(arguments, context).await,
            Command::Scrap(arguments) => scrap::execute(arguments, context).await,
            Command::Gc(arguments) => gc::execute(arguments, context).await,
            Command::Analyze(arguments) => analyze::execute(arguments, context).await,
            Command::Demo(arguments) => demo::execute(arguments, context).await,
            Command::Machine(arguments) => machine::execute(arguments, context),
            Command::Doctor(arguments) => doctor::execute(arguments, context).await,
            Command::Init(arguments) => init::execute(arguments, context),
            Command::Completions(arguments) => completions::execute(arguments, context),
            Command::Man(arguments) => man::execute(arguments, context),
        }
    }
}
