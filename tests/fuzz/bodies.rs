//! What must hold for any bytes at all, one body for each way by which bytes of others come in. The suite runs them on the
//! corpora and on what it makes of them; the targets in `fuzz_targets/` let a fuzzer look for more. A body panics when
//! something is wrong, and says nothing otherwise.
//!
//! Beside this file, whoever uses it has a module `support`: the store of the suite.

use std::path::Path;
use std::sync::OnceLock;

use agent_loop::agent::acp::{self, Client, Order};
use agent_loop::agent::{self, Clock, Dialect, Exit};
use agent_loop::api::wire::{EventRecord, OutputCursor};
use agent_loop::cli::client::sse;
use agent_loop::config::{
    DaemonSources, RunDefaults, RunSources, Source, load_daemon, resolve_run,
};
use agent_loop::core::handover;
use agent_loop::core::plan::{Checklist, approve, disown, next, reopen, tampering};
use agent_loop::core::run::{self, Facts};
use agent_loop::core::step;
use agent_loop::core::time::Time;
use agent_loop::store::{self, Options};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::support;

/// What is done with some input; it panics where something is wrong.
pub type Body = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Body); 8] = [
    ("checklist", checklist),
    ("config_toml", config_toml),
    ("config_key_value", config_key_value),
    ("streams", streams),
    ("conversation", conversation),
    ("sse", sse),
    ("events", events),
    ("replay", replay),
];

/// A plan: read without panic, marked without a change to anything but marks, the same when read again.
pub fn checklist(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let list = Checklist::parse(&text);
    let reading = list.reading();
    assert_eq!(reading.total, reading.done + reading.pending);
    assert!(reading.blocked <= reading.pending && reading.reviewed <= reading.done);
    assert_eq!(tampering(&list, &list), None);
    for open_work in [false, true] {
        let _ = next(&list, open_work);
    }
    for edited in [approve(&text), reopen(&list, &text), disown(&list, &text)] {
        assert_eq!(edited.text.len(), text.len(), "a mark is one byte");
        let after = Checklist::parse(&edited.text);
        assert_eq!(after.reading().total, reading.total);
        assert_eq!(tampering(&list, &after), None);
    }
    let approved = approve(&text);
    assert!(
        approve(&approved.text).tasks.is_empty(),
        "approved once is approved"
    );
}

/// A configuration in TOML.
pub fn config_toml(bytes: &[u8]) {
    config(".loop/config.toml", bytes);
}

/// A configuration in the older format.
pub fn config_key_value(bytes: &[u8]) {
    config(".loop/config", bytes);
}

/// Understood, or refused with the file's name; and the same again.
fn config(name: &str, bytes: &[u8]) {
    let load = || {
        load_daemon(&DaemonSources {
            user: Some(Source { name, bytes }),
            ..DaemonSources::default()
        })
    };
    match (load(), load()) {
        (Ok(one), Ok(two)) => assert_eq!(format!("{one:?}"), format!("{two:?}")),
        (Err(one), Err(two)) => {
            assert_eq!(one.to_string(), two.to_string());
            assert!(!one.problems().is_empty(), "a refusal says why");
            assert!(
                one.problems().iter().all(|problem| problem.origin == name),
                "{one}"
            );
        }
        (one, two) => panic!("once so and once so: {one:?} {two:?}"),
    }
    let resolved = resolve_run(
        &RunDefaults::default(),
        &RunSources {
            workspace: &[Source { name, bytes }],
            explicit: None,
            overrides: None,
        },
    );
    if let Ok(resolved) = resolved {
        // A run keeps its configuration as JSON.
        let json = serde_json::to_string(&resolved.config).expect("a configuration has a text");
        let again: agent_loop::config::RunConfig =
            serde_json::from_str(&json).expect("and is read from it");
        assert_eq!(format!("{again:?}"), format!("{:?}", resolved.config));
    }
}

