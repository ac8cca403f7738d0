//! Key by key, the test that shows that it changes something. A new key without a row here fails, and so does a row whose test
//! is not there or does not name the key: a test that sets no key shows nothing of it.

use std::collections::BTreeSet;
use std::path::Path;

use agent_loop::config::KEYS;

/// Keys, and where they are shown: a path of modules below `tests`, and the test. `NOT_YET` for a key that says of itself that
/// it is not in effect.
const SHOWN: &[(&str, &str)] = &[
    (
        "max_concurrent_runs",
        "keys::daemon::so_many_runs_are_active_at_once",
    ),
    (
        "max_runs_per_workspace",
        "keys::daemon::so_many_runs_are_active_in_one_repository",
    ),
    (
        "queue_policy",
        "keys::daemon::the_queue_is_served_in_the_order_that_is_configured",
    ),
    (
        "aging_starts",
        "keys::daemon::the_queue_is_served_in_the_order_that_is_configured",
    ),
    (
        "min_free_disk_mb",
        "keys::daemon::nothing_starts_while_the_disk_has_less_room_than_wanted",
    ),
    (
        "shutdown",
        "keys::daemon::a_step_outlives_its_daemon_or_ends_with_it",
    ),
    (
        "retention_days",
        "cli::worktrees::how_long_runs_are_kept_is_the_daemons_configuration",
    ),
    (
        "allowed_hosts",
        "keys::daemon::a_host_is_answered_where_it_is_allowed",
    ),
    (
        "global_log_dir",
        "keys::daemon::files_of_runs_and_news_for_a_person_go_where_they_are_wanted",
    ),
    (
        "notify",
        "keys::daemon::files_of_runs_and_news_for_a_person_go_where_they_are_wanted",
    ),
    (
        "specs_dir",
        "keys::run::the_picker_offers_the_specs_of_their_folder",
    ),
    (
        "plans_dir",
        "keys::run::a_plan_that_is_not_named_is_looked_for_in_its_folder",
    ),
    (
        "log_dir",
        "pipeline::files::files_are_kept_where_the_configuration_says",
    ),
    ("agent", "keys::run::agents_are_called_with_their_models"),
    (
        "fallback_agent",
        "pipeline::limits::a_usage_limit_may_bring_in_the_fallback_agent",
    ),
    ("model", "keys::run::agents_are_called_with_their_models"),
    (
        "review_model",
        "keys::run::agents_are_called_with_their_models",
    ),
    ("iterations", "pipeline::watchdog::iterations_are_limited"),
    (
        "completion_mode",
        "pipeline::completion::an_exact_token_is_the_whole_message",
    ),
    ("reviewer", "keys::run::a_review_is_made_or_left_out"),
    (
        "max_review_rounds",
        "pipeline::review::a_review_that_does_not_converge_asks_a_person",
    ),
    (
        "prompt_file",
        "cli::prompt::a_template_of_ones_own_is_read_where_it_is_and_comes_first",
    ),
    (
        "context_files",
        "keys::run::the_agent_is_told_which_files_to_read",
    ),
    (
        "verify_cmds",
        "pipeline::verification::a_run_whose_checks_fail_twice_is_told_and_mends_it",
    ),
    (
        "verify_timeout_sec",
        "pipeline::verification::a_check_that_takes_too_long_is_ended_and_has_failed",
    ),
    (
        "agent_timeout_sec",
        "pipeline::limits::an_agent_that_hangs_is_ended_when_its_time_is_over",
    ),
    (
        "agent_idle_timeout_sec",
        "keys::run::an_agent_that_neither_speaks_nor_works_is_ended",
    ),
    (
        "agent_retries",
        "pipeline::limits::a_crashed_agent_is_tried_again_and_then_the_run_fails",
    ),
    (
        "agent_retry_backoff_sec",
        "pipeline::operator::a_run_that_waits_for_its_next_try_can_be_paused_and_goes_on_at_once",
    ),
    (
        "stop_grace_sec",
        "keys::run::a_step_that_has_to_end_has_so_much_time",
    ),
    (
        "max_output_bytes",
        "keys::run::so_much_of_an_agents_output_is_kept",
    ),
    (
        "max_tokens",
        "pipeline::watchdog::tokens_are_limited_and_added_up",
    ),
    ("max_cost_usd", "keys::run::money_is_limited"),
    (
        "on_usage_limit",
        "pipeline::limits::a_usage_limit_may_fail_the_run_instead",
    ),
    ("max_rewrites", "keys::run::prompts_are_rewritten_so_often"),
    (
        "max_consecutive_verification_failures",
        "pipeline::verification::failures_in_a_row_fail_the_run",
    ),
    (
        "max_consecutive_review_failures",
        "pipeline::review::rejections_in_a_row_may_fail_the_run",
    ),
    (
        "protected_paths",
        "pipeline::trust::a_protected_path_holds_the_run_and_so_does_another_one_after_it_was_accepted",
    ),
    (
        "artifact_mode",
        "pipeline::files::files_are_kept_where_the_configuration_says",
    ),
    (
        "run_naming_mode",
        "pipeline::naming::nobody_is_asked_for_a_name_that_is_given_nor_without_being_told_to",
    ),
    (
        "run_naming_model",
        "pipeline::naming::the_model_that_is_configured_is_asked",
    ),
    (
        "base_branch",
        "keys::run::branches_are_those_that_are_configured",
    ),
    (
        "run_branch_prefix",
        "keys::run::branches_are_those_that_are_configured",
    ),
    (
        "merge_target_branch",
        "keys::run::branches_are_those_that_are_configured",
    ),
    (
        "merge_strategy",
        "pipeline::files::files_are_kept_where_the_configuration_says",
    ),
    (
        "worktree_path_template",
        "keys::run::a_worktree_stands_where_it_is_wanted_and_stays_if_it_shall",
    ),
    (
        "worktree_cleanup",
        "keys::run::a_worktree_stands_where_it_is_wanted_and_stays_if_it_shall",
    ),
    (
        "worktree_provider",
        "pipeline::worktrunk::it_puts_the_worktree_where_it_wants_and_loopd_knows_it_for_its_own",
    ),
    (
        "sandbox",
        "sandbox::modes::off_confines_nothing_and_says_so",
    ),
    (
        "env_pass",
        "keys::run::variables_that_are_passed_reach_the_agent_and_the_checks",
    ),
    (
        "summary_json",
        "keys::run::a_summary_is_written_or_left_out",
    ),
    (
        "postmortem",
        "pipeline::postmortem::an_analysis_follows_every_end_by_itself_where_it_is_configured",
    ),
    (
        "skills_enabled",
        "pipeline::skills::skills_are_offered_only_where_they_are_enabled",
    ),
    (
        "skills_dirs",
        "pipeline::skills::skills_are_taken_from_the_folders_that_are_named_as_they_were_when_the_run_began",
    ),
];

