//! Which agent a step has called, and in which version; and agents that are silent.

use std::path::PathBuf;

use agent_loop::agent::{ResultClass, verdict};
use agent_loop::core::run::State;
use serde_json::json;

use super::ONE_TASK;
use crate::support::{House, Options, Repository, is_alive, processes_of};

#[tokio::test]
async fn every_step_notes_its_own_agent_also_after_the_fallback_took_over() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let limited = repo.beside("limited.toml", "[[turn]]\nsteps = [{ limit = {} }]\n");
    let second = repo.beside(
        "second.sh",
        "sed -i 's/\\[ \\]/[x]/' specs/planning/thing-plan.md\ngit commit -qam 'Do it'\necho '<promise>COMPLETE</promise>'\n",
    );
    let settings = json!({
        "reviewer": false,
        "verify_cmds": ["true"],
        "on_usage_limit": "fallback",
        "fallback_agent": "second",
        "agents": {
            "scripted": { "driver": "scripted", "args": [limited] },
            "second": { "command": "/bin/sh", "args": [second] },
        },
    });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    let steps = house.steps(&id, "implementation").await;
    let agents: Vec<[String; 2]> = steps
        .iter()
        .filter_map(|step| step.facts.agent.clone())
        .map(|agent| [agent.name, agent.dialect])
        .collect();
    assert_eq!(agents, [["scripted", "normal"], ["second", "text"]]);
    let own = env!("CARGO_PKG_VERSION");
    let version = |at: usize| {
        steps[at]
            .facts
            .agent
            .as_ref()
            .and_then(|it| it.version.clone())
    };
    assert_eq!((version(0).as_deref(), version(1)), (Some(own), None));
    let checks = &house.steps(&id, "verification").await[0];
    assert_eq!(checks.facts.agent, None, "checks are nobody's");
    house.check().await;
}

#[tokio::test]
async fn a_known_agent_is_asked_for_its_version_in_the_environment_that_it_gets() {
    let repo = Repository::with_plan(ONE_TASK);
    let options = Options {
        environment: vec![
            ("ANTHROPIC_MODEL", "its own".to_owned()),
            ("OPENAI_MODEL", "another's".to_owned()),
        ],
        ..Options::default()
    };
    let house = House::open(&repo.outside().join("data"), &options).await;
    let program = repo.program(
        "claude.sh",
        r#"#!/bin/sh
        case "$1" in --version) echo asked >> "$ASKED"; echo "$VERSION (Claude Code)"; exit;; esac
        echo "$ANTHROPIC_MODEL,$OPENAI_MODEL" > ../seen
        sed -i 's/\[ \]/[x]/' specs/planning/thing-plan.md
        git commit -qam 'Do it'
        echo '{"type":"result","subtype":"success","is_error":false,"result":"<promise>COMPLETE</promise>"}'
        "#,
    );
    let asked = repo.outside().join("asked");
    let env = json!({ "VERSION": "9.8.7", "ASKED": asked });
    let settings = json!({
        "reviewer": false,
        "agent": "claude",
        "agents": { "claude": { "command": program, "env": env } },
        "merge_strategy": "none",
    });
    for times in 1..=2 {
        let id = house.create(&repo, None, settings.clone()).await;
        house.rests(&id, State::Completed).await;
        let step = house.steps(&id, "implementation").await.remove(0);
        let agent = step.facts.agent.expect("the agent");
        assert_eq!(agent.version.as_deref(), Some("9.8.7"));
        let asked = std::fs::read_to_string(&asked).expect("it was asked");
        assert_eq!(asked, "asked\n", "once for {times} runs");
        let seen = std::fs::read_to_string(repo.outside().join("seen")).expect("it ran");
        assert_eq!(seen, "its own,\n", "what it is configured by, and no more");
    }
}

#[tokio::test]
async fn a_silent_and_idle_agent_is_ended() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [{ say = 'I think.' }, 'hang']\n";
    let settings = json!({ "agent_idle_timeout_sec": 1, "agent_retries": 0 });
    let id = house.create(&repo, Some(script), settings).await;
    let why = house.failed(&id, "agent_failed").await;
    assert!(why.contains("silent and idle for too long"), "{why}");
    let run = house.settled(&id).await;
    assert_eq!(run.facts.last_result, Some(ResultClass::TimedOut));
    assert_eq!(processes_of(&id), []);
}

