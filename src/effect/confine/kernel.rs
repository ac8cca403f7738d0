//! Landlock, as this kernel has it. A command enters its fence between fork and exec, by plain system calls (`unsafe`),
//! because nothing that allocates may be called there.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, Scope,
};

use super::limits;
use crate::effect::keeper::OsText;

/// With version 1 no file can be moved from one directory to another, wherever it is: builds fail. Linux 5.19.
const USEFUL: u32 = 2;
/// Cutting a file short counts as writing. Linux 6.2.
const TRUNCATION: u32 = 3;
/// A process can be kept from signalling those outside. Linux 6.12.
const SIGNALS: u32 = 6;

/// Said where no filter of system calls can be entered.
const LIMITS_OPEN: &str = "the limits of processes outside can be changed, the keeper's and loopd's among them, which ends them: no filter of system calls (seccomp) can be set up here";

/// The version of Landlock's interface; 0 where the kernel has none, or it is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(pub u32);

impl Kernel {
    /// Asks the kernel.
    pub fn of_this_machine() -> Self {
        // LANDLOCK_CREATE_RULESET_VERSION.
        const VERSION: u32 = 1;
        let nothing = std::ptr::null::<libc::c_void>();
        // SAFETY: asks for a number; no attributes are passed.
        let answer =
            unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) };
        Kernel(u32::try_from(answer).unwrap_or(0))
    }

    /// The version.
    pub fn abi(self) -> u32 {
        self.0
    }

    /// Whether ordinary work is possible inside a fence of this kernel.
    pub fn is_useful(self) -> bool {
        self.0 >= USEFUL
    }

    /// Whether a fence also keeps its processes from signalling those outside of it: their keeper and loopd above all.
    pub fn confines_signals(self) -> bool {
        self.0 >= SIGNALS
    }

    /// What a fence of this kernel cannot keep; empty where it keeps all writing.
    pub fn lacks(self) -> Vec<String> {
        let why = match self.0 {
            0 => {
                "this kernel has no Landlock, or it is not switched on (`lsm=` on the kernel's command line); it needs Linux 6.2 or newer"
            }
            1 => {
                "the Landlock of this kernel (version 1) would keep builds from moving files between directories; it needs Linux 6.2 or newer"
            }
            abi if abi < TRUNCATION => {
                "files outside can be cut short: the Landlock of this kernel (version 2) cannot tell; it needs Linux 6.2 or newer"
            }
            _ => return Vec::new(),
        };
        vec![why.to_owned()]
    }
}

/// A fence: what enters it can write in some places only, for ever.
#[derive(Debug)]
pub struct Fence {
    ruleset: OwnedFd,
    /// It keeps its processes from setting the limits of others, too.
    limits: bool,
}

impl Fence {
    /// A fence that leaves `writable` open, and `plain` for files and directories only: no pipe, socket, device or link is
    /// made there. It is tried out before it is promised.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    pub fn around(writable: &[OsText], plain: &[OsText]) -> Result<Self, String> {
        let fence = Fence {
            ruleset: ruleset(writable, plain)?,
            limits: limits::can_be_guarded(),
        };
        // Only a thread enters it: nested deeper than 16 rulesets, or without a right, the kernel refuses just then.
        let (ruleset, limits) = fence.parts();
        let entered = std::thread::spawn(move || enter(ruleset, limits)).join();
        match entered {
            Ok(Ok(())) => Ok(fence),
            Ok(Err(error)) => Err(format!(
                "the kernel does not let a process enter a Landlock ruleset: {error}"
            )),
            Err(_) => Err("trying out the Landlock ruleset failed".to_owned()),
        }
    }

    /// What it cannot keep although Landlock can; empty as a rule.
    pub fn lacks(&self) -> Option<String> {
        (!self.limits).then(|| LIMITS_OPEN.to_owned())
    }

    fn parts(&self) -> (RawFd, bool) {
        (self.ruleset.as_raw_fd(), self.limits)
    }

    /// Lets the calling thread enter it, for ever: no other thread, but whatever this one starts.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn enter(&self) -> io::Result<()> {
        let (ruleset, limits) = self.parts();
        enter(ruleset, limits)
    }

    /// Lets a child enter the fence before it becomes its program. A child that cannot is not started.
    pub fn enclose(&self, child: &mut Command) {
        let (ruleset, limits) = self.parts();
        // SAFETY: `enter` makes three system calls and allocates nothing. The descriptor is open until the child is
        // started, because the caller holds the fence.
        unsafe { child.pre_exec(move || enter(ruleset, limits)) };
    }
}

fn enter(ruleset: RawFd, limits: bool) -> io::Result<()> {
    // SAFETY: plain calls with numbers; they change the calling thread and nothing else.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0_u32) == 0
    };
    match (done, limits) {
        (false, _) => Err(io::Error::last_os_error()),
        (true, true) => limits::guard(),
        (true, false) => Ok(()),
    }
}

fn ruleset(writable: &[OsText], plain: &[OsText]) -> Result<OwnedFd, String> {
    let on_files = AccessFs::from_file(ABI::V3);
    let all = AccessFs::from_write(ABI::V3);
    let odd = AccessFs::MakeFifo
        | AccessFs::MakeSock
        | AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::MakeSym;
    let places = writable.iter().map(|path| (path, all));
    let places: Vec<_> = places
        .chain(plain.iter().map(|path| (path, all & !odd)))
        .collect();
    let make = || {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .scope(Scope::Signal)?
            .create()?;
        for (path, rights) in &places {
            // What is gone since it was looked at needs no rule.
            let path = path.as_path();
            let (Ok(fd), Ok(meta)) = (PathFd::new(path), std::fs::metadata(path)) else {
                continue;
            };
            let access: BitFlags<AccessFs> = if meta.is_dir() {
                *rights
            } else {
                *rights & on_files
            };
            ruleset = ruleset.add_rule(PathBeneath::new(fd, access))?;
        }
        Ok(ruleset)
    };
    let ruleset = make().map_err(|error: landlock::RulesetError| format!("Landlock: {error}"))?;
    Option::<OwnedFd>::from(ruleset).ok_or_else(|| "this kernel has no Landlock".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernel_says_what_it_lacks_and_a_new_one_lacks_nothing() {
        for (abi, useful, word) in [
            (0, false, "no Landlock"),
            (1, false, "moving files"),
            (2, true, "cut short"),
        ] {
            let kernel = Kernel(abi);
            assert_eq!(kernel.is_useful(), useful);
            let lacks = kernel.lacks();
            assert!(lacks.len() == 1 && lacks[0].contains(word), "{lacks:?}");
        }
        for abi in [3, 5, 6, 7, 99] {
            assert_eq!(Kernel(abi).lacks(), [""; 0], "{abi}");
            assert!(Kernel(abi).is_useful());
        }
        assert!(!Kernel(5).confines_signals() && Kernel(6).confines_signals());
    }
}
