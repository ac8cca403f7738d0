//! The job of one call of an agent: its command line, environment, fence and bounds, as a keeper takes them. Not here: the
//! prompt, and what becomes of the call (`agent_step`, `postmortem`).

use std::path::{Path, PathBuf};

use super::desk::Desk;
use super::environment::Environment;
use super::sandbox;
use super::trouble::io_trouble;
use crate::agent::{self, AgentSpec, Call, CommandLine, Role};
use crate::core::run::Trouble;
use crate::effect::git;
use crate::effect::keeper::{Command, Job, Stderr, Stdin};
use crate::effect::private;

/// What an agent is called for, and where it works.
pub(super) struct Scene {
    pub role: Role,
    /// The session to go on with, or the name for a new one.
    pub resumes: Option<String>,
    pub new_session: Option<String>,
    pub cwd: PathBuf,
    /// Carried by every process of it.
    pub marker: String,
    /// Held by its keeper: nobody else works there meanwhile.
    pub lock: PathBuf,
}

/// The job of one call of the agent, and the agent's version where it tells one.
pub(super) async fn job(
    desk: &Desk<'_>,
    spec: &AgentSpec,
    scene: Scene,
    dir: &Path,
    prompt_file: PathBuf,
) -> Result<(Job, Option<String>), Trouble> {
    let Scene {
        role,
        resumes,
        new_session,
        cwd,
        marker,
        lock,
    } = scene;
    let state_dir = desk.files.state_dir();
    crate::effect::files::private_dir(&state_dir)
        .map_err(io_trouble(format!("make {}", state_dir.display())))?;
    let model = match role {
        Role::Implement => desk.config.model.clone(),
        Role::Review | Role::Postmortem => desk
            .config
            .review_model
            .clone()
            .or(desk.config.model.clone()),
    };
    let held_to_schema = role == Role::Review && spec.gives_verdict_by_schema();
    let verdict_schema_file = held_to_schema.then(|| dir.join("verdict-schema.json"));
    if let Some(path) = &verdict_schema_file {
        private::write(path, agent::verdict::SCHEMA)
            .map_err(io_trouble(format!("write {}", path.display())))?;
    }
    let line = spec.command(&Call {
        role,
        model,
        prompt_file,
        plan: cwd.join(&desk.order.run.spec.plan_path),
        iteration: desk.facts().iteration,
        resume: resumes,
        new_session,
        verdict_schema_file,
        state_dir,
        self_exe: desk.world.self_exe.clone(),
        root: rustix::process::geteuid().is_root(),
        max_turns: None,
        max_cost_usd: None,
    })?;
    let mut env = environment(desk, &line)?;
    let seen = env.entries();
    let versions = &desk.world.versions;
    let version = versions.of(spec, &line.program, &cwd, &seen).await;
    match role {
        Role::Implement | Role::Review => {
            let repo = desk.repo().await?;
            for (name, value) in git::author_fallback(&repo, &desk.git_worktree()?, &seen).await? {
                env.set(name, value);
            }
        }
        // It commits nothing.
        Role::Postmortem => {}
    }
    let sandbox = match role {
        Role::Implement | Role::Review => sandbox::of_agent(desk, spec, &mut env).await?,
        Role::Postmortem => sandbox::of_analysis(desk, spec, &mut env, &cwd).await?,
    };
    let stdin = stdin(&line);
    let argv = std::iter::once(line.program)
        .chain(line.args)
        .map(Into::into)
        .collect();
    let job = Job {
        marker,
        commands: vec![Command {
            argv,
            cwd: cwd.into(),
            env: env.into_entries(),
            stdin,
            stdout: dir.join("output").into(),
            stderr: Stderr::File(dir.join("stderr").into()),
            timeout_ms: Some(desk.config.agent_timeout_sec.saturating_mul(1000)),
            idle_timeout_ms: match desk.config.agent_idle_timeout_sec {
                0 => None,
                sec => Some(sec.saturating_mul(1000)),
            },
            max_output_bytes: desk.config.max_output_bytes,
        }],
        grace_ms: desk.config.stop_grace_sec.saturating_mul(1000),
        worktree_lock: Some(lock.into()),
        sandbox,
    };
    Ok((job, version))
}

/// What the agent may see of the daemon's environment, and what is set for it.
pub(super) fn environment(desk: &Desk<'_>, line: &CommandLine) -> Result<Environment, Trouble> {
    let pass = desk.config.env_pass.iter().chain(&line.pass);
    let pass: Vec<String> = pass.cloned().collect();
    let mut env = Environment::of(&desk.world.environment, &pass)?;
    for (name, value) in &line.env {
        env.set(name, value.clone());
    }
    Ok(env)
}

/// The agent's standard input, as a keeper takes it.
pub(super) fn stdin(line: &CommandLine) -> Stdin {
    match &line.stdin {
        agent::Stdin::Null => Stdin::Null,
        agent::Stdin::File(path) => Stdin::File(path.clone().into()),
    }
}
