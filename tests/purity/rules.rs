//! The rules: what is wrong with a source text that stands in a room.

use super::paths::{self, Path};

/// What a room may name of the others, from the table in `src/lib.rs`.
pub struct Room {
    pub name: String,
    /// Whole rooms.
    pub may: Vec<String>,
    /// Parts of rooms.
    pub parts: Vec<Part>,
}

/// Part of a room: only these names of it, or all but these.
pub struct Part {
    pub room: &'static str,
    pub only: &'static [&'static str],
    pub not: &'static [&'static str],
}

/// How the table speaks of parts.
fn part(words: &str) -> Option<Part> {
    match words {
        "store's reader" => Some(Part {
            room: "store",
            only: &[],
            not: &["Writer", "Apply", "open"],
        }),
        "the engine's handle" => Some(Part {
            room: "daemon",
            only: &[],
            not: &[],
        }),
        // Nothing that performs: what a repository holds, where the files of a run are, and who asks.
        "effect's questions" => Some(Part {
            room: "effect",
            only: &["git", "step_dir", "spec_slug", "caller"],
            not: &[
                "execute",
                "catch_up",
                "commit_file",
                "commit_leftovers",
                "drop_stale_locks",
                "exclude_line",
                "prepare_worktree",
                "remove_worktree",
                "retire_branch",
            ],
        }),
        "the wire types" => Some(Part {
            room: "api",
            only: &["wire"],
            not: &[],
        }),
        _ => None,
    }
}

/// Reads the table. Words that it does not understand are an error: nothing is allowed by a misspelling.
pub fn rooms(map: &str) -> Result<Vec<Room>, String> {
    let mut rooms: Vec<Room> = Vec::new();
    for line in map.lines() {
        let Some(row) = line.strip_prefix("//! | [`") else {
            continue;
        };
        let cells: Vec<&str> = row
            .trim_end_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        let [name, _, allowed] = cells.as_slice() else {
            return Err(format!("not a row of three: {line}"));
        };
        let mut room = Room {
            name: name.trim_end_matches("`]").to_owned(),
            may: Vec::new(),
            parts: Vec::new(),
        };
        for words in allowed.split(", ") {
            match words {
                "nothing of ours" => {}
                "all of the above" => room.may.extend(rooms.iter().map(|it| it.name.clone())),
                _ => match part(words) {
                    Some(part) => room.parts.push(part),
                    None if rooms.iter().any(|it| it.name == words) => {
                        room.may.push(words.to_owned())
                    }
                    None => return Err(format!("`{words}` is no room above {}", room.name)),
                },
            }
        }
        rooms.push(room);
    }
    Ok(rooms)
}

/// A source file: its text and where it stands, as module names below `crate`.
pub struct Source<'a> {
    pub text: &'a str,
    pub module: &'a [String],
}

/// Everything that this source names and must not. `crates` are those that the package depends on.
pub fn wrong(source: &Source, rooms: &[Room], crates: &[String]) -> Result<Vec<String>, String> {
    let paths = paths::of(source.text)?;
    let Some(room) = source.module.first() else {
        return Ok(Vec::new());
    };
    let mut wrong: Vec<String> = Vec::new();
    for path in &paths {
        let absolute = absolute(path, source.module);
        let complaint = direction(&absolute, room, rooms)
            .or_else(|| foreign(path, source.module))
            .or_else(|| {
                (room == "core")
                    .then(|| impure(path, source.module, crates))
                    .flatten()
            });
        wrong.extend(complaint.map(|why| format!("{}: {why}", path.join("::"))));
    }
    wrong.dedup();
    Ok(wrong)
}

/// The path from the root of the crate, where it begins with `crate`, `self` or `super`; else nothing.
fn absolute(path: &Path, module: &[String]) -> Path {
    let mut rest = path.as_slice();
    let mut found: Path = match rest.first().map(String::as_str) {
        Some("crate" | "agent_loop") => Vec::new(),
        Some("self" | "super") => module.to_vec(),
        Some(_) | None => return Vec::new(),
    };
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "super" => {
                found.pop();
            }
            "crate" | "agent_loop" | "self" => {}
            name => found.push(name.to_owned()),
        }
        rest = others;
    }
    found
}

