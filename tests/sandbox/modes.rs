//! `off`, `guard`, `required`: what each leaves open, refuses and says.

use agent_loop::core::run::State;
use agent_loop::core::step::Confined;
use serde_json::json;

use super::{Estate, ONE_TASK, confinement, landlock};
use crate::support::{House, Options, Repository, Turnstile, request};

const REACH_OUT: &str = r#"
    [[turn]]
    steps = [
        { sh = "(echo x > ../repo/reached) || true" },
        { sh = "mktemp > where && dirname $(cat where) > where" },
        { tick = "next" },
        "complete",
    ]
"#;

#[tokio::test]
async fn off_confines_nothing_and_says_so() {
    let estate = Estate::new(ONE_TASK).await;
    let settings = json!({ "sandbox": "off", "artifact_mode": "global" });
    let id = estate
        .house
        .create(&estate.repo, Some(REACH_OUT), settings)
        .await;
    estate.house.rests(&id, State::Completed).await;
    assert!(estate.repo.root.join("reached").exists());
    let found = confinement(&estate.house, &id, "implementation").await;
    assert_eq!(found.level, Confined::Off);
}

#[tokio::test]
async fn required_leaves_no_temporary_directory_open_that_the_checkout_lies_in() {
    if !landlock() {
        return;
    }
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let settings = json!({ "sandbox": "required", "artifact_mode": "global" });
    let id = house.create(&repo, Some(REACH_OUT), settings).await;
    house.rests(&id, State::Completed).await;
    assert!(!repo.root.join("reached").exists());
    let found = confinement(&house, &id, "implementation").await;
    assert_eq!((found.level, found.lacks), (Confined::Full, vec![]));
    let own = house.dir(&id).join("tmp");
    assert_eq!(repo.at("agent/thing", "where"), own.display().to_string());
}

/// A daemon whose data, and whose user's home, lie beside this repository.
async fn house_beside(repo: &Repository) -> House {
    let home = repo.outside().join("home");
    std::fs::create_dir_all(&home).expect("a home");
    let options = Options {
        environment: vec![("HOME", home.display().to_string())],
        ..Options::default()
    };
    House::open(&repo.outside().join("data"), &options).await
}

/// What an agent that writes at `place` could do there: a guard tells of the place, `required` closes it.
async fn told_or_closed(house: &House, repo: &Repository, place: &std::path::Path) {
    let reached = place.join("reached");
    let script = format!(
        "[[turn]]\nsteps = [{{ sh = \"(echo x > '{}') || true\" }}, {{ tick = \"next\" }}, \"complete\"]\n",
        reached.display()
    );
    let settings = |sandbox| json!({ "sandbox": sandbox, "artifact_mode": "global", "merge_strategy": "none" });
    let id = house.create(repo, Some(&script), settings("guard")).await;
    house.rests(&id, State::Completed).await;
    let found = confinement(house, &id, "implementation").await;
    let lacks = found.lacks.join("; ");
    assert_eq!(found.level, Confined::Partial, "{lacks}");
    assert!(lacks.contains(&place.display().to_string()), "{lacks}");
    std::fs::remove_file(&reached).expect("a guard cannot close it");
    house.settled(&id).await;
    let id = house
        .create(repo, Some(&script), settings("required"))
        .await;
    house.rests(&id, State::Completed).await;
    let found = confinement(house, &id, "implementation").await;
    assert_eq!((found.level, found.lacks), (Confined::Full, vec![]));
    assert!(!reached.exists());
}

#[tokio::test]
async fn a_checkout_in_an_open_place_is_told_of_although_its_repository_lies_apart() {
    if !landlock() {
        return;
    }
    let apart = Repository::apart_from_temporary_files(ONE_TASK);
    let repo = Repository::with_plan(ONE_TASK);
    let kept = apart.outside().join("kept.git").display().to_string();
    repo.git(&["init", "--quiet", "--separate-git-dir", &kept]);
    let house = house_beside(&apart).await;
    told_or_closed(&house, &repo, &repo.root).await;
}

#[tokio::test]
async fn a_linked_checkout_of_the_users_in_an_open_place_is_told_of() {
    if !landlock() {
        return;
    }
    let repo = Repository::apart_from_temporary_files(ONE_TASK);
    let open = tempfile::tempdir().expect("a directory");
    let mine = open
        .path()
        .canonicalize()
        .expect("a real path")
        .join("mine");
    let there = mine.display().to_string();
    repo.git(&["worktree", "add", "--quiet", &there]);
    let house = house_beside(&repo).await;
    told_or_closed(&house, &repo, &mine).await;
}

