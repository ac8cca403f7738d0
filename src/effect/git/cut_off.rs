//! Files of a checkout judged: whether each is what a merge writes or what HEAD has, whole or cut off. Only where all of
//! them are, they are removed.
//!
//! Which files are judged, and what is written in their place, is decided in `broken_off`.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    GitError, Oid, Result,
    broken_off::TakenBack,
    call::Call,
    forward::Checkout,
    index::{OwnIndex, joined},
    safe::Safe,
};

/// Some files of a tree, as git writes them into a checkout: with its filters and its line ends. Gone when dropped.
pub(super) struct Rendered(TempDir);

impl Rendered {
    /// As they are written into a worktree of a run's, whose own configuration is never asked.
    pub(super) async fn of_run(safe: &Safe<'_>, tree: &Oid, files: &[PathBuf]) -> Result<Rendered> {
        let index = OwnIndex::without_files(safe)?;
        index.load(tree).await?;
        index.write_some(files).await?;
        Ok(Rendered(index.into_scratch()))
    }

    /// As they are written into somebody's checkout.
    pub(super) async fn of(
        safe: &Safe<'_>,
        checkout: &Checkout,
        tree: &Oid,
        files: &[PathBuf],
    ) -> Result<Rendered> {
        let scratch = safe.repo.scratch()?;
        let rendered = Rendered(scratch);
        let top = rendered.top();
        fs::create_dir(&top).map_err(|error| GitError::io("create", &top, &error))?;
        if !files.is_empty() {
            let call = |args: &[&str]| rendered.call(safe, checkout, args);
            call(&["read-tree", tree.as_str()]).slow().ok().await?;
            let write = call(&["checkout-index", "-z", "--stdin"]);
            write.stdin(joined(files)).slow().ok().await?;
        }
        Ok(rendered)
    }

    fn top(&self) -> PathBuf {
        self.0.path().join("files")
    }

    fn call(&self, safe: &Safe<'_>, checkout: &Checkout, args: &[&str]) -> Call {
        let top = self.top();
        let here = ["-C".as_ref(), top.as_os_str()].into_iter();
        safe.call(here.chain(args.iter().map(|arg| arg.as_ref())))
            .env("GIT_DIR", &checkout.git_dir)
            .env("GIT_COMMON_DIR", &safe.repo.common_dir)
            .env("GIT_WORK_TREE", &top)
            .env("GIT_INDEX_FILE", self.0.path().join("index"))
    }
}

/// What lies at a path, and by what one knows that it is still the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    /// A file: which one, since when, how long, and whether it may be executed.
    File {
        inode: u64,
        changed: (i64, i64),
        bytes: u64,
        executable: bool,
    },
    Link(PathBuf),
    Directory,
    /// A device, a pipe, or something behind a link.
    Other,
}

/// Looks at a path of a working tree without following any link.
pub(super) fn seen(top: &Path, file: &Path) -> io::Result<Seen> {
    let mut place = top.to_owned();
    let mut parts = file.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else {
            return Ok(Seen::Other);
        };
        place.push(name);
        let meta = match fs::symlink_metadata(&place) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Nothing),
            Err(error) => return Err(error),
        };
        let is_last = parts.peek().is_none();
        if is_last && meta.is_file() {
            return Ok(Seen::File {
                inode: meta.ino(),
                changed: (meta.ctime(), meta.ctime_nsec()),
                bytes: meta.len(),
                executable: meta.mode() & 0o100 != 0,
            });
        }
        if is_last && meta.is_symlink() {
            return fs::read_link(&place).map(Seen::Link);
        }
        match (meta.is_dir(), is_last, meta.is_file()) {
            (true, true, _) => return Ok(Seen::Directory),
            (true, false, _) => {}
            // A file where the path has a directory: nothing can lie below it.
            (false, _, true) => return Ok(Seen::Nothing),
            (false, _, false) => return Ok(Seen::Other),
        }
    }
    Ok(Seen::Other)
}

/// Judges what lies in a checkout by what the merge writes and by what HEAD has.
pub(super) struct Judge {
    /// The checkout.
    pub top: PathBuf,
    /// What the merge writes, and what HEAD has.
    pub rendered: [Rendered; 2],
    /// What is not in the index as in HEAD.
    pub staged: BTreeSet<PathBuf>,
    /// All paths that the merge writes.
    pub will: BTreeSet<PathBuf>,
}

