//! Files that grow line by line, as the report and the log of a run do: written in the first of the run's places, and then
//! mirrored to the others, which get whatever they lack. What the lines say is not this room's business.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use super::place::RunFiles;
use crate::bounded;
use crate::effect::private;

/// More than any run reports.
const LARGEST: usize = 64 << 20;

impl RunFiles {
    /// What stands in the file, in the first place; empty where there is none yet, or nothing that can be read.
    pub(super) fn so_far(&self, name: &str) -> String {
        let first = self.first_and_mirrors().map(|(dir, _)| dir.join(name));
        let bytes = first.and_then(|path| bounded::read_regular(&path, LARGEST).ok());
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }

    /// Appends lines to the file in the first place, under a header where it is new.
    pub(super) fn append(&self, name: &str, header: &str, lines: &str) {
        if let Some((dir, _)) = self.first_and_mirrors() {
            let path = dir.join(name);
            self.warn_of(&path, self.add(&path, header, lines));
        }
    }

    /// Adds to the mirrors of the file what they lack: whoever was to write there may have died before. One that is not its
    /// beginning (a person has changed it, or the first place was cleaned up) gets the lines that are new, and stays.
    pub(super) fn mirror(&self, name: &str, new: &str) {
        let Some((_, mirrors)) = self.first_and_mirrors() else {
            return;
        };
        let all = self.so_far(name);
        for dir in mirrors {
            let path = dir.join(name);
            let added = bounded::read_optional(&path, LARGEST).and_then(|there| {
                let missing = all.as_bytes().strip_prefix(&*there.unwrap_or_default());
                match missing.unwrap_or(new.as_bytes()) {
                    [] => Ok(()),
                    lines => self.add(&path, "", &String::from_utf8_lossy(lines)),
                }
            });
            self.warn_of(&path, added);
        }
    }

    /// Appends lines to a regular file, under a header where it is new or empty.
    pub(super) fn add(&self, path: &Path, header: &str, lines: &str) -> io::Result<()> {
        self.make_dir_of(path)?;
        let mut options = match self.is_in_workspace(path) {
            // Its user's umask says who may read it there.
            true => {
                let mut options = fs::File::options();
                options.create(true);
                options
            }
            false => private::options(),
        };
        let mut file = options
            .append(true)
            // In a workspace somebody may have put something else in its place: no pipe is waited for, no link followed.
            .custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed())
            .open(path)?;
        let there = file.metadata()?;
        if !there.is_file() {
            let why = "it is no regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        if there.len() == 0 {
            file.write_all(header.as_bytes())?;
        }
        file.write_all(lines.as_bytes())
    }

    fn warn_of(&self, path: &Path, done: io::Result<()>) {
        if let Err(error) = done {
            tracing::warn!(run = %self.run_id, path = %path.display(), %error, "failed to append to a file of the run");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    use rustix::fs::{CWD, Mode};

    /// The files of a run, and the same file in its first place and in the mirror in a workspace.
    fn mirrored() -> (tempfile::TempDir, RunFiles, [PathBuf; 2]) {
        let dir = tempfile::tempdir().expect("a directory");
        let [first, workspace] = ["first", "workspace"].map(|name| dir.path().join(name));
        fs::create_dir(&workspace).expect("a directory");
        let files = RunFiles::only_in(&first, Some(&workspace));
        let places = [first.join("lines"), workspace.join("logs/run/lines")];
        (dir, files, places)
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).expect("a file")
    }

    #[test]
    fn a_mirror_gets_all_that_it_lacks() {
        let (_dir, files, [first, mirror]) = mirrored();
        files.append("lines", "head\n", "one\n");
        assert!(!mirror.exists(), "whoever was to write it has died");
        files.append("lines", "head\n", "two\n");
        files.mirror("lines", "");
        files.mirror("lines", "");
        assert_eq!(text(&first), "head\none\ntwo\n");
        assert_eq!(text(&mirror), text(&first));
    }

    #[test]
    fn what_a_person_made_of_a_mirror_stays_and_gets_what_is_new() {
        let (_dir, files, [_, mirror]) = mirrored();
        files.append("lines", "", "one\n");
        files.mirror("lines", "");
        fs::write(&mirror, "mine\n").expect("written");
        files.append("lines", "", "two\n");
        files.mirror("lines", "two\n");
        files.mirror("lines", "");
        assert_eq!(text(&mirror), "mine\ntwo\n");
    }

    #[test]
    fn nothing_is_written_into_a_pipe_or_through_a_link_and_nobody_waits() {
        let (_dir, files, [first, mirror]) = mirrored();
        files.append("lines", "", "one\n");
        files.mirror("lines", "");
        let elsewhere = mirror.with_file_name("elsewhere");
        for at in [first, mirror] {
            fs::remove_file(&at).expect("removed");
            rustix::fs::mkfifoat(CWD, &at, Mode::RWXU).expect("a pipe");
            files.append("lines", "", "two\n");
            files.mirror("lines", "two\n");
            fs::remove_file(&at).expect("it is still there");
            std::os::unix::fs::symlink(&elsewhere, &at).expect("a link");
            files.append("lines", "", "two\n");
            files.mirror("lines", "two\n");
            assert!(!elsewhere.exists());
            fs::remove_file(&at).expect("it is still there");
            files.append("lines", "", "two\n");
        }
    }

    #[test]
    fn a_workspace_that_is_moved_away_is_not_made_anew() {
        let (dir, files, [_, mirror]) = mirrored();
        files.append("lines", "", "one\n");
        files.mirror("lines", "");
        let [workspace, away] = ["workspace", "away"].map(|name| dir.path().join(name));
        fs::rename(&workspace, &away).expect("moved");
        files.append("lines", "", "two\n");
        files.mirror("lines", "");
        assert!(!workspace.exists());
        fs::rename(&away, &workspace).expect("moved back");
        files.mirror("lines", "");
        assert_eq!(text(&mirror), "one\ntwo\n");
    }
}
