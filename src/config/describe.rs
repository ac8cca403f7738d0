//! The key table as text for people: the file that `loopctl init` writes, the page `docs/configuration.md`, and the
//! embedded defaults. All three come from the same rows, so none of them can fall behind.

use std::fmt::Write as _;

use super::key::{Key, Kind, Scope};
use super::table::KEYS;

/// Which file a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateFor {
    /// The user's `~/.config/loopd/config.toml`: every key.
    User,
    /// A workspace's `.loop/config.toml`: the keys that a workspace can set.
    Workspace,
}

const AGENT_EXAMPLE: &str = "\
# An agent of your own, to be named by `agent`:
# [agents.mine]
# driver = \"exec\"            # an agent that loopd knows by name, or acp, exec, scripted
# command = \"my-agent\"
# args = [\"--prompt\", \"{prompt_file}\"]
# env = { MY_MODE = \"fast\" }
";

/// A commented file with every key at its default. Lines that begin with `#` and no space are settings: remove the
/// `#` to set one.
pub fn template(file: TemplateFor) -> String {
    let mut text = String::from(match file {
        TemplateFor::User => {
            "# Configuration of loopd, and defaults for its runs.\n\
             # Each setting stands at its default; remove the `#` in front of one to change it.\n"
        }
        TemplateFor::Workspace => {
            "# Configuration of the runs in this repository.\n\
             # Each setting stands at its default; remove the `#` in front of one to change it.\n"
        }
    });
    for scope in [Scope::Daemon, Scope::Run] {
        if scope == Scope::Daemon && file == TemplateFor::Workspace {
            continue;
        }
        let title = match scope {
            Scope::Daemon => "The daemon",
            Scope::Run => "Runs",
        };
        let _ = writeln!(text, "\n# ---- {title} ----");
        for key in KEYS.iter().filter(|key| key.scope == scope) {
            let _ = writeln!(text, "\n# {}", key.doc);
            if let Kind::Choice(words) = key.kind {
                let _ = writeln!(text, "# One of: {}.", words.join(", "));
            }
            let _ = writeln!(text, "#{} = {}", key.name, key.default);
        }
    }
    let _ = write!(text, "\n{AGENT_EXAMPLE}");
    text
}

/// Every default as a plain TOML file.
pub(super) fn defaults_text() -> String {
    KEYS.iter()
        .map(|key| format!("{} = {}\n", key.name, key.default))
        .collect()
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from src/config/table.rs; refresh with `UPDATE_DOCS=1 cargo test --test suite -- config::docs`. -->

Settings come in layers; a later one wins:

1. the defaults below;
2. `$XDG_CONFIG_HOME/loopd/config.toml` (`~/.config/loopd/config.toml`), then the file given to `loopd --config`: the
   daemon's own keys, and defaults for runs;
3. the workspace's `.loop/config.toml`, read at the run's base commit;
4. the file given to `loopctl run --config` (`LOOP_CONFIG`);
5. flags of `loopctl run`, or `config_override` of a request.

A list replaces the list of the layer below, except where its key says that layers add up; an `[agents.NAME]` table
replaces the whole table of that name. `\"\"`, or 0 for a limit, means \"not set\" where the default is \"not set\"; in
`config_override`, `null` says the same. A run keeps the configuration that it was created with.

An unknown key, a wrong type or a value out of range is an error that names file, line, key and the nearest known key;
all of them are reported at once. Files are UTF-8 and have at most 256 KiB.

A workspace file came with its repository, so some things are not for it to say: it cannot set keys of the daemon, lower
`sandbox`, pass environment variables by wide globs (`*`, `AWS*`; names and globs such as `MYAPP_*` are fine), name
absolute paths, or place worktrees anywhere but below the workspace or its parent folder. A key of the daemon in the file
given to `loopctl run --config` is left alone, with a warning.

## The older format

Where there is no `.loop/config.toml`, the file `.loop/config` is read: one `key=value` a line, quotes optional, `#`
begins a comment at the start of a line or after a space. Where there are both, `.loop/config` is not read and a warning
says so. `true`, `1` and `yes` are the same there, and so are `false`, `0` and `no`; the items of a list are parted by
commas or spaces. `verify_cmds` is one command, or several parted by ` | ` if the file also says
`verify_cmds_separator=\"|\"`. A file given to `--config` is read in this format unless its name ends in `.toml`.
";

const AGENTS: &str = "
## Agents

An agent of one's own is a table `[agents.NAME]`; `agent`, `fallback_agent` and `--agent` name it.

| key | takes | meaning |
|---|---|---|
| `driver` | text | How it is spoken to: as an agent that loopd knows by name (`claude`, `codex`, …), by the Agent Client Protocol (`acp`), as any command (`exec`), or the built-in player of scripts (`scripted`). |
| `command` | text | The program, without arguments; `exec` and `acp` need one. |
| `args` | a list of texts | Its arguments. |
| `env` | a table of texts | Variables set for it, besides those that `env_pass` lets through. |
";

const PROMPTS: &str = "
## Prompts

A workspace can replace the template of a prompt (Jinja syntax): `.loop/prompts/NAME.md`, where NAME is `implementation`,
`review`, `rewrite`, `fresh_start`, `conflict`, `continue` or `postmortem`; for the implementation prompt `prompt_file` comes first.
Templates (at most 64 KiB) are read at the run's base commit and tried out when the run is created. A name that is not known is an error
that lists the known ones; what may be absent has to stand in `{% if … %}`. The filter `fenced` puts text of tools into a
code fence that it cannot close and cuts it to 48 KiB, or to the bytes it is given; `quoted` makes a block quote; `clip`
cuts only. `{% include \"parts/rules.md\" %}` takes over one of the built-in parts: `place`, `task`, `rules`, `finish`,
`notes`, `skills`, `signals`.
";

/// The page `docs/configuration.md`.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (scope, title, about) in [
        (
            Scope::Daemon,
            "The daemon",
            "Set in the user's file, in the file given to `loopd --config`, or by flags of `loopd`.",
        ),
        (Scope::Run, "Runs", "Set in any layer."),
    ] {
        let _ = write!(
            page,
            "\n## {title}\n\n{about}\n\n| key | default | takes | meaning |\n|---|---|---|---|\n"
        );
        for key in KEYS.iter().filter(|key| key.scope == scope) {
            let _ = writeln!(page, "{}", row(key));
        }
    }
    page.push_str(AGENTS);
    page.push_str(PROMPTS);
    page
}

fn row(key: &Key) -> String {
    let default = if key.optional {
        "not set".to_owned()
    } else {
        format!("`{}`", key.default)
    };
    let mut doc = key.doc.to_owned();
    if key.grows {
        doc.push_str(" Layers add up.");
    }
    for alias in key.aliases {
        let _ = write!(doc, " Earlier name: `{alias}`.");
    }
    let cells = [
        format!("`{}`", key.name),
        default,
        key.kind.to_string(),
        doc,
    ];
    format!(
        "| {} |",
        cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
    )
}
