//! What the design check has found, each as the plain story that a person would tell. They are the rules of today; each
//! failed when it was written.

use agent_loop::core::machine::Outcome;
use agent_loop::core::run::{self, Effect, Event, ResultClass, Stage, State, Terms, TroubleKind};

use super::answers::{self, Agent};
use super::scopes::terms;
use super::story::{NOW, Story};

fn limited_to(iterations: u32) -> Terms {
    let mut terms = terms();
    terms.limits.iterations = iterations;
    terms
}

#[test]
fn a_conflict_in_the_last_iteration_asks_a_person_instead_of_beginning_one_more() {
    let mut story = Story::new(limited_to(1));
    story.merges().conflict();
    assert_eq!(
        (story.state, story.held_for()),
        (State::Paused, Some("merge_conflict"))
    );
    // The person has merged by hand: what stands is proved again, within the same iteration.
    story.resume(false).claim().checks(true).judged(false);
    assert_eq!((story.state, story.facts.iteration), (State::Merging, 1));
}

#[test]
fn a_resume_at_the_limit_weighs_again_what_stands() {
    let mut story = Story::new(limited_to(1));
    story
        .claim()
        .agent(Agent::Works, false)
        .checks(true)
        .judged(true);
    assert_eq!(story.held_for(), Some("plan_tampered"));
    story.resume(true);
    assert_eq!(
        (story.facts.iteration, story.facts.stage),
        (1, Stage::Verify)
    );
    story.claim().checks(true).judged(true);
    let failure = story.facts.failure.as_ref().map(|it| it.code.as_str());
    assert_eq!(failure, Some("iterations_exhausted"));
}

#[test]
fn a_limit_that_was_over_in_the_past_is_waited_for_longer_each_time() {
    let mut story = Story::new(terms());
    let mut waits = Vec::new();
    for _ in 0..4 {
        story.claim().agent(Agent::LimitedInThePast, false);
        let wait = story.facts.wait.as_ref().map(|it| it.until.ms_since(NOW));
        waits.extend(wait);
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000]);
}

#[test]
fn a_disk_that_stays_full_uses_up_no_patience_with_other_trouble() {
    let mut story = Story::new(terms());
    for _ in 0..10 {
        story.claim().trouble(TroubleKind::NoSpace);
        assert_eq!(story.state, State::Queued);
    }
    story.claim().trouble(TroubleKind::Transient);
    assert_eq!(
        (story.state, story.facts.due.is_some()),
        (State::Running, true)
    );
}

#[test]
fn tampering_that_was_taken_back_holds_nobody() {
    let mut story = Story::new(terms());
    story.claim().agent(Agent::Tampers, true);
    assert_eq!(story.held_for(), Some("plan_tampered"));
    // The person has restored the plan on the branch and accepts nothing.
    story.resume(false).claim().agent(Agent::Finishes, false);
    assert_eq!(story.state, State::Verifying);
    story.checks(true).judged(false);
    assert_eq!(story.state, State::Merging);
}

#[test]
fn checks_that_fail_again_in_the_same_iteration_count_once() {
    let mut story = Story::new(terms());
    story.claim().agent(Agent::Finishes, false);
    for _ in 0..5 {
        story.checks(false).trouble(TroubleKind::NoSpace).claim();
    }
    assert_eq!(story.facts.verification_failures, 1);
}

#[test]
fn a_run_branch_that_keeps_moving_asks_a_person_in_the_end() {
    let mut story = Story::new(terms());
    story.merges();
    for _ in 0..5 {
        let generation = story.facts.generation;
        story.hears(Event::BranchMoved { generation });
        assert_eq!(story.state, State::Verifying);
        story.checks(true).judged(false);
    }
    let generation = story.facts.generation;
    story.hears(Event::BranchMoved { generation });
    assert_eq!(
        (story.state, story.held_for()),
        (State::Paused, Some("target_busy"))
    );
}

/// Two iterations without anything, and the third prompt is to be rewritten.
fn to_be_rewritten() -> Story {
    let mut story = Story::new(limited_to(9));
    story.claim();
    while !story.effects.contains(&Effect::RewritePrompt) {
        story
            .agent(Agent::Nothing, false)
            .checks(true)
            .judged(false);
    }
    assert!(story.facts.current.rewrite.is_some());
    story
}

#[test]
fn a_rewritten_prompt_that_may_not_exist_is_not_waited_for() {
    let mut story = to_be_rewritten();
    story.trouble(TroubleKind::Transient);
    assert_eq!(story.facts.current.rewrite, None, "after trouble");
    let mut story = to_be_rewritten();
    story.hears(Event::Pause).resume(false);
    assert_eq!(story.facts.current.rewrite, None, "after a pause");
}

#[test]
fn a_crash_after_a_wait_counts_with_the_tries_before_it() {
    let mut story = Story::new(terms());
    story.claim().agent(Agent::Crashes, false);
    assert_eq!((story.state, story.facts.attempt), (State::Running, 1));
    let generation = story.facts.generation;
    story
        .hears(Event::RetryDue { generation })
        .agent(Agent::Crashes, false);
    assert_eq!(story.state, State::Failed);
    assert_eq!(story.facts.last_result, Some(ResultClass::Crashed));
}

#[test]
fn a_complete_plan_that_was_never_reviewed_is_reviewed_even_without_a_commit() {
    let mut story = Story::new(Terms {
        reviewer: true,
        ..terms()
    });
    story.facts.plan = answers::plan(1, 0);
    story.claim().agent(Agent::Says, false);
    assert_eq!(story.effects, [Effect::StartReview]);
}

#[test]
fn a_reset_forgets_the_stage_while_the_old_step_still_holds_its_slot() {
    let mut story = Story::new(terms());
    story.claim().agent(Agent::Finishes, false);
    let live = story.facts.step.clone();
    story.hears(Event::Pause).hears(Event::Reset);
    assert_eq!(
        (story.facts.stage, &story.facts.step),
        (Stage::Implement, &live)
    );
    let step = live.map_or(0, |it| it.generation);
    story.hears(Event::StepGone { step, left: None }).claim();
    assert_eq!(story.effects, [Effect::PrepareWorktree, Effect::StartAgent]);
}

#[test]
fn a_worktree_that_is_ready_after_the_cancel_is_made_sure_of_by_the_retry() {
    let mut story = Story::new(terms());
    story.claim();
    let (generation, worktree) = (story.facts.generation, answers::worktree());
    story.hears(Event::Cancel);
    let late = Event::WorktreeReady {
        generation,
        worktree,
    };
    let answer = run::step(story.state, &story.facts, &late, NOW);
    assert!(matches!(answer, Outcome::Ignored(_)), "{answer:?}");
    let merge_strategy = None;
    story.hears(Event::Retry { merge_strategy });
    story
        .hears(Event::StepGone {
            step: generation,
            left: None,
        })
        .claim();
    assert_eq!(story.effects, [Effect::PrepareWorktree, Effect::StartAgent]);
}
