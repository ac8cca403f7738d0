//! An ended run is explained: by a summary of what is recorded, and by its agent, in a place of its own. What of the run it
//! must leave alone. An agent that cannot report: `postmortem_trouble`; who dies or is in the way: `postmortem_lives`.

use agent_loop::core::handover;
use agent_loop::core::run::{Event, MergeStrategy, PostmortemEnd, RunId, State};
use agent_loop::store::{self, Answer, StoredRun};
use serde_json::{Value, json};

use super::ONE_TASK;
use super::operator::{ignored, moved, refused};
use crate::support::{House, Options, PATIENCE, RETRY, Repository, Turnstile, processes_of};

pub(super) fn settings() -> Value {
    json!({ "verify_cmds": ["true"], "merge_strategy": "none" })
}

/// A script whose analysis does this; implementation and review are the usual ones.
pub(super) fn explains(steps: &str) -> String {
    format!("then = \"default\"\n[[turn]]\nrole = \"postmortem\"\nsteps = [{steps}]\n")
}

/// The same, of a run that commits something, and fails.
pub(super) fn fails_and_explains(steps: &str) -> String {
    explains(steps)
        + "[[turn]]\nsteps = [{ write = { path = \"made\", text = \"made\" } }, { commit = \"Half of it\" }, \"auth\"]\n"
}

pub(super) fn end(run: &StoredRun) -> Option<PostmortemEnd> {
    run.facts.postmortem.as_ref()?.end.clone()
}

/// Waits for the end of the analysis.
pub(super) async fn analyzed(house: &House, id: &RunId) -> PostmortemEnd {
    let run = house.wait(id, |run| end(run).is_some()).await;
    house.settled(id).await;
    end(&run).expect("an end")
}

/// A person asks for an analysis.
pub(super) async fn ask(house: &House, id: &RunId) {
    let answer = house.operate(id, Event::Analyze).await;
    assert!(matches!(answer, Answer::Moved(_)), "{answer:?}");
}

/// The agent's report without its first line, which says what it is about.
pub(super) fn report(house: &House, id: &RunId) -> String {
    let report = house.file(id, "analysis/report.md");
    let (first, said) = report.split_once("\n\n").expect("a first line");
    assert!(
        first.starts_with("> `scripted` on thing, ended 2"),
        "{first}"
    );
    said.to_owned()
}

/// A run of this script that has ended so, with nothing left to do for it.
pub(super) async fn ended(house: &House, repo: &Repository, script: &str, state: State) -> RunId {
    let id = house.create(repo, Some(script), settings()).await;
    house.rests(&id, state).await;
    house.settled(&id).await;
    id
}

#[tokio::test]
async fn an_ended_run_is_summarised_and_explained_by_its_agent() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = explains(
        "{ sh = \"ls run > ../seen; pwd >> ../seen; grep -c 'first thing' specs/planning/thing-plan.md >> ../seen\" }, { usage = { input_tokens = 7, output_tokens = 3 } }, { say = \"It went well.\" }",
    );
    let id = ended(&house, &repo, &script, State::Completed).await;
    let (checkout, rows) = (repo.checkout(), house.file(&id, "report.tsv"));
    let before = house.run(&id).await;
    ask(&house, &id).await;
    let told = analyzed(&house, &id).await;
    assert_eq!((told.written, told.failure), (true, None));
    assert_eq!(report(&house, &id), "It went well.\n");
    let summary = house.file(&id, "analysis/summary.md");
    for part in [
        "- ended: completed",
        "- tasks: 1 of 1 done",
        "- verifications passed: 1",
        "- reviews that approved: 1",
        "| 1 | first thing | 1 | 1 | approved | passed | yes |",
        "| implementation | 1 | succeeded |",
        " RUN_COMPLETED {",
        "| implementing | 1 |",
    ] {
        assert!(summary.contains(part), "no {part:?} in\n{summary}");
    }
    // What the agent had before it: copies, beside the daemon's own files.
    let work = house.dir(&id).join("postmortem");
    let tries: Vec<_> = std::fs::read_dir(&work).expect("tries").flatten().collect();
    assert_eq!(tries.len(), 1);
    let seen = std::fs::read_to_string(tries[0].path().join("seen")).expect("seen");
    let there = |name: &str| seen.lines().any(|line| line == name);
    for name in [
        "summary.md",
        "report.tsv",
        "diff.patch",
        "commits.txt",
        "verify",
    ] {
        assert!(there(name), "{name} in\n{seen}");
    }
    assert!(!there("left-out.txt"), "{seen}");
    assert!(
        seen.contains("/postmortem/") && seen.ends_with("1\n"),
        "{seen}"
    );
    assert!(!tries[0].path().join("scratch").exists(), "thrown away");
    assert_eq!(repo.checkout(), checkout);
    assert_eq!(house.file(&id, "report.tsv"), rows, "it is no part of it");
    // Registered, in both places.
    let files = house.reader.artifacts(&id).await.expect("artifacts");
    for name in ["summary.md", "report.md", "prompt.txt", "agent.log"] {
        let name = format!("/analysis/{name}");
        let of: Vec<&str> = files
            .iter()
            .filter(|it| it.kind == "analysis" && it.path.ends_with(&name))
            .map(|it| it.location.as_str())
            .collect();
        assert_eq!(of, ["global", "workspace"], "{name}");
    }
    assert_eq!(house.told(&id, "POSTMORTEM_START").await.len(), 1);
    let end = house.told(&id, "POSTMORTEM_END").await;
    assert_eq!(end, [json!({ "written": true, "failure": null })]);
    // How the run ended is as it was, but for the tokens, which are counted.
    let mut after = house.run(&id).await;
    assert_eq!(after.state, State::Completed);
    let (old, new) = (before.facts.usage, after.facts.usage);
    assert_eq!(new.input_tokens, old.input_tokens + 7);
    assert_eq!(new.output_tokens, old.output_tokens + 3);
    (after.facts.usage, after.facts.postmortem) = (old, None);
    after.facts.generation = before.facts.generation;
    assert_eq!(after.facts, before.facts);
    assert_eq!(processes_of(&id), []);
    house.check().await;
}

