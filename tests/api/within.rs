//! A step that asks the daemon from behind its fence: it may look, and it commands nothing, in whatever way it asks.
//! Without a fence it may.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use agent_loop::api::{self, ApiState, Listener};
use agent_loop::core::run::RunId;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde_json::{Value, json};

use super::server::Server;
use crate::support::eventually;

/// Asks by all ways, and says for each how it ended. In the end the file `said` is there.
const ASK: &str = r#"
ask() { as=$1; shift; "$LOOPCTL" --addr "$1" --token "$TOKEN" "$2" $3 $4 > "$OUT/$as.out" 2> "$OUT/$as.err"; echo "$as $?" >> "$OUT/saying"; }
ask look "$HTTP" list
ask look-by-socket "$UNIX" inspect "$VICTIM"
ask resume "$HTTP" resume "$VICTIM"
ask cancel-by-socket "$UNIX" cancel "$VICTIM"
ask run "$HTTP" run specs/thing.md
export HTTP UNIX TOKEN LOOPCTL VICTIM OUT
(setsid env -i sh -c "'$LOOPCTL' --addr '$HTTP' --token '$TOKEN' cancel '$VICTIM'; echo escaped \$? > '$OUT/escaped'" > "$OUT/escaped.err" 2>&1 &)
until [ -s "$OUT/escaped" ]; do sleep 0.05; done
cat "$OUT/escaped" >> "$OUT/saying"
"$LOOPD" --data-dir "$OUT/own" --addr "unix:$OUT/own.socket" 2> "$OUT/own.log" &
"$LOOPCTL" --addr "unix:$OUT/own.socket" --data-dir "$OUT/own" cancel nobody 2> "$OUT/own.err"
echo "own $?" >> "$OUT/saying"
kill $!
wait
mv "$OUT/saying" "$OUT/said"
"#;

/// A server over TCP and over a socket, and a run at rest that somebody may command.
struct Scene {
    server: Server,
    unix: String,
    victim: String,
    out: PathBuf,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::with_slots(1).await;
        let unix = format!("unix:{}", server.repo.outside().join("socket").display());
        let listener = Listener::bind(&unix).await.expect("bound");
        let router = api::router(server.state_of_the_api.clone());
        tokio::spawn(api::serve(listener, router, server.shutdown.clone()));
        let out = server.repo.outside().join("out");
        std::fs::create_dir(&out).expect("a directory");
        let victim = server.create("victim").await;
        server.post(&format!("/runs/{victim}/pause")).await.ok();
        Scene {
            server,
            unix,
            victim,
            out,
        }
    }

    /// The script, as a program.
    fn asking(&self) -> PathBuf {
        let values = [
            ("LOOPCTL", env!("CARGO_BIN_EXE_loopctl").to_owned()),
            ("LOOPD", env!("CARGO_BIN_EXE_loopd").to_owned()),
            ("HTTP", format!("http://{}", self.server.address)),
            ("UNIX", self.unix.clone()),
            ("TOKEN", self.server.token.clone()),
            ("VICTIM", self.victim.clone()),
            ("OUT", self.out.display().to_string()),
        ];
        let set: String = values
            .map(|(name, value)| format!("{name}='{value}'\n"))
            .concat();
        self.server
            .repo
            .program("ask.sh", &format!("#!/bin/sh\n{set}{ASK}"))
    }

    async fn run(&self, settings: Value) -> RunId {
        self.server
            .house
            .create(&self.server.repo, None, settings)
            .await
    }

    /// What it said of each way.
    async fn said(&self) -> Vec<String> {
        let path = self.out.join("said");
        let said = eventually(async || std::fs::read_to_string(&path).ok()).await;
        said.lines().map(str::to_owned).collect()
    }

    fn error(&self, name: &str) -> String {
        std::fs::read_to_string(self.out.join(format!("{name}.err"))).expect("it was asked")
    }

    async fn runs(&self) -> usize {
        let list = self.server.get("/runs").await.ok();
        list["runs"].as_array().expect("a list").len()
    }
}

