//! `POST /runs`: what is made of a request, and what is said beside it. What is refused is tried in `creating_refused`.

use serde_json::{Value, json};

use super::creating_refused::no_runs;
use super::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_made_and_told_in_full() {
    let server = Server::idle().await;
    let mut body = server.body();
    body["priority"] = 7.into();
    body["base_branch"] = "main".into();
    body["merge_strategy"] = "merge".into();
    let reply = server.post_json("/runs", &body).await;
    assert_eq!(reply.status, 201);
    let place = reply.headers["location"]
        .to_str()
        .expect("ASCII")
        .to_owned();
    let created = reply.ok();
    let run = &created["run"];
    assert_eq!(
        place,
        format!("/runs/{}", run["id"].as_str().expect("an id"))
    );
    let told = [
        ("name", json!("thing")),
        ("name_source", json!("spec_slug")),
        ("state", json!("queued")),
        ("status", json!("PENDING")),
        ("stage", Value::Null),
        ("workspace_root", json!(server.repo.root)),
        ("spec_path", json!("specs/thing.md")),
        ("plan_path", json!("specs/planning/thing-plan.md")),
        ("agent", json!("scripted")),
        ("priority", json!(7)),
        ("iteration", json!(0)),
        ("tasks_done", json!(1)),
        ("tasks_total", json!(2)),
        ("failure", Value::Null),
        ("review_status", Value::Null),
        ("merge_commit", Value::Null),
        ("pr_url", Value::Null),
        ("unverified", json!(true)),
        (
            "usage",
            json!({ "input_tokens": 0, "output_tokens": 0, "cost_usd": null }),
        ),
        ("started_at", Value::Null),
        ("ended_at", Value::Null),
        ("rev", json!(1)),
    ];
    for (key, value) in told {
        assert_eq!(run[key], value, "{key}");
    }
    assert_eq!(run["hold"]["gate"], "global_cap", "there are no slots");
    let worktree = json!({ "base_branch": "main", "run_branch": null, "merge_target_branch": "agent/thing",
        "merge_strategy": "merge", "worktree_path": null, "kept": [] });
    assert_eq!(run["worktree"], worktree);
    let time: jiff::Timestamp = run["created_at"]
        .as_str()
        .expect("text")
        .parse()
        .expect("RFC 3339");
    assert_eq!(run["updated_at"], run["created_at"]);
    assert!(time > jiff::Timestamp::UNIX_EPOCH);
    let plan = json!({ "tasks": 2, "done": 1, "blocked": 0, "human": 1, "skipped": [{ "heading": "Manual QA", "boxes": 1 }] });
    assert_eq!(created["plan"], plan);
    let warnings = created["warnings"].as_array().expect("warnings");
    assert!(
        warnings
            .iter()
            .any(|it| it.as_str().is_some_and(|it| it.contains("verify_cmds"))),
        "{warnings:?}"
    );
    assert_eq!(&server.get(&place).await.ok()["run"], run);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_program_is_not_there_is_said_at_once() {
    let server = Server::idle().await;
    let agents = json!({
        "ghost": { "command": "/nowhere/ghost" },
        "spirit": { "command": "a-program-that-nobody-has" },
        "shell": { "command": "sh" },
        "elsewhere": { "command": "sh", "env": { "PATH": "/nowhere" } },
        "own": { "command": "./tools/agent.sh" },
    });
    for (agent, fallback, named) in [
        ("ghost", "shell", "`/nowhere/ghost`"),
        ("shell", "spirit", "`a-program-that-nobody-has`"),
        ("elsewhere", "shell", "agent `elsewhere`"),
        ("own", "shell", ""),
        ("scripted", "shell", ""),
    ] {
        let mut body = server.body();
        body["agent"] = agent.into();
        body["config_override"] = json!({ "agents": agents, "fallback_agent": fallback,
            "on_usage_limit": "fallback", "verify_cmds": ["true"] });
        let created = server.post_json("/runs", &body).await.ok();
        let told: Vec<_> = created["warnings"].as_array().expect("a list").clone();
        let told: Vec<&str> = told.iter().filter_map(Value::as_str).collect();
        let expected = usize::from(!named.is_empty());
        assert_eq!(told.len(), expected, "{agent}, {fallback}: {told:?}");
        assert!(told.iter().all(|it| it.contains(named)), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_the_request_wins_over_the_same_key_in_its_settings() {
    let server = Server::idle().await;
    let mut body = server.body();
    body["config_override"] =
        json!({ "merge_target_branch": "one", "merge_strategy": "none", "verify_cmds": ["true"] });
    body["merge_target_branch"] = json!("two");
    let run = server.post_json("/runs", &body).await.ok()["run"].clone();
    assert_eq!(run["worktree"]["merge_target_branch"], "two");
    assert_eq!(run["worktree"]["merge_strategy"], "none");
    assert_eq!(run["unverified"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_of_the_workspace_that_is_not_committed_is_said_not_to_count() {
    let server = Server::idle().await;
    let told = async || {
        let created = server.post_json("/runs", &server.body()).await.ok();
        let warnings = created["warnings"].as_array().expect("a list").clone();
        let of_it = |it: &Value| {
            it.as_str()
                .is_some_and(|it| it.contains(".loop/config.toml"))
        };
        let said = warnings.into_iter().find(of_it);
        (said, created["run"]["unverified"].clone())
    };
    let file = ".loop/config.toml";
    server.repo.write(file, "verify_cmds = [\"true\"]\n");
    let (said, unverified) = told().await;
    let said = said.expect("a warning").to_string();
    assert!(said.contains("committed on main"), "{said}");
    assert!(said.contains("commit it, or pass --config"), "{said}");
    assert_eq!(unverified, true);
    server.repo.commit_all("Add a configuration");
    assert_eq!(told().await, (None, json!(false)));
    server.repo.write(file, "verify_cmds = []\n");
    let (said, unverified) = told().await;
    assert!(said.is_some());
    assert_eq!(unverified, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_repository_is_a_workspace_and_what_may_not_lie_in_it_is_said() {
    let server = Server::idle().await;
    server
        .repo
        .git(&["clone", "--quiet", "--bare", ".", "../bare.git"]);
    let bare = server.repo.outside().join("bare.git");
    let bare = bare.canonicalize().expect("a real path");
    let mut body = server.body();
    body["workspace_root"] = json!(bare);
    for (settings, code, words) in [
        (
            json!({ "artifact_mode": "workspace" }),
            "artifact_mode",
            "artifact_mode = \"workspace\"",
        ),
        (
            json!({ "log_dir": "refs/heads" }),
            "log_dir",
            "log_dir `refs/heads`",
        ),
        (
            json!({ "worktree_path_template": "objects/x" }),
            "git_failed",
            "worktree_path_template `objects/x`",
        ),
    ] {
        body["config_override"] = settings;
        let reply = server.post_json("/runs", &body).await;
        assert_eq!(reply.status, 422, "{code}");
        let error = reply.json()["error"].clone();
        assert_eq!(error["code"], code);
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(words), "{message}");
    }
    assert!(no_runs(&server).await);
    body["config_override"] = json!({ "verify_cmds": ["true"] });
    let created = server.post_json("/runs", &body).await.ok();
    let said = format!(
        "{} is a bare repository, and that is git's own directory: the files of the run are kept with loopd's data only, as by artifact_mode = \"global\"",
        bare.display()
    );
    assert_eq!(created["warnings"], json!([said]));
    assert_eq!(created["run"]["workspace_root"], json!(bare));
    // Whatever of it somebody names, its runs are found.
    for named in [bare.clone(), bare.join("refs"), server.repo.root.clone()] {
        let path = format!("/runs?workspace_root={}", named.display());
        let runs = server.get(&path).await.ok()["runs"].clone();
        let found = runs.as_array().expect("a list").len();
        assert_eq!(found, usize::from(named != server.repo.root), "{path}");
    }
}
