//! A disk that is full while runs are at work: they wait for room by a named gate, what became of a step is kept, and they
//! go on by themselves. Places that cannot be written for another reason are in `read_only`.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use agent_loop::core::run::{RunId, State};
use agent_loop::effect::keeper::{self, Found};
use agent_loop::store;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::at_work::{
    WAITING, at_work, ends_well, is_ready_again, state, tells_of_both, until, waiting,
};
use super::mortal::Dead;
use super::outside::Outside;
use super::scenario::Wish;
use super::scene::Scene;
use crate::support::{Disk, PATIENCE};

/// Tries to write into a directory, as a watcher beside it sees them.
struct Tries {
    watch: OwnedFd,
    given_up: usize,
}

impl Tries {
    fn below(dir: &Path) -> Tries {
        let flags = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        let watch = inotify::init(flags).expect("inotify");
        inotify::add_watch(&watch, dir, WatchFlags::DELETE).expect("a watch");
        Tries { watch, given_up: 0 }
    }

    /// How many files have been begun there and taken away again.
    fn given_up(&mut self) -> usize {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.watch, &mut buffer);
        while events.next().is_ok() {
            self.given_up += 1;
        }
        self.given_up
    }
}

/// The directory of the step at which the run is.
async fn step_dir(scene: &Scene, daemon: &Outside, id: &RunId) -> PathBuf {
    let steps = daemon.reader().steps(id).await.expect("readable");
    let last = steps.last().expect("a step").generation;
    let dir = format!("runs/run-{id}/steps/{last}");
    scene.data().join(dir)
}

#[tokio::test]
async fn runs_wait_for_a_full_disk_by_a_named_gate_and_go_on_by_themselves() {
    let scene = Scene::new(&WAITING);
    let Some(disk) = Disk::at(&scene.data(), 6) else {
        return;
    };
    let (daemon, runs) = at_work(&scene, &[]).await;
    let dir = step_dir(&scene, &daemon, &runs[0]).await;
    let filler = disk.fill();
    let mut tries = Tries::below(&dir);
    // The agent ends while nobody can write down that it has.
    std::fs::remove_file(waiting(&scene)).expect("a file");
    until("the keeper finds no room, again and again", async || {
        let found = keeper::find(&dir).expect("no half of a record");
        assert!(matches!(found, Found::Alive(_)), "{found:?}");
        tries.given_up() > 1
    })
    .await;
    until("the second run is held for the disk", async || {
        let why = daemon.get(&format!("/runs/{}/why", runs[1])).await;
        why["gates"].to_string().contains("low_disk")
    })
    .await;
    assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    assert_eq!(state(&daemon, &runs[1]).await, State::Queued);
    tells_of_both(&daemon, &runs, "unwritable", "is full").await;
    std::fs::remove_file(filler).expect("a file");
    ends_well(&scene, daemon, &runs).await;
}

#[tokio::test]
async fn a_report_that_a_full_disk_keeps_from_the_store_is_told_of_its_run() {
    let scene = Scene::new(&WAITING);
    let Some(disk) = Disk::at(&scene.data(), 6) else {
        return;
    };
    let (daemon, runs) = at_work(&scene, &[]).await;
    // Its end is on record, and its report waits, before the disk fills.
    let stranger = rusqlite::Connection::open(store::file(&scene.data())).expect("opens");
    stranger.execute_batch("BEGIN IMMEDIATE").expect("locks");
    std::fs::remove_file(waiting(&scene)).expect("a file");
    tells_of_both(&daemon, &runs, "locked", "another process holds its lock").await;
    let filler = disk.fill();
    stranger.execute_batch("ROLLBACK").expect("unlocks");
    tells_of_both(&daemon, &runs, "unwritable", "write to the database").await;
    until("the second run is held by the store", async || {
        let why = daemon.get(&format!("/runs/{}/why", runs[1])).await;
        let gates = why["gates"].to_string();
        gates.contains("unwritable") && gates.contains("the disk is full")
    })
    .await;
    assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    std::fs::remove_file(filler).expect("a file");
    is_ready_again(&daemon).await;
    ends_well(&scene, daemon, &runs).await;
}

#[tokio::test]
async fn what_became_of_a_step_is_kept_until_the_database_has_room_for_it() {
    let scene = Scene::new(&WAITING);
    let Some(disk) = Disk::at(&scene.data(), 6) else {
        return;
    };
    // Only the database has no room: the step itself ends in good order.
    let _scratch = Disk::at(&scene.data().join("scratch"), 16);
    let settings = scene.outside().join("home/.config/loopd");
    std::fs::create_dir_all(&settings).expect("a directory");
    let elsewhere = format!("global_log_dir = {:?}\n", scene.outside().join("files"));
    std::fs::write(settings.join("config.toml"), elsewhere).expect("a file");
    let (daemon, runs) = at_work(&scene, &[]).await;
    let filler = disk.fill();
    let said = async {
        // What the database has reserved is used up, too.
        for wish in [Wish::Pause, Wish::Resume].into_iter().cycle() {
            if let Err(Dead(said)) = daemon.operate(&runs[1], wish).await {
                return said;
            }
        }
        String::new()
    };
    let said = tokio::time::timeout(PATIENCE, said).await;
    let said = said.expect("the disk is full");
    assert!(said.contains("full"), "{said}");
    std::fs::remove_file(waiting(&scene)).expect("a file");
    until("the report cannot be stored", async || {
        let log = scene.noted("loopd.log");
        log.contains("failed to store a report")
    })
    .await;
    assert_eq!(state(&daemon, &runs[0]).await, State::Running);
    std::fs::remove_file(filler).expect("a file");
    until("the second run is in the queue again", async || {
        daemon.operate(&runs[1], Wish::Resume).await.is_ok()
    })
    .await;
    ends_well(&scene, daemon, &runs).await;
}
