//! A daemon in this process dies at every point of every story. In chains, one story is played by a row of lives, each of
//! which dies as soon as it gets anywhere: so every commit and every effect is somebody's death, nearly always while the
//! death before is being recovered from, at a cost that grows with the points and not with their square. What no chain
//! dies of often enough is played by itself. Each point on its own, in a real process, is `real`'s business.

use agent_loop::crash::{CrashPoint, Death, Place};

use super::life::{Story, play};
use super::mortal::Where;
use super::outcome::{Outcome, UNLIKE};
use super::scenario::{self, Scenario};
use super::scene::Scene;

fn quit(place: Place, name: Option<&str>, nth: u64) -> CrashPoint {
    CrashPoint {
        place,
        name: name.map(str::to_owned),
        nth,
        death: Death::Quit,
    }
}

/// The story without a death.
pub async fn undisturbed(scenario: &'static Scenario) -> Story {
    let scene = Scene::new(scenario);
    let story = play(Where::Inside, &scene, |_, _| None).await;
    assert_eq!(story.wrong, [] as [String; 0], "{}", scenario.name);
    let unlike = story.outcome.0.iter().filter(|it| it.contains(UNLIKE));
    assert_eq!(unlike.count(), 0, "{}: {:?}", scenario.name, story.outcome);
    story
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

/// Plays a story that must come out as the undisturbed one; by what names its lives passed when they died.
async fn deaths(
    scenario: &'static Scenario,
    undisturbed: &Outcome,
    how: &str,
    point: impl Fn(usize, u64) -> Option<CrashPoint>,
) -> Vec<String> {
    let scene = Scene::new(scenario);
    let story = play(Where::Inside, &scene, point).await;
    let wrong = wrong(&story, undisturbed);
    assert!(
        wrong.is_empty(),
        "{}, {how}; {} deaths\n{}",
        scenario.name,
        story.deaths.len(),
        wrong.join("\n")
    );
    story.deaths
}

/// Each life dies at the first passing of the place; where lives get nowhere by that, the next one dies one passing
/// later, until something that is stored has changed. Ends with a life that has nothing left to pass.
async fn chain(scenario: &'static Scenario, outcome: &Outcome, place: Place) -> Vec<String> {
    let how = format!("each life dies {}", place.as_str());
    let point = |_, unchanged| Some(quit(place, None, 1 + unchanged));
    deaths(scenario, outcome, &how, point).await
}

/// Between the writes of a row of the report, which are the same for each row: one death of each kind is enough here.
const TOLD: [&str; 3] = ["note", "row", "log"];

async fn every_point(scenario: &'static Scenario) {
    let Story {
        outcome, passed, ..
    } = undisturbed(scenario).await;
    for place in Place::ALL {
        let died =
            |chained: &[String], name: &str| chained.iter().filter(|it| *it == name).count() as u64;
        let chained = chain(scenario, &outcome, place).await;
        let here = passed.iter().filter(|((at, _), _)| *at == place);
        let (mut points, mut alone) = (0, 0);
        for ((_, name), times) in here {
            points += times;
            let least = if TOLD.contains(&name.as_str()) {
                1
            } else {
                *times
            };
            if died(&chained, name) >= least {
                continue;
            }
            // A change outside that a dead life made is not made again by the next one, which so gets past it unharmed:
            // each death there is a story of its own.
            for nth in 1..=least {
                let point = quit(place, Some(name), nth);
                let at = |life, _| (life == 0).then(|| point.clone());
                let died = deaths(scenario, &outcome, &point.to_string(), at).await;
                assert_eq!(died, [name.as_str()], "{}, {point}", scenario.name);
                alone += 1;
            }
        }
        eprintln!(
            "{}, {}: {points} points, {} deaths in a row, {alone} alone",
            scenario.name,
            place.as_str(),
            chained.len()
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
