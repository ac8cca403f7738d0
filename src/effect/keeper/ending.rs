//! Ending processes until none is left: ask, wait, kill, look again. What belongs to a step is looked up anew each time,
//! because what is being ended may still fork. Not here: which processes belong to it, and how the caller waits.
//!
//! A look through `/proc` is no snapshot: a process that forks and ends in time is in none of the places looked at. So
//! an empty look is not the end; the [`Scene`] has to say that it is over.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::Signal;

use crate::effect::proc::{self, Stat};

/// While processes end, new ones are looked for at least so often.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Between two looks when there is nothing to wait for.
pub const MOMENT: Duration = Duration::from_millis(2);
/// So many handles are held at once; the descriptors of a process are few.
const HELD_AT_ONCE: usize = 256;
/// So many processes are named in a record.
const NAMED_AT_MOST: usize = 50;

/// One stage before the last, which is SIGKILL without a limit of time.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Sent once to each process.
    pub signal: Option<Signal>,
    pub patience: Duration,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Processes that were signalled.
    pub count: usize,
    /// Their descriptions, as many as a record takes.
    pub ended: Vec<String>,
    /// Those that we were not permitted to signal.
    pub survivors: Vec<String>,
}

/// What one look saw.
#[derive(Debug)]
pub enum Look {
    /// Nothing is left, for certain.
    Over,
    /// All that could be seen; if that is nothing, there is more all the same.
    Whole(Vec<Stat>),
    /// What could be seen quickly.
    Part(Vec<Stat>),
}

/// Where processes are ended: a keeper above its own tree, or a daemon after a keeper is gone.
pub trait Scene {
    /// Looks for what is left. Where it is to be killed, speed counts: some fork faster than `/proc` is read.
    fn look(&mut self, killing: bool) -> io::Result<Look>;

    /// Returns when all of the handles have ended or the time has come; a moment later if there are none.
    fn rest(&mut self, handles: Vec<OwnedFd>, until: Instant) -> io::Result<()>;
}

/// Ends everything that is in the scene.
///
/// # Errors
/// Whatever the scene reports, or the lack of a single descriptor.
pub fn end_all(stages: &[Stage], scene: &mut impl Scene) -> io::Result<Ending> {
    let mut ending = Ending::default();
    let mut met = HashSet::new();
    let mut out_of_reach = HashSet::new();
    let mut stages = stages.iter();
    let mut stage = stages.next();
    let mut told = HashSet::new();
    let mut began = Instant::now();
    loop {
        let signal = stage.map_or(Some(Signal::KILL), |stage| stage.signal);
        let mut handles = Vec::new();
        let seen = match scene.look(stage.is_none())? {
            Look::Over => return Ok(ending),
            Look::Whole(seen) => {
                let reachable = |stat: &Stat| !out_of_reach.contains(&stat.identity);
                if !seen.is_empty() && !seen.iter().any(reachable) {
                    return Ok(ending);
                }
                seen
            }
            Look::Part(seen) => seen,
        };
        for stat in seen {
            let identity = stat.identity;
            if out_of_reach.contains(&identity) {
                continue;
            }
            let handle = match proc::open(identity) {
                Ok(Some(handle)) => handle,
                Ok(None) => continue,
                // Another round comes; the handles of this one are closed by then.
                Err(_) if !handles.is_empty() => break,
                Err(e) => return Err(e),
            };
            if let Some(signal) = signal
                && told.insert(identity)
            {
                // Read before the signal: a process that has ended has no command line any more.
                let is_new = met.insert(identity);
                let name =
                    (is_new && ending.ended.len() < NAMED_AT_MOST).then(|| proc::describe(&stat));
                if rustix::process::pidfd_send_signal(&handle, signal) == Err(Errno::PERM) {
                    out_of_reach.insert(identity);
                    ending.survivors.extend(name);
                    continue;
                }
                // Gone in between is what was wanted.
                ending.count += usize::from(is_new);
                ending.ended.extend(name);
            }
            if handles.len() < HELD_AT_ONCE {
                handles.push(handle);
            }
        }
        let now = Instant::now();
        let until = now + LOOK_AGAIN;
        match stage {
            Some(Stage { patience, .. }) if now.duration_since(began) >= *patience => {
                stage = stages.next();
                told.clear();
                began = now;
            }
            Some(Stage { patience, .. }) => {
                let over = began.checked_add(*patience);
                scene.rest(handles, over.map_or(until, |over| over.min(until)))?;
            }
            None => scene.rest(handles, until)?,
        }
    }
}
