//! A pull request of a run: a real push to a real remote, and a forge whose command line is a script of the test's. What
//! is missing is told before anything leaves the machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use agent_loop::core::handover::{Event, State as Handover};
use agent_loop::core::run::{self, RunId, State};
use agent_loop::store::HandoverAnswer;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Options, Repository};

/// Answers as `gh` and `glab` do, notes what it was asked, and remembers the request that it has made.
const FORGE: &str = r#"#!/bin/sh
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
struct Yard {
    repo: Repository,
    house: House,
    bin: PathBuf,
}

impl Yard {
    /// With these forges, and a remote that is configured as `url`; `None`: no remote.
    async fn new(forges: &[&str], url: Option<&str>) -> Yard {
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
            program(&bin.join(forge), FORGE);
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

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.bin.join(name)).unwrap_or_default()
    }

    /// What the remote has of the run branch.
    fn pushed(&self, branch: &str) -> Option<String> {
        let remote = self.repo.outside().join("remote.git").display().to_string();
        let said = self
            .repo
            .try_git(&["--git-dir", &remote, "rev-parse", "--verify", branch]);
        said.ok()
    }

    async fn completed(&self) -> (RunId, String) {
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
    async fn refused(&self, id: &RunId) -> (String, String, String) {
        let it = self.house.handed(id, Event::Pr).await;
        assert_eq!(it.facts.pr_url, None);
        let snag = it.facts.snag.expect("a snag");
        (snag.code, snag.message, snag.hint.unwrap_or_default())
    }
}

/// Written by a process of its own: no other test's child holds it open when it is run.
fn program(path: &Path, text: &str) {
    let make = "printf %s \"$1\" > \"$0\" && chmod +x \"$0\"";
    let made = Command::new("sh")
        .args(["-c", make])
        .arg(path)
        .arg(text)
        .status();
    assert!(made.expect("sh runs").success());
}

/// The scripts of the test before everything else, and no `glab` of this machine's.
fn path_with(bin: &Path) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let rest = std::env::split_paths(&path).filter(|dir| !dir.join("glab").exists());
    let all = std::env::join_paths(std::iter::once(bin.to_owned()).chain(rest));
    all.expect("a path").into_string().expect("UTF-8")
}

#[tokio::test]
async fn a_forge_command_that_a_killed_daemon_left_is_ended_before_another_one_begins() {
    let yard = Yard::new(&["gh"], Some("")).await;
    let (id, _) = yard.completed().await;
    let stray = |of: &str| {
        let mut sleep = Command::new("sleep");
        sleep.arg("1000").env("LOOPD_STEP", format!("{id}.{of}"));
        sleep.stdout(Stdio::null()).stderr(Stdio::null());
        sleep.spawn().expect("a process")
    };
    let (mut left, mut other) = (stray("pull-request"), stray("pull-request-of-another"));
    let it = yard.house.handed(&id, Event::Pr).await;
    assert_eq!(it.state, Handover::Proved, "{:?}", it.facts.snag);
    let ended = left.try_wait().expect("an answer");
    assert!(
        ended.is_some(),
        "it was ended before the pull request was made"
    );
    assert!(
        other.try_wait().expect("an answer").is_none(),
        "that is nobody of ours"
    );
    other.kill().expect("killed");
    let _ = other.wait();
    let environment = yard.said("environment");
    assert!(environment.contains(&format!("LOOPD_STEP={id}.pull-request\n")));
}

#[tokio::test]
async fn a_pull_request_pushes_the_branch_and_is_made_once() {
    let yard = Yard::new(&["gh", "glab"], Some("")).await;
    let (id, branch) = yard.completed().await;
    let it = yard.house.handed(&id, Event::Pr).await;
    assert_eq!(it.state, Handover::Proved, "{:?}", it.facts.snag);
    let url = "https://forge.example/o/r/pull/7";
    assert_eq!(it.facts.pr_url.as_deref(), Some(url));
    assert_eq!(
        yard.pushed(&branch),
        Some(yard.repo.git(&["rev-parse", &branch]))
    );
    let asked = yard.said("asked");
    let lines: Vec<&str> = asked.lines().collect();
    assert_eq!(
        lines[0],
        format!("gh pr list --head {branch} --state open --limit 1 --json url"),
        "one that was closed is none"
    );
    assert_eq!(
        lines[1],
        format!("gh pr create --head {branch} --base main --title thing --body-file -")
    );
    let body = yard.said("body");
    assert!(
        body.contains("The checks passed on exactly this tree.") && body.contains(&id.0),
        "{body}"
    );
    let environment = yard.said("environment");
    assert!(
        environment.contains("GH_TOKEN=the account"),
        "{environment}"
    );
    assert!(!environment.contains("SECRET"), "{environment}");
    for told in ["PASSED=on", "GH_PROMPT_DISABLED=1", "NO_PROMPT=1"] {
        assert!(environment.lines().any(|line| line == told), "{told}");
    }
    assert_eq!(
        yard.house.told(&id, "PULL_REQUEST_CREATED").await[0]["url"],
        url
    );
    // Asked once more, nothing is left to do; and the work can still be merged.
    assert!(matches!(
        yard.house.hand(&id, Event::Pr).await,
        HandoverAnswer::Moved(_)
    ));
    assert_eq!(yard.said("asked").lines().count(), 2);
    let it = yard.house.handed(&id, Event::Merge).await;
    assert_eq!(
        (it.state, it.facts.pr_url.as_deref()),
        (Handover::Merged, Some(url))
    );
    yard.house.check().await;
}

