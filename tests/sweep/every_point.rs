//! A daemon in this process dies at every point of every story. In chains, one story is played by a row of lives, each of
//! which dies as soon as it gets anywhere: so every commit and every effect is somebody's death, nearly always while the
//! death before is being recovered from, at a cost that grows with the points and not with their square. Each point on
//! its own, all changes outside included, is `real`'s business.

use agent_loop::crash::{CrashPoint, Death, Place};

use super::life::{Passed, Story, Where, play};
use super::outcome::Outcome;
use super::scenario::{self, Scenario};
use super::scene::Scene;

fn quit(place: Place, nth: u64) -> CrashPoint {
    CrashPoint {
        place,
        name: None,
        nth,
        death: Death::Quit,
    }
}

/// The story without a death.
pub async fn undisturbed(scenario: &'static Scenario) -> (Outcome, Passed) {
    let scene = Scene::new(scenario);
    let story = play(Where::Inside, &scene, |_, _| None).await;
    assert_eq!(story.wrong, [] as [String; 0], "{}", scenario.name);
    (story.outcome, story.passed)
}

/// What is wrong with a story, compared with the undisturbed one; and, if anything is, what is stored of it.
pub fn wrong(story: &Story, undisturbed: &Outcome) -> Vec<String> {
    let mut wrong = story.wrong.clone();
    if wrong.is_empty() {
        wrong.extend(undisturbed.differs(&story.outcome));
    }
    if let Some(last) = wrong.last_mut() {
        last.push_str(&format!("\nwhat is stored of it:{}", story.told));
    }
    wrong
}

/// Each life dies at the first passing of the place; where lives get nowhere by that, the next one dies one passing
/// later, until something that is stored has changed. Ends with a life that has nothing left to pass.
async fn chain(scenario: &'static Scenario, undisturbed: &Outcome, place: Place) -> usize {
    let scene = Scene::new(scenario);
    let story = play(Where::Inside, &scene, |_, unchanged| {
        Some(quit(place, 1 + unchanged))
    })
    .await;
    let wrong = wrong(&story, undisturbed);
    assert!(
        wrong.is_empty(),
        "{}, each life dies {}; {} deaths\n{}",
        scenario.name,
        place.as_str(),
        story.deaths,
        wrong.join("\n")
    );
    story.deaths
}

async fn every_point(scenario: &'static Scenario) {
    let (outcome, passed) = undisturbed(scenario).await;
    for place in Place::ALL {
        let here = passed.iter().filter(|((at, _), _)| *at == place);
        let points: u64 = here.map(|(_, n)| n).sum();
        let deaths = chain(scenario, &outcome, place).await;
        let (name, place) = (scenario.name, place.as_str());
        eprintln!("{name}, {place}: {points} points, {deaths} deaths");
        // A change outside that a dead life made is not made again by the next one, which so gets past it unharmed.
        let least = match place {
            "calling" | "called" => points * 3 / 4,
            _ => points,
        };
        assert!(
            deaths as u64 >= least,
            "{name}, {place}: {deaths} of {points}"
        );
    }
}

#[tokio::test]
async fn an_eventful_run_survives_a_death_at_every_point() {
    every_point(&scenario::EVENTFUL).await;
}

#[tokio::test]
async fn a_stuck_and_limited_run_survives_a_death_at_every_point() {
    every_point(&scenario::STUCK).await;
}

#[tokio::test]
async fn a_paused_run_survives_a_death_at_every_point() {
    every_point(&scenario::OPERATED).await;
}

#[tokio::test]
async fn a_conflict_survives_a_death_at_every_point() {
    every_point(&scenario::CONFLICT).await;
}

#[tokio::test]
async fn a_canceled_run_and_the_next_one_survive_a_death_at_every_point() {
    every_point(&scenario::CANCELED).await;
}

#[tokio::test]
async fn runs_that_a_person_hands_over_survive_a_death_at_every_point() {
    every_point(&scenario::HANDED_OVER).await;
}

#[tokio::test]
async fn runs_that_are_cleaned_up_survive_a_death_at_every_point() {
    every_point(&scenario::CLEANED_UP).await;
}

#[tokio::test]
async fn the_analyses_of_a_run_survive_a_death_at_every_point() {
    every_point(&scenario::EXPLAINED).await;
}
