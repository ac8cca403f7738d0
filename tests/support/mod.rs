//! What several suites share: a scratch repository, and a daemon in this process over a real store, real git and real
//! keepers. Only the model behind the agent is missing: the scripted agent plays instead, or, for real agents, a server.

pub mod agents;
mod asking;
mod clock;
mod disk;
mod dying;
mod house;
mod ordinary;
mod processes;
mod repository;
mod script;
mod turnstile;
mod untried;

pub use asking::{PATIENCE, RESUME, RETRY, eventually};
pub use clock::Clock;
pub use disk::Disk;
pub use dying::{keeper_in, kill_keeper, stored_by_the_dead};
pub use house::{House, Options, request};
pub use ordinary::{as_an_ordinary_user, with_mode};
pub use processes::{is_alive, processes_of};
pub use repository::Repository;
pub use script::executable;
pub use turnstile::Turnstile;
pub use untried::not_tried;
