//! Figures and words of the rules that the model of the design check leaves out: how long a wait is, what is counted, what
//! a person reads and what the next prompt is told.

use agent_loop::core::run::{
    AgentReport, Effect, Event, Left, Mode, Removal, ResultClass, Stage, State, Terms, TroubleKind,
    Usage, WaitWhy,
};
use agent_loop::core::time::Time;
use agent_loop::core::watchdog::{Limits, Signal};

use super::answers::{self, Agent, Review};
use super::scopes::terms;
use super::story::{NOW, Story};

/// A run whose agent is at work for the first time, with room for many things.
fn at_work(change: impl FnOnce(&mut Terms)) -> Story {
    let mut roomy = Terms {
        limits: Limits {
            iterations: 50,
            max_review_rounds: 9,
            max_rewrites: 0,
            max_consecutive_verification_failures: 9,
            ..terms().limits
        },
        agent_retries: 30,
        ..terms()
    };
    change(&mut roomy);
    let mut story = Story::new(roomy);
    story.claim();
    story
}

impl Story {
    /// The agent's call ends; what it tells is changed first.
    fn tells(&mut self, agent: Agent, change: impl FnOnce(&mut AgentReport)) -> &mut Self {
        let generation = self.facts.generation;
        let mut report = agent.report("t1", agent.plan(self.facts.plan), false);
        change(&mut report);
        self.hears(Event::AgentDone { generation, report })
    }

    fn reviewed_at(&mut self, review: Review, tree: &str) -> &mut Self {
        let generation = self.facts.generation;
        let report = review.report(tree, self.facts.plan);
        self.hears(Event::ReviewDone { generation, report })
    }

    /// Checked and judged, and nothing is wrong with it.
    fn weighed_at(&mut self, tree: &str) -> &mut Self {
        let generation = self.facts.generation;
        let report = answers::checks(tree, true);
        self.hears(Event::ChecksDone { generation, report });
        let generation = self.facts.generation;
        let evidence = answers::evidence(tree, self.facts.plan, None, false);
        self.hears(Event::Judged {
            generation,
            evidence,
        })
    }

    /// An iteration in which the agent does this and nothing goes wrong.
    fn iterates(&mut self, agent: Agent) -> &mut Self {
        self.agent(agent, false).checks(true).judged(false)
    }
}

fn limited(resets_at: Option<Time>) -> impl Fn(&mut AgentReport) {
    move |report| report.result = ResultClass::Limited { resets_at }
}

#[test]
fn tries_wait_twice_as_long_each_time_up_to_two_minutes_spread_by_an_eighth_to_both_sides() {
    for (tries, sec) in [(1, 10), (2, 20), (3, 40), (4, 80), (5, 120), (20, 120)] {
        let mut waits = Vec::new();
        for seed in 0..64 {
            let mut story = at_work(|terms| {
                (terms.agent_retry_backoff_sec, terms.jitter_seed) = (10, seed);
            });
            for _ in 1..tries {
                story.agent(Agent::Crashes, false).is_due();
            }
            story.agent(Agent::Crashes, false);
            waits.push(story.facts.due.expect("a next try").ms_since(NOW));
        }
        let (least, most) = (waits.iter().min(), waits.iter().max());
        let (least, most) = (*least.expect("some"), *most.expect("some"));
        let (ms, part) = (sec * 1000, sec * 1000 / 8);
        assert!(least >= ms - part && most <= ms + part, "{least}..{most}");
        assert!(
            least < ms - part / 2 && most > ms + part / 2,
            "{least}..{most}"
        );
    }
}

#[test]
fn a_limit_is_waited_for_until_it_is_told_to_reset() {
    let reset = NOW.plus_ms(1234);
    let mut story = at_work(|_| {});
    story.tells(Agent::Limited, limited(Some(reset)));
    let wait = story.facts.wait.clone().expect("a wait");
    assert_eq!((wait.until, wait.why), (reset, WaitWhy::Limit));
    assert_eq!(wait.message, "what it said");
}

#[test]
fn a_limit_that_does_not_say_when_is_waited_for_twice_as_long_each_time_up_to_two_hours() {
    const MINUTE: u64 = 60_000;
    let over = [1000, 2000, 4000, 8000, 16_000].map(|ms| (Some(NOW), ms));
    let unknown = [15, 30, 60, 120, 120].map(|minutes| (None, minutes * MINUTE));
    for waits in [over, unknown] {
        let mut story = at_work(|_| {});
        for (told, ms) in waits {
            story.tells(Agent::Limited, limited(told));
            let wait = story.facts.wait.clone().expect("a wait");
            assert_eq!(wait.until, NOW.plus_ms(ms));
            story.claim();
        }
        // A call that met none begins the row anew.
        story.agent(Agent::Crashes, false).is_due();
        story.tells(Agent::Limited, limited(waits[0].0));
        let wait = story.facts.wait.clone().expect("a wait");
        assert_eq!(wait.until, NOW.plus_ms(waits[0].1));
    }
}

