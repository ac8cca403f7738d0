//! Generates every machine from its table in this directory into `OUT_DIR`, or fails with every problem of every table.
//! The door of the tests is made the same way, so that what the generator writes can be run there.

mod codegen;

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

const FIXTURE: &str = "tests/codegen/door.toml";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=machines");
    println!("cargo:rerun-if-changed={FIXTURE}");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let out = Path::new(&out);
    let lock = fs::read_to_string("machines/versions.lock").or_else(absent)?;
    let (mut locks, mut problems) = (String::new(), Vec::new());
    for table in tables()? {
        match codegen::generate(
            &table.display().to_string(),
            &fs::read_to_string(&table)?,
            &lock,
        ) {
            Ok(made) => {
                for (extension, text) in made.files {
                    fs::write(out.join(format!("{}.{extension}", made.name)), text)?;
                }
                if !table.ends_with(FIXTURE) {
                    locks = format!("{locks}\n{}", made.lock);
                }
            }
            Err(found) => problems.extend(found),
        }
    }
    // What the lock should say; a test compares it with the file, and refreshes that on demand.
    let about = "# The version of each table and the fingerprint of what it does.\n\
                 # `UPDATE_DOCS=1 cargo test` refreshes it.\n";
    fs::write(out.join("versions.lock"), format!("{about}{locks}"))?;
    if !problems.is_empty() {
        eprintln!("the machines' tables have {} problem(s):", problems.len());
        problems.iter().for_each(|problem| eprintln!("  {problem}"));
        process::exit(1);
    }
    Ok(())
}

/// Every table beside this file, and the one of the tests where they are there.
fn tables() -> io::Result<Vec<PathBuf>> {
    let mut tables: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir("machines")? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            tables.push(path);
        }
    }
    tables.sort();
    tables.extend(Some(PathBuf::from(FIXTURE)).filter(|path| path.exists()));
    Ok(tables)
}

/// A file that is not there says nothing.
fn absent(e: io::Error) -> io::Result<String> {
    if e.kind() == io::ErrorKind::NotFound {
        Ok(String::new())
    } else {
        Err(e)
    }
}
