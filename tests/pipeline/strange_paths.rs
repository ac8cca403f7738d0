//! Repositories and files with the names that a file system takes and hardly anybody gives: a run goes through all the same, and
//! no name breaks a line of what loopd writes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use agent_loop::core::handover;
use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository};

/// Line ends, tabs, an escape sequence, quotes: in the folder of the repository, and in the one that holds it.
const PLACE: &str = "line\nend/re\tpo \u{1b}[31m'\"$x\n";

/// Commits files of strange names, and leaves one.
const SCRIPT: &str = r#"
    [[turn]]
    steps = [
      { sh = """printf x > "$(printf 'by\\377tes')"; printf y > "$(printf 'line\\nend')" """ },
      { tick = "next" },
      { commit = "Make" },
      { sh = """printf z > "$(printf 'left\\nbehind\\376')" """ },
      "complete",
    ]
"#;

fn made(at: &Path) -> [Option<String>; 3] {
    [&b"by\xfftes"[..], b"line\nend", b"left\nbehind\xfe"].map(|name| {
        let path = at.join(OsStr::from_bytes(name));
        std::fs::read_to_string(path).ok()
    })
}

#[tokio::test]
async fn a_run_goes_through_in_a_repository_and_with_files_of_any_name() {
    let repo = Repository::with_plan_at(PLACE, ONE_TASK);
    let house = House::over(&repo).await;
    let settings = json!({
        "merge_target_branch": "main",
        "verify_cmds": ["test -f \"$(printf 'line\\nend')\""],
    });
    let id = house.create(&repo, Some(SCRIPT), settings).await;
    let run = house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let tip = repo.git(&["rev-parse", "main"]);
    assert_eq!(Some(tip), run.facts.merge_commit);
    let all = ["x", "y", "z"].map(|text| Some(text.to_owned()));
    assert_eq!(made(&repo.root), all, "the checkout was moved along");
    assert_eq!(repo.checkout().2, "", "and nothing else is in it");

    // What loopd names itself is a line of text, whatever lies around it.
    let made = run.facts.worktree.expect("a worktree");
    let (path, above) = (Path::new(&made.path), repo.root.parent());
    assert_eq!(path.parent(), above);
    let name = path.file_name().expect("a name").to_string_lossy();
    assert_eq!(name, "re-po -[31m'\"$x-.run-thing");
    assert!(house.run(&id).await.facts.worktree_removed);
    assert!(!path.exists());

    for report in [house.dir(&id), mirrored(&repo, &id.0)] {
        let text = std::fs::read_to_string(report.join("report.tsv")).expect("a report");
        for row in text.lines() {
            assert_eq!(row.split('\t').count(), 11, "{row}");
        }
        let log = std::fs::read_to_string(report.join("run.log")).expect("a log");
        assert!(!log.contains('\u{1b}'), "{log}");
    }
    house.check().await;
}

fn mirrored(repo: &Repository, id: &str) -> std::path::PathBuf {
    repo.root.join(format!("logs/loop/run-{id}"))
}

#[tokio::test]
async fn worktrees_of_such_a_repository_are_listed_cleaned_up_and_handed_over() {
    let repo = Repository::with_plan_at(PLACE, ONE_TASK);
    let house = House::over(&repo).await;
    let settings =
        json!({ "merge_strategy": "none", "worktree_cleanup": false, "verify_cmds": ["true"] });
    let id = house.create(&repo, Some(SCRIPT), settings).await;
    house.rests(&id, State::Completed).await;
    let run = house.settled(&id).await;
    let path = run.facts.worktree.expect("a worktree").path;
    let listing = house.cleaner.list().await.expect("a list");
    let listed: Vec<_> = listing.worktrees.into_iter().collect();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0].worktree.path, &listed[0].why_kept),
        (&path, &None)
    );
    // A file that no commit has keeps it, by name; without it, it goes.
    let mine = Path::new(&path).join(OsStr::from_bytes(b"my\nown\xff"));
    std::fs::write(&mine, "mine\n").expect("a file");
    let kept = house.cleaner.remove(&path).await;
    let kept = kept.expect_err("it stays").to_string();
    assert!(kept.contains("my\nown"), "{kept}");
    std::fs::remove_file(&mine).expect("removed");
    house.cleaner.remove(&path).await.expect("it goes");
    assert!(!Path::new(&path).exists());
    let handed = house.handed(&id, handover::Event::Merge).await;
    assert_eq!(handed.facts.snag.map(|snag| snag.message), None);
    let tree = repo.git(&["ls-tree", "-z", "--name-only", "agent/thing"]);
    for name in ["by\u{fffd}tes\0", "line\nend\0", "left\nbehind\u{fffd}\0"] {
        assert!(tree.contains(name), "{tree:?}");
    }
    house.check().await;
}
