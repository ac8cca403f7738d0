//! Skills: written know-how for a kind of work, a folder with a `SKILL.md` each. What such a file says, which of them a
//! task asks for, how much of them goes into a prompt, and what is told of all that: functions of texts. Where the texts
//! come from, and how they stand in a prompt, is not known here.
//!
//! | file | what it knows |
//! |---|---|
//! | `front_matter` | name and description at the head of a `SKILL.md` |
//! | `hints` | `skill: NAME` in a task or a spec |
//! | `select` | which skills a task gets: those that are named, then those whose words fit |
//! | `fit` | how much of them is shown, every cut marked |

mod fit;
mod front_matter;
mod hints;
mod select;

use serde::{Deserialize, Serialize};

pub use fit::{Fitted, Limits, Shown, fit};
pub use front_matter::{FrontMatter, NotASkill, read};
pub use hints::{in_spec, in_task};
pub use select::{Asked, Picked, Selection, Why, select};

/// A skill that can be offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// Its name, unique among those that are offered.
    pub name: String,
    /// What it is for and when to use it, one line.
    pub description: String,
    /// Its file: relative to the workspace, or absolute.
    pub path: String,
    /// What it says, without the front matter.
    pub body: String,
}

/// What an agent is told of skills, and what is told of that to the world. Stored with the step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Briefing {
    /// Every skill that was found.
    pub discovered: Vec<Named>,
    /// Those whose text the agent is given.
    pub selected: Vec<Chosen>,
    /// What could not be used.
    pub failed: Vec<Failed>,
    /// Texts of selected skills that are not shown whole.
    pub cut: Vec<Cut>,
    /// Found, and not even listed in the prompt, for want of room.
    pub left_out: Vec<String>,
    /// What was found is not what the agent call before this one of the same run had.
    pub is_news: bool,
    /// What failed, and had not failed at that call.
    pub newly_failed: Vec<Failed>,
}

impl Briefing {
    /// Notes what is new against the agent call before this one, where there was one.
    pub fn compare(&mut self, before: Option<&Briefing>) {
        let (discovered, failed) = before.map_or((&[][..], &[][..]), |it| {
            (it.discovered.as_slice(), it.failed.as_slice())
        });
        self.is_news = self.discovered != discovered;
        let new = self.failed.iter().filter(|it| !failed.contains(it));
        self.newly_failed = new.cloned().collect();
    }
}

/// A skill by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its file: relative to the workspace, or absolute.
    pub path: String,
}

/// A skill that was selected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// Its file: relative to the workspace, or absolute.
    pub path: String,
    /// Why: who named it, or the words that it shares with the task.
    pub why: String,
}

/// Something that could not be used as a skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The file or folder; of a name that no skill has, `skill: NAME`.
    pub what: String,
    /// Why, and what to do.
    pub why: String,
}

/// A text that is not shown whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The skill's name.
    pub name: String,
    /// Bytes of it that are shown.
    pub shown_bytes: u64,
    /// Bytes that it has.
    pub bytes: u64,
}
