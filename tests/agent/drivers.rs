//! From the names of known agents to command lines. Those that a person defines are in `definitions`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agent_loop::agent::{Call, CommandLine, Role, StatePlaces, Stdin, resolve, verdict};
use agent_loop::config::AgentDefinition;

pub(super) fn call() -> Call {
    Call {
        role: Role::Implement,
        model: None,
        prompt_file: PathBuf::from("/data/prompt.txt"),
        plan: PathBuf::from("specs/plan.md"),
        iteration: 3,
        resume: None,
        new_session: None,
        verdict_schema_file: None,
        state_dir: PathBuf::from("/data/state"),
        self_exe: PathBuf::from("/proc/self/exe"),
        root: false,
        max_turns: None,
        max_cost_usd: None,
    }
}

pub(super) fn defined(name: &str, toml: &str) -> BTreeMap<String, AgentDefinition> {
    BTreeMap::from([(name.to_owned(), toml::from_str(toml).unwrap())])
}

pub(super) fn shown(line: &CommandLine) -> String {
    let mut words = vec![line.program.to_str().unwrap().to_owned()];
    words.extend(line.args.iter().map(|arg| arg.to_str().unwrap().to_owned()));
    words.join(" ")
}

pub(super) fn command(
    name: &str,
    definitions: &BTreeMap<String, AgentDefinition>,
    call: &Call,
) -> String {
    let line = resolve(name, definitions).unwrap().command(call).unwrap();
    shown(&line)
}

#[test]
fn every_known_agent_has_its_command_line() {
    let none = BTreeMap::new();
    for (name, expected) in [
        (
            "claude",
            "claude -p --output-format stream-json --verbose --dangerously-skip-permissions",
        ),
        (
            "codex",
            "codex exec --json --dangerously-bypass-approvals-and-sandbox -",
        ),
        ("gemini", "gemini --yolo --skip-trust -o stream-json"),
        ("opencode", "opencode run --format json --auto"),
        ("qwen", "qwen --yolo -o stream-json"),
        ("pi", "pi -p --mode json"),
        (
            "aider",
            "aider --message-file /data/prompt.txt --yes-always --no-stream --no-pretty --no-gitignore \
             --no-check-update --no-show-release-notes --analytics-disable --chat-history-file /dev/null \
             --input-history-file /dev/null --map-tokens 0",
        ),
        (
            "scripted",
            "/proc/self/exe __scripted --role implement --prompt-file /data/prompt.txt \
             --plan specs/plan.md --iteration 3 --state-dir /data/state",
        ),
    ] {
        assert_eq!(command(name, &none, &call()), expected);
    }
}

#[test]
fn the_prompt_is_a_file_on_standard_input_unless_its_name_is_an_argument() {
    let none = BTreeMap::new();
    for name in ["claude", "codex", "gemini", "opencode", "qwen", "pi"] {
        let line = resolve(name, &none).unwrap().command(&call()).unwrap();
        assert_eq!(line.stdin, Stdin::File("/data/prompt.txt".into()), "{name}");
    }
    for name in ["aider", "scripted"] {
        let line = resolve(name, &none).unwrap().command(&call()).unwrap();
        assert_eq!(line.stdin, Stdin::Null, "{name}");
    }
    let own = defined(
        "mine",
        "command = 'my-agent'\nargs = ['--file={prompt_file}']",
    );
    let line = resolve("mine", &own).unwrap().command(&call()).unwrap();
    assert_eq!(line.stdin, Stdin::Null);
    assert_eq!(shown(&line), "my-agent --file=/data/prompt.txt");
}

#[test]
fn model_session_limits_and_role_are_passed_where_the_agent_knows_them() {
    let none = BTreeMap::new();
    let full = Call {
        role: Role::Review,
        model: Some("m1".into()),
        resume: Some("s1".into()),
        new_session: Some("n1".into()),
        max_turns: Some(9),
        max_cost_usd: Some(1.5),
        verdict_schema_file: Some("/data/schema".into()),
        ..call()
    };
    assert_eq!(
        command("claude", &none, &full),
        "claude -p --output-format stream-json --verbose --dangerously-skip-permissions --model m1 \
         --resume s1 --max-turns 9 --max-budget-usd 1.50 --disallowedTools Edit,Write,NotebookEdit --json-schema "
            .to_owned()
            + verdict::SCHEMA
    );
    assert_eq!(
        command("codex", &none, &full),
        "codex exec --json --dangerously-bypass-approvals-and-sandbox -m m1 \
         --output-schema /data/schema resume s1 -"
    );
    let explains = Call {
        role: Role::Postmortem,
        ..call()
    };
    let explains = command("claude", &none, &explains);
    assert!(explains.contains("--disallowedTools"), "{explains}");
    let fresh = Call {
        new_session: Some("n1".into()),
        ..call()
    };
    let own = defined("mine", "command = 'my-agent'\nargs = ['-s', '{session}']");
    assert_eq!(command("mine", &own, &fresh), "my-agent -s n1");
    assert_eq!(command("mine", &own, &full), "my-agent -s s1");
    assert!(resolve("mine", &own).unwrap().can_resume());
    let without = defined("mine", "command = 'my-agent'");
    assert!(!resolve("mine", &without).unwrap().can_resume());
    assert!(!command("claude", &none, &fresh).contains("n1"));
}