#[tokio::test]
async fn the_forge_is_chosen_by_the_remote() {
    let yard = Yard::new(&["gh", "glab"], Some("https://gitlab.example/o/r.git")).await;
    let (id, branch) = yard.completed().await;
    let it = yard.house.handed(&id, Event::Pr).await;
    let url = "https://forge.example/o/r/-/merge_requests/7";
    assert_eq!(it.facts.pr_url.as_deref(), Some(url), "{:?}", it.facts.snag);
    assert!(yard.pushed(&branch).is_some());
    let asked = yard.said("asked");
    assert!(
        asked.contains(&format!(
            "glab mr create --source-branch {branch} --target-branch main"
        )),
        "{asked}"
    );
    assert!(!asked.contains("gh "), "{asked}");
    let looked = format!("glab mr list --source-branch {branch} --output json");
    assert_eq!(asked.lines().next(), Some(&*looked), "looked for first");
}

#[tokio::test]
async fn a_run_without_a_commit_of_its_own_has_nothing_to_request() {
    let yard = Yard::new(&["gh"], Some("")).await;
    let script = Some("[[turn]]\nsteps = [\"auth\"]\n");
    let id = yard.house.create(&yard.repo, script, json!({})).await;
    yard.house.failed(&id, "agent_auth").await;
    yard.house.settled(&id).await;
    let (code, message, hint) = yard.refused(&id).await;
    assert_eq!(code, "nothing_to_request");
    assert!(message.contains("no commit that main had not"), "{message}");
    assert!(hint.contains(&format!("loopctl retry {id}")), "{hint}");
    assert_eq!(yard.pushed("run/thing"), None);
    assert_eq!(yard.said("asked"), "");
}

#[tokio::test]
async fn what_is_missing_is_told_and_nothing_leaves_the_machine() {
    let yard = Yard::new(&["gh"], None).await;
    let (id, _) = yard.completed().await;
    let (code, _, hint) = yard.refused(&id).await;
    assert_eq!(code, "no_remote");
    assert!(hint.contains("git remote add"), "{hint}");

    let yard = Yard::new(&["gh"], Some("https://gitlab.example/o/r.git")).await;
    let (id, branch) = yard.completed().await;
    let (code, message, hint) = yard.refused(&id).await;
    assert_eq!(code, "forge_missing");
    assert!(
        message.contains("glab") && hint.contains("install glab"),
        "{message}; {hint}"
    );
    assert_eq!(yard.pushed(&branch), None);

    let yard = Yard::new(&["gh"], Some("")).await;
    let (id, branch) = yard.completed().await;
    std::fs::write(yard.bin.join("refuse"), "run gh auth login\n").expect("written");
    let (code, message, hint) = yard.refused(&id).await;
    assert_eq!(code, "forge_failed");
    assert!(
        message.contains("run gh auth login") && hint.contains("`gh auth login`"),
        "{message}; {hint}"
    );
    assert_eq!(yard.pushed(&branch), None, "asked before it is pushed");
    // It can be asked for again.
    std::fs::remove_file(yard.bin.join("refuse")).expect("removed");
    let it = yard.house.handed(&id, Event::Pr).await;
    assert!(it.facts.pr_url.is_some(), "{:?}", it.facts.snag);
    yard.house.check().await;
}

#[tokio::test]
async fn a_branch_that_the_remote_has_otherwise_is_not_overwritten() {
    let yard = Yard::new(&["gh"], Some("")).await;
    let (id, branch) = yard.completed().await;
    yard.repo.git(&["branch", "theirs", "main"]);
    let theirs = yard.repo.commit_on("theirs", "theirs", "theirs\n");
    yard.repo.git(&[
        "push",
        "--quiet",
        "origin",
        &format!("{theirs}:refs/heads/{branch}"),
    ]);
    let (code, _, hint) = yard.refused(&id).await;
    assert_eq!(code, "push_failed");
    assert!(hint.contains("by force"), "{hint}");
    assert_eq!(yard.pushed(&branch), Some(theirs));
}

