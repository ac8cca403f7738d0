//! What tests ask of a daemon: how a run stands, what its story was, what it left on the disk. Waiting is always for
//! something that the daemon stores; the patience is only for the case that something is broken.

use std::path::PathBuf;
use std::time::Duration;

use agent_loop::core::handover;
use agent_loop::core::machine::Kind;
use agent_loop::core::run::{Event, RunId, State, Worktree};
use agent_loop::core::schedule::Gate;
use agent_loop::store::{
    Answer, HandoverAnswer, StoredEvent, StoredHandover, StoredRun, StoredStep,
};

use super::House;

/// A person tries an ended run again.
pub const RETRY: Event = Event::Retry {
    merge_strategy: None,
};
/// A person lets a paused run go on.
pub const RESUME: Event = Event::Resume {
    accept: false,
    note: None,
};

/// How long a test waits for something that has to come. Nothing waits as long where all is well; where all the world wants
/// the machine, a second's work may take minutes.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Waits for what no daemon of this process tells: looks again and again until the answer is there.
pub async fn eventually<T>(mut answer: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(answer) = answer().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.expect("it comes to pass")
}

impl House {
    /// The run as stored.
    pub async fn run(&self, id: &RunId) -> StoredRun {
        let run = self.reader.run(id).await.expect("a readable store");
        run.expect("the run exists")
    }

    /// The run's present worktree.
    pub async fn worktree(&self, id: &RunId) -> Worktree {
        self.run(id).await.facts.worktree.expect("a worktree")
    }

    /// Waits until the answer is there; fails with the run's story when it does not come.
    pub async fn until<T>(&self, id: &RunId, answer: impl AsyncFnMut() -> Option<T>) -> T {
        self.until_within(id, PATIENCE, answer).await
    }

