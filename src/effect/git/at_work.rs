//! Whether a git that lives is at work in a repository, as `/proc` has it. What follows for a lock is for who asks.

use std::{fs, io, path::Path};

use crate::effect::proc::{self, Stat};

/// Whether it is a git that lives and may have made a file of our user's in one of these places. One whose place cannot be
/// seen may, unless it is another user's: what that makes is another user's, too.
pub(super) fn is_git_in(stat: &Stat, places: &[impl AsRef<Path>]) -> bool {
    let pid = stat.identity.pid;
    let is_git = stat.name == "git" || stat.name.starts_with("git-");
    let in_there = || match fs::read_link(format!("/proc/{pid}/cwd")) {
        Ok(cwd) => places.iter().any(|place| cwd.starts_with(place)),
        Err(error) => error.kind() != io::ErrorKind::NotFound && !proc::is_another_users(pid),
    };
    stat.alive && is_git && in_there()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::untried::not_tried;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Child, Command, Stdio};

    use rustix::process::Uid;

    use crate::effect::confine::{Fence, Kernel};
    use crate::effect::keeper::OsText;

    /// A git that waits in that directory, as one with an editor does.
    pub fn waiting(dir: &Path) -> Child {
        let at = dir.join("repository.git");
        let mut init = Command::new("git");
        let made = init.args(["init", "--quiet", "--bare"]).arg(&at).status();
        assert!(made.expect("git runs").success());
        let mut git = Command::new("git")
            .args(["cat-file", "--batch"])
            .current_dir(dir)
            .env("GIT_DIR", at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git runs");
        // It has come up when it has answered.
        let mut ask = git.stdin.as_ref().expect("piped");
        ask.write_all(b"HEAD\n").expect("asked");
        let mut line = String::new();
        let answers = git.stdout.as_mut().expect("piped");
        BufReader::new(answers)
            .read_line(&mut line)
            .expect("an answer");
        assert!(line.contains("missing"), "{line}");
        git
    }

    pub fn end(mut git: Child) {
        git.kill().expect("killed");
        git.wait().expect("ended");
    }

    #[test]
    fn a_git_counts_where_it_works_and_as_long_as_it_lives() {
        let (here, there) = (
            tempfile::tempdir().expect("a directory"),
            tempfile::tempdir().expect("a directory"),
        );
        let git = waiting(here.path());
        let stat = proc::stat(git.id().cast_signed()).expect("it lives");
        assert!(is_git_in(&stat, &[there.path(), here.path()]));
        assert!(!is_git_in(&stat, &[there.path()]));
        end(git);
        assert!(!is_git_in(&stat, &[here.path()]));
    }

    /// Looks at the git of a test from a thread that has first done something to itself.
    fn looked_at(git: &Child, dir: &Path, first: impl FnOnce() + Send + 'static) -> bool {
        let (pid, place) = (git.id().cast_signed(), dir.to_owned());
        let look = std::thread::spawn(move || {
            first();
            fs::read_link(format!("/proc/{pid}/cwd")).expect_err("it cannot be seen");
            is_git_in(&proc::stat(pid).expect("it lives"), &[place])
        });
        look.join().expect("no panic")
    }

    #[test]
    fn one_of_our_user_counts_where_its_place_cannot_be_seen() {
        if !Kernel::of_this_machine().lacks().is_empty() {
            return not_tried("a fence", "there is none on this kernel");
        }
        let dir = tempfile::tempdir().expect("a directory");
        let git = waiting(dir.path());
        let fence = || Fence::around(&[OsText::from("/")], &[]).expect("a fence");
        assert!(looked_at(&git, dir.path(), move || {
            fence().enter().expect("the thread enters");
        }));
        end(git);
    }

    #[test]
    fn one_of_another_user_does_not_count_where_its_place_cannot_be_seen() {
        if !rustix::process::geteuid().is_root() {
            return not_tried("another user", "only root can start a git as one");
        }
        let dir = tempfile::tempdir().expect("a directory");
        let git = waiting(dir.path());
        assert!(!looked_at(&git, dir.path(), || {
            let nobody = Some(Uid::from_raw(65_534));
            // Of this thread alone, and for good.
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("root may");
        }));
        end(git);
    }
}
