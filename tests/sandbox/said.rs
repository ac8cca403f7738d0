//! How far a step is confined is said where people look: in the log of the real daemon, by the API, by `loopctl inspect`.

use agent_loop::core::run::State;
use serde_json::Value;

use super::{ONE_TASK, landlock};
use crate::keys::loopd::Loopd;
use crate::support::Repository;

#[tokio::test]
async fn how_far_a_step_is_confined_is_logged_and_shown() {
    if !landlock() {
        return;
    }
    let apart = Repository::apart_from_temporary_files(ONE_TASK);
    // Steps may write to temporary directories, and so here.
    let below = Repository::with_plan(ONE_TASK);
    for (repo, sandbox, level, logged) in [
        (
            &apart,
            "off",
            "off",
            "INFO the step is not confined (sandbox = \"off\")",
        ),
        (&apart, "guard", "full", "INFO the step is confined"),
        (
            &below,
            "guard",
            "partial",
            "WARN the step is confined in part",
        ),
    ] {
        let loopd = Loopd::with(repo, level, "").await;
        let settings = format!("sandbox = {sandbox:?}");
        let id = loopd.run(repo, "then = \"default\"\n", &settings).await;
        loopd.wait(&id, |run| run.state == State::Completed).await;
        let told = loopd.ctl(&repo.root, &["--json", "inspect", &id.0]).await;
        let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
        let step = &told["steps"][0];
        assert_eq!(step["phase"], "implementation");
        let confinement = &step["confinement"];
        assert_eq!(confinement["level"], level, "{confinement}");
        let lacks = confinement["lacks"].as_array().expect("a list").iter();
        let lacks: Vec<&str> = lacks.filter_map(Value::as_str).collect();
        assert_eq!(lacks.is_empty(), level != "partial", "{lacks:?}");

        let (severity, words) = logged.split_once(' ').expect("two parts");
        let log = loopd.log();
        let words = format!("{words} run={id} step=");
        let line = log.lines().find(|line| line.contains(&words));
        let line = line.unwrap_or_else(|| panic!("{words}: {log}"));
        assert!(line.contains(severity), "{line}");
        let shown = loopd.ctl(&repo.root, &["inspect", &id.0]).await;
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains(level), "{shown}");
        for lack in &lacks {
            assert!(line.contains(lack), "{lack}: {line}");
            assert!(
                shown.contains(&format!("confined in part: {lack}")),
                "{shown}"
            );
        }
        assert_eq!(shown.contains("confined in part: "), !lacks.is_empty());
        assert!(!shown.contains("not confined: "), "{shown}");
        loopd.end().await;
    }
}
