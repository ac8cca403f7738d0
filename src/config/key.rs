//! What one row of the key table says, and how a name finds its row. The rows stand in `table`.

use std::fmt;

use super::table::KEYS;

/// Who reads a key, and so which files may set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The daemon: the user's file, `loopd --config`, loopd's flags.
    Daemon,
    /// A run: every layer.
    Run,
}

/// What a text has to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A name without spaces: an agent, a model.
    Name,
    /// A shell command.
    Command,
    /// A path below the workspace.
    PathInside,
    /// A path below the workspace or, from a trusted layer, an absolute one.
    Path,
    /// An absolute path.
    PathAbsolute,
    /// A branch, as git accepts it.
    Branch,
    /// What a branch may begin with.
    BranchPrefix,
    /// A glob over paths of the workspace.
    Glob,
    /// The name of an environment variable, or a glob over names.
    Variable,
    /// A host name, with or without a port.
    Host,
    /// A template of a worktree's path.
    WorktreePath,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// true or false.
    Flag,
    /// A whole number within a range, both ends included; the unit stands in the key's name.
    Count {
        /// The least that is accepted.
        min: u64,
        /// The most that is accepted.
        max: u64,
    },
    /// Bytes: a whole number, or text such as `"256 MiB"`.
    Size {
        /// The least that is accepted, in bytes.
        min: u64,
        /// The most that is accepted, in bytes.
        max: u64,
    },
    /// US dollars.
    Money,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One text.
    Text(Form),
    /// A list of texts.
    List(Form),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name in files, requests and stored configurations.
    pub name: &'static str,
    /// Names of the earlier system, read with a warning.
    pub aliases: &'static [&'static str],
    /// Who reads it.
    pub scope: Scope,
    /// What it takes.
    pub kind: Kind,
    /// The default, as TOML.
    pub default: &'static str,
    /// Whether `""` (for a number: 0) stands for "not set".
    pub optional: bool,
    /// Whether a later layer adds to the list instead of replacing it.
    pub grows: bool,
    /// One sentence for the docs.
    pub doc: &'static str,
}

impl Key {
    pub(super) const fn new(
        scope: Scope,
        name: &'static str,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Key {
            name,
            aliases: &[],
            scope,
            kind,
            default,
            optional: false,
            grows: false,
            doc,
        }
    }

    pub(super) const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(super) const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    pub(super) const fn grows(mut self) -> Self {
        self.grows = true;
        self
    }

    /// The row of this name or alias.
    pub(super) fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter()
            .find(|key| key.name == name || key.aliases.contains(&name))
    }

    /// The known name that a misspelt one is nearest to; `None` when nothing is near.
    pub(super) fn nearest(name: &str) -> Option<&'static str> {
        const LONGEST: usize = 64;
        if name.len() > LONGEST {
            return None;
        }
        let wanted = name.to_lowercase().replace(['-', '.', ' '], "_");
        KEYS.iter()
            .map(|key| key.name)
            .chain([AGENTS])
            .map(|known| (strsim::damerau_levenshtein(&wanted, known), known))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
            .map(|(_, known)| known)
    }
}

/// The table of agents: the one name at the top level that is no row, because it holds tables.
pub(super) const AGENTS: &str = "agents";

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Flag => f.write_str("true or false"),
            Kind::Count { min, max } => write!(f, "a whole number from {min} to {max}"),
            Kind::Size { min, max } => write!(
                f,
                "a size from {} to {}, in bytes or as text such as \"256 MiB\"",
                super::size::display(*min),
                super::size::display(*max)
            ),
            Kind::Money => f.write_str("an amount in US dollars from 0 to 1000000"),
            Kind::Choice(words) => write!(f, "one of {}", quoted(words)),
            Kind::Text(form) => write!(f, "{form}"),
            Kind::List(form) => write!(f, "a list of texts, each {form}"),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Name => "a name without spaces",
            Form::Command => "a shell command",
            Form::PathInside => "a path below the workspace",
            Form::Path => "a path below the workspace or an absolute one",
            Form::PathAbsolute => "an absolute path",
            Form::Branch => "the name of a branch",
            Form::BranchPrefix => "the beginning of a branch name",
            Form::Glob => "a glob over paths below the workspace",
            Form::Variable => "the name of an environment variable or a glob such as \"MYAPP_*\"",
            Form::Host => "a host name, with or without a port",
            Form::WorktreePath => "a template of a path",
        })
    }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}
