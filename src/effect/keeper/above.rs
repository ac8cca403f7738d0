//! In which step a process works, as seen from outside: by the keepers that it descends from. A keeper adopts whatever
//! its commands leave behind, so that no process of a step gets out from under it while it lives.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::job::MARKER_NAME;
use super::record::KeeperRecord;
use crate::core::step::Confined;
use crate::effect::hidden::KEEPER;
use crate::effect::proc::{self, Identity, Stat};

/// How often a line of ancestors is read anew whose members end meanwhile.
const TRIES: u32 = 5;

/// The step, by its id, behind whose fence a process works; `None` when it is in none, or only in such as this process
/// works in itself. A step without a fence (`sandbox = "off"`) is none. Whoever looks like a keeper and is not on record
/// as one counts as fenced, and so does a marked process whose keeper is gone.
///
/// # Errors
/// The process is gone, or its ancestors cannot be read.
pub fn step_around(process: Identity) -> io::Result<Option<String>> {
    let (line, ours) = (line(process)?, own_line()?);
    let shared = |stat: &Stat| is_among(&ours, stat);
    let mut kept = false;
    for stat in &line {
        let pid = stat.identity.pid;
        let Some(dir) = proc::argument_after(pid, KEEPER)? else {
            continue;
        };
        kept = true;
        if !shared(stat)
            && let Some(step) = fenced(stat.identity, Path::new(&dir))
        {
            return Ok(Some(step));
        }
    }
    if kept {
        return Ok(None);
    }
    for stat in line.iter().filter(|stat| !shared(stat)) {
        let mark = mark(stat.identity.pid)?;
        if mark.is_some() {
            return Ok(mark);
        }
    }
    Ok(None)
}

/// Whether any step works behind a fence that this process does not stand in itself. One whose keeper was killed counts for as
/// long as a process carries its mark.
///
/// # Errors
/// `/proc` cannot be read.
pub fn is_any_fenced() -> io::Result<bool> {
    let (all, ours) = (proc::all()?, own_line()?);
    let others = all
        .iter()
        .filter(|stat| stat.alive && !is_among(&ours, stat) && proc::is_ours(stat.identity.pid));
    for stat in others {
        let pid = stat.identity.pid;
        let is_fenced = match proc::argument_after(pid, KEEPER)? {
            Some(dir) => fenced(stat.identity, Path::new(&dir)).is_some(),
            None => mark(pid)?.is_some() && !matches!(step_around(stat.identity), Ok(None)),
        };
        if is_fenced {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The step that this keeper keeps behind a fence.
fn fenced(keeper: Identity, dir: &Path) -> Option<String> {
    match KeeperRecord::read(dir) {
        Ok(Some(record)) if record.identity == keeper => {
            let fence = record.confinement.as_ref();
            let is_fenced = fence.is_some_and(|fence| fence.level != Confined::Off);
            is_fenced.then(|| value(&record.marker).to_owned())
        }
        Ok(_) | Err(_) => Some("unknown".to_owned()),
    }
}

/// The id in a marker.
fn value(marker: &str) -> &str {
    marker.split_once('=').map_or(marker, |(_, id)| id)
}

/// The step whose marker a process carries.
fn mark(pid: i32) -> io::Result<Option<String>> {
    if !proc::is_ours(pid) {
        return Ok(None);
    }
    let entry = proc::env_entry(pid, OsStr::new(MARKER_NAME))?;
    Ok(entry.map(|entry| String::from_utf8_lossy(entry.as_bytes()).into_owned()))
}

/// This process and its ancestors.
fn own_line() -> io::Result<Vec<Stat>> {
    line(proc::stat(std::process::id().cast_signed())?.identity)
}

fn is_among(line: &[Stat], stat: &Stat) -> bool {
    line.iter().any(|one| one.identity == stat.identity)
}

/// A process and its ancestors, from the nearest to the first of all.
fn line(process: Identity) -> io::Result<Vec<Stat>> {
    let mut tries = 1;
    loop {
        match read_line(process) {
            Ok(line) => return Ok(line),
            Err(error) if tries == TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

fn read_line(process: Identity) -> io::Result<Vec<Stat>> {
    let first = proc::stat(process.pid)?;
    let moved = || io::Error::new(io::ErrorKind::NotFound, "the process that asked is gone");
    if first.identity != process {
        return Err(moved());
    }
    let mut line = vec![first];
    while let Some(youngest) = line.last()
        && youngest.parent != 0
    {
        let parent = proc::stat(youngest.parent)?;
        // The pid of a parent that ended meanwhile may be another's by now, but that one is younger.
        if parent.identity.start_time > youngest.identity.start_time {
            return Err(moved());
        }
        line.push(parent);
    }
    Ok(line)
}
