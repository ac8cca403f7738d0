//! What the rest of the house receives: plain structs whose fields carry the names of the keys. Units stand in the names
//! (`_sec`) or in the docs. How the values came together is the business of `resolve`; what they lead to, of their readers.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::choices::*;
use crate::core::plan::CompletionMode;
use crate::core::run::{MergeStrategy, OnUsageLimit};
use crate::core::schedule::{Order, Policy};
use crate::core::watchdog::Limits;

/// What the daemon itself is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonConfig {
    /// Runs that may be active at once.
    pub max_concurrent_runs: u32,
    /// Runs that may be active at once in one repository.
    pub max_runs_per_workspace: u32,
    /// Order among equals in priority.
    pub queue_policy: Order,
    /// With `newest_first`: how many younger starts may overtake one run.
    pub aging_starts: u32,
    /// Below this many MiB free on the data dir's disk nothing is started; 0 = off.
    pub min_free_disk_mb: u64,
    /// What stopping does with steps that work.
    pub shutdown: Shutdown,
    /// Days after which `gc` may remove what an ended run left.
    pub retention_days: u32,
    /// Names besides loopback that a request's `Host` may carry.
    pub allowed_hosts: Vec<String>,
    /// Where the files of new runs go; `None` = the data dir.
    pub global_log_dir: Option<String>,
    /// Command that is given each event that needs a person, as JSON on stdin.
    pub notify: Option<String>,
}

impl DaemonConfig {
    /// The part that the scheduler plans by.
    pub fn policy(&self) -> Policy {
        Policy {
            max_concurrent_runs: self.max_concurrent_runs,
            max_runs_per_workspace: self.max_runs_per_workspace,
            order: self.queue_policy,
            aging_starts: self.aging_starts,
        }
    }
}

/// What one run is told, fixed when it is created. It is stored as JSON with the run: reading fills keys that an
/// older version did not know with their defaults and leaves out keys that only a newer version knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RunConfig {
    /// Folder of specs, relative to the workspace.
    pub specs_dir: String,
    /// Folder of plans, relative to the workspace.
    pub plans_dir: String,
    /// Folder of the mirrored run files, relative to the workspace.
    pub log_dir: String,
    /// Name of the agent: a built-in one or one of `agents`.
    pub agent: String,
    /// The agent that takes over with `on_usage_limit = "fallback"`.
    pub fallback_agent: Option<String>,
    /// Model of the implementing agent; `None` = the agent's own default.
    pub model: Option<String>,
    /// Model of the reviewer; `None` = as `model`.
    pub review_model: Option<String>,
    /// Iterations the run may spend.
    pub iterations: u32,
    /// How the completion token is looked for.
    pub completion_mode: CompletionMode,
    /// Whether each iteration is reviewed.
    pub reviewer: bool,
    /// Rejections of one task before a person is asked.
    pub max_review_rounds: u32,
    /// Template of the implementation prompt; `None` = the built-in one.
    pub prompt_file: Option<String>,
    /// Files the agent is pointed at, relative to the workspace.
    pub context_files: Vec<String>,
    /// Checks, each run by `/bin/sh -c`.
    pub verify_cmds: Vec<String>,
    /// Seconds one check may take.
    pub verify_timeout_sec: u64,
    /// Seconds one agent step may take.
    pub agent_timeout_sec: u64,
    /// Seconds without output and without work; 0 = off.
    pub agent_idle_timeout_sec: u64,
    /// Further tries of a failed agent step.
    pub agent_retries: u32,
    /// Seconds before the first further try; doubles.
    pub agent_retry_backoff_sec: u32,
    /// Seconds between asking a process to end and killing it.
    pub stop_grace_sec: u64,
    /// Bytes of output kept for each step.
    pub max_output_bytes: u64,
    /// Tokens the run may spend; `None` = no limit.
    pub max_tokens: Option<u64>,
    /// Money the run may spend; `None` = no limit.
    pub max_cost_usd: Option<Usd>,
    /// What follows a usage limit.
    pub on_usage_limit: OnUsageLimit,
    /// Rewritten prompts before a person is asked.
    pub max_rewrites: u32,
    /// Failed verifications in a row that fail the run.
    pub max_consecutive_verification_failures: u32,
    /// Rejections in a row that fail the run; 0 = off.
    pub max_consecutive_review_failures: u32,
    /// Globs the agent must not change; `.loop/**` is always among them.
    pub protected_paths: Vec<String>,
    /// Where run files are kept.
    pub artifact_mode: ArtifactMode,
    /// Where the run's name comes from.
    pub run_naming_mode: RunNamingMode,
    /// The model that makes up names; `None` = `haiku`.
    pub run_naming_model: Option<String>,
    /// Branch the work starts from; `None` = the default branch.
    pub base_branch: Option<String>,
    /// What the run branch's name begins with.
    pub run_branch_prefix: String,
    /// Branch the proved work goes to; `None` = `agent/<spec slug>`.
    pub merge_target_branch: Option<String>,
    /// How it gets there.
    pub merge_strategy: MergeStrategy,
    /// Where the run's worktree stands; see `worktree_path`.
    pub worktree_path_template: String,
    /// Whether the worktree of a completed run is removed.
    pub worktree_cleanup: bool,
    /// What makes worktrees.
    pub worktree_provider: WorktreeProvider,
    /// How the agent is confined.
    pub sandbox: Sandbox,
    /// Names or globs of environment variables that reach the agent.
    pub env_pass: Vec<String>,
    /// Whether `summary.json` is written.
    pub summary_json: bool,
    /// Whether a postmortem is made when the run ends.
    pub postmortem: bool,
    /// Whether skills are offered to the agent.
    pub skills_enabled: bool,
    /// Where skills are looked for.
    pub skills_dirs: Vec<String>,
    /// Agents defined by `[agents.NAME]`, by name.
    pub agents: BTreeMap<String, AgentDefinition>,
}

