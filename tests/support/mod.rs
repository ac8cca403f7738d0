//! What several suites share: a scratch repository, and a daemon in this process over a real store, real git and real
//! keepers. Only the model behind the agent is missing: the scripted agent plays instead, or, for real agents, a server.

pub mod agents;
mod asking;
mod clock;
mod disk;
mod house;
mod processes;
mod repository;
mod turnstile;
mod untried;

pub use asking::{PATIENCE, eventually};
pub use clock::Clock;
pub use disk::Disk;
pub use house::{House, Options, request};
pub use processes::{is_alive, processes_of};
pub use repository::Repository;
pub use turnstile::Turnstile;
pub use untried::not_tried;
