//! A store in a directory of its own, and the words to talk to it. The clock is a number that the test moves.

use std::path::Path;

use agent_loop::core::run::{
    AgentReport, ChecksReport, Event, Evidence, Facts, MergeStrategy, OnUsageLimit, PlanReading,
    ResultClass, RunId, Spec, StepId, Terms, Usage, Worktree,
};
use agent_loop::core::step;
use agent_loop::core::time::Time;
use agent_loop::core::watchdog::Limits;
use agent_loop::store::{
    self, Answer, Applied, Apply, Artifact, Created, EffectDone, EffectId, Move, NewRun, Options,
    Reader, StepApplied, StepReport, StoredRun, StoredStep, Violation, Writer,
};
use rusqlite::Connection;

/// A store that goes away with the test.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub writer: Writer,
    pub reader: Reader,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (writer, reader) = store::open(dir.path(), Options::default()).expect("a store");
        Bench {
            dir,
            writer,
            reader,
        }
    }

    /// A connection past every type of ours; the guards in the database are all that is left.
    pub fn raw(&self) -> Connection {
        raw(self.dir.path())
    }

    pub async fn create(&self, id: &str) -> StoredRun {
        self.create_as(new_run(id)).await
    }

    pub async fn create_as(&self, new: NewRun) -> StoredRun {
        match self.writer.create(new).await.expect("creates") {
            Created::New(run, _) => *run,
            other => panic!("not created: {other:?}"),
        }
    }

    pub async fn run(&self, id: &str) -> StoredRun {
        let run = self.reader.run(&RunId(id.to_owned())).await;
        run.expect("readable").expect("a run")
    }

    pub async fn send(&self, id: &str, event: Event) -> Applied {
        let apply = Apply::new(RunId(id.to_owned()), event, Time(2_000));
        self.writer.apply(apply).await.expect("applies")
    }

    /// Sends an event that has to move the run.
    pub async fn moves(&self, id: &str, event: Event) -> Move {
        let name = event.name();
        match self.send(id, event).await.answer {
            Answer::Moved(made) => *made,
            other => panic!("{name} did not move {id}: {other:?}"),
        }
    }

    /// The next report of a run on its way to completion; `None` when it is there.
    pub async fn next_event(&self, id: &str) -> Option<Event> {
        let run = self.run(id).await;
        on_the_way(&run)
    }

    pub async fn steps(&self, id: &str) -> Vec<StoredStep> {
        let steps = self.reader.steps(&RunId(id.to_owned())).await;
        steps.expect("readable")
    }

    pub async fn replay(&self) -> Vec<Violation> {
        self.reader.replay().await.expect("replays")
    }

    /// The number of rows of a table, possibly with a condition.
    pub fn count(&self, what: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {what}");
        let count = self.raw().query_row(&sql, [], |row| row.get(0));
        count.expect("countable")
    }

    /// Every row of every table of ours, as text.
    pub fn everything(&self) -> Vec<String> {
        everything(&self.raw())
    }

    /// Takes a run all the way to completion.
    pub async fn complete(&self, id: &str) -> StoredRun {
        while let Some(event) = self.next_event(id).await {
            self.moves(id, event).await;
        }
        self.run(id).await
    }
}

/// Every row of every table of ours, as text.
pub fn everything(db: &Connection) -> Vec<String> {
    let tables =
        "runs places steps handovers journal effects events artifacts idempotency merge_intents";
    let mut all = Vec::new();
    for table in tables.split(' ') {
        let mut select = db
            .prepare(&format!("SELECT * FROM {table}"))
            .expect("a table");
        let columns = select.column_count();
        let mut rows = select.query([]).expect("readable");
        while let Some(row) = rows.next().expect("readable") {
            let values = (0..columns).map(|i| format!("{:?}", row.get_ref(i).expect("a column")));
            all.push(format!(
                "{table}: {}",
                values.collect::<Vec<_>>().join(" | ")
            ));
        }
    }
    all
}

pub fn raw(dir: &Path) -> Connection {
    let conn = Connection::open(store::file(dir)).expect("opens");
    conn.busy_timeout(std::time::Duration::from_secs(5))
        .expect("sets");
    conn
}

/// What comes next in a run in which everything goes well.
pub fn on_the_way(run: &StoredRun) -> Option<Event> {
    use agent_loop::core::run::State;
    let generation = run.facts.generation;
    match run.state {
        State::Queued => Some(claim()),
        State::Running if run.facts.worktree.is_none() => Some(worktree_ready(generation)),
        State::Running => Some(agent_done(generation)),
        State::Verifying => Some(checks_done(generation)),
        State::Watchdog => Some(judged(generation)),
        State::Merging => Some(Event::Merged {
            generation,
            commit: "c0ffee".to_owned(),
        }),
        State::Paused | State::Completed | State::Failed | State::Canceled => None,
    }
}

pub fn new_run(id: &str) -> NewRun {
    NewRun {
        id: RunId(id.to_owned()),
        spec: spec(id),
        config: "{}".to_owned(),
        facts: Facts::new(terms(), pending(), Time(1_000)),
        now: Time(1_000),
        idempotency: None,
    }
}

