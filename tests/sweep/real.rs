//! The real daemon dies: an abort or a SIGKILL at each kind of place, and, when it is asked for, at every point of every
//! story, each point a story of its own. The next life dies at its own recovery, too, in every second story.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent_loop::crash::{CrashPoint, Death, Place};

use super::every_point::wrong;
use super::life::play;
use super::mortal::Where;
use super::outcome::Outcome;
use super::scenario::{self, Scenario};
use super::scene::Scene;

fn point(place: Place, nth: u64, death: Death) -> CrashPoint {
    CrashPoint {
        place,
        name: None,
        nth,
        death,
    }
}

async fn undisturbed(scenario: &'static Scenario) -> Outcome {
    let scene = Scene::new(scenario);
    let story = play(Where::Outside, &scene, |_, _| None).await;
    assert_eq!(story.wrong, [] as [String; 0], "{}", scenario.name);
    story.outcome
}

/// The lives of one story die at these points, one after the other; deaths, and what is wrong.
async fn story(
    scenario: &'static Scenario,
    outcome: &Outcome,
    points: &[CrashPoint],
) -> (usize, Vec<String>) {
    let scene = Scene::new(scenario);
    let story = play(Where::Outside, &scene, |life, _| points.get(life).cloned()).await;
    let wrong = wrong(&story, outcome).into_iter();
    let at: Vec<String> = points.iter().map(CrashPoint::to_string).collect();
    let at = format!("{} {}", scenario.name, at.join(", then "));
    (
        story.deaths.len(),
        wrong.map(|it| format!("{at}: {it}")).collect(),
    )
}

async fn each_kind_of_point(death: Death) {
    let scenario = &scenario::OPERATED;
    let outcome = undisturbed(scenario).await;
    for place in Place::ALL {
        let at = point(place, 4, death);
        let (deaths, wrong) = story(scenario, &outcome, std::slice::from_ref(&at)).await;
        assert_eq!(wrong, [] as [String; 0]);
        assert_eq!(deaths, 1, "{at}");
    }
}

#[tokio::test]
async fn a_daemon_that_aborts_at_any_kind_of_point_changes_nothing() {
    each_kind_of_point(Death::Abort).await;
}

#[tokio::test]
async fn a_daemon_that_is_killed_at_any_kind_of_point_changes_nothing() {
    each_kind_of_point(Death::Kill).await;
}

/// The figures of the whole sweep.
#[derive(Default)]
struct Figures {
    points: AtomicUsize,
    deaths: AtomicUsize,
    violations: Mutex<Vec<String>>,
}

/// Where the nth story's second life dies: all places in turn, early in its recovery.
fn second(nth: u64) -> Option<CrashPoint> {
    let turn = usize::try_from(nth / 2).unwrap_or_default();
    let place = Place::ALL[turn % Place::ALL.len()];
    let death = if turn.is_multiple_of(4) {
        Death::Kill
    } else {
        Death::Abort
    };
    nth.is_multiple_of(2)
        .then(|| point(place, 1 + nth % 3, death))
}

/// A story may be a point shorter than the next one: so often none is met before there are no more.
const IN_VAIN: u32 = 3;

/// Every point of one place in one story, until no life comes to any more.
async fn sweep(scenario: &'static Scenario, outcome: &Outcome, place: Place, figures: &Figures) {
    let mut in_vain = 0;
    for nth in 1.. {
        let death = if nth % 3 == 0 {
            Death::Kill
        } else {
            Death::Abort
        };
        let first = point(place, nth, death);
        let points: Vec<CrashPoint> = [first].into_iter().chain(second(nth)).collect();
        let (deaths, wrong) = story(scenario, outcome, &points).await;
        if deaths == 0 && wrong.is_empty() {
            in_vain += 1;
            if in_vain == IN_VAIN {
                return;
            }
            continue;
        }
        in_vain = 0;
        figures.points.fetch_add(1, Ordering::Relaxed);
        figures.deaths.fetch_add(deaths, Ordering::Relaxed);
        for it in &wrong {
            eprintln!("VIOLATION {it}");
        }
        let mut all = figures.violations.lock().expect("nobody panicked");
        all.extend(wrong);
    }
}

/// One story again, by the words in which a violation tells of it: `LOOPD_SWEEP_AT="canceled before:3, then begun:2:kill"`.
#[tokio::test]
#[ignore = "plays what LOOPD_SWEEP_AT names; docs/promises.md says how"]
async fn one_story() {
    let told =
        std::env::var("LOOPD_SWEEP_AT").expect("LOOPD_SWEEP_AT names a story and its points");
    let named = scenario::ALL
        .into_iter()
        .find_map(|it| Some((it, told.strip_prefix(it.name)?.strip_prefix(' ')?)));
    let (scenario, points) = named.expect("a story's name, then its points");
    let points: Vec<CrashPoint> = points
        .split(", then ")
        .map(|it| it.parse().expect("a point, as src/crash reads it"))
        .collect();
    let outcome = undisturbed(scenario).await;
    let (deaths, wrong) = story(scenario, &outcome, &points).await;
    println!("crashes proved: {deaths}");
    assert_eq!(wrong, [] as [String; 0]);
}

/// A story that runs into a point that is not there ends undisturbed; that a life has died is proved for each by its own
/// words and the signal that ended it.
#[test]
#[ignore = "takes long; run it by name, as docs/promises.md says"]
fn every_point_of_every_story() {
    let figures = Figures::default();
    let work: Mutex<Vec<(&'static Scenario, Place)>> = Mutex::new(
        scenario::ALL
            .into_iter()
            .flat_map(|scenario| Place::ALL.map(|place| (scenario, place)))
            .collect(),
    );
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let runtime = runtime.expect("a runtime");
                loop {
                    let next = work.lock().expect("nobody panicked").pop();
                    let Some((scenario, place)) = next else {
                        return;
                    };
                    runtime.block_on(async {
                        let outcome = undisturbed(scenario).await;
                        let (points, deaths) = (
                            figures.points.load(Ordering::Relaxed),
                            figures.deaths.load(Ordering::Relaxed),
                        );
                        sweep(scenario, &outcome, place, &figures).await;
                        eprintln!(
                            "{} {}: done; {points} points and {deaths} deaths before",
                            scenario.name,
                            place.as_str()
                        );
                    });
                }
            });
        }
    });
    let violations = figures.violations.into_inner().expect("nobody panicked");
    println!(
        "points visited: {}\ncrashes proved: {}\nviolations: {}",
        figures.points.load(Ordering::Relaxed),
        figures.deaths.load(Ordering::Relaxed),
        violations.len()
    );
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}
