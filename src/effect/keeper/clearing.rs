//! Clearing up after a command: its own tree, seen by the keeper that stands above it, while its output is still read.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::ending::{self, Ending, Look, Scene, Stage};
use super::record::Stopped;
use super::tree;
use super::watch::{Running, Watch};

/// What a command leaves behind often ends by itself just then; only what is there after this is reported and ended.
const SETTLE: Duration = Duration::from_millis(200);

/// Ends what is left of the command, wherever in the tree it hides.
pub fn clear(
    watch: &mut Watch<'_>,
    running: &mut Running,
    stopped: Option<Stopped>,
) -> io::Result<Ending> {
    let settle = Stage {
        signal: None,
        patience: SETTLE,
    };
    let ask = Stage {
        signal: Some(Signal::TERM),
        patience: watch.grace,
    };
    let stages = match stopped {
        None => &[settle, ask][..],
        Some(Stopped::TimedOut | Stopped::Idle | Stopped::Canceled) => &[ask][..],
    };
    let mut tree = Tree {
        watch,
        running,
        quickly: false,
    };
    ending::end_all(stages, &mut tree)
}

/// The tree of one command, while it is ended.
struct Tree<'a, 'b> {
    watch: &'a mut Watch<'b>,
    running: &'a mut Running,
    /// Whether the last look was a quick one; they take turns.
    quickly: bool,
}

impl Scene for Tree<'_, '_> {
    /// Every orphan below a subreaper becomes its child, so a keeper without children has nobody below it: the kernel's
    /// word, which no process can dodge.
    fn look(&mut self, killing: bool) -> io::Result<Look> {
        let childless = self.running.reap()?;
        self.quickly = killing && !childless && !self.quickly;
        if self.quickly {
            // Layer by layer: what is below a child becomes a child itself when that one is killed.
            return Ok(Look::Part(tree::children()));
        }
        let seen = tree::of_keeper(self.watch.marker)?;
        Ok(if childless && seen.is_empty() {
            Look::Over
        } else {
            Look::Whole(seen)
        })
    }

    fn rest(&mut self, mut handles: Vec<OwnedFd>, until: Instant) -> io::Result<()> {
        if handles.is_empty() {
            let until = until.min(Instant::now() + ending::MOMENT);
            return self.watch.tend(self.running, &mut handles, Some(until));
        }
        while !handles.is_empty() && Instant::now() < until {
            self.watch.tend(self.running, &mut handles, Some(until))?;
        }
        Ok(())
    }
}
