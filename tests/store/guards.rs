//! What the database refuses by itself, whoever asks. Every statement goes past our types, on a connection of its own.

use agent_loop::core::run::{EDGES, State};

use super::support::*;

fn refused(bench: &Bench, sql: &str) -> String {
    let error = bench.raw().execute_batch(sql).expect_err(sql);
    error.to_string()
}

#[tokio::test]
async fn a_bare_update_of_a_state_is_refused() {
    let bench = Bench::new();
    bench.create("a").await;
    for state in State::ALL.iter().filter(|it| **it != State::Queued) {
        let sql = format!(
            "UPDATE runs SET state = '{state}', kind = '{}'",
            state.kind().as_str()
        );
        refused(&bench, &sql);
        refused(&bench, &format!("{sql}, rev = rev + 1"));
        refused(
            &bench,
            &format!("{sql}, rev = rev + 1, ended_at = 1, verified_tree = 't'"),
        );
    }
    assert_eq!(bench.run("a").await.state, State::Queued);
}

/// Every pair of states, with a journal row that says what was done: it passes exactly where an edge is declared.
#[tokio::test]
async fn every_undeclared_jump_is_refused_even_with_a_journal_row() {
    let bench = Bench::new();
    bench.create("a").await;
    let raw = bench.raw();
    for from in State::ALL {
        // Put the run there, past the guards, then lay them again.
        let guards = lift_guards(&raw);
        raw.execute("UPDATE runs SET state = ?1, kind = ?2, verified_tree = 't', ended_at = CASE ?2 WHEN 'ended' THEN 1 END", [
            from.as_str(),
            from.kind().as_str(),
        ])
        .expect("moves");
        raw.execute_batch(&guards).expect("lays them again");
        for to in State::ALL {
            for event in agent_loop::core::run::EventName::ALL {
                for answer in answers(*event) {
                    let declared = EDGES.iter().any(|it| {
                        (it.from, it.event, it.answer, it.to) == (*from, *event, answer, *to)
                    });
                    let tx = raw.unchecked_transaction().expect("begins");
                    tx.execute(
                        "INSERT INTO journal (machine, entity, rev, at, event, data, from_state, to_state, answer, version)
                         SELECT 'run', id, rev + 1, 0, ?1, '{}', ?2, ?3, ?4, 1 FROM runs",
                        rusqlite::params![event.as_str(), from.as_str(), to.as_str(), answer],
                    )
                    .expect("journals");
                    let moved = tx.execute(
                        "UPDATE runs SET rev = rev + 1, state = ?1, kind = ?2, ended_at = CASE ?2 WHEN 'ended' THEN 1 END",
                        [to.as_str(), to.kind().as_str()],
                    );
                    assert_eq!(
                        moved.is_ok(),
                        declared,
                        "{from} --{event} / {answer:?}--> {to}: {moved:?}"
                    );
                    tx.rollback().expect("rolls back");
                }
            }
        }
    }
}

#[tokio::test]
async fn nothing_of_a_run_or_a_step_changes_without_its_rev() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.moves("a", claim()).await;
    assert!(refused(&bench, "UPDATE runs SET facts = '{}'").contains("without its rev"));
    assert!(refused(&bench, "UPDATE steps SET exit_code = 0").contains("without its rev"));
    refused(
        &bench,
        "UPDATE steps SET state = 'succeeded', kind = 'ended', ended_at = 1, rev = rev + 1",
    );
}

#[tokio::test]
async fn what_a_run_was_created_with_stays_even_while_it_moves() {
    let bench = Bench::new();
    bench.create("a").await;
    let journal =
        "INSERT INTO journal (machine, entity, rev, at, event, data, from_state, to_state, version)
                   VALUES ('run', 'a', 2, 0, 'pause', '{}', 'queued', 'paused', 1);";
    for change in [
        "spec = '{}'",
        "config = '[]'",
        "priority = 9",
        "workspace_key = 'x'",
        "workspace_root = 'x'",
        "created_at = 0",
        "number = 9",
    ] {
        let sql = format!(
            "BEGIN; {journal} UPDATE runs SET rev = 2, state = 'paused', kind = 'held', {change}; COMMIT;"
        );
        assert!(
            refused(&bench, &sql).contains("keeps what it was created with"),
            "{change}"
        );
    }
    let sound = format!(
        "BEGIN; {journal} UPDATE runs SET rev = 2, state = 'paused', kind = 'held'; COMMIT;"
    );
    bench
        .raw()
        .execute_batch(&sound)
        .expect("the same without the change passes");
}

