//! A repository with a remote, a daemon, and a forge whose command line is a script of the test's. What becomes of a pull
//! request there is tried in `pull_request` and `pull_request_refused`.

use std::path::{Path, PathBuf};

use agent_loop::core::handover::Event;
use agent_loop::core::run::{RunId, State};
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Options, Repository, executable};

/// Answers as `gh` and `glab` do, notes what it was asked, and remembers the request that it has made.
pub(super) const FORGE: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$(basename "$0") $*" >> "$here/asked"
env > "$here/environment"
[ -e "$here/refuse" ] && { cat "$here/refuse" >&2; exit 4; }
case "$1 $2" in
"pr list") if [ -e "$here/url" ]; then printf '[{"url":"%s"}]\n' "$(cat "$here/url")"; else echo '[]'; fi ;;
"mr list") if [ -e "$here/url" ]; then printf '[{"web_url":"%s"}]\n' "$(cat "$here/url")"; else echo '[]'; fi ;;
"pr create") cat > "$here/body"; echo https://forge.example/o/r/pull/7 > "$here/url"; echo Creating; cat "$here/url"; echo "Look at it." ;;
"mr create") echo https://forge.example/o/r/-/merge_requests/7 > "$here/url"; echo "!7 made"; cat "$here/url" ;;
*) exit 1 ;;
esac
"#;

/// A repository with a remote, a daemon, and forges on its path.
pub(super) struct Yard {
    pub(super) repo: Repository,
    pub(super) house: House,
    pub(super) bin: PathBuf,
}

impl Yard {
    /// With these forges, and a remote that is configured as `url`; `None`: no remote.
    pub(super) async fn new(forges: &[&str], url: Option<&str>) -> Yard {
        let repo = Repository::with_plan(ONE_TASK);
        let bare = repo.outside().join("remote.git").display().to_string();
        repo.git(&["init", "--quiet", "--bare", &bare]);
        if let Some(url) = url {
            let url = if url.is_empty() { &bare } else { url };
            repo.git(&["remote", "add", "origin", url]);
            repo.git(&["config", &format!("url.{bare}.insteadOf"), url]);
            repo.git(&["push", "--quiet", "origin", "main"]);
        }
        let bin = repo.outside().join("bin");
        std::fs::create_dir(&bin).expect("a directory");
        for forge in forges {
            executable(&bin.join(forge), FORGE);
        }
        let options = Options {
            environment: vec![
                ("PATH", path_with(&bin)),
                ("GH_TOKEN", "the account".to_owned()),
                ("SECRET", "nobody's business".to_owned()),
                ("PASSED", "on".to_owned()),
            ],
            ..Options::default()
        };
        let house = House::open(&repo.outside().join("data"), &options).await;
        Yard { repo, house, bin }
    }

    pub(super) fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.bin.join(name)).unwrap_or_default()
    }

    /// What the remote has of the run branch.
    pub(super) fn pushed(&self, branch: &str) -> Option<String> {
        let remote = self.repo.outside().join("remote.git").display().to_string();
        let said = self
            .repo
            .try_git(&["--git-dir", &remote, "rev-parse", "--verify", branch]);
        said.ok()
    }

    pub(super) async fn completed(&self) -> (RunId, String) {
        let settings = json!({
            "merge_strategy": "none",
            "verify_cmds": ["true"],
            "env_pass": ["PASSED"],
        });
        let script = r#"
            [[turn]]
            steps = [{ write = { path = "made", text = "made\n" } }, { tick = "next" }, { commit = "Make" }, "complete"]
        "#;
        let id = self.house.create(&self.repo, Some(script), settings).await;
        self.house.rests(&id, State::Completed).await;
        self.house.settled(&id).await;
        let run = self.house.run(&id).await;
        (id, run.facts.worktree.expect("a worktree").run_branch)
    }

    /// Asks in vain; the code of the snag, its words and its hint.
    pub(super) async fn refused(&self, id: &RunId) -> (String, String, String) {
        let it = self.house.handed(id, Event::Pr).await;
        assert_eq!(it.facts.pr_url, None);
        let snag = it.facts.snag.expect("a snag");
        (snag.code, snag.message, snag.hint.unwrap_or_default())
    }
}

/// The scripts of the test before everything else, and no `glab` of this machine's.
fn path_with(bin: &Path) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let rest = std::env::split_paths(&path).filter(|dir| !dir.join("glab").exists());
    let all = std::env::join_paths(std::iter::once(bin.to_owned()).chain(rest));
    all.expect("a path").into_string().expect("UTF-8")
}
