//! What a lane may do next, and every answer that performing an effect may have: the half of `acts` that stands for the
//! daemon's performers. What it says of a run is true of the branch and the target in `world`.

use agent_loop::core::machine::Kind;
use agent_loop::core::run::{Effect, Event, Mode, PostmortemReport, Removal, State};

use super::acts::{Act, Next, silently};
use super::answers::{self, Agent, Merge, Review};
use super::world::{Machine, NO_PLACE, Pending, Scope, TREE, TWO, Told, World, stays};

/// Whether the effect runs a process under a keeper.
fn has_process(effect: Effect) -> bool {
    matches!(
        effect,
        Effect::NameRun | Effect::StartAgent | Effect::StartReview | Effect::StartChecks
    )
}

/// The lane goes on with its next effect, or the performer at work answers.
pub fn performing(world: &World, machine: Machine, scope: &Scope, all: &mut Vec<Next>) {
    if let Some((effect, let_go)) = &world.busy {
        if *let_go {
            let mut next = world.clone();
            next.busy = None;
            next.done(effect);
            let act = Act::Reports(effect.effect, None);
            all.push(silently(act, next, Vec::new()));
        }
        answered(world, effect, machine, scope, all);
        return;
    }
    let Some(head) = world.outbox.first() else {
        return;
    };
    if world.is_superseded(head) {
        let mut next = world.clone();
        next.outbox.remove(0);
        all.push(silently(Act::Begins(head.effect), next, Vec::new()));
    } else if has_process(head.effect) {
        let mut next = world.clone();
        let mut broken = Vec::new();
        // One that is alive already is adopted.
        let other = next.process.is_some_and(|it| it != head.for_step());
        broken.extend(other.then_some(TWO));
        let placed = world.placed && world.facts.worktree.is_some();
        broken.extend((!placed && head.step.is_some()).then_some(NO_PLACE));
        next.process = Some(head.for_step());
        next.busy = Some((head.clone(), false));
        all.push(silently(Act::Begins(head.effect), next, broken));
    } else {
        answered(world, &head.clone(), machine, scope, all);
    }
}

/// Every answer that performing this effect may have.
fn answered(world: &World, done: &Pending, machine: Machine, scope: &Scope, all: &mut Vec<Next>) {
    let generation = done.generation;
    let mut report = |change: &dyn Fn(&mut World) -> Option<Event>| {
        let mut next = world.clone();
        next.busy = None;
        if has_process(done.effect) || done.effect.stops() {
            next.process = next.process.filter(|it| *it != done.for_step());
        }
        let event = change(&mut next);
        next.done(done);
        let act = Act::Reports(done.effect, event.as_ref().map(Event::name));
        let told = event.map_or_else(Told::default, |event| next.tell(machine, &event));
        let world = next;
        all.push(Next { act, world, told });
    };
    // A name that is not given is an answer like any other; trouble with an analysis is what the analysis came to.
    let answers = [Effect::NameRun, Effect::WritePostmortem].contains(&done.effect);
    let fallible = !stays(done.effect) && !answers;
    if has_process(done.effect) && fallible && scope.loses {
        report(&|_| {
            Some(Event::StepLost {
                generation,
                left: None,
            })
        });
        report(&|_| {
            Some(Event::StepStopped {
                generation,
                left: None,
            })
        });
    }
    for kind in scope.troubles.iter().filter(|_| fallible) {
        let trouble = answers::trouble(*kind);
        report(&|_| {
            let trouble = trouble.clone();
            Some(Event::EffectFailed {
                generation,
                trouble,
            })
        });
    }
    match done.effect {
        Effect::NameRun => {
            for name in [Some("made-up"), None] {
                report(&|_| Some(answers::named(generation, name)));
            }
        }
        Effect::PrepareWorktree => report(&|it| {
            it.placed = true;
            let worktree = answers::worktree();
            Some(Event::WorktreeReady {
                generation,
                worktree,
            })
        }),
        Effect::StartAgent => {
            for agent in scope.agent {
                report(&|it| Some(implemented(it, *agent, generation)));
            }
        }
        Effect::StartReview => {
            for review in scope.review {
                report(&|it| Some(reviewed(it, *review, generation)));
            }
        }
        Effect::StartChecks => {
            for passed in [true, false] {
                if passed || scope.checks_may_fail {
                    report(&|it| {
                        it.checked = passed.then(|| it.tip.clone());
                        let report = answers::checks(&it.tip, passed);
                        Some(Event::ChecksDone { generation, report })
                    });
                }
            }
        }
        Effect::Judge => report(&|it| {
            let diff = (it.facts.current.record.commits > 0).then(|| it.tip.clone());
            let evidence = answers::evidence(&it.tip, it.plan, diff, it.tampered);
            Some(Event::Judged {
                generation,
                evidence,
            })
        }),
        Effect::StartMerge => merged(world, done, machine, scope, all),
        Effect::RewritePrompt => report(&|_| None),
        Effect::WritePostmortem => report(&|_| {
            let report = PostmortemReport::default();
            Some(Event::Analyzed { generation, report })
        }),
        Effect::StopStep => report(&|_| {
            let step = done.step?;
            Some(Event::StepGone { step, left: None })
        }),
        Effect::CloseRun => report(&|it| {
            let worktree_removed = it.state == State::Completed;
            Some(Event::Closed {
                worktree_removed,
                note: None,
            })
        }),
        Effect::RemoveWorktrees => {
            for proved in [true, false] {
                report(&|it| Some(unwanted(it, proved)));
            }
        }
        Effect::CollectRun => {
            for proved in [true, false] {
                report(&|it| Some(collected(it, proved)));
            }
        }
    }
}

