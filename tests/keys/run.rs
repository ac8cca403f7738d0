//! What keys of runs change, where no suite of their subject shows it.

use std::io::Write as _;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::{Command, Stdio};

use agent_loop::core::run::State;
use serde_json::{Value, json};

use crate::support::{House, Options, Repository, request};

const PLAN: &str = "# Plan\n\n- [ ] first thing\n";

/// A terminal: the end that a person sits at, and the end that a program has.
fn terminal() -> (OwnedFd, OwnedFd) {
    let (mut person, mut program) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: both places are ours and writable; name, settings and size are left out, as openpty(3) permits.
    let opened = unsafe {
        libc::openpty(
            &raw mut person,
            &raw mut program,
            null,
            null.cast(),
            null.cast(),
        )
    };
    assert_eq!(opened, 0, "a terminal");
    // SAFETY: openpty has just opened both, and nobody else has them.
    unsafe { (OwnedFd::from_raw_fd(person), OwnedFd::from_raw_fd(program)) }
}

#[test]
fn the_picker_offers_the_specs_of_their_folder() {
    let repo = Repository::with_plan(PLAN);
    repo.write("wishes/greeting.md", "# Greeting\n");
    repo.write("specs/planning/greeting-plan.md", PLAN);
    repo.write(
        ".loop/config.toml",
        "specs_dir = \"wishes\"\nagent = \"scripted\"\n",
    );
    repo.commit_all("Wish for something");
    let (person, program) = terminal();
    let mut child = Command::new(env!("CARGO_BIN_EXE_loopctl"))
        .arg("prompt")
        .current_dir(&repo.root)
        .env_clear()
        .env("HOME", repo.outside())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(program.try_clone().expect("a terminal"))
        .stderr(program)
        .stdout(Stdio::piped())
        .spawn()
        .expect("loopctl starts");
    // The terminal keeps the answer until it is asked for.
    let mut person = std::fs::File::from(person);
    person.write_all(b"1\n").expect("a terminal");
    let mut shown = String::new();
    let mut stdout = child.stdout.take().expect("a pipe");
    std::io::Read::read_to_string(&mut stdout, &mut shown).expect("text");
    assert!(child.wait().expect("it ends").success());
    assert!(shown.contains("`wishes/greeting.md`"), "{shown}");
}

#[tokio::test]
async fn a_plan_that_is_not_named_is_looked_for_in_its_folder() {
    let repo = Repository::with_plan(PLAN);
    repo.write(
        "elsewhere/thing-plan.md",
        "# Plan\n\n- [ ] one\n- [ ] two\n",
    );
    repo.commit_all("Plan elsewhere");
    let house = House::over(&repo).await;
    let settings = json!({ "plans_dir": "elsewhere" });
    let id = house.create(&repo, None, settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.spec.plan_path, "elsewhere/thing-plan.md");
    assert_eq!(run.facts.plan.total, 2);
}

#[tokio::test]
async fn agents_are_called_with_their_models() {
    let repo = Repository::with_plan(PLAN);
    let log = repo.outside().join("calls");
    let command = format!(
        "echo '{{role}} {{model}}' >> '{}'; if [ {{role}} = review ]; then echo APPROVED; else \
         sed -i 's/\\[ \\]/[x]/' specs/planning/thing-plan.md && git commit -qam 'Do it' && \
         echo '<promise>COMPLETE</promise>'; fi",
        log.display()
    );
    let house = House::over(&repo).await;
    for (review_model, called) in [(Some("small"), "review small"), (None, "review large")] {
        let settings = json!({
            "agent": "mine",
            "agents": { "mine": { "driver": "exec", "command": "/bin/sh", "args": ["-c", command] } },
            "model": "large",
            "review_model": review_model,
            "merge_strategy": "none",
        });
        let id = house.create(&repo, None, settings).await;
        house.rests(&id, State::Completed).await;
        let calls = std::fs::read_to_string(&log).expect("calls");
        assert_eq!(calls, format!("implement large\n{called}\n"));
        std::fs::remove_file(&log).expect("it was there");
    }
}

