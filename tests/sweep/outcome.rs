//! What a story came to, and what must hold of it whoever died: at every death (the store as it was left), and at the
//! end.

use std::collections::BTreeSet;

use agent_loop::core::machine::Kind;
use agent_loop::core::run::RunId;
use agent_loop::store::{Filter, Reader};

use super::scene::Scene;
use crate::support::processes_of;

/// Said of a file that is not the same in both places; of none where nobody has died.
pub const UNLIKE: &str = "is not what its mirror is";

/// What a story came to, as far as it must not depend on who died on the way. Lines, so that a difference can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome(pub Vec<String>);

impl Outcome {
    /// Reads it when everything is at rest.
    pub async fn of(scene: &Scene, reader: &Reader, runs: &[RunId]) -> Outcome {
        let mut lines = Vec::new();
        for (n, id) in runs.iter().enumerate() {
            let run = reader.run(id).await.expect("readable").expect("a run");
            let facts = &run.facts;
            let mut say = |what: &str, text: String| lines.push(format!("run {n}: {what}: {text}"));
            say("name", run.name().to_owned());
            say("state", run.state.to_string());
            say("iteration", facts.iteration.to_string());
            say("plan", format!("{:?}", facts.plan));
            say("worktree removed", facts.worktree_removed.to_string());
            say(
                "lost, troubles",
                format!("{} {}", facts.lost, facts.troubles),
            );
            let events = reader.events(Some(id), 0, 10_000).await.expect("events");
            // A person may be faster than the next daemon is with its news of steps and of a worktree that went with its
            // run: those are compared by themselves.
            let mut steps = Vec::new();
            for event in &events {
                // Which gates hold a run is news, not history: a daemon that starts tells it anew.
                if event.kind.starts_with("STEP_") || event.kind == "WORKTREE_REMOVED" {
                    steps.push(event.kind.as_str());
                } else if event.kind != "RUN_BLOCKED" {
                    let to = event.payload["to"].as_str().unwrap_or_default();
                    say("event", format!("{} {to}", event.kind));
                }
            }
            steps.sort_unstable();
            say("events of steps and worktrees", steps.join(" "));
            for step in reader.steps(id).await.expect("steps") {
                say(
                    "step",
                    format!("{} {} {}", step.phase, step.state, step.attempt),
                );
            }
            let artifacts = reader.artifacts(id).await.expect("artifacts");
            let names: BTreeSet<String> = artifacts
                .iter()
                .map(|it| {
                    let name = it.path.rsplit('/').next().unwrap_or_default();
                    format!("{} {} {name}", it.kind, it.location)
                })
                .collect();
            say("artifacts", format!("{names:?}"));
            let dir = scene.data().join("runs").join(format!("run-{id}"));
            let report = std::fs::read_to_string(dir.join("report.tsv")).unwrap_or_default();
            let kinds: Vec<&str> = report
                .lines()
                .filter_map(|row| row.split('\t').nth(1))
                .collect();
            say("report", kinds.join(" "));
            if let Some(worktree) = &facts.worktree {
                let range = format!("{}..{}", worktree.base_commit, worktree.run_branch);
                // It may be cleaned up.
                let log = ["log", "--first-parent", "--format=%s", &range];
                say("branch", scene.repo.try_git(&log).unwrap_or_default());
                let there = std::fs::exists(&worktree.path).expect("looked");
                say("worktree is there", there.to_string());
            }
            say("files are there", dir.exists().to_string());
            let retired = facts.retired.iter().map(|it| (&it.branch, &it.rescue));
            let retired = format!("{:?}", retired.collect::<BTreeSet<_>>());
            say("branches retired", retired.replace(&id.0, &n.to_string()));
            let over = (facts.files_removed, facts.nothing_left, &facts.kept_back);
            say(
                "files removed, nothing left, kept back",
                format!("{over:?}"),
            );
            if let Some(handover) = reader.handover(id).await.expect("readable") {
                let facts = &handover.facts;
                let merged = facts.merge_commit.is_some();
                let text = format!("{}, merged: {merged}, {:?}", handover.state, facts.pr_url);
                say("handover", format!("{text}, {:?}", facts.snag));
            }
        }
        for (n, id) in runs.iter().enumerate() {
            let unlike = unlike_its_mirror(scene, id).into_iter();
            lines.extend(unlike.map(|name| format!("run {n}: {UNLIKE}: {name}")));
        }
        let target = scene.scenario.target;
        let git = |args: &[&str]| scene.repo.try_git(args).unwrap_or_default();
        let mut refs = git(&["for-each-ref", "--format=%(refname)"]);
        for (n, id) in runs.iter().enumerate() {
            refs = refs.replace(&id.0, &n.to_string());
        }
        lines.push(format!("refs: {refs}"));
        lines.push(format!("pushed: {}", scene.noted("pushed")));
        lines.push(format!("requested: {}", scene.noted("requested")));
        lines.push(format!("tree: {}", git(&["ls-tree", "-r", target])));
        lines.push(format!(
            "target: {}",
            git(&["log", "--first-parent", "--format=%s", target])
        ));
        lines.push(format!("calls:\n{}", scene.noted("calls")));
        Outcome(lines)
    }

