//! The workspace of a new run: found, and the paths inside it checked, so that no name leads out of it.

use std::path::{Path, PathBuf};

use super::error::{CreateError, invalid, outside};
use crate::bounded;
use crate::effect::git::{self, Git, GitErrorKind, Repo};

/// The workspace, found and checked.
pub(super) struct Place {
    /// The repository.
    pub repo: Repo,
    /// The top of the work tree; of a bare repository, the repository.
    pub root: PathBuf,
    /// The directory that was given, below the top; empty where it is the top.
    below: PathBuf,
}

impl Place {
    /// Finds it from the absolute path of anything inside it.
    pub(super) async fn find(git: &Git, given: &str) -> Result<Self, CreateError> {
        let path = Path::new(given);
        if !path.is_absolute() {
            return Err(invalid(
                "workspace_relative",
                format!("the workspace `{given}` is not an absolute path"),
                "give the absolute path of a git work tree",
            ));
        }
        let repo = Repo::open(git, path)
            .await
            .map_err(|error| match error.kind {
                GitErrorKind::MissingRepo => invalid(
                    "workspace_not_git",
                    format!("failed to {error}"),
                    "give a directory inside a git repository, or make one with `git init`",
                ),
                GitErrorKind::Permanent => invalid(
                    "git_failed",
                    format!("failed to {error}"),
                    format!(
                        "`git -C {given} status` has to work for the user that loopd runs as; then ask again"
                    ),
                ),
                GitErrorKind::Transient
                | GitErrorKind::NoSpace
                | GitErrorKind::ReadOnly
                | GitErrorKind::Denied
                | GitErrorKind::Held => CreateError::Git(error),
            })?;
        if repo.toplevel.is_none() && !repo.bare {
            return Err(invalid(
                "workspace_not_git",
                format!("{given} is git's own directory, and no work tree"),
                "give the directory of the checkout that it belongs to",
            ));
        }
        let root = repo
            .toplevel
            .clone()
            .unwrap_or_else(|| repo.common_dir.clone());
        text_of(&root)?;
        let real = std::fs::canonicalize(path).unwrap_or_default();
        let below = real.strip_prefix(&root).unwrap_or(Path::new(""));
        let below = below.to_owned();
        Ok(Place { repo, root, below })
    }

    /// There is no checkout: whoever looks at the directory looks at git's own files.
    pub(super) fn is_bare(&self) -> bool {
        self.repo.toplevel.is_none()
    }

    /// The repository as the cap sees it.
    pub(super) fn key(&self) -> Result<String, CreateError> {
        text_of(&self.repo.common_dir)
    }

    /// What to say of a file that is not in the workspace: where it was looked for, and what may have been meant.
    pub(super) fn missing(&self, what: &str, path: &str, branch: &str) -> CreateError {
        let root = self.root.display();
        let (message, hint) = if self.is_bare() {
            (
                format!("the {what} {path} is not committed on {branch} of the bare repository {root}"),
                "commit it there, name the branch that has it with --base-branch, or ask from a checkout of the repository"
                    .to_owned(),
            )
        } else if self.root.join(path).is_dir() {
            (
                format!("the {what} {path} is a directory of {root}"),
                format!("give the path of a file, for example {path}/NAME.md"),
            )
        } else {
            let meant = self.below.join(path);
            let is_there = meant != Path::new(path) && self.root.join(&meant).is_file();
            (
                format!("the {what} {path} does not exist in {root}"),
                match is_there {
                    true => format!(
                        "paths of a request are relative to the top of the work tree, {root}; give {}",
                        meant.display()
                    ),
                    false => format!(
                        "write and commit it, or give the path of an existing {what}: relative to {root} or, for loopctl, to where you are"
                    ),
                },
            )
        };
        invalid("file_missing", message, hint)
    }

    /// A path inside the workspace, relative to its top, without a way out of it.
    pub(super) fn inside(&self, what: &'static str, given: &str) -> Result<String, CreateError> {
        let path = Path::new(given);
        let relative = if path.is_absolute() {
            // The workspace may have been named through a link: compare what both really are.
            let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            real.strip_prefix(&self.root)
                .or_else(|_| path.strip_prefix(&self.root))
                .map(Path::to_owned)
                .map_err(|_| outside(what, given, &self.root))?
        } else {
            path.to_owned()
        };
        let mut clean = PathBuf::new();
        for part in relative.components() {
            match part {
                std::path::Component::Normal(part) => clean.push(part),
                std::path::Component::CurDir => {}
                std::path::Component::ParentDir
                | std::path::Component::RootDir
                | std::path::Component::Prefix(_) => return Err(outside(what, given, &self.root)),
            }
        }
        if clean.as_os_str().is_empty() || clean.starts_with(".git") {
            return Err(outside(what, given, &self.root));
        }
        let on_disk = self.root.join(&clean);
        if let Err(error) = std::fs::symlink_metadata(&on_disk)
            && error.kind() == std::io::ErrorKind::InvalidFilename
        {
            return Err(too_long(what, &on_disk));
        }
        // What a bare repository holds is in its commits, which know no links out of them.
        if let (false, Ok(real)) = (self.is_bare(), std::fs::canonicalize(&on_disk)) {
            // A link leads neither out of the workspace nor into git's own files, which may hold secrets.
            let inside = real.strip_prefix(&self.root);
            let is_own = git::is_gits_own(&self.repo.common_dir, Some(&self.root), &real);
            if is_own || !inside.is_ok_and(|inside| !inside.starts_with(".git")) {
                return Err(outside(what, given, &self.root));
            }
        }
        clean.to_str().map(str::to_owned).ok_or_else(|| {
            invalid(
                "path_not_utf8",
                format!("the path of the {what} is not UTF-8"),
                "rename the file",
            )
        })
    }

    /// The file as it is in the checkout now; `None` where there is none, or no checkout.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, CreateError> {
        if self.is_bare() {
            return Ok(None);
        }
        let path = self.root.join(path);
        match bounded::read_regular(&path, git::FILE_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::InvalidInput | std::io::ErrorKind::FileTooLarge
                ) || is_in_circles(&error) =>
            {
                Err(invalid(
                    "file_unusable",
                    format!("failed to read {}: {error}", path.display()),
                    "give a text file of a size that a person may have written",
                ))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound
                        | std::io::ErrorKind::IsADirectory
                        | std::io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(CreateError::Io {
                tried: format!("read {}", path.display()),
                source,
            }),
        }
    }
}

/// Links that lead to each other: what they name is no file, and never will be.
fn is_in_circles(error: &std::io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP)
}

/// A path that no file can have.
fn too_long(what: &str, path: &Path) -> CreateError {
    let shown: String = path.to_string_lossy().chars().take(120).collect();
    invalid(
        "path_too_long",
        format!(
            "{what}_path: there can be no file {shown}…: the path, or a name in it, is too long for the system"
        ),
        format!(
            "give a {what}_path with names of at most 255 bytes, 4095 in all; where no plan is named, plans_dir and the name of the spec make its path"
        ),
    )
}

/// A path as it is stored and told, which is JSON.
fn text_of(path: &Path) -> Result<String, CreateError> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        invalid(
            "workspace_not_utf8",
            format!("the path of the repository {} is not UTF-8", path.display()),
            "rename what is not UTF-8 in it, or clone the repository to a path that is UTF-8; a symbolic link to it does not help, because a run is kept by the path that it leads to",
        )
    })
}
