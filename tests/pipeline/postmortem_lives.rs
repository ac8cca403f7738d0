//! An analysis lives beside everything else: daemons and keepers that die, runs that are started anew, handed over or
//! collected meanwhile, other analyses. It is made once, gives way to all of it, and leaves no process.

use agent_loop::config::Shutdown;
use agent_loop::core::handover::{Event as Handover, State as Stands};
use agent_loop::core::machine::{Outcome, STALE_GENERATION};
use agent_loop::core::run::{self, Event, PostmortemReport, RunId, State};
use agent_loop::core::time::Time;
use agent_loop::daemon::{self, Cleaner};
use agent_loop::store::{self, Answer, Apply};

use super::ONE_TASK;
use super::operator::{RETRY, moved};
use super::postmortem::{analyzed, ask, ended, explains, fails_and_explains, report};
use super::restart::kill;
use crate::support::{House, Options, Repository, Turnstile, processes_of};

/// A run that has ended, and whose agent waits at the turnstile when it is to explain; what it says is the default.
async fn explaining(house: &House, repo: &Repository, stile: &mut Turnstile) -> RunId {
    let script = explains(&format!(
        "{{ sh = \"{}\" }}, {{ say = \"Seen.\" }}",
        stile.sh()
    ));
    let id = ended(house, repo, &script, State::Completed).await;
    ask(house, &id).await;
    stile.somebody().await;
    id
}

/// The directory of the latest attempt.
fn attempt(house: &House, id: &RunId) -> std::path::PathBuf {
    let tries = std::fs::read_dir(house.dir(id).join("postmortem")).expect("tries");
    let number = |path: &std::path::Path| {
        let number = path.extension().and_then(|it| it.to_str());
        number.and_then(|it| it.parse::<u32>().ok()).expect("N.M")
    };
    let paths = tries.flatten().map(|it| it.path());
    paths.max_by_key(|path| number(path)).expect("one")
}

#[tokio::test]
async fn one_run_is_analyzed_at_a_time_and_a_repeat_is_the_same_analysis() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stiles = ["one", "two"].map(|name| Turnstile::new(repo.outside(), name));
    let mut ids = Vec::new();
    for stile in &stiles {
        let script = explains(&format!(
            "{{ sh = \"{}\" }}, {{ say = \"Done.\" }}",
            stile.sh()
        ));
        ids.push(ended(&house, &repo, &script, State::Completed).await);
    }
    ask(&house, &ids[0]).await;
    stiles[0].somebody().await;
    ask(&house, &ids[1]).await;
    ask(&house, &ids[0]).await;
    assert_eq!(house.told(&ids[0], "POSTMORTEM_START").await.len(), 1);
    assert!(stiles[1].is_empty(), "the second one waits for its turn");
    stiles[0].open();
    analyzed(&house, &ids[0]).await;
    stiles[1].somebody().await;
    assert!(stiles[0].is_empty());
    stiles[1].open();
    analyzed(&house, &ids[1]).await;
    house.check().await;
}

#[tokio::test]
async fn an_analysis_outlives_its_daemon_and_is_not_made_twice() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "explains");
    let id = explaining(&house, &repo, &mut stile).await;
    house.die().await;
    assert!(!processes_of(&id).is_empty(), "it works on");
    let house = House::over(&repo).await;
    ask(&house, &id).await;
    stile.open();
    assert!(analyzed(&house, &id).await.written);
    assert_eq!(report(&house, &id), "Seen.\n");
    assert!(stile.is_empty(), "nobody came a second time");
    assert_eq!(house.told(&id, "POSTMORTEM_END").await.len(), 1);
    assert_eq!(processes_of(&id), []);
    house.check().await;
}

#[tokio::test]
async fn what_an_earlier_daemon_began_is_waited_for_by_the_analysis_of_another_run() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "explains");
    let mut other = Turnstile::new(repo.outside(), "another");
    let script = explains(&format!(
        "{{ sh = \"{}\" }}, {{ say = \"Two.\" }}",
        other.sh()
    ));
    let next = ended(&house, &repo, &script, State::Completed).await;
    let id = explaining(&house, &repo, &mut stile).await;
    ask(&house, &next).await;
    house.die().await;
    // Whoever of the two is taken up first: the one that works is let to its end.
    let house = House::over(&repo).await;
    stile.open();
    assert!(analyzed(&house, &id).await.written);
    other.somebody().await;
    assert!(stile.is_empty());
    other.open();
    assert!(analyzed(&house, &next).await.written);
    house.check().await;
}

