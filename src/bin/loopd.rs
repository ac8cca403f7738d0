//! The daemon: hidden subcommands first (a keeper must come up without anything else), then `loopd` itself.

fn main() {
    if let Some(code) = agent_loop::effect::hidden(std::env::args_os()) {
        std::process::exit(code);
    }
}
