//! What a process was started with: its environment and its arguments, as `/proc` has them.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::seen;

/// A list of texts that `/proc` has about a process, each ended by a zero; empty where there is nothing to be seen.
fn texts(pid: i32, name: &str) -> io::Result<Vec<u8>> {
    let read = seen(std::fs::read(format!("/proc/{pid}/{name}")))?;
    Ok(read.unwrap_or_default())
}

/// Whether the process was started with exactly this `NAME=value` in its environment.
///
/// # Errors
/// As [`any_env`].
pub fn has_env(pid: i32, entry: &OsStr) -> io::Result<bool> {
    any_env(pid, |found| found == entry.as_bytes())
}

/// Whether the process was started with such a `NAME=value` in its environment. False when it is gone, or not for us to
/// look into.
///
/// # Errors
/// `/proc` cannot be read.
pub fn any_env(pid: i32, wanted: impl Fn(&[u8]) -> bool) -> io::Result<bool> {
    Ok(texts(pid, "environ")?.split(|b| *b == 0).any(wanted))
}

/// The value of that name in the environment that the process was started with. `None` also when it is gone, or not for us
/// to look into.
///
/// # Errors
/// `/proc` cannot be read.
pub fn env_entry(pid: i32, name: &OsStr) -> io::Result<Option<OsString>> {
    let environ = texts(pid, "environ")?;
    let mut entries = environ.split(|b| *b == 0);
    let value = entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    Ok(value.map(|value| OsString::from_vec(value.to_vec())))
}

/// Whether the first argument of the process is this word.
///
/// # Errors
/// `/proc` cannot be read.
pub fn is_called(pid: i32, word: &str) -> io::Result<bool> {
    Ok(argument_after(pid, word)?.is_some())
}

/// The second argument of a process whose first argument is this word; empty when it has none. `None` also when it is gone.
///
/// # Errors
/// `/proc` cannot be read.
pub fn argument_after(pid: i32, word: &str) -> io::Result<Option<OsString>> {
    let line = texts(pid, "cmdline")?;
    let mut arguments = line.split(|b| *b == 0).skip(1);
    let is_called = arguments.next() == Some(word.as_bytes());
    let second = || OsString::from_vec(arguments.next().unwrap_or_default().to_vec());
    Ok(is_called.then(second))
}
