//! Where files of the user's are looked for, by the XDG base directory rules. Pure: the environment is handed in as a
//! function, and nothing is looked up on disk.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// No place could be named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no place for the {what}: neither {variable} nor HOME is an absolute path; set one, or give {flag}"
)]
pub struct NoPlace {
    what: &'static str,
    variable: &'static str,
    flag: &'static str,
}

/// The user's `loopd/config.toml`: below `$XDG_CONFIG_HOME`, else `~/.config`.
///
/// # Errors
/// Neither variable is an absolute path.
pub fn user_config_file(env: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, NoPlace> {
    base(&env, "XDG_CONFIG_HOME", ".config")
        .map(|base| base.join("loopd/config.toml"))
        .ok_or(NoPlace {
            what: "config file",
            variable: "XDG_CONFIG_HOME",
            flag: "--config",
        })
}

/// The data directory: the flag's, else `loopd` below `$XDG_DATA_HOME`, else below `~/.local/share`.
///
/// # Errors
/// No flag, and neither variable is an absolute path.
pub fn data_dir(
    flag: Option<&Path>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, NoPlace> {
    flag.map(Path::to_owned)
        .or_else(|| Some(base(&env, "XDG_DATA_HOME", ".local/share")?.join("loopd")))
        .ok_or(NoPlace {
            what: "data directory",
            variable: "XDG_DATA_HOME",
            flag: "--data-dir",
        })
}

/// The XDG rules: a path that is not absolute counts as not set.
fn base(
    env: &impl Fn(&str) -> Option<OsString>,
    variable: &str,
    below_home: &str,
) -> Option<PathBuf> {
    let absolute = |name: &str| {
        env(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))
}
