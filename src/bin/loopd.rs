//! The daemon: hidden subcommands first (a keeper must come up without anything else), then `loopd` itself.

fn main() {
    let code = agent_loop::effect::hidden(std::env::args_os())
        .unwrap_or_else(|| agent_loop::serve::main(std::env::args_os()));
    std::process::exit(code);
}
