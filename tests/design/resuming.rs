//! Where a run goes on that a person lets go on, and what that person has agreed to: only what was asked, and no more.

use agent_loop::core::run::{Event, MergeStrategy, Mode, Stage, State, Terms, TroubleKind};
use agent_loop::core::watchdog::Limits;

use super::answers::Agent;
use super::scopes::terms;
use super::story::Story;

fn roomy() -> Terms {
    Terms {
        limits: Limits {
            iterations: 9,
            ..terms().limits
        },
        ..terms()
    }
}

/// Its first iteration was weighed, and a task has vanished from the plan.
fn held(agent: Agent, passed: bool) -> Story {
    let mut story = Story::new(roomy());
    story
        .claim()
        .agent(agent, false)
        .checks(passed)
        .judged(true);
    assert_eq!(story.held_for(), Some("plan_tampered"));
    story
}

#[test]
fn what_was_proved_but_for_the_hold_is_proved_again_and_everything_else_is_worked_on() {
    for (agent, passed, iteration, stage) in [
        (Agent::Finishes, true, 1, Stage::Verify),
        // Nobody has said that it is complete.
        (Agent::FinishesSilently, true, 2, Stage::Implement),
        (Agent::Finishes, false, 2, Stage::Implement),
        // A box is open, whatever was said.
        (Agent::Says, true, 2, Stage::Implement),
        (Agent::Works, true, 2, Stage::Implement),
    ] {
        let mut story = held(agent, passed);
        story.resume(true);
        assert_eq!(story.state, State::Queued, "{agent:?}");
        let went = (story.facts.iteration, story.facts.stage);
        assert_eq!(went, (iteration, stage), "{agent:?}, checks: {passed}");
    }
}

#[test]
fn a_tampered_plan_is_accepted_by_whoever_says_so_and_stays_accepted() {
    let mut story = held(Agent::Works, true);
    story.resume(false);
    assert_eq!(story.facts.accepted, None);

    let mut story = held(Agent::Works, true);
    story.resume(true);
    let accepted = story.facts.accepted.clone();
    assert!(accepted.is_some());
    story.claim().trouble(TroubleKind::NeedsPerson);
    assert_eq!(story.state, State::Paused);
    assert_eq!(story.facts.current.tampered, None, "nothing is asked now");
    story.resume(true);
    assert_eq!(story.facts.accepted, accepted);
}

#[test]
fn a_completed_run_that_is_to_merge_has_all_but_its_checks_behind_it() {
    let mut story = Story::new(Terms {
        merge_strategy: MergeStrategy::None,
        ..roomy()
    });
    story
        .claim()
        .agent(Agent::Works, false)
        .checks(true)
        .judged(false)
        .agent(Agent::Finishes, false)
        .checks(true)
        .judged(false);
    assert_eq!(story.state, State::Completed);
    let (done, ticket) = (story.facts.current.clone(), story.facts.ticket);
    assert_eq!(done.record.number, 2);
    story.hears(Event::RetryMerge {
        merge_strategy: MergeStrategy::Squash,
    });
    assert_eq!(story.state, State::Queued);
    let facts = &story.facts;
    assert_eq!(facts.ticket, ticket + 1, "at the end of the queue");
    assert_eq!((facts.iteration, facts.stage), (1, Stage::Verify));
    let now = &facts.current;
    assert_eq!((now.record.number, now.record.claimed_complete), (1, true));
    assert_eq!((now.checked_tree.as_deref(), now.weighed), (None, false));
}

#[test]
fn an_iteration_begins_with_a_clean_record_and_what_was_told_to_the_one_before_is_not_told_again() {
    let mut story = Story::new(roomy());
    story.merges().conflict();
    assert_eq!(story.facts.notes.conflict, ["f"]);
    let before = story.facts.iteration;
    story
        .agent(Agent::FinishesSilently, false)
        .checks(true)
        .judged(false);
    let facts = &story.facts;
    assert_eq!((story.state, facts.iteration), (State::Running, before + 1));
    assert_eq!(facts.notes.conflict, [""; 0]);
    let now = &facts.current;
    assert_eq!((now.record.number, now.record.commits), (before + 1, 0));
    assert_eq!(
        (now.done_before, now.start_head.as_deref()),
        (1, Some("t1"))
    );

    let mut story = held(Agent::Works, true);
    let note = Some("mind the gap".to_owned());
    story.hears(Event::Resume { accept: true, note });
    assert_eq!(story.facts.notes.operator.as_deref(), Some("mind the gap"));
    story
        .claim()
        .agent(Agent::Works, false)
        .checks(true)
        .judged(false);
    assert_eq!(story.facts.notes.operator, None);
}

#[test]
fn who_does_the_work_and_never_says_so_is_asked_twice_and_then_a_person_is() {
    let mut story = Story::new(roomy());
    story.claim().agent(Agent::FinishesSilently, false);
    story.checks(true).judged(false);
    for _ in 0..2 {
        assert_eq!(
            (story.state, story.facts.mode),
            (State::Running, Mode::Confirm)
        );
        story
            .agent(Agent::Nothing, false)
            .checks(true)
            .judged(false);
    }
    assert_eq!(story.held_for(), Some("not_confirmed"));
}
