//! A whole run in repositories that are not a checkout with all of its history: bare ones, shallow ones, and those whose
//! directory git keeps elsewhere. Nothing of loopd's lies in git's own directory, so that git may clean up there as it likes.
//! What is refused at the door for that: `gits_own`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use agent_loop::core::handover;
use agent_loop::core::run::{PostmortemEnd, RunId, State};
use agent_loop::daemon::now;
use serde_json::json;

use super::ONE_TASK;
use super::collecting::collect;
use super::postmortem::{analyzed, ask, explains};
use crate::support::{House, Repository, request};

/// Every file below a directory, with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).expect("a readable file");
                found.insert(entry.path(), bytes);
            }
        }
    }
    found
}

/// What lies in the directory that git keeps the repository in, the topmost names.
fn in_git(repo: &Repository) -> BTreeSet<String> {
    let dir = repo.git(&["rev-parse", "--path-format=absolute", "--git-common-dir"]);
    let entries = std::fs::read_dir(dir).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// Git cleans up without mercy, and finds nothing wrong before or afterwards.
fn clean_up(repo: &Repository) {
    repo.git(&["gc", "--quiet", "--prune=now"]);
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["gc", "--quiet", "--prune=now"]);
    let found = repo.git(&["fsck", "--full", "--strict"]);
    assert!(!found.contains("error"), "{found}");
    assert!(repo.git(&["log", "--all", "--format=%s"]).contains("Begin"));
    for reflog in repo.git(&["reflog", "list"]).lines() {
        assert!(!reflog.contains("run-"), "{reflog} is a file of a run");
    }
}

/// A plain clone of a repository with two commits, by these options.
fn cloned(options: &[&str]) -> Repository {
    let origin = Repository::with_plan(ONE_TASK);
    origin.write("more", "more\n");
    origin.commit_all("Begin, and go on");
    origin.cloned("thing.git", options)
}

/// Plays a run in there until nothing of it is left to do, and cleans up after each part of it.
async fn plays(repo: &Repository, is_bare: bool) {
    let house = House::over(repo).await;
    let (names, exclude) = (in_git(repo), exclude(repo));
    let script = explains("{ say = \"It went well.\" }")
        + "[[turn]]\nsteps = [{ write = { path = \"made\", text = \"made\" } }, { tick = \"next\" }, { commit = \"Make\" }, \"complete\"]\n";
    let settings = json!({ "verify_cmds": ["test -f made"], "merge_strategy": "none", "worktree_cleanup": false });
    let created = house
        .creator
        .create(request(repo, Some(&script), settings), now())
        .await;
    let created = created.expect("a run");
    let told = created
        .warnings
        .iter()
        .any(|it| it.contains("is a bare repository"));
    assert_eq!(told, is_bare, "{:?}", created.warnings);
    let id = created.run.id;
    house.rests(&id, State::Completed).await;
    let run = house.settled(&id).await;
    let worktree = PathBuf::from(run.facts.worktree.expect("a worktree").path);
    assert_eq!(
        worktree.parent(),
        repo.root.parent(),
        "beside the repository"
    );

    let mirror = repo.root.join(format!("logs/loop/run-{id}"));
    assert_eq!(mirror.exists(), !is_bare);
    assert_eq!(exclude == self::exclude(repo), is_bare, "nothing to hide");
    ask(&house, &id).await;
    let told: PostmortemEnd = analyzed(&house, &id).await;
    assert_eq!((told.written, told.failure), (true, None));

    let kept = |places: &[&Path]| places.iter().map(|it| files(it)).collect::<Vec<_>>();
    let of_run = [house.dir(&id), mirror, worktree.clone()];
    let of_run: Vec<&Path> = of_run.iter().map(PathBuf::as_path).collect();
    let before = kept(&of_run);
    clean_up(repo);
    assert_eq!(kept(&of_run), before, "git took nothing of the run's");
    assert!(
        before[0]
            .keys()
            .any(|it| it.ends_with("analysis/report.md"))
    );
    registered_files_are_there(&house, &id, is_bare).await;

    let handed = house.handed(&id, handover::Event::Merge).await;
    assert_eq!(handed.facts.snag.map(|snag| snag.message), None);
    assert_eq!(repo.at("agent/thing", "made"), "made");
    let path = worktree.display().to_string();
    house.cleaner.remove(&path).await.expect("it goes");
    clean_up(repo);
    let new: BTreeSet<_> = in_git(repo).difference(&names).cloned().collect();
    let gits_own = [
        "packed-refs",
        "worktrees",
        "ORIG_HEAD",
        "gc.log",
        "gc.pid",
        "logs",
        "index",
    ];
    assert!(
        new.iter().all(|name| gits_own.contains(&&**name)),
        "{new:?}"
    );

    let copies: Vec<PathBuf> = files(of_run[1]).into_keys().collect();
    assert_eq!(copies.is_empty(), is_bare);
    let gone = collect(&house, false).await;
    assert_eq!((gone.files, gone.kept), (true, Vec::new()));
    assert!(!repo.has("run/thing") && !house.dir(&id).exists());
    let left: Vec<PathBuf> = files(of_run[1]).into_keys().collect();
    assert_eq!(left, copies, "a copy in the workspace is the user's");
    clean_up(repo);
    house.check().await;
}

fn exclude(repo: &Repository) -> String {
    let dir = repo.git(&["rev-parse", "--path-format=absolute", "--git-common-dir"]);
    std::fs::read_to_string(Path::new(&dir).join("info/exclude")).unwrap_or_default()
}

