//! The daemon: one engine task, recovery, signals, the lock of its data directory.
