//! The scopes that one run is searched in, each small in some ways and whole in others; together they take every edge of
//! the table. The figures say how much was seen, so that none of this can become vacuous unnoticed.

use std::sync::OnceLock;

use agent_loop::core::run::{EventName, MergeStrategy, OnUsageLimit, Terms, TroubleKind};
use agent_loop::core::watchdog::Limits;

use super::answers::{Agent, Merge, Review, TROUBLES};
use super::search::{Graph, explore};
use super::world::{Machine, REAL, Scope, World};

pub const PERSON: &[EventName] = &[
    EventName::Pause,
    EventName::Resume,
    EventName::Cancel,
    EventName::Retry,
    EventName::Reset,
];

/// Small limits, so that every one of them is met.
pub fn terms() -> Terms {
    Terms {
        limits: Limits {
            iterations: 2,
            max_consecutive_verification_failures: 2,
            max_consecutive_review_failures: 0,
            max_rewrites: 1,
            max_review_rounds: 2,
            max_tokens: None,
            max_cost_micro_usd: None,
        },
        reviewer: false,
        has_checks: true,
        merge_strategy: MergeStrategy::Squash,
        agent_retries: 1,
        agent_retry_backoff_sec: 1,
        on_usage_limit: OnUsageLimit::Wait,
        fallback_agent: None,
        named_by_model: false,
        postmortem: false,
        jitter_seed: 1,
    }
}

/// Nothing goes wrong.
pub const CALM: Scope = Scope {
    agent: &[Agent::Finishes],
    review: &[Review::Approves],
    merge: &[Merge::Merges],
    checks_may_fail: false,
    troubles: &[],
    loses: false,
    person_commits: false,
    person: PERSON,
};

