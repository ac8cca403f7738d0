//! Choosing a spec when none was named: a numbered list on standard error, a number from standard input. Only on a
//! terminal; a script that forgets the spec gets an error at once instead of a question that nobody answers.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::error::Error;
use crate::cli::render::text::plain;

/// Asks which of the specs in `dir` is meant.
pub fn pick(dir: &Path) -> Result<PathBuf, Error> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(usage(
            "the spec is missing, and there is no terminal to ask on",
        ));
    }
    let specs = specs_in(dir)
        .map_err(|error| Error::local(format!("list the specs in {}", dir.display()), error))?;
    if specs.is_empty() {
        let dir = dir.display();
        return Err(usage(&format!("there is no spec (*.md) in {dir}")));
    }
    let mut err = anstream::stderr().lock();
    for (number, spec) in (1..).zip(&specs) {
        let name = spec.file_name().unwrap_or(spec.as_os_str());
        writeln!(err, "{number:>3}  {}", plain(&name.to_string_lossy()))?;
    }
    write!(err, "Which spec? [1-{}] ", specs.len())?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    chosen(&answer, &specs).ok_or_else(|| usage("no spec was chosen"))
}

/// The Markdown files in a directory, by name.
pub fn specs_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut specs = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "md") && path.is_file() {
            specs.push(path);
        }
    }
    specs.sort();
    Ok(specs)
}

/// The spec that an answer means: its number in the list.
pub fn chosen(answer: &str, specs: &[PathBuf]) -> Option<PathBuf> {
    let number: usize = answer.trim().parse().ok()?;
    specs.get(number.checked_sub(1)?).cloned()
}

fn usage(message: &str) -> Error {
    Error::Usage {
        message: message.to_owned(),
        hint: Some("name it: loopctl run SPEC [PLAN]".to_owned()),
    }
}
