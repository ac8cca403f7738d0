//! What is refused at the door although each part of it is well-formed: settings that would harm the workspace, or that
//! could only fail when all the work is done.

use agent_loop::daemon::{CreateError, now};
use agent_loop::store::{Filter, Idempotency};
use serde_json::json;

use crate::support::{House, Options, Repository, request};

const PLAN: &str = "- [ ] one thing\n";

async fn refusal(settings: serde_json::Value) -> String {
    let repo = Repository::with_plan(PLAN);
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    match house.try_create(request(&repo, None, settings)).await {
        Ok(id) => panic!("run {id} was created"),
        Err(said) => said,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_runs_go_into_a_folder_of_their_own() {
    for log_dir in [".git/refs/heads", ".git", "a/.git/b", "lo[gs]/*", "logs!"] {
        let said = refusal(json!({ "log_dir": log_dir })).await;
        assert!(said.contains("log_dir"), "{log_dir}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_runs_never_leave_the_workspace_by_a_link() {
    let repo = Repository::with_plan(PLAN);
    std::os::unix::fs::symlink(repo.outside(), repo.root.join("out")).expect("a link");
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let said = house
        .try_create(request(&repo, None, json!({ "log_dir": "out/logs" })))
        .await;
    assert!(said.is_err_and(|said| said.contains("leads out")));
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_that_cannot_be_beside_each_other_are_refused() {
    for settings in [
        json!({ "run_branch_prefix": "agent/thing/" }),
        json!({ "run_branch_prefix": "agent/", "merge_target_branch": "agent" }),
        json!({ "merge_target_branch": "run/thing" }),
    ] {
        let said = refusal(settings.clone()).await;
        assert!(
            said.contains("cannot be beside each other"),
            "{settings}: {said}"
        );
    }
    // A run that is given a name has its branch by that.
    let repo = Repository::with_plan(PLAN);
    let house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    for (name, is_refused) in [("Mine, again", true), ("yours", false)] {
        let settings = json!({ "merge_target_branch": "run/mine-again" });
        let mut request = request(&repo, None, settings);
        request.name = Some(name.to_owned());
        let created = house.try_create(request).await;
        assert_eq!(created.is_err(), is_refused, "{name}: {created:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_in_two_bytes_a_character_is_named_as_such_and_not_as_empty() {
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let repo = Repository::with_plan(PLAN);
        let units = "\u{feff}# Plan\n\n- [ ] one thing\n".encode_utf16();
        let bytes: Vec<u8> = units.flat_map(order).collect();
        std::fs::write(repo.root.join("specs/planning/thing-plan.md"), bytes).expect("written");
        repo.git(&["commit", "--quiet", "--all", "--message=wide"]);
        let house = House::open(&repo.outside().join("data"), &Options::default()).await;
        let said = house.try_create(request(&repo, None, json!({}))).await;
        let said = said.expect_err("it cannot be read");
        assert!(said.contains("thing-plan.md is not UTF-8"), "{said}");
        assert!(said.contains("UTF-16"), "{said}");
        // Not a byte of this is 0: the mark at its beginning says what it is.
        let repo = Repository::with_plan(PLAN);
        let bytes: Vec<u8> = "\u{feff}規格書".encode_utf16().flat_map(order).collect();
        std::fs::write(repo.root.join("specs/thing.md"), bytes).expect("written");
        repo.git(&["commit", "--quiet", "--all", "--message=wide"]);
        let house = House::open(&repo.outside().join("data"), &Options::default()).await;
        let said = house.try_create(request(&repo, None, json!({}))).await;
        let said = said.expect_err("it cannot be read");
        assert!(said.contains("specs/thing.md is not UTF-8"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_a_worktree_hides_its_files_too() {
    let repo = Repository::with_plan(PLAN);
    let before = repo.checkout();
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    // Where the worktree would go, something else is in the way.
    let taken = repo.beside("taken", "a file\n").join("zz");
    let template = json!({ "worktree_path_template": taken });
    let id = house.create(&repo, None, template).await;
    let run = house.rest(&id).await;
    assert_eq!(run.facts.worktree, None);
    house.settled(&id).await;
    assert_eq!(
        repo.checkout(),
        before,
        "git status shows nothing of the run"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_answered_although_the_spec_has_gone_since() {
    let repo = Repository::with_plan(PLAN);
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let mut asked = request(&repo, None, json!({}));
    asked.idempotency = Some(Idempotency {
        key: "once".to_owned(),
        request_hash: "same".to_owned(),
    });
    let first = house.try_create(asked.clone()).await.expect("created");
    house.rest(&first).await;
    repo.git(&["rm", "--quiet", "specs/thing.md"]);
    repo.commit_all("Gone");
    assert_eq!(house.try_create(asked.clone()).await.as_ref(), Ok(&first));
    asked.idempotency = Some(Idempotency {
        key: "once".to_owned(),
        request_hash: "other".to_owned(),
    });
    let refused = house.try_create(asked).await.expect_err("another request");
    assert!(refused.contains("idempotency key"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_means_its_request_after_a_restart_too() {
    let repo = Repository::with_plan(PLAN);
    let mut asked = request(&repo, None, json!({}));
    let key = |hash: &str| {
        Some(Idempotency {
            key: "once".to_owned(),
            request_hash: hash.to_owned(),
        })
    };
    asked.idempotency = key("same");
    let house = House::over(&repo).await;
    let first = house.try_create(asked.clone()).await.expect("created");
    house.die().await;
    let house = House::over(&repo).await;
    assert_eq!(house.try_create(asked.clone()).await.as_ref(), Ok(&first));
    asked.idempotency = key("other");
    let refused = house.try_create(asked).await.expect_err("another request");
    assert!(refused.contains(&first.0), "{refused}");
    let all = house.reader.list(Filter::default()).await.expect("a list");
    assert_eq!(all.runs.len(), 1);
    house.rest(&first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_leads_its_worktrees_nowhere_by_a_link_and_its_user_may() {
    let repo = Repository::with_plan(PLAN);
    let away = tempfile::TempDir::new().expect("a directory");
    std::os::unix::fs::symlink(away.path(), repo.root.join("out")).expect("a link");
    let template = "out/{{ run_branch | sanitize }}";
    let file = format!("worktree_path_template = \"{template}\"\n");
    repo.write(".loop/config.toml", &file);
    repo.commit_all("Worktrees by a link");
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let said = house.try_create(request(&repo, None, json!({}))).await;
    let said = said.expect_err("it leads out");
    assert!(
        said.contains("worktree_path_template of the workspace leads to"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_dir(away.path()).expect("a directory").count(),
        0
    );
    let own = json!({ "worktree_path_template": template, "worktree_cleanup": false });
    let id = house.create(&repo, None, own).await;
    house.rest(&id).await;
    let made = house.worktree(&id).await.path;
    let away = away.path().canonicalize().expect("a real path");
    assert!(std::path::Path::new(&made).starts_with(away), "{made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_is_no_file_or_has_no_end_is_refused_and_not_waited_for() {
    let repo = Repository::with_plan(PLAN);
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let made = std::process::Command::new("mkfifo")
        .arg(repo.root.join("specs/pipe.md"))
        .status();
    assert!(made.expect("mkfifo runs").success());
    let huge = std::fs::File::create(repo.root.join("specs/huge.md")).expect("a file");
    huge.set_len(1 << 40).expect("sparse");
    for (spec, why) in [
        ("pipe", "it is no regular file"),
        ("huge", "it is larger than 16777216 bytes"),
    ] {
        let mut request = request(&repo, None, json!({}));
        request.spec_path = format!("specs/{spec}.md");
        request.plan_path = Some("specs/planning/thing-plan.md".to_owned());
        let said = house.creator.create(request, now()).await;
        let said = said.expect_err("it cannot be read");
        // The request is wrong, not the daemon.
        let CreateError::Invalid { code, message, .. } = said else {
            panic!("{said}");
        };
        assert_eq!(code, "file_unusable");
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_for_the_files_of_runs_that_cannot_be_made_is_refused_where_it_would_be_used() {
    let repo = Repository::with_plan(PLAN);
    repo.write("taken", "a file\n");
    std::os::unix::fs::symlink("nowhere", repo.root.join("dangling")).expect("a link");
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    for log_dir in ["taken", "taken/logs", "dangling", "dangling/logs"] {
        for mode in ["mirror", "workspace"] {
            let settings = json!({ "log_dir": log_dir, "artifact_mode": mode });
            let said = house.try_create(request(&repo, None, settings)).await;
            let said = said.expect_err("it cannot be made");
            let place = repo.root.join(log_dir.split('/').next().expect("a name"));
            for words in ["log_dir", "cannot be made", &place.display().to_string()] {
                assert!(said.contains(words), "{log_dir}, {mode}: {said}");
            }
        }
        let settings = json!({ "log_dir": log_dir, "artifact_mode": "global" });
        house.create(&repo, None, settings).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_there_and_in_the_way_is_said_before_there_is_a_run() {
    for (branch, settings, words) in [
        (
            "run",
            json!({}),
            "the branch run is in the way of the run's branch run/thing",
        ),
        (
            "mine",
            json!({ "run_branch_prefix": "mine/deep/", "merge_strategy": "none" }),
            "the branch mine is in the way of the run's branch mine/deep/thing",
        ),
        (
            "agent",
            json!({}),
            "the branch agent is in the way of the merge target agent/thing",
        ),
        (
            "into/deep",
            json!({ "merge_target_branch": "into" }),
            "the branch into/deep is in the way of the merge target into",
        ),
    ] {
        let repo = Repository::with_plan(PLAN);
        let house = House::open(&repo.outside().join("data"), &Options::default()).await;
        repo.git(&["branch", branch]);
        let said = house
            .try_create(request(&repo, None, settings.clone()))
            .await;
        let said = said.expect_err("it is in the way");
        assert!(said.contains(words), "{said}");
        // Under another name it is in nobody's way.
        repo.git(&["branch", "--move", branch, "other"]);
        house.create(&repo, None, settings).await;
    }
    // A number at its end is enough where the name itself is taken, and a target that is there is a target.
    let repo = Repository::with_plan(PLAN);
    for branch in ["run/thing", "run/thing-2/deep", "agent/thing"] {
        repo.git(&["branch", branch]);
    }
    let house = House::open(&repo.outside().join("data"), &Options::default()).await;
    let id = house.create(&repo, None, json!({})).await;
    let run = house.rest(&id).await;
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    assert_eq!(branch, "run/thing-3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_only_the_base_has_counts_and_no_snapshot_is_made_of_it() {
    let repo = Repository::with_plan(PLAN);
    let house = House::open(&repo.outside().join("data"), &Options::caps(0, 1)).await;
    std::fs::remove_file(repo.root.join("specs/thing.md")).expect("removed");
    // A folder may be written with a slash at its end.
    let mut ask = request(&repo, None, json!({ "plans_dir": "specs/planning/" }));
    let id = house.try_create(ask.clone()).await.expect("a run");
    let spec = house.run(&id).await.spec;
    assert_eq!(spec.plan_path, "specs/planning/thing-plan.md");
    ask.snapshot = true;
    let said = house.try_create(ask).await.expect_err("there is none");
    assert!(said.contains("specs/thing.md does not exist"), "{said}");
}
