//! Whether a disk has any room: the proof for what git says of a write that failed without telling why.
//!
//! Whether runs may start on a disk is decided elsewhere, with a margin; here only a disk that is full counts.

use std::path::{Path, PathBuf};

/// With less than this, a disk is full: git's smallest files find no room any more, or the next one does not.
const NOTHING_BYTES: u64 = 1 << 20;

/// Whether one of these places has next to no room, or no file can be made there. A path that is gone is looked for above.
pub(super) fn is_full(places: &[PathBuf]) -> bool {
    places
        .iter()
        .any(|place| place.ancestors().find_map(room).is_some_and(Room::is_none))
}

/// What a disk has left for us.
#[derive(Clone, Copy, Debug)]
struct Room {
    bytes: u64,
    /// None: this file system does not count its files.
    files: Option<u64>,
}

impl Room {
    fn is_none(self) -> bool {
        self.bytes < NOTHING_BYTES || self.files == Some(0)
    }
}

fn room(place: &Path) -> Option<Room> {
    let stat = rustix::fs::statvfs(place).ok()?;
    Some(Room {
        bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        files: (stat.f_files > 0).then_some(stat.f_favail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_without_bytes_or_without_files_and_one_that_counts_no_files_is_not() {
        let room = |bytes, files| Room { bytes, files };
        assert!(room(NOTHING_BYTES - 1, Some(9)).is_none());
        assert!(room(u64::MAX, Some(0)).is_none());
        assert!(!room(NOTHING_BYTES, Some(1)).is_none());
        assert!(!room(NOTHING_BYTES, None).is_none());
    }

    #[test]
    fn a_place_that_is_not_there_is_judged_by_what_it_would_lie_in() {
        let dir = tempfile::tempdir().expect("a directory");
        let inside = dir.path().join("not/there");
        let (place, above) = (room(&inside), inside.ancestors().find_map(room));
        assert!(place.is_none() && above.is_some());
        assert!(!is_full(&[]));
    }
}
