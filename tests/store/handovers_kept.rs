//! A stored handover is whole: the database alone refuses what its table does not declare, the replay finds what somebody
//! has changed from outside, and a crash at any commit leads to the same end. What its events do is tried in
//! `handing_over`.

use agent_loop::core::handover::{self, Event as Handing, RunEnd, Snag, SnagKind};
use agent_loop::core::run::Event;
use agent_loop::core::time::Time;
use agent_loop::crash::{Crash, CrashPoint, Death, Place};
use agent_loop::store::{self, HandOver, HandoverAnswer, Options, StoreError};

use super::handing_over::merge_done;
use super::support::*;

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
    bench.moves("a", RETRY).await;
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
