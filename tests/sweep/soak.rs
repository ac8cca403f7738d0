//! Random deaths and a restless person, for as long as one likes: SIGKILL of the real daemon, of keepers and of agents,
//! pauses, resumes, cancels and retries, at moments and in an order that a seed gives. Then everybody is left in peace,
//! the person lets go on what is held, and the same things have to hold as after every other death.
//!
//! The seed gives the choices and the waits between them; what they hit depends on how far the runs have come.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use agent_loop::core::machine::Kind;
use agent_loop::core::run::{RunId, State};
use agent_loop::effect::keeper::{self, Found};
use agent_loop::store;
use rustix::process::{Pid, Signal, kill_process};

use super::mortal::{Dead, Ended};
use super::outcome;
use super::outside::Outside;
use super::scenario::{PLAIN, Scenario, Wish};
use super::scene::Scene;
use crate::support::PATIENCE;

/// Three runs of two tasks, two at a time. What an agent does survives its being killed at any moment.
const RESTLESS: Scenario = Scenario {
    name: "restless",
    scripts: &[WORK, WORK, WORK],
    settings: || {
        serde_json::json!({
            "verify_cmds": ["../enter.sh check $$; sleep 0.1"],
            "agent_retries": 20,
        })
    },
    ends: &[],
    plan: "# Plan\n\n- [ ] first thing\n- [ ] second thing\n",
    slots: 2,
    ..PLAIN
};

const WORK: &str = r#"
    [[turn]]
    steps = [{ sh = "../enter.sh implement $PPID; sleep 0.2; ../work.sh" }, "complete"]
    [[turn]]
    role = "review"
    steps = [{ sh = "../enter.sh review $PPID" }, { verdict = { approved = true } }]
"#;

/// Does the next task, whatever an agent before has left.
const DO: &str = r#"#!/bin/sh
plan=specs/planning/thing-plan.md
rm -f "$(git rev-parse --git-path index.lock)"
task=$(grep -m 1 -n '^- \[ \]' $plan | cut -d : -f 1)
[ -z "$task" ] || sed -i "${task}s/\[ \]/[x]/" $plan
echo "$task" >> "by-$(basename "$PWD")"
git add --all && git commit --quiet --message "Task $task" && git rev-parse HEAD >> ../commits
exit 0
"#;

/// Numbers from a seed (SplitMix64): small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Act {
    KillDaemon,
    EndDaemon,
    KillKeeper,
    KillAgent,
    KillBoth,
    Ask(Wish),
}

const ACTS: [Act; 12] = [
    Act::KillDaemon,
    Act::KillDaemon,
    Act::KillDaemon,
    Act::EndDaemon,
    Act::KillKeeper,
    Act::KillAgent,
    Act::KillBoth,
    Act::Ask(Wish::Pause),
    Act::Ask(Wish::Resume),
    Act::Ask(Wish::Resume),
    Act::Ask(Wish::Cancel),
    Act::Ask(Wish::Retry),
];

#[derive(Default)]
struct Figures {
    rounds: usize,
    deaths: usize,
    keepers: usize,
    agents: usize,
    asked: usize,
    violations: Vec<String>,
}

#[tokio::test]
#[ignore = "takes as long as it is told; run it by name, as docs/promises.md says"]
async fn restless() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|it| it.parse::<u64>().expect("a number"))
    };
    let seed = number("LOOPD_SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let until = Instant::now() + Duration::from_secs(number("LOOPD_SOAK_SEC").unwrap_or(60));
    let mut figures = Figures::default();
    while Instant::now() < until && figures.violations.is_empty() {
        let seed = seed + figures.rounds as u64;
        println!("round {}, seed {seed}", figures.rounds);
        round(seed, &mut figures).await;
        figures.rounds += 1;
    }
    println!(
        "rounds: {}\ndaemons killed: {}\nkeepers killed: {}\nagents killed: {}\ncommands: {}\nviolations: {}",
        figures.rounds,
        figures.deaths,
        figures.keepers,
        figures.agents,
        figures.asked,
        figures.violations.len()
    );
    assert!(
        figures.violations.is_empty(),
        "{}",
        figures.violations.join("\n")
    );
}

async fn start(scene: &Scene) -> Outside {
    match Outside::start(scene, None).await {
        Ok(daemon) => daemon,
        Err(Dead(why)) => panic!("{why}"),
    }
}

