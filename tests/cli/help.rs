//! The command tree: consistent in itself, explained, and the source of man pages and completions.

use agent_loop::cli::args::Cli;
use clap::CommandFactory as _;

use super::loopctl::User;

fn names() -> Vec<String> {
    let mut tree = Cli::command();
    tree.build();
    let names = tree.get_subcommands().map(|c| c.get_name().to_owned());
    names.filter(|name| name != "help").collect()
}

#[test]
fn the_tree_is_consistent() {
    Cli::command().debug_assert();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_explains_itself_with_an_example() {
    let user = User::new();
    for name in names() {
        let ended = user.alone(&[&name, "--help"]).await;
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.err);
        let example = format!("Example: loopctl {name}");
        assert!(ended.out.contains(&example), "{name}: {}", ended.out);
        assert!(
            ended.out.contains("--ready-timeout"),
            "{name}: {}",
            ended.out
        );
    }
}

#[test]
fn every_argument_is_explained() {
    let mut tree = Cli::command();
    tree.build();
    for command in tree.get_subcommands().filter(|c| c.get_name() != "help") {
        for argument in command.get_arguments() {
            let name = (command.get_name(), argument.get_id());
            assert!(argument.get_help().is_some(), "{name:?}");
        }
    }
}

#[test]
fn every_example_is_accepted_by_the_parser() {
    for name in names() {
        let tree = Cli::command();
        let command = tree.find_subcommand(&name).expect("it exists");
        let help = command.get_after_help().expect("an example").to_string();
        let example = help.strip_prefix("Example: ").expect("an example");
        let example = example
            .split([' ', '\n'])
            .take_while(|word| !matches!(*word, "|" | ">"));
        let example = example.collect::<Vec<_>>().join(" ");
        let words = split(&example);
        if let Err(error) = Cli::command().try_get_matches_from(&words) {
            panic!("{words:?}: {error}");
        }
    }
}

/// Words of a command line; `'…'` is one word.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (part, quoted) in line.split('\'').zip([false, true].into_iter().cycle()) {
        match quoted {
            true => words.push(part.to_owned()),
            false => words.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_ends_with_2_and_help_with_0() {
    let user = User::new();
    for args in [
        &["frobnicate"][..],
        &["list", "--limit", "0"],
        &["run", "s.md", "--iterations", "0"],
        &["run", "s.md", "--iterations", "10001"],
        &["pause"],
        &["-q", "-v", "list"],
    ] {
        let ended = user.alone(args).await;
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.err);
    }
    for command in [
        "analyze", "cancel", "diff", "events", "inspect", "merge", "pause", "pr", "reset",
        "resume", "retry", "scrap", "tail", "why",
    ] {
        let ended = user.alone(&[command, ""]).await;
        assert_eq!(ended.code, Some(2), "{command}: {}", ended.err);
        assert!(ended.err.contains("a value is required"), "{}", ended.err);
    }
    let ended = user.alone(&["--help"]).await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.contains("Exit codes: 0 done"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_no_daemon_works_without_one_and_with_a_malformed_address() {
    let user = User::new();
    for (args, words) in [
        (&["completions", "bash"][..], "_loopctl()"),
        (&["completions", "fish"], "complete -c loopctl"),
        (&["man"], ".TH loopctl"),
        (&["man", "run"], ".TH loopctl-run"),
        (&["machine"], "```mermaid"),
        (&["machine", "step", "--diagram"], "stateDiagram-v2"),
        (&["machine", "--json"], "\"mermaid\""),
        (&["--version"], "loopctl 0."),
    ] {
        let ended = user.at("nonsense", args).await;
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.err);
        assert!(ended.out.contains(words), "{args:?}: {}", ended.out);
    }
    let ended = user.alone(&["man", "nothing"]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_the_environment_is_not_shown_by_help() {
    let user = User::new();
    let mut command = user.command(&["list", "--help"]);
    let output = command
        .env("LOOPD_TOKEN", "hunter2")
        .output()
        .await
        .expect("starts");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"));
}
