//! One run: by whatever a person calls it, with its steps, files, diff and reasons.

use serde_json::{Value, json};

use super::server::{Server, run_id};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_found_by_its_id_a_part_of_it_and_its_name() {
    let server = Server::idle().await;
    let first = server.create("first one").await;
    let second = server.create("second/one").await;
    for (reference, id) in [
        (first.clone(), &first),
        (first.to_uppercase(), &first),
        (first[28..].to_owned(), &first),
        ("first%20one".to_owned(), &first),
        ("second%2Fone".to_owned(), &second),
    ] {
        let run = server.get(&format!("/runs/{reference}")).await.ok();
        assert_eq!(run["run"]["id"], id.as_str(), "{reference}");
    }
    server
        .get("/runs/First%20One")
        .await
        .refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_model_has_named_is_told_and_found_by_that_name() {
    let server = Server::with_slots(1).await;
    let said =
        json!({ "type": "result", "subtype": "success", "is_error": false, "result": "made-up" });
    let script = format!("#!/bin/sh\necho '{said}'\n");
    let program = server.repo.program("claude.sh", &script);
    let mut body = server.body();
    body["name_source"] = json!("haiku");
    body["config_override"] = json!({ "agents": { "claude": { "command": program } } });
    let created = server.post_json("/runs", &body).await.ok();
    let run = &created["run"];
    // Nobody waits for a model to have a run.
    assert_eq!(
        (&run["name"], &run["name_source"]),
        (&json!("thing"), &json!("spec_slug"))
    );
    let id = run["id"].as_str().expect("an id");
    let told = async || server.house.told(&run_id(id), "RUN_NAMED").await.pop();
    server.house.until(&run_id(id), told).await;
    let run = &server.get("/runs/made-up").await.ok()["run"];
    assert_eq!(run["id"], id);
    assert_eq!(
        (&run["name"], &run["name_source"]),
        (&json!("made-up"), &json!("haiku"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ambiguous_reference_names_whom_it_may_mean() {
    let server = Server::idle().await;
    let older = server.create("twin").await;
    let newer = server.create("twin").await;
    let candidates = json!([{ "id": newer, "name": "twin" }, { "id": older, "name": "twin" }]);
    for path in [
        "/runs/twin",
        "/runs/twin/why",
        "/runs/twin/output",
        "/runs/twin/events",
    ] {
        let reply = server.get(path).await;
        let said = reply.refused(409, "ambiguous");
        assert!(said.contains(&older) && said.contains(&newer), "{said}");
        assert_eq!(reply.json()["error"]["candidates"], candidates);
    }
    server
        .post("/runs/twin/cancel")
        .await
        .refused(409, "ambiguous");
    assert_eq!(server.state(&older).await, "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_is_the_schedulers_own_answer_for_a_queued_run() {
    let server = Server::idle().await;
    let first = server.create("first").await;
    let mut body = server.body();
    body["after"] = "first".into();
    let second = server.post_json("/runs", &body).await.ok()["run"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let why = server.get(&format!("/runs/{second}/why")).await.ok();
    assert_eq!(
        (&why["run"], &why["state"], &why["position"]),
        (&json!(second), &json!("queued"), &json!(2))
    );
    let gates: Vec<&str> = why["gates"]
        .as_array()
        .expect("gates")
        .iter()
        .filter_map(|it| it["gate"].as_str())
        .collect();
    assert_eq!(gates, ["global_cap", "dependency"]);
    assert!(why["gates"].to_string().contains(&first), "{why}");
    let queue = server.get("/queue").await.ok();
    assert_eq!(queue["held"][1]["run"], json!(second));
    assert_eq!(queue["held"][1]["gates"], why["gates"]);
    assert_eq!(queue["held"][0]["position"], 1);
    assert_eq!(
        (&queue["starting"], &queue["running"]),
        (&json!([]), &json!([]))
    );
    let policy = json!({ "queue_policy": "fifo", "max_concurrent_runs": 0, "max_runs_per_workspace": 1, "aging_starts": 8 });
    assert_eq!(queue["policy"], policy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_several_gates_hold_tells_the_first_and_that_there_are_more() {
    let server = Server::idle().await;
    let first = server.create("first").await;
    let mut body = server.body();
    body["after"] = json!(first);
    let second = server.post_json("/runs", &body).await.ok()["run"].clone();
    let id = second["id"].as_str().expect("an id");
    let why = server.get(&format!("/runs/{id}/why")).await.ok();
    let gates = why["gates"].as_array().expect("gates");
    assert_eq!(gates.len(), 2, "{why}");
    let run = server.get(&format!("/runs/{id}")).await.ok()["run"].clone();
    assert_eq!(run["hold"]["gate"], gates[0]["gate"]);
    let message = gates[0]["message"].as_str().expect("words");
    let said = format!("{message}; and 1 more (see why)");
    assert_eq!(run["hold"]["message"], said);
    // One gate needs no such word.
    let alone = server.get(&format!("/runs/{first}")).await.ok()["run"]["hold"].clone();
    let alone = alone["message"].as_str().expect("words");
    assert!(!alone.contains("more"), "{alone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_step_is_tried_again_later_says_when() {
    let server = Server::with_slots(1).await;
    let script = "[[turn]]\nsteps = [{ exit = 3 }]\n";
    let settings = json!({ "agent_retry_backoff_sec": 100, "reviewer": false });
    let id = server
        .house
        .create(&server.repo, Some(script), settings)
        .await;
    server.house.wait(&id, |run| run.facts.due.is_some()).await;
    let why = server.get(&format!("/runs/{id}/why")).await.ok();
    assert_eq!(why["gates"][0]["gate"], "backoff", "{why}");
    assert!(why["wake_at"].is_string(), "{why}");
    assert_eq!(why["gates"][0]["until"], why["wake_at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_is_the_states_own_reason_for_every_other_run() {
    let server = Server::idle().await;
    for (verb, state) in [("pause", "paused"), ("cancel", "canceled")] {
        let id = server.create(verb).await;
        server.post(&format!("/runs/{id}/{verb}")).await.ok();
        let why = server.get(&format!("/runs/{id}/why")).await.ok();
        assert_eq!(
            (&why["state"], &why["position"]),
            (&json!(state), &Value::Null)
        );
        let gate = &why["gates"][0];
        assert!(
            gate["gate"].is_string() && gate["message"].as_str().is_some_and(|it| !it.is_empty()),
            "{why}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_run_has_steps_files_and_a_diff() {
    let server = Server::with_slots(1).await;
    let id = server
        .house
        .create(&server.repo, None, json!({ "verify_cmds": ["true"] }))
        .await;
    server.house.rest(&id).await;
    let run = server.get(&format!("/runs/{id}")).await.ok()["run"].clone();
    assert_eq!(
        (&run["state"], &run["status"]),
        (&json!("completed"), &json!("COMPLETED")),
        "{run}"
    );
    assert!(
        run["merge_commit"].is_string() && run["ended_at"].is_string(),
        "{run}"
    );
    let steps = server.get(&format!("/runs/{id}/steps")).await.ok()["steps"].clone();
    let phases: Vec<&str> = steps
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|it| it["phase"].as_str())
        .collect();
    for phase in [
        "implementation",
        "review",
        "verification",
        "watchdog",
        "merge",
    ] {
        assert!(phases.contains(&phase), "{phases:?}");
    }
    for step in steps.as_array().expect("steps") {
        assert_eq!(step["run_id"], json!(id.0));
        assert_eq!(step["status"], "SUCCEEDED", "{step}");
        assert!(
            step["id"]
                .as_str()
                .is_some_and(|it| it.starts_with(&format!("{id}."))),
            "{step}"
        );
    }
    let files = server.get(&format!("/runs/{id}/artifacts")).await.ok()["artifacts"].clone();
    assert!(
        files
            .as_array()
            .is_some_and(|it| it.iter().any(|file| file["kind"] == "log")),
        "{files}"
    );
    let diff = server.get(&format!("/runs/{id}/diff")).await.ok();
    assert_eq!(
        (&diff["run_id"], &diff["truncated"]),
        (&json!(id.0), &json!(false))
    );
    assert_eq!(
        diff["base_commit"],
        json!(server.repo.git(&["rev-parse", "main"]))
    );
    assert!(
        diff["diff"]
            .as_str()
            .is_some_and(|it| it.starts_with("diff --git ")),
        "{diff}"
    );
    let why = server.get(&format!("/runs/{id}/why")).await.ok();
    assert_eq!(
        (&why["gates"], &why["position"]),
        (&json!([]), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_that_is_too_large_is_cut_and_says_so() {
    let server = Server::with_slots(1).await;
    let id = server.house.create(&server.repo, None, json!({})).await;
    server.house.rest(&id).await;
    let run = server.house.settled(&id).await;
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    let line = "much more than anybody reads\n";
    server
        .repo
        .commit_on(&branch, "large", &line.repeat((9 << 20) / line.len()));
    let diff = server.get(&format!("/runs/{id}/diff")).await.ok();
    assert_eq!(diff["truncated"], json!(true));
    let text = diff["diff"].as_str().expect("a diff");
    assert_eq!(text.len(), 8 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_no_branch_yet_has_no_diff() {
    let server = Server::idle().await;
    let id = server.create("early").await;
    server
        .get(&format!("/runs/{id}/diff"))
        .await
        .refused(409, "no_branch");
    assert_eq!(
        server.get(&format!("/runs/{id}/steps")).await.ok(),
        json!({ "steps": [] })
    );
    assert_eq!(
        server.get(&format!("/runs/{id}/artifacts")).await.ok(),
        json!({ "artifacts": [] })
    );
    assert_eq!(server.house.run(&run_id(&id)).await.rev, 1);
}
