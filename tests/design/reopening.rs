//! The reference against the store: several runs whose outboxes are the store's own, with the store closed and opened
//! again in between. After everything that happens, what is stored is what the reference says, what is pending is pending
//! in the same order, and the journal replays to it.

use agent_loop::core::run::{Event, RunId, Spec, StepId};
use agent_loop::store::{
    self, Answer, Apply, Created, EffectDone, NewRun, Options, Reader, Writer,
};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use super::acts::{Act, claim, is_startable, next};
use super::scopes::terms;
use super::walk::ANYTHING;
use super::world::{NOW, Pending, REAL, World};

const RUNS: [&str; 3] = ["a", "b", "c"];

/// What is done to the store.
#[derive(Clone, Debug)]
enum Do {
    /// Something happens to a run, out of all that can.
    Happens { run: usize, pick: u16 },
    /// The daemon dies and another opens the store.
    Reopens,
}

/// What happened last, as the store has to hear it.
#[derive(Clone, Debug, Default)]
struct Last {
    run: usize,
    event: Option<Event>,
    done: Option<Pending>,
}

/// The runs, their revisions, and what happened last.
#[derive(Clone, Debug)]
struct Model {
    runs: Vec<(World, u64)>,
    last: Last,
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Do;

    fn init_state() -> BoxedStrategy<Model> {
        let model = any::<(bool, bool)>().prop_map(|(reviewer, named_by_model)| {
            let world = World::new(agent_loop::core::run::Terms {
                reviewer,
                named_by_model,
                ..terms()
            });
            Model {
                runs: RUNS.map(|_| (world.clone(), 1)).to_vec(),
                last: Last::default(),
            }
        });
        model.boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Do> {
        let happens = (0..RUNS.len(), any::<u16>());
        prop_oneof![
            12 => happens.prop_map(|(run, pick)| Do::Happens { run, pick }),
            1 => Just(Do::Reopens),
        ]
        .boxed()
    }

    fn apply(mut model: Model, transition: &Do) -> Model {
        model.last = Last::default();
        match transition {
            Do::Reopens => model.runs.iter_mut().for_each(|(it, _)| it.crash()),
            Do::Happens { run, pick } => model.happens(*run, *pick),
        }
        model
    }
}

impl Model {
    fn happens(&mut self, run: usize, pick: u16) {
        let (world, rev) = &mut self.runs[run];
        let mut all = next(world, REAL, &ANYTHING);
        if is_startable(world) {
            all.push(claim(world, REAL));
        }
        if all.is_empty() {
            return;
        }
        let chosen = all.swap_remove(usize::from(pick) % all.len());
        let at_work = world.busy.as_ref().map(|(it, _)| it);
        let performed = at_work.or(world.outbox.first()).cloned();
        let done = match chosen.act {
            Act::Reports(..) => performed,
            Act::Begins(_) if chosen.world.busy.is_none() => performed,
            Act::Begins(_) | Act::Timer | Act::GateOpens | Act::Claim | Act::Crash => None,
            Act::Person(_) | Act::PersonCommits => None,
        };
        *rev += u64::from(chosen.told.edge.is_some());
        *world = chosen.world;
        let event = chosen.told.event;
        self.last = Last { run, event, done };
    }
}

/// The store, and what it needs to be asked.
struct Bench {
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
    handles: Option<(Writer, Reader)>,
}

struct Stored;

impl StateMachineTest for Stored {
    type SystemUnderTest = Bench;
    type Reference = Model;

    fn init_test(model: &Model) -> Bench {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().expect("a runtime");
        let dir = tempfile::tempdir().expect("a directory");
        let (writer, reader) = store::open(dir.path(), Options::default()).expect("a store");
        for (id, (world, rev)) in RUNS.iter().zip(&model.runs) {
            let new = NewRun {
                id: RunId((*id).to_owned()),
                spec: spec(id),
                config: "{}".to_owned(),
                facts: world.facts.clone(),
                now: NOW,
                idempotency: None,
            };
            match runtime.block_on(writer.create(new)).expect("creates") {
                Created::New(run, _) => assert_eq!(run.rev, *rev),
                other => panic!("not created: {other:?}"),
            }
        }
        let handles = Some((writer, reader));
        Bench {
            runtime,
            dir,
            handles,
        }
    }

