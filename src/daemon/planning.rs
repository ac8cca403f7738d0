//! What the scheduler is asked with: the stored queue, the policy, and a look at the disk. The decision is
//! `core::schedule::plan`'s alone; `why` and `queue` are answered by the same call.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::core::run::RunId;
use crate::core::schedule::{Gate, LowDisk, Policy, Queue, Schedule, StoreLock, Unwritable, plan};
use crate::core::time::Time;
use crate::effect::is_read_only;
use crate::store::{Reader, StoreError};

/// How long a look at the disk is trusted that found too little room, or no way to write, in milliseconds.
const DISK_LOOK_MS: u64 = 30_000;

/// What the engine knows of itself that holds every run.
pub(super) struct Around {
    /// It ends, and starts nothing any more.
    pub draining: bool,
    /// It cannot write its store at present, because somebody else holds the lock.
    pub locked: Option<StoreLock>,
    /// Its store could not be written when it was last tried.
    pub unwritable: Option<Unwritable>,
}

/// Asks the scheduler.
pub struct Planner {
    policy: Policy,
    disks: Vec<PathBuf>,
    min_free_disk_mb: u64,
    /// The gates that the world was told of last, by run.
    told: HashMap<RunId, Vec<&'static str>>,
}

impl Planner {
    /// A planner for this policy. Nothing starts while the disk of one of these directories has less than
    /// `min_free_disk_mb` MiB free; 0 = never mind.
    pub fn new(policy: Policy, disks: Vec<PathBuf>, min_free_disk_mb: u64) -> Self {
        Planner {
            policy,
            disks,
            min_free_disk_mb,
            told: HashMap::new(),
        }
    }

    /// The policy that it asks with.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What to start now, and what holds everybody else.
    pub(super) async fn plan(
        &self,
        reader: &Reader,
        now: Time,
        around: Around,
    ) -> Result<Schedule, StoreError> {
        let mut queue: Queue = reader.queue_snapshot().await?;
        if queue.waiting.is_empty() {
            return Ok(Schedule::default());
        }
        queue.draining = around.draining;
        queue.locked = around.locked;
        queue.read_only = self.read_only(now).or(around.unwritable);
        queue.disk = self.low_disk(now);
        Ok(plan(&queue, &self.policy, now))
    }

    /// The runs whose gates are others than the world was told last, with their gates.
    pub(super) fn changed_gates(&mut self, schedule: &Schedule) -> Vec<(RunId, Vec<Gate>)> {
        let mut told = HashMap::new();
        let mut changed = Vec::new();
        for held in &schedule.held {
            let id = RunId(held.id.clone());
            let names: Vec<&'static str> = held.gates.iter().map(Gate::name).collect();
            if self.told.get(&id) != Some(&names) {
                changed.push((id.clone(), held.gates.clone()));
            }
            told.insert(id, names);
        }
        self.told = told;
        changed
    }

    /// Why nothing at all can be written where runs are kept; `None` when something can.
    pub(super) fn takes_nothing(&self, now: Time) -> Option<Unwritable> {
        self.read_only(now).or_else(|| self.full(now))
    }

    /// A disk without a single free block, however much room is asked for.
    fn full(&self, now: Time) -> Option<Unwritable> {
        let is_full = |dir: &&PathBuf| {
            rustix::fs::statvfs(dir.as_path()).is_ok_and(|it| it.f_blocks > 0 && it.f_bavail == 0)
        };
        let dir = self.disks.iter().find(is_full)?;
        Some(Unwritable {
            until: now.plus_ms(DISK_LOOK_MS),
            message: format!("the disk of {} is full; make room", dir.display()),
        })
    }

    fn read_only(&self, now: Time) -> Option<Unwritable> {
        let dir = self.disks.iter().find(|dir| is_read_only(dir))?;
        Some(Unwritable {
            until: now.plus_ms(DISK_LOOK_MS),
            message: format!(
                "{} is on a file system that is mounted read-only; mount it for writing",
                dir.display()
            ),
        })
    }

    fn low_disk(&self, now: Time) -> Option<LowDisk> {
        if self.min_free_disk_mb == 0 {
            return None;
        }
        self.disks.iter().find_map(|dir| self.low_disk_of(dir, now))
    }

    fn low_disk_of(&self, dir: &Path, now: Time) -> Option<LowDisk> {
        let stat = match rustix::fs::statvfs(dir) {
            Ok(stat) => stat,
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "failed to look at the disk");
                return None;
            }
        };
        let free_mb = stat.f_bavail.saturating_mul(stat.f_frsize) >> 20;
        (free_mb < self.min_free_disk_mb).then(|| LowDisk {
            until: now.plus_ms(DISK_LOOK_MS),
            message: format!(
                "{free_mb} MiB free on the disk of {}, {} needed (min_free_disk_mb)",
                dir.display(),
                self.min_free_disk_mb
            ),
        })
    }
}
