//! A new run, checked at the door: everything that can be wrong with a request is found here, before anything is stored,
//! with the repository looked at as the run will see it (at the base commit). What is stored is complete: a run never
//! reads its configuration again.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::handle::Handle;
use crate::agent;
use crate::config::{self, ConfigErrors, RunConfig, RunDefaults, RunSources, Source};
use crate::core::plan::Checklist;
use crate::core::run::{Facts, RunId, Spec, Terms};
use crate::core::time::Time;
use crate::effect::git::{self, Git, GitError, GitErrorKind, Oid, Repo};
use crate::effect::{snapshot_path, spec_slug};
use crate::store::{Created, Found, Idempotency, NewRun, Reader, StoreError, StoredRun};

/// What a client asks for, already parsed: the fields of `POST /runs`.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Absolute path of the workspace, or of anything inside it.
    pub workspace_root: String,
    /// The spec: absolute, or relative to the workspace.
    pub spec_path: String,
    /// The plan, likewise; else `<plans_dir>/<spec stem>-plan.md`.
    pub plan_path: Option<String>,
    /// Settings by key, as in a configuration file; they win.
    pub overrides: serde_json::Map<String, serde_json::Value>,
    /// The run's name; else from the spec.
    pub name: Option<String>,
    /// Runs, by any reference, that have to complete first.
    pub after: Vec<String>,
    /// Higher goes first.
    pub priority: i32,
    /// Spec and plan go in as they are now.
    pub snapshot: bool,
    /// The key under which a repeat is recognised, with a digest of the request.
    pub idempotency: Option<Idempotency>,
}

/// A run that was created, or was there already, and what its creator should know.
#[derive(Clone, Debug)]
pub struct CreatedRun {
    /// The run.
    pub run: StoredRun,
    /// It was created by an earlier request with the same key.
    pub existed: bool,
    /// The plan at the base.
    pub plan: Checklist,
    /// For example that nothing verifies it.
    pub warnings: Vec<String>,
}

