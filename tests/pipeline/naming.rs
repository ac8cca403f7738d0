//! Names by a model: who is asked and how, what of the answer becomes a name, and that a run without one goes its way; what
//! interrupts the call: `naming_lives`. The model stands behind a program that is called as Claude Code is.

use std::path::Path;

use agent_loop::core::run::{Event, RunId, State};
use agent_loop::effect::keeper;
use agent_loop::store::Found;
use serde_json::{Value, json};

use super::ONE_TASK;
use crate::support::{House, Options, Repository, is_alive, processes_of, request};

/// Settings by which `script` is asked for the name, and the scripted agent works.
pub(super) fn asks(repo: &Repository, script: &str) -> Value {
    let program = repo.program("claude.sh", &format!("#!/bin/sh\n{script}\n"));
    json!({
        "run_naming_mode": "haiku",
        "reviewer": false,
        "agents": { "scripted": { "driver": "scripted" }, "claude": { "command": program } },
    })
}

/// The shell words that answer this, as Claude Code does.
pub(super) fn says(repo: &Repository, answer: &str) -> String {
    let usage = json!({ "input_tokens": 700, "output_tokens": 7 });
    let last = json!({ "type": "result", "subtype": "success", "is_error": false, "result": answer, "usage": usage });
    let said = repo.beside(&format!("said-{}", uuid::Uuid::new_v4()), &last.to_string());
    format!("cat '{}'", said.display())
}

/// What the world was told of the name.
pub(super) async fn told(house: &House, id: &RunId) -> Value {
    house
        .until(id, async || house.told(id, "RUN_NAMED").await.pop())
        .await
}

/// The run has the name of its spec, nobody else's words in anything that bears it, and the reason is told.
pub(super) async fn stays_unnamed(house: &House, id: &RunId, why: &str) {
    let told = told(house, id).await;
    assert_eq!(told["name"], "thing", "{told}");
    assert_eq!(told["name_source"], "spec_slug", "{told}");
    let message = told["message"].as_str().expect("words");
    assert!(
        !message.is_empty() && message.contains(why),
        "{why}: {message}"
    );
}

pub(super) fn calls(repo: &Repository) -> usize {
    let calls = std::fs::read_to_string(repo.outside().join("calls"));
    calls.unwrap_or_default().lines().count()
}

pub(super) fn count(repo: &Repository) -> String {
    format!("echo $$ >> '{}'", repo.outside().join("calls").display())
}

/// None of the processes is alive whose ids stand in the file.
pub(super) fn are_gone(pids: &Path) {
    let pids = std::fs::read_to_string(pids).expect("it was called");
    for pid in pids.split_whitespace() {
        assert!(!is_alive(pid.parse().expect("a number")), "{pid} lives");
    }
}

#[tokio::test]
async fn a_run_bears_the_name_that_a_model_gives_it_from_its_branch_to_its_merge() {
    let repo = Repository::with_plan(ONE_TASK);
    let seen = repo.outside().join("seen");
    let settings = asks(
        &repo,
        &format!(
            "{{ printf '%s|' \"$@\"; ls -A; cat; env; }} > '{}'\n{}",
            seen.display(),
            says(&repo, "Login Form")
        ),
    );
    let options = Options {
        environment: vec![
            ("LOOPD_TOKEN", "secret".to_owned()),
            ("ANTHROPIC_API_KEY", "sk-test".to_owned()),
        ],
        ..Options::default()
    };
    let house = House::open(&repo.outside().join("data"), &options).await;
    let id = house.create(&repo, None, settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.name(), "login-form");
    let worktree = run.facts.worktree.as_ref().expect("a worktree");
    assert_eq!(worktree.run_branch, "run/login-form");
    assert_eq!(worktree.merge_target_branch, "agent/thing");
    assert!(
        worktree.path.ends_with("repo.run-login-form"),
        "{worktree:?}"
    );
    let merged = repo.git(&["log", "-1", "--format=%s", "agent/thing"]);
    assert!(merged.starts_with("login-form"), "{merged}");
    assert!(house.prompts(&id, "implementation").await[0].contains("run/login-form"));

    let told = told(&house, &id).await;
    assert_eq!(
        (&told["name"], &told["name_source"]),
        (&json!("login-form"), &json!("haiku"))
    );
    assert_eq!(told["message"], "made up by claude (haiku)");
    let kinds: Vec<String> = house
        .events(&id)
        .await
        .into_iter()
        .map(|it| it.kind)
        .collect();
    let at = |kind: &str| kinds.iter().position(|it| it == kind).expect("it is told");
    assert!(at("RUN_STARTED") < at("RUN_NAMED") && at("RUN_NAMED") < at("WORKTREE_CREATED"));
    let found = house
        .reader
        .find("login-form")
        .await
        .expect("a readable store");
    assert_eq!(found, Found::One(id.clone()));
    assert_eq!(run.facts.usage.input_tokens, 700, "tokens are counted");

    let seen = std::fs::read_to_string(&seen).expect("it was called");
    let (line, rest) = seen
        .split_once("|# ")
        .expect("an empty directory, and a prompt");
    assert!(
        line.contains("|--tools||") && line.contains("|--model|haiku"),
        "{line}"
    );
    assert!(!line.contains("dangerously"), "{line}");
    assert!(
        rest.contains("`specs/thing.md`") && rest.contains("Make the thing."),
        "{rest}"
    );
    assert!(
        rest.contains("ANTHROPIC_API_KEY=sk-test") && !rest.contains("secret"),
        "{rest}"
    );
    house.check().await;
}

