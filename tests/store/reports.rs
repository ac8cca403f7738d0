//! What a run of the store's tests is made of, and what its workers report when all goes well. The store itself is in
//! `support`.

use agent_loop::core::run::{
    AgentReport, ChecksReport, Event, Evidence, Facts, MergeStrategy, OnUsageLimit, PlanReading,
    ResultClass, RunId, Spec, StepId, Terms, Usage, Worktree,
};
use agent_loop::core::step;
use agent_loop::core::time::Time;
use agent_loop::core::watchdog::Limits;
use agent_loop::store::{Artifact, NewRun, StepReport, StoredRun};

use super::support::id;

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
