//! Whole runs with agents, checks and plans that do what nobody would expect: in the wrong place, in any script, in bytes that
//! are none. Every one of them ends where it has to, and says why. Those that do too much of it are in `without_end`.

use agent_loop::core::run::State;
use serde_json::{Value, json};

use super::ONE_TASK;
use crate::support::{House, Repository, processes_of, request};

const PLAN: &str = "specs/planning/thing-plan.md";

pub(super) const MIB: u64 = 1 << 20;

/// An agent that is a shell script: `$role`, `$plan` and `$prompt` are set, the prompt is on standard input, too.
pub(super) fn shell_agent(script: &str) -> Value {
    let script = format!("role=$0 plan=$1 prompt=$2; {script}");
    let args = ["-c", &script, "{role}", "{plan}", "{prompt_file}"];
    let agent = json!({ "driver": "exec", "command": "/bin/sh", "args": args });
    json!({ "agent": "mine", "agents": { "mine": agent } })
}

/// What a shell agent does for a task: tick, commit, claim that all is complete.
pub(super) const ALL_DONE: &str = "sed -i 's/\\[ \\]/[x]/' \"$plan\" && git commit --quiet --all --message Done; \
     echo '<promise>COMPLETE</promise>'";

#[tokio::test]
async fn narration_and_token_may_come_in_messages_of_their_own() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = r#"
        [[turn]]
        steps = [
            { say = "When I am done I will say <promise>COMPLETE</promise>." },
            { tick = "next" },
            { commit = "All of it" },
            { say = "Everything is done, and this is what I did: all of it." },
            { say = "<promise>COMPLETE</promise>" },
        ]
    "#;
    for mode in ["exact", "trailing"] {
        let settings = json!({ "completion_mode": mode, "merge_strategy": "none" });
        let id = house.create(&repo, Some(script), settings).await;
        let run = house.rests(&id, State::Completed).await;
        assert_eq!(run.facts.iteration, 1, "{mode}");
    }
}

#[tokio::test]
async fn a_token_before_a_narration_is_no_claim() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = format!(
        "if [ $role = review ]; then echo APPROVED; else {ALL_DONE}; echo 'And that is that.'; fi"
    );
    let id = house.create(&repo, None, shell_agent(&script)).await;
    house.held(&id, "not_confirmed").await;
    assert_eq!(house.run(&id).await.facts.plan.pending, 0);
}

#[tokio::test]
async fn bytes_that_are_no_text_hide_no_token() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = format!(
        "if [ $role = review ]; then printf 'gr\\374n \\377\\000\\r\\nAPPROVED\\r\\n'; \
         else printf '\\377\\376\\000\\033[2Jkaputt\\n'; {ALL_DONE}; fi"
    );
    let id = house.create(&repo, None, shell_agent(&script)).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 1);
    let log = house.file(&id, "iter-01-impl.log");
    assert!(
        log.contains("\u{fffd}\u{fffd}") && !log.contains('\u{1b}'),
        "{log:?}"
    );
}

#[tokio::test]
async fn a_reviewer_that_always_fails_approves_nothing_whatever_it_says() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = format!("if [ $role = review ]; then echo APPROVED; exit 1; fi; {ALL_DONE}");
    let mut settings = shell_agent(&script);
    settings["agent_retries"] = json!(1);
    let id = house.create(&repo, None, settings).await;
    let why = house.held(&id, "review_unavailable").await;
    assert!(
        why.contains("no verdict after 2 tries") && why.contains("exit status 1"),
        "{why}"
    );
    let branch = house.worktree(&id).await.run_branch;
    assert_eq!(
        repo.at(&branch, PLAN),
        "# Plan\n\n- [x] first thing",
        "neither approved nor reopened"
    );
}

#[tokio::test]
async fn a_check_that_leaves_a_process_at_its_output_is_over_when_it_has_ended() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let checks = [
        "sleep 4323 & echo fine",
        "setsid sleep 4324 & echo fine, too",
    ];
    let settings = json!({ "verify_cmds": checks });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    assert_eq!(processes_of(&id), []);
    assert_eq!(house.file(&id, "verify/verify-01-2.log"), "fine, too\n");
}

