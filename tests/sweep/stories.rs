//! The stories contain what they are for: together they pass through every state and every decision. A sweep over stories
//! from which one of them had vanished would be as green as before.

use agent_loop::core::run::State;

use super::every_point::undisturbed;
use super::scenario;

/// What has to be told in one of the stories, as it is stored.
const DECISIONS: [&str; 20] = [
    "RUN_NAMED {",
    r#"REVIEW_FINISHED {"verdict":"changes_requested""#,
    r#"REVIEW_FINISHED {"verdict":"approved""#,
    r#"VERIFICATION_FINISHED {"passed":false"#,
    r#"VERIFICATION_FINISHED {"passed":true"#,
    "WATCHDOG_REWRITE {",
    "AGENT_LIMITED {",
    "RUN_PAUSED {",
    "RUN_RESUMED {",
    "RUN_CANCELED {",
    "RUN_FAILED {",
    r#"RUN_COMPLETED {"mode":"squash"#,
    r#"RUN_COMPLETED {"mode":"merge"#,
    "MERGE_CONFLICT {",
    r#""event":"target_moved""#,
    r#"HANDOVER_STATE_CHANGED {"event":"merge""#,
    "PULL_REQUEST_CREATED {",
    r#""to":"scrapped""#,
    "WORKTREE_REMOVED {",
    r#"POSTMORTEM_END {"failure":null,"written":true}"#,
];

#[tokio::test]
async fn the_stories_pass_through_every_state_and_every_decision() {
    let mut told = String::new();
    for scenario in scenario::ALL {
        told.push_str(&undisturbed(scenario).await.told);
    }
    let states = State::ALL.iter().map(|state| format!("\"to\":\"{state}\""));
    let wanted = DECISIONS.into_iter().map(str::to_owned).chain(states);
    let missing: Vec<String> = wanted.filter(|it| !told.contains(it)).collect();
    assert_eq!(missing, [""; 0], "in none of the stories");
}
