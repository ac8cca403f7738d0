//! Deaths on demand, so that tests can show what survives one: the places at which a daemon may die, counted as they are
//! passed, and the one at which it does. The places stand around every commit, around every effect, and around every call
//! that changes something outside. Without a configured [`CrashPoint`] nothing here does anything; no environment is read.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// How the daemon dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process aborts.
    Abort,
    /// The process is killed (SIGKILL).
    Kill,
    /// For a daemon inside of a test: nothing that passes a place gets any further, then or later, and
    /// [`Crash::died`] says so. The test takes down the rest.
    Quit,
    /// Nothing dies: for a test of what becomes of a bug, whoever passes the place panics.
    Panic,
}

/// Where a daemon may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before a commit: everything of the transaction is lost.
    Before,
    /// After a commit: everything is stored, and nobody is told.
    After,
    /// An effect is about to be performed; named by the effect.
    Begun,
    /// An effect has been performed, and nothing is stored of it; named by the effect.
    Acted,
    /// About to change something outside; named by the call (`update-ref`, `keeper`).
    Calling,
    /// Something outside was changed, and nobody knows yet; named by the call.
    Called,
}

impl Place {
    /// All places.
    pub const ALL: [Place; 6] = [
        Place::Before,
        Place::After,
        Place::Begun,
        Place::Acted,
        Place::Calling,
        Place::Called,
    ];

    /// Its name, as in a crash point.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Before => "before",
            Place::After => "after",
            Place::Begun => "begun",
            Place::Acted => "acted",
            Place::Calling => "calling",
            Place::Called => "called",
        }
    }
}

/// The passing of a place at which the daemon dies. As text: `before:3`, `acted:2:kill`, `called=update-ref:1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// Where.
    pub place: Place,
    /// Only passings of this name are counted; all, without it.
    pub name: Option<String>,
    /// Which passing, from 1, counted from the start of the daemon.
    pub nth: u64,
    /// How.
    pub death: Death,
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place.as_str())?;
        if let Some(name) = &self.name {
            write!(f, "={name}")?;
        }
        write!(f, ":{}", self.nth)?;
        match self.death {
            Death::Abort | Death::Quit | Death::Panic => Ok(()),
            Death::Kill => f.write_str(":kill"),
        }
    }
}

/// Not a crash point.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "read the crash point {0:?}: expected PLACE:N, PLACE=NAME:N or either with :kill behind it; PLACE is before, after, begun, acted, calling or called, N counts from 1"
)]
pub struct BadCrashPoint(pub String);

impl FromStr for CrashPoint {
    type Err = BadCrashPoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadCrashPoint(text.to_owned());
        let (rest, death) = match text.strip_suffix(":kill") {
            Some(rest) => (rest, Death::Kill),
            None => (text, Death::Abort),
        };
        let (which, nth) = rest.split_once(':').ok_or_else(bad)?;
        let (place, name) = match which.split_once('=') {
            Some((_, "")) => return Err(bad()),
            Some((place, name)) => (place, Some(name.to_owned())),
            None => (which, None),
        };
        let place = Place::ALL.into_iter().find(|it| it.as_str() == place);
        Ok(CrashPoint {
            place: place.ok_or_else(bad)?,
            name,
            nth: nth.parse().ok().filter(|n| *n > 0).ok_or_else(bad)?,
            death,
        })
    }
}

/// What counts the passings of one daemon, and ends it. The default counts nothing and ends nothing.
#[derive(Clone, Debug, Default)]
pub struct Crash(Option<Arc<Watched>>);

#[derive(Debug)]
struct Watched {
    /// Without it, passings are only counted.
    at: Option<CrashPoint>,
    passed: Mutex<BTreeMap<(Place, String), u64>>,
    /// The name of the passing at which it died.
    dead: watch::Sender<Option<String>>,
}

impl Crash {
    /// Dies at this point.
    pub fn at(point: CrashPoint) -> Crash {
        Crash::watching(Some(point))
    }

    /// Dies nowhere, and counts what is passed.
    pub fn counting() -> Crash {
        Crash::watching(None)
    }

    fn watching(at: Option<CrashPoint>) -> Crash {
        Crash(Some(Arc::new(Watched {
            at,
            passed: Mutex::default(),
            dead: watch::Sender::new(None),
        })))
    }

    /// How often each place was passed, by name.
    pub fn passed(&self) -> BTreeMap<(Place, String), u64> {
        let Some(watched) = &self.0 else {
            return BTreeMap::new();
        };
        let passed = watched.passed.lock();
        passed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the daemon has died; for ever, where it does not.
    pub async fn died(&self) {
        match &self.0 {
            // The sender lives as long as this handle.
            Some(watched) => drop(watched.dead.subscribe().wait_for(Option::is_some).await),
            None => std::future::pending().await,
        }
    }

    /// By what name the place was passed at which the daemon has died.
    pub fn died_at(&self) -> Option<String> {
        self.0.as_ref()?.dead.borrow().clone()
    }

    /// Passes a place. True: the daemon is dead, and whoever passes must not go on.
    #[must_use]
    pub fn pass(&self, place: Place, name: &str) -> bool {
        let Some(watched) = &self.0 else {
            return false;
        };
        watched.pass(place, name)
    }

    /// Passes a place where waiting is possible: does not come back when the daemon is dead.
    pub async fn pass_on(&self, place: Place, name: &str) {
        if self.pass(place, name) {
            std::future::pending().await
        }
    }
}

impl Watched {
    fn pass(&self, place: Place, name: &str) -> bool {
        // Held until it is clear whether this is the end: nobody passes between the count and the death.
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.dead.borrow().is_some() {
            return true;
        }
        let named = passed.entry((place, name.to_owned())).or_default();
        *named += 1;
        let named = *named;
        let Some(point) = self.at.as_ref().filter(|point| point.place == place) else {
            return false;
        };
        let nth = match point.name.as_deref() {
            None => passed
                .iter()
                .filter(|((at, _), _)| *at == place)
                .map(|(_, n)| *n)
                .sum(),
            Some(wanted) if wanted == name => named,
            Some(_) => return false,
        };
        if nth != point.nth {
            return false;
        }
        let mut err = std::io::stderr().lock();
        // The proof that the crash happened; a closed stderr must not turn it into another kind of crash.
        let _ = writeln!(err, "loopd: crash point {point} reached ({name})");
        let _ = err.flush();
        match point.death {
            Death::Abort => std::process::abort(),
            Death::Kill => {
                let _ = rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::KILL,
                );
                loop {
                    std::thread::park();
                }
            }
            Death::Quit => {
                self.dead.send_replace(Some(name.to_owned()));
                true
            }
            Death::Panic => panic!("a planted bug"),
        }
    }
}
