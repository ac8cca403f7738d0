//! `loopctl run`: the request that it makes of its flags, and the waiting.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::fake::{Fake, RUN, event, events, refusal, reply, run};
use super::loopctl::User;

fn created() -> Value {
    json!({
        "run": run("queued", "PENDING"),
        "plan": { "tasks": 5, "done": 1, "blocked": 1, "human": 2,
                  "skipped": [{ "heading": "Manual QA", "boxes": 3 }] },
        "warnings": ["no verify_cmds: the run will be unverified"]
    })
}

/// A user whose home is a git work tree.
fn user() -> User {
    let user = User::new();
    user.file(".git/HEAD", "ref: refs/heads/main\n");
    user.file("specs/login.md", "# Login\n");
    user.file("specs/deep/x", "");
    user
}

/// Creates, then streams these events, and answers with a run in this state.
async fn daemon(stream: String, state: &'static str, status: &'static str) -> Fake {
    Fake::start(move |seen| match (seen.method.as_str(), seen.uri.as_str()) {
        ("POST", "/runs") => reply(201, &created()),
        (_, uri) if uri.ends_with("/events") => events(stream.clone()),
        (_, uri) if uri.ends_with("/output") => {
            let data = json!({ "step_id": RUN, "phase": "implementation", "offset": 0, "text": "working\n" });
            events(format!("id: {RUN}:8\ndata: {data}\n\n"))
        }
        _ => reply(200, &json!({ "run": run(state, status) })),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_where_the_spec_is_what_counts_and_what_is_skipped() {
    let fake = daemon(String::new(), "queued", "PENDING").await;
    let user = user();
    let mut command = user.command(&["run", "../login.md"]);
    command
        .env("LOOPD_ADDR", &fake.addr)
        .current_dir(user.home.path().join("specs/deep"));
    let ended: super::loopctl::Ended = command.output().await.expect("starts").into();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(
        ended.out,
        "1f09a2c4  queued  login\nplan: 5 tasks, 1 done, 1 blocked; 2 boxes for a person do not count\nskipped: \"Manual QA\" with 3 boxes\n"
    );
    assert!(ended.err.contains("will be unverified"), "{}", ended.err);
    let root = user.home.path().canonicalize().expect("a path");
    let asked = &fake.asked()[0];
    assert_eq!(
        asked.json(),
        json!({ "spec_path": "specs/login.md", "workspace_root": root })
    );
    assert!(asked.header("idempotency-key").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flag_reaches_the_request() {
    let fake = daemon(String::new(), "queued", "PENDING").await;
    let user = user();
    let args = [
        "run",
        "specs/login.md",
        "plan.md",
        "--name",
        "n",
        "--agent",
        "codex",
        "--model",
        "m",
        "--iterations",
        "9",
        "--verify-cmd",
        "cargo test",
        "--verify-cmd",
        "a | b",
        "--base-branch",
        "main",
        "--run-branch-prefix",
        "p/",
        "--merge-target",
        "t",
        "--merge-strategy",
        "none",
        "--worktree-path-template",
        "../w",
        "--priority",
        "-3",
        "--after",
        "1234",
        "--snapshot",
        "--json",
    ];
    let ended = user.at(&fake.addr, &args).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(
        serde_json::from_str::<Value>(&ended.out).expect("JSON"),
        created()
    );
    let root = user.home.path().canonicalize().expect("a path");
    assert_eq!(
        fake.asked()[0].json(),
        json!({
            "spec_path": "specs/login.md", "workspace_root": root, "plan_path": "plan.md", "name": "n",
            "agent": "codex", "base_branch": "main", "run_branch_prefix": "p/", "merge_target_branch": "t",
            "merge_strategy": "none", "worktree_path_template": "../w", "priority": -3, "after": "1234",
            "snapshot": true,
            "config_override": { "model": "m", "iterations": 9, "verify_cmds": ["cargo test", "a | b"] }
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_of_a_name_is_spelt_as_in_the_configuration() {
    let fake = daemon(String::new(), "queued", "PENDING").await;
    let user = user();
    let args = ["run", "specs/login.md", "--name-source", "spec_slug"];
    let ended = user.at(&fake.addr, &args).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(fake.asked()[0].json()["name_source"], "spec_slug");
    let args = ["run", "specs/login.md", "--name-source", "user"];
    assert_eq!(user.at(&fake.addr, &args).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_waited_for_and_completes_is_a_success() {
    let stream =
        event(1, "RUN_CREATED", RUN, json!({})) + &event(2, "RUN_COMPLETED", RUN, json!({}));
    let fake = daemon(stream, "completed", "COMPLETED").await;
    let ended = user()
        .at(&fake.addr, &["run", "specs/login.md", "--wait"])
        .await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.out.ends_with("1f09a2c4  completed  login\n"),
        "{}",
        ended.out
    );
    let polls = fake
        .asked()
        .iter()
        .filter(|seen| seen.uri == format!("/runs/{RUN}"))
        .count();
    assert_eq!(
        polls, 1,
        "the run is looked at once, when its end was announced"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_comes_back_when_all_is_done_that_the_end_has_asked_for() {
    let looks = AtomicU32::new(0);
    let fake = Fake::start(
        move |seen| match (seen.method.as_str(), seen.uri.as_str()) {
            ("POST", "/runs") => reply(201, &created()),
            (_, uri) if uri.ends_with("/events") => {
                events(event(2, "RUN_COMPLETED", RUN, json!({})))
            }
            _ => {
                let mut run = run("completed", "COMPLETED");
                run["settled"] = (looks.fetch_add(1, Ordering::Relaxed) >= 3).into();
                reply(200, &json!({ "run": run }))
            }
        },
    )
    .await;
    let args = ["run", "specs/login.md", "--wait", "--json"];
    let ended = user().at(&fake.addr, &args).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let told: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(told["run"]["settled"], true);
    let looked = |seen: &&super::fake::Seen| seen.uri == format!("/runs/{RUN}");
    assert_eq!(fake.asked().iter().filter(looked).count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_does_not_say_whether_a_run_is_settled_is_not_waited_for() {
    let fake = Fake::start(
        move |seen| match (seen.method.as_str(), seen.uri.as_str()) {
            ("POST", "/runs") => reply(201, &created()),
            (_, uri) if uri.ends_with("/events") => {
                events(event(2, "RUN_COMPLETED", RUN, json!({})))
            }
            _ => {
                let mut run = run("completed", "COMPLETED");
                run.as_object_mut().expect("an object").remove("settled");
                reply(200, &json!({ "run": run }))
            }
        },
    )
    .await;
    let ended = user()
        .at(&fake.addr, &["run", "specs/login.md", "--wait"])
        .await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let looked = |seen: &&super::fake::Seen| seen.uri == format!("/runs/{RUN}");
    assert_eq!(fake.asked().iter().filter(looked).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_is_canceled_or_pauses_ends_the_waiting_with_6() {
    for (kind, state, status, advice) in [
        ("RUN_FAILED", "failed", "FAILED", "loopctl retry 1f09a2c4"),
        (
            "RUN_CANCELED",
            "canceled",
            "CANCELED",
            "loopctl retry 1f09a2c4",
        ),
        ("RUN_PAUSED", "paused", "PAUSED", "loopctl resume 1f09a2c4"),
    ] {
        let fake = daemon(event(2, kind, RUN, json!({})), state, status).await;
        let ended = user()
            .at(&fake.addr, &["run", "specs/login.md", "--wait"])
            .await;
        assert_eq!(ended.code, Some(6), "{kind}: {}", ended.err);
        let words = format!("loopctl: run 1f09a2c4 did not complete: {state}");
        assert!(ended.err.contains(&words), "{}", ended.err);
        assert!(ended.err.contains(advice), "{}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_shows_the_output_and_ends_as_the_run_ends() {
    let fake = daemon(event(2, "RUN_FAILED", RUN, json!({})), "failed", "FAILED").await;
    let ended = user()
        .at(&fake.addr, &["run", "specs/login.md", "--follow", "--json"])
        .await;
    assert_eq!(ended.code, Some(6), "{}", ended.err);
    let lines: Vec<Value> = ended
        .out
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["text"], "working\n");
    assert_eq!(lines[1]["run"]["state"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_last_is_shown_although_the_run_has_ended() {
    let looked_at = std::sync::Arc::new(tokio::sync::Notify::new());
    let fake = Fake::start(move |seen| match (seen.method.as_str(), seen.uri.as_str()) {
        ("POST", "/runs") => reply(201, &created()),
        (_, uri) if uri.ends_with("/events") => events(event(2, "RUN_FAILED", RUN, json!({}))),
        (_, uri) if uri.ends_with("/output") => {
            let looked_at = looked_at.clone();
            let last = futures_util::stream::once(async move {
                looked_at.notified().await;
                let data = json!({ "step_id": RUN, "phase": "review", "offset": 0, "text": "last words\n" });
                Ok::<_, std::io::Error>(format!("id: {RUN}:11\ndata: {data}\n\n"))
            });
            axum::response::Response::new(axum::body::Body::from_stream(last))
        }
        _ => {
            looked_at.notify_one();
            reply(200, &json!({ "run": run("failed", "FAILED") }))
        }
    })
    .await;
    let ended = user()
        .at(&fake.addr, &["run", "specs/login.md", "--follow"])
        .await;
    assert_eq!(ended.code, Some(6), "{}", ended.err);
    assert!(ended.out.contains("last words\n"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_says_why() {
    let fake = Fake::start(|_| refusal(422, "plan_missing", "there is no plan", "write one")).await;
    let ended = user().at(&fake.addr, &["run", "specs/login.md"]).await;
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.err,
        "loopctl: failed to create the run: there is no plan\nhint: write one\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_spec_and_without_a_terminal_it_is_wrong_usage_at_once() {
    let ended = user().alone(&["run"]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("the spec is missing"), "{}", ended.err);
    assert!(
        ended.err.contains("hint: name it: loopctl run SPEC"),
        "{}",
        ended.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_wait_leaves_the_run_alone() {
    use tokio::io::AsyncBufReadExt as _;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let fake = Fake::start(move |seen| match seen.method.as_str() {
        "POST" => reply(201, &created()),
        _ => {
            if let Some(sender) = sender.lock().expect("not poisoned").take() {
                let _ = sender.send(());
            }
            // A stream in which nothing ever happens.
            let quiet =
                futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
            axum::response::Response::new(axum::body::Body::from_stream(quiet))
        }
    });
    let fake = fake.await;
    let user = user();
    let mut command = user.command(&["run", "specs/login.md", "--wait"]);
    let mut child = command
        .env("LOOPD_ADDR", &fake.addr)
        .spawn()
        .expect("starts");
    let mut out = tokio::io::BufReader::new(child.stdout.take().expect("piped")).lines();
    out.next_line().await.expect("readable").expect("a line");
    receiver.await.expect("the stream is open");
    let pid = rustix::process::Pid::from_raw(child.id().expect("alive") as i32).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signalled");
    let ended: super::loopctl::Ended = child.wait_with_output().await.expect("ends").into();
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    assert!(ended.err.contains("run 1f09a2c4 goes on"), "{}", ended.err);
    assert!(
        ended.err.contains("loopctl cancel 1f09a2c4"),
        "{}",
        ended.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_from_which_nothing_can_be_asked_is_said_with_what_to_do() {
    use std::os::unix::ffi::OsStrExt as _;
    let user = user();
    let gone = user.home.path().join("gone");
    std::fs::create_dir(&gone).expect("a directory");
    // The shell is in there when it goes.
    let mut shell = tokio::process::Command::new("/bin/sh");
    shell
        .current_dir(&gone)
        .env("LOOPCTL", env!("CARGO_BIN_EXE_loopctl"))
        .args(["-c", "rmdir ../gone; exec \"$LOOPCTL\" run specs/login.md"]);
    let ended: super::loopctl::Ended = shell.output().await.expect("sh starts").into();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("failed to find the current directory"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("hint: it was removed or moved: go to"),
        "{}",
        ended.err
    );

    let odd = user
        .home
        .path()
        .join(std::ffi::OsStr::from_bytes(b"odd\xff"));
    std::fs::create_dir_all(odd.join(".git")).expect("a directory");
    let mut command = user.command(&["run", "s.md"]);
    let ended = command
        .current_dir(&odd)
        .output()
        .await
        .expect("loopctl starts");
    let ended: super::loopctl::Ended = ended.into();
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("is not UTF-8"), "{}", ended.err);
    assert!(
        ended.err.contains("hint: rename what is not UTF-8"),
        "{}",
        ended.err
    );
}
