//! How much of the selected skills goes into a prompt. A text that is too long is cut at the end of a line, and says so with
//! its length and its file, so that the agent can read on; one for which no room is left is only listed.

use super::{Cut, Named, Skill};

/// Bounds of one prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one skill.
    pub each: usize,
    /// Bytes of all of them.
    pub all: usize,
    /// Skills that are listed, selected or not.
    pub listed: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            each: 16 * 1024,
            all: 48 * 1024,
            listed: 64,
        }
    }
}

/// A skill as a prompt shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Name and file.
    pub named: Named,
    /// What it is for.
    pub description: String,
    /// What it says, of a selected one.
    pub text: Option<String>,
}

/// What a prompt shows of skills.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// The selected ones, in their order, then the others by name.
    pub shown: Vec<Shown>,
    /// Texts that are not shown whole.
    pub cut: Vec<Cut>,
    /// Names of those that are not shown at all.
    pub left_out: Vec<String>,
}

/// Less of a text is not worth showing.
const LEAST: usize = 256;

/// Fits the selected skills, and a list of the others.
pub fn fit(selected: &[&Skill], others: &[&Skill], limits: Limits) -> Fitted {
    let mut fitted = Fitted::default();
    let mut room = limits.all;
    let mut others = others.to_vec();
    others.sort_by(|a, b| a.name.cmp(&b.name));
    let all = selected.iter().map(|it| (*it, true));
    for (skill, wanted) in all.chain(others.into_iter().map(|it| (it, false))) {
        if fitted.shown.len() >= limits.listed {
            fitted.left_out.push(skill.name.clone());
            continue;
        }
        let text = wanted.then(|| {
            let (text, shown) = clip(skill, limits.each.min(room));
            room = room.saturating_sub(shown);
            if shown < skill.body.len() {
                fitted.cut.push(Cut {
                    name: skill.name.clone(),
                    shown_bytes: shown as u64,
                    bytes: skill.body.len() as u64,
                });
            }
            text
        });
        fitted.shown.push(Shown {
            named: Named {
                name: skill.name.clone(),
                path: skill.path.clone(),
            },
            description: skill.description.clone(),
            text,
        });
    }
    fitted
}

/// The text within `most` bytes, and how many of its own bytes that shows.
fn clip(skill: &Skill, most: usize) -> (String, usize) {
    let (body, path) = (&skill.body, &skill.path);
    if body.len() <= most {
        return (body.clone(), body.len());
    }
    let mut end = if most < LEAST { 0 } else { most };
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    let head = body.get(..end).unwrap_or_default();
    // A last line that is cut in its middle could say the opposite.
    let head = head.rsplit_once('\n').map_or(head, |(whole, _)| whole);
    let note = format!(
        "[cut: the first {} of {} bytes are shown; the whole is in {path}]",
        head.len(),
        body.len()
    );
    let text = match head {
        "" => note,
        head => format!("{head}\n{note}"),
    };
    (text, head.len())
}
