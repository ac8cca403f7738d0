//! What is to be performed because of a move: which effects are stored, for which step, and which are dropped.

use agent_loop::core::run::{Effect, Event, PublicEvent, StepId, Trouble, TroubleKind};
use agent_loop::core::step;
use agent_loop::core::time::Time;
use agent_loop::store::{Answer, Apply, EffectDone, StepReport, StoredEffect};

use super::support::*;

#[tokio::test]
async fn a_claim_stores_its_effects_in_order_and_the_step_that_begins() {
    let bench = Bench::new();
    bench.create("a").await;
    let made = bench.moves("a", claim()).await;
    let names: Vec<Effect> = made.effects.iter().map(|it| it.effect).collect();
    assert_eq!(names, [Effect::PrepareWorktree, Effect::StartAgent]);
    assert_eq!(
        bench.reader.pending_effects().await.expect("readable"),
        made.effects
    );

    let steps = bench.steps("a").await;
    let step = steps.first().expect("a step");
    assert_eq!(step.id, StepId("a.1".to_owned()));
    assert_eq!(
        (step.phase.as_str(), step.state),
        ("implementation", step::State::Queued)
    );
    assert_eq!((step.attempt, step.iteration), (1, 1));
    assert_eq!(made.effects[0].step_id, None);
    assert_eq!(made.effects[1].step_id.as_ref(), Some(&step.id));
}

#[tokio::test]
async fn a_stop_is_addressed_to_the_step_that_is_not_yet_gone_and_supersedes_its_start() {
    let bench = Bench::new();
    bench.create("a").await;
    let claimed = bench.moves("a", claim()).await;
    let paused = bench.moves("a", Event::Pause).await;
    let stop = paused.effects.first().expect("a stop");
    assert_eq!(
        (stop.effect, stop.step_id.as_ref()),
        (Effect::StopStep, Some(&StepId("a.1".to_owned())))
    );
    let started: Vec<_> = claimed.effects.iter().map(|it| it.id).collect();
    assert_eq!(
        paused.dropped, started,
        "the start, and what was to prepare it"
    );
    assert_eq!(
        bench.reader.pending_effects().await.expect("readable"),
        paused.effects
    );
    assert_eq!(
        bench.steps("a").await[0].state,
        step::State::Queued,
        "open until it is known to be gone"
    );

    bench
        .moves(
            "a",
            Event::StepGone {
                step: 1,
                left: None,
            },
        )
        .await;
    assert_eq!(bench.steps("a").await[0].state, step::State::Canceled);
    assert_eq!(bench.replay().await, []);
}

#[tokio::test]
async fn a_stop_outlives_the_start_of_the_next_step() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.moves("a", claim()).await;
    let stop = bench.moves("a", Event::Pause).await.effects;
    bench.moves("a", RESUME).await;
    let claimed = bench.moves("a", claim()).await;
    assert_eq!(claimed.dropped, []);
    let pending = bench.reader.pending_effects().await.expect("readable");
    assert_eq!(pending, [stop, claimed.effects].concat());
}

#[tokio::test]
async fn what_could_not_be_prepared_is_not_started() {
    let bench = Bench::new();
    bench.create("a").await;
    let claimed = bench.moves("a", claim()).await;
    let trouble = Trouble {
        kind: TroubleKind::Transient,
        code: "locked".to_owned(),
        message: "it was locked".to_owned(),
    };
    let mut failed = Apply::new(
        id("a"),
        Event::EffectFailed {
            generation: 1,
            trouble,
        },
        Time(2_000),
    );
    failed.effect_done = Some(done_with(claimed.effects[0].id));
    let Answer::Moved(made) = bench.writer.apply(failed).await.expect("applies").answer else {
        panic!("it did not move");
    };
    assert_eq!(made.dropped, [claimed.effects[1].id]);
    assert_eq!(bench.reader.pending_effects().await.expect("readable"), []);
    assert_eq!(bench.steps("a").await[0].state, step::State::Canceled);
}