    /// The same with another patience.
    pub async fn until_within<T>(
        &self,
        id: &RunId,
        patience: Duration,
        mut answer: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        let mut told = self.handle.told();
        let waiting = async {
            loop {
                told.borrow_and_update();
                if let Some(answer) = answer().await {
                    return answer;
                }
                told.changed().await.expect("the engine lives");
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(answer) => answer,
            Err(_) => panic!("waited in vain; the run's story:\n{}", self.story(id).await),
        }
    }

    /// Waits until the run is as wanted.
    pub async fn wait(&self, id: &RunId, wanted: impl Fn(&StoredRun) -> bool) -> StoredRun {
        self.until(id, async || Some(self.run(id).await).filter(&wanted))
            .await
    }

    /// Waits until the run has reached a state.
    pub async fn wait_for(&self, id: &RunId, state: State) -> StoredRun {
        self.wait(id, |run| run.state == state).await
    }

    /// Waits until the run has ended or is held; what it came to.
    pub async fn rest(&self, id: &RunId) -> StoredRun {
        self.wait(id, |run| {
            matches!(run.state.kind(), Kind::Ended | Kind::Held)
        })
        .await
    }

    /// Waits until the run rests, in this state and no other.
    pub async fn rests(&self, id: &RunId, state: State) -> StoredRun {
        let run = self.rest(id).await;
        assert_eq!(run.state, state, "{}", self.story(id).await);
        run
    }

    /// Waits until the run is held, for this reason; what the person is told.
    pub async fn held(&self, id: &RunId, code: &str) -> String {
        let run = self.rests(id, State::Paused).await;
        let hold = run.facts.hold.expect("a held run says why");
        assert_eq!(hold.code, code, "{}", hold.message);
        hold.message
    }

    /// Waits until the run has failed, for this reason; what the person is told.
    pub async fn failed(&self, id: &RunId, code: &str) -> String {
        let run = self.rests(id, State::Failed).await;
        let failure = run.facts.failure.expect("a failed run says why");
        assert_eq!(failure.code, code, "{}", failure.message);
        failure.message
    }

    /// Waits until the run rests and nothing is left to do for it: its files are written, its steps are gone.
    pub async fn settled(&self, id: &RunId) -> StoredRun {
        self.rest(id).await;
        self.until(id, async || {
            let pending = self.reader.pending_effects().await.expect("effects");
            let run = self.run(id).await;
            let idle = run.facts.step.is_none() && pending.iter().all(|e| e.run_id != *id);
            idle.then_some(run)
        })
        .await
    }

    /// Waits until the gates that hold the run are these, by name; the gates.
    pub async fn gated(&self, id: &RunId, names: &[&str]) -> Vec<Gate> {
        self.until(id, async || {
            let schedule = self.handle.explain().await.expect("a schedule");
            let held = schedule.held.into_iter().find(|held| held.id == id.0)?;
            let found: Vec<&str> = held.gates.iter().map(Gate::name).collect();
            (found == names).then_some(held.gates)
        })
        .await
    }

    /// A person's event.
    pub async fn operate(&self, id: &RunId, event: Event) -> Answer {
        let applied = self.handle.operate(id.clone(), event).await;
        applied.unwrap_or_else(|error| panic!("{error}")).answer
    }

    /// A person's event for an ended run.
    pub async fn hand(&self, id: &RunId, event: handover::Event) -> HandoverAnswer {
        let handed = self.handle.hand_over(id.clone(), event).await;
        handed.unwrap_or_else(|error| panic!("{error}")).answer
    }

    /// The same, begun and waited for: how the handover stands when nothing is done for it any more.
    pub async fn handed(&self, id: &RunId, event: handover::Event) -> StoredHandover {
        let answer = self.hand(id, event).await;
        assert!(matches!(answer, HandoverAnswer::Moved(_)), "{answer:?}");
        self.handed_over(id).await
    }

    /// Waits until nothing is done for the handover of the run any more; how it stands.
    pub async fn handed_over(&self, id: &RunId) -> StoredHandover {
        self.until(id, async || {
            let found = self.reader.handover(id).await.expect("a readable store");
            found.filter(|it| it.state.kind() != Kind::Active)
        })
        .await
    }

    /// A person lets the run go on.
    pub async fn resume(&self, id: &RunId) {
        let answer = self.operate(id, RESUME).await;
        assert!(matches!(answer, Answer::Moved(_)), "{answer:?}");
    }

    /// Every public event of the run.
    pub async fn events(&self, id: &RunId) -> Vec<StoredEvent> {
        let events = self.reader.events(Some(id), 0, 10_000).await;
        events.expect("events")
    }

    /// The same, a line each.
    pub async fn story(&self, id: &RunId) -> String {
        let events = self.events(id).await;
        let lines = events.iter().map(|e| format!("{} {}\n", e.kind, e.payload));
        lines.collect()
    }

    /// The payloads of the events of one kind.
    pub async fn told(&self, id: &RunId, kind: &str) -> Vec<serde_json::Value> {
        let events = self.events(id).await.into_iter();
        let wanted = events.filter(|e| e.kind == kind);
        wanted.map(|e| e.payload).collect()
    }

    /// The states that the run went through: `queued running verifying …`.
    pub async fn path(&self, id: &RunId) -> String {
        let changes = self.told(id, "RUN_STATE_CHANGED").await;
        let mut path = "queued".to_owned();
        for change in &changes {
            path.push(' ');
            path.push_str(change["to"].as_str().unwrap_or("?"));
        }
        path
    }

    /// The steps of one phase, oldest first.
    pub async fn steps(&self, id: &RunId, phase: &str) -> Vec<StoredStep> {
        let steps = self.reader.steps(id).await.expect("steps");
        steps.into_iter().filter(|s| s.phase == phase).collect()
    }

    /// What the agent was told in each step of a phase, oldest first.
    pub async fn prompts(&self, id: &RunId, phase: &str) -> Vec<String> {
        let mut prompts = Vec::new();
        for step in self.steps(id, phase).await {
            let path = self
                .dir(id)
                .join(format!("steps/{}/prompt.txt", step.generation));
            prompts.push(std::fs::read_to_string(path).expect("a prompt"));
        }
        prompts
    }

    /// The directory of the run's files.
    pub fn dir(&self, id: &RunId) -> PathBuf {
        self.data.join("runs").join(format!("run-{id}"))
    }

    /// One of the run's files.
    pub fn file(&self, id: &RunId, name: &str) -> String {
        let path = self.dir(id).join(name);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("failed to read {}: {error}", path.display()))
    }

    /// What every run was told, in the order in which it was stored: the run, and the name of the event.
    pub fn journal(&self) -> Vec<(String, String)> {
        let db = rusqlite::Connection::open(agent_loop::store::file(&self.data)).expect("opens");
        let select = "SELECT entity, event FROM journal WHERE machine = 'run' ORDER BY seq";
        let mut select = db.prepare(select).expect("a journal");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let rows: Result<_, _> = rows.expect("readable").collect();
        rows.expect("readable")
    }

    /// Asserts that the journal explains every stored row.
    pub async fn check(&self) {
        let violations = self.reader.replay().await.expect("a readable store");
        assert!(
            violations.is_empty(),
            "the journal does not explain what is stored: {violations:?}"
        );
    }
}
