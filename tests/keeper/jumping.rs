//! A keeper whose wall clock jumps by hours, as where a machine wakes up or is told the right time: what a command may
//! take is measured by another clock, so that it gets all of its time and no more. The daemon's own clock is another test's.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use agent_loop::effect::keeper::{CommandRecord, Handle, Stopped};

use super::step::{EXE, Step, exited};
use crate::support::{Clock, PATIENCE, eventually};

const TWO_HOURS_SEC: i64 = 2 * 3600;

/// A step whose keeper goes by a clock of the test's. Its environment is empty, so that a program has to bring it along.
struct Jumping {
    step: Step,
    clock: Clock,
}

impl Jumping {
    fn of(script: &str) -> Self {
        let step = Step::of(&[script]);
        let clock = Clock::in_dir(step.dir());
        Jumping { step, clock }
    }

    fn program(&self) -> PathBuf {
        let path = self.step.dir().join("loopd");
        let environment = self.clock.environment();
        let environment = environment.map(|(name, value)| format!("{name}='{}'", value.display()));
        let text = format!(
            "#!/bin/sh\nexec env {} {EXE} \"$@\"\n",
            environment.join(" ")
        );
        std::fs::write(&path, text).expect("a file");
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&path, mode).expect("it may be run");
        path
    }

    async fn start(&self) -> Handle {
        self.step.start_by(&self.program()).await
    }

    async fn ended(handle: Handle) -> CommandRecord {
        let ended = tokio::time::timeout(PATIENCE, handle.wait()).await;
        let ended = ended.expect("its time is over").expect("it is waited for");
        exited(ended).commands.remove(0)
    }
}

/// How often the keeper has looked around: the script, which says nothing, counts.
fn rounds(dir: &Path) -> u64 {
    let rounds = std::fs::metadata(dir.join("rounds"));
    rounds.map_or(0, |rounds| rounds.len())
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_ends_no_command() {
    // An orphan that has ended is gone when the keeper has looked around; a round is over then.
    let mut jumping = Jumping::of(
        "while [ ! -e go ]; do
           p=$(sleep 0 >/dev/null & echo $!)
           while [ -e /proc/$p ]; do sleep 0.02; done
           printf . >>rounds
         done",
    );
    let command = &mut jumping.step.job.commands[0];
    command.timeout_ms = Some(600_000);
    command.idle_timeout_ms = Some(600_000);
    let handle = jumping.start().await;
    let dir = jumping.step.dir();
    for hours in [1, 2, -1] {
        let before = rounds(dir);
        jumping.clock.set(hours * TWO_HOURS_SEC);
        // One may have been under way at the jump.
        eventually(async || (rounds(dir) > before + 2).then_some(())).await;
    }
    std::fs::write(dir.join("go"), "").expect("a file");
    let record = Jumping::ended(handle).await;
    assert_eq!((record.exit_code, record.stopped), (Some(0), None));
    assert!(record.duration_ms < 600_000, "{record:?}");
}

#[tokio::test]
async fn a_clock_that_jumps_back_gives_no_command_more_time() {
    for (timeout_ms, idle_timeout_ms, stopped) in [
        (2_000, None, Stopped::TimedOut),
        (600_000, Some(2_000), Stopped::Idle),
    ] {
        let mut jumping = Jumping::of("echo >gate; exec sleep 1000");
        let command = &mut jumping.step.job.commands[0];
        command.timeout_ms = Some(timeout_ms);
        command.idle_timeout_ms = idle_timeout_ms;
        let gate = jumping.step.gate("gate");
        let handle = jumping.start().await;
        gate.passed().await;
        jumping.clock.set(-TWO_HOURS_SEC);
        let record = Jumping::ended(handle).await;
        assert_eq!(record.stopped, Some(stopped));
        assert!(record.duration_ms >= 2_000, "{record:?}");
    }
}

#[tokio::test]
async fn the_keeper_of_these_tests_goes_by_that_clock() {
    let jumping = Jumping::of("true");
    let now_ms = jiff::Timestamp::now().as_millisecond();
    jumping.clock.set(-TWO_HOURS_SEC);
    let record = Jumping::ended(jumping.start().await).await;
    let behind_ms = now_ms - record.started_ms.0;
    assert!(behind_ms > 3600 * 1000, "{behind_ms} ms behind");
}
