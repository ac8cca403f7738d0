//! What a person does with an ended run: begun, reported and consented to in one transaction with everything that belongs
//! to it, explained by the journal, and whole after a crash at any commit.

use agent_loop::core::handover::{self, Effect, Event as Handing, RunEnd, Snag, SnagKind};
use agent_loop::core::run::{Event, MergeStrategy};
use agent_loop::core::time::Time;
use agent_loop::crash::{Crash, CrashPoint, Death, Place};
use agent_loop::store::{
    self, Answer, HandOver, HandedOver, HandoverAnswer, HandoverMove, Options, StoreError,
    StoredHandover,
};

use super::support::*;

impl Bench {
    async fn hand(&self, id_of: &str, event: Handing) -> HandedOver {
        let request = HandOver::new(id(id_of), event, Time(3_000));
        self.writer.hand_over(request).await.expect("applies")
    }

    async fn hands(&self, id_of: &str, event: Handing) -> HandoverMove {
        match self.hand(id_of, event).await.answer {
            HandoverAnswer::Moved(made) => *made,
            other => panic!("did not move: {other:?}"),
        }
    }

    async fn handover(&self, id_of: &str) -> StoredHandover {
        let found = self.reader.handover(&id(id_of)).await.expect("readable");
        found.expect("a handover")
    }

    /// A run that is completed without a merge.
    async fn prove(&self, name: &str) {
        let mut new = new_run(name);
        new.facts.terms.merge_strategy = MergeStrategy::None;
        self.create_as(new).await;
        self.complete(name).await;
    }
}

fn merge_done(generation: u64) -> Handing {
    Handing::MergeDone {
        generation,
        commit: "c0ffee".to_owned(),
    }
}

fn retry() -> Event {
    Event::Retry {
        merge_strategy: None,
    }
}

#[tokio::test]
async fn an_end_opens_the_handover_and_a_retry_closes_it() {
    let bench = Bench::new();
    bench.create("a").await;
    assert_eq!(
        bench.hand("a", Handing::Scrap).await.answer,
        HandoverAnswer::Refused("the run has not ended")
    );
    assert_eq!(bench.count("handovers"), 0, "a refusal writes nothing");
    bench.moves("a", Event::Cancel).await;
    let it = bench.handover("a").await;
    assert_eq!(it.state, handover::State::GivenUp);
    assert_eq!(it.facts.end, Some(RunEnd::GivenUp));
    assert_eq!(
        bench.hand("a", Handing::Merge).await.answer,
        HandoverAnswer::Refused("only a completed run can be merged")
    );
    bench.moves("a", retry()).await;
    assert_eq!(bench.handover("a").await.state, handover::State::None);
    bench.moves("a", Event::Cancel).await;
    assert_eq!(bench.handover("a").await.state, handover::State::GivenUp);
    assert_eq!(bench.replay().await, []);
}

#[tokio::test]
async fn a_run_that_has_merged_by_itself_is_merged_already() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.complete("a").await;
    assert_eq!(
        bench.hand("a", Handing::Merge).await.answer,
        HandoverAnswer::Ignored("the work is merged already")
    );
    assert_eq!(bench.reader.pending_handovers().await.expect("read"), []);
}

#[tokio::test]
async fn a_merge_is_stored_whole_with_its_effect_and_what_the_world_is_told() {
    let bench = Bench::new();
    bench.prove("a").await;
    let pending = bench.reader.pending_effects().await.expect("read");
    let handed = bench.hand("a", Handing::Merge).await;
    let told: Vec<&str> = handed.events.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(told, ["HANDOVER_STATE_CHANGED", "MERGE_STARTED"]);
    assert_eq!(handed.events[1].payload["target"], "agent/a");
    let waiting = bench.reader.pending_handovers().await.expect("read");
    let [effect] = waiting.as_slice() else {
        panic!("{waiting:?}")
    };
    assert_eq!((effect.effect, effect.generation), (Effect::Merge, 1));
    assert_eq!(
        bench.reader.pending_effects().await.expect("read"),
        pending,
        "those of the run are its own"
    );
    let stale = bench.hand("a", merge_done(0)).await.answer;
    assert!(matches!(stale, HandoverAnswer::Ignored(_)), "{stale:?}");
    let mut report = HandOver::new(id("a"), merge_done(1), Time(3_000));
    report.effect_done = Some(done_with(effect.id));
    let handed = bench
        .writer
        .hand_over(report.clone())
        .await
        .expect("applies");
    let told: Vec<&str> = handed.events.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(told, ["MERGE_FINISHED", "HANDOVER_STATE_CHANGED"]);
    let it = bench.handover("a").await;
    assert_eq!(it.facts.merge_commit.as_deref(), Some("c0ffee"));
    assert_eq!(bench.reader.pending_handovers().await.expect("read"), []);
    let again = bench.writer.hand_over(report).await.expect("applies");
    assert!(matches!(again.answer, HandoverAnswer::Ignored(_)));
    assert_eq!(bench.replay().await, []);
}

