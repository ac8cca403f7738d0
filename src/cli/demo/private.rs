//! A daemon of the demo's own: its own data directory, a free port of the loopback, embedded defaults. It ends with the
//! demo, whatever becomes of it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::error::Error;

/// The hidden subcommand under which any of our binaries is the daemon; [`crate::serve`] answers to it.
const LOOPD_SUBCOMMAND: &str = "__loopd";

/// The daemon; ended when this is dropped.
pub struct PrivateDaemon {
    child: Child,
    /// Where it listens.
    pub addr: String,
}

impl PrivateDaemon {
    /// Starts it. It may not be ready yet; the readiness probe is there for that.
    ///
    /// # Errors
    /// No free port, or a binary that cannot be started.
    pub fn start(home: &Path) -> Result<Self, Error> {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|e| Error::local("find a free port", e))?
            .port();
        let addr = format!("http://127.0.0.1:{port}");
        // A demo that is interrupted leaves no step behind, either.
        let config = home.join("config/loopd");
        std::fs::create_dir_all(&config)
            .and_then(|()| std::fs::write(config.join("config.toml"), "shutdown = \"stop\"\n"))
            .map_err(|e| Error::local("write the demo's configuration", e))?;
        let log = std::fs::File::create(home.join("loopd.log"))
            .map_err(|e| Error::local("write the demo's log", e))?;
        let child = Command::new("/proc/self/exe")
            .arg(LOOPD_SUBCOMMAND)
            .args(["--addr", &addr, "--data-dir"])
            .arg(home.join("data"))
            // The user's own configuration would make this another demo.
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env_remove("LOOP_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|e| Error::local("start the demo's daemon", e))?;
        Ok(PrivateDaemon { child, addr })
    }

    /// Ends it in good order.
    pub fn end(mut self) {
        self.terminate();
    }

    fn terminate(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Gone already is as good.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

impl Drop for PrivateDaemon {
    fn drop(&mut self) {
        self.terminate();
    }
}
