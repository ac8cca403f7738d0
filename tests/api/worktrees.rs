//! `/worktrees` over HTTP: what is shown, and every refusal with its status, its words and what to do.

use agent_loop::core::run::State;
use hyper::Method;
use serde_json::json;

use super::http::Reply;
use super::server::Server;

const FAILS: &str = "[[turn]]\nsteps = [{ write = { path = \"new\", text = \"x\" } }, { commit = \"Work\" }, \"auth\"]\n";

async fn remove(server: &Server, path: &str) -> Reply {
    let query = format!("/worktrees?path={path}");
    server.ask(Method::DELETE, &query).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn worktrees_are_shown_and_removed_and_what_stays_says_why() {
    let server = Server::with_slots(1).await;
    assert_eq!(
        server.get("/worktrees").await.ok(),
        json!({ "worktrees": [], "strays": [], "problems": [] })
    );
    let (house, repo) = (&server.house, &server.repo);
    let id = house.create(repo, Some(FAILS), json!({})).await;
    house.rests(&id, State::Failed).await;
    let run = house.settled(&id).await;
    let path = run.facts.worktree.expect("a worktree").path;
    let shown = server.get("/worktrees").await.ok();
    assert_eq!(
        shown["worktrees"],
        json!([{
            "path": path, "run_id": id.0, "run_name": "thing", "state": "failed",
            "workspace_root": repo.root, "run_branch": "run/thing", "present": true,
            "on_disk": true, "removable": true, "why_kept": null,
        }])
    );
    let left = std::path::Path::new(&path).join("left");
    std::fs::write(&left, "").expect("a file");
    let said = remove(&server, &path).await.refused(409, "worktree_kept");
    assert!(
        said.contains("no commit has: left") && said.contains("put away"),
        "{said}"
    );
    let shown = server.get("/worktrees").await.ok();
    assert_eq!(shown["worktrees"][0]["removable"], false);
    std::fs::remove_file(left).expect("removed");
    for _ in 0..2 {
        let reply = remove(&server, &path).await.ok();
        assert_eq!(
            reply,
            json!({ "path": path, "run_id": id.0, "note": "removed" })
        );
    }
    let shown = server.get(&format!("/runs/{id}")).await.ok();
    assert_eq!(shown["run"]["worktree"]["worktree_path"], json!(null));
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_worktree_of_a_run_is_refused_at_the_door() {
    let server = Server::idle().await;
    let root = server.repo.root.display().to_string();
    for (path, status, code) in [
        ("relative", 422, "invalid_path"),
        ("%2Fa%00b", 422, "invalid_path"),
        ("/gone/../etc", 422, "invalid_path"),
        ("/nowhere", 404, "not_ours"),
        (&*root, 404, "not_ours"),
    ] {
        remove(&server, path).await.refused(status, code);
    }
    for query in ["", "?path=/a&force=true", "?force=true"] {
        let ask = server.ask(Method::DELETE, &format!("/worktrees{query}"));
        ask.send().await.refused(422, "invalid_query");
    }
    let ask = server.ask(Method::DELETE, "/worktrees?path=/nowhere");
    ask.without("authorization")
        .send()
        .await
        .refused(401, "unauthorized");
    assert!(server.repo.root.join("specs").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_up_before_its_time_takes_nothing_and_says_how_long_runs_are_kept() {
    let server = Server::with_slots(1).await;
    let (house, repo) = (&server.house, &server.repo);
    let id = house.create(repo, Some(FAILS), json!({})).await;
    house.rests(&id, State::Failed).await;
    house.settled(&id).await;
    let nothing = |dry_run: bool| json!({ "dry_run": dry_run, "retention_days": 30, "runs": [], "problems": [] });
    assert_eq!(server.post("/gc").await.ok(), nothing(false));
    let asked = json!({ "dry_run": true });
    assert_eq!(server.post_json("/gc", &asked).await.ok(), nothing(true));
    let said = server.post_json("/gc", &json!({ "force": true })).await;
    assert!(said.refused(422, "invalid_body").contains("force"));
    assert!(house.dir(&id).is_dir());
}
