//! `loopctl analyze`: which run it takes, what it waits for, and what it prints.

use serde_json::{Value, json};

use super::fake::{Fake, RUN, event, events, refusal, reply, run};
use super::loopctl::User;

fn ended(over: bool, failure: Option<&str>) -> Value {
    let mut run = run("completed", "COMPLETED");
    run["ended_at"] = json!("2026-01-01T10:00:00Z");
    run["postmortem"] = json!({
        "began_at": "2026-01-01T10:01:00Z",
        "ended_at": over.then_some("2026-01-01T10:02:00Z"),
        "written": over && failure.is_none(),
        "failure": failure,
    });
    run
}

/// A daemon with one ended run, whose reports are in the user's home.
async fn daemon(user: &User, failure: Option<&'static str>) -> Fake {
    user.file("analysis/summary.md", "# Summary of login\n");
    user.file("analysis/report.md", "It went well.\n");
    let dir = user.home.path().join("analysis");
    let report = |name: &str| {
        json!({
            "kind": "analysis", "location": "global", "path": dir.join(name), "sha256": null
        })
    };
    let log = json!({ "kind": "log", "location": "global", "path": "/v/iter-01-impl.log", "sha256": null });
    let reports = json!({ "artifacts": [log, report("summary.md"), report("report.md")] });
    let other = run("failed", "FAILED");
    Fake::start(
        move |seen| match (seen.method.as_str(), seen.uri.as_str()) {
            ("POST", _) => reply(200, &json!({ "run": ended(false, None) })),
            (_, uri) if uri.ends_with("/events") => events(
                event(1, "POSTMORTEM_START", RUN, json!({}))
                    + &event(2, "POSTMORTEM_END", RUN, json!({})),
            ),
            (_, uri) if uri.ends_with("/artifacts") => reply(200, &reports),
            (_, uri) if uri.contains("status=COMPLETED") => reply(
                200,
                &json!({ "runs": [ended(false, None)], "next_cursor": null }),
            ),
            (_, uri) if uri.contains("status=FAILED") => {
                let mut other = other.clone();
                other["ended_at"] = json!("2026-01-01T09:00:00Z");
                other["id"] = json!("01890000-0000-7000-8000-000000000001");
                reply(200, &json!({ "runs": [other], "next_cursor": null }))
            }
            (_, uri) if uri.contains("status=") => {
                reply(200, &json!({ "runs": [], "next_cursor": null }))
            }
            _ => reply(200, &json!({ "run": ended(true, failure) })),
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_run_it_takes_the_one_that_ended_last_and_prints_what_there_is() {
    let user = User::new();
    let fake = daemon(&user, None).await;
    let done = user.at(&fake.addr, &["analyze"]).await;
    assert_eq!(done.code, Some(0), "{}", done.err);
    let asked = fake.asked();
    let post = asked.iter().find(|seen| seen.method == "POST");
    let uri = &post.expect("it asks").uri;
    assert_eq!(uri, &format!("/runs/{RUN}/postmortem"));
    for part in [
        "# Summary of login",
        "It went well.",
        "analysis/summary.md",
        "analysis/report.md",
    ] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    assert!(!done.out.contains("iter-01"), "{}", done.out);
    let json = user.at(&fake.addr, &["analyze", "login", "--json"]).await;
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json["run"]["postmortem"]["written"], true);
    assert_eq!(json["reports"].as_array().map(Vec::len), Some(2));
    // Named once: what the name means later is not asked.
    let asked = fake.asked().into_iter().map(|seen| seen.uri);
    let by_name: Vec<String> = asked.filter(|uri| uri.contains("login")).collect();
    assert_eq!(by_name, ["/runs/login/postmortem"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_the_agent_could_not_make_is_a_failure_beside_the_summary() {
    let user = User::new();
    let fake = daemon(&user, Some("no credentials; log in first")).await;
    let done = user.at(&fake.addr, &["analyze", "login"]).await;
    assert_eq!(done.code, Some(1), "{}", done.out);
    assert!(done.out.contains("# Summary of login"), "{}", done.out);
    assert!(
        done.err.contains("no credentials; log in first"),
        "{}",
        done.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_works_is_refused_in_the_words_of_its_table() {
    let said = "analyze of run x is refused: the run has not ended";
    let fake = Fake::start(move |_| refusal(409, "refused", said, "pause it")).await;
    let done = User::new().at(&fake.addr, &["analyze", "login"]).await;
    assert_eq!(done.code, Some(5));
    assert!(done.err.contains("the run has not ended"), "{}", done.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_has_ended_it_says_so() {
    let fake = Fake::start(|_| reply(200, &json!({ "runs": [], "next_cursor": null }))).await;
    let done = User::new().at(&fake.addr, &["analyze"]).await;
    assert_eq!(done.code, Some(2));
    assert!(done.err.contains("no run has ended yet"), "{}", done.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_that_a_new_start_has_given_up_is_not_waited_for() {
    let fake = Fake::start(|seen| match (seen.method.as_str(), seen.uri.as_str()) {
        ("POST", _) => reply(200, &json!({ "run": ended(false, None) })),
        (_, uri) if uri.ends_with("/events") => events(event(1, "POSTMORTEM_END", RUN, json!({}))),
        _ => reply(200, &json!({ "run": run("running", "RUNNING") })),
    })
    .await;
    let user = User::new();
    let done = user.at(&fake.addr, &["analyze", "login"]);
    let done = tokio::time::timeout(crate::support::PATIENCE, done);
    let done = done.await.expect("it ends");
    assert_eq!(done.code, Some(6), "{}", done.err);
    assert!(
        done.err
            .contains("it is running again, and its analysis was given up"),
        "{}",
        done.err
    );
}