    /// The lines that only one of the two has.
    pub fn differs(&self, other: &Outcome) -> Option<String> {
        if self == other {
            return None;
        }
        let only = |a: &Outcome, b: &Outcome| -> String {
            let mut rest = b.0.clone();
            let mut found = String::new();
            for line in &a.0 {
                match rest.iter().position(|it| it == line) {
                    Some(at) => drop(rest.remove(at)),
                    None => found.push_str(&format!("  {line}\n")),
                }
            }
            found
        };
        let (here, there) = (only(self, other), only(other, self));
        if here.is_empty() && there.is_empty() {
            let (here, there) = (self.0.join("\n  "), other.0.join("\n  "));
            return Some(format!(
                "the same in another order\nundisturbed:\n  {here}\ndisturbed:\n  {there}"
            ));
        }
        Some(format!("undisturbed:\n{here}disturbed:\n{there}"))
    }
}

/// What is wrong with the store as a dead daemon left it. Keepers may live on.
pub async fn wrong_at_death(scene: &Scene, reader: &Reader) -> Vec<String> {
    let (mut wrong, slots) = (Vec::new(), scene.scenario.slots);
    for violation in reader.replay().await.expect("a readable store") {
        wrong.push(format!(
            "the journal does not explain what is stored: {violation}"
        ));
    }
    let filter = Filter {
        limit: 100,
        ..Filter::default()
    };
    let runs = reader.list(filter).await.expect("a readable store").runs;
    let holding = reader.holding_slots().await.expect("a readable store");
    if holding.len() > slots {
        wrong.push(format!(
            "{} runs hold a slot, and there are {slots}",
            holding.len()
        ));
    }
    if runs.len() > scene.scenario.scripts.len() {
        wrong.push(format!("{} runs, more than were asked for", runs.len()));
    }
    for run in &runs {
        let counted = holding.iter().any(|it| it.id == run.id);
        let mut alive = processes_of(&run.id);
        // A call of the daemon's own to git names the run, and may outlive it by a moment; no agent's does.
        alive.retain(|(_, line)| !(line.starts_with("git ") && line.contains(&run.id.0)));
        // What lives now has lived when the daemon died: nobody starts anything meanwhile. An analysis needs no slot.
        if !counted && !alive.is_empty() && !run.facts.is_analyzed_now() {
            wrong.push(format!("{} works and holds no slot: {alive:?}", run.id));
        }
    }
    wrong.extend(scene.touched());
    wrong.extend(unreachable(scene));
    wrong
}

/// A number for all that is stored, but for news: it changes with every move, step and effect.
pub async fn stored(reader: &Reader) -> (u64, usize) {
    let filter = Filter {
        limit: 100,
        ..Filter::default()
    };
    let runs = reader.list(filter).await.expect("a readable store").runs;
    let mut revs = 0;
    for run in &runs {
        let steps = reader.steps(&run.id).await.expect("a readable store");
        revs += run.rev + steps.iter().map(|step| step.rev).sum::<u64>();
    }
    let pending = reader.pending_effects().await.expect("a readable store");
    (revs, pending.len())
}

