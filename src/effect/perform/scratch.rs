//! What the agent of an analysis looks at: copies of the run's files, its spec and plan, its commits and its diff, in a
//! directory that is thrown away afterwards. Whatever is done to them, the run's own files and every checkout stay as
//! they are. What is not there any more is named and left out: a report without it is better than none.

use std::cmp::Reverse;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::desk::{Desk, oid};
use super::trouble::{io_trouble, trouble};
use crate::core::run::{Trouble, TroubleKind};
use crate::effect::files::private_dir;
use crate::effect::git::{self, Oid, Repo};
use crate::effect::private;

/// Bytes of a file that is copied; of a longer one there is mostly a `.tail.txt`.
const LARGEST: u64 = 4 << 20;
/// Bytes of all copies together; the newest files go first.
const TOGETHER: u64 = 128 << 20;
/// Bytes of the diff.
const DIFF_BYTES: usize = 4 << 20;
/// Commits that are listed, the newest.
const COMMITS: usize = 1000;

/// Fills `into`; the directory in there with the run's files.
pub(super) async fn fill(
    desk: &Desk<'_>,
    repo: &Repo,
    head: &Oid,
    into: &Path,
    summary: &str,
) -> Result<PathBuf, Trouble> {
    let (mut made, mut left_out) = (Vec::new(), Vec::new());
    let files = into.join("run");
    let spec = &desk.order.run.spec;
    for path in [&spec.spec_path, &spec.plan_path] {
        match git::show(repo, head, Path::new(path)).await {
            Ok(Some(bytes)) => made.push((into.join(path), bytes)),
            Ok(None) => {}
            Err(error) => left_out.push(format!("{path}: failed to {error}\n")),
        }
    }
    let start = oid(&desk.worktree()?.start_commit)?;
    match git::commits_between(repo, &start, head, COMMITS).await {
        Ok(commits) => {
            let line = |it: &git::Commit| format!("{} {}\n", it.id, it.subject());
            let list: String = commits.iter().map(line).collect();
            made.push((files.join("commits.txt"), list.into_bytes()));
        }
        Err(error) => left_out.push(format!("commits.txt: failed to {error}\n")),
    }
    match git::diff(repo, &start, head, DIFF_BYTES).await {
        Ok(diff) => made.push((files.join("diff.patch"), diff.text.into_bytes())),
        Err(error) => left_out.push(format!("diff.patch: failed to {error}\n")),
    }
    made.push((files.join("summary.md"), summary.as_bytes().to_vec()));
    let report = desk.files.path("report.tsv");
    let own = report.parent().unwrap_or(Path::new(".")).to_owned();
    let run_dir = files.clone();
    let working = tokio::task::spawn_blocking(move || {
        let mut copies = Copies { left_out, taken: 0 };
        copies.copy(&own, &files);
        copies.copy(&own.join("verify"), &files.join("verify"));
        if !copies.left_out.is_empty() {
            let list = copies.left_out.concat().into_bytes();
            made.push((files.join("left-out.txt"), list));
        }
        // What is made goes last: it is newer than a copy of the same name.
        made.iter().try_for_each(|(path, bytes)| write(path, bytes))
    });
    working.await.map_err(|panic| {
        let message = format!("a bug in loopd: copying for an analysis failed: {panic}");
        trouble(TroubleKind::Transient, "internal", message)
    })??;
    Ok(run_dir)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let dir = path.parent().unwrap_or(Path::new("."));
    private_dir(dir)
        .and_then(|()| private::write(path, bytes))
        .map_err(io_trouble(format!("write {}", path.display())))
}

/// Copying, as far as there is room.
struct Copies {
    /// What could not be copied, a line each.
    left_out: Vec<String>,
    /// Bytes copied so far.
    taken: u64,
}

impl Copies {
    /// Copies the plain files of a directory. One that is not there has none.
    fn copy(&mut self, from: &Path, into: &Path) {
        let mut found = Vec::new();
        for entry in fs::read_dir(from).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_file() => found.push((entry.path(), meta)),
                Ok(_) | Err(_) => {}
            }
        }
        found.sort_by_key(|(path, meta)| (Reverse(meta.modified().ok()), path.clone()));
        for (path, meta) in found {
            if let Err(error) = self.copy_one(&path, meta.len(), into) {
                self.left_out.push(format!("{}: {error}\n", path.display()));
            }
        }
    }

    fn copy_one(&mut self, path: &Path, bytes: u64, into: &Path) -> io::Result<()> {
        if bytes > LARGEST || self.taken + bytes > TOGETHER {
            return Err(io::Error::other(format!("{bytes} bytes are too many")));
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        private_dir(into)?;
        self.taken += fs::copy(path, into.join(name))?;
        Ok(())
    }
}
