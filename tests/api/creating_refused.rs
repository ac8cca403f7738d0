//! `POST /runs` that makes no run: what is wrong with the request, its configuration or the repository is named, all of it at
//! once. What is made is tried in `creating`.

use agent_loop::effect::git::Git;
use hyper::Method;
use serde_json::{Value, json};

use super::server::Server;

pub(super) async fn no_runs(server: &Server) -> bool {
    server.get("/runs").await.ok()["runs"] == json!([])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_request_is_refused_with_the_name_of_what_is_wrong() {
    let server = Server::idle().await;
    std::fs::create_dir(server.repo.outside().join("plain")).expect("made");
    server.repo.write("specs/empty.md", "# Empty\n");
    server
        .repo
        .write("specs/planning/empty-plan.md", "no task\n");
    server.repo.commit_all("Add a plan without tasks");
    server.repo.write("specs/new.md", "not committed");
    let plain = server.repo.outside().join("plain");
    let long = "x".repeat(5000);
    let cases: &[(&str, Value, &str)] = &[
        ("spec_pth", json!("x"), "spec_pth"),
        ("spec_path", json!(5), "spec_path"),
        ("spec_path", Value::Null, "spec_path"),
        ("spec_path", json!(""), "spec_path"),
        ("spec_path", json!("specs/missing.md"), "specs/missing.md"),
        ("spec_path", json!("specs/new.md"), "--snapshot"),
        ("spec_path", json!("../outside.md"), "../outside.md"),
        ("spec_path", json!("/etc/passwd"), "/etc/passwd"),
        ("spec_path", json!("specs/../../data/token"), "data/token"),
        ("spec_path", json!(".git/config"), ".git/config"),
        ("spec_path", json!("a\0b"), "spec_path"),
        ("spec_path", json!(long), "spec_path"),
        ("spec_path", json!("specs/empty.md"), "empty-plan.md"),
        ("plan_path", json!("specs/none.md"), "specs/none.md"),
        ("plan_path", json!([]), "plan_path"),
        ("workspace_root", json!("relative"), "relative"),
        (
            "workspace_root",
            json!("/nowhere/at/all"),
            "/nowhere/at/all",
        ),
        ("workspace_root", json!(plain), "plain"),
        ("name", json!(""), "name"),
        ("name", json!("a\nb"), "name"),
        ("name", json!(long), "name"),
        ("name_source", json!("dice"), "name_source"),
        ("name_source", json!("user"), "name_source"),
        ("merge_strategy", json!("rebase"), "merge_strategy"),
        ("priority", json!("high"), "priority"),
        ("priority", json!(3_000_000_000_u64), "priority"),
        ("after", json!("nobody"), "nobody"),
        ("agent", json!("nobody-knows"), "nobody-knows"),
        (
            "config_override",
            json!({ "fallback_agent": "nobody-either" }),
            "nobody-either",
        ),
        ("base_branch", json!("no-such-branch"), "no-such-branch"),
        ("snapshot", json!("yes"), "snapshot"),
        ("config_override", json!({ "iterations": 0 }), "iterations"),
        (
            "config_override",
            json!({ "max_concurrent_runs": 9 }),
            "max_concurrent_runs",
        ),
        ("config_override", json!([]), "config_override"),
        (
            "workspace_root",
            json!(server.repo.root.join(".git")),
            "git's own directory",
        ),
    ];
    for (field, value, named) in cases {
        let mut body = server.body();
        body[field] = value.clone();
        let reply = server.post_json("/runs", &body).await;
        assert_eq!(reply.status, 422, "{field} = {value}: {}", reply.json());
        let error = reply.json()["error"].to_string();
        assert!(error.contains(named), "{field} = {value}: {error}");
    }
    let mut body = server.body();
    body.as_object_mut().expect("an object").remove("spec_path");
    assert!(
        server
            .post_json("/runs", &body)
            .await
            .refused(422, "invalid_body")
            .contains("spec_path")
    );
    for text in ["", "{", "nonsense", "{} {}", "\u{feff}{}"] {
        let ask = server
            .ask(Method::POST, "/runs")
            .header("content-type", "application/json")
            .body(text);
        assert_eq!(ask.send().await.status.as_u16() / 100, 4, "{text}");
    }
    // A good request, and something behind it.
    for behind in [" {}", ",", "x", "\0"] {
        let ask = server
            .ask(Method::POST, "/runs")
            .header("content-type", "application/json")
            .body(format!("{}{behind}", server.body()));
        ask.send().await.refused(400, "invalid_json");
    }
    for after in ["", "a\0b", &long] {
        let mut body = server.body();
        body["after"] = json!(after);
        let said = server
            .post_json("/runs", &body)
            .await
            .refused(422, "invalid_body");
        assert!(said.contains("after: it"), "{said}");
    }
    // Said twice: nobody can say which one counts.
    let good = server.body().to_string();
    for (twice, named) in [
        (r#""spec_path":"a""#, "duplicate field `spec_path`"),
        (
            r#""config_override":{"verify_cmds":["true"],"verify_cmds":[]}"#,
            "config_override: duplicate field `verify_cmds`",
        ),
        (
            r#""config_override":{"agents":{"a":{"env":{"A":"1","B":"2","A":"3"}}}}"#,
            "duplicate field `A`",
        ),
    ] {
        let ask = server
            .ask(Method::POST, "/runs")
            .header("content-type", "application/json")
            .body(format!("{{{twice},{}", &good[1..]));
        let said = ask.send().await.refused(422, "invalid_body");
        assert!(said.contains(named), "{twice}: {said}");
    }
    let ask = server
        .ask(Method::POST, "/runs")
        .header("content-type", "application/json")
        .body(&b"{\"name\":\"\xff\"}"[..]);
    ask.send().await.refused(400, "invalid_json");
    let deep = "[".repeat(200_000);
    let ask = server
        .ask(Method::POST, "/runs")
        .header("content-type", "application/json")
        .body(deep);
    assert_eq!(ask.send().await.status.as_u16() / 100, 4);
    assert!(no_runs(&server).await, "nothing was created");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_a_configuration_is_listed_at_once() {
    let server = Server::idle().await;
    let mut body = server.body();
    body["config_override"] = json!({ "iteratons": 3, "max_rewrites": -1, "reviewer": "maybe" });
    let said = server
        .post_json("/runs", &body)
        .await
        .refused(422, "config_invalid");
    for key in [
        "iteratons",
        "did you mean `iterations`",
        "max_rewrites",
        "reviewer",
    ] {
        assert!(said.contains(key), "{key}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_git_that_is_killed_is_said_as_such_and_not_as_a_base_that_is_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = crate::git::mortal_git(dir.path(), "git".as_ref());
    let limit = crate::support::PATIENCE;
    let git = Git::with(&script, limit, limit).await.expect("git");
    let server = Server::by_git(git).await;
    for words in ["--git-common-dir", "rev-parse --verify", "symbolic-ref"] {
        std::fs::write(dir.path().join("dies-at"), words).expect("a file");
        let reply = server.post_json("/runs", &server.body()).await;
        let error = reply.refused(503, "git_busy");
        assert!(error.contains("killed by signal 9"), "{words}: {error}");
    }
    assert!(no_runs(&server).await);
    std::fs::remove_file(dir.path().join("dies-at")).expect("a file");
    let made = server.post_json("/runs", &server.body()).await;
    assert_eq!(made.status, 201);
}

/// What is there and cannot be read may have asked for a stricter sandbox, or for checks: it is no reason to go on without.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_committed_and_cannot_be_read_does_not_pass_for_none() {
    let big = "sandbox = \"required\"\n".to_owned() + &"# nothing\n".repeat(2 << 20);
    for (what, why) in [
        ("large", "is larger than"),
        ("link", "is no regular file"),
        ("directory", "is no regular file"),
        (
            "folder-link",
            ".loop as it is committed on main is no directory",
        ),
        (
            "folder-file",
            ".loop as it is committed on main is no directory",
        ),
    ] {
        let server = Server::idle().await;
        let root = &server.repo.root;
        let link = |to: &str, at: &str| {
            std::os::unix::fs::symlink(to, root.join(at)).expect("a link");
        };
        match what {
            "large" => server.repo.write(".loop/config.toml", &big),
            "directory" => server.repo.write(".loop/config.toml/file", "x"),
            "folder-file" => server.repo.write(".loop", "x"),
            "folder-link" => {
                server
                    .repo
                    .write("settings/config.toml", "reviewer = false\n");
                link("settings", ".loop");
            }
            _ => {
                server.repo.write(".loop/other", "reviewer = false\n");
                link("other", ".loop/config.toml");
            }
        }
        server.repo.commit_all("Configured");
        let reply = server.post_json("/runs", &server.body()).await;
        let said = reply.refused(422, "config_unusable");
        assert!(said.contains(why), "{what}: {said}");
    }
    let server = Server::idle().await;
    server.repo.write(".loop/prompts/implementation.md", &big);
    server.repo.commit_all("A template");
    let reply = server.post_json("/runs", &server.body()).await;
    let said = reply.refused(422, "prompt_template");
    assert!(said.contains(".loop/prompts/implementation.md"), "{said}");
    let server = Server::idle().await;
    for name in [".loop/config.toml", ".loop/config"] {
        server.repo.write(name, "reviewer = false\n");
    }
    server.repo.commit_all("Both");
    let created = server.post_json("/runs", &server.body()).await.ok();
    let warnings = created["warnings"].to_string();
    assert!(warnings.contains(".loop/config"), "{warnings}");
}
