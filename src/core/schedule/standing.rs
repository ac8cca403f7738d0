//! The *standing* gates: those of a queued run that no start in the same plan can open or shut. Which gates there are at all
//! is in `gate`; the caps, which every start of the plan uses up, are in `slots`.

use super::gate::Gate;
use super::{Dependency, DependencyState, NotBefore, Queue, Wait, Waiting};
use crate::core::time::Time;
use std::collections::HashMap;

/// What is known of the outside at one time, indexed for asking once per run.
pub(super) struct Outside<'a> {
    queue: &'a Queue,
    limited: HashMap<&'a str, Time>,
    now: Time,
}

impl<'a> Outside<'a> {
    pub(super) fn new(queue: &'a Queue, now: Time) -> Self {
        let mut limited = HashMap::new();
        for limit in queue.limited.iter().filter(|limit| limit.until > now) {
            let until = limited
                .entry(limit.provider.as_str())
                .or_insert(limit.until);
            *until = limit.until.max(*until);
        }
        Outside {
            queue,
            limited,
            now,
        }
    }

    /// Every gate of `run` that no start of this plan can open or shut, in the order of the enum.
    pub(super) fn standing(&self, run: &Waiting, step_alive: bool) -> Vec<Gate> {
        let mut gates = Vec::new();
        if let Some(until) = self.limited.get(run.provider.as_str()) {
            gates.push(Gate::ProviderLimited {
                provider: run.provider.clone(),
                until: *until,
            });
        }
        if let Some(wait) = run.not_before.as_ref().filter(|wait| wait.until > self.now) {
            gates.push(waiting(wait));
        }
        gates.extend(run.after.iter().filter_map(dependency));
        if step_alive {
            gates.push(Gate::PreviousStepAlive);
        }
        if self.queue.draining {
            gates.push(Gate::Draining);
        }
        if let Some(disk) = self
            .queue
            .disk
            .as_ref()
            .filter(|disk| disk.until > self.now)
        {
            gates.push(Gate::LowDisk {
                until: disk.until,
                message: disk.message.clone(),
            });
        }
        if let Some(it) = self
            .queue
            .read_only
            .as_ref()
            .filter(|it| it.until > self.now)
        {
            gates.push(Gate::Unwritable {
                until: it.until,
                message: it.message.clone(),
            });
        }
        if let Some(lock) = self
            .queue
            .locked
            .as_ref()
            .filter(|lock| lock.until > self.now)
        {
            gates.push(Gate::Locked {
                until: lock.until,
                message: lock.message.clone(),
            });
        }
        gates
    }
}

fn waiting(wait: &NotBefore) -> Gate {
    let (until, message) = (wait.until, wait.message.clone());
    match wait.why {
        Wait::Limit => Gate::Limit { until, message },
        Wait::Disk => Gate::Disk { until, message },
        Wait::ReadOnly => Gate::ReadOnly { until, message },
    }
}

fn dependency(dependency: &Dependency) -> Option<Gate> {
    let on = dependency.id.clone();
    match dependency.state {
        DependencyState::Completed => None,
        DependencyState::Pending => Some(Gate::Dependency { on }),
        DependencyState::Failed => Some(Gate::DependencyFailed { on }),
        DependencyState::Unknown => Some(Gate::DependencyUnknown { on }),
    }
}