#[tokio::test]
async fn a_report_moves_the_run_its_step_and_its_effect_together() {
    let bench = Bench::new();
    bench.create("a").await;
    let claimed = bench.moves("a", claim()).await;
    let step = StepId("a.1".to_owned());
    let started = step::Event::Started {
        confinement: None,
        agent: None,
    };
    let started = report(&step, started);
    bench
        .writer
        .step_event(started, Time(1_500))
        .await
        .expect("records")
        .expect_moved();

    let mut apply = Apply::new(id("a"), agent_done(1), Time(2_000));
    apply.effect_done = Some(done_with(claimed.effects[1].id));
    apply.step = Some(StepReport {
        output_path: Some("/data/out".to_owned()),
        ..report(&step, step::Event::Succeeded { exit_code: Some(0) })
    });
    apply.artifacts = vec![artifact("a", "/data/out")];
    let applied = bench.writer.apply(apply).await.expect("applies");

    let kinds: Vec<&str> = applied.events.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["STEP_FINISHED", "RUN_STATE_CHANGED", "STEP_STARTED"]
    );
    let payload = &applied.events[0].payload;
    assert_eq!(
        (
            payload["duration_ms"].as_u64(),
            payload["output_path"].as_str()
        ),
        (Some(500), Some("/data/out"))
    );
    let steps = bench.steps("a").await;
    assert_eq!(
        (steps[0].state, steps[1].state),
        (step::State::Succeeded, step::State::Queued)
    );
    let pending = bench.reader.pending_effects().await.expect("readable");
    let names: Vec<Effect> = pending.iter().map(|it| it.effect).collect();
    assert_eq!(
        names,
        [Effect::StartChecks],
        "what only prepared the finished step went with it"
    );
    assert_eq!(
        bench.reader.artifacts(&id("a")).await.expect("readable"),
        [artifact("a", "/data/out")]
    );
    assert_eq!(bench.replay().await, []);
}

#[tokio::test]
async fn an_effect_is_performed_once_and_one_that_was_dropped_stays_dropped() {
    let bench = Bench::new();
    bench.create("a").await;
    let claimed = bench.moves("a", claim()).await;
    let told = vec![PublicEvent::WorktreeRemoved {
        path: "/x".to_owned(),
    }];
    let report = async |effect: &StoredEffect, outcome: &str| {
        let done = EffectDone {
            id: effect.id,
            outcome: outcome.to_owned(),
        };
        let events = bench.writer.effect_done(done, told.clone(), Time(2_000));
        events.await.expect("records").len()
    };
    let outcome = |effect: &StoredEffect| -> (String, String) {
        let row = bench.raw().query_row(
            "SELECT state, outcome FROM effects WHERE id = ?1",
            [effect.id.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        row.expect("an effect")
    };
    let [prepare, start] = claimed.effects.as_slice() else {
        panic!("{claimed:?}")
    };
    assert_eq!(report(prepare, "made").await, 1);
    assert_eq!(
        report(prepare, "made again").await,
        0,
        "a repeat is no news"
    );
    assert_eq!(outcome(prepare), ("done".to_owned(), "made".to_owned()));
    bench.moves("a", Event::Pause).await;
    assert_eq!(report(start, "too late").await, 0);
    assert_eq!(
        outcome(start),
        ("dropped".to_owned(), "superseded".to_owned())
    );
}

#[tokio::test]
async fn what_is_known_of_a_steps_files_stays_known() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.moves("a", claim()).await;
    let step = StepId("a.1".to_owned());
    let started = StepReport {
        prompt_path: Some("/data/prompt".to_owned()),
        output_path: Some("/data/output".to_owned()),
        ..report(
            &step,
            step::Event::Started {
                confinement: None,
                agent: None,
            },
        )
    };
    let started = bench.writer.step_event(started, Time(1_500)).await;
    started.expect("records").expect_moved();
    let ended = report(&step, step::Event::Succeeded { exit_code: Some(0) });
    let ended = bench.writer.step_event(ended, Time(1_600)).await;
    let ended = ended.expect("records").expect_moved();
    assert_eq!(
        (ended.prompt_path.as_deref(), ended.output_path.as_deref()),
        (Some("/data/prompt"), Some("/data/output"))
    );
    assert_eq!(bench.steps("a").await[0], ended);
}
