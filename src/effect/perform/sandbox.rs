//! The sandbox of a step: which places its processes may write. An agent gets its worktree, what git needs for commits on
//! the run's branch, temporary directories, caches and its own state; checks get the same without an agent's state. What
//! nobody gets: the primary checkout, other branches, hooks and configuration of the repository, loopd's data, and the
//! rest of the home directory.

use std::fs;
use std::path::{Path, PathBuf};

use super::desk::Desk;
use super::environment::Environment;
use super::trouble::{io_trouble, trouble};
use crate::agent::{AgentSpec, DriverKind};
use crate::config;
use crate::core::run::{Trouble, TroubleKind};
use crate::effect::confine::{Kernel, Places, Sandbox, caches, devices, temporary};
use crate::effect::files::private_dir;
use crate::effect::git;

/// Settings of git that a sandboxed commit is better off with: packing refs and signing both write where it cannot.
const GIT_SETTINGS: &[(&str, &str)] = &[
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("commit.gpgSign", "false"),
];

/// The sandbox for a call of an agent; `None` where none is wanted. The environment is made to fit.
pub(super) async fn of_agent(
    desk: &Desk<'_>,
    spec: &AgentSpec,
    env: &mut Environment,
) -> Result<Option<Sandbox>, Trouble> {
    for_agent(desk, spec, env, &Ground::Worktree).await
}

/// The sandbox for an agent that explains an ended run: it may write in `scratch`, and in no worktree.
pub(super) async fn of_analysis(
    desk: &Desk<'_>,
    spec: &AgentSpec,
    env: &mut Environment,
    scratch: &Path,
) -> Result<Option<Sandbox>, Trouble> {
    for_agent(desk, spec, env, &Ground::Scratch(scratch.to_owned())).await
}

async fn for_agent(
    desk: &Desk<'_>,
    spec: &AgentSpec,
    env: &mut Environment,
    ground: &Ground,
) -> Result<Option<Sandbox>, Trouble> {
    let state = spec.state_places(&env.entries());
    let mut needed = Vec::new();
    if spec.driver() == DriverKind::Scripted {
        needed.push(desk.files.state_dir());
    }
    if desk.config.sandbox != config::Sandbox::Off {
        for dir in &state.made {
            make(dir);
        }
    }
    let wanted = state.made.into_iter().chain(state.other).collect();
    around(desk, env, ground, needed, wanted).await
}

/// The sandbox for a call of an agent that is to answer and to change nothing: `scratch` is all that it gets of the run.
pub(super) async fn of_question(
    desk: &Desk<'_>,
    spec: &AgentSpec,
    env: &mut Environment,
    scratch: &Path,
) -> Result<Option<Sandbox>, Trouble> {
    let state = spec.state_places(&env.entries());
    if desk.config.sandbox != config::Sandbox::Off {
        for dir in &state.made {
            make(dir);
        }
    }
    let wanted = state.made.into_iter().chain(state.other).collect();
    let ground = Ground::Scratch(scratch.to_owned());
    around(desk, env, &ground, Vec::new(), wanted).await
}

/// The sandbox for the checks.
pub(super) async fn of_checks(
    desk: &Desk<'_>,
    env: &mut Environment,
) -> Result<Option<Sandbox>, Trouble> {
    around(desk, env, &Ground::Worktree, Vec::new(), Vec::new()).await
}

/// Where a step works.
enum Ground {
    /// In the run's worktree, and commits.
    Worktree,
    /// In a directory of its own, without a repository.
    Scratch(PathBuf),
}

