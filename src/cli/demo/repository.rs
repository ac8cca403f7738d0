//! The demo's scratch repository: a spec, a plan with two tasks, and a test that fails until the work is done.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::error::Error;

/// Where the spec is.
pub const SPEC: &str = "specs/greet.md";

const FILES: &[(&str, &str)] = &[
    (
        SPEC,
        "# Greet\n\nA shell script `greet.sh` that greets: `greet.sh Ada` prints `Hello, Ada!`.\nWith nobody to greet it greets the world.\n",
    ),
    (
        "specs/planning/greet-plan.md",
        "# Plan\n\n- [ ] `greet.sh NAME` prints `Hello, NAME!`\n- [ ] without a name it greets the world\n\n## Manual QA\n- [ ]? Read the greeting aloud\n",
    ),
    (
        "tests/greet_test.sh",
        "# Fails until greet.sh greets by name.\nsaid=$(sh greet.sh Ada) || exit 1\n[ \"$said\" = 'Hello, Ada!' ] || { echo \"expected 'Hello, Ada!', got '$said'\"; exit 1; }\n",
    ),
];

/// Makes the repository in `dir`, with everything committed on `main`.
///
/// # Errors
/// No git, or a disk that cannot be written.
pub fn make(dir: &Path) -> Result<(), Error> {
    for (path, text) in FILES {
        let path = dir.join(path);
        let write = || {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&path, text)
        };
        write().map_err(|e| Error::local("write the demo's files", e))?;
    }
    git(dir, &["init", "--quiet", "--initial-branch=main"])?;
    git(dir, &["config", "user.name", "loopd demo"])?;
    git(dir, &["config", "user.email", "demo@localhost"])?;
    git(dir, &["config", "commit.gpgsign", "false"])?;
    git(dir, &["add", "--all"])?;
    git(
        dir,
        &[
            "commit",
            "--quiet",
            "--no-verify",
            "--message",
            "Begin with a spec, a plan and a failing test",
        ],
    )?;
    Ok(())
}

/// What git prints for these arguments.
///
/// # Errors
/// No git, or a call that it refuses.
pub fn git(dir: &Path, args: &[&str]) -> Result<String, Error> {
    let out = Command::new("git")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .map_err(|e| Error::local("run git (is it installed?)", e))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        return Err(Error::local(
            format!("git {}", args.first().copied().unwrap_or_default()),
            std::io::Error::other(said),
        ));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
