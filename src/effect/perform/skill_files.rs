//! Skills where they lie: folders of the workspace as they were committed at the run's start, and absolute ones on the disk. How
//! many there may be, how long they are, and what is wrong with one that cannot be used. Which of them an agent is offered
//! is decided in `skills`.

use std::path::{Component, Path, PathBuf};

use crate::bounded;
use crate::core::skills::{Failed, Skill, read};
use crate::effect::git::{self, EntryKind, Oid, Repo};

/// The file that makes a folder a skill.
const FILE: &str = "SKILL.md";

/// A longer one is no written know-how.
const MOST_BYTES: usize = 256 * 1024;

/// Skills that are read; more of them nobody can keep apart.
const MOST_SKILLS: usize = 200;

#[derive(Default)]
pub(super) struct Found {
    pub(super) skills: Vec<Skill>,
    pub(super) failed: Vec<Failed>,
    /// That there are too many was said.
    full: bool,
}

impl Found {
    fn fail(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let (what, why) = (what.into(), why.into());
        self.failed.push(Failed { what, why });
    }

    /// Whether there is room for one more.
    fn has_room(&mut self, dir: &str) -> bool {
        if self.skills.len() < MOST_SKILLS {
            return true;
        }
        if !std::mem::replace(&mut self.full, true) {
            let why = format!("there are {MOST_SKILLS} skills already; the rest is not read");
            self.fail(dir, why);
        }
        false
    }

    /// Takes the text of a `SKILL.md` in the folder `name`.
    fn take(&mut self, name: &str, path: &str, bytes: Vec<u8>) {
        if bytes.len() > MOST_BYTES {
            return self.fail(path, format!("it is larger than {MOST_BYTES} bytes"));
        }
        let Ok(text) = String::from_utf8(bytes) else {
            return self.fail(path, "it is not UTF-8");
        };
        let said = match read(&text) {
            Ok(said) => said,
            Err(error) => return self.fail(path, error.to_string()),
        };
        let skill = Skill {
            name: said.name.unwrap_or_else(|| name.to_owned()),
            description: said.description,
            path: path.to_owned(),
            body: said.body,
        };
        match self.skills.iter().find(|it| it.name == skill.name) {
            None => self.skills.push(skill),
            // The same skill for several agents is no trouble.
            Some(first)
                if (&first.description, &first.body) == (&skill.description, &skill.body) => {}
            Some(first) => {
                let why = format!("the name `{}` is taken by {}", skill.name, first.path);
                self.fail(path, why);
            }
        }
    }
}

/// Skills in a folder of the workspace, as they were committed.
pub(super) async fn committed(repo: &Repo, start: &Oid, dir: &str, found: &mut Found) {
    let inside = Path::new(dir).components();
    let dir: PathBuf = inside.filter(|part| *part != Component::CurDir).collect();
    let entries = match git::entries_below(repo, start, &dir).await {
        Ok(entries) => entries,
        Err(error) => return found.fail(dir.display().to_string(), error.to_string()),
    };
    for entry in entries {
        let shown = entry.path.display().to_string();
        let below = entry.path.strip_prefix(&dir).unwrap_or(&entry.path);
        let parts: Vec<&str> = below.iter().filter_map(|part| part.to_str()).collect();
        match (entry.kind, parts.as_slice()) {
            (EntryKind::Link, [] | [_] | [_, FILE]) => {
                found.fail(
                    shown,
                    "it is a symbolic link, which is not followed in a repository",
                );
            }
            (EntryKind::File, [name, FILE]) => {
                if !found.has_room(&dir.display().to_string()) {
                    return;
                }
                match git::show(repo, start, &entry.path).await {
                    Ok(Some(bytes)) => found.take(name, &shown, bytes),
                    Ok(None) => {}
                    Err(error) => found.fail(shown, error.to_string()),
                }
            }
            (EntryKind::File | EntryKind::Link | EntryKind::Other, _) => {}
        }
    }
}

/// Skills in a folder of the user's. Links are the user's own and followed; nothing below a skill is.
pub(super) fn on_disk(dir: &str, found: &mut Found) {
    let listed = std::fs::read_dir(dir).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut folders: Vec<PathBuf> = match listed {
        Ok(listed) => listed.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => return found.fail(dir, format!("failed to list it: {error}")),
    };
    folders.sort();
    for folder in folders {
        let file = folder.join(FILE);
        let shown = file.display().to_string();
        let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        // A folder without the file is no skill.
        let Ok(meta) = std::fs::metadata(&file) else {
            continue;
        };
        if !found.has_room(dir) {
            return;
        }
        // No device that never ends, and no pipe that nobody writes to.
        if !meta.is_file() {
            found.fail(shown, "it is not a file");
            continue;
        }
        match bounded::read(&file, MOST_BYTES) {
            Ok(bytes) => found.take(name, &shown, bytes),
            Err(error) => found.fail(shown, format!("failed to read it: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, folder: &str) {
        let folder = dir.join(folder);
        std::fs::create_dir_all(&folder).expect("a directory");
        let text = format!("---\nname: {name}\ndescription: Know-how\n---\nDo {name}.\n");
        std::fs::write(folder.join(FILE), text).expect("a file");
    }

    fn found_in(dirs: &[&Path]) -> Found {
        let mut found = Found::default();
        for dir in dirs {
            on_disk(&dir.display().to_string(), &mut found);
        }
        found
    }

    #[test]
    fn more_skills_than_anybody_keeps_apart_are_not_read_and_that_is_told_once() {
        let dirs = [(), ()].map(|()| tempfile::tempdir().expect("a directory"));
        for n in 0..MOST_SKILLS {
            write(dirs[0].path(), &format!("skill-{n}"), &format!("{n:03}"));
        }
        let found = found_in(&[dirs[0].path()]);
        assert_eq!((found.skills.len(), found.failed.len()), (MOST_SKILLS, 0));
        for n in MOST_SKILLS..MOST_SKILLS + 3 {
            write(dirs[1].path(), &format!("skill-{n}"), &format!("{n:03}"));
        }
        write(dirs[0].path(), "last", "last");
        let found = found_in(&[dirs[0].path(), dirs[1].path()]);
        assert_eq!(found.skills.len(), MOST_SKILLS);
        let [failed] = &found.failed[..] else {
            panic!("told once: {:?}", found.failed);
        };
        assert_eq!(failed.what, dirs[0].path().display().to_string());
        assert!(failed.why.contains("there are 200 skills"), "{failed:?}");
    }

    #[test]
    fn the_same_skill_for_several_agents_is_no_trouble_and_another_of_its_name_is() {
        let dirs = [(), ()].map(|()| tempfile::tempdir().expect("a directory"));
        write(dirs[0].path(), "carving", "carving");
        write(dirs[1].path(), "carving", "the-same");
        let found = found_in(&[dirs[0].path(), dirs[1].path()]);
        assert_eq!((found.skills.len(), found.failed.len()), (1, 0));
        let other = dirs[1].path().join("the-same").join(FILE);
        let text = "---\nname: carving\ndescription: Know-how\n---\nDo it otherwise.\n";
        std::fs::write(&other, text).expect("a file");
        let found = found_in(&[dirs[0].path(), dirs[1].path()]);
        assert_eq!((found.skills.len(), found.failed.len()), (1, 1));
    }
}
