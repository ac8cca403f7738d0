//! `loopctl machine [NAME]`: a lifecycle as the table says it: the matrix of states and events, refusals included, or
//! the diagram alone. No daemon: it is what this binary was built from.

use clap::ValueEnum;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::core::{handover, run, step};

/// A lifecycle that has a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Of a run.
    #[default]
    Run,
    /// Of a step of a run.
    Step,
    /// Of what a person does with an ended run.
    Handover,
}

/// Arguments of `machine`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: loopctl machine run --diagram > run.mmd")]
pub struct Arguments {
    /// Which lifecycle
    #[arg(default_value = "run")]
    pub name: Name,
    /// Only the diagram, in mermaid's words
    #[arg(long)]
    pub diagram: bool,
}

/// Prints.
///
/// # Errors
/// Standard output is gone or full.
pub fn execute(arguments: Arguments, context: &mut Context) -> Result<(), Error> {
    let (markdown, mermaid, version) = match arguments.name {
        Name::Run => (run::MARKDOWN, run::MERMAID, run::VERSION),
        Name::Step => (step::MARKDOWN, step::MERMAID, step::VERSION),
        Name::Handover => (handover::MARKDOWN, handover::MERMAID, handover::VERSION),
    };
    if context.global.json {
        let all = json!({ "version": version, "markdown": markdown, "mermaid": mermaid });
        return context.data(all.to_string());
    }
    context.text(if arguments.diagram { mermaid } else { markdown })
}
