//! Creation, idempotency, numbers and references.

use agent_loop::core::run::{RunId, State};
use agent_loop::core::time::Time;
use agent_loop::store::{Created, Filter, Found, Idempotency, NewRun, StoreError};

use super::support::*;

fn asked(id: &str, key: &str, hash: &str) -> NewRun {
    let idempotency = Idempotency {
        key: key.to_owned(),
        request_hash: hash.to_owned(),
    };
    NewRun {
        idempotency: Some(idempotency),
        ..new_run(id)
    }
}

#[tokio::test]
async fn a_created_run_waits_at_the_end_of_the_queue_and_the_world_is_told() {
    let bench = Bench::new();
    for (number, id) in [(1, "b"), (2, "a")] {
        let created = bench.writer.create(new_run(id)).await.expect("creates");
        let Created::New(run, events) = created else {
            panic!("not new")
        };
        assert_eq!(
            (run.number, run.rev, run.epoch, run.state),
            (number, 1, 0, State::Queued)
        );
        assert_eq!(*run, bench.run(id).await);
        let kinds: Vec<&str> = events.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["RUN_CREATED", "RUN_QUEUED"]);
    }
    let queue = bench.reader.queue_snapshot().await.expect("readable");
    let order: Vec<(&str, u64)> = queue
        .waiting
        .iter()
        .map(|it| (it.id.as_str(), it.seq))
        .collect();
    assert_eq!(order, [("b", 1), ("a", 2)], "by sequence, not by id");
    assert_eq!(bench.replay().await, []);
}

#[tokio::test]
async fn one_idempotency_key_makes_one_run() {
    let bench = Bench::new();
    let first = bench
        .writer
        .create(asked("a", "key", "h1"))
        .await
        .expect("creates");
    assert!(matches!(first, Created::New(..)));
    bench.moves("a", claim()).await;
    let again = bench
        .writer
        .create(asked("b", "key", "h1"))
        .await
        .expect("answers");
    assert_eq!(
        again,
        Created::Existing(Box::new(bench.run("a").await)),
        "as it stands now"
    );
    let other = bench
        .writer
        .create(asked("c", "key", "h2"))
        .await
        .expect("answers");
    assert_eq!(other, Created::KeyTaken(RunId("a".to_owned())));
    assert!(matches!(
        bench.writer.create(asked("d", "key2", "h1")).await,
        Ok(Created::New(..))
    ));
    assert_eq!(bench.count("runs"), 2);
}

#[tokio::test]
async fn an_id_is_used_once_and_the_failed_request_leaves_nothing() {
    let bench = Bench::new();
    bench.create("a").await;
    let before = bench.everything();
    let again = bench.writer.create(asked("a", "key", "h")).await;
    assert!(matches!(again, Err(StoreError::Sqlite { .. })), "{again:?}");
    assert_eq!(bench.everything(), before);
}

#[tokio::test]
async fn a_run_is_found_by_its_id_a_prefix_a_suffix_or_its_name() {
    let bench = Bench::new();
    for (id, name) in [
        ("0190-aa-11", "parser"),
        ("0190-ab-22", "lexer"),
        ("0191-ac-11", "lexer"),
    ] {
        let new = NewRun {
            spec: spec(name),
            ..new_run(id)
        };
        bench.create_as(new).await;
    }
    let find = async |text: &str| bench.reader.find(text).await.expect("readable");
    let one = |id: &str| Found::One(RunId(id.to_owned()));
    let several = |found: &[(&str, &str)]| {
        Found::Ambiguous(
            found
                .iter()
                .map(|(id, name)| (RunId((*id).to_owned()), (*name).to_owned()))
                .collect(),
        )
    };
    assert_eq!(find("0190-aa-11").await, one("0190-aa-11"));
    assert_eq!(find("0191").await, one("0191-ac-11"));
    assert_eq!(find("22").await, one("0190-ab-22"));
    assert_eq!(find("AB-22").await, one("0190-ab-22"));
    // The tail is what lists show, and a person types its beginning.
    assert_eq!(find("90-ab").await, one("0190-ab-22"));
    assert_eq!(find("190-ab").await, Found::None);
    assert_eq!(find("parser").await, one("0190-aa-11"));
    assert_eq!(
        find("lexer").await,
        several(&[("0191-ac-11", "lexer"), ("0190-ab-22", "lexer")])
    );
    assert_eq!(
        find("11").await,
        several(&[("0191-ac-11", "lexer"), ("0190-aa-11", "parser")])
    );
    // A name that is what a list shows of another run means both.
    bench
        .create_as(NewRun {
            spec: spec("other"),
            ..new_run("0192-0000-caa9605f")
        })
        .await;
    bench
        .create_as(NewRun {
            spec: spec("caa9605f"),
            ..new_run("0193-0000-00000001")
        })
        .await;
    assert_eq!(
        find("caa9605f").await,
        several(&[
            ("0193-0000-00000001", "caa9605f"),
            ("0192-0000-caa9605f", "other")
        ])
    );
    for nothing in [
        "",
        "%",
        "_",
        "parse",
        "0190-aa-111",
        "Parser",
        "' OR 1=1 --",
    ] {
        assert_eq!(find(nothing).await, Found::None, "{nothing:?}");
    }
}

