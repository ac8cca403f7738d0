//! One event, one transaction: what `apply` writes, and what it leaves alone.

use agent_loop::core::run::{
    Effect, Event, ResultClass, RunId, State, StepId, Trouble, TroubleKind,
};
use agent_loop::core::step;
use agent_loop::core::time::Time;
use agent_loop::store::{Answer, Apply, Artifact, EffectDone, Expect, StepReport, StoreError};

use super::support::*;

#[tokio::test]
async fn a_run_goes_from_the_queue_to_completion_and_every_write_raises_its_rev_by_one() {
    let bench = Bench::new();
    let mut rev = bench.create("a").await.rev;
    assert_eq!(rev, 1);
    while let Some(event) = bench.next_event("a").await {
        let made = bench.moves("a", event).await;
        rev += 1;
        assert_eq!(made.run.rev, rev);
        assert_eq!(
            made.run,
            bench.run("a").await,
            "what is answered is what is stored"
        );
    }
    let run = bench.run("a").await;
    assert_eq!(run.state, State::Completed);
    assert_eq!(run.facts.merge_commit.as_deref(), Some("c0ffee"));
    assert_eq!(bench.replay().await, []);
}

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

    bench.moves("a", Event::StepGone { step: 1 }).await;
    assert_eq!(bench.steps("a").await[0].state, step::State::Canceled);
    assert_eq!(bench.replay().await, []);
}

#[tokio::test]
async fn a_stop_outlives_the_start_of_the_next_step() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.moves("a", claim()).await;
    let stop = bench.moves("a", Event::Pause).await.effects;
    bench
        .moves(
            "a",
            Event::Resume {
                accept: false,
                note: None,
            },
        )
        .await;
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
    let started = report(&step, step::Event::Started);
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
async fn a_late_report_changes_nothing_of_the_run_but_its_effect_and_its_step_are_recorded() {
    let bench = Bench::new();
    bench.create("a").await;
    let claimed = bench.moves("a", claim()).await;
    bench.moves("a", Event::Pause).await;
    let before = bench.run("a").await;
    let journal = bench.count("journal WHERE machine = 'run'");

    let stop = bench
        .reader
        .pending_effects()
        .await
        .expect("readable")
        .remove(0);
    let mut late = Apply::new(
        id("a"),
        agent_done(claimed.run.facts.generation),
        Time(9_000),
    );
    late.effect_done = Some(done_with(stop.id));
    late.step = Some(report(&StepId("a.1".to_owned()), canceled()));
    let applied = bench.writer.apply(late).await.expect("applies");

    assert!(matches!(applied.answer, Answer::Ignored(why) if why.starts_with("stale generation")));
    assert_eq!(bench.run("a").await, before);
    assert_eq!(bench.count("journal WHERE machine = 'run'"), journal);
    assert_eq!(bench.reader.pending_effects().await.expect("readable"), []);
    assert_eq!(bench.steps("a").await[0].state, step::State::Canceled);
}

#[tokio::test]
async fn what_the_table_refuses_is_answered_in_its_words_and_stores_nothing() {
    let bench = Bench::new();
    bench.create("a").await;
    let before = (
        bench.run("a").await,
        bench.count("journal"),
        bench.count("events"),
    );
    let applied = bench
        .send(
            "a",
            Event::Retry {
                merge_strategy: None,
            },
        )
        .await;
    assert_eq!(applied.answer, Answer::Ignored("the run is queued already"));
    let completed = bench.complete("a").await;
    let after = (bench.count("journal"), bench.count("events"));
    let applied = bench.send("a", Event::Pause).await;
    assert_eq!(applied.answer, Answer::Refused("the run has ended"));
    assert_eq!(bench.run("a").await, completed);
    assert_eq!((bench.count("journal"), bench.count("events")), after);
    assert!(before.1 < after.0);
}