#[test]
fn a_question_takes_every_tool_away_and_goes_only_to_an_agent_that_lets_them_be_taken() {
    let asked = Call {
        model: Some("small".into()),
        ..call()
    };
    let own = defined("mine", "driver = 'claude'\nargs = ['--effort', 'low']");
    let mine = resolve("mine", &own).unwrap();
    let line = mine.question(&asked).unwrap().unwrap();
    assert_eq!(
        shown(&line),
        "claude -p --output-format stream-json --verbose --tools  --strict-mcp-config --disable-slash-commands \
         --no-session-persistence --model small --effort low"
    );
    assert_eq!(line.stdin, Stdin::File("/data/prompt.txt".into()));
    assert!(mine.can_answer());
    for name in [
        "codex", "gemini", "opencode", "qwen", "pi", "aider", "scripted",
    ] {
        let spec = resolve(name, &BTreeMap::new()).unwrap();
        assert!(!spec.can_answer(), "{name}");
        assert_eq!(spec.question(&asked).unwrap(), None, "{name}");
    }
}

#[test]
fn claude_as_root_is_told_that_it_is_contained() {
    let none = BTreeMap::new();
    let root = Call {
        root: true,
        ..call()
    };
    let sandboxed = ("IS_SANDBOX".to_owned(), "1".to_owned());
    let spec = resolve("claude", &none).unwrap();
    assert!(spec.command(&root).unwrap().env.contains(&sandboxed));
    assert!(!spec.command(&call()).unwrap().env.contains(&sandboxed));
    let own = defined("claude", "env = { IS_SANDBOX = '0' }");
    let line = resolve("claude", &own).unwrap().command(&root).unwrap();
    assert!(!line.env.contains(&sandboxed), "the user's env wins");
}

#[test]
fn nobody_updates_itself_at_work() {
    let none = BTreeMap::new();
    for (name, variable) in [
        ("claude", "DISABLE_AUTOUPDATER"),
        ("opencode", "OPENCODE_DISABLE_AUTOUPDATE"),
        ("pi", "PI_SKIP_VERSION_CHECK"),
    ] {
        let line = resolve(name, &none).unwrap().command(&call()).unwrap();
        let set = (variable.to_owned(), "1".to_owned());
        assert!(line.env.contains(&set), "{name}: {:?}", line.env);
    }
}

#[test]
fn a_verdict_by_schema_is_asked_of_those_who_give_one() {
    for (name, gives) in [("claude", true), ("codex", true), ("gemini", false)] {
        let spec = resolve(name, &BTreeMap::new()).unwrap();
        assert_eq!(spec.gives_verdict_by_schema(), gives, "{name}");
    }
}

#[test]
fn state_lies_where_a_whole_path_says_and_the_built_in_agent_has_none() {
    let env = [("HOME", "here"), ("CODEX_HOME", "there")]
        .map(|(name, value)| (name.into(), value.into()));
    let places = |name: &str| {
        let spec = resolve(name, &BTreeMap::new()).unwrap();
        spec.state_places(&env)
    };
    assert_eq!(places("codex"), StatePlaces::default());
    let home = [("HOME".into(), "/home/u".into())];
    let scripted = resolve("scripted", &BTreeMap::new()).unwrap();
    assert_eq!(scripted.state_places(&home), StatePlaces::default());
}

#[test]
fn the_documentation_names_every_known_agent_and_its_variables() {
    let page = include_str!("../../docs/agents.md");
    let none = BTreeMap::new();
    for name in [
        "claude", "codex", "gemini", "opencode", "qwen", "pi", "aider", "scripted",
    ] {
        let spec = resolve(name, &none).unwrap();
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")))
            .unwrap();
        let resumes = row.split('|').nth(4).unwrap().trim() == "yes";
        assert_eq!(resumes, spec.can_resume(), "{name}");
        for pass in spec.command(&call()).unwrap().pass {
            let own = pass.ends_with('*') || !pass.contains("API_KEY");
            assert!(
                !own || row.contains(pass.trim_end_matches('*')) || row.contains("keys"),
                "{name}: {pass}"
            );
        }
    }
}
