//! The scheduler: a pure function from a queue and a policy to starts, gates, positions and the next wake-up.
//!
//! [`plan`] proposes and never applies: it looks at a snapshot, and its answer also explains, for each run that it
//! does not start, everything that holds it. Not here: claiming (the engine does, one by one, and the machine may still
//! refuse), measuring the outside (disk, locks), and storing the counts of overtaking that the answer carries.
//!
//! | word | meaning |
//! |---|---|
//! | *waiting* | queued: wants a slot |
//! | *slot* | what an active run holds, and any run whose step is not yet known to be gone |
//! | *gate* | a true sentence about why a run is not started now, and what would open it |
//! | *overtaken* | a younger run of the same priority was started while this one could have been |

mod gate;
mod line;
mod plan;
mod policy;
mod queue;
mod slots;
mod standing;
mod tally;

pub use gate::Gate;
pub use plan::{Held, Overtaken, Schedule, plan};
pub use policy::{Order, Policy};
pub use queue::{
    Dependency, DependencyState, LowDisk, NotBefore, Occupied, ProviderLimit, Queue, RunRef,
    StoreLock, Unwritable, Wait, Waiting,
};