#[tokio::test]
async fn a_review_is_made_or_left_out() {
    let repo = Repository::with_plan(PLAN);
    let house = House::over(&repo).await;
    for (reviewer, reviews) in [(true, 1), (false, 0)] {
        let settings = json!({ "reviewer": reviewer, "merge_strategy": "none" });
        let id = house.create(&repo, None, settings).await;
        house.rests(&id, State::Completed).await;
        assert_eq!(house.steps(&id, "review").await.len(), reviews);
    }
}

#[tokio::test]
async fn the_agent_is_told_which_files_to_read() {
    let repo = Repository::with_plan(PLAN);
    let house = House::over(&repo).await;
    let settings = json!({ "context_files": ["docs/NOTES.md"] });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    let prompt = &house.prompts(&id, "implementation").await[0];
    assert!(
        prompt.contains("Read this, too: `docs/NOTES.md`"),
        "{prompt}"
    );
}

#[tokio::test]
async fn an_agent_that_neither_speaks_nor_works_is_ended() {
    let repo = Repository::with_plan(PLAN);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [\"hang\"]\n";
    let settings =
        json!({ "agent_idle_timeout_sec": 1, "agent_timeout_sec": 100_000, "agent_retries": 0 });
    let id = house.create(&repo, Some(script), settings).await;
    house.failed(&id, "agent_failed").await;
}

#[tokio::test]
async fn a_step_that_has_to_end_has_so_much_time() {
    let repo = Repository::with_plan(PLAN);
    let house = House::over(&repo).await;
    let settings = json!({ "stop_grace_sec": 7 });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    let step = &house.steps(&id, "implementation").await[0];
    let keeper = house.file(&id, &format!("steps/{}/keeper.json", step.generation));
    let keeper: Value = serde_json::from_str(&keeper).expect("JSON");
    assert_eq!(keeper["grace_ms"], 7000);
}

#[tokio::test]
async fn so_much_of_an_agents_output_is_kept() {
    let repo = Repository::with_plan(PLAN);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [{ flood = 1000000 }, { tick = \"next\" }, { commit = \"Do it\" }, \"complete\"]\n";
    let length = async |settings: Value| {
        let id = house.create(&repo, Some(script), settings).await;
        house.rest(&id).await;
        house.settled(&id).await;
        house.file(&id, "iter-01-impl.jsonl").len()
    };
    let whole = length(json!({ "merge_strategy": "none" })).await;
    let cut = length(json!({ "merge_strategy": "none", "max_output_bytes": 65_536 })).await;
    assert!(whole > 1_000_000, "{whole}");
    assert!(cut < 80_000, "{cut}");
}

#[tokio::test]
async fn money_is_limited() {
    let repo = Repository::with_plan(PLAN);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [{ usage = { input_tokens = 10, output_tokens = 10, cost_usd = 0.75 } }, { say = \"hm\" }]\n";
    let settings = json!({ "max_cost_usd": 0.5, "reviewer": false });
    let id = house.create(&repo, Some(script), settings).await;
    house.failed(&id, "max_cost_usd").await;
    assert_eq!(house.steps(&id, "implementation").await.len(), 1);
}

#[tokio::test]
async fn prompts_are_rewritten_so_often() {
    let repo = Repository::with_plan(PLAN);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [{ say = \"hm\" }]\n";
    for rewrites in [0_usize, 1] {
        let settings = json!({ "max_rewrites": rewrites, "reviewer": false });
        let id = house.create(&repo, Some(script), settings).await;
        house.rests(&id, State::Paused).await;
        assert_eq!(house.told(&id, "WATCHDOG_REWRITE").await.len(), rewrites);
    }
}

#[tokio::test]
async fn branches_are_those_that_are_configured() {
    let repo = Repository::with_plan(PLAN);
    repo.git(&["branch", "old"]);
    repo.write("later.txt", "later\n");
    repo.commit_all("Go on");
    let house = House::over(&repo).await;
    let settings =
        json!({ "base_branch": "old", "run_branch_prefix": "try/", "merge_target_branch": "goal" });
    let id = house.create(&repo, None, settings).await;
    let run = house.rests(&id, State::Completed).await;
    let worktree = run.facts.worktree.expect("it had one");
    assert_eq!(worktree.run_branch, "try/thing");
    assert_eq!(worktree.base_commit, repo.git(&["rev-parse", "old"]));
    assert_eq!(repo.at("goal", "later.txt"), "");
    assert!(
        repo.at("goal", "specs/planning/thing-plan.md")
            .contains("[R] first thing")
    );
}

#[tokio::test]
async fn a_worktree_stands_where_it_is_wanted_and_stays_if_it_shall() {
    let repo = Repository::with_plan(PLAN);
    let house = House::over(&repo).await;
    for cleanup in [true, false] {
        let template = format!("../trees/{{{{ run_name }}}}-{cleanup}");
        let settings = json!({
            "worktree_path_template": template, "worktree_cleanup": cleanup, "merge_strategy": "none",
        });
        let id = house.create(&repo, None, settings).await;
        house.rests(&id, State::Completed).await;
        let run = house.settled(&id).await;
        let path = repo.outside().canonicalize().expect("a path");
        let path = path.join(format!("trees/thing-{cleanup}"));
        let stood = run.facts.worktree.expect("it had one").path;
        assert_eq!(stood, path.display().to_string());
        assert_eq!(path.exists(), !cleanup);
    }
}

#[tokio::test]
async fn variables_that_are_passed_reach_the_agent_and_the_checks() {
    let repo = Repository::with_plan(PLAN);
    let options = Options {
        environment: vec![
            ("MINE_ONE", "one".to_owned()),
            ("MINE_TWO", "two".to_owned()),
            ("OTHER", "other".to_owned()),
            ("LOOPD_TOKEN", "secret".to_owned()),
        ],
        ..Options::default()
    };
    let house = House::open(&repo.outside().join("data"), &options).await;
    let [agent, check] = ["agent", "check"].map(|who| repo.outside().join(who));
    let says = "echo $MINE_ONE,$MINE_TWO,$OTHER,$LOOPD_TOKEN";
    let script = format!(
        "[[turn]]\nsteps = [{{ sh = \"{says} > '{}'\" }}, {{ tick = \"next\" }}, {{ commit = \"Do it\" }}, \"complete\"]\n",
        agent.display()
    );
    let checks = [format!("{says} > '{}'", check.display())];
    // Whatever is passed, the daemon's own token is not.
    for (pass, expected) in [
        (json!(["MINE_*"]), "one,two,,\n"),
        (json!([]), ",,,\n"),
        (json!(["*"]), "one,two,other,\n"),
    ] {
        let settings = json!({ "env_pass": pass, "merge_strategy": "none", "verify_cmds": checks });
        let id = house.create(&repo, Some(&script), settings).await;
        house.rests(&id, State::Completed).await;
        for who in [&agent, &check] {
            let seen = std::fs::read_to_string(who).expect("it was written");
            assert_eq!(seen, expected, "{pass}: {}", who.display());
        }
    }
}

#[tokio::test]
async fn a_summary_is_written_or_left_out() {
    let repo = Repository::with_plan(PLAN);
    let house = House::over(&repo).await;
    for wanted in [true, false] {
        let mut asked = request(&repo, None, json!({ "summary_json": wanted }));
        asked.name = Some(format!("summary-{wanted}"));
        let id = house.try_create(asked).await.expect("accepted");
        house.rest(&id).await;
        house.settled(&id).await;
        assert_eq!(house.dir(&id).join("summary.json").exists(), wanted);
        assert!(house.dir(&id).join("report.tsv").exists());
    }
}
