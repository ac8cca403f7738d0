//! Prompts: what each template says, and what a person reads whose own template is wrong. What is rendered of the built-in
//! ones is committed beside this file.

mod ours;
mod replaced;

use agent_loop::prompt::{Overrides, PromptFacts, PromptKind, render};

fn built_in(kind: PromptKind, facts: &PromptFacts) -> String {
    render(kind, &Overrides::default(), facts).expect("the built-in templates render")
}

/// What a workspace's implementation template gives.
fn own(text: &str, facts: &PromptFacts) -> Result<String, String> {
    let mut overrides = Overrides::default();
    overrides.set(PromptKind::Implementation, "prompt.md", text);
    render(PromptKind::Implementation, &overrides, facts).map_err(|error| error.to_string())
}

/// An iteration without a past.
fn first() -> PromptFacts {
    PromptFacts {
        iteration: 1,
        tasks_done: 0,
        learnings: None,
        runner_notes: None,
        review_findings: None,
        last_iteration: None,
        signals: Vec::new(),
        conflict_files: Vec::new(),
        operator_note: None,
        skills: Vec::new(),
        skills_left_out: Vec::new(),
        context_files: Vec::new(),
        ..PromptFacts::example()
    }
}