pub type Named = (&'static str, fn() -> Terms, Scope);

fn reviewed() -> Terms {
    Terms {
        reviewer: true,
        ..terms()
    }
}

fn explained() -> Terms {
    Terms {
        postmortem: true,
        ..terms()
    }
}

fn stubborn() -> Terms {
    let mut terms = terms();
    terms.limits.iterations = 6;
    terms.limits.max_consecutive_verification_failures = 9;
    terms
}

fn unmerged() -> Terms {
    Terms {
        merge_strategy: MergeStrategy::None,
        agent_retries: 0,
        ..terms()
    }
}

fn falls_back() -> Terms {
    Terms {
        on_usage_limit: OnUsageLimit::Fallback,
        fallback_agent: Some("other".to_owned()),
        ..reviewed()
    }
}

fn fails_on_limit() -> Terms {
    Terms {
        on_usage_limit: OnUsageLimit::Fail,
        ..reviewed()
    }
}

fn named() -> Terms {
    Terms {
        named_by_model: true,
        ..terms()
    }
}

const STOP_AND_GO: &[EventName] = &[EventName::Pause, EventName::Resume];
const GO_ON: &[EventName] = &[EventName::Resume, EventName::Cancel];

/// Nothing goes wrong, and people let it.
const GO: Scope = Scope {
    person: GO_ON,
    ..CALM
};
const MERGES: Scope = Scope {
    merge: Merge::ALL,
    person_commits: true,
    ..GO
};
const AGENTS: Scope = Scope {
    agent: Agent::ALL,
    checks_may_fail: true,
    ..GO
};
const REVIEWS: Scope = Scope {
    agent: &[Agent::Works, Agent::Finishes, Agent::Crashes],
    review: Review::ALL,
    checks_may_fail: true,
    ..GO
};
const TROUBLED: Scope = Scope {
    troubles: TROUBLES,
    loses: true,
    person: STOP_AND_GO,
    ..CALM
};
const LIMITS: Scope = Scope {
    agent: &[Agent::Finishes, Agent::Limited, Agent::LimitedInThePast],
    review: &[Review::Approves, Review::Limited, Review::SaysNothing],
    troubles: &[TroubleKind::NoSpace],
    ..GO
};
const AUTH: Scope = Scope {
    agent: &[Agent::Finishes, Agent::Limited, Agent::Auth],
    review: Review::ALL,
    ..GO
};
const TAMPERING: Scope = Scope {
    agent: &[Agent::Finishes, Agent::FinishesSilently, Agent::Tampers],
    person: STOP_AND_GO,
    ..CALM
};
/// What was not to be merged is merged after all.
const LATER: Scope = Scope {
    agent: &[Agent::Finishes, Agent::Auth],
    checks_may_fail: true,
    person: &[EventName::Cancel, EventName::RetryMerge],
    ..CALM
};
const STUCK: Scope = Scope {
    agent: &[Agent::Nothing, Agent::Finishes],
    checks_may_fail: true,
    ..GO
};

const CLEANING: Scope = Scope {
    agent: &[Agent::Finishes, Agent::Auth],
    person: &[
        EventName::Pause,
        EventName::Resume,
        EventName::Cancel,
        EventName::Retry,
        EventName::Reset,
        EventName::RemoveWorktree,
    ],
    ..CALM
};
/// The first claim again and again, with everything that may come between it and the branch.
const NAMING: Scope = Scope {
    troubles: TROUBLES,
    loses: true,
    ..CALM
};
const COLLECTING: Scope = Scope {
    agent: &[Agent::Finishes, Agent::Auth],
    person: &[
        EventName::Pause,
        EventName::Resume,
        EventName::Cancel,
        EventName::Retry,
        EventName::Collect,
    ],
    ..CALM
};
/// An ended run is explained, by itself and by a wish, and perhaps started anew meanwhile.
const EXPLAINING: Scope = Scope {
    agent: &[Agent::Finishes, Agent::Auth],
    person: &[
        EventName::Cancel,
        EventName::Retry,
        EventName::Reset,
        EventName::Analyze,
    ],
    ..CALM
};

pub const SCOPES: &[Named] = &[
    ("all that a person may say", reviewed, CALM),
    ("a merge meets everything", reviewed, MERGES),
    ("an agent does anything", terms, AGENTS),
    ("a reviewer says anything", reviewed, REVIEWS),
    ("every effect may fail or be lost", reviewed, TROUBLED),
    ("a limit, with a fallback", falls_back, LIMITS),
    ("a limit that fails the run", fails_on_limit, AUTH),
    ("no merge is wanted", unmerged, TAMPERING),
    ("a merge that comes later", unmerged, LATER),
    ("a run that gets stuck", stubborn, STUCK),
    ("a worktree is wanted no more", terms, CLEANING),
    ("the time of a run is over", terms, COLLECTING),
    ("a model names the run", named, NAMING),
    ("an ended run is explained", explained, EXPLAINING),
];

pub fn graph(named: &Named, machine: Machine, until: Option<&str>) -> Graph {
    let (_, terms, scope) = named;
    explore(World::new(terms()), machine, scope, until)
}

/// The graphs of the machine as it is, searched once.
pub fn graphs() -> &'static [Graph] {
    static GRAPHS: OnceLock<Vec<Graph>> = OnceLock::new();
    GRAPHS.get_or_init(|| SCOPES.iter().map(|it| graph(it, REAL, None)).collect())
}

#[test]
fn always_every_law_holds_on_every_path_of_one_run() {
    let (mut nodes, mut ways) = (0, 0);
    for ((name, ..), graph) in SCOPES.iter().zip(graphs()) {
        let edges: usize = graph.nodes.iter().map(|it| it.next.len()).sum();
        println!("{name}: {} worlds, {edges} ways", graph.nodes.len());
        assert!(graph.broken.is_empty(), "{name}: {:#?}", graph.broken);
        assert!(graph.nodes.iter().any(|it| it.settled), "{name}");
        nodes += graph.nodes.len();
        ways += edges;
    }
    println!("in all {nodes} worlds, {ways} ways");
    assert!(
        nodes > 15_000 && ways > 50_000,
        "{nodes} worlds, {ways} ways"
    );
}
