//! The real daemon, as a user starts it: a process with its own socket, which dies of an abort or of SIGKILL. What it
//! stored is read from beside it; what it is asked goes over HTTP.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use agent_loop::core::run::RunId;
use agent_loop::crash::{CrashPoint, Death};
use agent_loop::store::{self, Reader, StoredRun};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::watch;

use super::mortal::{DIED_EARLY, Dead, Ended, Passed, key};
use super::scenario::Wish;
use super::scene::Scene;
use crate::support::PATIENCE;

/// How often one looks into the database of the other process.
const LOOK: Duration = Duration::from_millis(20);

pub struct Outside {
    pub pid: u32,
    address: SocketAddr,
    token: String,
    reader: Reader,
    point: Option<CrashPoint>,
    log: PathBuf,
    /// The signal that ended it, 0 for none.
    ended: watch::Receiver<Option<i32>>,
}

impl Outside {
    pub async fn start(scene: &Scene, point: Option<&CrashPoint>) -> Result<Outside, Dead> {
        Outside::start_by(Outside::program(), scene, point, &[]).await
    }

    /// The command that starts it.
    pub fn program() -> Command {
        Command::new(env!("CARGO_BIN_EXE_loopd"))
    }

    /// The same by another command, which is given the arguments, with more in its environment.
    pub async fn start_by(
        mut command: Command,
        scene: &Scene,
        point: Option<&CrashPoint>,
        environment: &[(&str, PathBuf)],
    ) -> Result<Outside, Dead> {
        let data = scene.data();
        let home = scene.outside().join("home");
        std::fs::create_dir_all(&home).expect("a directory");
        let log = scene.outside().join("loopd.log");
        let config = scene.repo.beside("loopd.toml", "min_free_disk_mb = 1\n");
        command
            .args(["--addr", "http://127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .arg("--config")
            .arg(config)
            .args([
                "--max-runs-per-workspace",
                &scene.scenario.slots.to_string(),
            ])
            .env_clear()
            .env("PATH", scene.path())
            .env("HOME", home)
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("a file"));
        if let Some(clock) = scene.clock() {
            command.envs(clock.environment());
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        if let Some(point) = point {
            command.env("LOOPD_CRASH_AT", point.to_string());
        }
        let mut child = command.spawn().expect("loopd starts");
        let pid = child.id().expect("a pid");
        let (told, ended) = watch::channel(None);
        tokio::spawn(async move {
            let status = child.wait().await;
            told.send_replace(Some(status.ok().and_then(|it| it.signal()).unwrap_or(0)));
        });
        let found = async {
            loop {
                if ended.borrow().is_some() {
                    return None;
                }
                if let Some(found) = found(&data, pid).await {
                    return Some(found);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let Ok(found) = found else {
            return Err(Dead(format!("it did not come up: {}", said())));
        };
        let Some((address, token, reader)) = found else {
            let early = point.is_some_and(|point| proved(&said(), point).is_some());
            return Err(Dead(if early { DIED_EARLY.to_owned() } else { said() }));
        };
        Ok(Outside {
            pid,
            address,
            token,
            reader,
            point: point.cloned(),
            log,
            ended,
        })
    }

    /// What it answers to a question.
    pub async fn get(&self, path: &str) -> Value {
        match self.ask(Method::GET, path, &json!({}), "").await {
            Ok((_, said)) => said,
            Err(Dead(why)) => panic!("{why}"),
        }
    }

    /// How often it has counted this by now.
    pub async fn counted(&self, name: &str) -> u64 {
        let said = self.bytes(Method::GET, "/metrics", &json!({}), "").await;
        let (_, text) = said.unwrap_or_else(|Dead(why)| panic!("{why}"));
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find_map(|line| {
            let (metric, number) = line.split_once(' ')?;
            (metric == format!("{name}_total")).then(|| number.trim().parse().expect("a number"))
        });
        line.unwrap_or_else(|| panic!("{name} is not counted: {text}"))
    }

    /// What it has written into its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The run as stored.
    pub async fn run(&self, id: &RunId) -> StoredRun {
        let run = self.reader.run(id).await.expect("readable");
        run.expect("a run")
    }

    pub async fn create(&self, scene: &Scene, run: usize) -> Result<RunId, Dead> {
        let body = json!({
            "workspace_root": scene.repo.root,
            "spec_path": "specs/thing.md",
            "config_override": scene.overrides(run),
        });
        let (status, said) = self.ask(Method::POST, "/runs", &body, &key(run)).await?;
        match said["run"]["id"].as_str() {
            Some(id) => Ok(RunId(id.to_owned())),
            None => Err(Dead(format!("{status}: {said}"))),
        }
    }

    pub async fn operate(&self, id: &RunId, wish: Wish) -> Result<(), Dead> {
        let path = match wish {
            Wish::CleanUp => "/gc".to_owned(),
            Wish::Pause
            | Wish::Resume
            | Wish::Cancel
            | Wish::Retry
            | Wish::Merge
            | Wish::PullRequest
            | Wish::Scrap => format!("/runs/{id}/{}", wish.as_str()),
        };
        let (status, said) = self.ask(Method::POST, &path, &json!({}), "").await?;
        if wish == Wish::CleanUp {
            // What stays, and why, is the account of a story that waits for it in vain.
            std::fs::write(self.log.with_file_name("gc.json"), said.to_string()).expect("a file");
        }
        match status {
            // Refused in the table's own words: somebody was faster.
            StatusCode::OK | StatusCode::CONFLICT => Ok(()),
            status => Err(Dead(format!("{status}: {said}"))),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Result<(StatusCode, Value), Dead> {
        let (status, said) = self.bytes(method, path, body, key).await?;
        let said = serde_json::from_slice(&said);
        Ok((status, said.map_err(|e| Dead(format!("{path}: {e}")))?))
    }

    async fn bytes(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Result<(StatusCode, Bytes), Dead> {
        let dead = |error: &dyn std::fmt::Display| Dead(format!("{path}: {error}"));
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|e| dead(&e))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| dead(&e))?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token));
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request");
        let answer = sender.send_request(request).await.map_err(|e| dead(&e))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|e| dead(&e))?.to_bytes();
        Ok((head.status, body))
    }

    pub async fn changed(&mut self) {
        tokio::time::sleep(LOOK).await;
    }

    pub fn grave(&self) -> impl Future<Output = ()> + use<> {
        let mut ended = self.ended.clone();
        async move {
            let _ = ended.wait_for(Option::is_some).await;
        }
    }

    /// Kills it, and waits until it is gone.
    pub async fn kill(self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid.cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        self.grave().await;
    }

    /// Takes it down as a person does, if it lives.
    pub async fn end(self) -> Ended {
        if self.ended.borrow().is_none()
            && let Some(pid) = rustix::process::Pid::from_raw(self.pid.cast_signed())
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let patience = tokio::time::timeout(PATIENCE, self.grave()).await;
        patience.expect("it ends when it is told to");
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let signal = self.ended.borrow().unwrap_or_default();
        Ended {
            at_point: self.point.as_ref().and_then(|point| {
                let by = match point.death {
                    Death::Abort | Death::Quit | Death::Panic => 6,
                    Death::Kill => 9,
                };
                proved(&said, point).filter(|_| signal == by)
            }),
            passed: Passed::new(),
        }
    }
}

/// The proof that it died where it had to: by what name it passed there.
fn proved(said: &str, point: &CrashPoint) -> Option<String> {
    let (_, rest) = said.split_once(&format!("loopd: crash point {point} reached ("))?;
    rest.split_once(')').map(|(name, _)| name.to_owned())
}

/// Where the daemon listens, once it does.
async fn found(data: &std::path::Path, pid: u32) -> Option<(SocketAddr, String, Reader)> {
    let lock = std::fs::read_to_string(data.join("loopd.lock")).ok()?;
    let address = lock.trim().strip_prefix(&format!(
        "loopd {} (pid {pid}) on http://",
        env!("CARGO_PKG_VERSION")
    ))?;
    let address: SocketAddr = address.parse().ok()?;
    let token = std::fs::read_to_string(data.join("token")).ok()?;
    let token = token.trim().to_owned();
    let reader = store::open_reading(data, store::Options::default()).ok()?;
    TcpStream::connect(address).await.ok()?;
    Some((address, token, reader))
}