impl RunConfig {
    /// The part that the watchdog judges by.
    pub fn limits(&self) -> Limits {
        Limits {
            iterations: self.iterations,
            max_consecutive_verification_failures: self.max_consecutive_verification_failures,
            max_consecutive_review_failures: self.max_consecutive_review_failures,
            max_rewrites: self.max_rewrites,
            max_review_rounds: self.max_review_rounds,
            max_tokens: self.max_tokens,
            max_cost_micro_usd: self.max_cost_usd.map(Usd::micros),
        }
    }
}

impl Default for RunConfig {
    /// The embedded defaults.
    fn default() -> Self {
        super::resolve::embedded_run()
    }
}

impl Serialize for RunConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RunConfig::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for RunConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut complete = super::resolve::embedded_run_values();
        complete.extend(Map::<String, Value>::deserialize(deserializer)?);
        RunConfig::deserialize(Value::Object(complete)).map_err(serde::de::Error::custom)
    }
}

/// One `[agents.NAME]` table. The agent room turns it into a command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentDefinition {
    /// How the agent is spoken to: a known agent's name, `exec`, `acp` or `scripted`; `None` = as its own name says.
    #[serde(default)]
    pub driver: Option<String>,
    /// The program, without arguments; `None` = the driver's own.
    #[serde(default)]
    pub command: Option<String>,
    /// Arguments before the driver's own.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables set for the agent, besides those that `env_pass` lets through.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// An amount in US dollars, exact to a millionth. In JSON and TOML: a number of dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(u64);

impl Usd {
    /// The largest amount accepted: a million dollars.
    pub const MAX: Usd = Usd(1_000_000_000_000);

    /// From dollars, rounded to a millionth; `None` below zero, above [`Usd::MAX`] or not a number.
    pub fn from_dollars(dollars: f64) -> Option<Usd> {
        let micros = (dollars * 1e6).round();
        (micros >= 0.0 && micros <= Usd::MAX.0 as f64).then_some(Usd(micros as u64))
    }

    /// Millionths of a dollar.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// Dollars.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        Usd::from_dollars(dollars)
            .ok_or_else(|| serde::de::Error::custom(format!("{dollars} is no amount in dollars")))
    }
}