const REFUSED: [&str; 7] = [
    "look 0",
    "look-by-socket 0",
    "resume 5",
    "cancel-by-socket 5",
    "run 5",
    "escaped 5",
    "own 4",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_behind_its_fence_may_look_and_commands_nothing_but_a_daemon_of_its_own() {
    let scene = Scene::new().await;
    let asker = scene.asking();
    let id = scene
        .run(json!({
            "agent": "asker", "reviewer": false,
            "agents": { "asker": { "driver": "exec", "command": asker } },
        }))
        .await;
    assert_eq!(scene.said().await, REFUSED, "{}", scene.error("own"));
    for name in ["resume", "cancel-by-socket", "run", "escaped"] {
        let error = scene.error(name);
        let named = error.contains("behind its fence") && error.contains(&id.0);
        assert!(
            named && error.contains("sandbox = \"off\""),
            "{name}: {error}"
        );
    }
    assert_eq!(scene.server.state(&scene.victim).await, "paused");
    assert_eq!(scene.runs().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_command_no_more_than_the_agent() {
    let scene = Scene::new().await;
    let check = scene.asking().display().to_string();
    scene.run(json!({ "verify_cmds": [check] })).await;
    assert_eq!(scene.said().await, REFUSED, "{}", scene.error("own"));
    assert_eq!(scene.server.state(&scene.victim).await, "paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_a_fence_may_command() {
    let scene = Scene::new().await;
    let asker = scene.asking();
    scene
        .run(json!({
            "agent": "asker", "reviewer": false, "sandbox": "off",
            "agents": { "asker": { "driver": "exec", "command": asker } },
        }))
        .await;
    let said = scene.said().await;
    for done in ["resume 0", "cancel-by-socket 0"] {
        assert!(said.contains(&done.to_owned()), "{said:?}");
    }
    assert_eq!(scene.server.state(&scene.victim).await, "canceled");
}

/// Asks by a connection that no process is seen to hold: it is in a table of open files that one thread has for itself.
async fn asked_in_hiding(address: String, token: String, path: String) -> String {
    let asked = tokio::task::spawn_blocking(move || {
        let ask = move || {
            // SAFETY: the thread has no file of another's in mind, and ends.
            unsafe { unshare_unsafe(UnshareFlags::FILES) }.expect("a table of its own");
            let mut stream = TcpStream::connect(address).expect("connects");
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).expect("asks");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            answer
        };
        std::thread::spawn(ask).join().expect("no panic")
    });
    asked.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_seen_commands_nothing_where_callers_can_be_told_apart() {
    let server = Server::with_slots(1).await;
    let pipe = server.repo.outside().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let works = format!("read line < '{}'", pipe.display());
    let settings = json!({
        "agent": "waits", "reviewer": false,
        "agents": { "waits": { "driver": "exec", "command": "/bin/sh", "args": ["-c", works] } },
    });
    let at_work = server.house.create(&server.repo, None, settings).await;
    let begun = async || server.house.steps(&at_work, "implementation").await.pop();
    eventually(async || {
        begun()
            .await
            .filter(|step| step.facts.confinement.is_some())
    })
    .await;
    let id = server.create("asked").await;
    let ask = |address: String| {
        asked_in_hiding(address, server.token.clone(), format!("/runs/{id}/pause"))
    };
    let answer = ask(server.address.to_string()).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(
        answer.contains("caller_unknown") && answer.contains("ssh -L"),
        "{answer}"
    );
    assert_eq!(server.state(&id).await, "queued");
    // A machine that tells of nobody who asks.
    let listener = Listener::bind("http://127.0.0.1:0").await.expect("a port");
    let address = listener.address().expect("bound");
    let state = ApiState {
        callers_are_told_apart: false,
        ..server.state_of_the_api.clone()
    };
    tokio::spawn(api::serve(
        listener,
        api::router(state),
        server.shutdown.clone(),
    ));
    let answer = ask(address.trim_start_matches("http://").to_owned()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(server.state(&id).await, "paused");
    server.post(&format!("/runs/{at_work}/cancel")).await.ok();
    server.house.settled(&at_work).await;
}
