//! Public events: their numbers, their pages; and the small records beside a run.

use agent_loop::core::run::{PublicEvent, RunId};
use agent_loop::core::time::Time;
use agent_loop::store::{Artifact, MergeIntent, StoreError, StoredEvent};

use super::support::*;

async fn page(bench: &Bench, run: Option<&str>, after: u64, limit: u32) -> Vec<StoredEvent> {
    let run = run.map(|id| RunId(id.to_owned()));
    bench
        .reader
        .events(run.as_ref(), after, limit)
        .await
        .expect("readable")
}

#[tokio::test]
async fn the_numbers_of_events_have_no_gap_whatever_was_rolled_back_or_refused() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.create("b").await;
    // A transaction that had told the world before it failed gives its numbers back.
    let raw = bench.raw();
    raw.execute_batch("CREATE TRIGGER breaks AFTER INSERT ON events WHEN NEW.type = 'STEP_STARTED' BEGIN SELECT raise(ABORT, 'broken'); END")
        .expect("lays the trigger");
    let claim_it = agent_loop::store::Apply::new(RunId("a".to_owned()), claim(), Time(1));
    let _ = bench
        .writer
        .apply(claim_it)
        .await
        .expect_err("it is broken");
    raw.execute_batch("DROP TRIGGER breaks")
        .expect("takes it back");
    let _ = bench.send("b", RESUME).await;
    bench.complete("b").await;
    bench.complete("a").await;

    let all = page(&bench, None, 0, 1_000).await;
    let numbers: Vec<u64> = all.iter().map(|it| it.seq).collect();
    assert_eq!(numbers, (1..=all.len() as u64).collect::<Vec<_>>());
    assert_eq!(
        bench.reader.last_event().await.expect("readable"),
        all.len() as u64
    );
}

#[tokio::test]
async fn pages_join_without_gap_or_repeat_for_one_run_and_for_all() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.create("b").await;
    bench.complete("b").await;
    bench.complete("a").await;
    for run in [None, Some("a"), Some("b")] {
        let whole = page(&bench, run, 0, 1_000).await;
        let (mut joined, mut after) = (Vec::new(), 0);
        loop {
            let next = page(&bench, run, after, 3).await;
            let Some(last) = next.last() else { break };
            after = last.seq;
            joined.extend(next);
        }
        assert_eq!(joined, whole);
        assert!(whole.len() > 6);
        assert!(run.is_none_or(|run| whole.iter().all(|it| it.run_id.0 == run)));
    }
}

#[tokio::test]
async fn every_state_change_is_told_with_its_rev() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.complete("a").await;
    let told = page(&bench, Some("a"), 0, 1_000).await;
    let told: Vec<String> = told
        .iter()
        .filter(|it| it.kind == "RUN_STATE_CHANGED")
        .map(|it| {
            format!(
                "{} {} {}",
                it.payload["from"], it.payload["to"], it.payload["rev"]
            )
        })
        .collect();
    let raw = bench.raw();
    let mut select = raw
        .prepare("SELECT from_state, to_state, rev FROM journal WHERE machine = 'run' AND from_state <> to_state ORDER BY rev")
        .expect("readable");
    let journal = select
        .query_map([], |row| {
            let (from, to, rev): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(format!("\"{from}\" \"{to}\" {rev}"))
        })
        .expect("readable");
    assert_eq!(
        told,
        journal.collect::<Result<Vec<_>, _>>().expect("readable")
    );
    assert_eq!(told.len(), 5);
}

#[tokio::test]
async fn what_belongs_to_no_move_is_told_too() {
    let bench = Bench::new();
    bench.create("a").await;
    let id = RunId("a".to_owned());
    let gone = PublicEvent::WorktreeRemoved {
        path: "/x".to_owned(),
    };
    let told = bench
        .writer
        .publish(&id, vec![gone.clone(), PublicEvent::RunResumed {}], Time(5))
        .await
        .expect("tells");
    assert_eq!(told, page(&bench, None, 2, 10).await);
    assert_eq!(
        (told[0].seq, told[0].payload["path"].as_str()),
        (3, Some("/x"))
    );
    assert_eq!(
        (told[1].kind.as_str(), told[1].payload.to_string().as_str()),
        ("RUN_RESUMED", "{}")
    );
    let nobody = bench
        .writer
        .publish(&RunId("b".to_owned()), vec![gone], Time(5))
        .await;
    assert!(matches!(nobody, Err(StoreError::NoSuchRun(id)) if id == "b"));
}

#[tokio::test]
async fn a_merge_intent_is_kept_until_the_next_one() {
    let bench = Bench::new();
    bench.create("a").await;
    let run_id = RunId("a".to_owned());
    assert_eq!(
        bench.reader.load_intent(&run_id).await.expect("readable"),
        None
    );
    for (generation, intent) in [(4, "{\"new\":\"1\"}"), (6, "{\"new\":\"2\"}")] {
        let intent = MergeIntent {
            run_id: run_id.clone(),
            generation,
            intent: intent.to_owned(),
        };
        bench
            .writer
            .save_intent(intent.clone())
            .await
            .expect("stores");
        assert_eq!(
            bench.reader.load_intent(&run_id).await.expect("readable"),
            Some(intent)
        );
    }
}

#[tokio::test]
async fn a_file_is_recorded_once_with_its_last_content_and_only_for_a_run_that_exists() {
    let bench = Bench::new();
    bench.create("a").await;
    let file = |run: &str, digit: &str, bytes| Artifact {
        run_id: RunId(run.to_owned()),
        kind: "log".to_owned(),
        location: "global".to_owned(),
        path: "/data/run.log".to_owned(),
        sha256: digit.repeat(64),
        bytes,
        created_at: Time(3),
    };
    for (digit, bytes) in [("0", 1), ("1", 2)] {
        bench
            .writer
            .record_artifact(file("a", digit, bytes))
            .await
            .expect("records");
    }
    let found = bench
        .reader
        .artifacts(&RunId("a".to_owned()))
        .await
        .expect("readable");
    assert_eq!(found, [file("a", "1", 2)]);
    let nobody = bench.writer.record_artifact(file("b", "0", 1)).await;
    assert!(
        matches!(nobody, Err(StoreError::Sqlite { .. })),
        "{nobody:?}"
    );
}
