//! One event, one transaction: what `apply` writes, and what it leaves alone.

use agent_loop::core::run::{Event, ResultClass, State, StepId};
use agent_loop::core::step;
use agent_loop::core::time::Time;
use agent_loop::store::{Answer, Apply, Expect, StoreError};

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
        let (created, updated) = (made.run.created_at, made.run.updated_at);
        assert_eq!((created, updated), (Time(1_000), Time(2_000)));
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
    let applied = bench.send("a", RETRY).await;
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