async fn around(
    desk: &Desk<'_>,
    env: &mut Environment,
    ground: &Ground,
    mut needed: Vec<PathBuf>,
    mut wanted: Vec<PathBuf>,
) -> Result<Option<Sandbox>, Trouble> {
    let required = match desk.config.sandbox {
        config::Sandbox::Off => return Ok(None),
        config::Sandbox::Guard => false,
        config::Sandbox::Required => true,
    };
    let entries = env.entries();
    let home = value(env, "HOME");
    let repo = desk.repo().await?;
    let mut plain = Vec::new();
    let lacks = match ground {
        Ground::Worktree => {
            let worktree = desk.git_worktree()?;
            let git = git::writable(&repo, &worktree).await?;
            needed.push(worktree.path);
            plain.extend(git.paths);
            git.lacks
        }
        Ground::Scratch(dir) => {
            needed.push(dir.clone());
            Vec::new()
        }
    };
    needed.extend(devices(rustix::process::geteuid().is_root()));
    // Tools make it when it is missing; inside they could not.
    let cache = value(env, "XDG_CACHE_HOME").or_else(|| home.as_ref().map(|h| h.join(".cache")));
    if let Some(cache) = cache {
        make(&cache);
    }
    let temporary = temporary(&entries);
    let tmp = temporary.first().cloned();
    wanted.extend(temporary);
    wanted.extend(caches(&entries));
    let mut closed = vec![("loopd's data", desk.world.data_dir.clone())];
    match repo.primary().await? {
        Some(primary) => {
            if !repo.common_dir.starts_with(&primary) {
                closed.push(("the repository", repo.common_dir.clone()));
            }
            closed.push(("the primary checkout", primary));
        }
        None => closed.push(("the repository", repo.common_dir.clone())),
    }
    // Where the repository lies apart from its checkout, it is only known where the run was asked from.
    let asked_from = PathBuf::from(&desk.order.run.spec.workspace_root);
    let more = git::users_checkouts(&repo)?.into_iter().chain([asked_from]);
    for checkout in more {
        if !closed.iter().any(|(_, known)| checkout.starts_with(known)) {
            closed.push(("a checkout", checkout));
        }
    }
    closed.extend(home.map(|home| ("the home directory", home)));
    let places = Places {
        needed,
        plain,
        wanted,
        closed: closed
            .into_iter()
            .map(|(what, path)| (what, fs::canonicalize(&path).unwrap_or(path)))
            .collect(),
        lacks,
    };
    let (mut sandbox, left_out) = places.sandbox(required);
    if required {
        fulfilled(&sandbox)?;
    }
    let tmp = tmp.and_then(|tmp| fs::canonicalize(tmp).ok());
    if tmp.is_none_or(|tmp| left_out.contains(&tmp)) {
        let own = desk.files.temporary_dir();
        private_dir(&own).map_err(io_trouble(format!("make {}", own.display())))?;
        env.set("TMPDIR", own.clone());
        sandbox.writable.push(own.into());
    }
    for (key, value) in GIT_SETTINGS {
        env.configure_git(key, value);
    }
    Ok(Some(sandbox))
}

/// Whether a required sandbox can be kept; a person has to decide otherwise.
fn fulfilled(sandbox: &Sandbox) -> Result<(), Trouble> {
    let mut lacks = Kernel::of_this_machine().lacks();
    lacks.extend(sandbox.lacks.iter().cloned());
    if lacks.is_empty() {
        return Ok(());
    }
    Err(trouble(
        TroubleKind::NeedsPerson,
        "sandbox_unavailable",
        format!(
            "sandbox = \"required\" cannot be kept: {}",
            lacks.join("; ")
        ),
    ))
}

fn value(env: &Environment, name: &str) -> Option<PathBuf> {
    let found = env.entries().into_iter().find(|(found, _)| found == name);
    found
        .map(|(_, value)| PathBuf::from(value))
        .filter(|path| path.is_absolute())
}

/// Makes a directory that a tool would make itself. One that cannot be made is missed only by that tool, which says so.
fn make(dir: &Path) {
    if let Err(error) = private_dir(dir) {
        tracing::debug!(dir = %dir.display(), %error, "failed to make a directory for a step");
    }
}
