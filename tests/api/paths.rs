//! Every field of a request that names a place: `..`, links and absolute paths lead nowhere but where they may.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use super::server::Server;
use crate::support::{as_an_ordinary_user, with_mode};

/// Asks for a run with this field; the refusal.
async fn refused(server: &Server, field: &str, value: Value, snapshot: bool) -> String {
    let mut body = server.body();
    body["snapshot"] = json!(snapshot);
    body[field] = value.clone();
    let reply = server.post_json("/runs", &body).await;
    assert_eq!(reply.status, 422, "{field} = {value}: {}", reply.json());
    reply.json()["error"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spec_and_no_plan_comes_from_outside_or_from_gits_own_files() {
    let server = Server::idle().await;
    let repo = &server.repo;
    let secret = "# Secret\n\n- [ ] token=s3cr3t\n";
    let outside = repo.beside("secret.md", secret);
    let (specs, root) = (repo.root.join("specs"), &repo.root);
    std::fs::write(root.join(".git/secret.md"), secret).expect("a file");
    let links = [
        ("specs/out.md", outside.as_path()),
        ("specs/climbs.md", Path::new("../../secret.md")),
        ("specs/inner.md", Path::new("../.git/secret.md")),
        ("specs/over.md", Path::new("out.md")),
        ("linked", repo.outside()),
        ("gits", Path::new(".git")),
    ];
    for (name, target) in links {
        symlink(target, root.join(name)).expect("a link");
    }
    assert!(specs.join("inner.md").exists(), "the links lead somewhere");
    for path in [
        "specs/out.md",
        "specs/climbs.md",
        "specs/inner.md",
        "specs/over.md",
        "linked/secret.md",
        "gits/secret.md",
        "../secret.md",
        "specs/../../secret.md",
        "specs/./../../secret.md",
        ".git/secret.md",
        "./.git/secret.md",
        "/proc/self/environ",
    ] {
        for field in ["spec_path", "plan_path"] {
            // A snapshot takes the file as it is now, committed or not: it is the one that could carry it away.
            for snapshot in [false, true] {
                let said = refused(&server, field, json!(path), snapshot).await;
                let name = path.trim_start_matches("./");
                assert!(said.contains(name), "{field} = {path}: {said}");
                assert!(!said.contains("s3cr3t"), "{said}");
            }
        }
    }
    let said = refused(&server, "spec_path", json!(outside), true).await;
    assert!(said.contains("secret.md"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_name_places_in_the_workspace_name_no_others() {
    let server = Server::idle().await;
    symlink(server.repo.outside(), server.repo.root.join("linked")).expect("a link");
    for (key, values) in [
        ("specs_dir", vec![json!("../specs"), json!("/etc")]),
        ("plans_dir", vec![json!("specs/../../plans"), json!("/etc")]),
        (
            "log_dir",
            vec![
                json!("../logs"),
                json!("/var/log"),
                json!("linked"),
                json!("linked/logs"),
                json!("a/../../logs"),
                json!(".git/logs"),
            ],
        ),
        (
            "context_files",
            vec![json!(["../x"]), json!(["/etc/passwd"])],
        ),
        (
            "worktree_path_template",
            vec![
                json!("~/x"),
                json!(""),
                json!("a\nb"),
                json!("{{ nothing }}"),
            ],
        ),
    ] {
        for value in values {
            let said = refused(&server, "config_override", json!({ key: value }), false).await;
            assert!(said.contains(key), "{key} = {value}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_too_long_for_any_file_is_refused_with_its_field() {
    let server = Server::idle().await;
    symlink("circle.md", server.repo.root.join("specs/circle.md")).expect("a link");
    let said = refused(&server, "spec_path", json!("specs/circle.md"), false).await;
    assert!(said.contains("specs/circle.md"), "{said}");
    let (name, path) = ("x".repeat(256), "y/".repeat(2100));
    for field in ["spec_path", "plan_path"] {
        for snapshot in [false, true] {
            for long in [&name, &format!("specs/{name}.md"), &path] {
                let said = refused(&server, field, json!(long), snapshot).await;
                assert!(said.contains(field), "{field}: {said}");
            }
        }
    }
    let list = [json!([name]), json!([path])];
    let text = [json!(name), json!(path)];
    for (key, values) in [
        ("specs_dir", &text),
        ("plans_dir", &text),
        ("log_dir", &text),
        ("prompt_file", &text),
        ("context_files", &list),
        ("skills_dirs", &list),
        (
            "merge_target_branch",
            &[json!("b".repeat(251)), json!(path)],
        ),
        ("run_branch_prefix", &[json!("b".repeat(200)), json!(path)]),
        (
            "worktree_path_template",
            &[json!(format!("../{name}")), json!("../w/".repeat(120))],
        ),
    ] {
        for value in values {
            let said = refused(&server, "config_override", json!({ key: value }), false).await;
            assert!(said.contains(key), "{key} = {value}: {said}");
        }
    }
    for long in ["b".repeat(251), path] {
        let said = refused(&server, "base_branch", json!(long), false).await;
        assert!(said.contains("base"), "{said}");
    }
}

#[test]
fn a_repository_that_may_not_be_read_is_said_as_that_and_not_as_damaged() {
    as_an_ordinary_user(async || {
        let server = Server::idle().await;
        for place in ["", ".git", ".git/HEAD", ".git/objects", ".git/refs"] {
            let place = server.repo.root.join(place);
            let before = with_mode(&place, 0);
            let reply = server.post_json("/runs", &server.body()).await;
            std::fs::set_permissions(&place, before).expect("opened");
            let said = reply.json()["error"].clone();
            assert_eq!(
                (reply.status.as_u16(), &said["code"]),
                (422, &json!("permission_denied")),
                "{said}"
            );
            let message = said["message"].as_str().expect("a message");
            let name = place.to_str().expect("text").trim_end_matches('/');
            for word in [
                "permission denied",
                name,
                "as the user that loopd runs as",
                "chmod",
            ] {
                assert!(message.contains(word), "{word}: {message}");
            }
            assert!(!message.contains("damaged"), "{message}");
        }
        let reply = server.post_json("/runs", &server.body()).await;
        assert_eq!(reply.status, 201, "it is whole: {}", reply.json());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn no_branch_is_an_option_or_a_path() {
    let server = Server::idle().await;
    for field in ["base_branch", "merge_target_branch", "run_branch_prefix"] {
        for name in [
            "-x",
            "--upload-pack=touch x",
            "a/../b",
            "../x",
            "/x",
            "a b:c",
            "x~1",
            "a\0b",
            "HEAD^{/x}",
        ] {
            let said = refused(&server, field, json!(name), false).await;
            assert!(
                said.contains(field) || said.contains("base"),
                "{field} = {name}: {said}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_one_however_it_is_spelt() {
    let server = Server::idle().await;
    let repo = &server.repo;
    let link = repo.outside().join("by-a-link");
    symlink(&repo.root, &link).expect("a link");
    let spellings = [
        repo.root.clone(),
        link.clone(),
        link.join("specs"),
        repo.root.join("specs/../specs"),
        repo.root.join("../by-a-link/./specs/planning"),
    ];
    for (n, spelling) in spellings.iter().enumerate() {
        let mut body = server.body();
        body["workspace_root"] = json!(spelling);
        body["name"] = json!(format!("spelling {n}"));
        let run = server.post_json("/runs", &body).await.ok()["run"].clone();
        assert_eq!(run["workspace_root"], json!(repo.root), "{spelling:?}");
    }
    let mut body = server.body();
    body["workspace_root"] = json!(link);
    body["spec_path"] = json!(link.join("specs/thing.md"));
    let run = server.post_json("/runs", &body).await.ok()["run"].clone();
    assert_eq!(run["spec_path"], "specs/thing.md");
    let dangling = repo.outside().join("dangling");
    symlink("nowhere", &dangling).expect("a link");
    for place in [dangling, repo.outside().to_owned(), "repo/../repo".into()] {
        let said = refused(&server, "workspace_root", json!(place), false).await;
        assert!(
            said.contains("workspace") || said.contains("repository"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_whose_path_json_cannot_carry_is_refused_with_what_to_do_also_behind_a_link() {
    let server = Server::idle().await;
    let repo = &server.repo;
    let odd = repo.outside().join(OsStr::from_bytes(b"odd\xff"));
    let clone = std::process::Command::new("git")
        .args(["clone", "--quiet"])
        .args([repo.root.as_os_str(), odd.as_os_str()])
        .status();
    assert!(clone.expect("git runs").success());
    // A linked worktree of a repository whose own path is none of the trouble.
    let linked = repo.outside().join(OsStr::from_bytes(b"linked\xff"));
    let add = std::process::Command::new("git")
        .current_dir(&repo.root)
        .args(["worktree", "add", "--quiet", "--detach"])
        .arg(&linked)
        .status();
    assert!(add.expect("git runs").success());
    // And one that lies well, of a repository that does not.
    let plain = repo.outside().join("plain");
    let add = std::process::Command::new("git")
        .current_dir(&odd)
        .args(["worktree", "add", "--quiet", "--detach"])
        .arg(&plain)
        .status();
    assert!(add.expect("git runs").success());
    for (n, odd) in [odd, linked, plain].iter().enumerate() {
        let link = repo.outside().join(format!("link-{n}"));
        symlink(odd, &link).expect("a link");
        let said = refused(&server, "workspace_root", json!(link), false).await;
        for words in [
            "workspace_not_utf8",
            "is not UTF-8",
            "rename",
            "symbolic link",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_is_not_found_is_said_with_where_it_was_looked_for_and_what_was_meant() {
    let server = Server::idle().await;
    let root = server.repo.root.display().to_string();
    let mut body = server.body();
    body["workspace_root"] = json!(server.repo.root.join("specs"));
    for (spec, words) in [
        (
            "thing.md",
            [
                "relative to the top of the work tree",
                "give specs/thing.md",
            ],
        ),
        (
            "none.md",
            ["the spec none.md does not exist in", "relative to"],
        ),
        ("specs", ["the spec specs is a directory", "specs/NAME.md"]),
    ] {
        body["spec_path"] = json!(spec);
        let reply = server.post_json("/runs", &body).await;
        reply.refused(422, "file_missing");
        let said = reply.json()["error"].to_string();
        for words in words.into_iter().chain([&*root]) {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    // And by what it advises, it works.
    body["spec_path"] = json!("specs/thing.md");
    server.post_json("/runs", &body).await.ok();
}
