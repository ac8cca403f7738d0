//! The command lines that the pages show are accepted, and the commands that they and our own messages name exist.

use std::collections::BTreeSet;
use std::path::Path;

use agent_loop::cli::args::Cli;
use agent_loop::serve;
use clap::{CommandFactory as _, Parser as _};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::{ROOT, files, pages, read};

/// The lines of the page's `sh` blocks that call this program, without comment and `&`, as words.
fn command_lines(page: &str, program: &str) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    let mut in_shell = false;
    for event in Parser::new(page) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(name))) => in_shell = &*name == "sh",
            Event::End(TagEnd::CodeBlock) => in_shell = false,
            Event::Text(text) if in_shell => lines.extend(text.lines().map(words)),
            _ => {}
        }
    }
    let called = |line: Vec<String>| {
        let cargo = ["cargo", "run", "--bin", program, "--"];
        let line = match line.strip_prefix(&cargo.map(str::to_owned)[..]) {
            Some(rest) => [&[program.to_owned()], rest].concat(),
            None => line,
        };
        (line.first().is_some_and(|it| it == program)).then_some(line)
    };
    lines.into_iter().filter_map(called).collect()
}

/// Words of a command line up to a comment, `&` or `|`; `'…'` is one word.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (part, quoted) in line.split('\'').zip([false, true].into_iter().cycle()) {
        if quoted {
            words.push(part.to_owned());
            continue;
        }
        for word in part.split_whitespace() {
            if matches!(word, "#" | "&" | "|") {
                return words;
            }
            words.push(word.to_owned());
        }
    }
    words
}

/// Calls in inline code or in a text of ours: `loopctl WORD --flag …`, up to the closing backtick.
fn mentions(text: &str) -> Vec<Vec<String>> {
    let parts = text.split("`loopctl ").skip(1);
    let calls = parts.filter_map(|part| part.split_once('`').map(|(call, _)| words(call)));
    calls.filter(|call| !call.is_empty()).collect()
}

/// What is wrong with a mentioned call: its command or a flag of it does not exist. Arguments may be left out.
fn wrong(call: &[String]) -> Option<String> {
    let mut tree = Cli::command();
    tree.build();
    let name = &call[0];
    let flags = |command: &clap::Command| -> BTreeSet<String> {
        let longs = command.get_arguments().filter_map(clap::Arg::get_long);
        longs.map(|long| format!("--{long}")).collect()
    };
    let command = match name.starts_with("--") {
        true => Some(&tree),
        false => tree.find_subcommand(name),
    };
    let Some(command) = command else {
        return Some(format!("there is no command `{name}`"));
    };
    let known = flags(command);
    let flag = call.iter().filter(|it| it.starts_with("--"));
    let unknown = flag.filter(|it| {
        !known.contains(it.as_str()) && !matches!(it.as_str(), "--help" | "--version")
    });
    unknown.map(|it| format!("`{name}` has no {it}")).next()
}

#[test]
fn every_command_line_that_is_shown_is_accepted() {
    let mut seen = 0;
    for page in pages() {
        let text = read(&page);
        for line in command_lines(&text, "loopctl") {
            seen += 1;
            if let Err(error) = Cli::try_parse_from(&line) {
                panic!("{}: {line:?}: {error}", page.display());
            }
        }
        for line in command_lines(&text, "loopd") {
            seen += 1;
            if let Err(error) = serve::Args::try_parse_from(&line) {
                panic!("{}: {line:?}: {error}", page.display());
            }
        }
    }
    assert!(seen > 5, "the pages show how to use it");
    assert!(!command_lines(&read(&Path::new(ROOT).join("README.md")), "loopd").is_empty());
}

#[test]
fn every_command_that_a_page_or_a_message_names_exists() {
    let mut all = pages();
    files(&Path::new(ROOT).join("src"), "rs", &mut all);
    let mut found = Vec::new();
    let mut seen = 0;
    for file in all {
        for call in mentions(&read(&file)) {
            seen += 1;
            found.extend(wrong(&call).map(|why| format!("{}: {why}", file.display())));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(seen > 10, "commands are named");
}

#[test]
fn a_call_that_does_not_exist_is_seen() {
    let page = "```sh\nloopctl run 'a b' --wait   # and so on\ncargo run --bin loopctl -- demo\nls\n```\n`loopctl prise RUN`, `loopctl resume --force`, `loopctl resume --accept`";
    assert_eq!(
        command_lines(page, "loopctl"),
        [
            vec!["loopctl", "run", "a b", "--wait"],
            vec!["loopctl", "demo"]
        ]
    );
    let wrongs: Vec<_> = mentions(page)
        .iter()
        .map(|call| wrong(call).is_some())
        .collect();
    assert_eq!(wrongs, [true, true, false]);
}