/// What is wrong when everything is at rest.
pub async fn wrong_at_rest(scene: &Scene, reader: &Reader, runs: &[RunId]) -> Vec<String> {
    let mut wrong = wrong_at_death(scene, reader).await;
    let counts = reader.counts().await.expect("a readable store");
    let all: u64 = counts.iter().map(|(_, n)| n).sum();
    let open: u64 = counts
        .iter()
        .filter(|(state, _)| state.kind() != Kind::Ended)
        .map(|(_, n)| n)
        .sum();
    if (all, open) != (runs.len() as u64, 0) {
        wrong.push(format!(
            "{all} runs, {open} of them open; {} were asked for",
            runs.len()
        ));
    }
    let holding = reader.holding_slots().await.expect("a readable store");
    if !holding.is_empty() {
        wrong.push(format!("{} slots are held when all is over", holding.len()));
    }
    let pending = reader.pending_effects().await.expect("a readable store");
    if !pending.is_empty() {
        wrong.push(format!("left to perform: {pending:?}"));
    }
    let pending = reader.pending_handovers().await.expect("a readable store");
    if !pending.is_empty() {
        wrong.push(format!("left to hand over: {pending:?}"));
    }
    for (n, id) in runs.iter().enumerate() {
        let run = reader.run(id).await.expect("a readable store");
        let state = run.as_ref().map(|run| run.state);
        let wanted = scene.scenario.ends.get(n).copied();
        if wanted.is_some() && state != wanted {
            wrong.push(format!("run {n} ended {state:?}"));
        }
        let handover = reader.handover(id).await.expect("a readable store");
        let by_itself = run.and_then(|run| run.facts.merge_commit);
        let merged = by_itself.or(handover.and_then(|it| it.facts.merge_commit));
        // A run that brings nothing new is merged where the target stands already.
        let found = merges_of(scene, id);
        if !found.is_empty() && Some(&found) != merged.as_ref() {
            wrong.push(format!(
                "run {n} merged as {merged:?}; the target has {found:?}"
            ));
        }
        let alive = processes_of(id);
        if !alive.is_empty() {
            wrong.push(format!("processes of {id} are left: {alive:?}"));
        }
        let events = reader.events(Some(id), 0, 10_000).await.expect("events");
        // Whoever retries a canceled run may cancel it again; where nobody does, it is told once.
        let restless = scene.scenario.ends.is_empty();
        let once = ["RUN_CREATED", "RUN_COMPLETED", "MERGE_FINISHED"];
        let canceled = (!restless).then_some("RUN_CANCELED");
        for once in once.into_iter().chain(canceled) {
            let told = events.iter().filter(|event| event.kind == once).count();
            if told > 1 {
                wrong.push(format!("{once} was told {told} times of {id}"));
            }
        }
    }
    let events = reader.events(None, 0, 100_000).await.expect("events");
    if !events
        .iter()
        .map(|event| event.seq)
        .eq(1..=events.len() as u64)
    {
        wrong.push("the numbers of the public events have a gap or a repeat".to_owned());
    }
    let met = scene.noted("met");
    if !met.is_empty() {
        wrong.push(format!("two at a time: {met}"));
    }
    wrong.extend(scene.disturbed());
    wrong.extend(doubled(scene));
    wrong
}

/// Files of a run that do not say the same in both of their places.
fn unlike_its_mirror(scene: &Scene, id: &RunId) -> Vec<&'static str> {
    // What is cleaned up is gone from the one place only.
    if scene.scenario.long {
        return Vec::new();
    }
    let dir = scene.data().join(format!("runs/run-{id}"));
    let mirror = scene.repo.root.join(format!("logs/loop/run-{id}"));
    let unlike = ["report.tsv", "run.log"].into_iter().filter(|name| {
        let [here, there] = [&dir, &mirror].map(|dir| std::fs::read(dir.join(name)));
        here.unwrap_or_default() != there.unwrap_or_default()
    });
    unlike.collect()
}

/// Commits of agents that no ref leads to any more.
fn unreachable(scene: &Scene) -> Vec<String> {
    let commits = scene.noted("commits");
    let kept = |commit: &&str| {
        let refs = scene.repo.try_git(&["for-each-ref", "--contains", commit]);
        refs.is_ok_and(|refs| !refs.is_empty())
    };
    let lost = commits.lines().filter(|commit| !kept(commit));
    lost.map(|commit| format!("the agent's commit {commit} cannot be reached"))
        .collect()
}

/// The commits of a run that the target was moved to.
fn merges_of(scene: &Scene, id: &RunId) -> String {
    let of_the_run = format!("--grep=Loopd-Run: {id}");
    let merges = "--grep=Loopd-Kind: merge";
    let target = scene.scenario.target;
    let log = ["log", "--first-parent", "--all-match", "--format=%H"];
    let args = [&log[..], &[&of_the_run, merges, target]].concat();
    scene.repo.try_git(&args).unwrap_or_default()
}

/// Merges into the target that say the same, a task that was ticked twice, a branch that was pushed twice or has two
/// requests.
fn doubled(scene: &Scene) -> Vec<String> {
    let log = scene
        .repo
        .try_git(&["log", "--format=%T %s", scene.scenario.target]);
    let log = log.unwrap_or_default();
    let (pushed, requested) = (scene.noted("pushed"), scene.noted("requested"));
    let mut twice = Vec::new();
    for (what, lines) in [
        ("on the target", log),
        ("pushed", pushed),
        ("requested", requested),
    ] {
        let mut seen = BTreeSet::new();
        let again = lines.lines().filter(|line| !seen.insert(*line));
        twice.extend(again.map(|line| format!("twice {what}: {line}")));
    }
    twice
}
