//! Programs of the tests' own: scripts that play a git, an agent or a forge.

use std::path::Path;
use std::process::Command;

/// Writes a script that can be run; by a child, because what this process has open for writing, no other thread of it can
/// execute.
pub fn executable(path: &Path, text: &str) {
    let make = "printf %s \"$1\" > \"$0\" && chmod +x \"$0\"";
    let made = Command::new("sh")
        .args(["-c", make])
        .arg(path)
        .arg(text)
        .status();
    assert!(made.expect("sh runs").success());
}
