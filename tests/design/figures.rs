//! Figures of the rules that the model of the design check leaves out: how long a wait is, and what is counted. What a
//! person reads and the next prompt is told is in `known`.

use agent_loop::core::run::{
    AgentReport, Event, Left, ResultClass, State, Terms, TroubleKind, Usage, WaitWhy,
};
use agent_loop::core::time::Time;
use agent_loop::core::watchdog::Limits;

use super::answers::{self, Agent, Review};
use super::scopes::terms;
use super::story::{NOW, Story};

/// A run whose agent is at work for the first time, with room for many things.
pub(super) fn at_work(change: impl FnOnce(&mut Terms)) -> Story {
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
    pub(super) fn tells(
        &mut self,
        agent: Agent,
        change: impl FnOnce(&mut AgentReport),
    ) -> &mut Self {
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
    pub(super) fn weighed_at(&mut self, tree: &str) -> &mut Self {
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
    pub(super) fn iterates(&mut self, agent: Agent) -> &mut Self {
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