#[tokio::test]
async fn an_analysis_that_ends_with_its_daemon_is_begun_again() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "explains");
    let id = explaining(&house, &repo, &mut stile).await;
    house.handle.drain(Shutdown::Stop).await;
    assert_eq!(processes_of(&id), []);
    house.die().await;
    let house = House::over(&repo).await;
    // The second call plays what follows the script.
    assert!(analyzed(&house, &id).await.written);
    assert!(report(&house, &id).contains("run/summary.md"));
    assert_eq!(house.told(&id, "POSTMORTEM_START").await.len(), 1);
    house.check().await;
}

#[tokio::test]
async fn an_analysis_whose_keeper_is_killed_is_begun_again_and_given_up_after_five() {
    let repo = Repository::with_plan(ONE_TASK);
    let mut house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "explains");
    let script = explains(&format!(
        "{{ sh = \"{}\" }}, {{ say = \"Seen.\" }}",
        stile.sh()
    ));
    let script = script.replace("\"default\"", "\"repeat\"")
        + "[[turn]]\nsteps = [{ tick = \"next\" }, \"complete\"]\n";
    let script =
        script + "[[turn]]\nrole = \"review\"\nsteps = [{ verdict = { approved = true } }]\n";
    let id = ended(&house, &repo, &script, State::Completed).await;
    ask(&house, &id).await;
    for n in 0..5 {
        stile.somebody().await;
        let dir = attempt(&house, &id);
        if n == 2 {
            // With its daemon.
            house.die().await;
            kill(&dir).await;
            house = House::over(&repo).await;
        } else {
            kill(&dir).await;
        }
    }
    let told = analyzed(&house, &id).await;
    let why = told.failure.expect("a cause");
    assert!(why.contains("killed 5 times"), "{why}");
    assert_eq!(processes_of(&id), []);
    let copies = std::fs::read_dir(house.dir(&id).join("postmortem")).expect("tries");
    let kept = copies
        .flatten()
        .filter(|it| it.path().join("scratch").exists());
    assert_eq!(kept.count(), 0, "the copies are thrown away");
    // Asked again, it begins anew.
    ask(&house, &id).await;
    stile.somebody().await;
    stile.open();
    assert!(analyzed(&house, &id).await.written);
    house.check().await;
}

#[tokio::test]
async fn a_run_that_is_started_anew_does_not_wait_for_its_analysis() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "explains");
    let script = fails_and_explains(&format!("{{ sh = \"{}\" }}", stile.sh()));
    let id = ended(&house, &repo, &script, State::Failed).await;
    ask(&house, &id).await;
    stile.somebody().await;
    moved(&house, &id, RETRY, State::Queued).await;
    house.wait_for(&id, State::Completed).await;
    house.settled(&id).await;
    let end = house.told(&id, "POSTMORTEM_END").await;
    assert_eq!(end.len(), 1);
    assert_eq!(end[0]["failure"], "the run was started anew");
    assert_eq!(house.run(&id).await.facts.postmortem, None);
    assert!(!house.dir(&id).join("analysis/report.md").exists());
    assert_eq!(processes_of(&id), []);
    house.check().await;
}

#[tokio::test]
async fn an_analysis_that_was_given_up_before_it_began_is_not_made() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = fails_and_explains("{ say = \"Seen.\" }");
    let id = ended(&house, &repo, &script, State::Failed).await;
    let analysis = house.dir(&id).join("analysis");
    house.die().await;
    // Both are stored by a daemon in its last moment: that it is wanted, and that the run is tried again.
    let data = repo.outside().join("data");
    let (writer, _) = store::open(&data, store::Options::default()).expect("a store");
    for event in [Event::Analyze, RETRY] {
        let applied = writer
            .apply(Apply::new(id.clone(), event, daemon::now()))
            .await;
        let applied = applied.expect("stored");
        assert!(matches!(applied.answer, Answer::Moved(_)), "{applied:?}");
    }
    writer.close().await;
    let house = House::open(&data, &Options::caps(0, 1)).await;
    house
        .until(&id, async || {
            let pending = house.reader.pending_effects().await.expect("effects");
            pending.is_empty().then_some(())
        })
        .await;
    assert_eq!(house.run(&id).await.state, State::Queued);
    assert!(!analysis.exists(), "nobody waits for it");
    house.check().await;
}

