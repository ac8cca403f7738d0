//! Pushes the run branch and makes a pull request of it, or finds the one that it has. Everything that can be found out
//! before anything leaves the machine is found out first.

use std::ffi::OsString;
use std::path::Path;

use super::tool::{Tool, Wanted};
use super::{Performed, Snag, Table, blocked, failed};
use crate::core::handover::Event;
use crate::core::run::{State, Trouble};
use crate::core::words::several;
use crate::crash::Place;
use crate::effect::git::{self, Pushed};
use crate::effect::keeper;
use crate::store::StoredRun;

/// Makes the pull request, or says what is missing.
pub(super) async fn create_pr(table: &Table<'_>) -> Performed {
    let (recorded, worktree) = table.worktree()?;
    let repo = table.repo().await?;
    let (branch, base) = (&recorded.run_branch, &recorded.base_branch);
    let tip = table.tip(&repo, recorded, &worktree).await?;
    if tip.commit == worktree.base_commit {
        let message = format!("{branch} has no commit that {base} had not");
        return Err(blocked("nothing_to_request", message).hint(table.begin_again()));
    }
    let Some(remote) = git::remote_of(&repo, base).await? else {
        let message = format!(
            "{} has no remote to push {branch} to",
            table.run.spec.workspace_root
        );
        return Err(failed("no_remote", message)
            .hint("add one with `git remote add origin URL`, then ask again"));
    };
    let mut environment = table.environment()?.entries();
    environment.push(alone(table).await?);
    let cwd = Path::new(&table.run.spec.workspace_root);
    let tool = Tool::find(&remote.url, cwd, environment)?;
    // Asked before the push: an account that is not logged in is known before anything leaves the machine.
    let existing = tool.existing(branch).await?;
    match git::push_branch(&repo, &remote, branch).await {
        Ok(Pushed::Done) => {}
        Ok(Pushed::Distrusted { keys }) => {
            let message = format!(
                "the repository's own configuration names commands to be run by a push ({}), and an agent can write that file",
                keys.join(", ")
            );
            return Err(blocked("push_distrusted", message).hint(format!(
                "look at them, move them to your global configuration, and ask again; or `git push {} {branch}` by hand",
                remote.name
            )));
        }
        Err(error) => {
            return Err(failed("push_failed", format!("failed to {error}")).hint(
                "nothing is pushed by force; see that loopd's user can push there without being asked, then ask again",
            ));
        }
    }
    let url = match existing {
        Some(url) => url,
        None => {
            let wanted = Wanted {
                branch,
                base,
                title: table.run.name(),
                body: &body(table.run),
                draft: table.run.state != State::Completed,
            };
            let crash = &table.world.crash;
            crash.pass_on(Place::Calling, "pull-request").await;
            let url = tool.create(&wanted).await?;
            crash.pass_on(Place::Called, "pull-request").await;
            url
        }
    };
    table.log(&format!(
        "pushed {branch} to {}; pull request {url}",
        remote.name
    ));
    let event = Event::PrDone {
        generation: table.generation,
        url,
    };
    Ok((event, None))
}

/// Ends a forge's command that a killed daemon left for this run, which might make the very request that is looked for
/// next. Gives the variable by which the next daemon would know that of this one.
async fn alone(table: &Table<'_>) -> Result<(OsString, OsString), Snag> {
    let of = format!("{}.pull-request", table.run.id);
    let marker = keeper::marker(&of).into_bytes();
    let reaped = keeper::end_strays(move |entry| entry == marker).await;
    let reaped = reaped.map_err(Trouble::from)?;
    if !reaped.survivors.is_empty() {
        let message = format!(
            "a command of an earlier daemon still works for the pull request and cannot be ended: {}",
            reaped.survivors.join(", ")
        );
        return Err(failed("processes_survive", message).hint("end it by hand, then ask again"));
    }
    Ok((keeper::MARKER_NAME.into(), of.into()))
}

/// What somebody who reviews it has to know.
fn body(run: &StoredRun) -> String {
    let (spec, facts) = (&run.spec, &run.facts);
    let proof = match (run.state, facts.terms.has_checks) {
        (State::Completed, true) => "The checks passed on exactly this tree.",
        (State::Completed, false) => "There are no checks (`verify_cmds`): it is unverified.",
        (
            State::Queued
            | State::Running
            | State::Verifying
            | State::Watchdog
            | State::Merging
            | State::Paused
            | State::Failed
            | State::Canceled,
            _,
        ) => "The run did not complete: nothing is proved of it.",
    };
    let reviewed = match (run.state, facts.terms.reviewer) {
        (State::Completed, true) => " The reviewing agent approved it.",
        (_, _) => "",
    };
    let why = facts
        .failure
        .as_ref()
        .map_or(String::new(), |f| format!("\n\nIt failed: {}", f.message));
    format!(
        "Spec `{}`, plan `{}`: {} of {} tasks done in {} by {}.\n\n{proof}{reviewed}{why}\n\nMade by loopd, run {}.\n",
        spec.spec_path,
        spec.plan_path,
        facts.plan.done,
        facts.plan.total,
        several(facts.iteration, "iteration", "iterations"),
        facts.agent(&spec.agent),
        run.id
    )
}