/// Where rooms are put together: these know all of them, and are known by none.
const ABOVE_ALL: &[&str] = &["preview", "serve"];

/// Naming a room that this one may not know.
fn direction(path: &Path, room: &str, rooms: &[Room]) -> Option<String> {
    let named = path.first().filter(|it| *it != room)?;
    let own = rooms.iter().find(|it| it.name == room)?;
    if ABOVE_ALL.contains(&named.as_str()) {
        return Some(format!("`{named}` stands above the room `{room}`"));
    }
    rooms.iter().find(|it| it.name == *named)?;
    let part = own.parts.iter().find(|it| it.room == *named);
    let within = |part: &Part| {
        let name = path.get(1).map(String::as_str);
        let allowed = part.only.is_empty() || name.is_some_and(|it| part.only.contains(&it));
        allowed && !path.iter().any(|it| part.not.contains(&it.as_str()))
    };
    let fine = own.may.contains(named) || part.is_some_and(within);
    (!fine).then(|| format!("the room `{room}` may not import this of `{named}`"))
}

/// What only some rooms may touch, wherever they stand in the table.
fn foreign(path: &Path, module: &[String]) -> Option<String> {
    let begins =
        |with: &[&str]| path.iter().zip(with).filter(|(a, b)| a == b).count() == with.len();
    // The built-in agent and the bridge are programs of their own that a keeper runs: what they start is an agent's work.
    const STARTS: &[&str] = &["effect", "daemon", "cli", "agent::scripted", "agent::acp"];
    let rules: [(&[&str], &[&str]); 5] = [
        (&["rusqlite"], &["store"]),
        (&["axum"], &["api", "daemon"]),
        (&["pulldown_cmark"], &["core::plan"]),
        (&["std", "process", "Command"], STARTS),
        (&["tokio", "process"], STARTS),
    ];
    let here = module.join("::");
    let (what, homes) = rules.iter().find(|(what, _)| begins(what))?;
    let home = homes
        .iter()
        .any(|home| here == *home || here.starts_with(&format!("{home}::")));
    (!home).then(|| format!("`{}` belongs to {}", what.join("::"), homes.join(", ")))
}

/// What makes the core depend on more than its arguments, or end the process.
fn impure(path: &Path, module: &[String], crates: &[String]) -> Option<String> {
    const OUTSIDE: &[&str] = &[
        "fs",
        "net",
        "thread",
        "env",
        "process",
        "os",
        "io",
        "sync",
        "random",
        "backtrace",
    ];
    const NAMES: &[&str] = &[
        "SystemTime",
        "Instant",
        "RandomState",
        "println",
        "eprintln",
        "print",
        "eprint",
        "dbg",
        "thread_local",
        "static_mut",
        "unsafe",
    ];
    const PANICS: &[&str] = &[
        "unwrap",
        "expect",
        "panic",
        "todo",
        "unimplemented",
        "unreachable",
    ];
    const ALLOWED: &[&str] = &["serde", "thiserror", "pulldown_cmark"];
    let name = |names: &[&str]| path.iter().find(|it| names.contains(&it.as_str()));
    let (first, second) = (path.first()?.as_str(), path.get(1).map(String::as_str));
    if matches!(first, "std" | "alloc") && second.is_some_and(|it| OUTSIDE.contains(&it)) {
        return Some("the core knows nothing of the outside".to_owned());
    }
    let is_crate = second.is_some()
        && crates.iter().any(|it| it == first)
        && !module.iter().any(|it| it == first);
    if is_crate && !ALLOWED.contains(&first) {
        return Some(format!("the core may use {} and std", ALLOWED.join(", ")));
    }
    if let Some(name) = name(NAMES) {
        return Some(format!("the core has no `{name}`"));
    }
    name(PANICS).map(|name| format!("the core answers and never panics, but for `{name}`"))
}
