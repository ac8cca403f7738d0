//! Real coding agents, driven to a model on loopback that plays a script: no account, no network, no cost. The agents are
//! looked for below `LOOPD_TEST_AGENTS`, where `install.sh` puts them; one that is not there is not tried, and that is
//! said out loud. What loopd makes of an agent is not known here.

mod gemini;
mod messages;
mod model;
mod play;
mod responses;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value, json};

pub use model::Model;
pub use play::Mood;

use super::Repository;

/// The directory that `install.sh` was given.
const PREFIX: &str = "LOOPD_TEST_AGENTS";
/// What the agents are to send as their key.
pub const KEY: &str = "sk-test";

/// The program of an agent, where it is installed. Otherwise a line says that it is not tried, and why.
pub fn find(agent: &str) -> Option<PathBuf> {
    let why = match std::env::var_os(PREFIX) {
        None => {
            format!("{PREFIX} is not set: tests/support/agents/install.sh fills a directory for it")
        }
        Some(prefix) => {
            let program = Path::new(&prefix).join("bin").join(agent);
            if program.exists() {
                return Some(program);
            }
            format!("there is no {}", program.display())
        }
    };
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().expect("nobody panics while saying this");
    if said.insert(agent.to_owned()) {
        // Not by `eprintln!`: the harness would hide it, since the test passes.
        writeln!(std::io::stderr(), "REAL AGENT NOT TRIED: {agent} ({why})")
            .expect("standard error");
    }
    None
}

/// Claude Code with an API key. One repeat of its own, since ten of them take minutes.
pub fn claude(repo: &Repository, model: &Model) -> Option<Value> {
    let program = find("claude")?;
    let mut env = claude_env(repo, model);
    env["ANTHROPIC_API_KEY"] = json!(KEY);
    Some(json!({ "agent": "claude", "agents": { "claude": { "command": program, "env": env } } }))
}

/// Claude Code with a subscription, which is told when its limit resets.
pub fn claude_subscribed(repo: &Repository, model: &Model) -> Option<Value> {
    let program = find("claude")?;
    let mut env = claude_env(repo, model);
    env["CLAUDE_CODE_OAUTH_TOKEN"] = json!(KEY);
    Some(json!({ "agent": "claude", "agents": { "claude": { "command": program, "env": env } } }))
}

/// Claude Code behind its adapter to the Agent Client Protocol.
pub fn claude_acp(repo: &Repository, model: &Model) -> Option<Value> {
    let (claude, adapter) = (find("claude")?, find("claude-agent-acp")?);
    let mut env = claude_env(repo, model);
    env["ANTHROPIC_API_KEY"] = json!(KEY);
    env["CLAUDE_CODE_EXECUTABLE"] = json!(claude);
    let agent = json!({ "driver": "acp", "command": adapter, "env": env });
    Some(json!({ "agent": "adapted", "agents": { "adapted": agent } }))
}

/// Codex, over the Responses API of a provider that its configuration names.
pub fn codex(repo: &Repository, model: &Model) -> Option<Value> {
    let program = find("codex")?;
    let config = format!(
        r#"model = "gpt-5"
model_provider = "loopback"
check_for_update_on_startup = false
[analytics]
enabled = false
[features]
plugins = false
[model_providers.loopback]
name = "loopback"
base_url = "{}/v1"
env_key = "LOOPBACK_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
"#,
        model.url
    );
    write_home(repo, ".codex/config.toml", &config);
    let mut env = home_env(repo);
    env["LOOPBACK_KEY"] = json!(KEY);
    Some(json!({ "agent": "codex", "agents": { "codex": { "command": program, "env": env } } }))
}

/// Gemini CLI, by its own stream or, with `acp`, by the Agent Client Protocol.
pub fn gemini(repo: &Repository, model: &Model, acp: bool) -> Option<Value> {
    let program = find("gemini")?;
    let settings = json!({
        "security": { "auth": { "selectedType": "gemini-api-key" } },
        "privacy": { "usageStatisticsEnabled": false },
        "general": { "enableAutoUpdate": false, "maxAttempts": 2 },
    });
    write_home(repo, ".gemini/settings.json", &settings.to_string());
    let mut env = home_env(repo);
    env["GEMINI_API_KEY"] = json!(KEY);
    env["GOOGLE_GEMINI_BASE_URL"] = json!(model.url);
    let (driver, args) = if acp {
        (
            "acp",
            json!(["--acp", "--skip-trust", "-m", "gemini-2.5-pro"]),
        )
    } else {
        ("gemini", json!(["-m", "gemini-2.5-pro"]))
    };
    let agent = json!({ "driver": driver, "command": program, "args": args, "env": env });
    Some(json!({ "agent": "tried", "agents": { "tried": agent } }))
}

fn claude_env(repo: &Repository, model: &Model) -> Value {
    let mut env = home_env(repo);
    env["ANTHROPIC_BASE_URL"] = json!(model.url);
    env["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = json!("1");
    env["CLAUDE_CODE_MAX_RETRIES"] = json!("1");
    env["DISABLE_ERROR_REPORTING"] = json!("1");
    env["DISABLE_TELEMETRY"] = json!("1");
    env
}

/// A home and a directory for temporary files that are gone with the repository.
fn home_env(repo: &Repository) -> Value {
    let tmp = repo.outside().join("agent-tmp");
    std::fs::create_dir_all(&tmp).expect("a directory");
    write_home(repo, ".keep", "");
    json!({ "HOME": home(repo), "TMPDIR": tmp })
}

fn home(repo: &Repository) -> PathBuf {
    repo.outside().join("agent-home")
}

fn write_home(repo: &Repository, path: &str, text: &str) {
    let path = home(repo).join(path);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(path, text).expect("a file");
}
