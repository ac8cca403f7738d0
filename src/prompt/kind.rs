//! The prompts there are, their built-in templates, and where a workspace puts its own.

/// One prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PromptKind {
    /// An iteration as it should be.
    Implementation,
    /// The review of what an iteration did.
    Review,
    /// An iteration after the watchdog asked for another way.
    Rewrite,
    /// An iteration after that did not help either.
    FreshStart,
    /// An iteration that settles a merge conflict.
    Conflict,
    /// A further try in the session of the one before: short, since the session knows the rest.
    Continue,
    /// The analysis of an ended run.
    Postmortem,
}

impl PromptKind {
    /// Every kind.
    pub const ALL: [PromptKind; 7] = [
        PromptKind::Implementation,
        PromptKind::Review,
        PromptKind::Rewrite,
        PromptKind::FreshStart,
        PromptKind::Conflict,
        PromptKind::Continue,
        PromptKind::Postmortem,
    ];

    /// The prompt of an iteration, given how often the ladder has rewritten it and whether a conflict has to be settled.
    pub fn of_iteration(ladder_rewrites: u32, conflict: bool) -> PromptKind {
        match (conflict, ladder_rewrites) {
            (true, _) => PromptKind::Conflict,
            (false, 0) => PromptKind::Implementation,
            (false, 1) => PromptKind::Rewrite,
            (false, _) => PromptKind::FreshStart,
        }
    }

    /// The name, as it stands in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            PromptKind::Implementation => "implementation",
            PromptKind::Review => "review",
            PromptKind::Rewrite => "rewrite",
            PromptKind::FreshStart => "fresh_start",
            PromptKind::Conflict => "conflict",
            PromptKind::Continue => "continue",
            PromptKind::Postmortem => "postmortem",
        }
    }

    /// Where a workspace's own template is looked for, relative to the workspace. For the implementation prompt,
    /// `prompt_file` comes first where it is set.
    pub fn workspace_path(self) -> &'static str {
        match self {
            PromptKind::Implementation => ".loop/prompts/implementation.md",
            PromptKind::Review => ".loop/prompts/review.md",
            PromptKind::Rewrite => ".loop/prompts/rewrite.md",
            PromptKind::FreshStart => ".loop/prompts/fresh_start.md",
            PromptKind::Conflict => ".loop/prompts/conflict.md",
            PromptKind::Continue => ".loop/prompts/continue.md",
            PromptKind::Postmortem => ".loop/prompts/postmortem.md",
        }
    }

    /// The built-in template.
    pub fn built_in(self) -> &'static str {
        match self {
            PromptKind::Implementation => include_str!("templates/implementation.md.j2"),
            PromptKind::Review => include_str!("templates/review.md.j2"),
            PromptKind::Rewrite => include_str!("templates/rewrite.md.j2"),
            PromptKind::FreshStart => include_str!("templates/fresh_start.md.j2"),
            PromptKind::Conflict => include_str!("templates/conflict.md.j2"),
            PromptKind::Continue => include_str!("templates/continue.md.j2"),
            PromptKind::Postmortem => include_str!("templates/postmortem.md.j2"),
        }
    }
}

/// What several templates share; a workspace's template can include them, too: `{% include "parts/rules.md" %}`.
pub(super) const PARTS: [(&str, &str); 8] = [
    (
        "parts/place.md",
        include_str!("templates/parts/place.md.j2"),
    ),
    ("parts/task.md", include_str!("templates/parts/task.md.j2")),
    (
        "parts/rules.md",
        include_str!("templates/parts/rules.md.j2"),
    ),
    (
        "parts/skills.md",
        include_str!("templates/parts/skills.md.j2"),
    ),
    (
        "parts/finish.md",
        include_str!("templates/parts/finish.md.j2"),
    ),
    (
        "parts/notes.md",
        include_str!("templates/parts/notes.md.j2"),
    ),
    (
        "parts/verdict.md",
        include_str!("templates/parts/verdict.md.j2"),
    ),
    (
        "parts/signals.md",
        include_str!("templates/parts/signals.md.j2"),
    ),
];
