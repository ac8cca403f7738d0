//! Which processes belong to a step: looked up in `/proc`, by descent from the keeper that adopts every orphan, by the
//! marker in the environment, and by the session of a keeper that is gone. Nothing is ended here.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;

use super::record::KeeperRecord;
use crate::effect::hidden::KEEPER;
use crate::effect::proc::{self, Stat};

/// Seen by a keeper: everything below it, and whatever else carries the marker.
pub fn of_keeper(marker: &str) -> io::Result<Vec<Stat>> {
    let all = proc::all()?;
    let me = std::process::id().cast_signed();
    let below = proc::descendants(&all, &[me], None);
    living(all, |pid| {
        Ok(pid != me && (below.contains(&pid) || is_marked(pid, marker)?))
    })
}

/// The living children of this thread, which in a keeper is the process. Quick, and not the whole tree; empty where the
/// kernel does not offer the list.
pub fn children() -> Vec<Stat> {
    let list = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    let pids = list
        .split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok());
    pids.filter_map(|pid| proc::stat(pid).ok())
        .filter(|stat| stat.alive)
        .collect()
}

/// Seen by a daemon after a keeper was killed: what carries the marker, what is in the session that the dead keeper
/// led, and what is below those. Never this process, nor anything below it that is not marked itself.
pub fn of_lost(marker: &str, keeper: Option<&KeeperRecord>) -> io::Result<Vec<Stat>> {
    let all = proc::all()?;
    let me = std::process::id().cast_signed();
    let session = match keeper {
        Some(keeper) => orphaned_session(&all, keeper)?,
        None => None,
    };
    let mut roots = Vec::new();
    for Stat {
        identity,
        session: its,
        ..
    } in &all
    {
        let pid = identity.pid;
        if pid != me && (Some(*its) == session || is_marked(pid, marker)?) {
            roots.push(pid);
        }
    }
    from_roots(all, &roots)
}

/// What still works for a step whose directory knows nothing of it: whatever carries a marker that `knows` says yes to, the
/// keepers above those, and what is below them. A keeper that has started nothing yet is not found, and is no harm.
pub fn of_strays(knows: impl Fn(&[u8]) -> bool) -> io::Result<Vec<Stat>> {
    let all = proc::all()?;
    let me = std::process::id().cast_signed();
    let mut roots = Vec::new();
    for Stat {
        identity,
        parent,
        alive,
        ..
    } in &all
    {
        let (pid, above) = (identity.pid, *parent);
        if pid == me || !alive || !proc::is_ours(pid) || !proc::any_env(pid, &knows)? {
            continue;
        }
        roots.push(pid);
        if above != me && proc::is_ours(above) && proc::is_called(above, KEEPER)? {
            roots.push(above);
        }
    }
    from_roots(all, &roots)
}

/// The roots and what is ours below them; never this process, nor what is below it and is no root.
fn from_roots(all: Vec<Stat>, roots: &[i32]) -> io::Result<Vec<Stat>> {
    let me = std::process::id().cast_signed();
    let below = proc::descendants(&all, roots, Some(me));
    let roots: HashSet<i32> = roots.iter().copied().collect();
    living(all, |pid| {
        Ok(roots.contains(&pid) || (below.contains(&pid) && proc::is_ours(pid)))
    })
}

/// The number of a session stays taken while the session has members. So if no process has that pid any more, those
/// members are the dead keeper's; if one has, it is the keeper itself or a stranger, and the session is not ours.
fn orphaned_session(all: &[Stat], keeper: &KeeperRecord) -> io::Result<Option<i32>> {
    let pid = keeper.identity.pid;
    let leader_lives = all.iter().any(|s| s.identity.pid == pid && s.alive);
    let this_boot = proc::boot_id()? == keeper.boot_id;
    Ok((this_boot && !leader_lives).then_some(pid))
}

/// Processor time of everything below this process, in clock ticks: what lives, and what has been waited for.
pub fn cpu_ticks() -> io::Result<u64> {
    let all = proc::all()?;
    let me = std::process::id().cast_signed();
    let below = proc::descendants(&all, &[me], None);
    let part = |stat: &Stat| match stat.identity.pid {
        pid if pid == me => stat.reaped_ticks,
        pid if below.contains(&pid) => stat.own_ticks.saturating_add(stat.reaped_ticks),
        _ => 0,
    };
    Ok(all.iter().map(part).fold(0, u64::saturating_add))
}

fn is_marked(pid: i32, marker: &str) -> io::Result<bool> {
    Ok(proc::is_ours(pid) && proc::has_env(pid, OsStr::new(marker))?)
}

fn living(all: Vec<Stat>, belongs: impl Fn(i32) -> io::Result<bool>) -> io::Result<Vec<Stat>> {
    let mut living = Vec::new();
    for stat in all {
        if stat.alive && belongs(stat.identity.pid)? {
            living.push(stat);
        }
    }
    Ok(living)
}