#[tokio::test]
async fn a_silent_agent_that_works_is_left_alone() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    // Busy for longer than the agent may be idle, in a process of its own, without a word.
    let busy = "end=$(($(date +%s) + 5)); while [ $(date +%s) -lt $end ]; do :; done";
    let script = format!("then = 'default'\n[[turn]]\nsteps = [{{ sh = '{busy}' }}]\n");
    let settings = json!({ "agent_idle_timeout_sec": 2, "agent_retries": 0 });
    let id = house.create(&repo, Some(&script), settings).await;
    house.rests(&id, State::Completed).await;
    let first = house.steps(&id, "implementation").await.remove(0);
    assert_eq!(first.state.as_str(), "succeeded", "{:?}", first.facts);
}

#[tokio::test]
async fn a_large_output_is_kept_whole_and_registered_with_its_checksum() {
    use sha2::{Digest as _, Sha256};
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let script = "then = 'default'\n[[turn]]\nsteps = [{ flood = 20000000 }, { tick = 'next' }, { commit = 'Do it' }, 'complete']\n";
    let id = house.create(&repo, Some(script), json!({})).await;
    house.rests(&id, State::Completed).await;
    house.settled(&id).await;
    let step = house.steps(&id, "implementation").await.remove(0);
    let written = house
        .dir(&id)
        .join(format!("steps/{}/output", step.generation));
    let written = std::fs::read(written).expect("an output");
    assert!(written.len() >= 20_000_000);
    let sum: String = Sha256::digest(&written)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let artifacts = house.reader.artifacts(&id).await.expect("artifacts");
    let copies: Vec<_> = artifacts
        .iter()
        .filter(|it| it.path.ends_with("iter-01-impl.jsonl"))
        .collect();
    assert_eq!(copies.len(), 2, "the data directory's and the workspace's");
    for copy in copies {
        assert_eq!((&copy.sha256, copy.bytes), (&sum, written.len() as u64));
        assert!(
            std::fs::read(&copy.path).expect("a copy") == written,
            "{}",
            copy.path
        );
    }
}