    fn apply(mut bench: Bench, model: &Model, transition: Do) -> Bench {
        match transition {
            Do::Reopens => {
                bench.handles = None;
                let opened = store::open(bench.dir.path(), Options::default());
                bench.handles = Some(opened.expect("opens again"));
            }
            Do::Happens { .. } => bench.runtime.block_on(bench.hears(model)),
        }
        bench
    }

    fn check_invariants(bench: &Bench, model: &Model) {
        bench.runtime.block_on(bench.agrees(model));
    }

    fn teardown(bench: Bench, _: Model) {
        let (_, reader) = bench.handles.as_ref().expect("open");
        let violations = bench.runtime.block_on(reader.replay()).expect("replays");
        assert_eq!(violations, []);
    }
}

impl Bench {
    /// Tells the store what the reference has heard.
    async fn hears(&self, model: &Model) {
        let (writer, reader) = self.handles.as_ref().expect("open");
        let Last { run, event, done } = model.last.clone();
        let mut finished = None;
        for effect in reader.pending_effects().await.expect("readable") {
            let same = done.as_ref().is_some_and(|it| {
                effect.run_id.0 == RUNS[run]
                    && effect.effect == it.effect
                    && effect.generation == it.generation
            });
            if same && finished.is_none() {
                let outcome = "done".to_owned();
                finished = Some(EffectDone {
                    id: effect.id,
                    outcome,
                });
            }
        }
        let (world, rev) = &model.runs[run];
        match event {
            Some(event) => {
                let mut apply = Apply::new(RunId(RUNS[run].to_owned()), event, NOW);
                apply.effect_done = finished;
                let applied = writer.apply(apply).await.expect("applies");
                if let Answer::Moved(made) = applied.answer {
                    assert_eq!((made.run.state, made.run.rev), (world.state, *rev));
                }
            }
            None => {
                if let Some(finished) = finished {
                    let told = writer.effect_done(finished, Vec::new(), NOW).await;
                    assert_eq!(told.expect("finishes"), []);
                }
            }
        }
    }

    async fn agrees(&self, model: &Model) {
        let (_, reader) = self.handles.as_ref().expect("open");
        let pending = reader.pending_effects().await.expect("readable");
        for (id, (world, rev)) in RUNS.iter().zip(&model.runs) {
            let run = reader.run(&RunId((*id).to_owned())).await;
            let run = run.expect("readable").expect("a run");
            assert_eq!((run.state, run.rev), (world.state, *rev), "{id}");
            assert_eq!(run.facts, world.facts, "{id}");
            let of_run = pending.iter().filter(|it| it.run_id.0 == *id);
            let stored: Vec<Pending> = of_run
                .map(|it| Pending {
                    effect: it.effect,
                    generation: it.generation,
                    step: it.step_id.as_ref().and_then(StepId::generation),
                })
                .collect();
            assert_eq!(stored, world.outbox, "{id}");
        }
    }
}

fn spec(name: &str) -> Spec {
    let text = str::to_owned;
    Spec {
        name: text(name),
        name_source: text("given"),
        workspace_root: text("/w/repo"),
        workspace_key: text("/w/repo/.git"),
        spec_path: text("specs/a.md"),
        plan_path: text("specs/planning/a-plan.md"),
        base_branch: None,
        merge_target_branch: None,
        run_branch_prefix: text("run/"),
        worktree_path_template: text("../x"),
        agent: text("agent"),
        priority: 0,
        after: Vec::new(),
        snapshot: false,
        files_root: None,
        worktree_confined: false,
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn always_the_store_is_what_the_reference_says_however_often_it_is_opened_again(sequential 1..60 => Stored);
}
