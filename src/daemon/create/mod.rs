//! A new run, checked at the door: everything that can be wrong with a request is found here, before anything is stored.
//! What is stored is complete: a run never reads its configuration again. `draft` looks at the request, `agents` at the
//! agents that it names, `place` at its paths, `files` at where its files are kept, `error` is what can be wrong.

mod agents;
mod draft;
mod error;
mod files;
mod place;
mod settled;
mod texts;

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::handle::{AskError, Handle};
use crate::config::RunDefaults;
use crate::core::plan::Checklist;
use crate::core::run::{RunId, Spec};
use crate::core::time::Time;
use crate::effect::git::Git;
use crate::effect::private;
use crate::effect::{self, snapshot_path};
use crate::store::{Created, Found, Idempotency, NewRun, Reader, StoredRun};
pub(super) use draft::Draft;
pub use error::CreateError;
use error::invalid;

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
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where the files of new runs are kept instead, absolute (`global_log_dir`).
    pub files_root: Option<String>,
}

impl Creator {
    /// Checks the request and creates the run.
    ///
    /// # Errors
    /// See [`CreateError`]; nothing is stored then.
    pub async fn create(&self, request: Request, now: Time) -> Result<CreatedRun, CreateError> {
        let id = RunId(Uuid::now_v7().to_string());
        let (draft, mut spec) = match self.draft(&request, &id).await {
            Ok(drafted) => drafted,
            // What was accepted once is not refused because the workspace has gone on since.
            Err(error) => return self.served(&request).await?.ok_or(error),
        };
        for reference in &request.after {
            spec.after.push(self.dependency(reference).await?);
        }
        let facts = draft.facts(now);
        let config = serde_json::to_string(&draft.config).map_err(|error| CreateError::Io {
            tried: "store the configuration".to_owned(),
            source: error.into(),
        })?;
        if request.snapshot {
            keep_snapshot(&self.data_dir, &id, &spec, &draft)?;
        }
        let new = NewRun {
            id,
            spec,
            config,
            facts,
            now,
            idempotency: request.idempotency,
        };
        let created = self.engine.create(new).await.map_err(|error| match error {
            AskError::Gone(_) => CreateError::Gone,
            AskError::Store(error) => CreateError::Store(error),
        })?;
        let (run, existed) = match created {
            Created::New(run, _) => {
                if let Some(said) = &draft.not_mirrored {
                    tracing::warn!(run = %run.id, "{said}");
                }
                (*run, false)
            }
            Created::Existing(run) => (*run, true),
            Created::KeyTaken(run) => return Err(CreateError::KeyTaken(run)),
        };
        Ok(CreatedRun {
            run,
            existed,
            plan: draft.plan,
            warnings: [draft.warnings, draft.absent].concat(),
        })
    }

    /// The request, checked but for the runs that it comes after, and every place where something of the run would be written.
    async fn draft(&self, request: &Request, id: &RunId) -> Result<(Draft, Spec), CreateError> {
        let draft = Draft::of(&self.git, &self.defaults, request).await?;
        draft.outside_of_git(&self.data_dir, self.files_root.as_deref())?;
        let mut spec = draft.spec(request, Vec::new())?;
        spec.files_root.clone_from(&self.files_root);
        let placed = effect::try_place(draft.repo(), &draft.base, &spec, id).await;
        placed.map_err(CreateError::Unusable)?;
        Ok((draft, spec))
    }

    /// The run that an earlier request with the same key and content has made.
    async fn served(&self, request: &Request) -> Result<Option<CreatedRun>, CreateError> {
        let Some(asked) = &request.idempotency else {
            return Ok(None);
        };
        let Some((hash, id)) = self.reader.served(&asked.key).await? else {
            return Ok(None);
        };
        if hash != asked.request_hash {
            return Err(CreateError::KeyTaken(id));
        }
        Ok(self.reader.run(&id).await?.map(|run| CreatedRun {
            run,
            existed: true,
            plan: Checklist::default(),
            warnings: Vec::new(),
        }))
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

fn keep_snapshot(
    data_dir: &Path,
    id: &RunId,
    spec: &Spec,
    draft: &Draft,
) -> Result<(), CreateError> {
    for (path, text) in draft.paths.iter().zip(&draft.texts) {
        let kept = snapshot_path(data_dir, id, spec, path);
        let write = || {
            if let Some(dir) = kept.parent() {
                private::dir(dir)?;
            }
            private::write(&kept, text)
        };
        write().map_err(|source| CreateError::Io {
            tried: format!("keep {}", kept.display()),
            source,
        })?;
    }
    Ok(())
}
