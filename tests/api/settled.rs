//! Whether all is done that the end of a run has asked for, as the API tells it.

use serde_json::Value;

use super::server::Server;
use crate::support::eventually;

async fn settled(server: &Server, path: &str) -> Value {
    let told = server.get(path).await.ok();
    told["run"]["settled"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_settled_has_ended_and_has_its_summary() {
    let server = Server::idle().await;
    let id = server.create("one").await;
    let path = format!("/runs/{id}");
    assert_eq!(settled(&server, &path).await, false, "it has not ended");
    server.post(&format!("{path}/cancel")).await.ok();
    eventually(async || (settled(&server, &path).await == true).then_some(())).await;
    let files = server.house.data.join(format!("runs/run-{id}"));
    assert!(files.join("summary.json").exists());
}
