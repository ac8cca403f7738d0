//! What a step may write: the fence itself, agents and checks that trespass, the three modes. Every confinement here is
//! the kernel's; on a machine without Landlock the tests that need it say loudly that they were not tried.

mod analysis;
mod branches;
mod fence;
mod modes;
mod said;
mod trespassing;

use std::path::PathBuf;

use agent_loop::core::step::Confinement;
use agent_loop::effect::confine::Kernel;

use crate::support::{House, Options, Repository, not_tried};

/// One task.
const ONE_TASK: &str = "# Plan\n\n- [ ] first thing\n";

/// Whether this kernel can confine a step wholly. If not, a line says that nothing was tried.
pub fn landlock() -> bool {
    let lacks = Kernel::of_this_machine().lacks();
    if lacks.is_empty() {
        return true;
    }
    not_tried("a whole sandbox", &lacks.join("; "));
    false
}

/// Whether this kernel keeps the signals of a step inside of its fence (Linux 6.12). If not, a line says that it was not tried.
pub fn signals_are_confined() -> bool {
    let confined = Kernel::of_this_machine().confines_signals();
    if !confined {
        not_tried("confined signals", "this kernel is older than Linux 6.12");
    }
    confined
}

/// A repository, a home and a daemon's data side by side, in no directory that a sandbox leaves open.
struct Estate {
    repo: Repository,
    house: House,
}

impl Estate {
    async fn new(plan: &str) -> Self {
        let repo = Repository::apart_from_temporary_files(plan);
        let home = repo.outside().join("home");
        std::fs::create_dir_all(home.join(".config")).expect("a home");
        std::fs::write(home.join(".profile"), "mine\n").expect("a file");
        let options = Options {
            environment: vec![("HOME", home.display().to_string())],
            ..Options::default()
        };
        let house = House::open(&repo.outside().join("data"), &options).await;
        Estate { repo, house }
    }

    fn home(&self) -> PathBuf {
        self.repo.outside().join("home")
    }
}

/// How far the only step of a phase was confined.
async fn confinement(house: &House, id: &agent_loop::core::run::RunId, phase: &str) -> Confinement {
    let step = house.steps(id, phase).await.remove(0);
    step.facts
        .confinement
        .expect("the step says how far it was confined")
}
