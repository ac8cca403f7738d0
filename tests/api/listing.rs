//! `GET /runs`: pages, filters, and what is wrong with a query.

use std::collections::HashSet;

use hyper::Method;
use serde_json::Value;

use super::server::Server;

fn ids(page: &Value) -> Vec<String> {
    let runs = page["runs"].as_array().expect("runs");
    runs.iter()
        .map(|run| run["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_complete_and_flat_while_runs_are_created() {
    let server = Server::idle().await;
    let mut before = Vec::new();
    for n in 0..13 {
        before.push(server.create(&format!("old-{n}")).await);
    }
    before.reverse();
    let mut path = "/runs?limit=4".to_owned();
    let mut seen = Vec::new();
    for n in 0.. {
        let page = server.get(&path).await.ok();
        assert!(ids(&page).len() <= 4);
        seen.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/runs?limit=4&cursor={cursor}");
        server.create(&format!("new-{n}")).await;
    }
    assert_eq!(
        seen, before,
        "newest first; none twice, none missing, none that came later"
    );
    let all = server.get("/runs?limit=200").await.ok();
    assert_eq!(all["next_cursor"], Value::Null);
    let all: HashSet<String> = ids(&all).into_iter().collect();
    assert_eq!(all.len(), 13 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_run_says_in_the_list_what_holds_it() {
    let server = Server::idle().await;
    let queued = server.create("queued").await;
    let list = server.get("/runs").await.ok();
    let one = server.get(&format!("/runs/{queued}")).await.ok();
    for hold in [&list["runs"][0]["hold"], &one["run"]["hold"]] {
        assert_eq!(hold["gate"], "global_cap", "{hold}");
        let message = hold["message"].as_str().expect("words");
        assert!(message.contains("max_concurrent_runs"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_understood_in_both_vocabularies() {
    let server = Server::idle().await;
    let queued = server.create("queued").await;
    let paused = server.create("paused").await;
    server.post(&format!("/runs/{paused}/pause")).await.ok();
    let list = async |status: &str| ids(&server.get(&format!("/runs?status={status}")).await.ok());
    for word in ["queued", "PENDING"] {
        assert_eq!(list(word).await, [queued.as_str()], "{word}");
    }
    for word in ["paused", "PAUSED"] {
        assert_eq!(list(word).await, [paused.as_str()], "{word}");
    }
    for word in [
        "running",
        "RUNNING",
        "verifying",
        "merging",
        "watchdog",
        "completed",
        "FAILED",
        "CANCELED",
        "COMPLETED",
    ] {
        assert!(list(word).await.is_empty(), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_path_into_a_repository_means_its_runs() {
    let server = Server::idle().await;
    let id = server.create("here").await;
    let inside = server.repo.root.join("specs").display().to_string();
    let link = server.repo.outside().join("link");
    std::os::unix::fs::symlink(&server.repo.root, &link).expect("a link");
    let worktree = server.repo.outside().join("worktree").display().to_string();
    server.repo.git(&["worktree", "add", "--quiet", &worktree]);
    let root = server.repo.root.display().to_string();
    for path in [root, inside, link.display().to_string(), worktree] {
        let page = server
            .get(&format!("/runs?workspace_root={path}"))
            .await
            .ok();
        assert_eq!(ids(&page), [id.as_str()], "{path}");
    }
    for elsewhere in ["/", "/nowhere"] {
        let page = server
            .get(&format!("/runs?workspace_root={elsewhere}"))
            .await
            .ok();
        assert!(ids(&page).is_empty(), "{elsewhere}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_parameter_is_named() {
    let server = Server::idle().await;
    for (query, named) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("status=Running", "status"),
        ("status=", "status"),
        ("status=done", "queued"),
        ("cursor=x", "cursor"),
        ("cursor=-5", "cursor"),
        ("workspace_root=here", "workspace_root"),
        ("workspace_root=", "workspace_root"),
        ("workspace_root=/a%00b", "workspace_root"),
        ("stauts=queued", "stauts"),
    ] {
        let said = server
            .get(&format!("/runs?{query}"))
            .await
            .refused(422, "invalid_query");
        assert!(said.contains(named), "{query}: {said}");
    }
    server
        .ask(Method::GET, "/events?folow=true")
        .send()
        .await
        .refused(422, "invalid_query");
    server
        .ask(Method::GET, "/events?follow=perhaps")
        .send()
        .await
        .refused(422, "invalid_query");
}
