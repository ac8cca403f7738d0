//! Worktrunk as the maker of worktrees: a stand-in that behaves as the documentation of `wt switch` says. Where it puts
//! them is its own affair; whose they are, what is on them and when they go is loopd's as ever.

use std::path::{Path, PathBuf};

use agent_loop::core::run::State;
use agent_loop::effect::git::Worktrunk;
use serde_json::{Value, json};

use super::ONE_TASK;
use crate::git::executable;
use crate::support::{House, Options, Repository, request};

/// A `wt` that adds worktrees below `trees`, and writes down what it was asked.
struct Wt {
    repo: Repository,
    program: PathBuf,
}

impl Wt {
    fn new() -> Wt {
        let repo = Repository::with_plan(ONE_TASK);
        let top = repo.outside().canonicalize().expect("a real path");
        let wt = Wt {
            program: top.join("wt"),
            repo,
        };
        wt.behaves(
            r#"
            path="$TOP/trees/$(basename "$PWD").$(echo "$4" | tr / -)"
            if [ -e "$path" ]; then echo "✗ Directory already exists: $path" >&2; exit 1; fi
            git worktree add --quiet "$path" "$4" && echo "✓ Created worktree for $4 @ $path"
            "#,
        );
        wt
    }

    /// What it does when it is asked to switch; `$4` is the branch.
    fn behaves(&self, body: &str) {
        let top = self.top();
        let script = format!(
            "#!/bin/sh\nTOP='{}'\necho \"$*\" >> \"$TOP/asked\"\n\
             if [ \"$*\" = 'switch --help' ]; then echo '  --no-cd  Skip'; echo '  --no-hooks  Skip hooks'; exit 0; fi\n\
             [ \"$1 $2 $3\" = 'switch --no-cd --no-hooks' ] || {{ echo 'unexpected' >&2; exit 2; }}\n{body}\n",
            top.display()
        );
        executable(&self.program, &script);
    }

    fn top(&self) -> &Path {
        self.program.parent().expect("a parent")
    }

