//! What belongs to the daemon: its data directory, its token, and whether it answers.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Finding, Level, PATIENCE, finding};
use crate::cli::client::readiness::probe;
use crate::cli::context::Context;
use crate::cli::error::Error;

/// Nobody else may reach the data directory and the token.
pub(super) fn data_dir_modes(dir: Option<&Path>) -> Vec<Finding> {
    let Some(dir) = dir else {
        let hint = "set HOME, or give --data-dir";
        return vec![finding(
            "data dir",
            Level::Bad,
            "no place can be named for it",
            hint,
        )];
    };
    let mut findings = Vec::new();
    for (what, path, allowed) in [
        ("data dir", dir.to_owned(), 0o700),
        ("token", dir.join("token"), 0o600),
    ] {
        let shown = path.display().to_string();
        findings.push(
            match fs::metadata(&path).map(|m| m.permissions().mode() & 0o777) {
                Ok(mode) if mode & !allowed == 0 => finding(what, Level::Good, shown, ""),
                Ok(mode) => {
                    let message = format!("{shown} has mode {mode:04o}, others can reach it");
                    finding(
                        what,
                        Level::Bad,
                        message,
                        &format!("chmod {allowed:o} {shown}"),
                    )
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let message = format!("{shown} does not exist yet");
                    finding(
                        what,
                        Level::Warning,
                        message,
                        "the daemon makes it at its first start",
                    )
                }
                Err(error) => finding(
                    what,
                    Level::Bad,
                    format!("{shown}: {error}"),
                    "look at its owner and mode",
                ),
            },
        );
    }
    findings
}

/// One question, without retries: a daemon that is not there is a finding.
pub(super) async fn daemon(context: &Context) -> Result<Finding, Error> {
    let endpoint = context.endpoint()?;
    let address = &endpoint.address;
    let ours = env!("CARGO_PKG_VERSION");
    Ok(match probe(address, &endpoint.token, PATIENCE).await {
        Ok(health) if health.version == ours => finding(
            "daemon",
            Level::Good,
            format!("loopd {ours} at {address}"),
            "",
        ),
        Ok(health) => {
            let message = format!(
                "loopd {} at {address}, but loopctl is {ours}",
                health.version
            );
            finding(
                "daemon",
                Level::Warning,
                message,
                "restart the daemon after an upgrade",
            )
        }
        Err(miss) => {
            let hint = format!("start it with `{}`", endpoint.start);
            finding(
                "daemon",
                Level::Warning,
                format!("not reached at {address}: {miss}"),
                &hint,
            )
        }
    })
}