/// The stream of an agent: the first byte says which agent's, the second how it is cut. It means the same uncut.
pub fn streams(bytes: &[u8]) {
    let [dialect, cut, stream @ ..] = bytes else {
        return;
    };
    let dialect = Dialect::ALL[usize::from(*dialect) % Dialect::ALL.len()];
    let hear = |chunk: usize| {
        let mut events = Vec::new();
        let mut parser = agent::Parser::new(dialect);
        for piece in stream.chunks(chunk) {
            parser.feed(piece, &mut |event| events.push(event));
        }
        let (exit, clock) = (
            Exit::default(),
            Clock {
                now: Time(1_795_331_400_000),
                utc_offset_sec: 0,
            },
        );
        let report = parser.finish(&exit, "", clock, &mut |event| events.push(event));
        (events, report)
    };
    let whole = hear(stream.len().max(1));
    assert!(
        whole == hear(usize::from(*cut) % 64 + 1),
        "{dialect:?} depends on the cut"
    );
    for event in &whole.0 {
        let _ = agent::render(event);
    }
}

/// An agent that speaks the Agent Client Protocol: the first byte says what is asked of it and at which of its messages it
/// is to stop; each further line is a message of the agent's. An answer `"id": 0` is to what was asked last, so that a
/// line may be moved. Every request of the agent's is answered, the conversation ends once and stays at its end.
pub fn conversation(bytes: &[u8]) {
    let [kind, lines @ ..] = bytes else { return };
    let wanted = |bit: u8, name: &str| (kind & bit != 0).then(|| name.to_owned());
    let (mut client, mut step) = Client::start(Order {
        cwd: "/worktree".to_owned(),
        prompt: "Do it.".to_owned(),
        resume: wanted(1, "an-earlier-session"),
        model: wanted(2, "a-model"),
    });
    let stops_at = (kind & 4 != 0).then_some(usize::from(kind >> 3));
    let (mut asked, mut results, mut over) = (0, 0, false);
    for (n, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        heard(&step, over, &mut asked, &mut results);
        over |= step.over;
        if stops_at == Some(n) {
            step = client.cancel();
            heard(&step, over, &mut asked, &mut results);
            over |= step.over;
        }
        let mut message = match serde_json::from_slice::<Value>(line) {
            Ok(message) if message.is_object() => message,
            Ok(_) | Err(_) => Value::Object(serde_json::Map::new()),
        };
        if message.get("id").and_then(Value::as_u64) == Some(0) {
            message["id"] = asked.into();
        }
        step = client.take(&message);
        let request = message.get("method").is_some_and(Value::is_string);
        if let (true, Some(id)) = (request, message.get("id")) {
            let answers = step.send.iter().filter(|it| it.get("method").is_none());
            let answered: Vec<&Value> = answers.filter_map(|it| it.get("id")).collect();
            assert_eq!(answered, [id], "{message}");
        }
    }
    heard(&step, over, &mut asked, &mut results);
}

/// What followed from a message: the number of the last request, and how often an end was told by now.
fn heard(step: &acp::Step, over: bool, asked: &mut u64, results: &mut usize) {
    for message in &step.send {
        if let (Some(_), Some(id)) = (message.get("method"), message.get("id")) {
            assert!(!over, "nothing is asked any more: {message}");
            *asked += 1;
            assert_eq!(id.as_u64(), Some(*asked), "{message}");
        }
    }
    for event in &step.events {
        let _ = agent::render(event);
        *results += usize::from(matches!(event, agent::Event::Result { .. }));
    }
    assert!(*results <= 1, "it ends once: {:?}", step.events);
    assert!(*results == 0 || over || step.over, "{:?}", step.events);
}

/// A stream of server-sent events: the first byte says how it is cut. It means the same uncut.
pub fn sse(bytes: &[u8]) {
    let [cut, stream @ ..] = bytes else { return };
    let hear = |chunk: usize| {
        let (mut parser, mut messages) = (sse::Parser::default(), Vec::new());
        for piece in stream.chunks(chunk) {
            parser.feed(piece, &mut messages).expect("short enough");
        }
        (messages, parser.retry())
    };
    let whole = hear(stream.len().max(1));
    assert_eq!(whole, hear(usize::from(*cut) % 64 + 1));
    for message in &whole.0 {
        assert!(!message.id.contains(['\n', '\0']) && !message.event.contains('\n'));
    }
}

