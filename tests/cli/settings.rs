//! Configuration on this side of the wire: `init`, `--config`, where specs are, and what `doctor` says of it.

use std::path::Path;

use agent_loop::cli::commands::picker::{chosen, specs_in};
use agent_loop::cli::settings::of_workspace;
use serde_json::json;

use super::fake::{Fake, reply};
use super::loopctl::{Ended, User};
use crate::support::{Repository, executable};

#[tokio::test(flavor = "multi_thread")]
async fn init_writes_a_file_that_is_understood_and_never_touches_one_that_is_there() {
    let user = User::new();
    user.file(".git/HEAD", "ref: refs/heads/main\n");
    let path = user
        .home
        .path()
        .canonicalize()
        .expect("a path")
        .join(".loop/config.toml");
    let ended = user.alone(&["init"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out, format!("{}\n", path.display()));
    let printed = user.alone(&["init", "--print"]).await.out;
    assert_eq!(std::fs::read_to_string(&path).expect("written"), printed);
    of_workspace(user.home.path(), None).expect("it is understood");

    std::fs::write(&path, "specs_dir = \"mine\"\n").expect("written");
    let ended = user.alone(&["init"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains(&path.display().to_string()),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("hint: compare it with"), "{}", ended.err);
    assert_eq!(
        std::fs::read_to_string(&path).expect("kept"),
        "specs_dir = \"mine\"\n"
    );
    let config = of_workspace(user.home.path(), None).expect("it is understood");
    assert_eq!(config.specs_dir, "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn init_for_the_user_has_the_daemons_keys() {
    let user = User::new();
    let ended = user.alone(&["init", "--user", "--json"]).await;
    let path = user.home.path().join(".config/loopd/config.toml");
    assert_eq!(ended.out, format!("{}\n", json!({ "path": path })));
    let text = std::fs::read_to_string(path).expect("written");
    assert!(text.contains("#max_concurrent_runs = 3"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_file_reaches_the_request_below_the_flags() {
    let user = User::new();
    user.file(
        "my.toml",
        "iterations = 3\nmodel = \"m\"\nreviewer = false\n",
    );
    let fake = Fake::start(|_| reply(500, &json!({}))).await;
    let mut command = user.command(&["run", "s.md", "--iterations", "4"]);
    let command = command
        .env("LOOPD_ADDR", &fake.addr)
        .env("LOOP_CONFIG", "my.toml");
    command.output().await.expect("starts");
    let settings = fake.asked()[0].json()["config_override"].clone();
    assert_eq!(
        settings,
        json!({ "iterations": 4, "model": "m", "reviewer": false })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_a_config_file_is_said_before_the_daemon_is_asked() {
    let user = User::new();
    user.file("my.toml", "iterations = 0\nmodle = \"m\"\n");
    let ended = user.alone(&["run", "s.md", "--config", "my.toml"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("my.toml:1: iterations"), "{}", ended.err);
    assert!(ended.err.contains("\nmy.toml:2: modle"), "{}", ended.err);
    assert!(ended.err.contains("did you mean `model`?"), "{}", ended.err);
    let ended = user.alone(&["run", "s.md", "--config", "none.toml"]).await;
    assert!(
        ended.err.contains("none.toml: there is no such file"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("hint: look at --config and LOOP_CONFIG"),
        "{}",
        ended.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_reads_the_configuration() {
    let user = User::new();
    // A command of one's own might do anything: it is not asked for its version.
    let tool = user.home.path().join("tool");
    executable(&tool, "#!/bin/sh\ntouch \"$HOME/asked\"\n");
    let defined = format!(
        "[agents.mine]\ndriver = \"exec\"\ncommand = \"{}\"\n",
        tool.display()
    );
    user.file(".config/loopd/config.toml", &defined);
    let addr = format!("unix:{}/none.sock", user.home.path().display());
    let ended = user.at(&addr, &["doctor"]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    assert!(
        ended.out.contains(&tool.display().to_string()),
        "{}",
        ended.out
    );
    assert!(!user.home.path().join("asked").exists());
    user.file(".config/loopd/config.toml", "modle = 1\n");
    let ended = user.at(&addr, &["doctor"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(ended.out.contains("did you mean `model`?"), "{}", ended.out);
    // One that cannot be read is not as good as none.
    let user = User::new();
    user.file(".config/loopd/config.toml/is-a-directory", "");
    let ended = user.at(&addr, &["doctor"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    let said = "config.toml: is a directory";
    assert!(ended.out.to_lowercase().contains(said), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_file_that_cannot_be_read_is_not_as_good_as_none_and_is_not_waited_for() {
    for (what, why) in [("link", "leads nowhere"), ("pipe", "no regular file")] {
        let user = User::new();
        let dir = user.home.path().join(".config/loopd");
        std::fs::create_dir_all(&dir).expect("a directory");
        let file = dir.join("config.toml");
        if what == "link" {
            std::os::unix::fs::symlink("dotfiles", &file).expect("a link");
        } else {
            let made = tokio::process::Command::new("mkfifo").arg(&file).status();
            assert!(made.await.expect("mkfifo").success());
        }
        let addr = format!("unix:{}/socket", user.home.path().display());
        let ended = user.at(&addr, &["doctor"]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.out);
        assert!(ended.out.contains(why), "{}", ended.out);
        let mut loopd = tokio::process::Command::new(env!("CARGO_BIN_EXE_loopd"));
        loopd.args(["--addr", &addr]).env_clear().kill_on_drop(true);
        loopd.env("HOME", user.home.path());
        let ended = tokio::time::timeout(crate::support::PATIENCE, loopd.output()).await;
        let output = ended.expect("it ends").expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("config.toml") && said.contains(why), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_a_git_that_is_too_old() {
    let user = User::new();
    let path = std::env::var("PATH").expect("text");
    let path = format!("{}:{path}", user.home.path().display());
    for (version, code, said) in [
        ("2.37.9", 1, "is too old"),
        ("2.38.0", 0, "git version 2.38.0"),
        ("3.0", 0, "git version 3.0"),
    ] {
        let script = format!("#!/bin/sh\necho git version {version}\n");
        executable(&user.home.path().join("git"), &script);
        let mut doctor = user.command(&["doctor", "--addr", "unix:/none.sock"]);
        let output = doctor.env("PATH", &path).output().await;
        let ended = super::loopctl::Ended::from(output.expect("loopctl starts"));
        assert_eq!(ended.code, Some(code), "{version}: {}", ended.out);
        assert!(ended.out.contains(said), "{version}: {}", ended.out);
    }
}

#[test]
fn the_picker_offers_markdown_files_by_name_and_takes_a_number() {
    let dir = tempfile::TempDir::new().expect("a directory");
    for name in ["b.md", "a.md", "c.txt"] {
        std::fs::write(dir.path().join(name), "").expect("a file");
    }
    std::fs::create_dir(dir.path().join("planning.md")).expect("a folder");
    let specs = specs_in(dir.path()).expect("readable");
    assert_eq!(specs, [dir.path().join("a.md"), dir.path().join("b.md")]);
    assert_eq!(chosen(" 2\n", &specs), Some(specs[1].clone()));
    for answer in ["", "0", "3", "-1", "b.md", "99999999999999999999"] {
        assert_eq!(chosen(answer, &specs), None, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_writes_nothing_into_a_bare_repository() {
    let repo = Repository::with_plan("- [ ] one\n").cloned("thing.git", &["--bare"]);
    let user = User::new();
    let init = async |at: &Path| -> Ended {
        let mut command = user.command(&["init"]);
        let output = command.current_dir(at).output().await;
        output.expect("loopctl starts").into()
    };
    for at in [repo.root.clone(), repo.root.join("refs")] {
        let ended = init(&at).await;
        assert_eq!(ended.code, Some(1), "{}", ended.out);
        let bare = format!("{} is a bare repository", repo.root.display());
        for words in [&*bare, "hint: call it in a clone"] {
            assert!(ended.err.contains(words), "{}", ended.err);
        }
        assert!(!at.join(".loop").exists());
    }
    // The directory of a checkout's repository belongs to that checkout.
    let repo = Repository::with_plan("- [ ] one\n");
    let ended = init(&repo.root.join(".git/refs")).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(repo.root.join(".loop/config.toml").is_file());
}
