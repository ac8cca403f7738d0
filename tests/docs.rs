//! What the pages promise can be found: their links and the tests that they name exist, the command lines that they show
//! are accepted, and every word by which a person is told why a run waits, is held or has failed is explained.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use agent_loop::cli::args::Cli;
use agent_loop::core::schedule::Gate;
use agent_loop::core::watchdog::Signal;
use agent_loop::serve;
use clap::{CommandFactory as _, Parser as _};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files of these endings in a folder and below it.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the package can be listed");
    for entry in entries {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|it| it == ending) {
            found.push(path);
        }
    }
}

/// The pages for people, by path.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut found = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    files(&root.join("docs"), "md", &mut found);
    found.sort();
    found
}

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
fn words(line: &str) -> Vec<String> {
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
fn every_link_leads_to_a_file() {
    let mut dead = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for event in Parser::new_ext(&read(&page), pulldown_cmark::Options::ENABLE_TABLES) {
            let (Event::Start(Tag::Link { dest_url, .. })
            | Event::Start(Tag::Image { dest_url, .. })) = event
            else {
                continue;
            };
            let path = dest_url.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            seen += 1;
            let folder = page.parent().expect("a page is in a folder");
            if !folder.join(path).exists() {
                dead.push(format!("{}: {dest_url}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    assert!(seen > 0, "there are links");
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

/// The names that serde knows for an enum: it lists them to whoever names none of them.
fn names<T: serde::de::DeserializeOwned>(nonsense: &str) -> Vec<String> {
    let error = match serde_json::from_str::<T>(nonsense) {
        Ok(_) => panic!("{nonsense} is understood"),
        Err(error) => error.to_string(),
    };
    let listed = error.split("expected one of").nth(1).unwrap_or_default();
    listed
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The words in backticks in the first cells of a page's tables.
fn rows(page: &str) -> BTreeSet<String> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = cells.filter_map(|line| line.split(" | ").next());
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[test]
fn operating_explains_every_gate_and_every_signal_that_holds_a_run() {
    let known = rows(&read(&Path::new(ROOT).join("docs/operating.md")));
    let gates = names::<Gate>(r#"{"gate":"nonsense"}"#);
    let signals = names::<Signal>(r#""nonsense""#);
    assert!(
        gates.len() > 5 && signals.len() > 3,
        "{gates:?} {signals:?}"
    );
    let missing: Vec<_> = gates
        .iter()
        .chain(&signals)
        .filter(|it| !known.contains(*it))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/operating.md has no row for {missing:?}"
    );
}

/// The words by which a run is held or has failed, as the source says them: after `marker` and
/// names and commas stands a text.
fn codes(source: &str, marker: &str) -> Vec<String> {
    let kind = |c: char| c.is_alphanumeric() || c == ':' || c == ',' || c.is_whitespace();
    let after = source.split(marker).skip(1);
    let texts = after.filter_map(|rest| rest.trim_start_matches(kind).strip_prefix('"'));
    let words = texts.filter_map(|text| text.split_once('"').map(|(word, _)| word.to_owned()));
    words.collect()
}

#[test]
fn operating_explains_every_word_by_which_a_run_is_held_or_has_failed() {
    let page = read(&Path::new(ROOT).join("docs/operating.md"));
    let known = rows(&page);
    let mut sources = Vec::new();
    files(
        &Path::new(ROOT).join("src/effect/perform"),
        "rs",
        &mut sources,
    );
    files(
        &Path::new(ROOT).join("src/core/run/rules"),
        "rs",
        &mut sources,
    );
    let mut words = BTreeSet::new();
    for source in sources.iter().map(|it| read(it)) {
        for marker in [
            "(TroubleKind::Permanent",
            "(TroubleKind::NeedsPerson",
            "(TroubleKind::Transient",
            "Decision::because(",
            "fatal(",
            " code: ",
        ] {
            words.extend(codes(&source, marker));
        }
        // The same, when the formatter has put the kind on a line of its own.
        for kind in [
            "TroubleKind::Permanent,",
            "TroubleKind::NeedsPerson,",
            "TroubleKind::Transient,",
        ] {
            words.extend(codes(&source, kind));
        }
    }
    assert!(
        words.contains("target_held") && words.contains("agent_auth"),
        "{words:?}"
    );
    // Only where the machine was told of trouble and kept none: no run can get there.
    words.remove("unknown_trouble");
    let missing: Vec<_> = words.iter().filter(|it| !known.contains(*it)).collect();
    assert!(
        missing.is_empty(),
        "docs/operating.md has no row for {missing:?}"
    );
}

/// Tests by their place below `tests/`: `room::file::name`, without `mod` and the file's own inner modules.
fn tests() -> BTreeSet<String> {
    let root = Path::new(ROOT).join("tests");
    let mut sources = Vec::new();
    files(&root, "rs", &mut sources);
    let mut found = BTreeSet::new();
    for file in sources {
        let place = file.strip_prefix(&root).unwrap_or(&file).with_extension("");
        let place: Vec<_> = place
            .iter()
            .map(|it| it.to_string_lossy())
            .filter(|it| it != "mod")
            .collect();
        let text = read(&file);
        let names = text
            .split("fn ")
            .skip(1)
            .filter_map(|rest| rest.split_once('(').map(|(name, _)| name));
        found.extend(names.map(|name| format!("{}::{name}", place.join("::"))));
    }
    found
}

#[test]
fn every_test_that_a_page_names_exists() {
    let pages = ["docs/origin.md", "docs/promises.md"];
    let page = pages
        .map(|page| read(&Path::new(ROOT).join(page)))
        .join("\n\n");
    let tests = tests();
    let spans = Parser::new_ext(&page, pulldown_cmark::Options::ENABLE_TABLES);
    let named = spans.filter_map(|event| match event {
        Event::Code(text) if text.matches("::").count() > 1 && !text.contains([' ', '…']) => {
            Some(text.to_string())
        }
        _ => None,
    });
    let named: BTreeSet<_> = named.collect();
    let missing: Vec<_> = named.difference(&tests).collect();
    assert!(
        named.len() > 20 && missing.is_empty(),
        "not found: {missing:?}"
    );
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
