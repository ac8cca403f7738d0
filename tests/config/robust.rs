//! Bytes that nobody meant as a configuration.

use agent_loop::config::{
    ConfigErrors, DaemonSources, LoadedDaemon, RunDefaults, RunSources, Source, load_daemon,
    resolve_run,
};
use proptest::prelude::*;

use super::{complaints, file, overridden, workspace};

const NAMES: [&str; 2] = [".loop/config.toml", ".loop/config"];

fn load(name: &str, bytes: &[u8]) -> Result<LoadedDaemon, ConfigErrors> {
    load_daemon(&DaemonSources {
        user: Some(Source { name, bytes }),
        ..DaemonSources::default()
    })
}

#[test]
fn bytes_that_are_not_utf8_are_refused_with_their_line() {
    for name in NAMES {
        assert_eq!(
            complaints(load(name, b"iterations=1\nmodel=\"\xff\"\n")),
            [format!("{name}:2: not UTF-8; save it as UTF-8")]
        );
    }
}

#[test]
fn a_nul_is_refused_with_its_line() {
    for name in NAMES {
        assert_eq!(
            complaints(load(name, b"iterations=1\n\nmodel=\"a\0b\"\n")),
            [format!(
                "{name}:3: a NUL byte; the file has to be plain text"
            )]
        );
    }
}

#[test]
fn a_byte_order_mark_and_crlf_are_read_over() {
    for name in NAMES {
        let text = "\u{feff}iterations=7\r\n# x\r\nmodel=\"m\"\r\n";
        let config = workspace(name, text).expect(name).config;
        assert_eq!((config.iterations, config.model.as_deref()), (7, Some("m")));
        let wrong = complaints(workspace(name, "\u{feff}iterations=7\r\nnope=1\r\n"));
        assert!(
            wrong[0].starts_with(&format!("{name}:2: nope:")),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_huge_file_is_refused_unread() {
    for name in NAMES {
        let huge = vec![b'a'; 10 * 1024 * 1024];
        assert_eq!(
            complaints(load(name, &huge)),
            [format!(
                "{name}: it is too large; a config file has at most 262144 bytes"
            )]
        );
    }
}

#[test]
fn an_empty_file_changes_nothing() {
    for name in NAMES {
        for text in ["", "\n\n", "# only a comment", "\u{feff}"] {
            workspace(name, text).expect("nothing to refuse");
        }
    }
}

#[test]
fn endless_mistakes_are_cut_after_the_first_page() {
    for name in NAMES {
        for line in ["?\n", "xiterations = 1\n", "= = =\n", "[a]\n"] {
            let text = line.repeat(200_000 / line.len());
            let lines = complaints(load(name, text.as_bytes()));
            assert!(lines.len() <= 51, "{name} {line}: {}", lines.len());
        }
        let unknown: String = (0..20_000).map(|n| format!("k{n} = 1\n")).collect();
        let lines = complaints(load(name, unknown.as_bytes()));
        assert_eq!(lines.len(), 51);
        assert!(
            lines
                .last()
                .is_some_and(|last| last.contains("more than 50 problems"))
        );
    }
}

#[test]
fn deep_nesting_is_an_error() {
    for nested in ["[", "{a=", "[[", "a."] {
        let text = format!("model = {}", nested.repeat(60_000));
        load("deep.toml", text.as_bytes()).expect_err("too deep");
        let text = nested.repeat(60_000);
        load("deep.toml", text.as_bytes()).expect_err("too deep");
    }
}

#[test]
fn text_of_the_file_is_quoted_in_one_bounded_line() {
    let long = format!("model = \"{} \\u0007\"", "x y".repeat(1000));
    let lines = complaints(workspace(".loop/config.toml", &long));
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].len() < 300 && !lines[0].contains('\u{7}'),
        "{lines:?}"
    );
    let key = format!("\"a\\nb{}\" = 1", "k".repeat(1000));
    let lines = complaints(workspace(".loop/config.toml", &key));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].len() < 300, "{lines:?}");
}

/// Lines that are nearly settings, so that the search spends its time near the grammar.
fn near_settings() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        "[a-z_]{1,12}",
        prop::sample::select(
            &[
                "iterations",
                "verify_cmds",
                "agents.x.driver",
                "model",
                "env_pass"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    let value = prop_oneof![
        "[\\[\\]{}\"'#=| ,.a-z0-9-]{0,20}",
        prop::sample::select(
            &[
                "1",
                "true",
                "\"a\"",
                "[\"a\"]",
                "{a=1}",
                "1979-05-27",
                "nan",
                "''"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    let line = (key, value).prop_map(|(key, value)| format!("{key} = {value}\n"));
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for name in NAMES {
            let _ = load(name, &bytes);
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic_and_what_is_refused_is_explained(text in near_settings()) {
        for name in NAMES {
            if let Err(errors) = workspace(name, &text) {
                prop_assert!(!errors.problems().is_empty());
                for problem in errors.problems() {
                    prop_assert_eq!(&problem.origin, name);
                    let lines = text.lines().count();
                    prop_assert!(problem.line.is_none_or(|line| line >= 1 && line <= lines.max(1) + 1));
                }
            }
        }
    }

    #[test]
    fn what_is_accepted_survives_storing(text in near_settings(), cents in 0..1_000_000_u32) {
        let money = format!("max_cost_usd = {}.{:02}\n", cents / 100, cents % 100);
        for text in [format!("{money}{text}"), money] {
            let files = [file(".loop/config.toml", &text)];
            let sources = RunSources { workspace: &files, ..RunSources::default() };
            if let Ok(resolved) = resolve_run(&RunDefaults::default(), &sources) {
                let stored = serde_json::to_string(&resolved.config).expect("JSON");
                let back: agent_loop::config::RunConfig = serde_json::from_str(&stored).expect("its own JSON");
                prop_assert_eq!(back, resolved.config);
            }
        }
    }

    #[test]
    fn no_json_makes_a_reader_panic(key in "[a-z_]{1,20}", number in any::<f64>(), text in ".{0,20}") {
        for name in [key.as_str(), "iterations", "max_cost_usd", "agents", "env_pass"] {
            for value in [
                serde_json::json!(number),
                serde_json::json!(text),
                serde_json::json!([text, number]),
                serde_json::json!({ text.as_str(): {"driver": text, "env": {text.as_str(): number}} }),
            ] {
                let _ = overridden(serde_json::json!({ name: value }));
            }
        }
    }
}