#[test]
fn a_disk_is_looked_at_every_half_minute() {
    for (kind, why) in [
        (TroubleKind::NoSpace, WaitWhy::Disk),
        (TroubleKind::ReadOnly, WaitWhy::ReadOnly),
    ] {
        let mut story = at_work(|_| {});
        story.trouble(kind);
        let wait = story.facts.wait.clone().expect("a wait");
        assert_eq!((wait.until, wait.why), (NOW.plus_ms(30_000), why));
    }
}

#[test]
fn a_crash_counts_until_a_call_ends_in_good_order_or_leaves_work() {
    for (agent, left) in [
        (Agent::Nothing, 0),
        (Agent::CrashesWithWork, 0),
        (Agent::Crashes, 1),
    ] {
        let mut story = at_work(|_| {});
        story.agent(Agent::Crashes, false).is_due();
        assert_eq!(story.facts.attempt, 1);
        let generation = story.facts.generation;
        let report = agent.report("t1", agent.plan(story.facts.plan), false);
        let answer = agent_loop::core::run::step(
            story.state,
            &story.facts,
            &Event::AgentDone { generation, report },
            NOW,
        );
        let agent_loop::core::machine::Outcome::Moved(moved) = answer else {
            panic!("{answer:?}");
        };
        // One more, where it is tried again.
        let again = u32::from(agent == Agent::Crashes);
        assert_eq!(moved.facts.attempt, left + again, "{agent:?}");
    }
}

#[test]
fn an_iteration_that_changed_nothing_with_open_tasks_is_not_reviewed() {
    let mut story = at_work(|terms| terms.reviewer = true);
    story.agent(Agent::Nothing, false);
    assert_eq!(story.effects, [Effect::StartChecks]);
    let mut story = at_work(|terms| terms.reviewer = true);
    story.agent(Agent::Works, false);
    assert_eq!(story.effects, [Effect::StartReview]);
}

#[test]
fn rejections_of_one_task_are_counted_and_another_task_begins_anew() {
    let mut story = at_work(|terms| terms.reviewer = true);
    for (n, (task, rounds)) in [("a", 1), ("a", 2), ("b", 1)].into_iter().enumerate() {
        let tree = format!("tree {n}");
        story.tells(Agent::Works, |report| {
            (report.task, report.tree) = (Some(task.to_owned()), tree.clone());
        });
        story.reviewed_at(Review::Rejects, &tree);
        assert_eq!(story.facts.review_rounds, rounds, "{task}");
        assert_eq!(story.facts.review_failures as usize, n + 1);
        story.weighed_at(&tree);
    }
}

#[test]
fn what_an_agent_said_beside_its_result_is_told_to_whoever_looks_at_a_run_that_does_not_get_on() {
    for (said, told) in [("what it said", true), ("done", false)] {
        let mut story = at_work(|_| {});
        while story.state != State::Paused {
            story.tells(Agent::Nothing, |report| report.message = said.to_owned());
            story.checks(true).judged(false);
        }
        let hold = story.facts.hold.clone().expect("a hold");
        assert_eq!(hold.code, "repeated_task");
        assert!(
            hold.message.contains("(no_progress, repeated_task)"),
            "{}",
            hold.message
        );
        let last = "; the agent's last call came to: what it said";
        assert_eq!(hold.message.contains(last), told, "{}", hold.message);
    }
}

#[test]
fn the_next_prompt_is_told_what_the_watchdog_noted() {
    let mut story = at_work(|_| {});
    story.iterates(Agent::Nothing);
    assert_eq!(story.facts.notes.signals, [Signal::NoProgress]);
    assert_eq!(story.facts.ladder.notes, 1);
    assert_eq!((story.facts.iteration, story.facts.mode), (2, Mode::Task));
    story.tells(Agent::Works, |report| report.tree = "t2".to_owned());
    story.weighed_at("t2");
    assert_eq!(story.facts.notes.signals, []);
    assert_eq!(story.facts.iteration, 3);
}

#[test]
fn whoever_ticks_a_box_starts_at_the_foot_of_the_ladder() {
    for (agent, notes) in [(Agent::Works, 1), (Agent::FinishesSilently, 0)] {
        let mut story = at_work(|_| {});
        story.iterates(Agent::Nothing);
        assert_eq!(story.facts.ladder.notes, 1);
        story.tells(agent, |report| report.tree = "t2".to_owned());
        story.weighed_at("t2");
        assert_eq!(story.facts.ladder.notes, notes, "{agent:?}");
    }
}

#[test]
fn prompts_that_were_written_anew_are_counted_over_the_run_and_since_something_was_done() {
    let mut story = at_work(|terms| terms.limits.max_rewrites = 2);
    while story.facts.rewrites < 2 {
        assert_ne!(story.state, State::Paused, "two of them are allowed");
        let before = story.facts.rewrites;
        story.iterates(Agent::Nothing);
        if story.facts.rewrites > before {
            assert_eq!(story.facts.rewrites, before + 1);
            assert_eq!(story.facts.ladder.rewrites, story.facts.rewrites);
            assert_eq!(story.facts.current.rewrite, Some(story.facts.rewrites));
        }
    }
}

