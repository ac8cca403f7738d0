//! `worktrees` and `worktree-rm`: what they ask, what they print, and how they end.

use serde_json::json;

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
        "problems": ["failed to open the repository at /gone: no such directory"],
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
    assert!(ended.err.contains("/gone"), "{}", ended.err);
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
