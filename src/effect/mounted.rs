//! Whether a place can be written at all: a file system that is mounted read-only, or was remounted so after an error, is
//! nobody's fault and passes. What rights a process has there, and how much room there is, is not asked here.

use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statvfs};

/// Whether `path` is on a file system that is mounted read-only. What cannot be looked at is not known to be: whoever
/// works there meets what is wrong with it.
pub fn is_read_only(path: &Path) -> bool {
    statvfs(path).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY))
}