#[tokio::test]
async fn an_agent_that_explains_works_on_copies_and_moves_nothing_of_its_run() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = fails_and_explains(
        "{ sh = \"echo mine > run/report.tsv; rm -r specs; git add -A && git commit -m x; true\" }, { say = \"It failed.\" }",
    );
    let id = ended(&house, &repo, &script, State::Failed).await;
    let before = house.run(&id).await;
    let tree = before.facts.worktree.clone().expect("a worktree").path;
    let status = || repo.git(&["-C", &tree, "status", "--porcelain=v2", "--branch"]);
    let stands = || (repo.checkout(), repo.git(&["for-each-ref"]), status());
    let (stood, rows) = (stands(), house.file(&id, "report.tsv"));
    ask(&house, &id).await;
    assert!(analyzed(&house, &id).await.written);
    assert_eq!(stands(), stood);
    assert_eq!(house.file(&id, "report.tsv"), rows);
    let after = house.run(&id).await;
    assert_eq!(
        (after.state, after.facts.failure),
        (State::Failed, before.facts.failure)
    );
    assert_eq!(after.facts.ended_at, before.facts.ended_at);
    house.check().await;
}

#[tokio::test]
async fn only_an_ended_run_is_explained_and_a_cancel_comes_too_late_for_it() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::open(&repo.outside().join("data"), &Options::caps(1, 2)).await;
    let mut works = Turnstile::new(repo.outside(), "works");
    let mut stile = Turnstile::new(repo.outside(), "explains");
    let script = explains(&format!(
        "{{ sh = \"{}\" }}, {{ say = \"Stopped.\" }}",
        stile.sh()
    )) + &works.turn();
    let id = house.create(&repo, Some(&script), settings()).await;
    let queued = house.create(&repo, None, settings()).await;
    works.somebody().await;
    let not_yet = [(Event::Analyze, "the run has not ended")];
    refused(&house, &queued, &not_yet).await;
    refused(&house, &id, &not_yet).await;
    moved(&house, &id, Event::Pause, State::Paused).await;
    refused(&house, &id, &not_yet).await;
    moved(&house, &id, Event::Cancel, State::Canceled).await;
    ask(&house, &id).await;
    stile.somebody().await;
    ignored(&house, &id, Event::Cancel, "the run is canceled already").await;
    stile.open();
    assert!(analyzed(&house, &id).await.written);
    let summary = house.file(&id, "analysis/summary.md");
    assert!(summary.contains("- ended: canceled"), "{summary}");
    house.check().await;
}

