//! One command under watch: a single thread that waits for its output, its end, its deadlines and a request to stop, all
//! at once. Durations are monotonic, so a suspended machine takes no time from an agent.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use super::ending::{self, Ending, Stage};
use super::idle::Gauge;
use super::inherit::Signals;
use super::job::Command;
use super::record::{CommandRecord, Stopped};
use super::spawn;
use super::streams::Streams;
use super::tree;
use crate::core::time::Time;

/// What a command leaves behind often ends by itself just then; only what is there after this is reported and ended.
const SETTLE: Duration = Duration::from_millis(200);
/// A pipe that somebody out of our reach keeps filling is left after this.
const LAST_DRAIN: Duration = Duration::from_secs(1);

/// The keeper's senses, the same for all commands of a step.
#[derive(Debug)]
pub struct Watch<'a> {
    pub signals: &'a Signals,
    /// As in the job: `NAME=value`.
    pub marker: &'a str,
    pub grace: Duration,
    /// A stop was asked for; it stays so.
    pub stop: bool,
}

/// A command that has been started.
struct Running {
    pid: Pid,
    status: Option<WaitStatus>,
    streams: Streams,
}

impl Watch<'_> {
    /// Runs one command until nothing of it is left.
    ///
    /// # Errors
    /// Only what leaves the keeper blind, such as a poll(2) that fails.
    pub fn run(&mut self, command: &Command) -> io::Result<(CommandRecord, Ending)> {
        let started_ms = wall_clock();
        let start = Instant::now();
        let marker = self.marker.split_once('=').unwrap_or((self.marker, ""));
        let (pid, streams) = match spawn::spawn(command, marker) {
            Ok(started) => started,
            Err(why) => {
                let not_started = Some(why);
                let record = CommandRecord {
                    not_started,
                    started_ms,
                    ..Default::default()
                };
                return Ok((record, Ending::default()));
            }
        };
        let mut running = Running {
            pid,
            status: None,
            streams,
        };
        let stopped = self.work(&mut running, command, start)?;
        let ending = self.end(&mut running, stopped)?;
        self.last_drain(&mut running)?;
        let seen = running.streams.finish();
        let record = CommandRecord {
            exit_code: running.status.and_then(WaitStatus::exit_status),
            signal: running.status.and_then(WaitStatus::terminating_signal),
            stopped,
            not_started: None,
            started_ms,
            duration_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            output_bytes: seen.bytes,
            output_lines: seen.lines,
            truncated: seen.cut > 0,
            output_error: seen.error,
        };
        Ok((record, ending))
    }

    /// Until the command has ended by itself (`None`), or has to be ended.
    fn work(
        &mut self,
        running: &mut Running,
        command: &Command,
        start: Instant,
    ) -> io::Result<Option<Stopped>> {
        let ms = |ms: Option<u64>| ms.map(Duration::from_millis);
        let deadline = ms(command.timeout_ms).and_then(|timeout| start.checked_add(timeout));
        let ticks = rustix::param::clock_ticks_per_second();
        let mut gauge = match ms(command.idle_timeout_ms) {
            Some(span) => Some(Gauge::new(span, ticks, start, tree::cpu_ticks()?)),
            None => None,
        };
        loop {
            if running.status.is_some() {
                return Ok(None);
            }
            if self.stop {
                return Ok(Some(Stopped::Canceled));
            }
            let now = Instant::now();
            if deadline.is_some_and(|at| now >= at) {
                return Ok(Some(Stopped::TimedOut));
            }
            if let Some(gauge) = &mut gauge
                && gauge.due().is_some_and(|due| now >= due)
                && gauge.is_idle(now, running.streams.bytes(), tree::cpu_ticks()?)
            {
                return Ok(Some(Stopped::Idle));
            }
            let due = gauge.as_ref().and_then(Gauge::due);
            let next = [deadline, due].into_iter().flatten().min();
            self.tend(running, &mut Vec::new(), next)?;
        }
    }

    /// Ends what is left of the command, wherever in the tree it hides.
    fn end(&mut self, running: &mut Running, stopped: Option<Stopped>) -> io::Result<Ending> {
        let settle = Stage {
            signal: None,
            patience: SETTLE,
        };
        let ask = Stage {
            signal: Some(Signal::TERM),
            patience: self.grace,
        };
        let marker = self.marker;
        let stages = match stopped {
            None => &[settle, ask][..],
            Some(Stopped::TimedOut | Stopped::Idle | Stopped::Canceled) => &[ask][..],
        };
        let ending = ending::end_all(
            stages,
            || tree::of_keeper(marker),
            |mut handles, until| {
                while !handles.is_empty() && Instant::now() < until {
                    self.tend(running, &mut handles, Some(until))?;
                }
                Ok(())
            },
        )?;
        reap(running)?;
        Ok(ending)
    }

    /// Nobody of ours writes any more: what the pipes hold is all there is, unless a stranger holds them.
    fn last_drain(&mut self, running: &mut Running) -> io::Result<()> {
        let until = Instant::now() + LAST_DRAIN;
        let mut before = None;
        while before != Some(running.streams.bytes()) && Instant::now() < until {
            before = Some(running.streams.bytes());
            self.tend(running, &mut Vec::new(), Some(Instant::now()))?;
        }
        Ok(())
    }

    /// Waits once for anything, until `until` at the latest, and does what came. Ended processes leave `handles`.
    fn tend(
        &mut self,
        running: &mut Running,
        handles: &mut Vec<OwnedFd>,
        until: Option<Instant>,
    ) -> io::Result<()> {
        let ready: Vec<bool> = {
            let fds: Vec<BorrowedFd<'_>> = std::iter::once(self.signals.as_fd())
                .chain(running.streams.pipes())
                .chain(handles.iter().map(AsFd::as_fd))
                .collect();
            poll(&fds, until)?
        };
        let Some((signalled, ready)) = ready.split_first() else {
            return Ok(());
        };
        let pipes = running.streams.pipes().count();
        let (pipes, ended) = ready.split_at(pipes.min(ready.len()));
        let mut ended = ended.iter();
        handles.retain(|_| ended.next() != Some(&true));
        running.streams.drain(pipes);
        if *signalled {
            self.stop |= self.signals.take()?;
            reap(running)?;
        }
        Ok(())
    }
}

/// Which of the descriptors have something to say; all `false` when the time has come or a signal came in between.
pub fn poll(fds: &[BorrowedFd<'_>], until: Option<Instant>) -> io::Result<Vec<bool>> {
    let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
    // One that does not fit is longer than any process lives.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let mut polled: Vec<_> = fds
        .iter()
        .map(|fd| PollFd::new(fd, PollFlags::IN))
        .collect();
    match rustix::event::poll(&mut polled, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect()),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes every child that has ended: the command, and orphans that were handed to the keeper.
fn reap(running: &mut Running) -> io::Result<()> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == running.pid => running.status = Some(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn wall_clock() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