#[tokio::test]
async fn a_push_runs_no_hook_and_nothing_that_an_agent_can_have_configured() {
    let yard = Yard::new(&["gh"], Some("")).await;
    let (id, branch) = yard.completed().await;
    let trap = yard.repo.outside().join("sprung").display().to_string();
    let hook = yard.repo.root.join(".git/hooks/pre-push");
    std::fs::create_dir_all(hook.parent().expect("a parent")).expect("a directory");
    program(&hook, &format!("#!/bin/sh\ntouch {trap}\nexit 1\n"));
    yard.repo
        .git(&["config", "core.sshCommand", &format!("touch {trap}")]);
    let (code, message, _) = yard.refused(&id).await;
    assert_eq!(code, "push_distrusted");
    assert!(message.contains("core.sshcommand"), "{message}");
    assert_eq!(yard.pushed(&branch), None);
    yard.repo.git(&["config", "--unset", "core.sshCommand"]);
    let it = yard.house.handed(&id, Event::Pr).await;
    assert!(it.facts.pr_url.is_some(), "{:?}", it.facts.snag);
    assert!(!std::fs::exists(&trap).expect("looked"));
}

#[tokio::test]
async fn a_run_that_failed_becomes_a_draft_and_a_retry_pushes_what_came_since() {
    let yard = Yard::new(&["gh"], Some("")).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ write = { path = "half", text = "half\n" } }, { commit = "Half" }, "auth"]
    "#;
    let settings = json!({ "verify_cmds": ["true"] });
    let id = yard.house.create(&yard.repo, Some(script), settings).await;
    yard.house.failed(&id, "agent_auth").await;
    yard.house.settled(&id).await;
    let it = yard.house.handed(&id, Event::Pr).await;
    assert_eq!(it.state, Handover::GivenUp, "{:?}", it.facts.snag);
    assert!(yard.said("asked").contains("--draft"));
    assert!(yard.said("body").contains("nothing is proved"));
    let retry = run::Event::Retry {
        merge_strategy: None,
    };
    super::operator::moved(&yard.house, &id, retry, State::Queued).await;
    yard.house.wait(&id, |run| run.state != State::Queued).await;
    yard.house.wait_for(&id, State::Completed).await;
    yard.house.settled(&id).await;
    let it = yard.house.handed(&id, Event::Pr).await;
    assert_eq!(it.state, Handover::Merged, "the run has merged by itself");
    let asked = yard.said("asked");
    assert_eq!(
        asked.matches("pr create").count(),
        1,
        "found again: {asked}"
    );
    let branch = yard
        .house
        .run(&id)
        .await
        .facts
        .worktree
        .expect("made")
        .run_branch;
    assert_eq!(
        yard.pushed(&branch),
        Some(yard.repo.git(&["rev-parse", &branch]))
    );
    yard.house.check().await;
}

#[tokio::test]
async fn a_forge_that_only_a_relative_path_leads_to_is_not_taken() {
    let repo = Repository::with_plan(ONE_TASK);
    let bare = repo.outside().join("remote.git").display().to_string();
    repo.git(&["init", "--quiet", "--bare", &bare]);
    repo.git(&["remote", "add", "origin", &bare]);
    repo.git(&["push", "--quiet", "origin", "main"]);
    let bin = repo.outside().join("bin");
    std::fs::create_dir(&bin).expect("a directory");
    program(&bin.join("gh"), FORGE);
    // From where this process stands, it is there.
    let here = std::env::current_dir().expect("a directory");
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let relative = up.join(bin.strip_prefix("/").expect("absolute"));
    assert!(relative.join("gh").is_file(), "{}", relative.display());
    // Beside it what a run needs, and no forge of this machine's.
    let tools = repo.outside().join("tools");
    std::fs::create_dir(&tools).expect("a directory");
    let path = std::env::var_os("PATH").unwrap_or_default();
    for tool in ["git", "sh"] {
        let mut found = std::env::split_paths(&path).map(|dir| dir.join(tool));
        let found = found.find(|it| it.is_file()).expect("it is installed");
        std::os::unix::fs::symlink(found, tools.join(tool)).expect("a link");
    }
    let path = format!("{}:{}", relative.display(), tools.display());
    let options = Options {
        environment: vec![("PATH", path)],
        ..Options::default()
    };
    let house = House::open(&repo.outside().join("data"), &options).await;
    let yard = Yard { repo, house, bin };
    let (id, _) = yard.completed().await;
    let (code, message, _) = yard.refused(&id).await;
    assert_eq!(code, "forge_missing", "{message}");
    assert_eq!(yard.said("asked"), "", "nobody was asked");
}
