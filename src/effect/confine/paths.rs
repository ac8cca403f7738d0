//! The places of a step: what it has to write, what it is used to write, and what must stay closed. No rule of Landlock
//! has an exception, so what must stay closed and lies in an open place decides what becomes of that place.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use super::Sandbox;

/// An environment: names and values.
type Env<'a> = &'a [(OsString, OsString)];

/// Where builds keep what they have fetched, below the home directory. No place of commands or settings is among them:
/// what is written there would be run later, outside.
const CACHES: &[&str] = &[
    ".cache",
    ".npm",
    ".pnpm-store",
    ".yarn/berry",
    ".bun/install/cache",
    ".local/share/pnpm/store",
    ".cargo/registry",
    ".cargo/git",
    ".cargo/.package-cache",
    ".cargo/.package-cache-mutate",
    ".cargo/.global-cache",
    "go/pkg",
    ".m2/repository",
    ".gradle/caches",
    ".gradle/daemon",
    ".gradle/native",
    ".gradle/notifications",
    ".gradle/workers",
    ".gradle/wrapper",
    ".ivy2/cache",
    ".nuget/packages",
    ".composer/cache",
    ".bundle/cache",
    ".hex/packages",
    ".pub-cache/hosted",
];

/// The same, below what a variable names.
const CACHE_VARIABLES: &[(&str, &[&str])] = &[
    ("XDG_CACHE_HOME", &["."]),
    (
        "CARGO_HOME",
        &[
            "registry",
            "git",
            ".package-cache",
            ".package-cache-mutate",
            ".global-cache",
        ],
    ),
    ("GOPATH", &["pkg"]),
    ("GOCACHE", &["."]),
    ("GOMODCACHE", &["."]),
    ("npm_config_cache", &["."]),
];

/// Directories of devices that ordinary programs use: terminals, shared memory, message queues, graphics.
const DEVICE_DIRS: &[&str] = &["pts", "shm", "mqueue", "dri"];
/// Devices that are the machine's memory and ports.
const NO_DEVICES: &[&str] = &["mem", "kmem", "port"];

/// Where a step may write, and where it must not.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Without these the step cannot work.
    pub needed: Vec<PathBuf>,
    /// Nor without these, where it makes files and directories and nothing else.
    pub plain: Vec<PathBuf>,
    /// Temporary directories, caches, what an agent keeps. Only those that exist.
    pub wanted: Vec<PathBuf>,
    /// What must stay closed: what it is, and where.
    pub closed: Vec<(&'static str, PathBuf)>,
    /// What is known to be open that should not be.
    pub lacks: Vec<String>,
}

impl Places {
    /// The sandbox. A wanted place that something closed lies in stays open, and that is told; if the sandbox is
    /// `required` it is closed. Gives the places that were closed so, too.
    pub fn sandbox(&self, required: bool) -> (Sandbox, Vec<PathBuf>) {
        let mut sandbox = Sandbox {
            required,
            writable: self.needed.iter().map(|p| p.as_path().into()).collect(),
            plain: self.plain.iter().map(|p| p.as_path().into()).collect(),
            lacks: self.lacks.clone(),
        };
        let mut left_out: Vec<PathBuf> = Vec::new();
        let mut seen: Vec<PathBuf> = Vec::new();
        for place in &self.wanted {
            let Ok(place) = fs::canonicalize(place) else {
                continue;
            };
            if seen.contains(&place) {
                continue;
            }
            let inside: Vec<String> = self
                .closed
                .iter()
                .filter(|(_, path)| path.starts_with(&place))
                .map(|(what, path)| format!("{what} ({})", path.display()))
                .collect();
            seen.push(place.clone());
            match (inside.is_empty(), required) {
                (true, _) => sandbox.writable.push(place.into()),
                (false, true) => left_out.push(place),
                (false, false) => {
                    sandbox.lacks.push(format!(
                        "{} is open, and in it lie {}",
                        place.display(),
                        inside.join(", ")
                    ));
                    sandbox.writable.push(place.into());
                }
            }
        }
        (sandbox, left_out)
    }
}

/// Temporary directories: the one that the environment names, and those that programs know by heart.
pub fn temporary(env: Env<'_>) -> Vec<PathBuf> {
    let fixed = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from);
    value(env, "TMPDIR").into_iter().chain(fixed).collect()
}