/// Why a run was not created. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The request is wrong; says what, and what to do.
    #[error("{message}")]
    Invalid {
        /// A stable word.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request, which made run {0}")]
    KeyTaken(RunId),
    /// The repository cannot be read.
    #[error("failed to {0}")]
    Git(#[from] GitError),
    /// The store cannot take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The daemon is ending.
    #[error("the daemon is shutting down; ask again when it is up")]
    Gone,
    /// Something else failed.
    #[error("failed to {tried}: {source}")]
    Io {
        /// What was tried.
        tried: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Creates runs.
#[derive(Clone)]
pub struct Creator {
    /// The engine.
    pub engine: Handle,
    /// Looks up the runs that others come after.
    pub reader: Reader,
    /// Looks at the repository.
    pub git: Git,
    /// The user's layers.
    pub defaults: std::sync::Arc<RunDefaults>,
    /// Where snapshots are kept.
    pub data_dir: PathBuf,
}

impl Creator {
    /// Checks the request and creates the run.
    ///
    /// # Errors
    /// See [`CreateError`]; nothing is stored then.
    pub async fn create(&self, request: Request, now: Time) -> Result<CreatedRun, CreateError> {
        let place = Place::find(&self.git, &request.workspace_root).await?;
        let overrides = &request.overrides;
        let base_branch = text_of(overrides, "base_branch");
        let base = match base_branch.as_deref() {
            Some(name) => git::named_base(&place.repo, name).await,
            None => git::default_base(&place.repo).await,
        }
        .map_err(|error| invalid_base(&place, error))?;
        let config = self.config_at(&place, &base.commit, overrides).await?;
        agent::resolve(&config.agent, &config.agents).map_err(|error| CreateError::Invalid {
            code: "agent_unknown",
            message: error.to_string(),
            hint: None,
        })?;
        let spec_path = place.inside("spec", &request.spec_path)?;
        let plan_given = request
            .plan_path
            .clone()
            .unwrap_or_else(|| default_plan(&config, &spec_path));
        let plan_path = place.inside("plan", &plan_given)?;
        let id = RunId(Uuid::now_v7().to_string());
        let texts = self
            .texts(
                &place,
                &base.commit,
                &base.branch,
                [&spec_path, &plan_path],
                request.snapshot,
            )
            .await?;
        let plan = Checklist::parse(&String::from_utf8_lossy(&texts[1]));
        if plan.reading().total == 0 {
            return Err(invalid(
                "plan_empty",
                format!("the plan {plan_path} has no task that counts"),
                "write tasks as `- [ ] …`; boxes in verification and QA sections are not the agent's",
            ));
        }
        let mut after = Vec::new();
        for reference in &request.after {
            after.push(self.dependency(reference).await?);
        }
        if request.snapshot {
            keep_snapshot(&self.data_dir, &id, [&spec_path, &plan_path], &texts)?;
        }
        let name = request
            .name
            .clone()
            .unwrap_or_else(|| spec_slug(&spec_path));
        let spec = Spec {
            name_source: if request.name.is_some() {
                "user"
            } else {
                "spec_slug"
            }
            .to_owned(),
            name,
            workspace_root: place.root.display().to_string(),
            workspace_key: place.key()?,
            spec_path,
            plan_path,
            base_branch: config.base_branch.clone(),
            merge_target_branch: config.merge_target_branch.clone(),
            run_branch_prefix: config.run_branch_prefix.clone(),
            worktree_path_template: config.worktree_path_template.clone(),
            agent: config.agent.clone(),
            priority: request.priority,
            after,
            snapshot: request.snapshot,
        };
        let warnings = warnings(&config);
        let facts = Facts::new(terms(&config), plan.reading(), now);
        let config = serde_json::to_string(&config).map_err(|error| CreateError::Io {
            tried: "store the configuration".to_owned(),
            source: error.into(),
        })?;
        let new = NewRun {
            id,
            spec,
            config,
            facts,
            now,
            idempotency: request.idempotency,
        };
        let created = self.engine.create(new).await.map_err(|error| match error {
            super::handle::AskError::Gone(_) => CreateError::Gone,
            super::handle::AskError::Store(error) => CreateError::Store(error),
        })?;
        match created {
            Created::New(run, _) => Ok(CreatedRun {
                run: *run,
                existed: false,
                plan,
                warnings,
            }),
            Created::Existing(run) => Ok(CreatedRun {
                run: *run,
                existed: true,
                plan,
                warnings,
            }),
            Created::KeyTaken(run) => Err(CreateError::KeyTaken(run)),
        }
    }

    /// The run's configuration, with the workspace's own file as it is at the base commit.
    async fn config_at(
        &self,
        place: &Place,
        base: &Oid,
        overrides: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<RunConfig, CreateError> {
        let mut files = Vec::new();
        for name in config::WORKSPACE_FILES {
            if let Some(bytes) = git::show(&place.repo, base, Path::new(name)).await? {
                files.push((name, bytes));
            }
        }
        let sources: Vec<Source<'_>> = files
            .iter()
            .map(|(name, bytes)| Source { name, bytes })
            .collect();
        let resolved = config::resolve_run(
            &self.defaults,
            &RunSources {
                workspace: &sources,
                explicit: None,
                overrides: Some(("config_override", overrides)),
            },
        )?;
        for warning in &resolved.warnings {
            tracing::warn!(workspace = %place.root.display(), "{warning}");
        }
        Ok(resolved.config)
    }

    /// Spec and plan: at the base, where they have to be as they are in the workspace, or as they are now.
    async fn texts(
        &self,
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
                    return Err(invalid(
                        "file_missing",
                        format!(
                            "the {what} {path} does not exist in {}",
                            place.root.display()
                        ),
                        format!("give the path of an existing {what}, relative to the workspace"),
                    ));
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

    async fn dependency(&self, reference: &str) -> Result<RunId, CreateError> {
        match self.reader.find(reference).await? {
            Found::One(run) => Ok(run),
            Found::None => Err(invalid(
                "after_unknown",
                format!("there is no run `{reference}` to come after"),
                "`loopctl list` shows the runs",
            )),
            Found::Ambiguous(candidates) => Err(invalid(
                "after_ambiguous",
                format!("`{reference}` is not one run but {}", candidates.len()),
                "use more of its id",
            )),
        }
    }
}

/// The workspace, found and checked.
struct Place {
    repo: Repo,
    /// The top of the work tree; of a bare repository, the repository.
    root: PathBuf,
}

impl Place {
    async fn find(git: &Git, given: &str) -> Result<Self, CreateError> {
        let path = Path::new(given);
        if !path.is_absolute() {
            return Err(invalid(
                "workspace_relative",
                format!("the workspace `{given}` is not an absolute path"),
                "give the absolute path of a git work tree",
            ));
        }
        let repo = Repo::open(git, path)
            .await
            .map_err(|error| match error.kind {
                GitErrorKind::MissingRepo => invalid(
                    "workspace_not_git",
                    format!("failed to {error}"),
                    "give a directory inside a git repository, or make one with `git init`",
                ),
                GitErrorKind::Transient | GitErrorKind::Permanent | GitErrorKind::NoSpace => {
                    CreateError::Git(error)
                }
            })?;
        let root = repo
            .toplevel
            .clone()
            .unwrap_or_else(|| repo.common_dir.clone());
        Ok(Place { repo, root })
    }

    /// The repository as the cap sees it.
    fn key(&self) -> Result<String, CreateError> {
        let text = self.repo.common_dir.to_str().map(str::to_owned);
        text.ok_or_else(|| {
            invalid(
                "workspace_not_utf8",
                format!(
                    "the path of the repository {} is not UTF-8",
                    self.repo.common_dir.display()
                ),
                "move it to a path that is",
            )
        })
    }

    /// A path inside the workspace, relative to its top, without a way out of it.
    fn inside(&self, what: &'static str, given: &str) -> Result<String, CreateError> {
        let path = Path::new(given);
        let relative = if path.is_absolute() {
            // The workspace may have been named through a link: compare what both really are.
            let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            real.strip_prefix(&self.root)
                .or_else(|_| path.strip_prefix(&self.root))
                .map(Path::to_owned)
                .map_err(|_| outside(what, given, &self.root))?
        } else {
            path.to_owned()
        };
        let mut clean = PathBuf::new();
        for part in relative.components() {
            match part {
                std::path::Component::Normal(part) => clean.push(part),
                std::path::Component::CurDir => {}
                std::path::Component::ParentDir
                | std::path::Component::RootDir
                | std::path::Component::Prefix(_) => return Err(outside(what, given, &self.root)),
            }
        }
        if clean.as_os_str().is_empty() || clean.starts_with(".git") {
            return Err(outside(what, given, &self.root));
        }
        let on_disk = self.root.join(&clean);
        if let Ok(real) = std::fs::canonicalize(&on_disk)
            && !real.starts_with(&self.root)
        {
            return Err(outside(what, given, &self.root));
        }
        clean.to_str().map(str::to_owned).ok_or_else(|| {
            invalid(
                "path_not_utf8",
                format!("the path of the {what} is not UTF-8"),
                "rename the file",
            )
        })
    }

    /// The file as it is now; `None` where there is none.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, CreateError> {
        let path = self.root.join(path);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound
                        | std::io::ErrorKind::IsADirectory
                        | std::io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(CreateError::Io {
                tried: format!("read {}", path.display()),
                source,
            }),
        }
    }
}

fn default_plan(config: &RunConfig, spec_path: &str) -> String {
    let stem = Path::new(spec_path)
        .file_stem()
        .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    format!("{}/{stem}-plan.md", config.plans_dir.trim_end_matches('/'))
}

fn keep_snapshot(
    data_dir: &Path,
    id: &RunId,
    paths: [&String; 2],
    texts: &[Vec<u8>; 2],
) -> Result<(), CreateError> {
    for (path, text) in paths.into_iter().zip(texts) {
        let kept = snapshot_path(data_dir, &id.0, path);
        let write = || {
            if let Some(dir) = kept.parent() {
                std::fs::create_dir_all(dir)?;
            }
            std::fs::write(&kept, text)
        };
        write().map_err(|source| CreateError::Io {
            tried: format!("keep {}", kept.display()),
            source,
        })?;
    }
    Ok(())
}

fn terms(config: &RunConfig) -> Terms {
    Terms {
        limits: config.limits(),
        reviewer: config.reviewer,
        has_checks: !config.verify_cmds.is_empty(),
        merge_strategy: config.merge_strategy,
        agent_retries: config.agent_retries,
        agent_retry_backoff_sec: config.agent_retry_backoff_sec,
        on_usage_limit: config.on_usage_limit,
        fallback_agent: config.fallback_agent.clone(),
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
            format!("failed to {error} in {}", place.root.display()),
            "make a first commit, or name an existing branch with --base-branch",
        ),
        GitErrorKind::Transient | GitErrorKind::NoSpace => CreateError::Git(error),
    }
}

fn outside(what: &'static str, given: &str, root: &Path) -> CreateError {
    invalid(
        "path_outside_workspace",
        format!(
            "the {what} `{given}` is not inside the workspace {}",
            root.display()
        ),
        "give a path inside the workspace",
    )
}

fn invalid(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> CreateError {
    CreateError::Invalid {
        code,
        message: message.into(),
        hint: Some(hint.into()),
    }
}
