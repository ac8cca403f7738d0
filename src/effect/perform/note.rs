//! What a performer writes down for the one that takes up its step: JSON, whole or not at all.

use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::trouble::{io_trouble, trouble};
use crate::core::run::{Trouble, TroubleKind};

pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Trouble> {
    let text = serde_json::to_vec(value)
        .map_err(|e| trouble(TroubleKind::Permanent, "internal", e.to_string()))?;
    // Whole or not at all: what is read again after a crash must never be half a file.
    let dir = path.parent().unwrap_or(Path::new("."));
    let put = || {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    put()
        .map(|_| ())
        .map_err(io_trouble(format!("write {}", path.display())))
}

pub(super) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Trouble> {
    let text = std::fs::read(path).map_err(io_trouble(format!("read {}", path.display())))?;
    serde_json::from_slice(&text).map_err(|error| {
        trouble(
            TroubleKind::Permanent,
            "step_unreadable",
            format!("failed to read {}: {error}", path.display()),
        )
    })
}