#[tokio::test]
async fn a_move_of_the_run_drops_nothing_of_its_handover() {
    let bench = Bench::new();
    bench.prove("a").await;
    let merge = bench.hands("a", Handing::Merge).await.effects;
    let generations: Vec<u64> = merge.iter().map(|it| it.generation).collect();
    // The step that the run began with has the same number, and is long superseded.
    assert_eq!(generations, [1]);
    let closed = Event::Closed {
        worktree_removed: true,
        note: None,
    };
    assert_eq!(bench.moves("a", closed).await.dropped, []);
    let pending = bench.reader.pending_handovers().await.expect("readable");
    assert_eq!(pending, merge);
}

#[tokio::test]
async fn a_run_is_started_anew_only_with_the_consent_of_its_handover() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.moves("a", Event::Cancel).await;
    bench.hands("a", Handing::Scrap).await;
    let before = bench.everything();
    let scrapped = "the run is scrapped; create a new one";
    for event in [retry(), Event::Reset] {
        let answer = bench.send("a", event).await.answer;
        assert_eq!(answer, Answer::Refused(scrapped));
    }
    assert_eq!(bench.everything(), before, "and nothing of it is stored");
    // A failure gives the run back, and says why.
    let snag = Snag {
        kind: SnagKind::InTheWay,
        code: "worktree_kept".to_owned(),
        message: "it holds something".to_owned(),
        hint: None,
    };
    bench
        .hands(
            "a",
            Handing::Failed {
                generation: 1,
                snag: snag.clone(),
            },
        )
        .await;
    assert_eq!(bench.handover("a").await.facts.snag, Some(snag));
    bench.hands("a", Handing::Scrap).await;
    bench.hands("a", Handing::ScrapDone { generation: 2 }).await;
    let answer = bench.send("a", retry()).await.answer;
    assert_eq!(answer, Answer::Refused(scrapped));
    assert_eq!(bench.replay().await, []);
}

#[tokio::test]
async fn a_late_report_of_a_handover_tells_its_run_nothing() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.moves("a", Event::Cancel).await;
    bench.hands("a", Handing::Scrap).await;
    let before = bench.everything();
    let mut late = HandOver::new(id("a"), Handing::ScrapDone { generation: 0 }, Time(3_000));
    late.run_event = Some(Event::Closed {
        worktree_removed: true,
        note: None,
    });
    let handed = bench.writer.hand_over(late).await.expect("answers");
    assert!(
        matches!(handed.answer, HandoverAnswer::Ignored(_)),
        "{handed:?}"
    );
    assert_eq!((handed.events, bench.everything()), (Vec::new(), before));
}

#[tokio::test]
async fn a_completed_run_that_is_merged_later_goes_through_the_checks_again() {
    let bench = Bench::new();
    bench.prove("a").await;
    let event = Event::RetryMerge {
        merge_strategy: MergeStrategy::Squash,
    };
    bench.moves("a", event.clone()).await;
    assert_eq!(bench.handover("a").await.state, handover::State::None);
    let run = bench.complete("a").await;
    assert_eq!(run.facts.merge_commit.as_deref(), Some("c0ffee"));
    let phases: Vec<String> = bench
        .steps("a")
        .await
        .into_iter()
        .map(|s| s.phase)
        .collect();
    assert_eq!(
        phases,
        [
            "implementation",
            "verification",
            "watchdog",
            "verification",
            "watchdog",
            "merge"
        ]
    );
    assert_eq!(bench.handover("a").await.state, handover::State::Merged);
    bench.moves("a", event).await;
    assert_eq!(bench.run("a").await.state.as_str(), "completed", "once");
    assert_eq!(bench.replay().await, []);
}

#[tokio::test]
async fn a_merge_by_a_person_is_not_repeated_by_a_retry() {
    let bench = Bench::new();
    bench.prove("a").await;
    bench.hands("a", Handing::Merge).await;
    bench.hands("a", merge_done(1)).await;
    let event = Event::RetryMerge {
        merge_strategy: MergeStrategy::Merge,
    };
    let answer = bench.send("a", event).await.answer;
    assert_eq!(answer, Answer::Refused("the work is merged already"));
}

#[tokio::test]
async fn the_database_alone_refuses_what_the_table_does_not_declare() {
    let bench = Bench::new();
    bench.prove("a").await;
    let raw = bench.raw();
    for (sql, said) in [
        (
            "UPDATE handovers SET state = 'merged' WHERE id = 'a'",
            "handover: ",
        ),
        (
            "UPDATE handovers SET facts = '{}' WHERE id = 'a'",
            "nothing changes without its rev",
        ),
        (
            "DELETE FROM handovers WHERE id = 'a'",
            "only what has ended can be deleted",
        ),
        (
            "UPDATE journal SET answer = NULL WHERE machine = 'handover'",
            "a journal row never changes",
        ),
    ] {
        let error = raw.execute(sql, []).expect_err(sql).to_string();
        assert!(error.contains(said), "{sql}: {error}");
    }
}

