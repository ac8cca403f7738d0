//! Skills as texts: what a `SKILL.md` says, which of them a task gets, and how much of them a prompt shows.

mod briefing;
mod front_matter;
mod hints;
mod selecting;

use agent_loop::core::skills::Skill;

/// A skill of this name and description.
fn skill(name: &str, description: &str) -> Skill {
    Skill {
        name: name.to_owned(),
        description: description.to_owned(),
        path: format!(".loop/skills/{name}/SKILL.md"),
        body: format!("How to do {name}.\n"),
    }
}
