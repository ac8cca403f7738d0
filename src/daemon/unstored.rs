//! What cannot be written down at present, told of the runs that wait for it: a report that the store does not take, a disk
//! without room for any. Agents work on meanwhile; nothing is decided here.

use crate::core::run::RunId;
use crate::core::schedule::Gate;

/// What the daemon cannot store.
#[derive(Clone, Debug)]
pub struct Unstored {
    /// Why, and what to do.
    pub gate: Gate,
    /// The runs whose reports wait; `None` where it is every run at work.
    pub runs: Option<Vec<RunId>>,
}

impl Unstored {
    /// Whether this run, which is at work, waits for it.
    pub fn holds(&self, run: &RunId) -> bool {
        self.runs.as_ref().is_none_or(|runs| runs.contains(run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::schedule::Unwritable;
    use crate::core::time::Time;

    #[test]
    fn a_report_that_waits_holds_its_own_run_and_a_full_disk_every_one() {
        let [ours, other] = ["a", "b"].map(|id| RunId(id.to_owned()));
        let held_by = |runs: Option<Vec<RunId>>| {
            let unwritable = Unwritable {
                until: Time(0),
                message: "it is full".to_owned(),
            };
            let unstored = Unstored {
                gate: unwritable.into(),
                runs,
            };
            [&ours, &other].map(|run| unstored.holds(run))
        };
        assert_eq!(held_by(Some(vec![ours.clone()])), [true, false]);
        assert_eq!(held_by(Some(Vec::new())), [false, false]);
        assert_eq!(held_by(None), [true, true]);
    }
}