#[tokio::test]
async fn the_model_that_is_configured_is_asked() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let named = format!(
        "case \"$*\" in *'--model tiny'*) {};; esac",
        says(&repo, "by-tiny")
    );
    let mut settings = asks(&repo, &named);
    settings["run_naming_model"] = json!("tiny");
    let id = house.create(&repo, None, settings).await;
    assert_eq!(told(&house, &id).await["name"], "by-tiny");
}

#[tokio::test]
async fn whatever_comes_instead_of_a_name_the_run_goes_its_way_with_that_of_its_spec() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let refused = json!({
        "type": "result", "subtype": "success", "is_error": true, "api_error_status": 401,
        "result": "Invalid API key · Fix external API key",
    });
    for (script, why) in [
        (says(&repo, "../../x"), "holds `.`"),
        (
            says(&repo, "name\n\nBecause it is about names."),
            "several lines",
        ),
        (says(&repo, ""), "empty"),
        (says(&repo, &"word ".repeat(100_000)), "bytes long"),
        ("printf '\\377\\376\\n\\000'".to_owned(), ""),
        ("head -c 300000000 /dev/zero | tr '\\0' a".to_owned(), ""),
        (
            format!("echo '{refused}'; exit 1"),
            "credentials were refused",
        ),
        ("exit 7".to_owned(), ""),
        ("kill -9 $$".to_owned(), ""),
    ] {
        let mut settings = asks(&repo, &script);
        settings["merge_strategy"] = json!("none");
        let id = house.create(&repo, None, settings).await;
        let run = house.rests(&id, State::Completed).await;
        assert_eq!(run.name(), "thing");
        stays_unnamed(&house, &id, why).await;
        assert_eq!(run.facts.lost + run.facts.troubles, 0, "{script:.80}");
    }
    let branches = repo.git(&["branch", "--list", "--format=%(refname:short)", "run/*"]);
    assert!(
        branches.lines().all(|it| it.starts_with("run/thing")),
        "{branches}"
    );
    house.check().await;
}

#[tokio::test]
async fn nobody_who_can_be_asked_is_no_trouble_either() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    for (claude, why) in [
        (
            json!({ "command": "/nowhere/claude" }),
            "agent `claude`: failed to start",
        ),
        (
            json!({ "driver": "exec", "command": "cat" }),
            "cannot be asked for a name",
        ),
    ] {
        let settings = json!({
            "run_naming_mode": "haiku", "reviewer": false, "merge_strategy": "none",
            "agents": { "scripted": { "driver": "scripted" }, "claude": claude },
        });
        let id = house.create(&repo, None, settings).await;
        house.rests(&id, State::Completed).await;
        stays_unnamed(&house, &id, why).await;
    }
}

#[tokio::test]
async fn a_name_is_not_waited_for_longer_than_an_agent_may_take() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let pids = repo.outside().join("pids");
    let mut settings = asks(
        &repo,
        &format!(
            "sleep 1000 & setsid sleep 1000 & echo $$ $! > '{}'; wait",
            pids.display()
        ),
    );
    settings["agent_timeout_sec"] = json!(1);
    let id = house.create(&repo, None, settings).await;
    stays_unnamed(&house, &id, "").await;
    match keeper::find(&house.dir(&id).join("steps/1/naming")).expect("readable") {
        keeper::Found::Exited(exit) => {
            let took = exit.commands[0].duration_ms;
            assert!(took < 60_000, "as long as any name is waited for: {exit:?}");
        }
        other => panic!("{other:?}"),
    }
    are_gone(&pids);
    house.operate(&id, Event::Cancel).await;
    house.settled(&id).await;
    assert_eq!(processes_of(&id), []);
}

#[tokio::test]
async fn names_are_told_apart_from_other_runs_branches_and_the_target() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let unmerged = |answer: &str| {
        let mut settings = asks(&repo, &says(&repo, answer));
        settings["merge_strategy"] = json!("none");
        settings
    };
    let settings = unmerged("alike");
    for (name, branch) in [("alike", "run/alike"), ("alike-2", "run/alike-2")] {
        let id = house.create(&repo, None, settings.clone()).await;
        let run = house.rests(&id, State::Completed).await;
        assert_eq!(run.name(), name);
        assert_eq!(run.facts.worktree.expect("a worktree").run_branch, branch);
    }
    // A branch of somebody else's: the run is called so, and its branch makes way.
    repo.git(&["branch", "run/alone"]);
    let id = house.create(&repo, None, unmerged("alone")).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.name(), "alone");
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    assert_eq!(branch, "run/alone-2");
    // Neither the target itself nor a branch above it.
    for (name, target) in [("goal", "run/goal"), ("above", "run/above/it")] {
        let mut settings = asks(&repo, &says(&repo, name));
        settings["merge_target_branch"] = json!(target);
        let id = house.create(&repo, None, settings).await;
        let run = house.rests(&id, State::Completed).await;
        assert_eq!(
            run.name(),
            format!("{name}-2"),
            "{}",
            house.story(&id).await
        );
    }
}

#[tokio::test]
async fn nobody_is_asked_for_a_name_that_is_given_nor_without_being_told_to() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut settings = asks(
        &repo,
        &format!("{}; {}", count(&repo), says(&repo, "made-up")),
    );
    settings["merge_strategy"] = json!("none");
    let mut given = request(&repo, None, settings.clone());
    given.name = Some("My own".to_owned());
    settings["run_naming_mode"] = json!("spec_slug");
    let plain = request(&repo, None, settings);
    for (request, name) in [(given, "My own"), (plain, "thing")] {
        let id = house.try_create(request).await.expect("a run");
        let run = house.rests(&id, State::Completed).await;
        assert_eq!(run.name(), name);
        assert!(house.told(&id, "RUN_NAMED").await.is_empty());
    }
    assert_eq!(calls(&repo), 0);
}
