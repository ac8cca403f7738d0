//! What a person does with an ended run: begun, reported and consented to in one transaction with everything that belongs
//! to it, and explained by the journal. That it stays so whatever happens is tried in `handovers_kept`.

use agent_loop::core::handover::{self, Effect, Event as Handing, RunEnd, Snag, SnagKind};
use agent_loop::core::run::{Event, MergeStrategy};
use agent_loop::core::time::Time;
use agent_loop::store::{
    Answer, HandOver, HandedOver, HandoverAnswer, HandoverMove, StoredHandover,
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

    pub(super) async fn handover(&self, id_of: &str) -> StoredHandover {
        let found = self.reader.handover(&id(id_of)).await.expect("readable");
        found.expect("a handover")
    }

    /// A run that is completed without a merge.
    pub(super) async fn prove(&self, name: &str) {
        let mut new = new_run(name);
        new.facts.terms.merge_strategy = MergeStrategy::None;
        self.create_as(new).await;
        self.complete(name).await;
    }
}

pub(super) fn merge_done(generation: u64) -> Handing {
    Handing::MergeDone {
        generation,
        commit: "c0ffee".to_owned(),
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
    bench.moves("a", RETRY).await;
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
    for event in [RETRY, Event::Reset] {
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
    let answer = bench.send("a", RETRY).await.answer;
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
