//! Names by a model: who is asked and how, what of the answer becomes a name, and that a run without one goes its way. The
//! model stands behind a program that is called as Claude Code is.

use std::path::Path;

use agent_loop::config::Shutdown;
use agent_loop::core::run::{Event, RunId, State};
use agent_loop::effect::keeper;
use agent_loop::store::{self, Found};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::ONE_TASK;
use crate::support::{
    House, Options, Repository, Turnstile, agents, eventually, is_alive, processes_of, request,
};

/// Settings by which `script` is asked for the name, and the scripted agent works.
fn asks(repo: &Repository, script: &str) -> Value {
    let program = repo.beside("claude.sh", &format!("#!/bin/sh\n{script}\n"));
    agents::make_executable(&program);
    json!({
        "run_naming_mode": "haiku",
        "reviewer": false,
        "agents": { "scripted": { "driver": "scripted" }, "claude": { "command": program } },
    })
}

/// The shell words that answer this, as Claude Code does.
fn says(repo: &Repository, answer: &str) -> String {
    let usage = json!({ "input_tokens": 700, "output_tokens": 7 });
    let last = json!({ "type": "result", "subtype": "success", "is_error": false, "result": answer, "usage": usage });
    let said = repo.beside(&format!("said-{}", uuid::Uuid::new_v4()), &last.to_string());
    format!("cat '{}'", said.display())
}

/// What the world was told of the name.
async fn told(house: &House, id: &RunId) -> Value {
    house
        .until(id, async || house.told(id, "RUN_NAMED").await.pop())
        .await
}

/// The run has the name of its spec, nobody else's words in anything that bears it, and the reason is told.
async fn stays_unnamed(house: &House, id: &RunId, why: &str) {
    let told = told(house, id).await;
    assert_eq!(told["name"], "thing", "{told}");
    assert_eq!(told["name_source"], "spec_slug", "{told}");
    let message = told["message"].as_str().expect("words");
    assert!(
        !message.is_empty() && message.contains(why),
        "{why}: {message}"
    );
}

fn calls(repo: &Repository) -> usize {
    let calls = std::fs::read_to_string(repo.outside().join("calls"));
    calls.unwrap_or_default().lines().count()
}

fn count(repo: &Repository) -> String {
    format!("echo $$ >> '{}'", repo.outside().join("calls").display())
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
    are_gone(&pids);
    house.operate(&id, Event::Cancel).await;
    house.settled(&id).await;
    assert_eq!(processes_of(&id), []);
}

/// None of the processes is alive whose ids stand in the file.
fn are_gone(pids: &Path) {
    let pids = std::fs::read_to_string(pids).expect("it was called");
    for pid in pids.split_whitespace() {
        assert!(!is_alive(pid.parse().expect("a number")), "{pid} lives");
    }
}

