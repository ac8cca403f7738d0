//! Generates every machine from its table in this directory into `OUT_DIR`, or fails with every problem of every table.

mod codegen;

use std::path::Path;
use std::{env, fs, io, process};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=machines");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let (out, mut problems, mut locks) = (Path::new(&out), Vec::new(), Vec::new());
    let lock = match fs::read_to_string("machines/versions.lock") {
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let mut tables: Vec<_> = fs::read_dir("machines")?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    tables.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    tables.sort();
    for table in tables {
        match codegen::generate(
            &table.display().to_string(),
            &fs::read_to_string(&table)?,
            &lock,
        ) {
            Ok(made) => {
                let files = [
                    ("rs", made.rust),
                    ("sql", made.sql),
                    ("md", made.markdown),
                    ("mmd", made.mermaid),
                ];
                for (extension, text) in files {
                    fs::write(out.join(format!("{}.{extension}", made.name)), text)?;
                }
                locks.push(made.lock);
            }
            Err(found) => problems.extend(found),
        }
    }
    // What the lock should say; a test compares, and refreshes on demand.
    let header = "# Version and fingerprint of each table; refreshed by `UPDATE_DOCS=1 cargo test machines`.\n\n";
    fs::write(
        out.join("versions.lock"),
        format!("{header}{}", locks.join("\n")),
    )?;
    if !problems.is_empty() {
        eprintln!("{} problem(s) in the machines' tables:", problems.len());
        problems.iter().for_each(|problem| eprintln!("  {problem}"));
        process::exit(1);
    }
    Ok(())
}
