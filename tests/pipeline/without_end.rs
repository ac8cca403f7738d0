//! Agents, checks and plans that say too much: no disk, no memory and no prompt grows with it, and what was said is heard to the
//! end. Strange words and files of a size are in `hostile`.

use agent_loop::core::run::State;
use serde_json::json;

use super::hostile::{ALL_DONE, MIB, shell_agent};
use super::{ONE_TASK, TWO_TASKS};
use crate::support::{House, Repository};

#[tokio::test]
async fn checks_that_print_without_end_fill_no_disk_and_no_prompt() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    // In one line and in many: 100 MB of each.
    let check = "test -e mended || { echo the beginning; head -c 100000000 /dev/zero | tr '\\0' x; echo; \
                 yes 'all work and no play' | head -c 100000000; echo; echo the end; exit 1; }";
    let script = r#"
        then = "default"
        [[turn]]
        steps = [{ tick = "next" }, { commit = "All of it" }, "complete"]
        [[turn]]
        steps = [{ write = { path = "mended", text = "" } }, { commit = "Mend it" }, "complete"]
    "#;
    let settings = json!({ "verify_cmds": [check], "max_output_bytes": MIB });
    let id = house.create(&repo, Some(script), settings).await;
    let run = house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert_eq!(run.facts.iteration, 2);
    for dir in [
        house.dir(&id),
        repo.root.join(format!("logs/loop/run-{id}")),
    ] {
        let log = std::fs::read(dir.join("verify/verify-01-1.log")).expect("a log");
        assert!(log.len() as u64 <= MIB + 1024, "{} bytes", log.len());
        assert!(log.starts_with(b"the beginning\n"));
        assert!(log.ends_with(b"the end\n"));
    }
    let prompts = house.prompts(&id, "implementation").await;
    assert!(prompts[1].contains("the end"), "{}", prompts[1]);
    assert!(prompts[1].len() < 64 * 1024, "{} bytes", prompts[1].len());
}

#[tokio::test]
async fn a_prompt_of_two_megabytes_reaches_the_agent_whole() {
    let repo = Repository::with_plan(ONE_TASK);
    // Longer than any argument may be; a template itself is not allowed to be so long.
    let template = "{% for n in range(50000) %}{{ '%06d' | format(n) }} some words to read, forty bytes.\n{% endfor %}";
    repo.write("prompt.md", template);
    repo.commit_all("A long prompt");
    let house = House::over(&repo).await;
    let script = format!(
        "if [ $role = review ]; then echo APPROVED; exit; fi; wc -c < \"$prompt\"; tail -n 1 \"$prompt\"; {ALL_DONE}"
    );
    let mut settings = shell_agent(&script);
    settings["prompt_file"] = json!("prompt.md");
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let log = house.file(&id, "iter-01-impl.log");
    let mut lines = log.lines();
    let bytes: u64 = lines.next().and_then(|n| n.parse().ok()).expect("a count");
    assert!(bytes >= 2_000_000, "{log}");
    assert!(
        lines.next().is_some_and(|l| l.starts_with("049999 ")),
        "{log}"
    );
}

#[tokio::test]
async fn a_task_of_two_megabytes_is_told_and_done_like_any_other() {
    let words = "one word after the other ".repeat(84_000);
    let plan = format!("# Plan\n\n- [ ] {words}end\n- [ ] second thing\n");
    let repo = Repository::with_plan(&plan);
    let house = House::over(&repo).await;
    let settings = json!({ "verify_cmds": ["true"], "reviewer": false });
    let id = house.create(&repo, None, settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 2);
    house.check().await;
}

#[tokio::test]
async fn an_agent_that_says_a_line_without_end_is_heard_to_the_end() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [{ endless_line = 300000000 }, { raw = "" }, { tick = "next" }, { commit = "All of it" }, "complete"]
    "#;
    let settings = json!({ "reviewer": false, "max_output_bytes": 4 * MIB });
    let id = house.create(&repo, Some(script), settings).await;
    let run = house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    assert_eq!(run.facts.iteration, 1);
    let stream = std::fs::metadata(house.dir(&id).join("iter-01-impl.jsonl")).expect("a stream");
    assert!(stream.len() <= 4 * MIB + 1024, "{} bytes", stream.len());
    let log = house.file(&id, "iter-01-impl.log");
    assert!(log.len() < 64 * 1024, "{} bytes", log.len());
}

#[tokio::test]
async fn findings_without_end_leave_the_run_and_its_prompts_of_a_size() {
    let repo = Repository::with_plan(TWO_TASKS);
    let house = House::over(&repo).await;
    let script = format!(
        "if [ $role != review ]; then date +%N >> tries; git add tries; {ALL_DONE}; \
         elif [ -e ../rejected ]; then echo APPROVED; \
         else touch ../rejected; echo 'CHANGES REQUESTED'; yes -- '- it is not good enough' | head -c 900000; fi"
    );
    let id = house.create(&repo, None, shell_agent(&script)).await;
    house.rests(&id, State::Completed).await;
    let verdicts = house.told(&id, "REVIEW_FINISHED").await;
    let prompts = house.prompts(&id, "implementation").await;
    assert!(
        prompts[1].contains("it is not good enough"),
        "{verdicts:?}: {:.4000}",
        prompts[1]
    );
    assert!(prompts[1].len() < 256 * 1024, "{} bytes", prompts[1].len());
    house.check().await;
}