/// What is stored and sent as JSON: what can be read is written the same, and no event can bring a machine down.
pub fn events(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    stays::<Facts>(text);
    stays::<EventRecord>(text);
    if let Ok(cursor) = text.parse::<OutputCursor>() {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
    if let Some(event) = stays::<run::Event>(text) {
        let facts = support::new_run("fuzzed").facts;
        for state in run::State::ALL {
            let _ = run::step(*state, &facts, &event, Time(1));
        }
    }
    if let Some(event) = stays::<step::Event>(text) {
        for state in step::State::ALL {
            let _ = step::step(*state, &step::StepFacts::default(), &event, Time(1));
        }
    }
    let handed = stays::<handover::Facts>(text).unwrap_or_default();
    if let Some(event) = stays::<handover::Event>(text) {
        for state in handover::State::ALL {
            for facts in [&handed, &handover::Facts::default()] {
                let _ = handover::step(*state, facts, &event, Time(1));
            }
        }
    }
}

/// Read, written, read again: the same.
fn stays<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(text: &str) -> Option<T> {
    let read: T = serde_json::from_str(text).ok()?;
    let written = serde_json::to_string(&read).expect("what was read can be written");
    let again: T = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(again, read);
    Some(read)
}

/// A database that somebody has been at: lines of `row column value` are written into the journal, past all guards. The
/// check of the database answers, and answers the same again; what was not touched is not blamed.
pub fn replay(bytes: &[u8]) {
    const COLUMNS: [&str; 8] = [
        "entity",
        "rev",
        "event",
        "data",
        "from_state",
        "to_state",
        "answer",
        "version",
    ];
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(store::file(dir.path()), template()).expect("a database");
    let text = String::from_utf8_lossy(bytes);
    let mut touched = false;
    {
        let raw = support::raw(dir.path());
        raw.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF")
            .expect("settings");
        undefended(&raw);
        for line in text.lines().take(16) {
            let mut words = line.splitn(3, ' ');
            let (Some(row), Some(column), Some(value)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let (Ok(row), true) = (row.parse::<u32>(), COLUMNS.contains(&column)) else {
                continue;
            };
            let sql = format!("UPDATE journal SET {column} = ?1 WHERE seq = 1 + ?2");
            // What the database itself refuses (a text for a number) is not the check's to find.
            touched |= raw.execute(&sql, (value, row)).is_ok_and(|rows| rows > 0);
        }
    }
    let look = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let reader =
                store::open_reading(dir.path(), Options::default()).map_err(|e| e.to_string())?;
            reader.replay().await.map_err(|e| e.to_string())
        })
    };
    let found = look();
    assert_eq!(found, look());
    if !touched {
        assert_eq!(found, Ok(Vec::new()));
    }
}

fn undefended(raw: &rusqlite::Connection) {
    let mut select = raw
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .expect("readable");
    let names = select
        .query_map([], |row| row.get::<_, String>(0))
        .expect("readable");
    for name in names.map(|name| name.expect("a name")) {
        raw.execute_batch(&format!("DROP TRIGGER {name}"))
            .expect("drops");
    }
}

/// A database with one completed run and one that has only begun.
fn template() -> &'static [u8] {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        // Of its own: whoever asks may stand in a runtime already.
        let made = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                let bench = support::Bench::new();
                bench.create("a").await;
                bench.complete("a").await;
                bench.create("b").await;
                bench.moves("b", support::claim()).await;
                bench.writer.clone().close().await;
                whole(bench.dir.path())
            })
        });
        made.join().expect("a template")
    })
}

/// The database in one file, whatever its journal still holds.
fn whole(dir: &Path) -> Vec<u8> {
    let copy = dir.join("whole.db");
    let raw = support::raw(dir);
    raw.execute("VACUUM INTO ?1", [copy.display().to_string()])
        .expect("a copy");
    std::fs::read(copy).expect("a copy")
}
