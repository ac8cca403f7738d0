//! The keys that take one of a few words: one enum for each, its words stated once and used by the parser, the error
//! texts, the docs and the stored form. What a choice leads to is decided in the rooms that read it. The choices
//! that the core decides by are enums of the core; only their words are listed here.

use serde::{Deserialize, Serialize};

/// The words of [`Order`](crate::core::schedule::Order).
pub(super) const QUEUE_POLICIES: &[&str] = &["fifo", "newest_first"];
/// The words of [`CompletionMode`](crate::core::plan::CompletionMode).
pub(super) const COMPLETION_MODES: &[&str] = &["trailing", "exact"];
/// The words of [`MergeStrategy`](crate::core::run::MergeStrategy).
pub(super) const MERGE_STRATEGIES: &[&str] = &["squash", "merge", "none"];
/// The words of [`OnUsageLimit`](crate::core::run::OnUsageLimit).
pub(super) const ON_USAGE_LIMIT: &[&str] = &["wait", "fail", "fallback"];

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
    /// What a stopping daemon does with steps that still work.
    Shutdown {
        /// They go on under their keepers and are adopted at the next start.
        Keep = "keep",
        /// They are stopped.
        Stop = "stop",
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
    /// What makes and removes worktrees.
    WorktreeProvider {
        /// Plain git.
        Git = "git",
        /// The `wt` command of worktrunk.
        Worktrunk = "worktrunk",
        /// Worktrunk where it is installed and configured, else git.
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
