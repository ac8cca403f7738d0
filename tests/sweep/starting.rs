//! What stands at the beginning: one daemon for a data directory, whatever it is that lies there, and a check of it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use agent_loop::store::{self, StoredRun};

use super::at_work::{WAITING, at_work_by, ends_well, until, waiting};
use super::mortal::Dead;
use super::outside::Outside;
use super::scenario::{PLAIN, Scenario};
use super::scene::Scene;
use crate::support::PATIENCE;

const ONE: Scenario = Scenario {
    name: "one",
    scripts: &["then = \"default\"\n"],
    ..PLAIN
};

/// What `loopd` says and how it ends, with nothing of ours in its environment but a home.
async fn loopd(home: &Path, args: &[&str]) -> Output {
    loopd_with(home, args, &[]).await
}

/// The same, with this in its environment as well.
async fn loopd_with(home: &Path, args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Outside::program();
    command.args(args).env_clear().env("HOME", home);
    command.envs(environment.iter().copied());
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env("PATH", path).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    ended.expect("loopd ends").expect("loopd starts")
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

async fn started(scene: &Scene) -> Outside {
    let started = Outside::start(scene, None).await;
    started.unwrap_or_else(|Dead(why)| panic!("{why}"))
}

fn mode(path: &Path) -> u32 {
    let found = std::fs::metadata(path).expect("it is there");
    found.permissions().mode() & 0o777
}

#[tokio::test]
async fn a_second_daemon_is_told_who_has_the_directory_and_changes_nothing_there() {
    let scene = Scene::new(&WAITING);
    let (daemon, runs) = at_work_by(Outside::program(), &scene, &[]).await;
    let data = scene.data();
    let lock = data.join("loopd.lock");
    let signed = std::fs::read_to_string(&lock).expect("signed");
    assert!(
        signed.contains(&format!("(pid {})", daemon.pid)),
        "{signed}"
    );
    assert_eq!((mode(&lock), mode(&data)), (0o600, 0o700));
    let text = data.display().to_string();
    for _ in 0..2 {
        let args = ["--addr", "http://127.0.0.1:0", "--data-dir", &text];
        let second = loopd(&scene.outside().join("home"), &args).await;
        let said = said(&second);
        assert_eq!(second.status.code(), Some(1), "{said}");
        let held = format!("the data dir {text} is in use by {}", signed.trim());
        assert!(
            said.contains(&held) && said.contains("--data-dir"),
            "{said}"
        );
        assert_eq!(std::fs::read_to_string(&lock).expect("signed"), signed);
    }
    // The kernel gives back what a dead daemon held, whatever it had signed.
    daemon.kill().await;
    std::fs::write(&lock, "x".repeat(400)).expect("a file");
    let daemon = started(&scene).await;
    let signed = std::fs::read_to_string(&lock).expect("signed");
    assert!(!signed.contains("xx"), "{signed}");
    std::fs::remove_file(waiting(&scene)).expect("a file");
    ends_well(&scene, daemon, &runs).await;
}

/// Steps of each kind, and an analysis.
const WHOLE: Scenario = Scenario {
    name: "whole",
    scripts: &[
        "then = \"default\"\n[[turn]]\nrole = \"postmortem\"\nsteps = [{ say = \"Seen.\" }]\n",
    ],
    settings: || serde_json::json!({ "verify_cmds": ["true"], "postmortem": true }),
    ..PLAIN
};

/// All that is in a directory, at any depth.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_is_in_the_data_directory_is_its_owners_alone() {
    let scene = Scene::new(&WHOLE);
    let daemon = started(&scene).await;
    let id = daemon.create(&scene, 0).await;
    let id = id.unwrap_or_else(|Dead(why)| panic!("{why}"));
    until("the run is explained", async || {
        let run = daemon.reader().run(&id).await.expect("readable");
        let explained = |run: StoredRun| run.facts.postmortem.is_some_and(|it| it.end.is_some());
        run.is_some_and(explained)
    })
    .await;
    daemon.end().await;
    let found = below(&scene.data());
    for path in &found {
        let alone = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(path), alone, "{}", path.display());
    }
    // It has looked at what there is to hide.
    for name in [
        "postmortem.lock",
        "report.tsv",
        "run.log",
        "prompt.txt",
        "output",
        "transcript.txt",
        "keeper.log",
        "keeper.lock",
        "worktree.lock",
        "report.md",
    ] {
        assert!(
            found.iter().any(|path| path.ends_with(name)),
            "no {name} in {found:?}"
        );
    }
}

#[tokio::test]
async fn a_directory_that_others_could_read_is_its_owners_alone_again() {
    let scene = Scene::new(&ONE);
    std::fs::create_dir_all(scene.data()).expect("a directory");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(scene.data(), open).expect("open");
    let daemon = started(&scene).await;
    assert_eq!(mode(&scene.data()), 0o700);
    for name in ["token", "loopd.lock", store::FILE_NAME] {
        assert_eq!(mode(&scene.data().join(name)), 0o600, "{name}");
    }
    daemon.end().await;
}

