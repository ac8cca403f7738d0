//! Merge, scrap and pull request over HTTP: the reply waits for what becomes of it, and says what was in the way; what the
//! tables refuse is refused in their words.

use agent_loop::core::run::State;
use hyper::Method;
use serde_json::{Value, json};

use super::server::{Server, run_id};
use crate::support::Turnstile;

/// A completed run that was not to merge; its id.
async fn proved(server: &Server) -> String {
    let mut body = server.body();
    body["merge_strategy"] = "none".into();
    body["config_override"] = json!({ "verify_cmds": ["true"] });
    let created = server.post_json("/runs", &body).await.ok();
    let id = created["run"]["id"].as_str().expect("an id").to_owned();
    server.house.rests(&run_id(&id), State::Completed).await;
    server.house.settled(&run_id(&id)).await;
    id
}

async fn run(server: &Server, id: &str) -> Value {
    server.get(&format!("/runs/{id}")).await.ok()["run"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_is_answered_when_it_is_made_and_a_repeat_is_no_error() {
    let server = Server::with_slots(1).await;
    let id = proved(&server).await;
    let before = run(&server, &id).await;
    assert_eq!(before["handover"]["state"], "proved");
    assert_eq!(
        (&before["merge_commit"], &before["review_status"]),
        (&Value::Null, &Value::Null)
    );
    for _ in 0..2 {
        let reply = server.post(&format!("/runs/{id}/merge")).await;
        let merged = reply.ok()["run"].clone();
        let tip = server.repo.git(&["rev-parse", "agent/thing"]);
        assert_eq!(merged["merge_commit"], tip);
        assert_eq!(merged["review_status"], "merged");
        let handover = &merged["handover"];
        assert_eq!(
            (&handover["state"], &handover["message"]),
            (&json!("merged"), &Value::Null)
        );
        // What a person does with a run is no write to the run: whoever looks for news has a count of its own.
        assert_eq!(merged["rev"], before["rev"]);
        let told = server
            .house
            .told(&run_id(&id), "HANDOVER_STATE_CHANGED")
            .await;
        assert_eq!(handover["rev"], told.last().expect("told")["rev"]);
        assert!(handover["rev"].as_u64() > before["handover"]["rev"].as_u64());
    }
    let listed = server.get("/runs").await.ok();
    assert_eq!(listed["runs"][0], run(&server, &id).await);
    let said = server
        .post_json(
            &format!("/runs/{id}/retry"),
            &json!({ "merge_strategy": "squash" }),
        )
        .await
        .refused(409, "refused");
    assert!(
        said.contains("the work is merged already") && said.contains("pr, scrap"),
        "{said}"
    );
}

/// Writes a file that git passes through a filter wherever it is checked out.
const FILTERED: &str = r#"
    [[turn]]
    steps = [{ write = { path = "waits", text = "made\n" } }, { tick = "next" }, { commit = "Make" }, "complete"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_while_a_merge_goes_on_waits_for_what_becomes_of_it() {
    let server = Server::with_slots(1).await;
    let repo = &server.repo;
    let mut stile = Turnstile::new(repo.outside(), "smudge");
    let armed = repo.outside().join("armed");
    let filter = format!(
        "case $PWD in {}) if [ -e '{}' ]; then {}; fi;; esac; cat",
        repo.root.display(),
        armed.display(),
        stile.sh()
    );
    repo.git(&["config", "filter.wait.smudge", &filter]);
    repo.write(".gitattributes", "waits filter=wait\n");
    repo.commit_all("A file with a filter");
    let settings =
        json!({ "merge_strategy": "none", "merge_target_branch": "main", "verify_cmds": ["true"] });
    let id = server.house.create(repo, Some(FILTERED), settings).await;
    server.house.rests(&id, State::Completed).await;
    server.house.settled(&id).await;
    // The target is checked out: git waits where it writes the file there.
    std::fs::write(&armed, "").expect("a file");
    let path = format!("/runs/{id}/merge");
    let first = tokio::spawn(server.ask(Method::POST, &path).send());
    stile.somebody().await;
    let second = tokio::spawn(server.ask(Method::POST, &path).send());
    // Asked after it, and answered one after the other.
    for _ in 0..50 {
        let shown = run(&server, &id.0).await;
        assert_eq!(shown["review_status"], "merging");
    }
    assert!(
        !second.is_finished(),
        "it was answered before there was an answer"
    );
    std::fs::remove_file(&armed).expect("a file");
    stile.open();
    for reply in [first, second] {
        let merged = reply.await.expect("answered").ok()["run"].clone();
        assert_eq!(merged["review_status"], "merged");
        assert_eq!(merged["merge_commit"], repo.git(&["rev-parse", "main"]));
    }
    assert_eq!(repo.at("main", "waits"), "made");
    server.house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_table_refuses_is_refused_in_its_words() {
    let server = Server::idle().await;
    let id = server.create("words").await;
    for verb in ["merge", "scrap", "create-pr"] {
        let said = server
            .post(&format!("/runs/{id}/{verb}"))
            .await
            .refused(409, "refused");
        assert!(
            said.contains("the run has not ended") && said.contains("pause, cancel"),
            "{said}"
        );
    }
    server.post(&format!("/runs/{id}/cancel")).await.ok();
    let said = server
        .post(&format!("/runs/{id}/merge"))
        .await
        .refused(409, "refused");
    assert!(
        said.contains("only a completed run can be merged")
            && said.contains("retry, reset, pr, scrap"),
        "{said}"
    );
    let said = server
        .post(&format!("/runs/{id}/create-pr"))
        .await
        .refused(409, "no_branch");
    assert!(said.contains("before it had a branch"), "{said}");
    assert_eq!(run(&server, &id).await["handover"]["state"], "given_up");
    for _ in 0..2 {
        let scrapped = server.post(&format!("/runs/{id}/scrap")).await.ok();
        assert_eq!(scrapped["run"]["review_status"], "scrapped");
        assert_eq!(scrapped["run"]["handover"]["message"], Value::Null);
    }
    let said = server
        .post(&format!("/runs/{id}/retry"))
        .await
        .refused(409, "refused");
    assert!(
        said.contains("the run is scrapped") && said.contains("nothing can be asked"),
        "{said}"
    );
    server.house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_told_with_the_way_out() {
    let server = Server::with_slots(1).await;
    server.repo.git(&["branch", "agent/thing"]);
    let id = proved(&server).await;
    server.repo.commit_on("agent/thing", "other", "other\n");
    let said = server
        .post(&format!("/runs/{id}/merge"))
        .await
        .refused(409, "target_moved");
    assert!(
        said.contains("agent/thing has commits") && said.contains("--merge-strategy squash"),
        "{said}"
    );
    let shown = run(&server, &id).await;
    let told = shown["handover"]["message"].as_str().expect("a message");
    assert!(
        told.contains("agent/thing has commits") && told.contains("--merge-strategy squash"),
        "{told}"
    );
    // The way out, as it was told.
    let path = format!("/runs/{id}/retry");
    let again = server
        .post_json(&path, &json!({ "merge_strategy": "squash" }))
        .await;
    assert_eq!(again.ok()["run"]["state"], "queued");
    let ended = server
        .house
        .wait(&run_id(&id), |run| run.facts.merge_commit.is_some())
        .await;
    assert_eq!(ended.state, State::Completed);
    assert_eq!(run(&server, &id).await["handover"]["state"], "merged");
    let said = server
        .post(&format!("/runs/{id}/retry"))
        .await
        .refused(409, "refused");
    assert!(said.contains("the run is completed"), "{said}");

    let other = proved(&server).await;
    let said = server
        .post(&format!("/runs/{other}/create-pr"))
        .await
        .refused(422, "no_remote");
    assert!(said.contains("git remote add"), "{said}");
}
