//! A request, checked: the repository looked at as the run will see it (at the base commit), the configuration settled,
//! spec and plan read. Nothing is stored and no engine is asked, so that `loopctl prompt` looks at the same draft.

use std::path::Path;

use super::error::{CreateError, invalid};
use super::place::Place;
use super::settled::{config_at, default_plan, is_trusted, terms, text_of, warnings};
use super::texts::{check_encoding, texts};
use super::{Request, agents, files};
use crate::config::{RunConfig, RunDefaults, RunNamingMode, Sandbox, WorktreeProvider};
use crate::core::plan::Checklist;
use crate::core::run::{Facts, MergeStrategy, RunId, Spec};
use crate::core::time::Time;
use crate::effect::confine::trial;
use crate::effect::git::{self, Base, Git, GitError, GitErrorKind, Repo};
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
    /// The one of them that is about where the files of the run are kept.
    pub not_mirrored: Option<String>,
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
        let (mut config, aside) = config_at(&place, defaults, &base, overrides).await?;
        let absent = agents::look(&config, &place.root)?;
        // A base that the workspace's own file names: that file was read at the default one.
        let base = match &config.base_branch {
            Some(name) if Some(name) != base_branch.as_ref() => git::named_base(&place.repo, name)
                .await
                .map_err(|error| invalid_base(&place, error))?,
            Some(_) | None => base,
        };
        let not_mirrored = files::settle(&place, &mut config)?;
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
            warnings: [
                warnings(&config),
                aside,
                not_mirrored.iter().cloned().collect(),
            ]
            .concat(),
            not_mirrored,
            absent,
            confined: !is_trusted(&config.worktree_path_template, defaults, overrides),
            named_by_model: request.name.is_none()
                && config.run_naming_mode == RunNamingMode::Haiku,
            config,
            paths: [spec_path, plan_path],
            texts,
        })
    }

    /// Checks that the daemon's own places are none of git's.
    pub(super) fn outside_of_git(
        &self,
        data_dir: &Path,
        files_root: Option<&str>,
    ) -> Result<(), CreateError> {
        files::outside_of_git(&self.place, data_dir, files_root)
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
        | GitErrorKind::Denied
        | GitErrorKind::Held => CreateError::Git(error),
    }
}
