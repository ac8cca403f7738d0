//! Playing a story: one life after the other until everything is at rest, with the person's part in between. What a
//! daemon is, in this process or outside, is in `mortal`.

use agent_loop::core::machine::Kind;
use agent_loop::core::run::RunId;
use agent_loop::crash::CrashPoint;
use agent_loop::store::{self, Reader, StoredHandover, StoredRun};

use super::mortal::{DIED_EARLY, Daemon, Dead, Passed, Where};
use super::outcome::{self, Outcome};
use super::scenario::Seen;
use super::scene::Scene;
use crate::support::PATIENCE;

/// What became of a story.
pub struct Story {
    /// Deaths at their points, each proved: by what name each was passed.
    pub deaths: Vec<String>,
    pub outcome: Outcome,
    /// What the last life passed.
    pub passed: Passed,
    /// What must never happen, and did.
    pub wrong: Vec<String>,
    /// All that was stored of it, in words: why it came out as it did.
    pub told: String,
}

/// More lives than any story has points.
const LIVES: usize = 2000;

/// Plays the story. `point` says where a life (from 0) ends, given how many lives it is since anything that is stored
/// has changed; once it says nowhere, the story is played to its end.
pub async fn play(
    kind: Where,
    scene: &Scene,
    point: impl Fn(usize, u64) -> Option<CrashPoint>,
) -> Story {
    let mut runs: Vec<Option<RunId>> = vec![None; scene.scenario.scripts.len()];
    let (mut deaths, mut wrong) = (Vec::new(), Vec::new());
    let (mut stored, mut unchanged) = (None, 0);
    for life in 0..LIVES {
        let at = point(life, unchanged);
        let ended = live(kind, scene, at.as_ref(), &mut runs).await;
        let place = at.map_or_else(|| "to the end".to_owned(), |it| it.to_string());
        if let Life::Died(name) = &ended {
            deaths.push(name.clone());
        }
        // A daemon that died before its first commit may have left no database.
        let reader = store::open_reading(&scene.data(), store::Options::default());
        if let Ok(reader) = &reader {
            let found = outcome::wrong_at_death(scene, reader).await;
            wrong.extend(
                found
                    .into_iter()
                    .map(|it| format!("life {life}, {place}: {it}")),
            );
            let now = outcome::stored(reader).await;
            unchanged = if stored == Some(now) {
                unchanged + 1
            } else {
                0
            };
            stored = Some(now);
        } else {
            unchanged += 1;
        }
        match (ended, reader) {
            (Life::Rested(passed), Ok(reader)) => {
                let told = stories(scene, &reader, &runs).await;
                let runs: Vec<RunId> = runs.into_iter().flatten().collect();
                wrong.extend(outcome::wrong_at_rest(scene, &reader, &runs).await);
                return Story {
                    deaths,
                    outcome: Outcome::of(scene, &reader, &runs).await,
                    passed,
                    wrong,
                    told,
                };
            }
            (Life::Stuck(why), _) => {
                wrong.push(format!("life {life}, {place}: {why}"));
                return Story {
                    deaths,
                    outcome: Outcome::default(),
                    passed: Passed::new(),
                    wrong,
                    told: String::new(),
                };
            }
            // Nothing gets better by further deaths.
            (Life::Died(_) | Life::Rested(_), reader) if !wrong.is_empty() => {
                let told = match &reader {
                    Ok(reader) => stories(scene, reader, &runs).await,
                    Err(error) => error.to_string(),
                };
                return Story {
                    deaths,
                    outcome: Outcome::default(),
                    passed: Passed::new(),
                    wrong,
                    told,
                };
            }
            (Life::Died(_) | Life::Rested(_), _) => {}
        }
    }
    panic!("no end after {LIVES} lives");
}

#[derive(Debug, PartialEq)]
enum Life {
    /// It died at its point, of this name.
    Died(String),
    /// Everything is at rest.
    Rested(Passed),
    /// Neither, for too long.
    Stuck(String),
}

async fn live(
    kind: Where,
    scene: &Scene,
    point: Option<&CrashPoint>,
    runs: &mut [Option<RunId>],
) -> Life {
    let mut daemon = match Daemon::start(kind, scene, point).await {
        Ok(daemon) => daemon,
        Err(Dead(why)) if why == DIED_EARLY => return Life::Died(why),
        Err(Dead(why)) => return Life::Stuck(why),
    };
    let mut grave = daemon.grave();
    let played = async {
        tokio::select! {
            rested = until_rest(&mut daemon, scene, runs) => rested,
            () = &mut grave => Err(Dead("it died".to_owned())),
        }
    };
    let said = match tokio::time::timeout(PATIENCE, played).await {
        Ok(Ok(())) => return Life::Rested(daemon.end().await.passed),
        Ok(Err(Dead(said))) => said,
        Err(_) => format!(
            "waited in vain{}",
            stories(scene, daemon.reader(), runs).await
        ),
    };
    // Whatever was refused, was refused by a dying daemon; else something is wrong.
    let moment = std::time::Duration::from_secs(10);
    let died = tokio::time::timeout(moment, daemon.grave()).await.is_ok();
    match daemon.end().await.at_point {
        Some(name) if died => Life::Died(name),
        Some(_) | None => Life::Stuck(said),
    }
}

