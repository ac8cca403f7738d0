//! What a run is to be, as `run` and `prompt` take it from their flags: the same words make the same request. What is left
//! out is said by the configuration.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::picker::pick;
use crate::api::wire::{CreateRun, MergeStrategy, NameSource};
use crate::cli::error::Error;
use crate::cli::settings;
use crate::cli::workspace::{inside, is_bare, root_of};
use crate::config::MOST_ITERATIONS;

/// Everything that decides what a run is.
#[derive(Debug, clap::Args)]
pub struct Wanted {
    /// What to build; asked for on a terminal when left out
    pub spec: Option<PathBuf>,
    /// The checklist [default: <plans_dir>/<spec stem>-plan.md]
    pub plan: Option<PathBuf>,
    /// Name of the run
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where its name comes from when none is given
    #[arg(long, value_name = "SOURCE", conflicts_with = "name")]
    pub name_source: Option<NameSource>,
    /// Which agent works on it
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Which model the agent uses
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// How many iterations it may spend
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_ITERATIONS)))]
    pub iterations: Option<u32>,
    /// A command that has to pass before anything is merged; may be repeated
    #[arg(long = "verify-cmd", value_name = "COMMAND")]
    pub verify_cmds: Vec<String>,
    /// Branch to start from
    #[arg(long, value_name = "BRANCH")]
    pub base_branch: Option<String>,
    /// What the name of its own branch begins with
    #[arg(long, value_name = "PREFIX")]
    pub run_branch_prefix: Option<String>,
    /// Branch that receives the work
    #[arg(long, value_name = "BRANCH")]
    pub merge_target: Option<String>,
    /// How it receives the work
    #[arg(long, value_name = "HOW")]
    pub merge_strategy: Option<MergeStrategy>,
    /// Where its worktree goes
    #[arg(long, value_name = "TEMPLATE")]
    pub worktree_path_template: Option<String>,
    /// Settings from this file, above the workspace's and below these flags
    #[arg(long, value_name = "FILE", env = "LOOP_CONFIG")]
    pub config: Option<PathBuf>,
    /// Take spec and plan as they are now, committed or not
    #[arg(long)]
    pub snapshot: bool,
}

impl Wanted {
    /// The body of the request that says so.
    ///
    /// # Errors
    /// No spec, a path that is not UTF-8, or a configuration file that is wrong.
    pub fn request(&self) -> Result<CreateRun, Error> {
        let current = std::env::current_dir().map_err(|error| Error::Local {
            doing: "find the current directory".to_owned(),
            cause: error.to_string(),
            hint: Some(
                "it was removed or moved: go to the workspace with `cd`, then ask again".to_owned(),
            ),
        })?;
        let root = root_of(&current);
        let spec = match &self.spec {
            Some(spec) => spec.clone(),
            None if is_bare(&root) => {
                return Err(Error::Usage {
                    message: format!(
                        "the spec is missing, and there is none to choose from: {} is a bare repository",
                        root.display()
                    ),
                    hint: Some("name one that is committed: loopctl run SPEC [PLAN]".to_owned()),
                });
            }
            None => {
                let config = settings::of_workspace(&root, settings::user_file().as_deref())?;
                pick(&root.join(config.specs_dir))?
            }
        };
        let text = |path: &Path| {
            match inside(&root, &current, path).into_os_string().into_string()
        {
            Ok(path) => Ok(path),
            Err(path) => Err(Error::Usage {
                message: format!("the path {} is not UTF-8", path.display()),
                hint: Some(
                    "rename what is not UTF-8 in it: a run is asked for in JSON, which takes no other paths"
                        .to_owned(),
                ),
            }),
        }
        };
        let settings = self.overrides()?;
        Ok(CreateRun {
            spec_path: text(&spec)?,
            workspace_root: text(&root)?,
            plan_path: self.plan.as_deref().map(text).transpose()?,
            config_override: (!settings.is_empty()).then_some(settings),
            name: self.name.clone(),
            name_source: self.name_source,
            base_branch: self.base_branch.clone(),
            run_branch_prefix: self.run_branch_prefix.clone(),
            merge_target_branch: self.merge_target.clone(),
            merge_strategy: self.merge_strategy,
            worktree_path_template: self.worktree_path_template.clone(),
            agent: self.agent.clone(),
            snapshot: self.snapshot,
            ..CreateRun::default()
        })
    }

    /// What `--config` says, and above it the flags that are keys of the configuration and not fields of the request.
    fn overrides(&self) -> Result<Map<String, Value>, Error> {
        let mut all = match &self.config {
            Some(path) => settings::overrides(path)?,
            None => Map::new(),
        };
        if let Some(model) = &self.model {
            all.insert("model".to_owned(), Value::from(model.as_str()));
        }
        if let Some(iterations) = self.iterations {
            all.insert("iterations".to_owned(), Value::from(iterations));
        }
        if !self.verify_cmds.is_empty() {
            let commands = self.verify_cmds.as_slice();
            all.insert("verify_cmds".to_owned(), Value::from(commands));
        }
        Ok(all)
    }
}