#[tokio::test]
async fn a_run_is_named_once_before_it_has_a_branch_and_by_its_facts_alone() {
    let bench = Bench::new();
    bench.create("a").await;
    bench.moves("a", claim()).await;
    let journal = "INSERT INTO journal (machine, entity, rev, at, event, data, from_state, to_state, version)
                   SELECT 'run', 'a', rev + 1, 0, 'named', '{}', 'running', 'running', 1 FROM runs;";
    let rename = |name: &str, naming: &str| {
        format!(
            "BEGIN; {journal} UPDATE runs SET rev = rev + 1, name = '{name}',
               facts = json_set(facts, '$.naming', json('{naming}')); COMMIT;"
        )
    };
    let said = |name: &str| format!("{{\"name\":\"{name}\",\"message\":\"\"}}");
    let keeps = |sql: &str| {
        let why = refused(&bench, sql);
        assert!(why.contains("keeps its name"), "{why}");
    };
    keeps(&rename("x", "null"));
    keeps(&rename("x", &said("y")));
    let sound = rename("x", &said("x"));
    bench.raw().execute_batch(&sound).expect("it is named");
    keeps(&rename("z", &said("z")));

    // Whatever else is known of it: what has a branch, or had one, keeps its name.
    for fact in [
        "json_set(facts, '$.naming', NULL, '$.worktree', json('{}'))",
        "json_set(facts, '$.naming', NULL, '$.worktree', NULL, '$.abandoned', json('[{}]'))",
    ] {
        let sql =
            format!("BEGIN; {journal} UPDATE runs SET rev = rev + 1, facts = {fact}; COMMIT;");
        bench.raw().execute_batch(&sql).expect("other facts");
        keeps(&rename("z", &said("z")));
    }
}

#[tokio::test]
async fn the_journal_and_the_events_are_only_appended_to() {
    let bench = Bench::new();
    bench.create("a").await;
    for sql in [
        "UPDATE journal SET at = 0",
        "DELETE FROM journal",
        "UPDATE events SET payload = '{}'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO journal SELECT * FROM journal",
        "DELETE FROM runs",
    ] {
        refused(&bench, sql);
    }
}

#[tokio::test]
async fn json_that_is_none_and_a_kind_of_another_state_are_refused() {
    let bench = Bench::new();
    bench.create("a").await;
    refused(&bench, "UPDATE runs SET kind = 'active'");
    refused(&bench, "UPDATE runs SET rev = 2, facts = '{'");
    refused(
        &bench,
        "INSERT INTO events (run_id, at, type, payload) VALUES ('a', 0, 'X', 'no json')",
    );
    refused(
        &bench,
        "PRAGMA foreign_keys = ON; INSERT INTO events (run_id, at, type, payload) VALUES ('b', 0, 'X', '{}')",
    );
}

/// Drops every trigger on runs, and returns the script that lays them again.
fn lift_guards(raw: &rusqlite::Connection) -> String {
    let mut select = raw
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'runs'")
        .expect("readable");
    let triggers = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("readable");
    let triggers: Vec<(String, String)> = triggers.collect::<Result<_, _>>().expect("readable");
    assert!(triggers.len() >= 5, "the guards are there");
    let mut script = String::new();
    for (name, sql) in triggers {
        raw.execute_batch(&format!("DROP TRIGGER {name}"))
            .expect("drops");
        script += &format!("{sql};\n");
    }
    script
}

/// No answer, and every answer that any edge of this event has.
fn answers(event: agent_loop::core::run::EventName) -> Vec<Option<&'static str>> {
    let mut answers: Vec<_> = EDGES
        .iter()
        .filter(|it| it.event == event)
        .map(|it| it.answer)
        .collect();
    answers.extend([None, Some("unheard of")]);
    answers.sort_unstable();
    answers.dedup();
    answers
}

/// The text of every source file of ours, by path.
fn sources(dir: &std::path::Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut sources = Vec::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else {
            sources.push((
                path.display().to_string(),
                std::fs::read_to_string(&path).expect("text"),
            ));
        }
    }
    sources
}

#[test]
fn one_statement_in_the_house_changes_a_run_and_one_room_knows_sqlite() {
    let sources = sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let places = |needle: &str| -> Vec<&str> {
        let found = sources
            .iter()
            .flat_map(|(path, text)| text.matches(needle).map(|_| path.as_str()));
        found.collect()
    };
    let changes = places("UPDATE runs SET");
    assert!(
        changes.len() == 1 && changes[0].ends_with("src/store/apply.rs"),
        "{changes:?}"
    );
    let elsewhere: Vec<&str> = places("rusqlite::")
        .into_iter()
        .filter(|path| !path.contains("/src/store/"))
        .collect();
    assert_eq!(elsewhere, [""; 0]);
}