/// The person's part: creates the runs, acts on what is stored, and waits until nothing is left to do.
async fn until_rest(
    daemon: &mut Daemon,
    scene: &Scene,
    runs: &mut [Option<RunId>],
) -> Result<(), Dead> {
    for (n, run) in runs.iter_mut().enumerate() {
        if run.is_none() {
            // Perhaps it is there already, and nobody lived to say so: then the key makes it the same one.
            *run = Some(daemon.create(scene, n).await?);
        }
    }
    let all: Vec<RunId> = runs.iter().flatten().cloned().collect();
    loop {
        let mut at_rest = true;
        for (n, id) in all.iter().enumerate() {
            let seen = Look::at(daemon.reader(), &all, n).await?;
            let wish = (scene.scenario.person)(scene, &seen.seen(n));
            if let Some(wish) = wish {
                daemon.operate(scene, id, wish).await?;
            }
            at_rest &= wish.is_none() && seen.rests(n);
        }
        if at_rest {
            return Ok(());
        }
        daemon.changed().await;
    }
}

/// What is stored, as a person finds it who looks at one of the runs.
struct Look {
    runs: Vec<StoredRun>,
    told: Vec<String>,
    handover: Option<StoredHandover>,
    pending: bool,
}

impl Look {
    async fn at(reader: &Reader, all: &[RunId], which: usize) -> Result<Look, Dead> {
        let readable = |error: store::StoreError| Dead(error.to_string());
        let mut runs = Vec::new();
        for (n, id) in all.iter().enumerate() {
            match reader.run(id).await.map_err(readable)? {
                Some(run) => runs.push(run),
                None => return Err(Dead(format!("run {n} is lost"))),
            }
        }
        let id = &all[which];
        let events = reader.events(Some(id), 0, 10_000).await.map_err(readable)?;
        let handover = reader.handover(id).await.map_err(readable)?;
        // Looked at last: what the end that is seen above has asked for is still there, or done.
        let effects = reader.pending_effects().await.map_err(readable)?;
        let handovers = reader.pending_handovers().await.map_err(readable)?;
        // What came to its end in between may be what a person waits for, and is not seen yet.
        let mut moved = false;
        for run in &runs {
            let now = reader.run(&run.id).await.map_err(readable)?;
            moved |= now.is_none_or(|now| now.rev != run.rev);
        }
        Ok(Look {
            runs,
            told: events.into_iter().map(|event| event.kind).collect(),
            handover,
            pending: moved || !(effects.is_empty() && handovers.is_empty()),
        })
    }

    fn seen(&self, which: usize) -> Seen<'_> {
        Seen {
            which,
            runs: &self.runs,
            told: &self.told,
            handover: self.handover.as_ref(),
            busy: self.pending,
        }
    }

    fn rests(&self, which: usize) -> bool {
        let run = &self.runs[which];
        let handed = self.handover.as_ref();
        run.state.kind() == Kind::Ended
            && run.facts.step.is_none()
            && handed.is_none_or(|it| it.state.kind() != Kind::Active)
            && !self.pending
    }
}

/// What is stored of the runs, and what their keepers wrote down: each on a line of its own.
async fn stories(scene: &Scene, reader: &Reader, runs: &[Option<RunId>]) -> String {
    let mut all = String::new();
    let cleaned = std::fs::read_to_string(scene.outside().join("gc.json")).unwrap_or_default();
    let effects = reader.pending_effects().await;
    let handovers = reader.pending_handovers().await;
    all.push_str(&format!(
        "\n  to do: {effects:?} {handovers:?}\n  cleaned up: {cleaned}"
    ));
    for id in runs.iter().flatten() {
        if let Ok(Some(run)) = reader.run(id).await {
            all.push_str(&format!("\n  {:?} {:?}", run.state, run.facts));
        }
        let events = reader.events(Some(id), 0, 10_000).await.unwrap_or_default();
        for event in events {
            all.push_str(&format!("\n  {} {}", event.kind, event.payload));
        }
        for step in reader.steps(id).await.unwrap_or_default() {
            let (name, facts) = (&step.id, &step.facts);
            all.push_str(&format!("\n  {name} {} {facts:?}", step.state));
            let dir = scene.data().join("runs").join(format!("run-{id}"));
            let dir = dir.join("steps").join(step.generation.to_string());
            for file in ["keeper.json", "exit.json", "keeper.log", "output", "stderr"] {
                if let Ok(bytes) = std::fs::read(dir.join(file)) {
                    let text = String::from_utf8_lossy(&bytes);
                    all.push_str(&format!("\n    {file}: {}", text.trim_end()));
                }
            }
        }
    }
    all
}