#[tokio::test]
async fn what_was_changed_from_outside_is_found() {
    for (sql, field) in [
        (
            "UPDATE handovers SET facts = json_set(facts, '$.merge_commit', 'x') WHERE id = 'a'",
            "fact merge_commit",
        ),
        (
            "UPDATE handovers SET generation = 7 WHERE id = 'a'",
            "columns",
        ),
        (
            "UPDATE handovers SET state = 'none', kind = 'waiting' WHERE id = 'a'",
            "state beside its run",
        ),
    ] {
        let bench = Bench::new();
        bench.prove("a").await;
        let raw = bench.raw();
        raw.execute_batch("DROP TRIGGER handover_update; DROP TRIGGER handovers_change_with_rev;")
            .expect("defenceless");
        assert_eq!(raw.execute(sql, []).expect(sql), 1);
        let found = bench.replay().await;
        assert!(
            found
                .iter()
                .any(|it| it.entity == "the handover of a" && it.field == field),
            "{sql}: {found:#?}"
        );
    }
    // Open beside a run that is on its way again, with a journal that explains how it got there.
    let bench = Bench::new();
    bench.create("a").await;
    bench.moves("a", Event::Cancel).await;
    bench.moves("a", retry()).await;
    let forged = serde_json::to_string(&Handing::Ended {
        how: RunEnd::GivenUp,
    });
    bench
        .raw()
        .execute(
            "INSERT INTO journal (machine, entity, rev, at, event, data, from_state, to_state, answer, version)
             SELECT machine, entity, 4, at, event, ?1, from_state, to_state, answer, version
             FROM journal WHERE machine = 'handover' AND event = 'ended'",
            [forged.expect("JSON")],
        )
        .expect("forges");
    let again = bench.raw().execute(
        "UPDATE handovers SET state = 'given_up', rev = 4, kind = (SELECT kind FROM handover_states WHERE state = 'given_up'), facts = json_set(facts, '$.end', 'given_up') WHERE id = 'a'",
        [],
    );
    assert_eq!(again.expect("forges"), 1);
    let found = bench.replay().await;
    assert!(
        found.iter().any(|it| it.field == "state beside its run"
            && (it.expected.as_str(), it.found.as_str()) == ("none", "given_up")),
        "{found:#?}"
    );
    let bench = Bench::new();
    bench.prove("a").await;
    bench
        .raw()
        .execute_batch("DROP TRIGGER handover_delete; DELETE FROM handovers")
        .expect("deletes");
    let found = bench.replay().await;
    assert_eq!(found.len(), 1, "{found:#?}");
}

/// Takes a proved run through a merge that fails, one that does not, and a scrap. Every commit is one event.
async fn go_on(dir: &std::path::Path, crash: Option<CrashPoint>) -> Result<(), StoreError> {
    let options = Options {
        crash: crash.map_or_else(Crash::default, Crash::at),
        ..Options::default()
    };
    let (writer, reader) = store::open(dir, options)?;
    loop {
        let it = reader.handover(&id("a")).await?.expect("a handover");
        let generation = it.facts.generation;
        let snag = Snag {
            kind: SnagKind::Failed,
            code: "target_moved".to_owned(),
            message: "it has moved".to_owned(),
            hint: None,
        };
        let event = match (it.state, generation) {
            (handover::State::Proved, _) => Handing::Merge,
            (handover::State::Merging, 1) => Handing::Failed { generation, snag },
            (handover::State::Merging, _) => merge_done(generation),
            (handover::State::Merged, _) => Handing::Scrap,
            (handover::State::Scrapping, _) => Handing::ScrapDone { generation },
            _ => {
                writer.close().await;
                return Ok(());
            }
        };
        let mut request = HandOver::new(id("a"), event, Time(4_000));
        let pending = reader.pending_handovers().await?;
        request.effect_done = pending.first().map(|effect| done_with(effect.id));
        if let Handing::ScrapDone { .. } = request.event {
            request.run_event = Some(Event::Closed {
                worktree_removed: true,
                note: None,
            });
        }
        let handed = writer.hand_over(request).await?;
        assert!(matches!(handed.answer, HandoverAnswer::Moved(_)));
    }
}

#[tokio::test]
async fn after_a_crash_at_any_commit_the_handover_goes_on_to_the_very_same_end() {
    let proved = || async {
        let bench = Bench::new();
        bench.prove("a").await;
        bench
    };
    let whole = proved().await;
    go_on(whole.dir.path(), None).await.expect("goes on");
    assert!(whole.run("a").await.facts.worktree_removed);
    let expected = whole.everything();
    for place in [Place::Before, Place::After] {
        for commit in 1..=6 {
            let bench = proved().await;
            let crash = CrashPoint {
                place,
                name: None,
                nth: commit,
                death: Death::Quit,
            };
            let gone = go_on(bench.dir.path(), Some(crash.clone())).await;
            assert!(matches!(gone, Err(StoreError::Gone)), "{crash}: {gone:?}");
            assert_eq!(bench.replay().await, [], "{crash}");
            go_on(bench.dir.path(), None).await.expect("goes on");
            assert_eq!(bench.everything(), expected, "{crash}");
        }
    }
}
