//! From a spec with one or two boxes to one squash commit, by each agent that loopd knows by name.

use agent_loop::core::run::State;
use agent_loop::core::step::Confined;
use agent_loop::effect::confine::Kernel;
use serde_json::{Value, json};

use super::{ONE_TASK, Stage, TWO_TASKS};
use crate::support::Repository;
use crate::support::agents::{self, KEY, Model, Mood};

/// Runs the plan with the agent that `settings` makes, and asserts that it was all done, in good order.
async fn do_all(
    plan: &str,
    settings: impl FnOnce(&Repository, &Model) -> Option<Value>,
    reviewer: bool,
) {
    // Where the sandbox is whole: real agents have to work inside of it.
    let repo = Repository::apart_from_temporary_files(plan);
    let more = json!({ "reviewer": reviewer, "verify_cmds": ["test -f work.txt"] });
    let Some(stage) = Stage::of(repo, Mood::Works, settings, more).await else {
        return;
    };
    let before = stage.repo.checkout();
    stage.assert_done(plan, reviewer).await;
    assert_eq!(
        stage.repo.checkout(),
        before,
        "the user's checkout is as it was"
    );
    let keys = stage.model.keys();
    assert!(!keys.is_empty(), "the model was asked");
    assert!(
        keys.iter().all(|key| key == KEY),
        "other keys than the given: {keys:?}"
    );
    if Kernel::of_this_machine().lacks().is_empty() {
        for step in stage.house.steps(&stage.id, "implementation").await {
            let confinement = step.facts.confinement.expect("it is told");
            assert_eq!(confinement.level, Confined::Full, "{confinement:?}");
        }
    }
}

impl Stage {
    /// Waits for the run, and asserts that every task was done, each in an iteration, and nothing else.
    async fn assert_done(&self, plan: &str, reviewer: bool) {
        let (run, story) = self.rest().await;
        assert_eq!(run.state, State::Completed, "{:?}\n{story}", run.facts);
        let mark = if reviewer { "[R]" } else { "[x]" };
        let tasks = plan.matches("[ ]").count();
        assert_eq!(
            self.repo.at("agent/thing", "specs/planning/thing-plan.md"),
            plan.trim_end().replace("[ ]", mark),
        );
        let work = vec!["work"; tasks].join("\n");
        assert_eq!(self.repo.at("agent/thing", "work.txt"), work);
        let files = ["ls-tree", "-r", "--name-only", "agent/thing"];
        assert_eq!(
            self.repo.git(&files).lines().collect::<Vec<_>>(),
            ["specs/planning/thing-plan.md", "specs/thing.md", "work.txt"],
            "nothing of the agent's own"
        );
        let commits = ["rev-list", "--count", "main..agent/thing"];
        assert_eq!(self.repo.git(&commits), "1", "one squash commit");
        assert_eq!(
            run.facts.iteration as usize, tasks,
            "a task an iteration, and no more\n{story}"
        );
        assert!(run.facts.usage.output_tokens > 0, "tokens are counted");
        self.house.check().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_does_a_plan_that_nobody_reviews() {
    do_all(TWO_TASKS, agents::claude, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_does_a_plan_and_reviews_it() {
    do_all(
        TWO_TASKS,
        |repo, model| agents::gemini(repo, model, false),
        true,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_does_a_plan_by_the_agent_client_protocol() {
    do_all(TWO_TASKS, agents::claude_acp, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_does_a_plan_by_the_agent_client_protocol() {
    do_all(
        ONE_TASK,
        |repo, model| agents::gemini(repo, model, true),
        true,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pi_does_a_plan_and_reviews_it() {
    do_all(TWO_TASKS, agents::pi, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opencode_does_a_plan_and_reviews_it() {
    do_all(ONE_TASK, agents::opencode, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn qwen_does_a_plan_and_reviews_it() {
    do_all(ONE_TASK, agents::qwen, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aider_does_a_plan_and_reviews_it() {
    do_all(TWO_TASKS, agents::aider, true).await;
}

/// As aider does it: it says what it edits, commits by itself, and ends with what was spent. Its words are recorded ones.
const AS_AIDER: &str = r#"#!/bin/sh
[ "$1" != --version ] || { echo 'aider 0.86.2'; exit; }
while [ $# -gt 0 ]; do [ "$1" != --message-file ] || prompt=$2; shift; done
cat <<'END'
Detected dumb terminal, disabling fancy input and pretty output.

Aider v0.86.2
Main model: openai/mock-model with diff edit format
Weak model: openai/mock-weak
Git repo: .git with 2 files
Repo-map: disabled

END
spent='Tokens: 1.0k sent, 50 received. Cost: $0.0037 message, $0.0037 session.'
if grep -q 'You review work' "$prompt"; then
  printf 'APPROVED\n\n%s\n' "$spent"
  exit
fi
plan=specs/planning/thing-plan.md
echo work >> work.txt
sed -i '0,/\[ \]/s//[x]/' $plan
git add --all
git commit --quiet --message 'Tick a box'
cat <<'END'
I will check the first open box.

specs/planning/thing-plan.md
```
<<<<<<< SEARCH
- [ ] one
=======
- [x] one
>>>>>>> REPLACE
```
END
grep -q '\[ \]' $plan || printf '\n<promise>COMPLETE</promise>\n'
printf '\n%s\nApplied edit to %s\nCommit %s Tick a box\n' "$spent" $plan "$(git rev-parse --short HEAD)"
"#;

#[tokio::test]
async fn what_aider_prints_is_understood_where_it_is_not_installed() {
    let as_aider = |repo: &Repository, _: &Model| {
        let program = repo.program("aider", AS_AIDER);
        Some(json!({ "agent": "aider", "agents": { "aider": { "command": program } } }))
    };
    let more = json!({ "verify_cmds": ["test -f work.txt"] });
    let stage = Stage::set(TWO_TASKS, Mood::Works, as_aider, more).await;
    let stage = stage.expect("nothing needs to be installed");
    stage.assert_done(TWO_TASKS, true).await;
}
