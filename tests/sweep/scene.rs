//! The stage of one story: a repository with a user's checkout, the scripts, and what agents write down about themselves.
//! Each agent and each check registers when it begins, and looks whether another one is alive: that is how two at a time
//! are noticed, without watching.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::scenario::Scenario;
use crate::support::{Clock, Repository};

/// Who comes in says so, and whom it meets: `enter.sh WHO PID`, where the process lives as long as the work goes on.
const ENTER: &str = r#"#!/bin/sh
here=$(dirname "$0")
began() { cut -d ' ' -f 22 "/proc/$1/stat" 2>/dev/null; }
# A child that its agent has not outlived is somebody else's by now, and is about to be ended.
case $(tr '\0' ' ' < "/proc/$2/cmdline") in *__scripted*|*enter.sh*) ;; *) exit 1;; esac
alive() { case $(cut -d ' ' -f 3 "/proc/$1/stat" 2>/dev/null) in ''|Z|X) return 1;; esac; }
echo "$(began "$2") $PWD" > "$here/alive/$2"
there=1
for other in "$here"/alive/*; do
    pid=${other##*/}
    read -r since where < "$other"
    if [ "$pid" != "$2" ] && alive "$pid" && [ "$since" = "$(began "$pid")" ]; then
        there=$((there + 1))
        [ "$where" != "$PWD" ] || echo "$1 ($2) met $pid in $PWD" >> "$here/met"
    fi
done
[ $there -le "$(cat "$here/slots")" ] || echo "$1 ($2) in $PWD is one of $there" >> "$here/met"
echo "$1 $(basename "$PWD")" >> "$here/calls"
"#;

/// Who is asked for names knows but one.
const NAME: &str = r#"#!/bin/sh
echo "name" >> "$(dirname "$0")/calls"
echo '{"type":"result","subtype":"success","is_error":false,"result":"made-up"}'
"#;

/// An agent writes down what it has committed.
const KEEP: &str = "#!/bin/sh\ngit rev-parse HEAD >> ../commits\n";

/// Somebody else commits on the target, once: `move.sh FILE TEXT`.
const MOVE: &str = r#"#!/bin/sh
set -e
cd "$(dirname "$0")/repo"
[ -e ../moved ] && exit 0
blob=$(echo "$2" | git hash-object -w --stdin)
old=$(git rev-parse refs/heads/agent/thing)
export GIT_INDEX_FILE=../moving.index
git read-tree "$old"
git update-index --add --cacheinfo "100644,$blob,$1"
new=$(git commit-tree -p "$old" -m Elsewhere "$(git write-tree)")
git update-ref refs/heads/agent/thing "$new" "$old"
touch ../moved
"#;

/// Commits half of the work, if nobody has yet.
const HALF: &str = r#"#!/bin/sh
[ -e half ] || { echo half > half && git add half && git commit --quiet --message Half; }
git rev-parse HEAD >> ../commits
"#;

/// What arrives at the remote is written down, a line for each change of a branch.
const RECEIVED: &str = r#"#!/bin/sh
while read -r old new branch; do echo "$branch"; done >> ../pushed
"#;

/// Answers as `gh` does, and refuses a second request for a branch as the forge does.
const FORGE: &str = r#"#!/bin/sh
here=$(dirname "$0")
made="$here/of-$(echo "$4" | tr / -)"
case "$1 $2" in
"pr list") if [ -e "$made" ]; then printf '[{"url":"%s"}]\n' "$(cat "$made")"; else echo '[]'; fi ;;
"pr create")
    cat > "$made-body"
    [ ! -e "$made" ] || { echo "a pull request for $4 already exists" >&2; exit 1; }
    echo "$4" >> "$here/../requested"
    echo "https://forge.example/o/r/pull/$4" > "$made"
    cat "$made" ;;
*) exit 1 ;;
esac
"#;

/// Longer than what is left of a run is kept.
pub const LONG_AFTER_SEC: i64 = 40 * 24 * 60 * 60;

/// The stage of one story.
pub struct Scene {
    pub scenario: &'static Scenario,
    pub repo: Repository,
    /// By which the real daemon goes, where much time passes.
    clock: Option<Clock>,
    /// The user's checkout before anything began.
    before: Checkout,
}