#[tokio::test]
async fn whoever_has_seen_an_older_revision_is_told_so_and_nothing_at_all_is_stored() {
    let bench = Bench::new();
    let seen = bench.create("a").await;
    let claimed = bench.moves("a", claim()).await;
    let mut apply = Apply::new(id("a"), Event::Pause, Time(2_000));
    apply.expect = Some(Expect {
        rev: seen.rev,
        epoch: seen.epoch,
    });
    apply.effect_done = Some(done_with(claimed.effects[0].id));
    apply.artifacts = vec![artifact("a", "/data/x")];
    let applied = bench.writer.apply(apply.clone()).await.expect("applies");
    assert_eq!(applied.answer, Answer::Stale(Expect { rev: 2, epoch: 0 }));
    assert_eq!(bench.run("a").await, claimed.run);
    assert_eq!(
        bench.reader.pending_effects().await.expect("readable"),
        claimed.effects
    );
    assert_eq!(bench.count("artifacts"), 0);

    apply.expect = Some(Expect { rev: 2, epoch: 1 });
    assert!(matches!(
        bench
            .writer
            .apply(apply.clone())
            .await
            .expect("applies")
            .answer,
        Answer::Stale(_)
    ));
    apply.expect = Some(Expect { rev: 2, epoch: 0 });
    assert!(matches!(
        bench.writer.apply(apply).await.expect("applies").answer,
        Answer::Moved(_)
    ));
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_nothing_behind_and_the_next_request_is_served() {
    for table in [
        "journal",
        "runs",
        "places",
        "steps",
        "effects",
        "events",
        "artifacts",
    ] {
        let bench = Bench::new();
        bench.create("a").await;
        let mut claim_it = Apply::new(id("a"), claim(), Time(2_000));
        claim_it.artifacts = vec![artifact("a", "/data/x")];
        let before = bench.everything();
        let on = match table {
            "runs" => "UPDATE ON runs",
            "places" => "DELETE ON places",
            other => &format!("INSERT ON {other}"),
        };
        let raw = bench.raw();
        raw.execute_batch(&format!(
            "CREATE TRIGGER breaks AFTER {on} BEGIN SELECT raise(ABORT, 'broken'); END;"
        ))
        .expect("lays the trigger");
        // A place is only touched when its ticket is no longer the run's: make it so.
        if table == "places" {
            raw.execute_batch("UPDATE places SET ticket = 99")
                .expect("updates");
        }
        let failed = bench.writer.apply(claim_it.clone()).await;
        assert!(
            matches!(&failed, Err(StoreError::Sqlite { .. }))
                && failed
                    .as_ref()
                    .is_err_and(|e| e.to_string().contains("broken")),
            "{table}: {failed:?}"
        );
        raw.execute_batch("DROP TRIGGER breaks; UPDATE places SET ticket = 0;")
            .expect("takes it back");
        assert_eq!(bench.everything(), before, "{table}");
        let applied = bench.writer.apply(claim_it).await.expect("applies");
        assert!(matches!(applied.answer, Answer::Moved(_)), "{table}");
        assert_eq!(bench.replay().await, [], "{table}");
    }
}

#[tokio::test]
async fn an_unknown_run_or_step_is_named() {
    let bench = Bench::new();
    let nobody = bench
        .writer
        .apply(Apply::new(id("nobody"), claim(), Time(1)))
        .await;
    assert!(matches!(nobody, Err(StoreError::NoSuchRun(id)) if id == "nobody"));
    let nothing = bench
        .writer
        .step_event(report(&StepId("nobody.1".to_owned()), canceled()), Time(1))
        .await;
    assert!(matches!(nothing, Err(StoreError::NoSuchStep(id)) if id == "nobody.1"));
}

#[tokio::test]
async fn a_cost_that_is_no_number_is_decided_on_as_it_is_stored() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.moves("a", claim()).await;
    let mut event = agent_ended(1, ResultClass::Done);
    if let Event::AgentDone { report, .. } = &mut event {
        report.usage.cost_usd = Some(f64::NAN);
    }
    bench.moves("a", event).await;
    assert_eq!(bench.replay().await, []);
}

fn id(text: &str) -> RunId {
    RunId(text.to_owned())
}

fn done_with(effect: agent_loop::store::EffectId) -> EffectDone {
    EffectDone {
        id: effect,
        outcome: "done".to_owned(),
    }
}

fn report(step: &StepId, event: step::Event) -> StepReport {
    StepReport {
        id: step.clone(),
        event,
        prompt_path: None,
        output_path: None,
    }
}

fn canceled() -> step::Event {
    step::Event::Canceled {
        exit_code: None,
        message: "stopped".to_owned(),
    }
}

fn artifact(run: &str, path: &str) -> Artifact {
    Artifact {
        run_id: id(run),
        kind: "log".to_owned(),
        location: "global".to_owned(),
        path: path.to_owned(),
        sha256: "0".repeat(64),
        bytes: 3,
        created_at: Time(2_000),
    }
}
