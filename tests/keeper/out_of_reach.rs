//! What a keeper cannot reach: processes that it may not signal, strangers that write into its pipes, sessions and pids that
//! are not its own. It says so, waits for none of them, and ends none of them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use agent_loop::effect::confine::Fence;
use agent_loop::effect::keeper::{self, Found, Handle, KeeperError, OsText, reap_survivors};
use agent_loop::effect::proc;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::adopting::forge;
use super::step::{Bystander, EXE, Step, Succeeded as _, exited};
use crate::sandbox::{landlock, signals_are_confined};
use crate::support::{PATIENCE, not_tried};

/// Does something on a thread that, with all that it starts, may write everywhere and signal nobody outside: to it, every
/// process of the test is like another user's.
pub fn without_signals<T: Send + 'static>(work: impl AsyncFnOnce() -> T + Send + 'static) -> T {
    let fenced = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let fence = Fence::around(&[OsText::from("/")], &[]).expect("a fence");
        fence.enter().expect("the thread enters");
        runtime.block_on(work())
    });
    fenced.join().expect("the thread ends well")
}

/// Whether this kernel keeps signals inside of a fence and lets us, as the user that we are, look beyond it nevertheless. If
/// not, a line says that nothing was tried.
pub fn sees_whom_it_may_not_signal() -> bool {
    if !landlock() || !signals_are_confined() {
        return false;
    }
    let marker = keeper::marker(&uuid::Uuid::now_v7().to_string());
    let stranger = Bystander::carrying(&marker);
    let pid = stranger.pid().cast_signed();
    let seen = without_signals(async move || proc::has_env(pid, marker.as_ref()));
    if !seen.expect("/proc") {
        not_tried(
            "processes out of reach",
            "on this kernel this user does not see whom it may not signal",
        );
        return false;
    }
    true
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, what).await;
    waited.expect("it does not wait for ever")
}

#[test]
fn what_may_not_be_ended_is_on_record_and_nobody_waits_for_it() {
    if !sees_whom_it_may_not_signal() {
        return;
    }
    let mut step = Step::of(&["echo done"]);
    step.job.grace_ms = 300;
    let mut stranger = Bystander::carrying(&step.job.marker);
    let (dir, marker) = (step.dir().to_owned(), step.job.marker.clone());
    let exit = without_signals(async move || in_time(step.run()).await);
    assert!(exit.succeeded(), "{exit:?}");
    let told = format!("(pid {})", stranger.pid());
    assert!(
        exit.survivors.len() == 1 && exit.survivors[0].ends_with(&told),
        "{exit:?}"
    );
    assert_eq!(exit.left_behind, [""; 0], "it was not ended");
    // The same when a daemon looks for what a lost keeper has left.
    let reaped = without_signals(async move || in_time(reap_survivors(&dir, &marker)).await);
    let reaped = reaped.expect("it is looked for");
    assert_eq!(reaped.ended, 0);
    assert!(
        reaped.survivors.len() == 1 && reaped.survivors[0].ends_with(&told),
        "{reaped:?}"
    );
    assert!(stranger.lives());
}

#[tokio::test]
async fn a_stranger_that_fills_the_output_for_ever_is_left_to_it() {
    let step = Step::of(&["echo $$ >gate; read x <go; exit 5"]);
    let (gate, _go) = (step.gate("gate"), step.gate("go"));
    let handle = step.start().await;
    let pid = gate.passed().await;
    // Faster than anybody reads, and until nobody does any more.
    let strangers = [(); 4].map(|()| {
        let pipe = std::fs::File::options()
            .write(true)
            .open(format!("/proc/{pid}/fd/1"));
        let mut pipe = pipe.expect("the command's output");
        std::thread::spawn(move || while pipe.write_all(&[b'x'; 1 << 20]).is_ok() {})
    });
    std::fs::write(step.dir().join("go"), "go\n").expect("the pipe");
    let exit = exited(in_time(handle.wait()).await.expect("it ends"));
    assert_eq!(exit.commands[0].exit_code, Some(5));
    for stranger in strangers {
        stranger.join().expect("nobody reads any more");
    }
}

#[tokio::test]
async fn a_command_that_ends_its_own_group_ends_nobody_else() {
    let step = Step::of(&["kill -9 0", "echo next"]);
    let exit = step.run().await;
    assert_eq!(exit.commands[0].signal, Some(9));
    assert!(exit.commands[1].succeeded());
    assert_eq!(step.output(1), "next\n");
}

