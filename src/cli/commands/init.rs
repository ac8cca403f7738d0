//! `loopctl init`: writes a configuration file in which every key stands at its default, explained and commented out. A
//! file that is there is never touched.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::settings::user_file;
use crate::cli::workspace::{is_bare, root_of};
use crate::config::{TemplateFor, WORKSPACE_FILES, template};

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl init --user")]
pub struct Arguments {
    /// The user's own file, with the daemon's keys, instead of the workspace's
    #[arg(long)]
    pub user: bool,
    /// Only print it
    #[arg(long)]
    pub print: bool,
}

/// Writes the file.
///
/// # Errors
/// The file exists, or cannot be written.
pub fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let text = template(match arguments.user {
        true => TemplateFor::User,
        false => TemplateFor::Workspace,
    });
    if arguments.print {
        return context.text(&text);
    }
    let path = if arguments.user {
        user_file().ok_or_else(|| Error::local("write the configuration", "HOME is not set"))?
    } else {
        let current = std::env::current_dir();
        let current = current.map_err(|e| Error::local("find the current directory", e))?;
        let root = root_of(&current);
        if is_bare(&root) {
            return Err(in_bare(&root));
        }
        root.join(WORKSPACE_FILES[0])
    };
    let shown = path.display().to_string();
    write_new(&path, &text).map_err(|error| Error::Local {
        doing: format!("write the configuration {shown}"),
        hint: (error.kind() == io::ErrorKind::AlreadyExists)
            .then(|| "compare it with `loopctl init --print`".to_owned()),
        cause: error.to_string(),
    })?;
    if context.global.json {
        return context.data(serde_json::json!({ "path": shown }).to_string());
    }
    context.line(shown)
}

/// Nothing of ours lies in git's own directory, and nobody would read it there.
fn in_bare(root: &Path) -> Error {
    Error::Local {
        doing: format!("write the configuration {}", WORKSPACE_FILES[0]),
        cause: format!(
            "{} is a bare repository, and what counts is what is committed in it",
            root.display()
        ),
        hint: Some(
            "call it in a clone and commit the file there, or see it with `loopctl init --print`"
                .to_owned(),
        ),
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