async fn round(seed: u64, figures: &mut Figures) {
    let scene = Scene::new(&RESTLESS);
    scene.script("work.sh", DO);
    let mut dice = Dice(seed);
    let mut daemon = start(&scene).await;
    let mut runs = Vec::new();
    for n in 0..scene.scenario.scripts.len() {
        match daemon.create(&scene, n).await {
            Ok(id) => runs.push(id),
            Err(Dead(why)) => panic!("{why}"),
        }
    }
    let acts = 20 + dice.below(20);
    for _ in 0..acts {
        tokio::time::sleep(Duration::from_millis(dice.below(600))).await;
        let act = ACTS[usize::try_from(dice.below(ACTS.len() as u64)).unwrap_or_default()];
        let which = dice.below(1 << 16);
        match act {
            Act::KillDaemon => {
                figures.deaths += 1;
                daemon.kill().await;
                if let Ok(reader) = store::open_reading(&scene.data(), store::Options::default()) {
                    let found = outcome::wrong_at_death(&scene, &reader).await;
                    figures
                        .violations
                        .extend(found.into_iter().map(|it| format!("seed {seed}: {it}")));
                }
                daemon = start(&scene).await;
            }
            Act::EndDaemon => {
                let Ended { .. } = daemon.end().await;
                daemon = start(&scene).await;
            }
            Act::KillKeeper => figures.keepers += usize::from(kill(&scene, which, true, false)),
            Act::KillAgent => figures.agents += usize::from(kill(&scene, which, false, true)),
            Act::KillBoth => {
                let hit = usize::from(kill(&scene, which, true, true));
                figures.keepers += hit;
                figures.agents += hit;
            }
            Act::Ask(wish) => {
                let at = usize::try_from(which).unwrap_or_default() % runs.len();
                figures.asked += 1;
                if let Err(Dead(why)) = daemon.operate(&runs[at], wish).await {
                    figures.violations.push(format!(
                        "seed {seed}: {} was answered: {why}",
                        wish.as_str()
                    ));
                }
            }
        }
    }
    let rest = tokio::time::timeout(PATIENCE * 2, in_peace(&daemon, &runs)).await;
    let mut wrong = Vec::new();
    if rest.is_err() {
        wrong.push("it does not come to rest".to_owned());
        for id in &runs {
            let run = daemon.run(id).await;
            wrong.push(format!(
                "{:?}",
                (run.state, run.facts.hold, run.facts.failure, run.facts.step)
            ));
        }
    }
    let reader = store::open_reading(&scene.data(), store::Options::default()).expect("a store");
    wrong.extend(outcome::wrong_at_rest(&scene, &reader, &runs).await);
    wrong.extend(merged(&scene, &reader, &runs).await);
    daemon.end().await;
    if !wrong.is_empty() {
        println!(
            "seed {seed}: everything of it is kept in {}",
            scene.keep().display()
        );
    }
    figures
        .violations
        .extend(wrong.into_iter().map(|it| format!("seed {seed}: {it}")));
}

/// The person lets go on what is held and tries again what has failed, until all is over.
async fn in_peace(daemon: &Outside, runs: &[RunId]) {
    loop {
        let mut over = true;
        for id in runs {
            let run = daemon.run(id).await;
            let wish = match run.state {
                State::Paused => Some(Wish::Resume),
                State::Failed => Some(Wish::Retry),
                State::Queued
                | State::Running
                | State::Verifying
                | State::Watchdog
                | State::Merging
                | State::Completed
                | State::Canceled => None,
            };
            if let Some(wish) = wish {
                let _ = daemon.operate(id, wish).await;
            }
            let pending = daemon.reader().pending_effects().await.expect("readable");
            over &= matches!(run.state, State::Completed | State::Canceled)
                && run.state.kind() == Kind::Ended
                && run.facts.step.is_none()
                && pending.is_empty();
        }
        if over {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One commit on the target for each completed run, and none for the others.
async fn merged(scene: &Scene, reader: &store::Reader, runs: &[RunId]) -> Vec<String> {
    let mut wrong = Vec::new();
    for id in runs {
        let run = reader.run(id).await.expect("readable").expect("a run");
        let grep = format!("--grep=Loopd-Run: {id}");
        let found = scene.repo.git(&[
            "log",
            "--first-parent",
            "--format=%H",
            &grep,
            scene.scenario.target,
        ]);
        let wanted = usize::from(run.state == State::Completed);
        if found.lines().count() != wanted {
            wrong.push(format!(
                "{id} is {} and has {found:?} on the target",
                run.state
            ));
        }
    }
    wrong
}

/// Kills one of the keepers that are alive, its agent, or both; false where nobody is.
fn kill(scene: &Scene, which: u64, keeper: bool, agent: bool) -> bool {
    let alive: Vec<i32> = steps(scene)
        .into_iter()
        .filter_map(|dir| match keeper::find(&dir) {
            Ok(Found::Alive(handle)) => handle.record().map(|record| record.identity.pid),
            Ok(Found::NotStarted | Found::Exited(_) | Found::Lost) | Err(_) => None,
        })
        .collect();
    let at = usize::try_from(which).unwrap_or_default();
    let Some(pid) = alive.get(at.checked_rem(alive.len()).unwrap_or_default()) else {
        return false;
    };
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let child = children
        .unwrap_or_default()
        .split(' ')
        .next()
        .and_then(|it| it.parse().ok());
    let mut hit = false;
    for (wanted, pid) in [(keeper, Some(*pid)), (agent, child)] {
        if let Some(pid) = pid.filter(|_| wanted).and_then(Pid::from_raw) {
            hit |= kill_process(pid, Signal::KILL).is_ok();
        }
    }
    hit
}

fn steps(scene: &Scene) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let list = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten();
    for run in list(scene.data().join("runs")) {
        found.extend(list(run.path().join("steps")).map(|step| step.path()));
    }
    found.sort();
    found
}