#[tokio::test]
async fn a_whole_id_means_that_run_even_when_others_are_called_like_it() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.create("ab").await;
    bench
        .create_as(NewRun {
            spec: spec("a"),
            ..new_run("xyz")
        })
        .await;
    // And a name means its run, whatever ids begin with it.
    bench
        .create_as(NewRun {
            spec: spec("xy"),
            ..new_run("named")
        })
        .await;
    for (said, meant) in [("a", "a"), ("xy", "named"), ("xyz", "xyz")] {
        assert_eq!(
            bench.reader.find(said).await.expect("readable"),
            Found::One(RunId(meant.to_owned()))
        );
    }
}

#[tokio::test]
async fn lists_are_newest_first_filtered_and_paged_without_gap_or_repeat() {
    let bench = Bench::new();
    for n in 0..7 {
        let mut new = new_run(&format!("r{n}"));
        new.now = Time(1_000 - n);
        if n % 2 == 1 {
            new.spec.workspace_root = "/w/other".to_owned();
        }
        bench.create_as(new).await;
    }
    bench.complete("r2").await;
    bench.moves("r3", claim()).await;
    let all = async |filter: Filter| {
        let (mut ids, mut before) = (Vec::new(), None);
        loop {
            let page = bench
                .reader
                .list(Filter {
                    before,
                    ..filter.clone()
                })
                .await
                .expect("readable");
            assert!(page.runs.len() <= 2);
            ids.extend(page.runs.into_iter().map(|run| run.id.0));
            match page.next {
                None => return ids,
                next => before = next,
            }
        }
    };
    let two = Filter {
        limit: 2,
        ..Filter::default()
    };
    assert_eq!(
        all(two.clone()).await,
        ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]
    );
    let states = vec![State::Completed, State::Running];
    assert_eq!(
        all(Filter {
            states: states.clone(),
            ..two.clone()
        })
        .await,
        ["r3", "r2"]
    );
    // Each once and in its place, however often and in whatever order the states are named.
    let three = vec![
        State::Running,
        State::Queued,
        State::Completed,
        State::Queued,
    ];
    assert_eq!(
        all(Filter {
            states: three,
            ..two.clone()
        })
        .await,
        ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]
    );
    let other = Some("/w/other".to_owned());
    assert_eq!(
        all(Filter {
            workspace_root: other.clone(),
            ..two.clone()
        })
        .await,
        ["r5", "r3", "r1"]
    );
    assert_eq!(
        all(Filter {
            workspace_root: other,
            states,
            ..two
        })
        .await,
        ["r3"]
    );

    let none = Filter {
        limit: 0,
        ..Filter::default()
    };
    let page = bench.reader.list(none).await.expect("readable");
    assert_eq!(
        page.runs.len(),
        1,
        "a page is never empty while there is more"
    );

    let counts = bench.reader.counts().await.expect("readable");
    assert_eq!(counts.len(), State::ALL.len());
    for (state, count) in counts {
        let expected = match state {
            State::Queued => 5,
            State::Running | State::Completed => 1,
            State::Verifying
            | State::Watchdog
            | State::Merging
            | State::Paused
            | State::Failed
            | State::Canceled => 0,
        };
        assert_eq!(count, expected, "{state}");
    }
}