impl Judge {
    /// Removes these files, if each of them is proved.
    pub(super) fn remove(&self, paths: Vec<PathBuf>) -> Result<TakenBack> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for file in paths {
            let fail = |error: io::Error| GitError::io("look at", &self.top.join(&file), &error);
            let it = seen(&self.top, &file).map_err(fail)?;
            if it == Seen::Directory {
                theirs.extend(self.strangers(&file).map_err(fail)?);
            }
            match !self.staged.contains(&file) && self.is_ours(&file, &it).map_err(fail)? {
                true => ours.push((file, it)),
                false => theirs.push(file),
            }
        }
        if !theirs.is_empty() {
            let ours = ours.into_iter().map(|(file, _)| file).collect();
            return Ok(TakenBack::Foreign { ours, theirs });
        }
        for (file, before) in &ours {
            let place = self.top.join(file);
            let fail = |error: io::Error| GitError::io("take back", &place, &error);
            let is_there = matches!(before, Seen::File { .. } | Seen::Link(_));
            // The same as was judged, still.
            if is_there && seen(&self.top, file).map_err(fail)? == *before {
                fs::remove_file(&place).map_err(fail)?;
            }
        }
        for (file, before) in &ours {
            match before {
                Seen::Directory => self.below(file).for_each(|other| self.prune(other)),
                Seen::Nothing | Seen::File { .. } | Seen::Link(_) | Seen::Other => self.prune(file),
            }
        }
        Ok(TakenBack::Done)
    }

    /// Removes the directories that a file lay in, deepest first, until one is not empty.
    fn prune(&self, file: &Path) {
        let dirs = file.ancestors().skip(1);
        for dir in dirs.take_while(|dir| !dir.as_os_str().is_empty()) {
            match fs::remove_dir(self.top.join(dir)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => break,
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// What the merge writes below a path.
    fn below<'a>(&'a self, dir: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
        self.will.iter().filter(move |other| other.starts_with(dir))
    }

    /// What lies in a directory and is nothing that the merge writes.
    fn strangers(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let (mut found, mut left) = (Vec::new(), vec![dir.to_owned()]);
        while let Some(dir) = left.pop() {
            for entry in fs::read_dir(self.top.join(&dir))? {
                let entry = entry?;
                let path = dir.join(entry.file_name());
                let is_ours = self.below(&path).next().is_some();
                match (is_ours, entry.file_type()?.is_dir()) {
                    (false, _) => found.push(path),
                    (true, true) => left.push(path),
                    (true, false) => {}
                }
            }
        }
        Ok(found)
    }

    fn is_ours(&self, file: &Path, it: &Seen) -> io::Result<bool> {
        let mut rendered = self.rendered.iter().map(Rendered::top);
        Ok(match it {
            Seen::Nothing => true,
            // The merge has made it, for what it writes in there.
            Seen::Directory => self.below(file).next().is_some(),
            Seen::Other => false,
            Seen::Link(_) => rendered.any(|top| seen(&top, file).is_ok_and(|whole| whole == *it)),
            Seen::File {
                bytes, executable, ..
            } => {
                let mut is_ours = false;
                for top in rendered {
                    let Seen::File {
                        bytes: whole,
                        executable: may,
                        ..
                    } = seen(&top, file)?
                    else {
                        continue;
                    };
                    is_ours |= *bytes <= whole
                        && *executable == may
                        && begins(&self.top.join(file), &top.join(file))?;
                }
                is_ours
            }
        })
    }
}

/// Whether a file holds what the other begins with, or all of it.
fn begins(part: &Path, whole: &Path) -> io::Result<bool> {
    let mut part = io::BufReader::with_capacity(64 << 10, fs::File::open(part)?);
    let mut whole = io::BufReader::with_capacity(64 << 10, fs::File::open(whole)?);
    let (mut here, mut there) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let n = part.read(&mut here)?;
        let (Some(here), Some(there)) = (here.get(..n), there.get_mut(..n)) else {
            return Ok(false);
        };
        if n == 0 {
            return Ok(true);
        }
        match whole.read_exact(there) {
            Ok(()) if here == there => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
