//! An analysis beside what else becomes of its run: started anew, scrapped, collected, analyzed again. It gives way to all of
//! it, and what is left is still explained. Daemons and keepers that die are in `postmortem_lives`.

use agent_loop::core::handover::{Event as Handover, State as Stands};
use agent_loop::core::machine::{Outcome, STALE_GENERATION};
use agent_loop::core::run::{self, Event, PostmortemReport, State};
use agent_loop::core::time::Time;
use agent_loop::daemon::{self, Cleaner};

use super::ONE_TASK;
use super::operator::moved;
use super::postmortem::{analyzed, ask, ended, explains, fails_and_explains};
use crate::support::{House, RETRY, Repository, Turnstile, processes_of};

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
async fn a_scrap_does_not_wait_for_an_analysis_which_is_made_after_it_without_the_worktree() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "explains");
    let script = fails_and_explains(&format!("{{ sh = \"{}\" }}", stile.sh()));
    let id = ended(&house, &repo, &script, State::Failed).await;
    let tree = house.worktree(&id).await.path;
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
