//! Which session a step goes on with, story by story: the rule that a further try of the same step goes on where it
//! stopped, and that everything else begins afresh and is told everything.

use agent_loop::core::run::{
    Effect, Event, Left, MergeStrategy, OnUsageLimit, ResultClass, State, Terms, Totals, Usage,
};

use super::answers::{self, Agent, Review};
use super::scopes::terms;
use super::story::Story;

/// A run whose agent is at work for the first time, and which may be tried twice more.
fn at_work() -> Story {
    let mut story = Story::new(Terms {
        agent_retries: 2,
        reviewer: true,
        ..terms()
    });
    story.claim();
    story
}

impl Story {
    fn session(&self) -> Option<&str> {
        self.facts.resumes.as_ref().map(|it| it.id.as_str())
    }

    /// The agent's call ends like this, in this session, having used so many tokens of it.
    fn ends(&mut self, result: ResultClass, session: &str, of_session: Option<u64>) -> &mut Self {
        let generation = self.facts.generation;
        let mut report = Agent::Nothing.report("base", self.facts.plan, false);
        report.result = result;
        report.session = Some(session.to_owned());
        report.usage.input_tokens = of_session.unwrap_or(100);
        report.usage_of_session = of_session.is_some();
        self.hears(Event::AgentDone { generation, report })
    }

    fn crashes(&mut self, session: &str) -> &mut Self {
        self.ends(ResultClass::Crashed, session, None)
    }

    fn reviewed(&mut self, review: Review) -> &mut Self {
        let generation = self.facts.generation;
        let report = review.report("t1", self.facts.plan);
        self.hears(Event::ReviewDone { generation, report })
    }

    /// The step that was told to stop is gone, and had said this.
    fn gone(&mut self, session: &str) -> &mut Self {
        let step = self.facts.step.as_ref().map_or(0, |it| it.generation);
        let left = Some(left(session));
        self.hears(Event::StepGone { step, left })
    }

    fn lost(&mut self, session: &str) -> &mut Self {
        let generation = self.facts.generation;
        let left = Some(left(session));
        self.hears(Event::StepLost { generation, left })
    }
}

fn left(session: &str) -> Left {
    Left {
        session: Some(session.to_owned()),
        usage: Usage {
            input_tokens: 10,
            ..Usage::default()
        },
        usage_of_session: false,
    }
}

const LIMITED: ResultClass = ResultClass::Limited { resets_at: None };

#[test]
fn a_retry_goes_on_with_the_session_and_the_retry_after_that_is_fresh() {
    let mut story = at_work();
    assert_eq!(story.session(), None);
    story.crashes("one").is_due();
    assert_eq!(story.session(), Some("one"));
    story.crashes("one").is_due();
    assert_eq!(story.session(), None, "the session may be what is wrong");
    story.ends(ResultClass::TimedOut, "two", None);
    assert_eq!(story.state, State::Failed);
}

#[test]
fn a_limit_is_waited_for_in_the_session_however_often_it_is_met() {
    let mut story = at_work();
    for _ in 0..3 {
        story.ends(LIMITED, "one", None).claim();
        assert_eq!(story.session(), Some("one"));
    }
    story.crashes("one");
    assert_eq!(story.session(), None);
}

#[test]
fn a_pause_keeps_the_session_with_and_without_a_note() {
    for note in [None, Some("French first".to_owned())] {
        let mut story = at_work();
        let accept = false;
        story.hears(Event::Pause).gone("one");
        story.hears(Event::Resume { accept, note }).claim();
        assert_eq!(story.session(), Some("one"));
        assert_eq!(story.effects, [Effect::PrepareWorktree, Effect::StartAgent]);
    }
    // The person is quick, and the step is not.
    let mut story = at_work();
    story.hears(Event::Pause).resume(false).gone("one").claim();
    assert_eq!(story.session(), Some("one"));
}

#[test]
fn a_lost_step_is_started_again_in_its_session() {
    let mut story = at_work();
    story.lost("one");
    assert_eq!(story.session(), Some("one"));
    assert_eq!(story.effects, [Effect::PrepareWorktree, Effect::StartAgent]);
    assert_eq!(story.facts.usage.input_tokens, 10, "what it used counts");
}

#[test]
fn a_new_iteration_and_the_review_begin_afresh() {
    let mut story = at_work();
    story.crashes("one").is_due();
    story.agent(Agent::Finishes, false);
    assert_eq!(story.effects, [Effect::StartReview]);
    assert_eq!(story.session(), None, "the reviewer is somebody else");
    story.reviewed(Review::Limited).claim();
    assert_eq!(story.session(), Some("s"));
    story.reviewed(Review::Rejects).checks(true);
    story.facts.plan = answers::plan(0, 0);
    story.judged(false);
    assert_eq!((story.facts.iteration, story.session()), (2, None));
}

