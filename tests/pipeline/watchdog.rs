//! A stuck agent: a note, a rewritten prompt, another one, then a person. Whoever ticks a box starts the ladder anew.

use agent_loop::core::run::{Event, State};
use agent_loop::core::watchdog::Iteration;
use serde_json::json;

use super::{ONE_TASK, TWO_TASKS};
use crate::support::{House, Repository};

#[tokio::test]
async fn a_stuck_agent_is_noted_told_otherwise_twice_and_then_a_person_is_asked() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ say = "I am thinking about it." }]
        [[turn]]
        when = { prompt_contains = "try the other door" }
        steps = [{ tick = "next" }, { commit = "The other door" }, "complete"]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    let why = house.held(&id, "repeated_task").await;
    assert!(why.contains("no_progress, repeated_task"), "{why}");
    let prompts = house.prompts(&id, "implementation").await;
    assert_eq!(prompts.len(), 4);
    let no_progress = "ticked no box and made no commit";
    assert!(!prompts[0].contains(no_progress), "{}", prompts[0]);
    assert!(prompts[1].contains(no_progress), "{}", prompts[1]);
    assert!(prompts[2].contains("another way"), "{}", prompts[2]);
    assert!(prompts[3].contains("a fresh start"), "{}", prompts[3]);
    assert_eq!(house.file(&id, "prompt.rewrite.1.txt"), prompts[2]);
    assert_eq!(house.file(&id, "prompt.rewrite.2.txt"), prompts[3]);

    let rewrites = house.told(&id, "WATCHDOG_REWRITE").await;
    assert_eq!(rewrites.len(), 2);
    let after = rewrites[0]["prompt_after"].as_str().unwrap_or_default();
    assert!(after.ends_with("/prompt.rewrite.1.txt"), "{rewrites:?}");
    let before = rewrites[0]["prompt_before"].as_str().unwrap_or_default();
    assert!(std::fs::exists(before).unwrap_or_default(), "{before}");
    assert!(
        rewrites[0]["signal"]
            .as_str()
            .is_some_and(|s| s.contains("no_progress"))
    );
    let step = rewrites[0]["step_id"].as_str().unwrap_or_default();
    assert!(step.starts_with(&id.0), "{rewrites:?}");

    let note = Event::Resume {
        accept: false,
        note: Some("try the other door".to_owned()),
    };
    let _ = house.operate(&id, note).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    house.check().await;
}

#[tokio::test]
async fn a_ticked_box_starts_the_ladder_anew() {
    let repo = Repository::with_plan(TWO_TASKS);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ say = "Let me think." }]
        [[turn]]
        steps = [{ tick = "next" }, { commit = "One" }]
        [[turn]]
        steps = [{ say = "Let me think again." }]
        [[turn]]
        steps = [{ tick = "next" }, { commit = "Two" }, "complete"]
    "#;
    let id = house.create(&repo, Some(script), json!({})).await;
    house.rests(&id, State::Completed).await;
    assert!(house.told(&id, "WATCHDOG_REWRITE").await.is_empty());
}

#[tokio::test]
async fn iterations_are_limited() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ append = { path = "notes", text = "more\n" } }, { commit = "More" }]
    "#;
    let settings = json!({ "iterations": 2, "reviewer": false });
    let id = house.create(&repo, Some(script), settings).await;
    let why = house.failed(&id, "iterations_exhausted").await;
    assert!(why.contains("0 of 1 tasks done"), "{why}");
}

#[tokio::test]
async fn tokens_are_limited_and_added_up() {
    let repo = Repository::with_plan(TWO_TASKS);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ usage = { input_tokens = 400, output_tokens = 100, cost_usd = 0.25 } }, { tick = "next" }, { commit = "One" }]
    "#;
    let settings = json!({ "max_tokens": 501, "max_cost_usd": 0.5, "reviewer": false });
    let id = house.create(&repo, Some(script), settings).await;
    house.failed(&id, "max_tokens").await;
    let usage = house.run(&id).await.facts.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (800, 200));
    assert_eq!(usage.cost_micro_usd, Some(500_000));
}

#[tokio::test]
async fn what_each_iteration_changed_and_how_much_it_repeated_is_noted() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ say = "I look for it." }, { write = { path = "it", text = "it\n" } }, { commit = "Try" }]
        [[turn]]
        steps = [{ say = "I look for it." }, { sh = "git rm -q it" }, { commit = "Try" }]
        [[turn]]
        steps = [{ say = "Now for something else." }, { write = { path = "it", text = "it\n" } }, { commit = "Try" }]
        [[turn]]
        steps = [{ say = "I give in." }]
    "#;
    let settings = json!({ "iterations": 4, "reviewer": false });
    let id = house.create(&repo, Some(script), settings).await;
    house.failed(&id, "iterations_exhausted").await;
    let history = house.run(&id).await.facts.history;
    let [first, second, third, last] = &history[..] else {
        panic!("four iterations: {history:?}");
    };
    assert!(first.diff_id.is_some(), "{first:?}");
    assert!(second.diff_id.is_some(), "{second:?}");
    assert_ne!(first.diff_id, second.diff_id);
    assert_eq!(first.diff_id, third.diff_id, "the same change again");
    assert_eq!(last.diff_id, None, "nothing was changed");
    let alike = |it: &Iteration| it.output_similarity;
    assert_eq!(alike(first), None, "there was none before it");
    let [Some(second), Some(third)] = [alike(second), alike(third)] else {
        panic!("compared with the one before: {history:?}");
    };
    assert!(second > third, "{second} {third}");
}
