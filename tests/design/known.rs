//! What is known of a run beside its state: what a person reads, what the next prompt is told, and what of it a new start
//! forgets. How long a wait is and what is counted is in `figures`.

use agent_loop::core::run::{Effect, Event, Mode, Removal, Stage, State};
use agent_loop::core::watchdog::Signal;

use super::answers::{self, Agent};
use super::figures::at_work;
use super::scopes::terms;
use super::story::Story;

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
