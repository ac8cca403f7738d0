//! The agent that explains an ended run is fenced in like any other, and more closely: it writes its copies and nothing
//! else, not even in its run's worktree.

use agent_loop::core::run::{Event, State};
use serde_json::json;

use super::{Estate, ONE_TASK, landlock};

/// Tries to write, and reports it beside its copies, a line each: what, and whether it was refused.
const TRESPASS: &str = r#"
try() { what=$1; shift; if (sh -c "$*") >/dev/null 2>&1; then echo "$what DONE"; else echo "$what refused"; fi; }
try checkout "echo x >> $PRIMARY/specs/thing.md"
try new-file "echo x > $PRIMARY/new"
try main "git -C $PRIMARY update-ref -d refs/heads/main"
try run-branch "git -C $PRIMARY update-ref -d refs/heads/run/thing"
try object "echo x | git -C $PRIMARY hash-object -w --stdin"
try worktree "echo x > $PRIMARY.run-thing/new"
try worktree-index "git -C $PRIMARY.run-thing rm -rq --cached ."
try own-files "rm $DATA/runs/run-*/report.tsv"
try analysis "mkdir -p $DATA/runs/run-*/analysis && echo x > $DATA/runs/run-*/analysis/summary.md"
try database "echo x >> $DATA/loopd.db"
try profile "echo x >> ~/.profile"
try copies "echo x > copy && echo x >> run/report.tsv"
"#;

#[tokio::test]
async fn an_agent_that_explains_writes_its_copies_and_nothing_else() {
    if !landlock() {
        return;
    }
    let estate = Estate::new(ONE_TASK).await;
    let (repo, house) = (&estate.repo, &estate.house);
    let trespass = TRESPASS
        .replace("$PRIMARY", &repo.root.display().to_string())
        .replace("$DATA", &house.data.display().to_string());
    let script = repo.beside("trespass.sh", &trespass);
    let turns = format!(
        r#"
        [[turn]]
        steps = [{{ write = {{ path = "half", text = "half" }} }}, {{ commit = "Half" }}, "auth"]
        [[turn]]
        role = "postmortem"
        steps = [{{ sh = "sh '{0}' > tried; grep -v -e refused tried; wc -l < tried" }}, {{ say = "Seen." }}]
        "#,
        script.display()
    );
    let settings = json!({ "artifact_mode": "global" });
    let id = house.create(repo, Some(&turns), settings).await;
    house.rests(&id, State::Failed).await;
    house.settled(&id).await;
    let tree = house.worktree(&id).await.path;
    assert_eq!(tree, format!("{}.run-thing", repo.root.display()));
    let status = || repo.git(&["-C", &tree, "status", "--porcelain"]);
    let stands = || (repo.checkout(), repo.git(&["for-each-ref"]), status());
    let (stood, rows) = (stands(), house.file(&id, "report.tsv"));
    let _ = house.operate(&id, Event::Analyze).await;
    let ended = |run: &agent_loop::store::StoredRun| {
        let postmortem = run.facts.postmortem.as_ref();
        postmortem.and_then(|it| it.end.clone())
    };
    let run = house.wait(&id, |run| ended(run).is_some()).await;
    assert!(ended(&run).expect("an end").written);
    let log = house.file(&id, "analysis/agent.log");
    let count = TRESPASS.matches("\ntry ").count();
    let all = format!(" {count}");
    assert!(
        log.contains("copies DONE") && log.lines().any(|line| line.ends_with(&all)),
        "{log}"
    );
    assert_eq!(log.matches("DONE").count(), 1, "{log}");
    assert_eq!(stands(), stood);
    assert_eq!(house.file(&id, "report.tsv"), rows);
    house.check().await;
}

#[tokio::test]
async fn where_the_sandbox_is_off_nothing_keeps_an_agent_that_explains() {
    let estate = Estate::new(ONE_TASK).await;
    let (repo, house) = (&estate.repo, &estate.house);
    let reached = repo.root.join("reached");
    let turns = format!(
        r#"
        then = "default"
        [[turn]]
        role = "postmortem"
        steps = [{{ sh = "echo x > '{}'" }}, {{ say = "Seen." }}]
        "#,
        reached.display()
    );
    let settings = json!({ "artifact_mode": "global", "sandbox": "off" });
    let id = house.create(repo, Some(&turns), settings).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let _ = house.operate(&id, Event::Analyze).await;
    house.settled(&id).await;
    assert!(reached.exists());
}