#[tokio::test]
async fn a_check_ends_with_0_only_where_the_journal_explains_everything() {
    let scene = Scene::new(&ONE);
    let (home, data) = (scene.outside().join("home"), scene.data());
    std::fs::create_dir_all(&data).expect("a directory");
    let text = data.display().to_string();
    let check = async || loopd(&home, &["check", "--data-dir", &text]).await;
    let none = check().await;
    assert_eq!(none.status.code(), Some(1), "{}", said(&none));
    assert!(said(&none).contains("there is no database in"));
    assert!(!store::file(&data).exists(), "and none is made");

    let daemon = started(&scene).await;
    let id = daemon.create(&scene, 0).await;
    let id = id.unwrap_or_else(|Dead(why)| panic!("{why}"));
    // Also while a daemon uses it.
    let sound = check().await;
    assert_eq!(sound.status.code(), Some(0), "{}", said(&sound));
    assert!(said(&sound).contains("every row is explained by the journal"));
    until("the run ends", async || {
        let run = daemon.reader().run(&id).await.expect("readable");
        run.is_some_and(|run| run.facts.ended_at.is_some() && run.facts.worktree_removed)
    })
    .await;
    daemon.end().await;
    let before = below(&data);
    let sound = check().await;
    assert_eq!(sound.status.code(), Some(0), "{}", said(&sound));
    assert_eq!(below(&data), before, "a look leaves nothing behind");

    let raw = rusqlite::Connection::open(store::file(&data)).expect("opens");
    raw.execute_batch(
        "DROP TRIGGER run_update; DROP TRIGGER runs_change_with_rev; UPDATE runs SET verified_tree = 'another';",
    )
    .expect("tampers");
    let found = check().await;
    assert_eq!(found.status.code(), Some(1), "{}", said(&found));
    assert!(
        said(&found).contains(&format!("{id}: columns is")),
        "{}",
        said(&found)
    );
    raw.execute_batch("PRAGMA user_version = 99").expect("ages");
    let newer = check().await;
    assert_eq!(newer.status.code(), Some(1), "{}", said(&newer));
    assert!(
        said(&newer).contains("its format is 99"),
        "{}",
        said(&newer)
    );
}

#[tokio::test]
async fn what_cannot_be_read_at_the_start_is_said_and_nothing_is_begun() {
    let scene = Scene::new(&ONE);
    let daemon = started(&scene).await;
    let id = daemon.create(&scene, 0).await;
    id.unwrap_or_else(|Dead(why)| panic!("{why}"));
    daemon.kill().await;
    let (home, data) = (scene.outside().join("home"), scene.data());
    let text = data.display().to_string();
    let start = async || {
        loopd(
            &home,
            &["--addr", "http://127.0.0.1:0", "--data-dir", &text],
        )
        .await
    };
    // Something that is to be done, of which this loopd knows nothing.
    let raw = rusqlite::Connection::open(store::file(&data)).expect("opens");
    raw.execute_batch(
        "INSERT INTO effects (run_id, generation, name, created_at) SELECT id, 1, 'dream', 0 FROM runs",
    )
    .expect("tampers");
    let ended = start().await;
    assert_eq!(ended.status.code(), Some(1), "{}", said(&ended));
    assert!(said(&ended).contains("dream"), "{}", said(&ended));
    raw.execute_batch("DELETE FROM effects WHERE name = 'dream'")
        .expect("mended");
    // Settings that are there, and cannot be read, are not as good as none.
    let config = home.join(".config/loopd/config.toml");
    std::fs::create_dir_all(&config).expect("a directory");
    let ended = start().await;
    assert_eq!(ended.status.code(), Some(1), "{}", said(&ended));
    let place = config.display().to_string();
    assert!(said(&ended).contains(&place), "{}", said(&ended));
    std::fs::remove_dir(&config).expect("a directory");
    started(&scene).await.end().await;
}

#[tokio::test]
async fn what_a_daemon_says_before_it_serves_is_said_as_it_was_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let (config, data) = (dir.path().join("loopd.toml"), dir.path().join("data"));
    std::fs::write(
        &config,
        "claude_timeout_sec = 60\nglobal_log_dir = \"/dev/null/files\"\n",
    )
    .expect("a file");
    let (config, data) = (config.display().to_string(), data.display().to_string());
    let start = async |more: &[&str], environment: &[(&str, &str)]| {
        let place = ["--addr", "http://127.0.0.1:0", "--data-dir", &data];
        let args = [&place[..], &["--config", &config], more].concat();
        let ended = loopd_with(dir.path(), &args, environment).await;
        let said = said(&ended);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        let why = "failed to keep files of runs in the global_log_dir /dev/null/files";
        assert!(said.contains(why), "{said}");
        said
    };
    let warning = "claude_timeout_sec: the name of an earlier version";
    let told = start(&[], &[]).await;
    assert!(told.contains(warning), "{told}");
    assert!(!told.contains('\u{1b}'), "{told:?}");
    let told = start(&[], &[("LOOPD_LOG", "error")]).await;
    assert!(!told.contains(warning), "{told}");
    let told = start(&["--log-format", "json"], &[]).await;
    let first = told.lines().next().unwrap_or_default();
    let first: serde_json::Value = serde_json::from_str(first).expect("JSON");
    assert_eq!(first["level"], "WARN", "{first}");
}

#[tokio::test]
async fn a_path_with_a_line_end_begins_no_line_of_the_log() {
    use tokio::io::AsyncBufReadExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Outside::program();
    command
        .args(["--addr", "http://127.0.0.1:0", "--data-dir"])
        .arg(dir.path().join("data\nINFO forged"))
        .env_clear()
        .env("HOME", dir.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true);
    let mut daemon = command.spawn().expect("loopd starts");
    let log = daemon.stderr.take().expect("piped");
    let mut lines = tokio::io::BufReader::new(log).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            assert!(!line.starts_with("INFO forged"), "{line}");
            if line.contains("data_dir=") {
                return line;
            }
        }
        panic!("it ended before it was ready");
    };
    let line = tokio::time::timeout(PATIENCE, ready).await;
    let line = line.expect("it becomes ready");
    assert!(line.contains(r"data\nINFO forged"), "{line}");
    daemon.kill().await.expect("killed");
}
