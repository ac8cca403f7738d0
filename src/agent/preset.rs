//! The agents that loopd knows by name, as data: the command, its arguments in order, the environment that it needs.
//!
//! All of them take the prompt on standard input, which is a file and so ends, bar aider, which takes the file's name.
//! All of them run with their own permission prompts and sandboxes switched off: nobody is there to answer, two of them
//! then deny silently and report success, and sandboxes do not nest inside the keeper's. The keeper is the guard.

use super::dialect::Dialect;

/// How loopd calls an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverKind {
    /// A known agent's own command line.
    Known,
    /// Any command; the prompt on standard input, or by `{prompt_file}` in its arguments.
    Exec,
    /// A command that speaks the Agent Client Protocol, through our bridge.
    Acp,
    /// The built-in agent that plays a script.
    Scripted,
}

/// A part of a command line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// Always.
    Fixed(&'static [&'static str]),
    /// When a model is asked for.
    Model(&'static [&'static str]),
    /// When a session is resumed.
    Resume(&'static [&'static str]),
    /// When turns are limited.
    MaxTurns(&'static [&'static str]),
    /// When cost is limited.
    MaxCost(&'static [&'static str]),
    /// When the agent is to review and not to write.
    Review(&'static [&'static str]),
    /// When the agent is to review: its verdict by schema.
    Verdict(&'static [&'static str]),
    /// The user's own `args`.
    Own,
}

/// A known agent.
#[derive(Debug)]
pub(super) struct Preset {
    pub(super) name: &'static str,
    pub(super) driver: DriverKind,
    pub(super) dialect: Dialect,
    /// Empty where the user has to name one, or where it is our own binary.
    pub(super) command: &'static str,
    pub(super) parts: &'static [Part],
    /// The parts of a call that only asks for a few words, with every tool taken away; empty where that cannot be.
    pub(super) question: &'static [Part],
    pub(super) env: &'static [(&'static str, &'static str)],
    /// Variables (names or globs) that reach the agent: its keys, and where it keeps its state.
    pub(super) pass: &'static [&'static str],
    /// Where it keeps its state, as [`super::state`] reads it.
    pub(super) state: &'static [&'static str],
}

