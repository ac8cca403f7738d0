//! The command line: arguments, tracing, exit code. What the commands do is in the library's `cli`.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use agent_loop::cli::args::{Cli, Global};
use agent_loop::cli::context::{Context, stream_choice};
use agent_loop::cli::error::Error;
use agent_loop::cli::render::style::{ATTENTION, BAD, paint};
use agent_loop::cli::render::text::{Pieces, plain};
use clap::Parser as _;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    if let Some(code) = agent_loop::effect::hidden(std::env::args_os())
        .or_else(|| agent_loop::serve::hidden(std::env::args_os()))
    {
        std::process::exit(code);
    }
    let cli = Cli::parse();
    stream_choice(cli.global.color).write_global();
    trace(&cli.global);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let mut context = Context::new(
                cli.global,
                agent_loop::preview::preview,
                agent_loop::effect::confine::trial,
            );
            runtime.block_on(cli.command.execute(&mut context))
        }
        Err(error) => Err(Error::local("start", error)),
    };
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    if !error.is_silent() {
        complain(&error);
    }
    ExitCode::from(error.exit() as u8)
}

/// Says what went wrong and what to do. When even standard error is gone, the exit code has to do.
fn complain(error: &Error) {
    let mut err = anstream::stderr().lock();
    let text = Pieces::default().next(&error.to_string());
    let _ = writeln!(err, "{} {text}", paint(BAD, "loopctl:"));
    if let Some(hint) = error.hint() {
        let _ = writeln!(err, "{} {}", paint(ATTENTION, "hint:"), plain(&hint));
    }
}

/// Diagnostics go to standard error: warnings, unless less or more was asked for.
fn trace(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let ansi = match stream_choice(global.color) {
        anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
        anstream::ColorChoice::Never => false,
        anstream::ColorChoice::Auto => {
            let choice = anstream::AutoStream::choice(&std::io::stderr());
            choice != anstream::ColorChoice::Never && std::io::stderr().is_terminal()
        }
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        // It would be told on standard error, too.
        .log_internal_errors(false)
        .with_ansi(ansi)
        .with_target(false)
        .without_time()
        .init();
}
