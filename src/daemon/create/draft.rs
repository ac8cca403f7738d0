//! A request, checked: the repository looked at as the run will see it (at the base commit), the configuration settled,
//! spec and plan read. Nothing is stored and no engine is asked, so that `loopctl prompt` looks at the same draft.

use std::path::Path;

use uuid::Uuid;

use super::error::{CreateError, invalid};
use super::place::Place;
use super::{Request, agents};
use crate::config::{
    self, RunConfig, RunDefaults, RunNamingMode, RunSources, Sandbox, Source, WorktreeProvider,
};
use crate::core::plan::Checklist;
use crate::core::run::{Facts, MergeStrategy, RunId, Spec, Terms};
use crate::core::time::Time;
use crate::effect::confine::trial;
use crate::effect::git::{self, Base, Git, GitError, GitErrorKind, Oid, Repo};
use crate::effect::{collide, slug, spec_slug, try_templates};

/// A run as it would be created.
pub(in crate::daemon) struct Draft {
    place: Place,
    /// The branch that it starts from, and where that stands now.
    pub base: Base,
    /// Its configuration, complete.
    pub config: RunConfig,
    /// The plan that it starts with.
    pub plan: Checklist,
    /// For example that nothing verifies it.
    pub warnings: Vec<String>,
    /// Agents whose programs are not there now, each in words.
    pub absent: Vec<String>,
    /// The workspace's own file says where the worktree goes.
    confined: bool,
    /// A model is to be asked for the name.
    named_by_model: bool,
    /// Spec and plan, relative to the workspace.
    pub(super) paths: [String; 2],
    /// Their content.
    pub(in crate::daemon) texts: [Vec<u8>; 2],
}

impl Draft {
    /// Checks a request but for the runs that it names, which only the store knows.
    pub(in crate::daemon) async fn of(
        git: &Git,
        defaults: &RunDefaults,
        request: &Request,
    ) -> Result<Self, CreateError> {
        let place = Place::find(git, &request.workspace_root).await?;
        let overrides = &request.overrides;
        let base_branch = text_of(overrides, "base_branch");
        let base = match base_branch.as_deref() {
            Some(name) => git::named_base(&place.repo, name).await,
            None => git::default_base(&place.repo).await,
        }
        .map_err(|error| invalid_base(&place, error))?;
        let (config, aside) = config_at(&place, defaults, &base, overrides).await?;
        let absent = agents::look(&config, &place.root)?;
        // A base that the workspace's own file names: that file was read at the default one.
        let base = match &config.base_branch {
            Some(name) if Some(name) != base_branch.as_ref() => git::named_base(&place.repo, name)
                .await
                .map_err(|error| invalid_base(&place, error))?,
            Some(_) | None => base,
        };
        place.log_dir(&config.log_dir, config.artifact_mode)?;
        if config.sandbox == Sandbox::Required {
            sandbox(&place, &config).await?;
        }
        if config.worktree_provider == WorktreeProvider::Worktrunk && git.worktrunk().is_none() {
            return Err(invalid(
                "worktrunk_missing",
                "worktree_provider = \"worktrunk\", and there is no wt on the PATH of loopd",
                "install Worktrunk, or choose worktree_provider = \"auto\" or \"git\"",
            ));
        }
        let spec_path = place.inside("spec", &request.spec_path)?;
        check_branches(&place.repo, &config, request.name.as_deref(), &spec_path).await?;
        let plan_given = request
            .plan_path
            .clone()
            .unwrap_or_else(|| default_plan(&config, &spec_path));
        let plan_path = place.inside("plan", &plan_given)?;
        let texts = texts(
            &place,
            &base.commit,
            &base.branch,
            [&spec_path, &plan_path],
            request.snapshot,
        )
        .await?;
        for (what, (path, text)) in ["spec", "plan"]
            .into_iter()
            .zip([&spec_path, &plan_path].into_iter().zip(&texts))
        {
            check_encoding(what, path, text)?;
        }
        let plan = Checklist::parse(&String::from_utf8_lossy(&texts[1]));
        if plan.reading().total == 0 {
            return Err(invalid(
                "plan_empty",
                format!("the plan {plan_path} has no task that counts"),
                "write tasks as `- [ ] …`; boxes in verification and QA sections are not the agent's",
            ));
        }
        try_templates(&place.repo, &base.commit, &config)
            .await
            .map_err(CreateError::Unusable)?;
        Ok(Draft {
            place,
            base,
            plan,
            warnings: [warnings(&config), aside].concat(),
            absent,
            confined: !is_trusted(&config.worktree_path_template, defaults, overrides),
            named_by_model: request.name.is_none()
                && config.run_naming_mode == RunNamingMode::Haiku,
            config,
            paths: [spec_path, plan_path],
            texts,
        })
    }