pub fn spec(name: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        name_source: "given".to_owned(),
        workspace_root: "/w/repo".to_owned(),
        workspace_key: "/w/repo/.git".to_owned(),
        spec_path: "specs/a.md".to_owned(),
        plan_path: "specs/planning/a-plan.md".to_owned(),
        base_branch: None,
        merge_target_branch: None,
        run_branch_prefix: "run/".to_owned(),
        worktree_path_template: "../x".to_owned(),
        agent: "claude".to_owned(),
        priority: 0,
        after: Vec::new(),
        snapshot: false,
        files_root: None,
        worktree_confined: false,
    }
}

pub fn terms() -> Terms {
    Terms {
        limits: Limits {
            iterations: 5,
            max_consecutive_verification_failures: 3,
            max_consecutive_review_failures: 0,
            max_rewrites: 2,
            max_review_rounds: 3,
            max_tokens: None,
            max_cost_micro_usd: None,
        },
        reviewer: false,
        has_checks: true,
        merge_strategy: MergeStrategy::Squash,
        agent_retries: 2,
        agent_retry_backoff_sec: 5,
        on_usage_limit: OnUsageLimit::Wait,
        fallback_agent: None,
        named_by_model: false,
        postmortem: false,
        jitter_seed: 7,
    }
}

pub fn pending() -> PlanReading {
    PlanReading {
        total: 1,
        done: 0,
        reviewed: 0,
        pending: 1,
        blocked: 0,
    }
}

pub fn done() -> PlanReading {
    PlanReading {
        total: 1,
        done: 1,
        reviewed: 0,
        pending: 0,
        blocked: 0,
    }
}

pub fn claim() -> Event {
    Event::Claim {
        worker: "w1".to_owned(),
    }
}

pub fn worktree_ready(generation: u64) -> Event {
    let worktree = Worktree {
        base_branch: "main".to_owned(),
        base_commit: "b0".to_owned(),
        run_branch: "run/a".to_owned(),
        merge_target_branch: "agent/a".to_owned(),
        path: "/w/repo.run-a".to_owned(),
        start_commit: "b0".to_owned(),
        record: "{}".to_owned(),
    };
    Event::WorktreeReady {
        generation,
        worktree,
    }
}

/// An implementation that did all there was to do and said so.
pub fn agent_done(generation: u64) -> Event {
    agent_ended(generation, ResultClass::Done)
}

pub fn agent_ended(generation: u64, result: ResultClass) -> Event {
    let well = result == ResultClass::Done;
    let report = AgentReport {
        message: "as it said".to_owned(),
        exit_code: Some(0),
        commits: u32::from(well),
        head: "h1".to_owned(),
        tree: "t1".to_owned(),
        plan: if well { done() } else { pending() },
        tampered: None,
        claimed_complete: well,
        task: Some("the task".to_owned()),
        denied: Vec::new(),
        usage: Usage {
            input_tokens: 10,
            output_tokens: 20,
            cost_usd: Some(0.1 + 0.2),
        },
        usage_of_session: false,
        session: None,
        result,
    };
    Event::AgentDone { generation, report }
}

pub fn checks_done(generation: u64) -> Event {
    let report = ChecksReport {
        head: "h1".to_owned(),
        tree: "t1".to_owned(),
        failures: Vec::new(),
        fingerprint: String::new(),
    };
    Event::ChecksDone { generation, report }
}

pub fn judged(generation: u64) -> Event {
    let evidence = Evidence {
        head: "h1".to_owned(),
        tree: "t1".to_owned(),
        diff_id: Some("d1".to_owned()),
        plan: done(),
        output_similarity: None,
        tampered: None,
    };
    Event::Judged {
        generation,
        evidence,
    }
}

/// Says loudly when something did not move.
pub trait ExpectMoved {
    fn expect_moved(self) -> StoredStep;
}

impl ExpectMoved for StepApplied {
    fn expect_moved(self) -> StoredStep {
        match self {
            StepApplied::Moved(step, _) => *step,
            other => panic!("the step did not move: {other:?}"),
        }
    }
}

pub fn id(text: &str) -> RunId {
    RunId(text.to_owned())
}

pub fn done_with(effect: EffectId) -> EffectDone {
    EffectDone {
        id: effect,
        outcome: "done".to_owned(),
    }
}

pub fn report(step: &StepId, event: step::Event) -> StepReport {
    StepReport {
        id: step.clone(),
        event,
        prompt_path: None,
        output_path: None,
    }
}

pub fn canceled() -> step::Event {
    step::Event::Canceled {
        exit_code: None,
        message: "stopped".to_owned(),
    }
}

pub fn artifact(run: &str, path: &str) -> Artifact {
    Artifact {
        run_id: id(run),
        kind: "log".to_owned(),
        location: "global".to_owned(),
        path: path.to_owned(),
        sha256: "0".repeat(64),
        bytes: 3,
        created_at: Time(2_000),
    }
}