/// What builds keep between them.
pub fn caches(env: Env<'_>) -> Vec<PathBuf> {
    let home = value(env, "HOME");
    let below_home = home
        .iter()
        .flat_map(|home| CACHES.iter().map(|name| home.join(name)));
    let named = CACHE_VARIABLES.iter().filter_map(|(name, parts)| {
        let dir = value(env, name)?;
        Some(parts.iter().map(move |part| dir.join(part)))
    });
    below_home.chain(named.flatten()).collect()
}

/// Devices that a program may write to: all character devices but the machine's memory, so no disk; and, unless it is
/// root who could then rule the machine by it, `/proc`.
pub fn devices(root: bool) -> Vec<PathBuf> {
    let dev = Path::new("/dev");
    let mut found: Vec<PathBuf> = DEVICE_DIRS.iter().map(|name| dev.join(name)).collect();
    for entry in fs::read_dir(dev).into_iter().flatten().flatten() {
        let is_char = entry.file_type().is_ok_and(|kind| kind.is_char_device());
        if is_char && !NO_DEVICES.iter().any(|no| entry.file_name() == *no) {
            found.push(entry.path());
        }
    }
    if !root {
        found.push("/proc".into());
    }
    found.retain(|path| path.exists());
    found.sort();
    found
}

/// An absolute path that the environment names.
fn value(env: Env<'_>, name: &str) -> Option<PathBuf> {
    let found = env.iter().find(|(found, _)| found == OsStr::new(name));
    found
        .map(|(_, value)| PathBuf::from(value))
        .filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(dir: &Path) -> Places {
        for name in ["tmp/repo", "cache", "work"] {
            fs::create_dir_all(dir.join(name)).expect("a directory");
        }
        Places {
            needed: vec![dir.join("work")],
            plain: vec![],
            wanted: vec![
                dir.join("tmp"),
                dir.join("cache"),
                dir.join("tmp/../cache"),
                dir.join("none"),
            ],
            closed: vec![
                ("the primary checkout", dir.join("tmp/repo")),
                ("the home directory", dir.to_owned()),
            ],
            lacks: Vec::new(),
        }
    }

    #[test]
    fn a_place_with_something_closed_in_it_stays_open_and_is_told_or_is_left_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().canonicalize().expect("a path");
        let places = places(&dir);
        let open = |sandbox: &Sandbox| -> Vec<PathBuf> {
            sandbox
                .writable
                .iter()
                .map(|p| p.as_path().to_owned())
                .collect()
        };
        let (guard, left_out) = places.sandbox(false);
        assert_eq!(
            open(&guard),
            [dir.join("work"), dir.join("tmp"), dir.join("cache")]
        );
        assert!(left_out.is_empty(), "{left_out:?}");
        assert_eq!(guard.lacks.len(), 1);
        assert!(guard.lacks[0].contains("the primary checkout"), "{guard:?}");
        let (strict, left_out) = places.sandbox(true);
        assert_eq!(open(&strict), [dir.join("work"), dir.join("cache")]);
        assert_eq!(left_out, [dir.join("tmp")]);
        assert!(strict.lacks.is_empty() && strict.required);
    }

    #[test]
    fn the_environment_says_where_caches_and_temporary_files_are() {
        let env: Vec<(OsString, OsString)> = [
            ("HOME", "/home/u"),
            ("TMPDIR", "/scratch"),
            ("CARGO_HOME", "/cargo"),
            ("GOPATH", "relative"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        assert_eq!(temporary(&env)[0], Path::new("/scratch"));
        let caches = caches(&env);
        assert!(caches.contains(&"/home/u/.cache".into()), "{caches:?}");
        assert!(caches.contains(&"/cargo/registry".into()), "{caches:?}");
        assert!(caches.iter().all(|path| path.is_absolute()), "{caches:?}");
        assert!(
            !caches.contains(&"/home/u/.cargo".into()),
            "its commands stay closed"
        );
    }

    #[test]
    fn no_disk_and_no_memory_is_among_the_devices() {
        let devices = devices(true);
        assert!(devices.contains(&"/dev/null".into()), "{devices:?}");
        for path in &devices {
            let kind = fs::metadata(path).expect("it exists").file_type();
            assert!(!kind.is_block_device(), "{}", path.display());
            assert!(path.starts_with("/dev") && path != Path::new("/dev/mem"));
        }
    }
}