    /// The repository.
    pub(in crate::daemon) fn repo(&self) -> &Repo {
        &self.place.repo
    }

    /// What the run is created with, once the runs that it comes after are known.
    pub(in crate::daemon) fn spec(
        &self,
        request: &Request,
        after: Vec<RunId>,
    ) -> Result<Spec, CreateError> {
        let ([spec_path, plan_path], config) = (self.paths.clone(), &self.config);
        let named = request.name.is_some();
        Ok(Spec {
            name_source: if named { "user" } else { "spec_slug" }.to_owned(),
            name: request
                .name
                .clone()
                .unwrap_or_else(|| spec_slug(&spec_path)),
            workspace_root: self.place.root.display().to_string(),
            workspace_key: self.place.key()?,
            spec_path,
            plan_path,
            base_branch: config.base_branch.clone(),
            merge_target_branch: config.merge_target_branch.clone(),
            run_branch_prefix: config.run_branch_prefix.clone(),
            worktree_path_template: config.worktree_path_template.clone(),
            worktree_confined: self.confined,
            agent: config.agent.clone(),
            priority: request.priority,
            after,
            snapshot: request.snapshot,
            files_root: None,
        })
    }

    /// What is known of the run before anything has happened to it.
    pub(in crate::daemon) fn facts(&self, now: Time) -> Facts {
        Facts::new(
            terms(&self.config, self.named_by_model),
            self.plan.reading(),
            now,
        )
    }
}

/// Branches that git cannot have beside each other, or beside those that are there, are refused now, and not when the run
/// begins or all the work is done.
async fn check_branches(
    repo: &Repo,
    config: &RunConfig,
    name: Option<&str>,
    spec_path: &str,
) -> Result<(), CreateError> {
    let own = name.map_or_else(|| spec_slug(spec_path), slug);
    let own = format!("{}{own}", config.run_branch_prefix);
    // What lies at or below its name gives way to a number at its end.
    if let Some(blocker) = git::in_the_way(repo, &own).await?
        && own.starts_with(&format!("{blocker}/"))
    {
        return Err(invalid(
            "branches_collide",
            format!("the branch {blocker} is in the way of the run's branch {own}"),
            format!("choose another --run-branch-prefix, or rename the branch {blocker}"),
        ));
    }
    if config.merge_strategy == MergeStrategy::None {
        return Ok(());
    }
    let target = config
        .merge_target_branch
        .clone()
        .unwrap_or_else(|| format!("agent/{}", spec_slug(spec_path)));
    if let Some(blocker) = git::in_the_way(repo, &target)
        .await?
        .filter(|it| *it != target)
    {
        return Err(invalid(
            "branches_collide",
            format!("the branch {blocker} is in the way of the merge target {target}"),
            format!("choose another --merge-target, or rename the branch {blocker}"),
        ));
    }
    if collide(&own, &target) {
        return Err(invalid(
            "branches_collide",
            format!(
                "the run's branch {own} and the merge target {target} cannot be beside each other"
            ),
            "choose another --run-branch-prefix or --merge-target",
        ));
    }
    Ok(())
}

/// Whether a required sandbox can be kept, as far as it can be known before there is a worktree.
async fn sandbox(place: &Place, config: &RunConfig) -> Result<(), CreateError> {
    let refused = |why: &str, hint: &str| {
        let message = format!("sandbox = \"required\" cannot be kept: {why}");
        Err(invalid("sandbox_unavailable", message, hint))
    };
    if let Some(why) = trial().lacks.first() {
        let hint = "use another kernel, run the daemon inside a sandbox of your own, or choose sandbox = \"guard\"";
        return refused(why, hint);
    }
    let branch = format!("{}run", config.run_branch_prefix);
    match git::shared(&place.repo, &branch).await?.first() {
        Some(why) => refused(why, "or choose sandbox = \"guard\""),
        None => Ok(()),
    }
}