    fn asked(&self) -> Vec<String> {
        let asked = std::fs::read_to_string(self.top().join("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    /// A daemon that finds it, configured by its user or not; or finds none.
    async fn house(&self, configured: Option<bool>) -> House {
        let worktrunk = configured.map(|configured| Worktrunk {
            program: self.program.clone(),
            configured,
        });
        let options = Options {
            worktrunk: Some(worktrunk),
            ..Options::default()
        };
        House::open(&self.top().join("data"), &options).await
    }

    async fn create(&self, house: &House, settings: Value) -> agent_loop::core::run::RunId {
        house.create(&self.repo, None, settings).await
    }
}

fn asking_for(provider: &str) -> Value {
    json!({ "worktree_provider": provider, "worktree_cleanup": false })
}

#[tokio::test]
async fn it_puts_the_worktree_where_it_wants_and_loopd_knows_it_for_its_own() {
    let wt = Wt::new();
    let hook = wt.repo.root.join(".git/hooks/post-checkout");
    executable(
        &hook,
        &format!("#!/bin/sh\ntouch '{}/hooked'\n", wt.top().display()),
    );
    let house = wt.house(Some(false)).await;
    let settings = json!({ "worktree_provider": "worktrunk", "worktree_cleanup": false });
    let id = wt.create(&house, settings).await;
    house.rests(&id, State::Completed).await;
    let run = house.settled(&id).await;
    let made = run.facts.worktree.expect("a worktree");
    let path = wt.top().join("trees/repo.run-thing");
    assert_eq!(
        (&*made.run_branch, Path::new(&made.path)),
        ("run/thing", &*path)
    );
    assert_eq!(
        wt.asked(),
        ["switch --help", "switch --no-cd --no-hooks run/thing"]
    );
    assert!(
        !wt.top().join("hooked").exists(),
        "no hook of the repository's is run"
    );
    let known = wt.repo.git(&["worktree", "list", "--porcelain"]);
    assert!(
        known.contains(&format!("locked loopd run {id} 0")),
        "{known}"
    );
    // Removed by git, with proof, and without a word to wt.
    std::fs::write(path.join("left"), "mine").expect("a file");
    let path = path.to_str().expect("UTF-8");
    assert!(
        house
            .cleaner
            .remove(path)
            .await
            .is_err_and(|e| e.to_string().contains("left"))
    );
    std::fs::remove_file(Path::new(path).join("left")).expect("removed");
    house.cleaner.remove(path).await.expect("it goes");
    assert_eq!(wt.asked().len(), 2);
    wt.repo.git(&["rev-parse", "--verify", "run/thing"]);
    house.check().await;
}

#[tokio::test]
async fn auto_takes_it_where_its_user_has_configured_it_and_git_elsewhere() {
    for (found, taken) in [(Some(true), true), (Some(false), false), (None, false)] {
        let wt = Wt::new();
        let house = wt.house(found).await;
        let id = wt.create(&house, asking_for("auto")).await;
        house.rests(&id, State::Completed).await;
        let made = house.worktree(&id).await.path;
        let by_wt = Path::new(&made).starts_with(wt.top().join("trees"));
        assert_eq!(
            (by_wt, !wt.asked().is_empty()),
            (taken, taken),
            "{found:?}: {made}"
        );
    }
}

#[tokio::test]
async fn where_it_is_missing_a_run_that_asks_for_it_is_refused_at_the_door() {
    let wt = Wt::new();
    let house = wt.house(None).await;
    let said = house
        .try_create(request(&wt.repo, None, asking_for("worktrunk")))
        .await;
    let said = said.expect_err("it is missing");
    assert!(said.contains("there is no wt on the PATH"), "{said}");
    let id = wt.create(&house, asking_for("git")).await;
    house.rests(&id, State::Completed).await;
}

#[tokio::test]
async fn what_it_refuses_holds_the_run_in_its_words_until_a_person_has_settled_it() {
    let wt = Wt::new();
    let in_the_way = wt.top().join("trees/repo.run-thing");
    std::fs::create_dir_all(&in_the_way).expect("a directory");
    let house = wt.house(Some(true)).await;
    let id = wt.create(&house, asking_for("worktrunk")).await;
    let why = house.held(&id, "worktree_held").await;
    assert!(
        why.contains("Directory already exists") && why.contains("wt switch"),
        "{why}"
    );
    assert!(in_the_way.is_dir());
    std::fs::remove_dir(&in_the_way).expect("removed");
    house.settled(&id).await;
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(house.worktree(&id).await.run_branch, "run/thing");
    house.check().await;
}

#[tokio::test]
async fn a_worktree_of_which_nobody_knows_who_made_it_is_not_touched() {
    let wt = Wt::new();
    // Cut off when the worktree is there and loopd has not marked it yet.
    wt.behaves(
        "git worktree add --quiet \"$TOP/trees/x\" \"$4\"; echo mine > \"$TOP/trees/x/mine\"; kill -9 $$",
    );
    let house = wt.house(Some(true)).await;
    let id = wt.create(&house, asking_for("worktrunk")).await;
    house.held(&id, "worktree_held").await;
    house.settled(&id).await;
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    let why = house.held(&id, "worktree_held").await;
    assert!(
        why.contains("trees/x is on run/thing") && why.contains("does not carry the mark"),
        "{why}"
    );
    assert!(wt.top().join("trees/x/mine").is_file());
    let x = wt.top().join("trees/x").display().to_string();
    wt.repo.git(&["worktree", "remove", "--force", &x]);
    wt.behaves("git worktree add --quiet \"$TOP/trees/y\" \"$4\"");
    house.settled(&id).await;
    house.resume(&id).await;
    house.wait(&id, |run| run.state != State::Paused).await;
    house.rests(&id, State::Completed).await;
    house.check().await;
}

#[tokio::test]
async fn another_program_of_that_name_is_told_apart() {
    let wt = Wt::new();
    executable(&wt.program, "#!/bin/sh\necho 'Git worktree switcher'\n");
    let house = wt.house(Some(true)).await;
    let id = wt.create(&house, asking_for("worktrunk")).await;
    let why = house.held(&id, "worktree_held").await;
    assert!(why.contains("is no Worktrunk that knows"), "{why}");
}

#[tokio::test]
async fn a_place_inside_of_gits_own_files_is_not_taken() {
    let wt = Wt::new();
    wt.behaves(r#"git worktree add --quiet "$PWD/.git/inside" "$4""#);
    let house = wt.house(Some(false)).await;
    let id = wt.create(&house, asking_for("worktrunk")).await;
    let why = house.failed(&id, "git_failed").await;
    for words in ["it put it into git's own directory", ".git/inside"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    assert_eq!(house.run(&id).await.facts.worktree, None);
}