#[tokio::test]
async fn of_a_step_without_files_the_keeper_is_ended_before_it_begins_the_next_command() {
    let step = Step::of(&[
        "trap '' TERM; echo up >gate; while :; do sleep 1; done",
        "exec sleep 1000",
    ]);
    let gate = step.gate("gate");
    let handle = step.start().await;
    gate.passed().await;
    let keeper = handle.record().expect("it lives").identity;
    // Nothing tells of it any more but its processes.
    for name in ["keeper.json", "keeper.lock", "start.lock"] {
        std::fs::remove_file(step.dir().join(name)).expect("removed");
    }
    let marker = step.job.marker.clone().into_bytes();
    let knows = move |entry: &[u8]| entry == marker;
    assert!(keeper::has_strays(knows.clone()).await.expect("it looks"));
    let reaped = in_time(keeper::end_strays(knows))
        .await
        .expect("it ends them");
    assert!(
        reaped.ended >= 2 && reaped.survivors.is_empty(),
        "{reaped:?}"
    );
    assert!(
        proc::open(keeper).expect("readable").is_none(),
        "it is gone"
    );
    assert_eq!(step.marked(), [""; 0]);
    assert!(
        !step.dir().join("out-1").exists(),
        "the second one never began"
    );
    assert!(!step.dir().join("exit.json").exists());
}

#[tokio::test]
async fn whoever_has_started_a_stray_and_is_no_keeper_is_left_alone() {
    let marker = keeper::marker(&uuid::Uuid::now_v7().to_string());
    let script = format!("{marker} sleep 1000; read x");
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", &script]).stdin(Stdio::piped());
    let mut stranger = Bystander::of(shell);
    let marker = marker.into_bytes();
    let knows = move |entry: &[u8]| entry == marker;
    crate::support::eventually(async || {
        let seen = keeper::has_strays(knows.clone()).await.expect("it looks");
        seen.then_some(())
    })
    .await;
    let reaped = in_time(keeper::end_strays(knows))
        .await
        .expect("it ends them");
    assert_eq!(reaped.ended, 1);
    assert!(stranger.lives());
}

#[tokio::test]
async fn a_strangers_session_is_not_ended_for_its_number() {
    let step = Step::of(&["true"]);
    let mut leader = Command::new("setsid");
    leader.args(["sleep", "1000"]);
    let mut stranger = Bystander::of(&mut leader);
    let pid = stranger.pid().cast_signed();
    crate::support::eventually(async || {
        let stat = proc::stat(pid).expect("it lives");
        (stat.session == pid).then_some(())
    })
    .await;
    // It has the pid of the keeper, which is gone.
    forge(&step, |r| r.identity.start_time -= 1, stranger.pid());
    let reaped = reap_survivors(step.dir(), &step.job.marker).await;
    assert_eq!(reaped.expect("fine").ended, 0);
    assert!(stranger.lives());
}