/// What must not change about the user's checkout: branch, index and files, and the repository's configuration and hooks,
/// all to the byte.
struct Checkout {
    branch: String,
    index: Vec<u8>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Scene {
    pub fn new(scenario: &'static Scenario) -> Scene {
        let repo = Repository::with_plan(scenario.plan);
        repo.beside("slots", &scenario.slots.to_string());
        for (name, text) in [
            ("enter.sh", ENTER),
            ("keep.sh", KEEP),
            ("move.sh", MOVE),
            ("name.sh", NAME),
            ("half.sh", HALF),
        ] {
            repo.program(name, text);
        }
        std::fs::create_dir(repo.outside().join("alive")).expect("a directory");
        for (n, script) in scenario.scripts.iter().enumerate() {
            repo.beside(&format!("script-{n}.toml"), script);
        }
        // The user's own work, which is nobody else's business.
        repo.write("README.md", "read me\n");
        repo.commit_all("More");
        repo.git(&["branch", "agent/thing"]);
        if scenario.remote {
            let remote = repo.outside().join("remote.git").display().to_string();
            repo.git(&["init", "--quiet", "--bare", &remote]);
            repo.program("remote.git/hooks/post-receive", RECEIVED);
            repo.git(&["remote", "add", "origin", &remote]);
            std::fs::create_dir(repo.outside().join("bin")).expect("a directory");
            repo.program("bin/gh", FORGE);
        }
        repo.write("README.md", "read me, too\n");
        repo.write("note", "to myself\n");
        Scene {
            clock: scenario.long.then(|| Clock::in_dir(repo.outside())),
            scenario,
            before: checkout(&repo),
            repo,
        }
    }

    /// One more program beside the repository.
    pub fn script(&self, name: &str, text: &str) {
        self.repo.program(name, text);
    }

    /// Leaves everything where it is, for somebody who wants to look.
    pub fn keep(self) -> PathBuf {
        self.repo.keep()
    }

    pub fn outside(&self) -> &Path {
        self.repo.outside()
    }

    /// Where the daemon looks for programs.
    pub fn path(&self) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        format!("{}:{path}", self.outside().join("bin").display())
    }

    pub fn clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }

    /// Much time passes, for the real daemon.
    pub fn ages(&self) {
        let clock = self.clock.as_ref();
        clock.expect("a long story").set(LONG_AFTER_SEC);
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.outside().join("data")
    }

    /// What a run is created with besides its workspace and spec.
    pub fn overrides(&self, run: usize) -> Map<String, Value> {
        let script = self.outside().join(format!("script-{run}.toml"));
        let mut all = json!({
            "agent": "scripted",
            "agents": {
                "scripted": { "driver": "scripted", "args": [script] },
                "claude": { "command": self.outside().join("name.sh") },
            },
            "agent_retry_backoff_sec": 0,
            "stop_grace_sec": 2,
            "agent_timeout_sec": 1000,
        });
        let settings = (self.scenario.settings)();
        let (Some(all), Some(more)) = (all.as_object_mut(), settings.as_object()) else {
            panic!("settings are an object");
        };
        all.extend(more.clone());
        std::mem::take(all)
    }

    /// A file that agents wrote; empty where nobody did.
    pub fn noted(&self, name: &str) -> String {
        std::fs::read_to_string(self.outside().join(name)).unwrap_or_default()
    }

    /// What is wrong with the user's checkout whenever one looks. A target that is checked out there moves, and takes
    /// along the files that it changes; all else is as it was.
    pub fn touched(&self) -> Option<String> {
        let (was, is) = (&self.before, &checkout(&self.repo));
        let mut touched = Vec::new();
        if was.branch != is.branch {
            touched.push(format!("{} became {}", was.branch, is.branch));
        }
        if was.index != is.index && !self.scenario.checked_out {
            touched.push("the index changed".to_owned());
        }
        let specs = self.repo.root.join("specs");
        for (path, bytes) in &was.files {
            let moves = self.scenario.checked_out && path.starts_with(&specs);
            if is.files.get(path) != Some(bytes) && !moves {
                touched.push(format!("{} changed", path.display()));
            }
        }
        let more = is
            .files
            .keys()
            .filter(|path| !was.files.contains_key(*path));
        if !self.scenario.checked_out {
            touched.extend(more.map(|path| format!("{} is new", path.display())));
        }
        (!touched.is_empty()).then(|| format!("the checkout: {}", touched.join(", ")))
    }

    /// The same when everything is at rest: a target that moved has taken along all that it changes.
    pub fn disturbed(&self) -> Option<String> {
        let args = [
            "--no-optional-locks",
            "status",
            "--porcelain=v1",
            "--untracked-files=all",
        ];
        let status = self.repo.git(&args);
        (status != " M README.md\n?? note").then(|| format!("the checkout: {status}"))
    }
}

fn checkout(repo: &Repository) -> Checkout {
    let git_dir = repo.root.join(".git");
    let mut files = BTreeMap::new();
    let mut open = vec![repo.root.clone(), git_dir.join("hooks")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory").flatten() {
            let path = entry.path();
            // What loopd writes there is agreed on: the files of runs.
            if path == git_dir || path == repo.root.join("logs") {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                // A file of a fast-forward may go while one looks.
                let bytes = std::fs::read(&path).unwrap_or_default();
                files.insert(path, bytes);
            }
        }
    }
    let config = git_dir.join("config");
    let configured = std::fs::read(&config).expect("the configuration");
    files.insert(config, configured);
    Checkout {
        branch: repo.git(&["symbolic-ref", "HEAD"]),
        index: std::fs::read(git_dir.join("index")).unwrap_or_default(),
        files,
    }
}
