//! A small disk of a test's own, that can be filled to the last byte.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::not_tried;

/// A disk, mounted for as long as this lives.
pub struct Disk(pub PathBuf);

impl Disk {
    /// A disk of so many MiB at `dir`; `None`, with a line that says so, where this user can mount none.
    pub fn at(dir: &Path, mb: u32) -> Option<Disk> {
        if !rustix::process::geteuid().is_root() {
            not_tried("a disk of its own", "only root can mount one");
            return None;
        }
        std::fs::create_dir_all(dir).expect("a directory");
        let options = format!("size={mb}m,mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir)
            .status();
        assert!(mounted.expect("mount runs").success());
        Some(Disk(dir.to_owned()))
    }

    /// Fills it to the last byte; the file that does, which gives the room back when it is removed.
    pub fn fill(&self) -> PathBuf {
        use std::io::Write as _;
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).expect("a file");
        for size in [1 << 16, 1 << 9, 1] {
            let bytes = vec![0; size];
            while file.write_all(&bytes).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
