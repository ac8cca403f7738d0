//! Where a run's files are. The directory is named by the run's id, never by its name. Each file is written atomically
//! (a temporary file beside it, synced, renamed) in every place that `artifact_mode` asks for.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::config::{ArtifactMode, RunConfig};
use crate::core::run::{RunId, Spec};
use crate::core::time::Time;
use crate::crash::Crash;
use crate::effect::below::make_below;
use crate::effect::git::is_gits_own;
use crate::effect::private;
use crate::store::{Artifact, StoredRun};

/// The folder with a directory for each run, in the data directory or wherever the files of runs are kept.
const RUNS: &str = "runs";
/// What a place of the files is called where they are registered: loopd's own, and the one in the workspace.
const GLOBAL: &str = "global";
/// See [`GLOBAL`].
const WORKSPACE: &str = "workspace";

/// The directories of one run's files.
#[derive(Clone, Debug)]
pub struct RunFiles {
    pub(super) run_id: RunId,
    /// `global` and/or `workspace`, with the directory.
    places: Vec<(&'static str, PathBuf)>,
    /// Somebody else's directory: where it is gone, it is not made anew.
    workspace: PathBuf,
    /// Steps work in here whatever the mode: it holds what the daemon needs to adopt them.
    steps: PathBuf,
    /// Where to die between two writes, in a test of deaths.
    pub(super) crash: Crash,
}

impl RunFiles {
    /// The files of `run`: in its own directory (see [`run_dir`]) and below the workspace's `log_dir`.
    pub fn of(data_dir: &Path, run: &StoredRun, config: &RunConfig) -> Self {
        let global = run_dir(data_dir, &run.id, &run.spec);
        let root = Path::new(&run.spec.workspace_root);
        let workspace = root.join(&config.log_dir).join(dir_name(&run.id));
        let mode = match config.artifact_mode {
            ArtifactMode::Global => ArtifactMode::Global,
            // Refused at the door; a link may have come since, or another version have let it pass.
            ArtifactMode::Mirror | ArtifactMode::Workspace
                if is_gits_own(Path::new(&run.spec.workspace_key), Some(root), &workspace) =>
            {
                tracing::warn!(run = %run.id, path = %workspace.display(), "the files of the run are not kept in git's own directory");
                ArtifactMode::Global
            }
            ArtifactMode::Mirror => ArtifactMode::Mirror,
            ArtifactMode::Workspace => ArtifactMode::Workspace,
        };
        let places = match mode {
            ArtifactMode::Mirror => vec![(GLOBAL, global.clone()), (WORKSPACE, workspace)],
            ArtifactMode::Workspace => vec![(WORKSPACE, workspace)],
            ArtifactMode::Global => vec![(GLOBAL, global.clone())],
        };
        // A workspace that was moved or deleted is not written to, not even a log.
        let there = root.is_dir();
        let places = places
            .into_iter()
            .filter(|(location, _)| there || *location != WORKSPACE)
            .collect();
        RunFiles {
            run_id: run.id.clone(),
            places,
            workspace: PathBuf::from(&run.spec.workspace_root),
            steps: global.join("steps"),
            crash: Crash::default(),
        }
    }

    /// Files in these directories and nowhere else.
    #[cfg(test)]
    pub(super) fn only_in(dir: &Path, workspace: Option<&Path>) -> Self {
        let mirror = workspace.map(|workspace| (WORKSPACE, workspace.join("logs/run")));
        RunFiles {
            run_id: RunId("run".to_owned()),
            places: std::iter::once((GLOBAL, dir.to_owned()))
                .chain(mirror)
                .collect(),
            workspace: workspace.unwrap_or(dir).to_owned(),
            steps: dir.join("steps"),
            crash: Crash::default(),
        }
    }

    /// The same files, whose writer dies where it is told to.
    #[must_use]
    pub(in crate::effect) fn dying(self, crash: Crash) -> Self {
        RunFiles { crash, ..self }
    }

    /// The first directory of the files, and those that mirror it; none where all of them are gone.
    pub(super) fn first_and_mirrors(&self) -> Option<(&Path, impl Iterator<Item = &Path>)> {
        let mut dirs = self.places.iter().map(|(_, dir)| dir.as_path());
        Some((dirs.next()?, dirs))
    }

    /// Whether any of them are where `git status` would show them.
    pub fn are_in_the_workspace(&self) -> bool {
        self.places
            .iter()
            .any(|(location, _)| *location == WORKSPACE)
    }

    /// The directory of a step, by its generation.
    pub fn step_dir(&self, generation: u64) -> PathBuf {
        self.steps.join(generation.to_string())
    }

    /// What an agent keeps between its calls in this run.
    pub fn state_dir(&self) -> PathBuf {
        self.steps.with_file_name("state")
    }

    /// For temporary files of the run's steps, where no common directory can be left open to them.
    pub fn temporary_dir(&self) -> PathBuf {
        self.steps.with_file_name("tmp")
    }

    /// Where one try of an analysis works.
    pub fn postmortem_dir(&self, name: &str) -> PathBuf {
        self.steps.with_file_name("postmortem").join(name)
    }

    /// Locked by whoever works in the run's worktree.
    pub fn worktree_lock(&self) -> PathBuf {
        self.steps.with_file_name("worktree.lock")
    }

    /// The first place's path of a file, for messages and paths in the report.
    pub fn path(&self, name: &str) -> PathBuf {
        self.places
            .first()
            .map_or_else(|| PathBuf::from(name), |(_, dir)| dir.join(name))
    }