/// Every name that `agent` and `[agents.NAME].driver` may say without a definition of the user's.
pub(super) const PRESETS: [Preset; 10] = [
    Preset {
        name: "claude",
        driver: DriverKind::Known,
        dialect: Dialect::Claude,
        command: "claude",
        parts: &[
            Part::Fixed(&[
                "-p",
                "--output-format",
                "stream-json",
                "--verbose",
                "--dangerously-skip-permissions",
            ]),
            Part::Model(&["--model", "{model}"]),
            Part::Resume(&["--resume", "{session}"]),
            Part::MaxTurns(&["--max-turns", "{max_turns}"]),
            Part::MaxCost(&["--max-budget-usd", "{max_cost}"]),
            Part::Review(&["--disallowedTools", "Edit,Write,NotebookEdit"]),
            Part::Verdict(&["--json-schema", "{verdict_schema}"]),
            Part::Own,
        ],
        question: &[
            Part::Fixed(&[
                "-p",
                "--output-format",
                "stream-json",
                "--verbose",
                "--tools",
                "",
                "--strict-mcp-config",
                "--disable-slash-commands",
                "--no-session-persistence",
            ]),
            Part::Model(&["--model", "{model}"]),
            Part::Own,
        ],
        env: &[("DISABLE_AUTOUPDATER", "1")],
        pass: &[
            "ANTHROPIC_*",
            "CLAUDE_CODE_*",
            "CLAUDE_CONFIG_DIR",
            "API_TIMEOUT_MS",
        ],
        state: &[
            "~/.claude/",
            "~/.claude.json",
            "~/.claude.json.backup",
            "~/.local/share/claude",
            "~/.local/state/claude",
            "$CLAUDE_CONFIG_DIR",
        ],
    },
    Preset {
        name: "codex",
        driver: DriverKind::Known,
        dialect: Dialect::Codex,
        command: "codex",
        parts: &[
            Part::Fixed(&[
                "exec",
                "--json",
                "--dangerously-bypass-approvals-and-sandbox",
            ]),
            Part::Model(&["-m", "{model}"]),
            Part::Verdict(&["--output-schema", "{verdict_schema_file}"]),
            Part::Own,
            Part::Resume(&["resume", "{session}"]),
            Part::Fixed(&["-"]),
        ],
        question: &[],
        env: &[],
        pass: &["OPENAI_*", "CODEX_*"],
        state: &["~/.codex/", "$CODEX_HOME"],
    },
    Preset {
        name: "gemini",
        driver: DriverKind::Known,
        dialect: Dialect::Gemini,
        command: "gemini",
        parts: &[
            Part::Fixed(&["--yolo", "--skip-trust", "-o", "stream-json"]),
            Part::Model(&["-m", "{model}"]),
            Part::Resume(&["--resume", "{session}"]),
            Part::Own,
        ],
        question: &[],
        env: &[],
        pass: &["GEMINI_*", "GOOGLE_*"],
        state: &["~/.gemini/", "$GEMINI_CLI_HOME/.gemini"],
    },
    Preset {
        name: "opencode",
        driver: DriverKind::Known,
        dialect: Dialect::Opencode,
        command: "opencode",
        parts: &[
            Part::Fixed(&["run", "--format", "json", "--auto"]),
            Part::Model(&["-m", "{model}"]),
            Part::Resume(&["--session", "{session}"]),
            Part::Own,
        ],
        question: &[],
        env: &[("OPENCODE_DISABLE_AUTOUPDATE", "1")],
        pass: &[
            "OPENCODE_*",
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "OPENROUTER_API_KEY",
        ],
        state: &[
            "~/.local/share/opencode/",
            "~/.local/state/opencode/",
            "~/.config/opencode/",
            "$XDG_DATA_HOME/opencode",
            "$XDG_STATE_HOME/opencode",
            "$XDG_CONFIG_HOME/opencode",
        ],
    },
    Preset {
        name: "qwen",
        driver: DriverKind::Known,
        dialect: Dialect::Qwen,
        command: "qwen",
        parts: &[
            Part::Fixed(&["--yolo", "-o", "stream-json"]),
            Part::Model(&["-m", "{model}"]),
            Part::Resume(&["--resume", "{session}"]),
            Part::MaxTurns(&["--max-session-turns", "{max_turns}"]),
            Part::Own,
        ],
        question: &[],
        env: &[],
        pass: &["QWEN_*", "OPENAI_*", "DASHSCOPE_API_KEY"],
        state: &["~/.qwen/"],
    },
    Preset {
        name: "pi",
        driver: DriverKind::Known,
        dialect: Dialect::Pi,
        command: "pi",
        parts: &[
            Part::Fixed(&["-p", "--mode", "json"]),
            Part::Model(&["--model", "{model}"]),
            Part::Resume(&["--session", "{session}"]),
            Part::Own,
        ],
        question: &[],
        env: &[("PI_SKIP_VERSION_CHECK", "1")],
        pass: &[
            "PI_*",
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "GEMINI_API_KEY",
            "OPENROUTER_API_KEY",
        ],
        state: &["~/.pi/", "$PI_CODING_AGENT_DIR"],
    },
    // What it would keep in the worktree (histories, the cache of its map) would be taken for work.
    Preset {
        name: "aider",
        driver: DriverKind::Known,
        dialect: Dialect::Aider,
        command: "aider",
        parts: &[
            Part::Fixed(&[
                "--message-file",
                "{prompt_file}",
                "--yes-always",
                "--no-stream",
                "--no-pretty",
                "--no-gitignore",
                "--no-check-update",
                "--no-show-release-notes",
                "--analytics-disable",
                "--chat-history-file",
                "/dev/null",
                "--input-history-file",
                "/dev/null",
                "--map-tokens",
                "0",
            ]),
            Part::Model(&["--model", "{model}"]),
            Part::Own,
        ],
        question: &[],
        env: &[],
        pass: &[
            "AIDER_*",
            "OPENAI_API_*",
            "ANTHROPIC_API_KEY",
            "GEMINI_API_KEY",
            "OPENROUTER_API_KEY",
        ],
        state: &["~/.aider/"],
    },
    Preset {
        name: "exec",
        driver: DriverKind::Exec,
        dialect: Dialect::Text,
        command: "",
        parts: &[Part::Own],
        question: &[],
        env: &[],
        pass: &[],
        state: &[],
    },
    Preset {
        name: "acp",
        driver: DriverKind::Acp,
        dialect: Dialect::Normal,
        command: "",
        parts: &[Part::Own],
        question: &[],
        env: &[],
        pass: &[
            "ANTHROPIC_*",
            "CLAUDE_CODE_*",
            "CLAUDE_CONFIG_DIR",
            "OPENAI_*",
            "CODEX_*",
            "GEMINI_*",
            "GOOGLE_*",
            "QWEN_*",
            "OPENCODE_*",
        ],
        state: &[],
    },
    Preset {
        name: "scripted",
        driver: DriverKind::Scripted,
        dialect: Dialect::Normal,
        command: "",
        parts: &[],
        question: &[],
        env: &[],
        pass: &[],
        state: &[],
    },
];