/// In place of a test, for a key whose own words say that it does nothing yet.
const NOT_YET: &str = "";

/// What is wrong with these rows for these keys: name and description.
fn wrong(keys: &[(&str, &str)], shown: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let names: BTreeSet<&str> = keys.iter().map(|key| key.0).collect();
    let mut seen = BTreeSet::new();
    for (key, test) in shown {
        if !names.contains(key) {
            wrong.push(format!("{key}: there is no such key"));
        }
        if !seen.insert(*key) {
            wrong.push(format!("{key}: named twice"));
        }
        if *test != NOT_YET {
            wrong.extend(body(test).err().map(|why| format!("{key}: {why}")));
        }
        if body(test).is_ok_and(|body| !names_the_key(&body, key)) {
            wrong.push(format!("{key}: {test} does not name it"));
        }
    }
    for (key, doc) in keys {
        let row = shown.iter().find(|row| row.0 == *key);
        match row {
            None => wrong.push(format!("{key}: no test shows that it changes something")),
            Some((_, test)) if doc.contains("Not in effect yet") != (*test == NOT_YET) => {
                wrong.push(format!(
                    "{key}: its description and its row disagree on whether it is in effect"
                ));
            }
            Some(_) => {}
        }
    }
    wrong
}

/// The source of a test, from its first line to its last.
fn body(test: &str) -> Result<String, String> {
    let (module, name) = test.rsplit_once("::").ok_or("it is no path of a test")?;
    let file = format!("tests/{}.rs", module.replace("::", "/"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    let head = format!("fn {name}() {{\n");
    let at = text
        .find(&head)
        .ok_or(format!("{file} has no test {name}"))?;
    let before = text[..at].trim_end().trim_end_matches("async").trim_end();
    let attribute = before.lines().next_back().unwrap_or_default();
    if !attribute.starts_with("#[test") && !attribute.starts_with("#[tokio::test") {
        return Err(format!("{name} in {file} is no test"));
    }
    let rest = &text[at + head.len()..];
    let end = rest.find("\n}\n").ok_or("it has no end")?;
    Ok(rest[..end].to_owned())
}

/// Whether the text sets the key: as a key of JSON, or of TOML.
fn names_the_key(body: &str, key: &str) -> bool {
    body.contains(&format!("\"{key}\""))
        || body.contains(&format!("{key} = "))
        || body.contains(&format!("{key}="))
}

#[test]
fn every_key_has_a_test_that_shows_what_it_changes() {
    let keys: Vec<(&str, &str)> = KEYS.iter().map(|key| (key.name, key.doc)).collect();
    let wrong = wrong(&keys, SHOWN);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_key_without_a_test_and_a_row_that_shows_nothing_are_seen() {
    let log_dir = "pipeline::files::files_are_kept_where_the_configuration_says";
    let keys = [("log_dir", "Where."), ("made_up", "Not in effect yet.")];
    let good = [("log_dir", log_dir), ("made_up", NOT_YET)];
    assert_eq!(wrong(&keys, &good), Vec::<String>::new());
    for (shown, why) in [
        (vec![good[0]], "made_up: no test shows"),
        (vec![good[0], good[1], good[0]], "log_dir: named twice"),
        (
            vec![good[0], good[1], ("other", log_dir)],
            "other: there is no such key",
        ),
        (
            vec![("log_dir", NOT_YET), good[1]],
            "log_dir: its description and its row disagree",
        ),
        (
            vec![good[0], ("made_up", log_dir)],
            "made_up: pipeline::files",
        ),
        (
            vec![("log_dir", "pipeline::files::gone"), good[1]],
            "log_dir: tests/pipeline/files.rs has no test gone",
        ),
        (
            vec![("log_dir", "pipeline::files::kinds"), good[1]],
            "log_dir: tests/pipeline/files.rs has no test kinds",
        ),
        (
            vec![("log_dir", "gone::gone"), good[1]],
            "log_dir: tests/gone.rs",
        ),
        (
            vec![
                (
                    "log_dir",
                    "pipeline::files::a_failed_run_says_why_in_its_files",
                ),
                good[1],
            ],
            "log_dir: pipeline::files::a_failed_run_says_why_in_its_files does not name it",
        ),
    ] {
        let wrong = wrong(&keys, &shown);
        assert!(
            wrong.iter().any(|it| it.starts_with(why)),
            "{why}: {wrong:?}"
        );
    }
}
