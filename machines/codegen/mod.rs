//! From a table to Rust, SQL and a page: read, judge, and only then write. Everything here is a function from texts to
//! texts, so that the tests can call it; files are `build.rs`'s business.

mod check;
mod lock;
mod markdown;
mod model;
mod rust;
mod sql;

/// Everything that is made from one table.
pub struct Generated {
    pub name: String,
    pub rust: String,
    pub sql: String,
    pub markdown: String,
    pub mermaid: String,
    /// The entry that `machines/versions.lock` should have.
    pub lock: String,
}

/// Generates a machine from the text of `file`, or says every problem that the table has, each beginning with `file`.
pub fn generate(file: &str, text: &str, lock: &str) -> Result<Generated, Vec<String>> {
    let mut problems = Vec::new();
    let machine = model::parse(text, &mut problems);
    if let Some(machine) = &machine {
        if file.rsplit('/').next() != Some(&format!("{}.toml", machine.head.name)) {
            problems.push(format!(
                "[machine]: the name `{}` is not the file's",
                machine.head.name
            ));
        }
        problems.extend(check::problems(machine));
        if problems.is_empty() {
            problems.extend(lock::problem(machine, lock));
        }
    }
    match machine {
        Some(machine) if problems.is_empty() => Ok(Generated {
            rust: rust::render(&machine),
            sql: sql::render(&machine),
            markdown: markdown::render(&machine),
            mermaid: markdown::mermaid(&machine),
            lock: lock::entry(&machine),
            name: machine.head.name,
        }),
        _ => Err(problems
            .into_iter()
            .map(|problem| format!("{file}: {}", problem.trim_end()))
            .collect()),
    }
}
