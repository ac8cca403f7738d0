//! `loopctl list`: which runs it shows, page after page, and how it prints them for a person, a pipe and a program. The other
//! commands are in `commands`.

use serde_json::{Value, json};

use super::commands::answering;
use super::fake::{Fake, reply, run};
use super::loopctl::User;

#[tokio::test(flavor = "multi_thread")]
async fn list_shows_the_tail_of_the_id_and_why() {
    let mut paused = run("paused", "PAUSED");
    paused["hold"] =
        json!({ "gate": "plan_blocked", "until": null, "message": "only blocked tasks are left" });
    let fake = answering(200, json!({ "runs": [paused], "next_cursor": null })).await;
    let ended = User::new()
        .at(&fake.addr, &["list", "--status", "paused", "--limit", "7"])
        .await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let lines: Vec<&str> = ended.out.lines().collect();
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(lines[0]),
        ["RUN", "STATE", "ITER", "TASKS", "AGE", "NAME", "WHY"]
    );
    assert_eq!(words(lines[1])[..4], ["1f09a2c4", "paused", "2", "3/5"]);
    assert!(
        lines[1].ends_with("login  plan_blocked: only blocked tasks are left"),
        "{}",
        lines[1]
    );
    assert_eq!(fake.asked()[0].uri, "/runs?status=paused&limit=7");
    assert!(!ended.out.contains('\u{1b}'), "colours without a terminal");
}

#[tokio::test(flavor = "multi_thread")]
async fn list_goes_on_to_the_next_page_until_the_limit() {
    let fake = Fake::start(|seen| {
        let cursor = if seen.uri.contains("cursor") {
            Value::Null
        } else {
            json!("c/1")
        };
        reply(
            200,
            &json!({ "runs": [run("queued", "PENDING")], "next_cursor": cursor }),
        )
    });
    let fake = fake.await;
    let ended = User::new().at(&fake.addr, &["list"]).await;
    assert_eq!(ended.out.lines().count(), 3, "{}", ended.out);
    let uris: Vec<String> = fake.asked().into_iter().map(|seen| seen.uri).collect();
    assert_eq!(uris, ["/runs?limit=50", "/runs?limit=49&cursor=c%2F1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_as_long_as_the_daemon_gives_it_and_one_without_runs_is_the_last() {
    // A daemon that has nothing more, and always another place to go on from.
    let fake = Fake::start(|seen| {
        let left = if seen.uri.contains("cursor=c3") {
            Value::Null
        } else {
            json!("c3")
        };
        reply(200, &json!({ "runs": [], "next_cursor": left }))
    });
    let fake = fake.await;
    let asked = ["list", "--limit", "500"];
    let ended = User::new().at(&fake.addr, &asked).await;
    assert_eq!(ended.out, "no runs\n");
    let uris: Vec<String> = fake.asked().into_iter().map(|seen| seen.uri).collect();
    assert_eq!(uris, ["/runs?limit=200"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_says_so() {
    let fake = answering(200, json!({ "runs": [], "next_cursor": null })).await;
    let user = User::new();
    assert_eq!(user.at(&fake.addr, &["list"]).await.out, "no runs\n");
    assert_eq!(user.at(&fake.addr, &["-q", "list"]).await.out, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_the_reply_as_it_came() {
    let body = json!({ "runs": [], "next_cursor": null, "new_key": 1 });
    let fake = answering(200, body.clone()).await;
    let ended = User::new().at(&fake.addr, &["list", "--json"]).await;
    assert_eq!(ended.out, format!("{body}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_can_be_demanded() {
    let fake = answering(
        200,
        json!({ "runs": [run("failed", "FAILED")], "next_cursor": null }),
    )
    .await;
    let ended = User::new()
        .at(&fake.addr, &["list", "--color", "always"])
        .await;
    assert!(ended.out.contains("\u{1b}[31m"), "{:?}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_cannot_command_the_terminal() {
    let mut evil = run("queued", "PENDING");
    evil["name"] = json!("a\u{1b}]0;owned\u{7}b\u{1b}[31mc\nd\u{8}");
    let fake = answering(200, json!({ "runs": [evil], "next_cursor": null })).await;
    let ended = User::new()
        .at(&fake.addr, &["list", "--color", "always"])
        .await;
    assert!(ended.out.contains("abc d\u{fffd}"), "{:?}", ended.out);
    assert!(!ended.out.contains("owned"), "{:?}", ended.out);
    assert_eq!(ended.out.lines().count(), 2, "{:?}", ended.out);
}
