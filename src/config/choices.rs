//! The keys that take one of a few words: one enum for each, its words stated once and used by the parser, the error
//! texts, the docs and the stored form. What a choice leads to is decided in the rooms that read it.

use serde::{Deserialize, Serialize};

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word that is accepted, in the order of the docs.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word, as it is written in a configuration.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

choice! {
    /// Which queued run goes first among equals in priority.
    QueuePolicy {
        /// In the order of the queue.
        Fifo = "fifo",
        /// The youngest first, with a bound on how often an older one is overtaken.
        NewestFirst = "newest_first",
    }
}

choice! {
    /// What a stopping daemon does with steps that still work.
    Shutdown {
        /// They go on under their keepers and are adopted at the next start.
        Keep = "keep",
        /// They are stopped.
        Stop = "stop",
    }
}

choice! {
    /// How strictly the completion token is looked for in the agent's last message.
    CompletionMode {
        /// It is the last line that is not empty.
        Trailing = "trailing",
        /// It is the whole message.
        Exact = "exact",
    }
}

choice! {
    /// What follows a usage limit of the agent's provider.
    OnUsageLimit {
        /// Back to the queue until the limit resets.
        Wait = "wait",
        /// The run fails.
        Fail = "fail",
        /// The run goes on with `fallback_agent`.
        Fallback = "fallback",
    }
}

choice! {
    /// Where the files of a run are kept.
    ArtifactMode {
        /// In the data directory, and mirrored to the workspace.
        Mirror = "mirror",
        /// In the workspace's `log_dir` only.
        Workspace = "workspace",
        /// In the data directory only.
        Global = "global",
    }
}

choice! {
    /// Where a run's name comes from.
    RunNamingMode {
        /// The file name of its spec.
        SpecSlug = "spec_slug",
        /// A few words made up by a model.
        Haiku = "haiku",
    }
}

choice! {
    /// How proved work reaches the target branch.
    MergeStrategy {
        /// As one commit.
        Squash = "squash",
        /// As a merge commit.
        Merge = "merge",
        /// Not at all: the run branch is left for a person.
        None = "none",
    }
}

choice! {
    /// What makes and removes worktrees.
    WorktreeProvider {
        /// Plain git.
        Git = "git",
        /// The `wt` command of worktrunk.
        Worktrunk = "worktrunk",
        /// Worktrunk where it is installed, else git.
        Auto = "auto",
    }
}

choice! {
    /// How the agent is confined. `required` is stricter than `guard`, which is stricter than `off`.
    Sandbox {
        /// Confined as far as this machine allows; what was not possible is logged.
        Guard = "guard",
        /// Not confined.
        Off = "off",
        /// Confined, or the step does not start.
        Required = "required",
    }
}

impl Sandbox {
    /// How much it confines; a workspace file may raise this, never lower it.
    pub(super) fn strictness(self) -> u8 {
        match self {
            Sandbox::Off => 0,
            Sandbox::Guard => 1,
            Sandbox::Required => 2,
        }
    }
}

choice! {
    /// How an agent is spoken to.
    Driver {
        /// Claude Code, streaming JSON.
        Claude = "claude",
        /// Codex, its JSON event stream.
        Codex = "codex",
        /// Any agent that speaks the Agent Client Protocol.
        Acp = "acp",
        /// Any command; the prompt comes on stdin or as `{prompt_file}`.
        Exec = "exec",
        /// The built-in agent that plays a script.
        Scripted = "scripted",
    }
}
