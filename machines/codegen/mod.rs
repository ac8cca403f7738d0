//! From a table to Rust, SQL and a page: read, judge, and only then write. Everything here is a function from texts to
//! texts, so that the tests can call it; files are `build.rs`'s business.

mod cells;
mod check;
mod graph;
mod lock;
mod markdown;
mod model;
mod read;
mod rules;
mod rust;
mod sql;

/// Everything that is made from one table.
pub struct Generated {
    pub name: String,
    /// File extensions and texts: `rs`, `sql`, `md`, `mmd`.
    pub files: [(&'static str, String); 4],
    /// The entry that `machines/versions.lock` should have.
    pub lock: String,
}

/// Generates a machine from the text of `file`, or says every problem that the table has, each beginning with `file`.
pub fn generate(file: &str, text: &str, lock: &str) -> Result<Generated, Vec<String>> {
    let mut problems = Vec::new();
    let machine = read::parse(text, &mut problems);
    if let Some(machine) = &machine {
        let name = &machine.head.name;
        if file.rsplit('/').next() != Some(&format!("{name}.toml")) {
            problems.push(format!("[machine]: the name `{name}` is not the file's"));
        }
        problems.extend(check::problems(machine));
        if problems.is_empty() {
            problems.extend(lock::problem(machine, lock));
        }
    }
    match machine {
        Some(machine) if problems.is_empty() => Ok(Generated {
            files: [
                ("rs", rust::render(&machine)),
                ("sql", sql::render(&machine)),
                ("md", markdown::render(&machine)),
                ("mmd", markdown::mermaid(&machine)),
            ],
            lock: lock::entry(&machine),
            name: machine.head.name,
        }),
        _ => Err(problems
            .into_iter()
            .map(|problem| format!("{file}: {problem}"))
            .collect()),
    }
}
