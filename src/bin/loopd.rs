fn main() {
    if let Some(code) = agent_loop::effect::hidden(std::env::args_os()) {
        std::process::exit(code);
    }
}
