//! One command under watch: a single thread that waits for its output, its end, its deadlines and a request to stop, all
//! at once. Durations are monotonic, so a suspended machine takes no time from an agent.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};

use super::clearing;
use super::ending::Ending;
use super::idle::Gauge;
use super::inherit::Signals;
use super::job::Command;
use super::record::{CommandRecord, Stopped};
use super::spawn;
use super::streams::Streams;
use super::tree;
use super::waiting::poll;
use crate::core::time::Time;
use crate::effect::confine::Fence;

/// A pipe that somebody out of our reach keeps filling is left after this.
const LAST_DRAIN: Duration = Duration::from_secs(1);

/// The keeper's senses, the same for all commands of a step.
#[derive(Debug)]
pub struct Watch<'a> {
    pub signals: &'a Signals,
    /// As in the job: `NAME=value`.
    pub marker: &'a str,
    /// What the commands are put behind.
    pub fence: Option<&'a Fence>,
    pub grace: Duration,
    /// A stop was asked for; it stays so.
    pub stop: bool,
}

/// A command that has been started.
pub struct Running {
    pid: Pid,
    status: Option<WaitStatus>,
    streams: Streams,
}

impl Running {
    /// Takes every child that has ended: the command, and orphans that were handed to the keeper. True when there is no
    /// child any more.
    pub fn reap(&mut self) -> io::Result<bool> {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                // The pid is free from then on, and may come back with an orphan.
                Ok(Some((pid, status))) if pid == self.pid => {
                    self.status.get_or_insert(status);
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return Ok(false),
                Err(Errno::CHILD) => return Ok(true),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
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
        let (pid, streams) = match spawn::spawn(command, marker, self.fence) {
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
        let ending = clearing::clear(self, &mut running, stopped)?;
        self.last_drain(&mut running)?;
        let seen = running.streams.finish();
        let ran = match stopped {
            Some(Stopped::TimedOut | Stopped::Idle) => ending.ended.clone(),
            Some(Stopped::Canceled) | None => Vec::new(),
        };
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
            running: ran,
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
    pub fn tend(
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
            running.reap()?;
        }
        Ok(())
    }
}

fn wall_clock() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
