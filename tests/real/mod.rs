//! Real coding agents do whole runs: their own binaries, command lines and streams, under real keepers, with only the
//! model played. What the recorded streams of `agent` cannot show is here: that the command lines are still right.
//! Agents that are not installed are not tried, and said to be so; see `support/agents`.

mod empty_handed;
mod explaining;
mod four_tasks;
mod naming;
mod refusals;
mod sessions;
mod stopping;
mod verdicts;
mod whole_runs;

use std::time::Duration;

use agent_loop::core::machine::Kind;
use agent_loop::core::run::RunId;
use agent_loop::store::StoredRun;
use serde_json::Value;

use crate::support::agents::{Model, Mood};
use crate::support::{House, Options, PATIENCE, Repository};

/// A plan of one task.
const ONE_TASK: &str = "# Plan\n\n- [ ] first thing\n";
/// A plan of two tasks.
const TWO_TASKS: &str = "# Plan\n\n- [ ] first thing\n- [ ] second thing\n";

/// How long a run with many calls may take where everything else wants the machine, too.
const SLOW: Duration = PATIENCE.saturating_mul(2);

/// A run of a real agent, and all that it needs.
struct Stage {
    repo: Repository,
    model: Model,
    house: House,
    id: RunId,
}

impl Stage {
    /// Creates a run of the plan with the agent that `settings` makes; nothing where the agent is not installed. `more`
    /// settings win.
    async fn set(
        plan: &str,
        mood: Mood,
        settings: impl FnOnce(&Repository, &Model) -> Option<Value>,
        more: Value,
    ) -> Option<Stage> {
        Stage::of(Repository::with_plan(plan), mood, settings, more).await
    }

    /// The same in this repository.
    async fn of(
        repo: Repository,
        mood: Mood,
        settings: impl FnOnce(&Repository, &Model) -> Option<Value>,
        more: Value,
    ) -> Option<Stage> {
        let model = Model::start(mood).await;
        let mut settings = settings(&repo, &model)?;
        for (key, value) in more.as_object().expect("settings are an object") {
            settings[key] = value.clone();
        }
        let house = House::open(&repo.outside().join("data"), &Options::default()).await;
        let id = house.create(&repo, None, settings).await;
        Some(Stage {
            repo,
            model,
            house,
            id,
        })
    }

    /// Waits until the run is over, held, or waits for a limit.
    async fn settle(&self) -> (StoredRun, String) {
        let settled = |run: &StoredRun| {
            matches!(run.state.kind(), Kind::Ended | Kind::Held) || run.facts.wait.is_some()
        };
        self.wait(settled).await
    }

    /// Waits until the run is over or held; its story, too.
    async fn rest(&self) -> (StoredRun, String) {
        self.wait(|run| matches!(run.state.kind(), Kind::Ended | Kind::Held))
            .await
    }

    /// Waits until the run is as wanted; its story, too. Real agents are slow on a busy machine.
    async fn wait(&self, wanted: impl Fn(&StoredRun) -> bool) -> (StoredRun, String) {
        let run = self
            .house
            .until_within(&self.id, SLOW, async || {
                Some(self.house.run(&self.id).await).filter(&wanted)
            })
            .await;
        (run, self.house.story(&self.id).await)
    }

    /// The messages of the report's rows of one kind.
    fn reported(&self, kind: &str) -> Vec<String> {
        let report = self.house.file(&self.id, "report.tsv");
        let rows = report.lines().map(|line| line.split('\t'));
        rows.filter_map(|mut row| (row.nth(1) == Some(kind)).then(|| row.nth(6)).flatten())
            .map(str::to_owned)
            .collect()
    }
}
