//! Which turns have been played: one small file in the state directory, replaced in one piece.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::agent::driver::Role;

const FILE: &str = "scripted.json";

/// What has been played.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Played {
    /// Turns in order, by role.
    in_order: BTreeMap<String, usize>,
    /// Turns out of order, by their place in the script.
    out_of_order: BTreeMap<usize, u32>,
}

impl Played {
    pub(super) fn load(dir: &Path) -> Result<Played, String> {
        let path = file(dir);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| format!("failed to read {}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Played::default()),
            Err(error) => Err(format!("failed to read {}: {error}", path.display())),
        }
    }

    pub(super) fn save(&self, dir: &Path) -> Result<(), String> {
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(dir)?;
            let mut new = tempfile::NamedTempFile::new_in(dir)?;
            new.write_all(&serde_json::to_vec(self)?)?;
            new.persist(file(dir))?;
            Ok(())
        };
        write().map_err(|error| format!("failed to write {}: {error}", file(dir).display()))
    }

    /// The place of the next turn in order, which is then counted as played.
    pub(super) fn next(&mut self, role: Role) -> usize {
        let played = self.in_order.entry(role.as_str().to_owned()).or_default();
        let place = *played;
        *played += 1;
        place
    }

    /// How often a turn out of order has been played.
    pub(super) fn times(&self, index: usize) -> u32 {
        self.out_of_order.get(&index).copied().unwrap_or_default()
    }

    pub(super) fn count(&mut self, index: usize) {
        *self.out_of_order.entry(index).or_default() += 1;
    }

    /// All turns so far: the number of this call.
    pub(super) fn calls(&self) -> usize {
        let out_of_order: u32 = self.out_of_order.values().sum();
        self.in_order.values().sum::<usize>() + out_of_order as usize
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join(FILE)
}