#[tokio::test]
async fn an_analysis_follows_every_end_by_itself_where_it_is_configured() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut settings = settings();
    settings["postmortem"] = json!(true);
    let script = "then = \"default\"\n[[turn]]\nsteps = [\"auth\"]\n";
    let id = house.create(&repo, Some(script), settings).await;
    house.failed(&id, "agent_auth").await;
    assert!(analyzed(&house, &id).await.written);
    assert!(
        house
            .file(&id, "analysis/report.md")
            .contains(": failed: agent_auth")
    );
    moved(&house, &id, RETRY, State::Queued).await;
    assert_eq!(house.run(&id).await.facts.postmortem, None);
    house.wait_for(&id, State::Completed).await;
    assert!(analyzed(&house, &id).await.written);
    assert!(
        house
            .file(&id, "analysis/report.md")
            .contains(": completed\n")
    );
    assert_eq!(house.told(&id, "POSTMORTEM_START").await.len(), 2);
    assert_eq!(house.told(&id, "POSTMORTEM_END").await.len(), 2);
    // Without a word in the configuration there is none.
    let plain = ended(&house, &repo, "then = \"default\"\n", State::Completed).await;
    assert!(house.told(&plain, "POSTMORTEM_START").await.is_empty());
    assert!(!house.dir(&plain).join("analysis").exists());
    house.check().await;
}

#[tokio::test]
async fn its_prompt_is_the_workspaces_own_where_there_is_one() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.write(
        ".loop/prompts/postmortem.md",
        "Explain {{ run_name }}{% if outcome %} ({{ outcome }}) in {{ workspace }} from {{ run_dir }}{% endif %}, and be brief.\n",
    );
    repo.commit_all("Our own words");
    let house = House::over(&repo).await;
    let id = ended(&house, &repo, "then = \"default\"\n", State::Completed).await;
    ask(&house, &id).await;
    assert!(analyzed(&house, &id).await.written);
    let prompt = house.file(&id, "analysis/prompt.txt");
    assert!(
        prompt.starts_with("Explain thing (completed) in /"),
        "{prompt}"
    );
    assert!(prompt.contains("/scratch from /"), "{prompt}");
    assert!(
        prompt.trim_end().ends_with("/scratch/run, and be brief."),
        "{prompt}"
    );
}

#[tokio::test]
async fn a_merge_strategy_given_afterwards_ends_the_analysis_for_the_world_too() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "explains");
    let script = explains(&format!("{{ sh = \"{}\" }}", stile.sh()));
    let id = ended(&house, &repo, &script, State::Completed).await;
    ask(&house, &id).await;
    stile.somebody().await;
    let merge_strategy = MergeStrategy::Squash;
    moved(
        &house,
        &id,
        Event::RetryMerge { merge_strategy },
        State::Queued,
    )
    .await;
    house
        .wait(&id, |run| run.facts.merge_commit.is_some())
        .await;
    house.settled(&id).await;
    let told = house.told(&id, "POSTMORTEM_END").await;
    assert_eq!(
        told,
        [json!({ "written": false, "failure": "the run was started anew" })]
    );
    assert_eq!(processes_of(&id), []);
    house.check().await;
}

#[tokio::test]
async fn a_summary_knows_the_commit_that_a_person_merged_the_work_as() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = ended(
        &house,
        &repo,
        &explains("{ say = \"It went well.\" }"),
        State::Completed,
    )
    .await;
    let it = house.handed(&id, handover::Event::Merge).await;
    ask(&house, &id).await;
    analyzed(&house, &id).await;
    let commit = it.facts.merge_commit.expect("a commit");
    let summary = house.file(&id, "analysis/summary.md");
    assert!(
        summary.contains(&format!("- merged as: {commit}\n")),
        "{summary}"
    );
}

#[tokio::test]
async fn a_summary_counts_every_event_of_however_many() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = ended(&house, &repo, "", State::Completed).await;
    // As of a run that met a limit again and again.
    let raw = rusqlite::Connection::open(store::file(&house.data)).expect("opens");
    raw.busy_timeout(PATIENCE).expect("patience");
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500)
        INSERT INTO events (run_id, at, type, payload) SELECT ?1, 1, 'AGENT_LIMITED', '{}' FROM n";
    assert_eq!(raw.execute(sql, [&id.0]).expect("they are stored"), 2500);
    ask(&house, &id).await;
    analyzed(&house, &id).await;
    let summary = house.file(&id, "analysis/summary.md");
    assert!(summary.contains("- usage limits met: 2500\n"), "{summary}");
}