/// What an agent does that is called as Claude Code is, or as Codex is: it notes its arguments, and what a file among them
/// holds, a line each; the first review ends without a verdict.
const HELD_TO_A_SCHEMA: &str = r#"#!/bin/sh
[ "$1" != --version ] || { echo 1.0.0; exit; }
case " $* " in *-schema*) role=review;; *) role=implement;; esac
n=$(($(cat ../count 2>/dev/null || echo 0) + 1)); echo $n > ../count
for arg; do
    case "$arg" in /*/verdict-schema.json) cat "$arg"; echo;; *) echo "$arg";; esac
done > ../call-$n-$role
case "$role $(ls .. | grep -c -e '-review$')" in
implement*)
    sed -i 's/\[ \]/[x]/' specs/planning/thing-plan.md
    git commit -qam 'Do it'
    said='"<promise>COMPLETE</promise>"' ;;
"review 1") said='"I have looked at it."' ;;
*) said='"{\"verdict\":\"APPROVED\",\"findings\":\"\"}"' ;;
esac
case "$1" in
exec)
    echo '{"type":"thread.started","thread_id":"t1"}'
    echo "{\"type\":\"item.completed\",\"item\":{\"id\":\"i\",\"type\":\"agent_message\",\"text\":$said}}"
    echo '{"type":"turn.completed","usage":{"input_tokens":1,"output_tokens":1}}' ;;
*)
    echo '{"type":"system","subtype":"init","session_id":"s1","model":"m"}'
    echo "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":$said}" ;;
esac
"#;

#[tokio::test]
async fn a_reviewer_is_held_to_the_schema_of_a_verdict_and_goes_on_with_its_own_session() {
    for (agent, option, resumes) in [
        ("claude", "--json-schema", ["--resume", "s1"]),
        ("codex", "--output-schema", ["resume", "t1"]),
    ] {
        let repo = Repository::with_plan(ONE_TASK);
        let house = House::over(&repo).await;
        let program = repo.program("agent.sh", HELD_TO_A_SCHEMA);
        let settings = json!({
            "agent": agent,
            "agents": { agent: { "command": program } },
            "merge_strategy": "none",
        });
        let id = house.create(&repo, None, settings).await;
        let run = house.rests(&id, State::Completed).await;
        assert_eq!(run.facts.iteration, 1);
        let call = |name: &str| -> Vec<String> {
            let path = repo.outside().join(name);
            let text = std::fs::read_to_string(path).expect("a call");
            text.lines().map(str::to_owned).collect()
        };
        let implementation = call("call-1-implement");
        assert!(!implementation.contains(&option.to_owned()));
        let with_schema = [option.to_owned(), verdict::SCHEMA.to_owned()];
        let (first, second) = (call("call-2-review"), call("call-3-review"));
        for review in [&first, &second] {
            let held = review.windows(2).any(|two| two == with_schema);
            assert!(held, "{agent}: {review:?}");
        }
        let goes_on = |call: &[String]| call.windows(2).any(|two| two == resumes);
        assert_eq!(
            (goes_on(&implementation), goes_on(&first), goes_on(&second)),
            (false, false, true),
            "{agent}: {second:?}"
        );
        for prompt in house.prompts(&id, "review").await {
            assert!(prompt.contains("an object of two texts"), "{prompt}");
        }
        for step in house.reader.steps(&id).await.expect("steps") {
            if let Some(called) = step.facts.agent {
                assert_eq!(called.name, agent, "{}", step.phase);
            }
        }
        house.check().await;
    }
}

/// A directory's programs, by their working directories and process ids, as they noted them.
fn noted(path: PathBuf) -> Vec<(String, u32)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    lines
        .map(|(dir, pid)| (dir.to_owned(), pid.parse().expect("a pid")))
        .collect()
}

#[tokio::test]
async fn who_goes_to_work_when_asked_for_its_version_is_ended_and_does_no_harm() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    let asked = repo.outside().join("asked");
    // It takes the question for work, which lasts.
    let program = repo.program(
        "claude.sh",
        &format!(
            r#"#!/bin/sh
            case "$1" in --version) sleep 1000 & echo "$PWD $!" >> '{0}'; echo "$PWD $$" >> '{0}'; echo x > harm; exec sleep 1000;; esac
            sed -i 's/\[ \]/[x]/' specs/planning/thing-plan.md
            git commit -qam 'Do it'
            echo '{{"type":"result","subtype":"success","is_error":false,"result":"<promise>COMPLETE</promise>"}}'
            "#,
            asked.display()
        ),
    );
    let settings = json!({
        "reviewer": false,
        "agent": "claude",
        "agents": { "claude": { "command": program } },
        "merge_strategy": "none",
    });
    let id = house.create(&repo, None, settings).await;
    let run = house.rests(&id, State::Completed).await;
    let step = house.steps(&id, "implementation").await.remove(0);
    assert_eq!(step.facts.agent.expect("the agent").version, None);
    let noted = noted(asked);
    assert_eq!(noted.len(), 2, "it was asked once");
    let worktree = run.facts.worktree.expect("a worktree").path;
    for (dir, pid) in noted {
        assert_ne!(dir, worktree);
        assert!(!is_alive(pid), "{pid} lives");
    }
    assert!(repo.at("run/thing", "harm").is_empty());
}

#[tokio::test]
async fn a_command_of_the_users_is_not_asked_for_its_version() {
    let repo = Repository::with_plan(ONE_TASK);
    let house = House::over(&repo).await;
    // Wherever it would be asked.
    let called = repo.outside().join("called");
    let program = repo.program(
        "mine.sh",
        &format!("#!/bin/sh\necho \"called $*\" >> '{}'\nsed -i 's/\\[ \\]/[x]/' specs/planning/thing-plan.md\ngit commit -qam 'Do it'\necho '<promise>COMPLETE</promise>'\n", called.display()),
    );
    let settings = json!({
        "reviewer": false,
        "agent": "mine",
        "agents": { "mine": { "command": program } },
        "merge_strategy": "none",
    });
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;
    let called = std::fs::read_to_string(called);
    assert_eq!(called.expect("it was called"), "called \n");
}
