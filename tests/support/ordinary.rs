//! A test as an ordinary user: whoever may read everything whatever its mode meets no closed door.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::thread::{
    CapabilitySet, capabilities, remove_capability_from_bounding_set, set_capabilities,
};

/// Runs the test on a thread that has given up the right to pass by modes, for itself, for every thread that it starts and
/// for every program that these start.
pub fn as_an_ordinary_user(test: impl AsyncFnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        give_up_privileges();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn give_up_privileges() {
    let given_up = [CapabilitySet::DAC_OVERRIDE, CapabilitySet::DAC_READ_SEARCH];
    let mut sets = capabilities(None).expect("the kernel tells");
    for one in given_up {
        // Who has nothing to give up is an ordinary user already.
        let _ = remove_capability_from_bounding_set(one);
        sets.effective.remove(one);
        sets.permitted.remove(one);
        sets.inheritable.remove(one);
    }
    set_capabilities(None, sets).expect("given up");
    let dir = tempfile::tempdir().expect("a directory");
    let before = with_mode(dir.path(), 0);
    assert!(fs::read_dir(dir.path()).is_err(), "a closed door");
    fs::set_permissions(dir.path(), before).expect("opened");
}

/// Sets the mode of a file or directory; what it was.
pub fn with_mode(path: &Path, mode: u32) -> Permissions {
    let before = fs::metadata(path).expect("it is there").permissions();
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the mode is set");
    before
}
