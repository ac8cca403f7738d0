//! Each command but `list`: what it asks the daemon, what it prints, and how it ends.

use serde_json::{Value, json};

use super::fake::{Fake, RUN, refusal, reply, run};
use super::loopctl::User;

pub(super) async fn answering(status: u16, body: Value) -> Fake {
    Fake::start(move |_| reply(status, &body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_commands_send_their_event_and_show_the_run() {
    let fake = answering(200, json!({ "run": run("paused", "PAUSED") })).await;
    let user = User::new();
    for verb in ["pause", "cancel", "reset", "resume", "retry"] {
        let ended = user.at(&fake.addr, &[verb, "my run"]).await;
        assert_eq!(ended.code, Some(0), "{verb}: {}", ended.err);
        assert_eq!(ended.out, "1f09a2c4  paused  login\n");
        let asked = fake.asked().pop().expect("a request");
        assert_eq!(asked.method, "POST");
        assert_eq!(asked.uri, format!("/runs/my%20run/{verb}"));
        assert_eq!(asked.header("x-loopd-readiness-retries"), Some("0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handing_over_shows_what_became_of_the_work() {
    let mut handed = run("completed", "COMPLETED");
    handed["review_status"] = json!("merged");
    handed["merge_commit"] = json!("c0ffee");
    handed["handover"] = json!({ "state": "merged", "message": null });
    let fake = answering(200, json!({ "run": handed })).await;
    let user = User::new();
    for (verb, path) in [("merge", "merge"), ("scrap", "scrap"), ("pr", "create-pr")] {
        let ended = user.at(&fake.addr, &[verb, "my run"]).await;
        assert_eq!(ended.code, Some(0), "{verb}: {}", ended.err);
        assert_eq!(ended.out, "1f09a2c4  completed  login  merged as c0ffee\n");
        let asked = fake.asked().pop().expect("a request");
        assert_eq!(asked.method, "POST");
        assert_eq!(asked.uri, format!("/runs/my%20run/{path}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handover_that_is_refused_ends_with_5_and_one_that_failed_with_1() {
    for (status, code, verb, exit) in [
        (409, "refused", "merge", 5),
        (409, "target_held", "merge", 5),
        (422, "no_remote", "pr", 1),
        (404, "not_found", "scrap", 4),
    ] {
        let fake = Fake::start(move |_| refusal(status, code, "made is in the way", "move it"));
        let fake = fake.await;
        let ended = User::new().at(&fake.addr, &[verb, "x"]).await;
        assert_eq!(ended.code, Some(exit), "{}", ended.err);
        assert!(ended.err.contains("made is in the way"), "{}", ended.err);
        assert!(ended.err.contains("move it"), "{}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_and_retry_say_what_was_added() {
    let fake = answering(200, json!({ "run": run("queued", "PENDING") })).await;
    let user = User::new();
    user.at(&fake.addr, &["resume", "x", "--accept", "--note", "go on"])
        .await;
    user.at(&fake.addr, &["retry", "x", "--merge-strategy", "squash"])
        .await;
    let asked = fake.asked();
    assert_eq!(asked[0].json(), json!({ "accept": true, "note": "go on" }));
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    assert_eq!(asked[1].json(), json!({ "merge_strategy": "squash" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_their_exit_codes_and_the_machines_words() {
    for (status, code, exit) in [
        (404, "not_found", 4),
        (409, "refused", 5),
        (409, "ambiguous_run", 1),
        (400, "bad_request", 1),
        (422, "invalid", 1),
        (429, "too_many", 1),
        (500, "internal", 1),
    ] {
        let fake =
            Fake::start(move |_| refusal(status, code, "the run has ended", "use retry")).await;
        let ended = User::new().at(&fake.addr, &["resume", "x"]).await;
        assert_eq!(ended.code, Some(exit), "{status} {code}: {}", ended.err);
        assert_eq!(
            ended.err,
            "loopctl: failed to resume run x: the run has ended\nhint: use retry\n"
        );
        assert_eq!(ended.out, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_understood_points_to_the_versions() {
    let fake = answering(200, json!({ "run": 1 })).await;
    let ended = User::new().at(&fake.addr, &["pause", "x"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("not understood"), "{}", ended.err);
    assert!(ended.err.contains("loopctl doctor"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_names_every_gate_the_place_and_the_next_look() {
    let body = json!({
        "run": RUN, "state": "queued", "position": 2, "wake_at": "2099-01-01T00:00:00Z",
        "gates": [ { "gate": "global_cap", "message": "3 of 3 slots are used" },
                   { "gate": "limit", "message": "claude is limited", "until": "2099-01-01T00:00:00Z" } ]
    });
    let fake = answering(200, body).await;
    let ended = User::new().at(&fake.addr, &["why", "login"]).await;
    assert!(
        ended
            .out
            .contains("1f09a2c4 is queued, number 2 in the queue"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("global_cap: 3 of 3 slots are used"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("limit: claude is limited (for "),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("until 2099-01-01 00:00:00)"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("looked at again in"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_shows_slots_next_and_held() {
    let queued = |state: &str| json!({ "run": RUN, "name": "login", "state": state, "priority": 0, "workspace_root": "/w" });
    let mut held = queued("queued");
    held["position"] = json!(1);
    held["gates"] = json!([{ "gate": "workspace_cap", "message": "1 of 1 slots of /w are used" }]);
    let body = json!({
        "starting": [queued("queued")], "running": [queued("running")], "held": [held],
        "policy": { "queue_policy": "fifo", "max_concurrent_runs": 3, "max_runs_per_workspace": 1, "aging_starts": 8 },
        "wake_at": null
    });
    let fake = answering(200, body).await;
    let ended = User::new().at(&fake.addr, &["queue"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended
            .out
            .starts_with("1 of 3 slots used, 1 for each workspace, fifo"),
        "{}",
        ended.out
    );
    for start in ["slot", "next", "1 "] {
        assert!(
            ended.out.lines().any(|line| line.starts_with(start)),
            "{start}: {}",
            ended.out
        );
    }
    assert!(
        ended
            .out
            .contains("workspace_cap: 1 of 1 slots of /w are used"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("when something changes"),
        "{}",
        ended.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_without_runs_is_one_line() {
    let body = json!({
        "starting": [], "running": [], "held": [], "wake_at": null,
        "policy": { "queue_policy": "fifo", "max_concurrent_runs": 3, "max_runs_per_workspace": 1, "aging_starts": 8 },
    });
    let fake = answering(200, body).await;
    let ended = User::new().at(&fake.addr, &["queue"]).await;
    assert_eq!(
        ended.out,
        "0 of 3 slots used, 1 for each workspace, fifo (at most 8 younger starts overtake a run)\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_adds_steps_and_files_and_goes_on_by_id() {
    let fake = Fake::start(|seen| match seen.uri.rsplit('/').next() {
        Some("steps") => reply(
            200,
            &json!({ "steps": [{
            "id": RUN, "run_id": RUN, "phase": "implementation", "status": "FAILED", "attempt": 1, "iteration": 2,
            "started_at": "2026-11-20T09:00:00Z", "ended_at": "2026-11-20T09:05:00Z", "exit_code": 1,
            "agent": { "name": "claude", "version": "2.1.330", "resumed_session": null },
            "prompt_path": null, "output_path": "/d/iter-02-impl.log" }] }),
        ),
        Some("artifacts") => reply(
            200,
            &json!({ "artifacts": [{
            "kind": "summary", "location": "global", "path": "/d/summary.json", "sha256": null }] }),
        ),
        _ => {
            let mut failed = run("failed", "FAILED");
            failed["failure"] =
                json!({ "code": "agent_failed", "message": "three attempts crashed" });
            reply(200, &json!({ "run": failed }))
        }
    });
    let fake = fake.await;
    let user = User::new();
    let ended = user.at(&fake.addr, &["inspect", "login"]).await;
    for text in [
        RUN,
        "agent_failed: three attempts crashed",
        "3 of 5 done",
        "agent/login (squash)",
        "implementation",
        "5m",
        "claude 2.1.330",
        "/d/iter-02-impl.log",
        "/d/summary.json",
    ] {
        assert!(ended.out.contains(text), "{text}: {}", ended.out);
    }
    let uris: Vec<String> = fake.asked().into_iter().map(|seen| seen.uri).collect();
    assert_eq!(
        uris,
        [
            "/runs/login".to_owned(),
            format!("/runs/{RUN}/steps"),
            format!("/runs/{RUN}/artifacts")
        ]
    );
    let ended = user.at(&fake.addr, &["inspect", "login", "--json"]).await;
    let all: Value = serde_json::from_str(&ended.out).expect("one JSON object");
    assert_eq!(all["run"]["id"], RUN);
    assert_eq!(all["steps"][0]["exit_code"], 1);
    assert_eq!(all["artifacts"][0]["kind"], "summary");
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_gives_a_pipe_the_patch_byte_for_byte() {
    let patch = "diff --git a/x b/x\n@@ -1 +1 @@\n-\u{1b}[31mold\n+new\t\r\n";
    let body = json!({ "run_id": RUN, "base_commit": "a", "head_commit": "b", "diff": patch, "truncated": true });
    let fake = answering(200, body).await;
    let ended = User::new().at(&fake.addr, &["diff", "login"]).await;
    assert_eq!(ended.out, patch);
    assert!(ended.err.contains("was cut"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    let fake = answering(
        200,
        json!({ "runs": [run("queued", "PENDING")], "next_cursor": null }),
    )
    .await;
    let user = User::new();
    let mut command = user.command(&["list"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    // Not by `output`, which would put a pipe of its own in the place of this one.
    let child = command
        .env("LOOPD_ADDR", &fake.addr)
        .stdout(writer)
        .spawn()
        .expect("loopctl starts");
    let output = child.wait_with_output().await.expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}
