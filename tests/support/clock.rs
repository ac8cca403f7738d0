//! A clock that a test moves: the wall clock of a process that is started with its environment.

use std::path::{Path, PathBuf};

pub struct Clock {
    library: PathBuf,
    ahead: PathBuf,
}

impl Clock {
    /// One that goes right, with its files in that directory.
    pub fn in_dir(dir: &Path) -> Clock {
        let library = dir.join("clock.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/clock.c");
        let built = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(source)
            .status();
        let built = built.expect("a C compiler, which SQLite needs, too");
        assert!(built.success());
        let ahead = dir.join("clock");
        let clock = Clock { library, ahead };
        clock.set(0);
        clock
    }

    /// How far it is ahead from now on, in seconds; behind, where that is negative.
    pub fn set(&self, ahead: i64) {
        std::fs::write(&self.ahead, ahead.to_string()).expect("a file");
    }

    /// What a process is started with that goes by it.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("LOOPD_TEST_CLOCK", self.ahead.clone()),
        ]
    }
}
