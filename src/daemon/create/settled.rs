//! The configuration of a run that is asked for, settled from all its layers, and what follows from it: the terms that the
//! rules decide by, the plan that is meant where none is named, the words of warning.

use std::path::Path;

use uuid::Uuid;

use super::error::{CreateError, invalid};
use super::place::Place;
use crate::config::{self, RunConfig, RunDefaults, RunSources, Source};
use crate::core::run::Terms;
use crate::effect::git::{self, Base, Shown};

/// The run's configuration, with the workspace's own file as it is at the base commit; and what of it in the checkout is left
/// aside for that, in words.
pub(super) async fn config_at(
    place: &Place,
    defaults: &RunDefaults,
    base: &Base,
    overrides: &serde_json::Map<String, serde_json::Value>,
) -> Result<(RunConfig, Vec<String>), CreateError> {
    let (mut files, mut aside) = (Vec::new(), Vec::new());
    for name in config::WORKSPACE_FILES {
        let committed = committed(place, base, name).await?;
        // One that cannot be read says nothing here: it does not count anyway.
        if let Ok(Some(present)) = place.read(name)
            && committed.as_ref() != Some(&present)
        {
            aside.push(format!(
                "{name} in the workspace is not as it is committed on {}, and what is committed there counts; commit it, or pass --config {name}",
                base.branch
            ));
        }
        files.extend(committed.map(|bytes| (name, bytes)));
    }
    let sources: Vec<Source<'_>> = files
        .iter()
        .map(|(name, bytes)| Source { name, bytes })
        .collect();
    let resolved = config::resolve_run(
        defaults,
        &RunSources {
            workspace: &sources,
            explicit: None,
            overrides: Some(("config_override", overrides)),
        },
    )?;
    for warning in resolved.warnings {
        tracing::warn!(workspace = %place.root.display(), "{warning}");
        aside.push(warning.to_string());
    }
    Ok((resolved.config, aside))
}

/// One of the workspace's own files at the base commit. What is there and cannot be read must not pass for nothing: it may
/// have asked for a stricter sandbox, or for checks.
async fn committed(place: &Place, base: &Base, name: &str) -> Result<Option<Vec<u8>>, CreateError> {
    let path = Path::new(name);
    let mut parts: Vec<&Path> = path.ancestors().filter(|it| *it != Path::new("")).collect();
    parts.reverse();
    for part in parts {
        let (shown, is_whole) = (
            git::look(&place.repo, &base.commit, part).await?,
            part == path,
        );
        let why = match (shown, is_whole) {
            (Shown::File(bytes), true) => return Ok(Some(bytes)),
            (Shown::Nothing, _) => return Ok(None),
            (Shown::TooLarge, true) => "is larger than any configuration",
            (Shown::Directory | Shown::NoFile, true) => "is no regular file",
            (Shown::Directory, false) => continue,
            (Shown::NoFile | Shown::File(_) | Shown::TooLarge, false) => "is no directory",
        };
        return Err(invalid(
            "config_unusable",
            format!(
                "{} as it is committed on {} {why}, so that the workspace's configuration cannot be read",
                part.display(),
                base.branch
            ),
            format!("commit {name} as a regular file, or remove it"),
        ));
    }
    Ok(None)
}

/// Whether the template of worktrees is the user's own word, who may lead anywhere: it is the same without the workspace's.
pub(super) fn is_trusted(
    template: &str,
    defaults: &RunDefaults,
    overrides: &serde_json::Map<String, serde_json::Value>,
) -> bool {
    let without = config::resolve_run(
        defaults,
        &RunSources {
            workspace: &[],
            explicit: None,
            overrides: Some(("config_override", overrides)),
        },
    );
    without.is_ok_and(|it| it.config.worktree_path_template == template)
}

/// The plan that belongs to a spec where none is named.
pub(super) fn default_plan(config: &RunConfig, spec_path: &str) -> String {
    let stem = Path::new(spec_path)
        .file_stem()
        .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    format!("{}/{stem}-plan.md", config.plans_dir)
}

/// What the rules decide by.
pub(super) fn terms(config: &RunConfig, named_by_model: bool) -> Terms {
    Terms {
        limits: config.limits(),
        reviewer: config.reviewer,
        has_checks: !config.verify_cmds.is_empty(),
        merge_strategy: config.merge_strategy,
        agent_retries: config.agent_retries,
        agent_retry_backoff_sec: config.agent_retry_backoff_sec,
        on_usage_limit: config.on_usage_limit,
        fallback_agent: config.fallback_agent.clone(),
        named_by_model,
        postmortem: config.postmortem,
        jitter_seed: Uuid::new_v4().as_u64_pair().0,
    }
}

/// What a person should know of the configuration.
pub(super) fn warnings(config: &RunConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.verify_cmds.is_empty() {
        warnings.push(
            "no verify_cmds: nothing but the review proves the work, and it will be marked as unverified".to_owned(),
        );
    }
    warnings
}

/// A text that the request itself sets.
pub(super) fn text_of(
    overrides: &serde_json::Map<String, serde_json::Value>,
    key: &str,
) -> Option<String> {
    overrides
        .get(key)
        .and_then(|v| v.as_str())
        .map(str::to_owned)
}
