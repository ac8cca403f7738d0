//! Drives one process to its end: bounded output, a timeout, nothing of it left when the caller loses interest.

use std::{io, process::ExitStatus, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::Child,
    time::timeout,
};

/// What is kept of git's complaints.
const STDERR_BYTES: usize = 64 << 10;
/// How long git may take to remove its lock files after it was told to end, and its children to let go of its output.
const GRACE: Duration = Duration::from_secs(2);

/// How a process ended, and what it printed.
#[derive(Debug)]
pub(in crate::effect) struct Ended {
    /// None: out of time, and made to end.
    pub status: Option<ExitStatus>,
    pub stdout: Vec<u8>,
    /// More was printed than was kept.
    pub cut: bool,
    pub stderr: Vec<u8>,
}

/// Feeds the process, which leads a group of its own, and keeps at most `cap` bytes of its output. Waits for the
/// process, not for the end of its output: a grandchild may hold that open. Dropped, it tells the group to end.
pub(in crate::effect) async fn drive(
    mut child: Child,
    input: &[u8],
    cap: usize,
    limit: Duration,
) -> io::Result<Ended> {
    let group = Group(
        child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw),
    );
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Kept::new(cap), Kept::new(STDERR_BYTES));
    let status = {
        let feed = async {
            if let Some(mut pipe) = stdin {
                // A git that ends without reading everything says why on its own.
                let _ = pipe.write_all(input).await;
            }
        };
        let pumps = async {
            tokio::join!(feed, out.pump(stdout), err.pump(stderr));
        };
        wait(&mut child, &group, pumps, limit).await
    };
    // It has ended: its number may soon be somebody else's.
    std::mem::forget(group);
    Ok(Ended {
        status: status?,
        stdout: out.bytes,
        cut: out.cut,
        stderr: err.bytes,
    })
}

async fn wait(
    child: &mut Child,
    group: &Group,
    pumps: impl Future<Output = ()>,
    limit: Duration,
) -> io::Result<Option<ExitStatus>> {
    tokio::pin!(pumps);
    let mut drained = false;
    let ended = timeout(limit, async {
        loop {
            tokio::select! {
                status = child.wait() => break status,
                () = &mut pumps, if !drained => drained = true,
            }
        }
    });
    let status = match ended.await {
        Ok(status) => Some(status?),
        Err(_) => {
            // Asked to end, git removes its lock files; killed, it cannot.
            group.signal(Signal::TERM);
            if timeout(GRACE, child.wait()).await.is_err() {
                group.signal(Signal::KILL);
                child.wait().await?;
            }
            None
        }
    };
    if !drained && timeout(GRACE, &mut pumps).await.is_err() {
        group.signal(Signal::KILL);
    }
    Ok(status)
}

/// The process group of a call: told to end when the call is dropped before it has ended.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

/// The head of a stream that is always read to its end.
struct Kept {
    bytes: Vec<u8>,
    cap: usize,
    cut: bool,
}

impl Kept {
    fn new(cap: usize) -> Kept {
        Kept {
            bytes: Vec::new(),
            cap,
            cut: false,
        }
    }

    async fn pump(&mut self, pipe: Option<impl AsyncRead + Unpin>) {
        let Some(mut pipe) = pipe else { return };
        let mut chunk = vec![0; 32 << 10];
        while let Ok(n @ 1..) = pipe.read(&mut chunk).await {
            let room = (self.cap - self.bytes.len()).min(n);
            self.bytes.extend_from_slice(&chunk[..room]);
            self.cut |= room < n;
        }
    }
}
