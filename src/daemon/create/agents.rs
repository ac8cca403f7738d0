//! The agents that a run names: each has to be known, and one whose program is not there is said at once. That is no
//! refusal: a run may wait in the queue until its agent is installed.

use std::path::Path;

use super::error::CreateError;
use crate::agent::{self, AgentSpec};
use crate::config::RunConfig;

/// A warning for each agent whose program is not there.
pub(super) fn look(config: &RunConfig, workspace: &Path) -> Result<Vec<String>, CreateError> {
    let mut absent = Vec::new();
    for name in [Some(&config.agent), config.fallback_agent.as_ref()]
        .into_iter()
        .flatten()
    {
        let spec = agent::resolve(name, &config.agents).map_err(|error| CreateError::Invalid {
            code: "agent_unknown",
            message: error.to_string(),
            hint: None,
        })?;
        absent.extend(missing(&spec, workspace));
    }
    Ok(absent)
}

fn missing(spec: &AgentSpec, workspace: &Path) -> Option<String> {
    let program = spec.program()?;
    // A relative path is as seen from a worktree that is not there yet.
    if !program.starts_with('/') && program.contains('/') {
        return None;
    }
    let path = spec.path().map(Into::into);
    let found = which::which_in(
        program,
        path.or_else(|| std::env::var_os("PATH")),
        workspace,
    );
    let name = spec.name();
    found.is_err().then(|| {
        format!(
            "agent `{name}`: there is no program `{program}` on the PATH of loopd; install it before the run begins, name \
             another with --agent, or its command in [agents.{name}]"
        )
    })
}