#[tokio::test]
async fn required_is_refused_at_the_door_where_run_branches_cannot_be_told_from_others() {
    if !landlock() {
        return;
    }
    let estate = Estate::new(ONE_TASK).await;
    for (prefix, branch, named) in [
        ("run-", None, "run_branch_prefix that ends in `/`"),
        ("work/", Some("work/of-mine"), "work/of-mine"),
    ] {
        if let Some(branch) = branch {
            estate.repo.git(&["branch", branch]);
        }
        let settings = json!({ "sandbox": "required", "run_branch_prefix": prefix });
        let refused = estate
            .house
            .try_create(request(&estate.repo, None, settings))
            .await;
        let why = refused.expect_err("it is refused");
        assert!(why.contains("required") && why.contains(named), "{why}");
        // A guard does what it can.
        let settings = json!({ "run_branch_prefix": prefix, "artifact_mode": "global" });
        let id = estate.house.create(&estate.repo, None, settings).await;
        estate.house.rests(&id, State::Completed).await;
        let found = confinement(&estate.house, &id, "implementation").await;
        assert_eq!(found.level, Confined::Partial);
        assert!(found.lacks.join("; ").contains(named), "{found:?}");
    }
}

#[tokio::test]
async fn a_required_sandbox_that_can_no_longer_be_kept_holds_the_run() {
    if !landlock() {
        return;
    }
    let estate = Estate::new(ONE_TASK).await;
    let doors = tempfile::tempdir().expect("a directory");
    let mut turnstile = Turnstile::new(doors.path(), "agent");
    let script = format!(
        r#"
        [[turn]]
        steps = [{{ sh = "{}" }}, {{ tick = "next" }}, "complete"]
    "#,
        turnstile.sh()
    );
    let settings = |sandbox| json!({ "sandbox": sandbox, "artifact_mode": "global", "merge_strategy": "none" });
    let first = estate
        .house
        .create(&estate.repo, Some(&script), settings("off"))
        .await;
    turnstile.somebody().await;
    let id = estate
        .house
        .create(&estate.repo, None, settings("required"))
        .await;
    // While it waits, a branch of the user's appears among those of the runs.
    estate.repo.git(&["branch", "run/of-mine"]);
    turnstile.open();
    estate.house.rests(&first, State::Completed).await;
    let why = estate.house.held(&id, "sandbox_unavailable").await;
    assert!(why.contains("run/of-mine"), "{why}");
    estate.repo.git(&["branch", "-D", "run/of-mine"]);
    estate.house.resume(&id).await;
    estate
        .house
        .wait(&id, |run| run.state != State::Paused)
        .await;
    estate.house.rests(&id, State::Completed).await;
}

#[tokio::test]
async fn a_commit_of_a_confined_agent_is_made_where_commits_are_signed() {
    if !landlock() {
        return;
    }
    let estate = Estate::new(ONE_TASK).await;
    let repo = &estate.repo;
    // The keys, and the agent that holds them, lie where a confined step cannot write.
    repo.git(&["config", "commit.gpgsign", "true"]);
    repo.git(&["config", "gpg.program", "false"]);
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { sh = "git commit --quiet --all --message 'By the agent'" }, "complete"]
    "#;
    let settings =
        json!({ "merge_strategy": "none", "reviewer": false, "artifact_mode": "global" });
    let id = estate.house.create(repo, Some(script), settings).await;
    let run = estate.house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 1);
    let said = repo.git(&["log", "-1", "--format=%s", "run/thing"]);
    assert_eq!(said, "By the agent");
}

#[tokio::test]
async fn a_confined_agent_finds_its_places_and_git_leaves_upkeep_alone() {
    if !landlock() {
        return;
    }
    let repo = Repository::apart_from_temporary_files(ONE_TASK);
    let home = repo.outside().join("home");
    std::fs::create_dir(&home).expect("a home");
    let environment = [
        ("HOME", home.display().to_string()),
        ("GIT_CONFIG_COUNT", "1".to_owned()),
        ("GIT_CONFIG_KEY_0", "loopd.mine".to_owned()),
        ("GIT_CONFIG_VALUE_0", "kept".to_owned()),
    ];
    let options = Options {
        environment: environment.into(),
        ..Options::default()
    };
    let house = House::open(&repo.outside().join("data"), &options).await;
    // Neither its own directory nor the cache is there yet, and nobody inside could make them.
    let program = repo.program(
        "claude.sh",
        r#"#!/bin/sh
        [ "$1" != --version ] || { echo 1.0.0; exit; }
        echo session > ~/.claude/session && mkdir ~/.cache/tool && echo x > ~/.cache/tool/x || exit 1
        for key in loopd.mine gc.auto maintenance.auto commit.gpgSign; do git config $key; done > config
        sed -i 's/\[ \]/[x]/' specs/planning/thing-plan.md
        git add --all && git commit -qm 'Do it'
        echo '{"type":"result","subtype":"success","is_error":false,"result":"<promise>COMPLETE</promise>"}'
        "#,
    );
    let settings = json!({
        "agent": "claude",
        "agents": { "claude": { "command": program } },
        "env_pass": ["GIT_CONFIG_*"],
        "reviewer": false,
        "artifact_mode": "global",
        "agent_retries": 0,
    });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    let found = confinement(&house, &id, "implementation").await;
    assert_eq!((found.level, found.lacks), (Confined::Full, vec![]));
    let session = std::fs::read_to_string(home.join(".claude/session"));
    assert_eq!(session.expect("its state is kept"), "session\n");
    assert!(home.join(".cache/tool/x").exists());
    let config = repo.at("agent/thing", "config");
    assert_eq!(config, "kept\n0\nfalse\nfalse");
}