#[tokio::test]
async fn a_session_without_its_leader_is_a_keepers_of_this_boot_only() {
    let step = Step::of(&["true"]);
    let mut leader = Command::new("setsid")
        .args(["sh", "-c", "sleep 1000 >/dev/null & echo $!"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a session");
    let mut said = String::new();
    let output = leader.stdout.as_mut().expect("its output");
    output.read_to_string(&mut said).expect("a line");
    leader.wait().expect("it ends");
    let member: i32 = said.trim().parse().expect("a pid");
    let identity = proc::stat(member).expect("it lives").identity;
    let gone = leader.id().cast_signed();
    let lives = || proc::open(identity).expect("readable").is_some();
    let led = |boot: Option<&str>| {
        forge(
            &step,
            |r| {
                r.identity.pid = gone;
                r.boot_id = boot.map_or(r.boot_id.clone(), str::to_owned);
            },
            std::process::id(),
        );
    };
    led(Some("another"));
    let reaped = reap_survivors(step.dir(), &step.job.marker).await;
    assert_eq!(reaped.expect("fine").ended, 0);
    assert!(lives());
    led(None);
    let reaped = reap_survivors(step.dir(), &step.job.marker).await;
    assert_eq!(reaped.expect("fine").ended, 1);
    assert!(!lives());
}

/// Not a test of its own: the daemon of the next one.
#[tokio::test]
#[ignore = "played by another test"]
async fn plays_a_daemon_inside_of_a_step() {
    let Some(dir) = std::env::var_os("KEEPER_TEST_DIR").map(PathBuf::from) else {
        return;
    };
    let marker = std::env::var("KEEPER_TEST_MARKER").expect("a marker");
    let mut other = Command::new("sleep");
    let other = other.arg("1000").env_clear().stdout(Stdio::null());
    let mut other = Bystander::of(other);
    let reaped = reap_survivors(&dir, &marker).await.expect("it looks");
    println!("\nended {}, other lives: {}", reaped.ended, other.lives());
}

#[tokio::test]
async fn a_daemon_that_works_inside_of_a_step_ends_neither_itself_nor_its_own() {
    let step = Step::of(&["true"]);
    let (name, value) = step.job.marker.split_once('=').expect("a marker");
    // A shell of the step's, and in it a daemon that has the step's environment.
    let mut shell = Command::new("/bin/sh")
        .args(["-c", "trap '' TERM; \"$0\" \"$@\"; :"])
        .arg(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "keeper::out_of_reach::plays_a_daemon_inside_of_a_step",
            "--ignored",
            "--nocapture",
        ])
        .env("KEEPER_TEST_DIR", step.dir())
        .env("KEEPER_TEST_MARKER", &step.job.marker)
        .env(name, value)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let said = BufReader::new(shell.stdout.take().expect("its output"));
    let said: Vec<String> = said.lines().map_while(Result::ok).collect();
    shell.wait().expect("it ends");
    assert!(
        said.contains(&"ended 1, other lives: true".to_owned()),
        "the shell alone: {said:?}"
    );
}

#[tokio::test]
async fn the_worktree_is_free_when_the_end_is_on_record() {
    let mut step = Step::of(&["true"]);
    let lock = step.dir().join("worktree.lock");
    std::fs::write(&lock, "").expect("a file");
    step.job.worktree_lock = Some(lock.clone().into());
    let records = inotify::init(CreateFlags::CLOEXEC).expect("inotify");
    inotify::add_watch(&records, step.dir(), WatchFlags::MOVED_TO).expect("a watch");
    let free = tokio::task::spawn_blocking({
        let dir = step.dir().to_owned();
        move || free_at_its_end(&records, &dir, &lock)
    });
    let exit = step.run().await;
    assert!(exit.succeeded(), "{exit:?}");
    assert!(free.await.expect("it was looked at"), "at once");
}

/// Waits for the record of the end; whether nobody holds the lock then.
fn free_at_its_end(records: &OwnedFd, dir: &Path, lock: &Path) -> bool {
    while !dir.join("exit.json").exists() {
        rustix::io::read(records, &mut [0_u8; 4096]).expect("a record");
    }
    let lock = std::fs::File::open(lock).expect("a file");
    lock.try_lock().is_ok()
}

#[tokio::test]
async fn who_comes_while_another_one_starts_waits_until_that_one_is_on_record() {
    let step = Step::of(&["echo ran"]);
    let lock = |name: &str| {
        let lock = std::fs::File::create(step.dir().join(name)).expect("a file");
        lock.lock().expect("a lock");
        lock
    };
    // As one that is just starting holds them.
    let (starting, life) = (lock("start.lock"), lock("keeper.lock"));
    let inode = rustix::fs::fstat(&starting).expect("a file").st_ino;
    let (dir, job) = (step.dir().to_owned(), step.job.clone());
    let second: tokio::task::JoinHandle<Result<Handle, KeeperError>> =
        tokio::spawn(async move { keeper::start(&dir, &job, Path::new(EXE)).await });
    crate::support::eventually(async || {
        assert!(!second.is_finished(), "it does not come up before");
        let waits = format!(":{inode} ");
        let locks = std::fs::read_to_string("/proc/locks").expect("locks");
        let waiting = locks
            .lines()
            .any(|it| it.contains("->") && it.contains(&waits));
        waiting.then_some(())
    })
    .await;
    drop((life, starting));
    let handle = second.await.expect("no panic").expect("it comes up");
    assert!(exited(handle.wait().await.expect("it ends")).succeeded());
    assert!(matches!(keeper::find(step.dir()), Ok(Found::Exited(_))));
}

#[tokio::test]
async fn the_end_of_a_long_output_is_held_in_little_memory() {
    let script = "head -c 110000000 /dev/zero";
    let mut step = Step::of(&[script, "grep VmHWM /proc/$PPID/status"]);
    step.job.commands[0].max_output_bytes = 100_000_000;
    let exit = tokio::time::timeout(Duration::from_secs(300), step.run()).await;
    let exit = exit.expect("it ends");
    assert!(exit.succeeded() && exit.commands[0].truncated, "{exit:?}");
    let kept = step.bytes(0).len() as u64;
    assert!((100_000_000..100_000_100).contains(&kept), "{kept} bytes");
    let peak = step.output(1);
    let peak = peak.split_whitespace().nth(1).and_then(|n| n.parse().ok());
    let peak: u64 = peak.expect("a number");
    assert!(peak < 40 << 10, "{peak} KiB");
}
