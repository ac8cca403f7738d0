//! The prompt that a run would begin with, without the run: the request is checked by the same draft, the machine makes
//! the first move, and the same words are put together. Nothing is stored, made or claimed.

use super::create::{CreateError, Draft, Request};
use crate::config::RunDefaults;
use crate::core::machine::Outcome;
use crate::core::run::{Event, RunId, State, step};
use crate::core::time::Time;
use crate::effect::git::Git;
use crate::effect::{Beginning, first_prompt};

/// Stands where the run's id will: a template that names the id shows that there is no run yet.
const NO_RUN: &str = "00000000-0000-0000-0000-000000000000";

/// What the agent would be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The whole prompt.
    pub prompt: String,
    /// What the creator of the run would be warned of.
    pub warnings: Vec<String>,
}

/// The first prompt of the run that this request would create. The runs that it would come after are not looked at.
///
/// # Errors
/// As [`super::Creator::create`], but for what only the store knows; and a name or a path that no branch or worktree can
/// have.
pub async fn preview(
    git: &Git,
    defaults: &RunDefaults,
    request: &Request,
    now: Time,
) -> Result<Preview, CreateError> {
    let draft = Draft::of(git, defaults, request).await?;
    let (run_id, spec) = (RunId(NO_RUN.to_owned()), draft.spec(request, Vec::new())?);
    let facts = draft.facts(now);
    let claim = Event::Claim {
        worker: String::new(),
    };
    let facts = match step(State::Queued, &facts, &claim, now) {
        Outcome::Moved(moved) => moved.facts,
        // A table in which a claim moves nothing leaves the facts as they are.
        Outcome::Ignored(_) | Outcome::Refused(_) => facts,
    };
    let spec_text = String::from_utf8_lossy(&draft.texts[0]);
    let beginning = Beginning {
        repo: draft.repo(),
        base: &draft.base,
        run_id: &run_id,
        spec: &spec,
        config: &draft.config,
        facts: &facts,
        plan: &draft.plan,
        spec_text: &spec_text,
    };
    let prompt = first_prompt(&beginning)
        .await
        .map_err(CreateError::Unusable)?;
    Ok(Preview {
        prompt,
        warnings: draft.warnings,
    })
}
