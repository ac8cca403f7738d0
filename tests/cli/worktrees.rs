//! `worktrees` and `worktree-rm`: what they ask, what they print, and how they end.

use std::process::Stdio;

use serde_json::{Value, json};

use super::fake::{Fake, refusal, reply};
use super::loopctl::User;

const RUN: &str = "01980000-0000-7000-8000-00001f09a2c4";

#[tokio::test(flavor = "multi_thread")]
async fn worktrees_are_lines_with_the_reason_why_they_stay() {
    let entry = |path: &str, why: Option<&str>, present: bool| {
        json!({
            "path": path, "run_id": RUN, "run_name": "login", "state": "failed", "workspace_root": "/repo",
            "run_branch": "run/login", "present": present, "on_disk": true, "removable": why.is_none(), "why_kept": why,
        })
    };
    let body = json!({
        "worktrees": [entry("/a", None, true), entry("/b", Some("it holds files that no commit has: x"), false)],
        "strays": [{ "path": "/c", "run_id": RUN, "run_known": true, "branch": null, "on_disk": true }],
        "problems": ["failed to open the repository at /go\nne: no such directory"],
    });
    let fake = Fake::start(move |_| reply(200, &body)).await;
    let ended = User::new().at(&fake.addr, &["worktrees"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let lines: Vec<String> = ended
        .out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "PATH RUN STATE BRANCH REMOVABLE",
            "/a 1f09a2c4 login failed run/login yes",
            "/b 1f09a2c4 login failed, left by a reset run/login no: it holds files that no commit has: x",
            "/c 1f09a2c4 - - stray: its run was never told of it; worktree-rm looks at it",
        ]
    );
    assert!(ended.err.contains("/go ne: no such"), "{}", ended.err);
    assert_eq!(fake.asked()[0].uri, "/worktrees");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worktree_is_named_by_its_absolute_path_and_a_refusal_ends_with_5() {
    let removed = json!({ "path": "/w/repo.run-login", "run_id": RUN, "note": "removed" });
    let fake = Fake::start(move |_| reply(200, &removed)).await;
    let ended = User::new().at(&fake.addr, &["worktree-rm", "/w/a b"]).await;
    assert_eq!(
        (ended.code, &*ended.out),
        (Some(0), "/w/repo.run-login: removed\n")
    );
    let asked = fake.asked().remove(0);
    assert_eq!(
        (asked.method.as_str(), &*asked.uri),
        ("DELETE", "/worktrees?path=%2Fw%2Fa%20b")
    );
    User::new().at(&fake.addr, &["worktree-rm", "b"]).await;
    let relative = fake.asked().remove(1).uri;
    assert!(
        relative.starts_with("/worktrees?path=%2F") && relative.ends_with("%2Fb"),
        "{relative}"
    );
    for (status, code) in [(409, 5), (404, 4), (422, 1)] {
        let fake = Fake::start(move |_| refusal(status, "code", "because", "do it")).await;
        let ended = User::new().at(&fake.addr, &["worktree-rm", "/w"]).await;
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        assert!(
            ended
                .err
                .contains("failed to remove the worktree /w: because"),
            "{}",
            ended.err
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gc_tells_what_went_of_each_run_and_what_stays() {
    let body = |dry_run: bool, days: u32, runs: Value| json!({ "dry_run": dry_run, "retention_days": days, "runs": runs, "problems": ["failed to open /go\nne"] });
    let run = json!([{
        "run_id": RUN, "run_name": "login", "state": "failed", "ended_at": null, "worktrees": ["/w"], "files": true,
        "branches": [{ "name": "run/login", "rescue": "refs/loopd/rescue/x" }, { "name": "run/login-2", "rescue": null }],
        "kept": ["/v: it holds a file"],
    }]);
    let dry = body(true, 30, run.clone());
    let fake = Fake::start(move |_| reply(200, &dry)).await;
    let ended = User::new().at(&fake.addr, &["gc", "--dry-run"]).await;
    assert_eq!(
        ended.out,
        "1f09a2c4 login: would remove the worktree /w\n\
         1f09a2c4 login: would remove the branch run/login; its commits are kept by refs/loopd/rescue/x\n\
         1f09a2c4 login: would remove the branch run/login-2\n\
         1f09a2c4 login: would remove its files\n\
         1f09a2c4 login: kept /v: it holds a file\n"
    );
    assert!(ended.err.contains("failed to open /go ne"), "{}", ended.err);
    assert_eq!(fake.asked()[0].json(), json!({ "dry_run": true }));
    for (days, words) in [(0, "kept for ever"), (7, "more than 7 days ago")] {
        let nothing = body(false, days, json!([]));
        let fake = Fake::start(move |_| reply(200, &nothing)).await;
        let ended = User::new().at(&fake.addr, &["gc"]).await;
        assert!(ended.out.contains(words), "{}", ended.out);
        assert_eq!(fake.asked()[0].json(), json!({}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_runs_are_kept_is_the_daemons_configuration() {
    let user = User::new();
    user.file(".config/loopd/config.toml", "retention_days = 7\n");
    let address = format!("unix:{}", user.home.path().join("socket").display());
    let mut daemon = tokio::process::Command::new(env!("CARGO_BIN_EXE_loopd"));
    daemon
        .args(["--addr", &address])
        .env_clear()
        .env("HOME", user.home.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let _daemon = daemon.spawn().expect("loopd starts");
    let ended = user
        .at(&address, &["gc", "--json", "--ready-timeout", "60s"])
        .await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let said: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(said["retention_days"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worktree_that_is_gone_and_one_of_another_daemon_are_told_from_the_others() {
    let body = json!({
        "worktrees": [{
            "path": "/a", "run_id": RUN, "run_name": "login", "state": "failed", "workspace_root": "/repo",
            "run_branch": "run/login", "present": true, "on_disk": false, "removable": true, "why_kept": null,
        }],
        "strays": [{ "path": "/c", "run_id": RUN, "run_known": false, "branch": "run/x", "on_disk": true }],
        "problems": [],
    });
    let fake = Fake::start(move |_| reply(200, &body)).await;
    let ended = User::new().at(&fake.addr, &["worktrees"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for (line, said) in ended.out.lines().skip(1).zip([
        "yes, its directory is gone",
        "no: its run is not known to this daemon",
    ]) {
        assert!(line.ends_with(said), "{}", ended.out);
    }
    assert_eq!(ended.out.lines().count(), 3, "{}", ended.out);
}