#[tokio::test]
async fn a_scrap_does_not_wait_for_an_analysis_which_is_made_after_it_without_the_worktree() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "explains");
    let script = fails_and_explains(&format!("{{ sh = \"{}\" }}", stile.sh()));
    let id = ended(&house, &repo, &script, State::Failed).await;
    let tree = house
        .run(&id)
        .await
        .facts
        .worktree
        .expect("a worktree")
        .path;
    ask(&house, &id).await;
    stile.somebody().await;
    assert_eq!(
        house.handed(&id, Handover::Scrap).await.state,
        Stands::Scrapped
    );
    assert!(!std::path::Path::new(&tree).exists());
    assert!(analyzed(&house, &id).await.written);
    assert_eq!(house.told(&id, "POSTMORTEM_START").await.len(), 1);
    assert_eq!(processes_of(&id), []);
    house.check().await;
}

#[tokio::test]
async fn what_is_left_of_a_collected_run_is_still_summarised() {
    fn in_forty_days() -> Time {
        Time(daemon::now().0 + 40 * 24 * 60 * 60 * 1000)
    }
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = ended(&house, &repo, "then = \"default\"\n", State::Completed).await;
    let (handle, reader) = (house.handle.clone(), house.reader.clone());
    let git = house.creator.git.clone();
    let data = house.data.clone();
    let cleaner = Cleaner::new(handle, reader, git, data, 30, in_forty_days);
    let collected = cleaner.collect(false).await.expect("a clean-up");
    assert_eq!(collected.runs.len(), 1);
    assert!(!house.dir(&id).exists(), "its files are gone");
    ask(&house, &id).await;
    let told = analyzed(&house, &id).await;
    assert!(told.written, "{:?}", told.failure);
    let summary = house.file(&id, "analysis/summary.md");
    assert!(summary.contains("- ended: completed"), "{summary}");
    // Its commits are gone for good: the summary needs none of them.
    repo.git(&["reflog", "expire", "--expire=all", "--all"]);
    for name in repo
        .git(&["for-each-ref", "--format=%(refname)", "refs/loopd"])
        .lines()
    {
        repo.git(&["update-ref", "-d", name]);
    }
    repo.git(&["prune", "--expire=now"]);
    ask(&house, &id).await;
    let told = analyzed(&house, &id).await;
    assert!(told.written, "{:?}", told.failure);
    let prompt = house.file(&id, "analysis/prompt.txt");
    assert!(prompt.contains("Postmortem of thing"), "{prompt}");
    house.check().await;
}

#[tokio::test]
async fn a_workspace_that_is_gone_leaves_the_summary_and_says_what_is_missing() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let id = ended(&house, &repo, "then = \"default\"\n", State::Completed).await;
    std::fs::rename(&repo.root, repo.outside().join("moved")).expect("moved away");
    ask(&house, &id).await;
    let told = analyzed(&house, &id).await;
    std::fs::rename(repo.outside().join("moved"), &repo.root).expect("moved back");
    let why = told.failure.expect("a cause");
    assert!(!told.written && why.contains("repo"), "{why}");
    assert!(
        house
            .file(&id, "analysis/summary.md")
            .contains("- ended: completed")
    );
    house.check().await;
}

#[tokio::test]
async fn a_report_of_an_earlier_analysis_is_none_of_the_present_one() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "explains");
    let script = explains(&format!(
        "{{ sh = \"{}\" }}, {{ say = \"Seen.\" }}",
        stile.sh()
    ));
    let id = ended(&house, &repo, &script, State::Completed).await;
    let before = house.run(&id).await.facts.generation;
    ask(&house, &id).await;
    stile.somebody().await;
    // What the run, as it is, makes of a report.
    let told = async |generation| {
        let run = house.run(&id).await;
        let report = PostmortemReport::default();
        let late = Event::Analyzed { generation, report };
        match run::step(run.state, &run.facts, &late, daemon::now()) {
            Outcome::Ignored(why) => why,
            Outcome::Moved(_) => "moved",
            Outcome::Refused(why) => why,
        }
    };
    let first = house.run(&id).await.facts.generation;
    assert_eq!(
        told(before).await,
        STALE_GENERATION,
        "nor of what the run did before"
    );
    assert_eq!(told(first).await, "moved");
    stile.open();
    assert!(analyzed(&house, &id).await.written);
    assert_eq!(
        told(first).await,
        STALE_GENERATION,
        "nor one that comes twice"
    );
    ask(&house, &id).await;
    assert_eq!(told(first).await, STALE_GENERATION);
    assert!(analyzed(&house, &id).await.written);
    house.check().await;
}
