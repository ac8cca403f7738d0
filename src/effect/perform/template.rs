//! A workspace's own template of a prompt: `.loop/prompts/NAME.md` or, for the implementation, `prompt_file`. Templates are
//! read at a commit, so that nothing an agent changes reaches the next prompt; an absolute `prompt_file`, which only the
//! user's own configuration can name, is read where it is.

use std::path::Path;

use super::trouble::trouble;
use crate::bounded;
use crate::config::RunConfig;
use crate::core::run::{Trouble, TroubleKind};
use crate::effect::git::{self, Oid, Repo, Shown};
use crate::prompt::{Overrides, PromptKind};

/// Bytes of a file that are read: more than the longest template that is accepted, which is refused with its length.
const MOST_BYTES: usize = 1024 * 1024;

/// Adds the template of this kind, where there is one at `commit`.
///
/// # Errors
/// A `prompt_file` that is not there, a template that is not UTF-8, or a repository that cannot be read.
pub async fn add_template(
    overrides: &mut Overrides,
    repo: &Repo,
    commit: &Oid,
    config: &RunConfig,
    kind: PromptKind,
) -> Result<(), Trouble> {
    let unusable = |message| trouble(TroubleKind::Permanent, "prompt_template", message);
    let configured = match kind {
        PromptKind::Implementation => config.prompt_file.as_deref(),
        PromptKind::Review
        | PromptKind::Rewrite
        | PromptKind::FreshStart
        | PromptKind::Conflict
        | PromptKind::Continue
        | PromptKind::Postmortem => None,
    };
    let path = configured.unwrap_or(kind.workspace_path());
    let bytes = if Path::new(path).is_absolute() {
        let read = bounded::read_regular(Path::new(path), MOST_BYTES);
        Some(read.map_err(|e| unusable(format!("failed to read the prompt_file {path}: {e}")))?)
    } else {
        match git::look(repo, commit, Path::new(path)).await? {
            Shown::File(bytes) => Some(bytes),
            Shown::Nothing => None,
            Shown::TooLarge | Shown::Directory | Shown::NoFile => {
                return Err(unusable(format!(
                    "the prompt template {path} is no regular file at the run's base, or larger than any template; commit it as a file, or remove it"
                )));
            }
        }
    };
    match (bytes, configured) {
        (Some(bytes), _) => {
            let text = String::from_utf8(bytes)
                .map_err(|_| unusable(format!("the prompt template {path} is not UTF-8")))?;
            overrides.set(kind, path, text);
            Ok(())
        }
        (None, Some(path)) => Err(unusable(format!(
            "the prompt_file {path} is not committed on the run's base; commit it, or unset prompt_file"
        ))),
        (None, None) => Ok(()),
    }
}

/// Tries out every template that there is at `commit`, before a run depends on them.
///
/// # Errors
/// The first that cannot be used.
pub async fn try_templates(repo: &Repo, commit: &Oid, config: &RunConfig) -> Result<(), Trouble> {
    let mut overrides = Overrides::default();
    for kind in PromptKind::ALL {
        add_template(&mut overrides, repo, commit, config, kind).await?;
    }
    Ok(crate::prompt::check(&overrides)?)
}