#[tokio::test]
async fn a_cancel_ends_the_call_and_the_next_start_asks_anew() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let settings = asks(
        &repo,
        &format!(
            "{}; {}; {}",
            count(&repo),
            stile.sh(),
            says(&repo, "second-thought")
        ),
    );
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    let asked = house.run(&id).await;
    assert_eq!((asked.state, asked.facts.naming), (State::Running, None));
    house.operate(&id, Event::Cancel).await;
    let run = house.settled(&id).await;
    assert_eq!((run.state, run.facts.naming), (State::Canceled, None));
    assert_eq!(processes_of(&id), []);
    are_gone(&repo.outside().join("calls"));
    let call = house.dir(&id).join("steps/1/naming");
    match keeper::find(&call).expect("readable") {
        keeper::Found::Exited(exit) => assert!(exit.canceled, "ended by its time: {exit:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        repo.git(&["branch", "--list", "run/*"]),
        "",
        "no branch was begun"
    );

    let merge_strategy = None;
    house.operate(&id, Event::Retry { merge_strategy }).await;
    stile.somebody().await;
    stile.open();
    let run = house.rests(&id, State::Completed).await;
    assert_eq!((run.name(), calls(&repo)), ("second-thought", 2));
    house.check().await;
}

#[tokio::test]
async fn a_paused_run_holds_its_slot_until_the_call_is_gone_and_is_named_once() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let (mut begins, mut ends) = (
        Turnstile::new(repo.outside(), "begins"),
        Turnstile::new(repo.outside(), "ends"),
    );
    // The first call takes its time to end; later ones answer.
    let mut settings = asks(
        &repo,
        &format!(
            "{}; end() {{ {}; exit; }}\nif [ $(wc -l < '{}') = 1 ]; then trap end TERM; {}; fi; {}",
            count(&repo),
            ends.sh(),
            repo.outside().join("calls").display(),
            begins.sh(),
            says(&repo, "named-once")
        ),
    );
    settings["stop_grace_sec"] = json!(100);
    let script = "then = 'default'\n[[turn]]\nsteps = [{ sh = 'exit 1' }, { exit = 1 }]\n";
    settings["agents"]["scripted"] =
        json!({ "driver": "scripted", "args": [repo.beside("script.toml", script)] });
    let id = house.create(&repo, None, settings).await;
    begins.somebody().await;
    house.operate(&id, Event::Pause).await;
    ends.somebody().await;
    let paused = house.run(&id).await;
    assert_eq!(paused.state, State::Paused);
    assert!(paused.facts.step.is_some(), "it holds its slot");
    house.resume(&id).await;
    house.gated(&id, &["previous_step_alive"]).await;
    ends.open();
    let run = house.rests(&id, State::Completed).await;
    assert_eq!((run.name(), calls(&repo)), ("named-once", 2));
    let told = house.told(&id, "RUN_NAMED").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        house.steps(&id, "implementation").await.len() > 2,
        "with a try more"
    );
    house.check().await;
}

#[tokio::test]
async fn a_call_outlives_its_daemon_and_its_answer_is_heard_by_the_next_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let settings = asks(
        &repo,
        &format!(
            "{}; {}; {}",
            count(&repo),
            stile.sh(),
            says(&repo, "heard-later")
        ),
    );
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    house.die().await;
    let house = House::over(&repo).await;
    stile.open();
    let run = house.rests(&id, State::Completed).await;
    assert_eq!((run.name(), calls(&repo)), ("heard-later", 1));
    assert_eq!(run.facts.lost, 0);
    house.check().await;
}

#[tokio::test]
async fn a_call_that_is_killed_with_its_daemon_and_its_keeper_leaves_the_run_its_name() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let settings = asks(&repo, &stile.sh());
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    house.die().await;
    for (pid, _) in processes_of(&id) {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let _ = kill_process(pid.expect("a process"), Signal::KILL);
    }
    eventually(async || processes_of(&id).is_empty().then_some(())).await;
    let house = House::over(&repo).await;
    let run = house.rests(&id, State::Completed).await;
    stays_unnamed(&house, &id, "ended before there was an answer").await;
    assert_eq!(run.facts.lost, 0, "no step was lost");
    house.check().await;
}

#[tokio::test]
async fn no_branch_is_made_before_the_name_is_stored() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let script = format!("{}; {}", stile.sh(), says(&repo, "stored-late"));
    let id = house.create(&repo, None, asks(&repo, &script)).await;
    stile.somebody().await;
    let stranger = rusqlite::Connection::open(store::file(&house.data)).expect("opens");
    stranger.execute_batch("BEGIN IMMEDIATE").expect("locked");
    stile.open();
    // The answer could not be stored, and the lane had its turn since.
    eventually(async || (house.metrics.store_retries.get() > 1).then_some(())).await;
    assert_eq!(repo.git(&["branch", "--list", "run/*"]), "");
    stranger.execute_batch("ROLLBACK").expect("free again");
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.name(), "stored-late");
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    assert_eq!(branch, "run/stored-late");
    house.check().await;
}

#[tokio::test]
async fn a_call_ends_with_its_daemon_where_steps_do() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "asked");
    let settings = asks(&repo, &stile.sh());
    let id = house.create(&repo, None, settings).await;
    stile.somebody().await;
    house.handle.drain(Shutdown::Stop).await;
    assert_eq!(processes_of(&id), []);
    assert_eq!(house.run(&id).await.state, State::Running);
    house.die().await;
    let house = House::over(&repo).await;
    house.rests(&id, State::Completed).await;
    stays_unnamed(&house, &id, "ended before there was an answer").await;
    house.check().await;
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
