//! A whole daemon behind a real socket, and the words to talk to it.

use std::net::SocketAddr;
use std::sync::Arc;

use agent_loop::api::{self, ApiState, Listener, Token};
use agent_loop::core::run::RunId;
use agent_loop::daemon::{self, Metrics};
use agent_loop::effect::git::Git;
use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::http::{Ask, Reply, Stream};
use crate::support::{House, Options, Repository};

pub const PLAN: &str =
    "# Plan\n\n- [ ] one\n- [x] two\n- [ ]? a person looks\n\n## Manual QA\n\n- [ ] try it\n";

/// A daemon with its HTTP surface.
pub struct Server {
    pub repo: Repository,
    pub house: House,
    pub address: SocketAddr,
    pub token: String,
    pub shutdown: CancellationToken,
    /// For another listener.
    pub state_of_the_api: ApiState,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// One that takes runs and starts none: what a test does is all that happens.
    pub async fn idle() -> Server {
        Server::with_slots(0).await
    }

    /// One that starts so many runs at a time.
    pub async fn with_slots(slots: u32) -> Server {
        Server::set_up(slots, None).await
    }

    /// An idle one that looks at repositories by this git.
    pub async fn by_git(git: Git) -> Server {
        Server::set_up(0, Some(git)).await
    }

    async fn set_up(slots: u32, git: Option<Git>) -> Server {
        let repo = Repository::with_plan(PLAN);
        let data = repo.outside().join("data");
        let mut options = Options::default();
        options.policy.max_concurrent_runs = slots;
        let mut house = House::open(&data, &options).await;
        if let Some(git) = git {
            house.creator.git = git;
        }
        let listener = Listener::bind("http://127.0.0.1:0").await.expect("a port");
        let address = listener.address().expect("bound");
        let shutdown = CancellationToken::new();
        let state = ApiState {
            engine: house.handle.clone(),
            creator: house.creator.clone(),
            cleaner: house.cleaner.clone(),
            reader: house.reader.clone(),
            metrics: Arc::new(Metrics::default()),
            policy: options.policy,
            token: Token::load_or_create(&data).expect("a token"),
            allowed_hosts: vec!["box.example".to_owned()],
            callers_are_told_apart: true,
            data_dir: data.clone(),
            now: daemon::now,
            shutdown: shutdown.clone(),
        };
        let token = std::fs::read_to_string(data.join(api::TOKEN_FILE)).expect("a token file");
        let router = api::router(state.clone());
        let serving = tokio::spawn(api::serve(listener, router, shutdown.clone()));
        let place = address.strip_prefix("http://").expect("TCP");
        Server {
            repo,
            house,
            address: place.parse().expect("an address"),
            token: token.trim().to_owned(),
            shutdown,
            state_of_the_api: state,
            serving,
        }
    }

    pub fn ask(&self, method: Method, path: &str) -> Ask {
        Ask::new(self.address, &self.token, method, path)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str) -> Reply {
        self.ask(Method::POST, path).send().await
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Reply {
        self.ask(Method::POST, path).json(body).send().await
    }

    pub async fn stream(&self, path: &str) -> Stream {
        self.ask(Method::GET, path).stream().await
    }

    /// The body of a good request to create a run.
    pub fn body(&self) -> Value {
        json!({ "workspace_root": self.repo.root, "spec_path": "specs/thing.md", "agent": "scripted" })
    }

    /// Creates a run of this name; its id.
    pub async fn create(&self, name: &str) -> String {
        let mut body = self.body();
        body["name"] = name.into();
        let created = self.post_json("/runs", &body).await.ok();
        created["run"]["id"].as_str().expect("an id").to_owned()
    }

    /// The state of a run as the API tells it.
    pub async fn state(&self, id: &str) -> String {
        let run = self.get(&format!("/runs/{id}")).await.ok();
        run["run"]["state"].as_str().expect("a state").to_owned()
    }

    /// Asks for the end, and waits for it.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.expect("no panic").expect("a good end");
    }
}

pub fn run_id(id: &str) -> RunId {
    RunId(id.to_owned())
}