#[test]
fn work_of_a_crashed_agent_is_reviewed_by_somebody_else() {
    let mut story = at_work();
    let generation = story.facts.generation;
    let mut report = Agent::CrashesWithWork.report("t1", story.facts.plan, false);
    report.session = Some("one".to_owned());
    story.hears(Event::AgentDone { generation, report });
    assert_eq!(story.effects, [Effect::StartReview]);
    assert_eq!(story.session(), None);
}

#[test]
fn a_review_without_a_verdict_is_asked_for_it_once_in_its_session() {
    let mut story = at_work();
    story.agent(Agent::Finishes, false);
    story.reviewed(Review::SaysNothing).is_due();
    assert_eq!(story.session(), Some("s"));
    story.reviewed(Review::SaysNothing).is_due();
    assert_eq!(story.session(), None);
}

#[test]
fn another_agent_begins_afresh_and_so_does_the_first_one_after_it() {
    let mut story = Story::new(Terms {
        on_usage_limit: OnUsageLimit::Fallback,
        fallback_agent: Some("other".to_owned()),
        ..terms()
    });
    story.claim().ends(LIMITED, "one", None);
    assert!(story.facts.on_fallback);
    assert_eq!(story.session(), None);
    story.ends(LIMITED, "of the other", None);
    assert_eq!(story.state, State::Queued);
    story.claim();
    assert!(!story.facts.on_fallback);
    assert_eq!(story.session(), None);
}

#[test]
fn what_a_person_had_to_look_at_begins_afresh() {
    let mut story = at_work();
    let generation = story.facts.generation;
    let mut report = Agent::Crashes.report("t1", story.facts.plan, true);
    report.session = Some("one".to_owned());
    story.hears(Event::AgentDone { generation, report });
    assert_eq!(story.held_for(), Some("plan_tampered"));
    story.resume(true).claim();
    assert_eq!(story.session(), None);
}

#[test]
fn a_run_that_is_started_anew_wants_nothing_of_the_step_before() {
    let merge_strategy: Option<MergeStrategy> = None;
    let mut story = at_work();
    story.hears(Event::Cancel).gone("one");
    story.hears(Event::Retry { merge_strategy });
    assert_eq!(story.session(), None);
    // The same, with a step that takes its time to be gone.
    let mut story = at_work();
    story.hears(Event::Cancel);
    story.hears(Event::Retry { merge_strategy }).gone("one");
    assert_eq!(story.session(), None);
    assert_eq!(story.facts.usage, Totals::default(), "budgets are fresh");
}

#[test]
fn a_refused_session_costs_no_try_and_is_not_asked_for_again() {
    for refusal in [ResultClass::SessionGone, ResultClass::Refused] {
        let mut story = at_work();
        story.crashes("one").is_due();
        story.ends(refusal.clone(), "one", None);
        assert_eq!((story.state, story.facts.attempt), (State::Running, 1));
        assert_eq!(story.effects, [Effect::StartAgent], "{refusal:?}");
        assert_eq!(story.session(), None);
    }
    // Who was asked to go on with nothing cannot blame a session.
    let mut story = at_work();
    story.ends(ResultClass::SessionGone, "one", None);
    assert_eq!(story.effects, []);
    assert_eq!(story.facts.attempt, 1);
    let mut story = at_work();
    story.ends(ResultClass::Refused, "one", None);
    assert_eq!(story.state, State::Failed);
    // A review likewise.
    let mut story = at_work();
    story.agent(Agent::Finishes, false);
    story.reviewed(Review::SaysNothing).is_due();
    story.reviewed(Review::Estranged);
    assert_eq!(story.effects, [Effect::StartReview]);
    assert_eq!((story.facts.attempt, story.session()), (1, None));
}

#[test]
fn what_counts_from_the_start_of_a_session_is_counted_once() {
    let mut story = at_work();
    story.ends(LIMITED, "one", Some(100)).claim();
    assert_eq!(story.facts.usage.input_tokens, 100);
    story.ends(LIMITED, "one", Some(130)).claim();
    assert_eq!(story.facts.usage.input_tokens, 130);
    // A fresh session counts from its own start.
    story.ends(ResultClass::Crashed, "one", Some(150)).is_due();
    story.ends(LIMITED, "two", Some(20));
    assert_eq!(story.facts.usage.input_tokens, 170);
}
