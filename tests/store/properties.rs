//! Whatever happens, in whatever order: what is stored is what the pure machine says, and follows from the journal.

use agent_loop::core::machine::Outcome;
use agent_loop::core::run::{self, MergeStrategy, RunId, State};
use agent_loop::core::time::Time;
use agent_loop::store::{Answer, Apply, NewRun};
use proptest::prelude::*;

use super::anything::{Sent, event, sent};
use super::support::*;

/// Sends what the script says; the moves that were made, from where to where.
async fn agrees(reviewer: bool, script: Vec<Sent>) -> Vec<(State, State)> {
    let bench = Bench::new();
    let ids = ["a", "b", "c"];
    let mut model = Vec::new();
    for id in ids {
        let mut new = new_run(id);
        new.facts.terms.reviewer = reviewer;
        if id == "c" {
            // Completed, it is still to be merged.
            new.facts.terms.merge_strategy = MergeStrategy::None;
        }
        let run = bench.create_as(NewRun { ..new }).await;
        model.push((run.state, run.facts, run.rev));
    }
    let (mut now, mut told, mut reached) = (Time(2_000), 6, Vec::new());
    for sent in script {
        now = now.plus_ms(sent.wait_ms);
        let (state, facts, rev) = &mut model[sent.run];
        let Some(event) = event(&sent, *state, facts) else {
            continue;
        };
        let id = RunId(ids[sent.run].to_owned());
        let applied = bench
            .writer
            .apply(Apply::new(id, event.clone(), now))
            .await
            .expect("applies");
        match (run::step(*state, facts, &event, now), applied.answer) {
            (Outcome::Moved(moved), Answer::Moved(made)) => {
                reached.push((*state, moved.to));
                (*state, *facts, *rev) = (moved.to, moved.facts, *rev + 1);
                assert_eq!(
                    (&made.run.state, &made.run.facts, &made.run.rev),
                    (&*state, &*facts, &*rev)
                );
                let effects: Vec<_> = made.effects.iter().map(|it| it.effect).collect();
                assert_eq!(effects, moved.effects);
            }
            (Outcome::Ignored(expected), Answer::Ignored(why))
            | (Outcome::Refused(expected), Answer::Refused(why)) => {
                assert_eq!(why, expected);
            }
            (expected, answer) => panic!("{expected:?} and {answer:?}"),
        }
        for event in applied.events {
            told += 1;
            assert_eq!(event.seq, told, "no gap");
        }
    }
    for (id, (state, facts, rev)) in ids.iter().zip(model) {
        let run = bench.run(id).await;
        assert_eq!((run.state, run.facts, run.rev), (state, facts, rev));
    }
    assert_eq!(bench.replay().await, []);
    starts_are_wanted(&bench).await;
    reached
}

/// What is pending to be started is what its run waits for.
async fn starts_are_wanted(bench: &Bench) {
    for effect in bench.reader.pending_effects().await.expect("readable") {
        if effect.effect.step().is_some() {
            let facts = bench.run(&effect.run_id.0).await.facts;
            assert_eq!(effect.generation, facts.generation, "{effect:?}");
            assert_eq!(
                facts.step.map(|live| live.generation),
                Some(effect.generation),
                "{effect:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn always_what_is_stored_is_what_the_pure_machine_says(
        reviewer in any::<bool>(),
        script in prop::collection::vec(sent(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let _ = runtime.block_on(agrees(reviewer, script));
    }
}

/// The pair of the property: its sequences get everywhere, and back from the end where a person may take a run from there.
#[tokio::test]
async fn sometimes_every_state_is_reached() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut missing: Vec<State> = State::ALL.to_vec();
    let mut merged_later = false;
    for _ in 0..40 {
        let script = prop::collection::vec(sent(), 60..80)
            .new_tree(&mut runner)
            .expect("a script")
            .current();
        let reached = agrees(false, script).await;
        missing.retain(|state| reached.iter().all(|(_, to)| to != state));
        merged_later |= reached.contains(&(State::Completed, State::Queued));
        if missing.is_empty() && merged_later {
            return;
        }
    }
    panic!("never reached: {missing:?}; merged later: {merged_later}");
}