/// What is wanted no more goes where the proof holds, and only while nothing of the run is alive.
fn unwanted(it: &mut World, proved: bool) -> Event {
    let at_rest = it.state.kind() == Kind::Ended && it.facts.step.is_none();
    let removed = proved && at_rest;
    let present = it.facts.worktree.as_ref().map(|it| it.path.clone());
    let wanted = it.facts.unwanted.iter();
    let removals: Vec<Removal> = wanted
        .map(|path| Removal {
            path: path.clone(),
            removed,
            note: String::new(),
        })
        .collect();
    if removals
        .iter()
        .any(|it| it.removed && Some(&it.path) == present.as_ref())
    {
        it.placed = false;
    }
    Event::WorktreesRemoved { removals }
}

fn implemented(it: &mut World, agent: Agent, generation: u64) -> Event {
    if agent.commits() {
        it.commit(&format!("w{}", it.facts.iteration));
    }
    it.plan = agent.plan(it.plan);
    it.said = agent.says();
    it.tampered |= agent == Agent::Tampers;
    let report = agent.report(&it.tip, it.plan, it.tampered);
    Event::AgentDone { generation, report }
}

fn reviewed(it: &mut World, review: Review, generation: u64) -> Event {
    match review {
        Review::Approves => {
            if !it.tip.ends_with('r') {
                it.tip.push('r');
            }
            it.approved = Some(it.tip.clone());
        }
        Review::Rejects => {
            // The box of the task is reopened, where the iteration was for one.
            if it.facts.mode == Mode::Task {
                it.plan = answers::plan(0, it.plan.blocked);
            }
            it.approved = None;
        }
        Review::SaysNothing | Review::Limited | Review::Estranged | Review::Auth => {}
    }
    let report = review.report(&it.tip, it.plan);
    Event::ReviewDone { generation, report }
}

/// A merge looks at the branch and at the target first: what is not as verified is not merged, and a ref that has been
/// moved already is settled as merged.
fn merged(world: &World, done: &Pending, machine: Machine, scope: &Scope, all: &mut Vec<Next>) {
    let generation = done.generation;
    let verified = world.facts.verified_tree.as_ref();
    let settled = verified.is_some() && world.target.as_ref() == verified;
    let ways = if settled {
        vec![Some(Merge::Merges)]
    } else if verified == Some(&world.tip) {
        scope.merge.iter().copied().map(Some).collect()
    } else {
        vec![None]
    };
    for way in ways {
        let mut next = world.clone();
        let mut broken = Vec::new();
        let event = match way {
            None => Event::BranchMoved { generation },
            Some(Merge::Merges | Merge::MergesUnsaid) => {
                let may = world.target_may_be(verified.map(String::as_str));
                broken.extend((!may).then_some(TREE));
                next.target = verified.cloned();
                if way == Some(Merge::MergesUnsaid) {
                    all.push(silently(Act::Crash, next, broken));
                    continue;
                }
                let commit = "merged".to_owned();
                Event::Merged { generation, commit }
            }
            Some(Merge::TargetMoved) => {
                let approved = next.approved.as_ref() == Some(&next.tip);
                next.commit("c");
                if approved {
                    next.approved = Some(next.tip.clone());
                }
                let (head, tree) = (next.tip.clone(), next.tip.clone());
                Event::TargetMoved {
                    generation,
                    head,
                    tree,
                }
            }
            Some(Merge::Conflicts) => Event::MergeConflict {
                generation,
                files: vec!["f".to_owned()],
            },
            Some(Merge::Held) => Event::TargetHeld {
                generation,
                files: vec!["f".to_owned()],
                message: "local changes are in the way".to_owned(),
            },
        };
        next.done(done);
        let mut told = next.tell(machine, &event);
        told.broken.extend(broken);
        let act = Act::Reports(done.effect, Some(event.name()));
        let world = next;
        all.push(Next { act, world, told });
    }
}

/// What is left goes where the proof holds; a retired branch is made again by the preparation, where it stood.
fn collected(it: &mut World, proved: bool) -> Event {
    let at_rest = it.state.kind() == Kind::Ended && it.facts.step.is_none();
    let taken = proved && at_rest;
    let trees = it.facts.worktrees();
    let removals = trees
        .map(|tree| Removal {
            path: tree.path.clone(),
            removed: taken,
            note: String::new(),
        })
        .collect();
    it.placed &= !taken;
    Event::Collected {
        removals,
        branches: Vec::new(),
        files_removed: taken,
        kept: if taken {
            Vec::new()
        } else {
            vec!["kept".to_owned()]
        },
    }
}
