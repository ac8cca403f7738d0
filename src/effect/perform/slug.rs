//! Names of people and repositories as parts of the names of branches and worktrees. Whether somebody has such a name already
//! is git's to say.

use std::path::Path;

use crate::effect::git::Repo;

/// The name of the repository, for the worktree's path. Its control characters become `-`: wherever a repository lies, what
/// loopd names itself is a line of text.
pub(super) fn repo_name(repo: &Repo, workspace: &str) -> String {
    let root = repo.common_dir.parent().unwrap_or(Path::new(workspace));
    let dir = if repo.bare {
        repo.common_dir.as_path()
    } else {
        root
    };
    let name = dir.file_name().unwrap_or("repo".as_ref()).to_string_lossy();
    name.replace(char::is_control, "-")
}

/// The slug of a spec, from its file's stem: the default name of a run and of its merge target.
pub fn spec_slug(spec_path: &str) -> String {
    let stem = Path::new(spec_path)
        .file_stem()
        .map_or_else(|| "spec".to_owned(), |s| s.to_string_lossy().into_owned());
    slug(&stem)
}

/// A name as a part of a branch name: letters and digits of any script, the rest as single hyphens; bounded.
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= 60 {
            break;
        }
    }
    match slug.trim_matches('-') {
        "" => "run".to_owned(),
        kept => kept.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_keep_what_people_read() {
        assert_eq!(slug("Größere Änderung (v2)!"), "größere-änderung-v2");
        assert_eq!(slug("../..//"), "run");
        assert_eq!(slug(&"a".repeat(200)), "a".repeat(60));
        assert_eq!(spec_slug("specs/Add login.md"), "add-login");
    }
}
