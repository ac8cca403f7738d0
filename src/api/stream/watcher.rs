//! Which directories have changed: one inotify instance for all streams (a user has few of them), a count for each
//! directory that somebody watches. What has changed in there is for the watcher to look at; a word too many costs a look,
//! a word too few would be a hang, so that an overflow of the kernel's queue wakes everybody.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Something was written, made or moved in there; or the directory itself is gone.
const FLAGS: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CREATE)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);
/// Bytes that are read from the kernel at once.
const BUFFER: usize = 16 << 10;

/// Notices changes of directories. Nothing is opened before somebody watches.
pub(in crate::api) struct Watcher {
    shutdown: CancellationToken,
    inotify: OnceLock<Arc<Inotify>>,
}

struct Inotify {
    fd: AsyncFd<OwnedFd>,
    watched: Mutex<HashMap<i32, Watched>>,
}

struct Watched {
    holders: usize,
    changed: watch::Sender<()>,
}

/// A directory that is watched, until this is dropped.
pub(super) struct Watch {
    inotify: Arc<Inotify>,
    id: i32,
    changed: watch::Receiver<()>,
}

impl Watcher {
    pub(in crate::api) fn new(shutdown: CancellationToken) -> Self {
        let inotify = OnceLock::new();
        Watcher { shutdown, inotify }
    }

    /// Watches a directory; `None` when there is none.
    pub(super) fn watch(&self, dir: &Path) -> io::Result<Option<Watch>> {
        let inotify = self.inotify()?;
        let mut watched = inotify.watched();
        let id = match inotify::add_watch(inotify.fd.get_ref(), dir, FLAGS) {
            Ok(id) => id,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let entry = watched.entry(id).or_insert_with(|| Watched {
            holders: 0,
            changed: watch::Sender::new(()),
        });
        entry.holders += 1;
        let changed = entry.changed.subscribe();
        drop(watched);
        Ok(Some(Watch {
            inotify,
            id,
            changed,
        }))
    }

    fn inotify(&self) -> io::Result<Arc<Inotify>> {
        if let Some(inotify) = self.inotify.get() {
            return Ok(Arc::clone(inotify));
        }
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        // SAFETY: the descriptor belongs to the `AsyncFd` from here on, which closes it last.
        let fd = unsafe { AsyncFd::register(fd) }?;
        let watched = Mutex::default();
        let opened = Arc::new(Inotify { fd, watched });
        // Of two that are opened at the same time the first stays.
        let inotify = Arc::clone(self.inotify.get_or_init(|| Arc::clone(&opened)));
        if Arc::ptr_eq(&inotify, &opened) {
            let shutdown = self.shutdown.clone();
            tokio::spawn(async move { shutdown.run_until_cancelled(opened.listen()).await });
        }
        Ok(inotify)
    }
}

impl Inotify {
    fn watched(&self) -> MutexGuard<'_, HashMap<i32, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what the kernel says.
    async fn listen(&self) {
        loop {
            let mut ready = match self.fd.readable().await {
                Ok(ready) => ready,
                Err(error) => return tracing::error!(%error, "failed to wait for changes of files"),
            };
            match self.pass_on() {
                Errno::WOULDBLOCK => ready.clear_ready(),
                Errno::INTR => {}
                errno => return tracing::error!(error = %errno, "failed to read changes of files"),
            }
        }
    }

    /// Reads until there is nothing left, or something else is in the way.
    fn pass_on(&self) -> Errno {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut events = inotify::Reader::new(self.fd.get_ref(), &mut buffer);
        loop {
            let (id, what) = match events.next() {
                Ok(event) => (event.wd(), event.events()),
                Err(errno) => return errno,
            };
            let mut watched = self.watched();
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                watched.values().for_each(|it| it.changed.send_replace(()));
            } else if let Some(it) = watched.get(&id) {
                it.changed.send_replace(());
            }
            if what.contains(ReadFlags::IGNORED) {
                // The directory is gone, and its watch with it: the holders' receivers say so.
                watched.remove(&id);
            }
        }
    }
}

impl Watch {
    /// Waits until something has changed since this was last said, or since the watch began. `false`: the directory
    /// itself is gone, and the watch is of no further use.
    pub(super) async fn changed(&mut self) -> bool {
        self.changed.changed().await.is_ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.inotify.watched();
        // Not there: the kernel has dropped the watch with its directory. It gives no id twice.
        let Some(it) = watched.get_mut(&self.id) else {
            return;
        };
        it.holders = it.holders.saturating_sub(1);
        if it.holders == 0 {
            watched.remove(&self.id);
            let _ = inotify::remove_watch(self.inotify.fd.get_ref(), self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn a_write_a_new_file_and_a_removed_directory_are_noticed_by_every_holder() {
        let place = tempfile::tempdir().expect("a directory");
        let dir = place.path().join("step");
        fs::create_dir(&dir).expect("made");
        let watcher = Watcher::new(CancellationToken::new());
        let mut holders = [0; 2].map(|_| watcher.watch(&dir).expect("watches").expect("is there"));
        fs::write(dir.join("output"), "a").expect("written");
        for holder in &mut holders {
            assert!(holder.changed().await);
        }
        let [first, mut second] = holders;
        drop(first);
        fs::remove_dir_all(&dir).expect("removed");
        while second.changed().await {}
        assert!(watcher.watch(&dir).expect("asks").is_none(), "it is gone");
    }

    #[tokio::test]
    async fn who_lets_go_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("a directory");
        let watcher = Watcher::new(CancellationToken::new());
        let watch = watcher
            .watch(dir.path())
            .expect("watches")
            .expect("is there");
        let inotify = Arc::clone(&watch.inotify);
        assert_eq!(inotify.watched().len(), 1);
        drop(watch);
        assert!(inotify.watched().is_empty());
    }
}
