//! An analysis beside the lives of daemons, keepers and other analyses: it is made once, begun again when it was cut off, and
//! leaves no process. What else becomes of its run meanwhile is in `postmortem_beside`.

use agent_loop::config::Shutdown;
use agent_loop::core::run::{Event, RunId, State};

use super::ONE_TASK;
use super::postmortem::{analyzed, ask, ended, explains, fails_and_explains, report};
use crate::support::{
    House, Options, RETRY, Repository, Turnstile, kill_keeper, processes_of, stored_by_the_dead,
};

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
            kill_keeper(&dir).await;
            house = House::over(&repo).await;
        } else {
            kill_keeper(&dir).await;
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
async fn an_analysis_that_was_given_up_before_it_began_is_not_made() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = fails_and_explains("{ say = \"Seen.\" }");
    let id = ended(&house, &repo, &script, State::Failed).await;
    let analysis = house.dir(&id).join("analysis");
    house.die().await;
    // Both are stored by a daemon in its last moment: that it is wanted, and that the run is tried again.
    stored_by_the_dead(&repo, &id, [Event::Analyze, RETRY]).await;
    let data = repo.outside().join("data");
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
