//! What a run is configured with so that an agent talks to the model on loopback: its own settings in a throw-away home,
//! a key that is none, few repeats of its own. The arguments are those of its preset, and the model's name.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::play::EDITOR;
use super::{Model, Repository, find};

/// What the agents are to send as their key.
pub const KEY: &str = "sk-test";
/// The model, where its name is ours to choose.
const MODEL: &str = "mock-model";

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

/// opencode, over the Chat Completions API of a provider that its configuration names.
pub fn opencode(repo: &Repository, model: &Model) -> Option<Value> {
    let program = find("opencode")?;
    let config = json!({
        "autoupdate": false, "share": "disabled", "enabled_providers": ["loopback"],
        "model": format!("loopback/{MODEL}"), "small_model": format!("loopback/{MODEL}"),
        "provider": { "loopback": {
            "npm": "@ai-sdk/openai-compatible", "name": "loopback",
            "options": { "baseURL": format!("{}/v1", model.url), "apiKey": KEY },
            "models": { MODEL: { "name": MODEL, "limit": { "context": 200_000, "output": 8000 } } },
        } },
    });
    // Without these it asks the package registry for its own plugins, at every start.
    let plugin = json!({ "@opencode-ai/plugin": "1.18.33" });
    for (path, content) in [
        ("package.json", json!({ "dependencies": plugin })),
        (
            "package-lock.json",
            json!({ "lockfileVersion": 3, "packages": { "": { "dependencies": plugin } } }),
        ),
        (
            "node_modules/@opencode-ai/plugin/package.json",
            json!({ "name": "@opencode-ai/plugin", "version": "1.18.33" }),
        ),
    ] {
        let path = format!(".config/opencode/{path}");
        write_home(repo, &path, &content.to_string());
    }
    let mut env = home_env(repo);
    env["OPENCODE_CONFIG_CONTENT"] = json!(config.to_string());
    for name in ["MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS"] {
        env[format!("OPENCODE_DISABLE_{name}")] = json!("1");
    }
    Some(
        json!({ "agent": "opencode", "agents": { "opencode": { "command": program, "env": env } } }),
    )
}

/// Qwen Code, over the Chat Completions API.
pub fn qwen(repo: &Repository, model: &Model) -> Option<Value> {
    let program = find("qwen")?;
    let settings = json!({
        "security": { "auth": { "selectedType": "openai" } },
        "privacy": { "usageStatisticsEnabled": false },
        "telemetry": { "enabled": false },
        "general": { "enableAutoUpdate": false },
    });
    write_home(repo, ".qwen/settings.json", &settings.to_string());
    let mut env = home_env(repo);
    env["OPENAI_API_KEY"] = json!(KEY);
    env["OPENAI_BASE_URL"] = json!(format!("{}/v1", model.url));
    env["OPENAI_MODEL"] = json!(MODEL);
    Some(json!({ "agent": "qwen", "agents": { "qwen": { "command": program, "env": env } } }))
}

/// pi, over the Messages API of a provider that its settings name.
pub fn pi(repo: &Repository, model: &Model) -> Option<Value> {
    let program = find("pi")?;
    let cost = json!({ "input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75 });
    let models = json!({ "providers": { "loopback": {
        "baseUrl": model.url, "api": "anthropic-messages", "apiKey": KEY,
        "models": [{
            "id": MODEL, "name": MODEL, "reasoning": false, "input": ["text"], "contextWindow": 200_000,
            "maxTokens": 8000, "cost": cost,
        }],
    } } });
    write_home(repo, ".pi/agent/models.json", &models.to_string());
    let retry = json!({ "retry": { "maxRetries": 1 } });
    write_home(repo, ".pi/agent/settings.json", &retry.to_string());
    let mut env = home_env(repo);
    env["PI_OFFLINE"] = json!("1");
    env["PI_TELEMETRY"] = json!("0");
    let args = json!(["--provider", "loopback", "--model", MODEL]);
    let agent = json!({ "command": program, "args": args, "env": env });
    Some(json!({ "agent": "pi", "agents": { "pi": agent } }))
}

/// aider, over the Chat Completions API; it edits by what it is told and commits by itself.
pub fn aider(repo: &Repository, model: &Model) -> Option<Value> {
    let program = find("aider")?;
    let known = json!({
        "max_tokens": 8000, "max_input_tokens": 200_000, "max_output_tokens": 8000, "litellm_provider": "openai",
        "mode": "chat", "input_cost_per_token": 3e-6, "output_cost_per_token": 15e-6,
    });
    let (editor, weak) = (format!("openai/{EDITOR}"), "openai/mock-weak");
    // A model that it does not know makes it ask the network for prices.
    let metadata = json!({ editor.as_str(): known, weak: known });
    write_home(repo, "metadata.json", &metadata.to_string());
    let mut env = home_env(repo);
    env["OPENAI_API_KEY"] = json!(KEY);
    env["OPENAI_API_BASE"] = json!(format!("{}/v1", model.url));
    env["LITELLM_LOCAL_MODEL_COST_MAP"] = json!("True");
    let args = json!([
        "--model",
        editor,
        "--weak-model",
        weak,
        "--edit-format",
        "diff",
        "--model-metadata-file",
        home(repo).join("metadata.json"),
        "--no-show-model-warnings",
    ]);
    let agent = json!({ "command": program, "args": args, "env": env });
    Some(json!({ "agent": "aider", "agents": { "aider": agent } }))
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