async fn registered_files_are_there(house: &House, id: &RunId, is_bare: bool) {
    let artifacts = house.reader.artifacts(id).await.expect("artifacts");
    let places: BTreeSet<&str> = artifacts.iter().map(|it| it.location.as_str()).collect();
    let wanted: &[&str] = match is_bare {
        true => &["global"],
        false => &["global", "workspace"],
    };
    assert_eq!(places.into_iter().collect::<Vec<_>>(), wanted);
    for artifact in &artifacts {
        let meta = std::fs::metadata(&artifact.path).expect("the file");
        assert_eq!(meta.len(), artifact.bytes, "{}", artifact.path);
    }
    let summary: serde_json::Value =
        serde_json::from_str(&house.file(id, "summary.json")).expect("JSON");
    for key in [
        "run_log",
        "run_report",
        "prompt_snapshot",
        "last_iteration_log",
    ] {
        let path = summary[key].as_str().unwrap_or_default();
        assert!(Path::new(path).is_file(), "{key}: {path}");
    }
}

#[tokio::test]
async fn a_run_in_a_bare_repository_loses_nothing_to_gits_clean_up() {
    plays(&cloned(&["--bare"]), true).await;
}

#[tokio::test]
async fn a_run_in_a_shallow_clone_loses_nothing_to_gits_clean_up() {
    let repo = cloned(&["--depth=1"]);
    assert_eq!(repo.git(&["rev-list", "--count", "HEAD"]), "1");
    plays(&repo, false).await;
    assert_eq!(repo.git(&["rev-parse", "--is-shallow-repository"]), "true");
    assert_eq!(repo.checkout().2, "", "git status shows nothing");
}

#[tokio::test]
async fn a_run_in_a_bare_and_shallow_mirror_merges_into_the_branch_that_head_names() {
    let repo = cloned(&["--bare", "--depth=1"]);
    let house = House::over(&repo).await;
    // The repository's own settings are read from the commit, and not from files beside git's.
    repo.write(".loop/config.toml", "nonsense = true\n");
    let settings = json!({ "merge_target_branch": "main", "verify_cmds": ["true"] });
    let id = house.create(&repo, None, settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(
        Some(repo.git(&["rev-parse", "main"])),
        run.facts.merge_commit
    );
    let run = house.settled(&id).await;
    assert!(run.facts.worktree_removed);
    clean_up(&repo);
    assert!(house.file(&id, "report.tsv").contains("RUN_END"));
    house.check().await;
}

#[tokio::test]
async fn settings_of_a_bare_repository_are_those_that_are_committed() {
    let origin = Repository::with_plan(ONE_TASK);
    let committed = "verify_cmds = [\"test -f nothing\"]\niterations = 1\n";
    origin.write(".loop/config.toml", committed);
    origin.commit_all("Checks");
    let repo = origin.cloned("thing.git", &["--bare"]);
    let house = House::over(&repo).await;
    let id = house.create(&repo, None, json!({})).await;
    house.failed(&id, "iterations_exhausted").await;
    house.settled(&id).await;
    assert!(house.file(&id, "report.tsv").contains("VERIFY_CMD_END"));
    clean_up(&repo);
}

#[tokio::test]
async fn a_worktree_below_a_bare_repository_is_a_workspace_like_any_other() {
    let repo = cloned(&["--bare"]);
    repo.git(&["worktree", "add", "--quiet", "main-tree", "main"]);
    let inside = repo.root.join("main-tree");
    let house = House::over(&repo).await;
    let mut asked = request(&repo, None, json!({ "verify_cmds": ["true"] }));
    asked.workspace_root = inside.display().to_string();
    let created = house.creator.create(asked, now()).await.expect("a run");
    assert!(!created.warnings.iter().any(|it| it.contains("bare")));
    let id = created.run.id;
    house.rests(&id, State::Completed).await;
    let run = house.settled(&id).await;
    let worktree = PathBuf::from(run.facts.worktree.expect("a worktree").path);
    assert_eq!(
        worktree.parent(),
        repo.root.parent(),
        "and not in git's own"
    );
    let mirror = files(&inside.join(format!("logs/loop/run-{id}")));
    assert!(!mirror.is_empty());
    clean_up(&repo);
    assert_eq!(files(&inside.join(format!("logs/loop/run-{id}"))), mirror);
    let status = repo.git(&["-C", "main-tree", "status", "--porcelain"]);
    assert_eq!(status, "", "its files are hidden");
}

#[tokio::test]
async fn where_git_keeps_a_checkouts_repository_elsewhere_relative_paths_start_at_the_checkout() {
    let origin = Repository::with_plan(ONE_TASK);
    let store = origin.outside().join("store");
    std::fs::create_dir(&store).expect("a directory");
    let apart = format!("--separate-git-dir={}", store.join("thing").display());
    let repo = origin.cloned("apart", &[&apart]);
    let house = House::over(&repo).await;
    let template = "trees/{{ run_branch | sanitize }}";
    let settings = json!({ "worktree_path_template": template, "worktree_cleanup": false });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    let run = house.settled(&id).await;
    let path = run.facts.worktree.expect("a worktree").path;
    assert_eq!(Path::new(&path), repo.root.join("trees/run-thing"));
    assert!(repo.root.join(format!("logs/loop/run-{id}")).is_dir());
    clean_up(&repo);
}
