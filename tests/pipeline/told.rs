//! What an agent is told and given beyond its task: each fact of a run that a prompt can name, and how it is called.

use agent_loop::core::run::{Event, State};
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Repository, Turnstile};

#[tokio::test]
async fn what_is_known_of_a_run_stands_in_its_prompts() {
    let plan = "# Plan\n\n## Greeting [BLOCKED by: nobody]\n- [ ] greet by name\n- [ ] greet twice\n\n## Learnings\n- none yet\n";
    let repo = Repository::with_plan(plan);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "Greet" }]
        [[turn]]
        steps = [{ tick = "next" }, { commit = "Greet twice" }, { say = "<promise>COMPLETE</promise>" }]
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = true } }]
    "#;
    let settings = json!({
        "verify_cmds": ["test -d specs"],
        "protected_paths": ["secrets/**"],
        "completion_mode": "exact",
        "merge_strategy": "none",
    });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    let prompts = house.prompts(&id, "implementation").await;
    for known in [
        "> greet by name",
        "It stands in line 4 of the plan, in the section \"Greeting",
        "it is blocked by \"nobody\"",
        "the section \"Learnings\" of the plan",
        "test -d specs",
        "`secrets/**`",
        "let your last message be this line and nothing else",
    ] {
        assert!(prompts[0].contains(known), "{known}: {}", prompts[0]);
    }
    let before = "1 commit, 1 box ticked, review approved, checks passed";
    assert!(!prompts[0].contains(before), "{}", prompts[0]);
    assert!(prompts[1].contains(before), "{}", prompts[1]);
    let reviews = house.prompts(&id, "review").await;
    for known in ["> greet by name", "test -d specs", "`secrets/**`"] {
        assert!(reviews[0].contains(known), "{known}: {}", reviews[0]);
    }
}

#[tokio::test]
async fn a_reviewer_is_told_what_the_work_was_meant_to_do() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "Do it" }, "complete"]
        [[turn]]
        steps = [{ write = { path = "good", text = "" } }, { commit = "Mend it" }, { say = "Well." }]
        [[turn]]
        steps = [{ write = { path = "better", text = "" } }, { commit = "Round it off" }, "complete"]
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = true } }]
    "#;
    let settings = json!({ "verify_cmds": ["test -e good"], "merge_strategy": "none" });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    let reviews = house.prompts(&id, "review").await;
    let meant = [
        "This is meant to do exactly this task:\n\n> ",
        "This is meant to put right what",
        "This is meant to confirm that the spec is met in full.",
    ];
    assert_eq!(reviews.len(), meant.len());
    for (review, meant) in reviews.iter().zip(meant) {
        assert!(review.contains(meant), "{meant}: {review}");
    }
}

#[tokio::test]
async fn what_kept_an_agent_from_its_work_is_told_where_nothing_came_of_it() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ raw = '{"type":"question","text":"Which one?"}' }, { raw = '{"type":"denied","what":"Bash: rm"}' }, { orphan = { sec = 300 } }]
        [[turn]]
        steps = [{ raw = '{"type":"tool_result","ok":false,"summary":"no such file"}' }]
        [[turn]]
        steps = [
            { raw = '{"type":"denied","what":"Bash: rm"}' },
            { tick = "next" },
            { commit = "Do it" },
            { raw = '{"type":"tool_result","ok":false,"summary":"no such file"}' },
            "complete",
        ]
    "#;
    let settings = json!({ "merge_strategy": "none", "reviewer": false });
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    let report = house.file(&id, "report.tsv");
    let ends: Vec<&str> = report
        .lines()
        .filter(|row| row.contains("ITERATION_END"))
        .collect();
    let denied = "it was denied: Bash: rm, an answer to: Which one?";
    let failed = "its last tool call failed: no such file";
    let told = |row: &str| (row.contains(denied), row.contains(failed));
    let told: Vec<(bool, bool)> = ends.iter().map(|row| told(row)).collect();
    assert_eq!(
        told,
        [(true, false), (false, true), (false, false)],
        "{report}"
    );
    assert!(ends[0].contains("left behind and ended: "), "{report}");
    assert!(!ends[1].contains("left behind"), "{report}");
}

#[tokio::test]
async fn what_a_stopped_agent_left_is_committed_before_the_next_one_begins() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let seen = repo.outside().join("seen");
    let script = format!(
        r#"
        then = "default"
        [[turn]]
        steps = [{{ write = {{ path = "half", text = "half\n" }} }}, {{ sh = "{}" }}]
        [[turn]]
        steps = [{{ sh = "git status --porcelain > '{}'" }}]
        "#,
        stile.sh(),
        seen.display()
    );
    let settings = json!({ "merge_strategy": "none" });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    let _ = house.operate(&id, Event::Pause).await;
    house.settled(&id).await;
    house.resume(&id).await;
    let run = house.rests(&id, State::Completed).await;
    let seen = std::fs::read_to_string(&seen).expect("what the second one saw");
    assert_eq!(seen, "", "nothing is left to commit");
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    assert_eq!(repo.at(&branch, "half"), "half");
}

#[tokio::test]
async fn nobody_else_works_in_the_worktree_while_an_agent_does() {
    use rustix::fs::FlockOperation::NonBlockingLockExclusive;
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let mut stile = Turnstile::new(repo.outside(), "agent");
    let script = stile.first_turn();
    let settings = json!({ "merge_strategy": "none" });
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    let lock = std::fs::File::open(house.dir(&id).join("worktree.lock")).expect("a lock");
    let taken = rustix::fs::flock(&lock, NonBlockingLockExclusive);
    assert_eq!(taken, Err(rustix::io::Errno::WOULDBLOCK));
    stile.open();
    house.rests(&id, State::Completed).await;
}

#[tokio::test]
async fn the_end_of_what_an_agent_said_is_kept_for_a_quick_look() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let lines: String = (1..=300).map(|n| format!("line {n}\\n")).collect();
    let script = format!(
        "[[turn]]\nsteps = [{{ tick = 'next' }}, {{ commit = 'Do it' }}, {{ say = \"{lines}\" }}, 'complete']\n"
    );
    let settings = json!({ "merge_strategy": "none", "reviewer": false });
    let id = house.create(&repo, Some(&script), settings).await;
    house.rests(&id, State::Completed).await;
    let tail = house.file(&id, "iter-01-impl.tail.txt");
    assert_eq!(tail.lines().count(), 200);
    assert!(
        tail.contains("line 300\n") && !tail.contains("line 90\n"),
        "{tail}"
    );
    assert!(house.file(&id, "iter-01-impl.log").contains("line 1\n"));
}

#[tokio::test]
async fn the_last_words_on_standard_error_count_however_much_came_before() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let program = repo.program(
        "agent.sh",
        "#!/bin/sh\nyes 'a line of no use' | head -c 300000 >&2\necho >&2\necho 'error: 401 bad key' >&2\nexit 1\n",
    );
    let settings = json!({ "agent": "mine", "agents": { "mine": { "command": program } } });
    let id = house.create(&repo, None, settings).await;
    let why = house.failed(&id, "agent_auth").await;
    assert!(why.contains("401 bad key"), "{why}");
}