#[test]
fn a_plan_of_which_nothing_but_blocked_tasks_is_left_is_a_persons() {
    let mut story = at_work(|_| {});
    story.iterates(Agent::Blocks);
    assert_eq!(story.held_for(), Some("plan_blocked"));
}

#[test]
fn an_agent_mends_two_conflicts_and_the_third_is_a_persons() {
    let mut story = at_work(|_| {});
    for _ in 0..2 {
        story.iterates(Agent::Finishes);
        assert_eq!(story.state, State::Merging);
        story.conflict();
        assert_eq!(
            (story.state, story.facts.mode),
            (State::Running, Mode::Mend)
        );
    }
    story.iterates(Agent::Finishes).conflict();
    assert_eq!(story.held_for(), Some("merge_conflict"));
}

#[test]
fn costs_are_counted_in_millionths_and_none_is_taken_back() {
    for (usd, micro) in [(1.5, 1_500_000), (0.000_001, 1), (-1.0, 0)] {
        let mut story = at_work(|_| {});
        story.tells(Agent::Works, |report| {
            report.usage = Usage {
                cost_usd: Some(usd),
                ..Usage::default()
            };
        });
        assert_eq!(story.facts.usage.cost_micro_usd, Some(micro));
    }
}

#[test]
fn what_a_stopped_step_had_said_is_gone_on_with_and_counted() {
    let mut story = at_work(|_| {});
    let generation = story.facts.generation;
    let left = Some(Left {
        session: Some("s".to_owned()),
        usage: Usage {
            input_tokens: 10,
            ..Usage::default()
        },
        usage_of_session: false,
    });
    story.hears(Event::StepStopped { generation, left });
    let step = story.facts.step.as_ref().map(|it| it.generation);
    assert_ne!(step, Some(generation));
    assert_eq!(story.facts.usage.input_tokens, 10);
    let resumes = story.facts.resumes.as_ref().map(|it| it.id.as_str());
    assert_eq!(resumes, Some("s"));
}

#[test]
fn whoever_starts_over_has_every_task_before_him() {
    let mut story = at_work(|_| {});
    story.hears(Event::WorktreeReady {
        generation: story.facts.generation,
        worktree: answers::worktree(),
    });
    story.agent(Agent::Finishes, false).hears(Event::Cancel);
    let step = story.facts.step.as_ref().map(|it| it.generation);
    if let Some(step) = step {
        story.hears(Event::StepGone { step, left: None });
    }
    assert_eq!((story.facts.plan.done, story.facts.plan.pending), (1, 0));
    story.hears(Event::Reset);
    assert_eq!((story.facts.plan.done, story.facts.plan.pending), (0, 1));
    assert_eq!(
        (story.facts.resets, story.facts.stage),
        (1, Stage::Implement)
    );
}

#[test]
fn why_the_worktree_of_a_closed_run_stays_is_known_until_it_is_started_anew() {
    let mut story = Story::new(terms());
    story.hears(Event::Cancel);
    let why = "it holds files that no commit has: x".to_owned();
    let closed = |worktree_removed, note| Event::Closed {
        worktree_removed,
        note,
    };
    story.hears(closed(false, Some(why.clone())));
    assert_eq!(story.facts.kept_back, [why]);
    assert!(!story.facts.worktree_removed);
    // One that is gone is not kept back.
    let known = story.facts.kept_back.clone();
    story.hears(closed(true, Some("it was removed".to_owned())));
    assert!(story.facts.worktree_removed);
    assert_eq!(story.facts.kept_back, known);
    let merge_strategy = None;
    story.hears(Event::Retry { merge_strategy });
    assert_eq!(story.facts.kept_back, [] as [String; 0]);
}

#[test]
fn a_removal_counts_for_the_worktree_that_it_is_told_of() {
    for (path, own) in [
        (answers::worktree().path, true),
        ("/other".to_owned(), false),
    ] {
        let mut story = at_work(|_| {});
        story.hears(Event::WorktreeReady {
            generation: story.facts.generation,
            worktree: answers::worktree(),
        });
        story.hears(Event::Cancel);
        let step = story.facts.step.as_ref().map_or(0, |it| it.generation);
        story.hears(Event::StepGone { step, left: None });
        let removal = |path: &str| Removal {
            path: path.to_owned(),
            removed: true,
            note: "removed".to_owned(),
        };
        // Once gone it stays gone, whatever else is told.
        for removals in [vec![removal(&path)], vec![removal("/other")]] {
            story.hears(Event::WorktreesRemoved { removals });
            assert_eq!(story.facts.worktree_removed, own, "{path}");
        }
    }
}