#[tokio::test]
async fn a_plan_with_every_kind_of_box_is_worked_through() {
    let before = "---\ntitle: \"Plan\"\n---\n\n# Plan\r\n\r\n1. [ ] numbered\n   - [ ] below it, größer\n     \
         that goes on here\n\t* [ ] below that, by a tab\n+ [R] reviewed long ago\n- [X] done long ago\n\
         - [ ]? looked at by a person\n- [x]? looked at already\n\n```sh\n- [ ] an example\n```\n\n\
         ## Verification\n\n- [ ] done by hand\n\n## Again [BLOCKED by: nothing]\n\n- [ ] last\n";
    let repo = Repository::with_plan(before);
    let house = House::over(&repo).await;
    let settings = json!({ "merge_strategy": "none", "verify_cmds": ["true"] });
    let id = house.create(&repo, None, settings).await;
    let run = house.rests(&id, State::Completed).await;
    assert_eq!(run.facts.iteration, 4);
    let branch = run.facts.worktree.expect("a worktree").run_branch;
    let after = before
        .replace("1. [ ] numbered", "1. [R] numbered")
        .replace("- [ ] below it", "- [R] below it")
        .replace("* [ ] below that", "* [R] below that")
        .replace("- [ ] last", "- [R] last")
        .replace("- [X] done long ago", "- [R] done long ago");
    assert_eq!(repo.at(&branch, PLAN), after.trim_end());
}

#[tokio::test]
async fn any_script_will_do_for_words_branches_folders_and_findings() {
    let repo = Repository::with_plan(ONE_TASK);
    let spec = "specs/日本 語/Größe ändern (v2) ✓.md";
    repo.write(spec, "# Größe\n\nÄndern. גדול יותר.\n");
    repo.write(
        "pläne/план 1.md",
        "# План\n\n- [ ] больше 🚀\n- [ ] גדול יותר\n",
    );
    repo.commit_all("Eine zweite Aufgabe ✎");
    let house = House::over(&repo).await;
    let script = r#"
        then = "default"
        [[turn]]
        steps = [
            { say = "Я начинаю… ‏גדול‏ 🚀\u001b[31m" },
            { write = { path = "Übersicht/日本 語.txt", text = "größer\n" } },
            { tick = "больше" },
            { commit = "Größer 🚀" },
        ]
        [[turn]]
        role = "review"
        steps = [{ verdict = { approved = false, findings = "名前が違います: «größer»" } }]
    "#;
    let check = "test -e ok || { printf 'kaputt \\377\\376 ✗\\n'; touch ok; exit 1; }";
    let settings = json!({
        "verify_cmds": [check, "test -f 'Übersicht/日本 語.txt'"],
        "run_branch_prefix": "läufe/",
        "merge_target_branch": "ziel/größe",
        "log_dir": "протокол",
        "worktree_path_template": "../{{ repo }} ✎ {{ run_branch | sanitize }}",
    });
    let mut wanted = request(&repo, Some(script), settings);
    wanted.spec_path = spec.to_owned();
    wanted.plan_path = Some("pläne/план 1.md".to_owned());
    wanted.name = Some("größer machen".to_owned());
    let id = house.try_create(wanted).await.expect("a run");
    let run = house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let worktree = run.facts.worktree.expect("a worktree");
    assert!(
        worktree.run_branch.starts_with("läufe/"),
        "{}",
        worktree.run_branch
    );
    assert_eq!(repo.at("ziel/größe", "Übersicht/日本 語.txt"), "größer");
    assert_eq!(
        repo.at("ziel/größe", "pläne/план 1.md"),
        "# План\n\n- [R] больше 🚀\n- [R] גדול יותר"
    );
    let prompts = house.prompts(&id, "implementation").await;
    assert!(prompts[0].contains("> больше 🚀"), "{}", prompts[0]);
    assert!(
        prompts[1].contains("名前が違います: «größer»"),
        "{}",
        prompts[1]
    );
    assert!(
        prompts[1].contains("kaputt \u{fffd}\u{fffd} ✗"),
        "{}",
        prompts[1]
    );
    let log = house.file(&id, "iter-01-impl.log");
    assert!(log.contains("Я начинаю… ‏גדול‏ 🚀"), "{log}");
    assert!(!log.contains('\u{1b}'), "no command for a terminal: {log}");
    let mirror = repo.root.join(format!("протокол/run-{id}/report.tsv"));
    let report = std::fs::read_to_string(mirror).expect("the mirrored report");
    assert!(report.contains("больше 🚀"), "{report}");
    assert_eq!(repo.checkout().2, "", "git status shows none of it");
}

#[tokio::test]
async fn a_typo_in_a_workspaces_settings_is_told_with_file_line_and_what_was_meant() {
    let repo = Repository::with_plan(ONE_TASK);
    repo.write(
        ".loop/config.toml",
        "iterations = 3\nverify_cmd = [\"true\"]\n",
    );
    repo.commit_all("Settings with a typo");
    let house = House::over(&repo).await;
    let refused = house.try_create(request(&repo, None, json!({}))).await;
    let why = refused.expect_err("a typo is no setting");
    for part in [".loop/config.toml:2", "verify_cmd", "verify_cmds"] {
        assert!(why.contains(part), "{part} is not in: {why}");
    }
}
