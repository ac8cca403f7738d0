//! Whether all is done that the end of a run has asked for, as the API tells it.

use serde_json::Value;

use super::server::Server;
use crate::store::support::raw;
use crate::support::eventually;

async fn settled(server: &Server, path: &str) -> Value {
    let told = server.get(path).await.ok();
    let run = told.get("run").unwrap_or(&told["runs"][0]);
    run["settled"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_settled_when_it_has_ended_and_nothing_of_its_end_is_still_to_be_done() {
    let server = Server::idle().await;
    let id = server.create("one").await;
    let path = format!("/runs/{id}");
    assert_eq!(settled(&server, &path).await, false, "it has not ended");
    server.post(&format!("{path}/cancel")).await.ok();
    eventually(async || (settled(&server, &path).await == true).then_some(())).await;
    let files = server.house.data.join(format!("runs/run-{id}"));
    assert!(files.join("summary.json").exists());
    let report = std::fs::read_to_string(files.join("report.tsv")).expect("a report");
    assert!(report.contains("RUN_END"), "{report}");
    // Nobody performs what comes into the store past the engine: it stays to be done.
    let db = raw(&server.house.data);
    let ask_for = |effect: &str| {
        let row =
            "INSERT INTO effects (run_id, generation, name, created_at) VALUES (?1, 1, ?2, 0)";
        db.execute(row, [id.as_str(), effect]).expect("a row");
    };
    ask_for("write_postmortem");
    assert_eq!(settled(&server, &path).await, true, "it may take long");
    ask_for("close_run");
    for path in [&path, "/runs"] {
        assert_eq!(settled(&server, path).await, false, "{path}");
    }
    let again = server.post(&format!("{path}/cancel")).await.ok();
    assert_eq!(again["run"]["settled"], false, "a repeat tells it, too");
}