    /// Writes a file in every place; what could be written is returned for registration.
    pub async fn write(&self, kind: &str, name: &str, content: &[u8], now: Time) -> Vec<Artifact> {
        let content: Arc<[u8]> = content.into();
        self.put_everywhere(kind, name, now, move || {
            Ok(io::Cursor::new(content.clone()))
        })
        .await
    }

    /// Copies a file that a step wrote to every place, whatever its size.
    pub async fn adopt(&self, kind: &str, name: &str, source: &Path, now: Time) -> Vec<Artifact> {
        let source = source.to_owned();
        self.put_everywhere(kind, name, now, move || fs::File::open(&source))
            .await
    }

    /// Puts what `content` opens into every place, on a thread that may wait for the disk.
    async fn put_everywhere<R: Read>(
        &self,
        kind: &str,
        name: &str,
        now: Time,
        content: impl Fn() -> io::Result<R> + Send + 'static,
    ) -> Vec<Artifact> {
        let (files, kind, name) = (self.clone(), kind.to_owned(), name.to_owned());
        on_a_thread(move || {
            let mut written = Vec::new();
            for (location, dir) in &files.places {
                let path = dir.join(&name);
                let content = match content() {
                    Ok(content) => content,
                    // A step that wrote none has none.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return written,
                    Err(error) => {
                        tracing::warn!(run = %files.run_id, name, %error, "failed to read a file of the run");
                        return written;
                    }
                };
                match files.make_dir_of(&path).and_then(|()| put(&path, content)) {
                    Ok(sum) => written.push(files.artifact(&kind, location, &path, sum, now)),
                    Err(error) => {
                        tracing::warn!(run = %files.run_id, path = %path.display(), %error, "failed to write a file of the run");
                    }
                }
            }
            written
        })
        .await
    }

    /// Makes the directory of a file that only its owner may enter.
    pub(super) fn make_dir_of(&self, file: &Path) -> io::Result<()> {
        let dir = file.parent().unwrap_or(Path::new("."));
        let Ok(below) = dir.strip_prefix(&self.workspace) else {
            return private::dir(dir);
        };
        make_below(&self.workspace, below, 0o700)
    }

    /// Whether a file belongs to the workspace, and not to the data directory.
    pub(super) fn is_in_workspace(&self, file: &Path) -> bool {
        file.starts_with(&self.workspace)
    }

    fn artifact(&self, kind: &str, location: &str, path: &Path, sum: Sum, now: Time) -> Artifact {
        Artifact {
            run_id: self.run_id.clone(),
            kind: kind.to_owned(),
            location: location.to_owned(),
            path: path.display().to_string(),
            sha256: sum.sha256,
            bytes: sum.bytes,
            created_at: now,
        }
    }

    /// Registers a file that was appended to, as it is now.
    pub async fn register(&self, kind: &str, name: &str, now: Time) -> Vec<Artifact> {
        let (files, kind, name) = (self.clone(), kind.to_owned(), name.to_owned());
        on_a_thread(move || {
            let mut found = Vec::new();
            for (location, dir) in &files.places {
                let path = dir.join(&name);
                let sum = fs::File::open(&path).and_then(|file| copy(file, io::sink()));
                if let Ok(sum) = sum {
                    found.push(files.artifact(&kind, location, &path, sum, now));
                }
            }
            found
        })
        .await
    }
}

fn dir_name(run: &RunId) -> String {
    format!("run-{run}")
}

/// The directory of a run's files: where its creation put it, whatever the configuration says since.
pub fn run_dir(data_dir: &Path, run: &RunId, spec: &Spec) -> PathBuf {
    let root = spec.files_root.as_deref().map_or(data_dir, Path::new);
    runs_dir(root).join(dir_name(run))
}

/// The directory of a step of a run.
pub fn step_dir(data_dir: &Path, run: &StoredRun, generation: u64) -> PathBuf {
    run_dir(data_dir, &run.id, &run.spec)
        .join("steps")
        .join(generation.to_string())
}

/// The directory below which every run has its own, in the data directory or wherever the files of runs are kept.
pub fn runs_dir(root: &Path) -> PathBuf {
    root.join(RUNS)
}

/// Makes sure that the files of runs can be kept below `root`.
///
/// # Errors
/// The directory cannot be made, or nothing can be written in it.
pub fn prepare_root(root: &Path) -> std::io::Result<()> {
    let runs = runs_dir(root);
    private::dir(&runs)?;
    tempfile::tempfile_in(&runs).map(|_| ())
}

/// The checksum and the length of what was copied.
struct Sum {
    sha256: String,
    bytes: u64,
}

/// Copies piece by piece: an output may be larger than what a daemon wants to hold in memory.
fn copy(mut from: impl Read, mut to: impl io::Write) -> io::Result<Sum> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut piece = vec![0; 256 * 1024];
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = piece.get(..read).unwrap_or_default();
        hash.update(read);
        to.write_all(read)?;
        bytes += read.len() as u64;
    }
    let sha256 = hex(&hash.finalize());
    Ok(Sum { sha256, bytes })
}

fn put(path: &Path, content: impl Read) -> io::Result<Sum> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    let sum = copy(content, file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(sum)
}

/// Does what waits for the disk where nobody else waits. A panic in there is a bug of ours, and costs the files only.
async fn on_a_thread<T: Default + Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "a bug in loopd: the files of a run were not written");
            T::default()
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