/// The run's configuration, with the workspace's own file as it is at the base commit; and what of it in the checkout is left
/// aside for that, in words.
async fn config_at(
    place: &Place,
    defaults: &RunDefaults,
    base: &Base,
    overrides: &serde_json::Map<String, serde_json::Value>,
) -> Result<(RunConfig, Vec<String>), CreateError> {
    let (mut files, mut aside) = (Vec::new(), Vec::new());
    for name in config::WORKSPACE_FILES {
        let committed = git::show(&place.repo, &base.commit, Path::new(name)).await?;
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
    for warning in &resolved.warnings {
        tracing::warn!(workspace = %place.root.display(), "{warning}");
    }
    Ok((resolved.config, aside))
}

/// Whether the template of worktrees is the user's own word, who may lead anywhere: it is the same without the workspace's.
fn is_trusted(
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

/// Spec and plan: at the base, where they have to be as they are in the workspace, or as they are now.
async fn texts(
    place: &Place,
    base: &Oid,
    branch: &str,
    paths: [&String; 2],
    snapshot: bool,
) -> Result<[Vec<u8>; 2], CreateError> {
    let mut texts = [Vec::new(), Vec::new()];
    for ((what, path), text) in ["spec", "plan"].into_iter().zip(paths).zip(&mut texts) {
        let present = place.read(path)?;
        let committed = git::show(&place.repo, base, Path::new(path)).await?;
        *text = match (present, committed, snapshot) {
            (Some(present), _, true) => present,
            (None, _, true) | (None, None, false) => {
                return Err(place.missing(what, path));
            }
            (Some(present), Some(committed), false) if present == committed => committed,
            (None, Some(committed), false) => committed,
            (Some(_), Some(_), false) => {
                return Err(invalid(
                    "file_differs",
                    format!("the {what} {path} differs from what is committed on {branch}"),
                    "commit it, or pass --snapshot to start from its present content",
                ));
            }
            (Some(_), None, false) => {
                return Err(invalid(
                    "file_not_committed",
                    format!("the {what} {path} is not committed on {branch}"),
                    "commit it, or pass --snapshot to start from its present content",
                ));
            }
        };
    }
    Ok(texts)
}

/// Text in two or four bytes a character reads as nothing at all, which would be told of the plan as having no task.
fn check_encoding(what: &str, path: &str, text: &[u8]) -> Result<(), CreateError> {
    let wide = text.starts_with(&[0xff, 0xfe])
        || text.starts_with(&[0xfe, 0xff])
        || text.iter().take(4096).any(|byte| *byte == 0);
    if !wide {
        return Ok(());
    }
    Err(invalid(
        "encoding",
        format!("the {what} {path} is not UTF-8: it looks like UTF-16, or is no text at all"),
        format!("save it as UTF-8, for example with `iconv -f UTF-16 -t UTF-8 {path}`"),
    ))
}

fn default_plan(config: &RunConfig, spec_path: &str) -> String {
    let stem = Path::new(spec_path)
        .file_stem()
        .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    format!("{}/{stem}-plan.md", config.plans_dir)
}

fn terms(config: &RunConfig, named_by_model: bool) -> Terms {
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

fn warnings(config: &RunConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.verify_cmds.is_empty() {
        warnings.push(
            "no verify_cmds: nothing but the review proves the work, and it will be marked as unverified".to_owned(),
        );
    }
    warnings
}

fn text_of(overrides: &serde_json::Map<String, serde_json::Value>, key: &str) -> Option<String> {
    overrides
        .get(key)
        .and_then(|v| v.as_str())
        .map(str::to_owned)
}

fn invalid_base(place: &Place, error: GitError) -> CreateError {
    match error.kind {
        GitErrorKind::Permanent | GitErrorKind::MissingRepo => invalid(
            "base_missing",
            format!("failed to {error}"),
            format!(
                "`git -C {} branch --all` shows the branches; name one with --base-branch, or make a first commit where there is none",
                place.root.display()
            ),
        ),
        GitErrorKind::Transient
        | GitErrorKind::NoSpace
        | GitErrorKind::ReadOnly
        | GitErrorKind::Held => CreateError::Git(error),
    }
}
