//! Which skills a task gets. Those that the task names come first, then those that the spec names; after them those whose
//! words fit the task: its whole name stands in the task, or at least two telling words of its description do. The same
//! texts always give the same answer, whatever order the skills were found in.

use std::collections::BTreeSet;

use super::{Skill, hints};

/// Skills that are given for their words alone; who wants more names them.
const BY_WORDS: usize = 3;
/// Words of a description that the task has to share.
const SHARED: usize = 2;
/// Weighs more than any number of shared words.
const BY_NAME: usize = 1000;
/// Words of four letters and more that tell nothing.
const EMPTY: [&str; 56] = [
    "able",
    "about",
    "after",
    "also",
    "another",
    "anything",
    "asks",
    "before",
    "being",
    "both",
    "change",
    "code",
    "does",
    "done",
    "each",
    "every",
    "file",
    "following",
    "from",
    "have",
    "help",
    "helps",
    "into",
    "like",
    "make",
    "more",
    "most",
    "must",
    "need",
    "needed",
    "needs",
    "only",
    "other",
    "over",
    "project",
    "should",
    "skill",
    "some",
    "such",
    "task",
    "that",
    "their",
    "them",
    "then",
    "these",
    "this",
    "those",
    "under",
    "used",
    "user",
    "using",
    "what",
    "when",
    "where",
    "with",
    "work",
];

/// What skills are selected for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The task's text; `None` to mend or to confirm.
    pub task: Option<&'a str>,
    /// The heading above the task.
    pub section: Option<&'a str>,
    /// The spec.
    pub spec: &'a str,
}

/// Why a skill was selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The task names it.
    Task,
    /// The spec names it.
    Spec,
    /// Words that it shares with the task, in alphabetical order.
    Words(Vec<String>),
}

impl Why {
    /// For a person.
    pub fn words(&self) -> String {
        match self {
            Why::Task => "named by the task".to_owned(),
            Why::Spec => "named by the spec".to_owned(),
            Why::Words(words) => format!("shares with the task: {}", words.join(", ")),
        }
    }
}

/// A skill that was selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked<'a> {
    /// Which.
    pub skill: &'a Skill,
    /// Why.
    pub why: Why,
}

/// What was selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection<'a> {
    /// In the order in which they are given to the agent.
    pub picked: Vec<Picked<'a>>,
    /// Names that were asked for and that no skill has.
    pub unknown: Vec<String>,
}

/// Selects.
pub fn select<'a>(skills: &'a [Skill], asked: Asked<'_>) -> Selection<'a> {
    let mut selection = Selection::default();
    let task = asked.task.unwrap_or_default();
    let named = [
        (hints::in_task(task), Why::Task),
        (hints::in_spec(asked.spec), Why::Spec),
    ];
    for (names, why) in named {
        for name in names {
            let same = |it: &&Skill| it.name.eq_ignore_ascii_case(&name);
            match skills.iter().find(same) {
                Some(skill) => selection.add(skill, why.clone()),
                None if selection.unknown.contains(&name) => {}
                None => selection.unknown.push(name),
            }
        }
    }
    let about = words(&format!("{task} {}", asked.section.unwrap_or_default()), 3);
    let mut fitting: Vec<(usize, &Skill, Vec<String>)> = skills
        .iter()
        .filter_map(|skill| weigh(skill, &about))
        .collect();
    fitting.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    fitting.retain(|(_, skill, _)| !selection.has(skill));
    for (_, skill, shared) in fitting.into_iter().take(BY_WORDS) {
        selection.add(skill, Why::Words(shared));
    }
    selection
}

impl<'a> Selection<'a> {
    fn has(&self, skill: &Skill) -> bool {
        self.picked.iter().any(|it| it.skill.name == skill.name)
    }

    fn add(&mut self, skill: &'a Skill, why: Why) {
        if !self.has(skill) {
            self.picked.push(Picked { skill, why });
        }
    }
}

/// How well a skill fits what the task is about, and by which words; `None` when it does not.
fn weigh<'a>(
    skill: &'a Skill,
    about: &BTreeSet<String>,
) -> Option<(usize, &'a Skill, Vec<String>)> {
    let name = words(&skill.name, 2);
    let described = words(&skill.description, 4);
    let shared: BTreeSet<&String> = described
        .union(&name)
        .filter(|w| about.contains(*w))
        .collect();
    let by_name = !name.is_empty() && name.is_subset(about);
    if !by_name && shared.len() < SHARED {
        return None;
    }
    let weight = shared.len() + if by_name { BY_NAME } else { 0 };
    Some((weight, skill, shared.into_iter().cloned().collect()))
}

/// The words of a text that tell something: of at least `least` letters, in lower case, a plural as its singular.
fn words(text: &str, least: usize) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() >= least && !EMPTY.contains(&word.as_str()))
        .map(|word| match word.strip_suffix('s') {
            Some(one) if one.len() > 2 && !one.ends_with('s') => one.to_owned(),
            Some(_) | None => word,
        })
        .collect()
}
