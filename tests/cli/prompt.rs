//! `loopctl prompt`: what it prints is what the agent of a real run is told, and it leaves no trace.

use agent_loop::core::run::State;
use agent_loop::daemon::{Request, now};
use serde_json::{Value, json};

use super::loopctl::{Ended, User};
use crate::support::{House, Options, Repository, not_tried};

const PLAN: &str =
    "# Plan\n\n## Greeting [BLOCKED by: nobody]\n- [ ] greet by name\n\n## Learnings\n- none yet\n";

/// Asks with an address at which no daemon can be, in the repository.
async fn prompt(repo: &Repository, args: &[&str]) -> Ended {
    let mut command = User::new().command(&["prompt"]);
    command.args(args).current_dir(&repo.root);
    command.env("LOOPD_ADDR", "nonsense");
    command.output().await.expect("loopctl starts").into()
}

/// What the agent of a run that this request creates is told first.
async fn told(repo: &Repository, house: &House, request: Request) -> String {
    let created = house.creator.create(request, now()).await;
    let id = created.expect("the run is created").run.id;
    let run = house.rest(&id).await;
    assert_eq!(run.state, State::Completed, "{}", house.story(&id).await);
    assert_eq!(run.facts.iteration, 1, "the prompt is the first one");
    let path = repo
        .outside()
        .join(format!("data/runs/run-{id}/prompt.txt"));
    std::fs::read_to_string(path).expect("a prompt")
}

fn request(repo: &Repository, overrides: Value) -> Request {
    Request {
        workspace_root: repo.root.display().to_string(),
        spec_path: "specs/thing.md".to_owned(),
        overrides: overrides.as_object().cloned().unwrap_or_default(),
        ..Request::default()
    }
}

async fn house(repo: &Repository) -> House {
    House::open(&repo.outside().join("data"), &Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_to_the_letter_what_the_agent_of_a_real_run_is_told() {
    let repo = Repository::with_plan(PLAN);
    let refs = repo.git(&["for-each-ref"]);
    let args = [
        "specs/thing.md",
        "--agent",
        "scripted",
        "--verify-cmd",
        "true",
    ];
    let shown = prompt(&repo, &args).await;
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert_eq!(repo.git(&["for-each-ref"]), refs, "no branch was made");
    assert!(!repo.outside().join("repo.run-thing").exists());

    let house = house(&repo).await;
    let settings = json!({ "agent": "scripted", "verify_cmds": ["true"] });
    let told = told(&repo, &house, request(&repo, settings)).await;
    assert_eq!(shown.out, told);

    let next = prompt(&repo, &args).await;
    assert_eq!(
        next.out,
        told.replace("run/thing", "run/thing-2")
            .replace("repo.run-thing", "repo.run-thing-2"),
        "the next run gets the next free name"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_minds_the_template_the_base_and_what_is_not_committed() {
    let repo = Repository::with_plan(PLAN);
    repo.git(&["branch", "old"]);
    repo.git(&["switch", "--quiet", "--create", "topic"]);
    let template = "{{ run_name }} on {{ branch }} from {{ base_branch }} to {{ merge_target or 'nowhere' }}\n{% if task %}{{ task.text }}, line {{ task.line }}{% endif %}";
    repo.write(".loop/prompts/implementation.md", template);
    repo.commit_all("Say it in other words");
    repo.git(&["switch", "--quiet", "main"]);
    let changed = PLAN.replace("greet by name", "greet by name, loudly");
    repo.write("specs/planning/thing-plan.md", &changed);

    let mut args = vec![
        "specs/thing.md",
        "--agent",
        "scripted",
        "--base-branch",
        "topic",
    ];
    args.extend([
        "--name",
        "loud",
        "--run-branch-prefix",
        "try/",
        "--merge-target",
        "old",
    ]);
    let refused = prompt(&repo, &args).await;
    assert_eq!(refused.code, Some(1), "{}", refused.out);
    assert!(
        refused
            .err
            .contains("differs from what is committed on topic"),
        "{}",
        refused.err
    );
    assert!(
        refused.err.contains("hint: commit it, or pass --snapshot"),
        "{}",
        refused.err
    );

    args.push("--snapshot");
    let shown = prompt(&repo, &args).await;
    assert_eq!(
        shown.out, "loud on try/loud from topic to old\ngreet by name, loudly, line 4\n",
        "{}",
        shown.err
    );
    assert!(shown.err.contains("no verify_cmds"), "{}", shown.err);
    let unmerged = [&args[..], &["--merge-strategy", "none"]].concat();
    let unmerged = prompt(&repo, &unmerged).await;
    assert!(unmerged.out.contains("to nowhere\n"), "{}", unmerged.out);

    let house = house(&repo).await;
    let settings = json!({
        "agent": "scripted", "base_branch": "topic", "run_branch_prefix": "try/", "merge_target_branch": "old",
    });
    let asked = Request {
        name: Some("loud".to_owned()),
        snapshot: true,
        ..request(&repo, settings)
    };
    assert_eq!(shown.out, told(&repo, &house, asked).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn skills_stand_in_it_as_in_the_prompt_of_a_real_run() {
    let repo = Repository::with_plan(PLAN);
    let text = |name: &str| {
        format!("---\nname: {name}\ndescription: Know-how of {name}\n---\nMind the {name}.\n")
    };
    repo.write(".loop/config.toml", "skills_enabled = true\n");
    for name in ["names", "other", "asked"] {
        repo.write(&format!(".loop/skills/{name}/SKILL.md"), &text(name));
    }
    repo.commit_all("Write down how it is done");
    // What the spec asks for is read as it will be in the run's first commit.
    repo.write("specs/thing.md", "# Thing\n\nskill: asked\n");
    let args = ["specs/thing.md", "--agent", "scripted", "--snapshot"];
    let shown = prompt(&repo, &args).await;
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.out.contains("Mind the asked."), "{}", shown.out);
    assert!(!shown.out.contains("Mind the other."), "{}", shown.out);
    assert!(shown.out.contains("Know-how of other"), "{}", shown.out);
    let house = house(&repo).await;
    let asked = Request {
        snapshot: true,
        ..request(&repo, json!({ "agent": "scripted" }))
    };
    assert_eq!(shown.out, told(&repo, &house, asked).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_refused_where_a_run_would_be_and_says_so_in_the_same_words() {
    let repo = Repository::with_plan("# Plan\n\nNothing to do.\n");
    let ended = prompt(&repo, &["specs/thing.md"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("has no task that counts"),
        "{}",
        ended.err
    );
    let ended = prompt(&repo, &["specs/other.md", "--agent", "nobody"]).await;
    assert!(ended.err.contains("nobody"), "{}", ended.err);

    repo.write("specs/planning/thing-plan.md", PLAN);
    repo.write(".loop/prompts/implementation.md", "{{ taks }}\n");
    repo.commit_all("Misspell it");
    let ended = prompt(&repo, &["specs/thing.md"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("taks"), "{}", ended.err);
    let house = house(&repo).await;
    let refused = house
        .try_create(request(&repo, json!({ "agent": "scripted" })))
        .await;
    let why = refused.expect_err("a template that cannot be used is found at the door");
    assert!(ended.err.contains(&why), "{why}: {}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_of_ones_own_is_read_where_it_is_and_comes_first() {
    let repo = Repository::with_plan(PLAN);
    repo.write(".loop/prompts/implementation.md", "the repository's\n");
    repo.commit_all("Say it in other words");
    let mine = repo.beside("mine.md", "mine, on {{ branch }}\n");
    let settings = format!("prompt_file = \"{}\"\n", mine.display());
    let config = repo.beside("settings.toml", &settings);
    let config = config.display().to_string();
    let ended = prompt(&repo, &["specs/thing.md", "--config", &config]).await;
    assert_eq!(ended.out, "mine, on run/thing\n", "{}", ended.err);
    std::fs::write(&mine, b"caf\xe9\n").expect("it is written");
    let ended = prompt(&repo, &["specs/thing.md", "--config", &config]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(ended.err.contains("is not UTF-8"), "{}", ended.err);
    let device = repo.beside("device.toml", "prompt_file = \"/dev/null\"\n");
    let device = device.display().to_string();
    let ended = prompt(&repo, &["specs/thing.md", "--config", &device]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(ended.err.contains("it is no regular file"), "{}", ended.err);
    std::fs::remove_file(&mine).expect("it was there");
    let ended = prompt(&repo, &["specs/thing.md", "--config", &config]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(
        ended.err.contains("failed to read the prompt_file"),
        "{}",
        ended.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn as_json_it_comes_with_the_warnings() {
    let repo = Repository::with_plan(PLAN);
    let ended = prompt(&repo, &["specs/thing.md", "--json"]).await;
    let all: Value = serde_json::from_str(&ended.out).expect("JSON");
    let text = all["prompt"].as_str().expect("a prompt");
    assert!(text.contains("greet by name"), "{text}");
    assert_eq!(all["warnings"].as_array().map(Vec::len), Some(1), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_it_byte_for_byte_and_a_terminal_nothing_that_would_command_it() {
    let evil = "\u{1b}]0;owned\u{7}";
    let repo = Repository::with_plan(&format!("- [ ] greet {evil} by name\n"));
    let piped = prompt(&repo, &["specs/thing.md"]).await;
    assert!(piped.out.contains(evil), "{:?}", piped.out);
    // A terminal of its own, whose other end is written to standard output and to a file.
    let line = format!("'{}' prompt specs/thing.md", env!("CARGO_BIN_EXE_loopctl"));
    let mut terminal = tokio::process::Command::new("script");
    terminal
        .args(["--quiet", "--return", "--command", &line])
        .arg(repo.outside().join("typescript"))
        .current_dir(&repo.root)
        .env_clear()
        .env("HOME", repo.outside())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let ended = match terminal.output().await {
        Ok(output) => Ended::from(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return not_tried("a terminal", "there is no `script` on this machine");
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert!(ended.out.contains("> greet  by name"), "{:?}", ended.out);
    assert!(!ended.out.contains("owned"), "{:?}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_bare_repository_it_shows_what_is_committed_there() {
    // In a checkout of another repository, which is not the one that is meant.
    let around = Repository::with_plan(PLAN);
    let origin = Repository::with_plan(PLAN);
    let (at, from) = (
        around.root.join("thing.git"),
        origin.root.display().to_string(),
    );
    around.git(&["clone", "--quiet", "--bare", &from, "thing.git"]);
    let bare = at.display().to_string();
    let ask = async |args: &[&str]| -> Ended {
        let mut command = User::new().command(&["prompt"]);
        command.args(args).current_dir(&at);
        command.env("LOOPD_ADDR", "nonsense");
        command.output().await.expect("loopctl starts").into()
    };
    let args = ["specs/thing.md", "--agent", "scripted"];
    let shown = ask(&args).await;
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.out.contains("greet by name"), "{}", shown.out);
    let place = around.root.join("thing.git.run-thing");
    assert!(
        shown.out.contains(&place.display().to_string()),
        "{}",
        shown.out
    );
    let warned = format!("{bare} is a bare repository");
    assert_eq!(shown.err.matches(&warned).count(), 1, "{}", shown.err);
    let refused = ask(&["specs/thing.md", "--agent", "scripted", "--snapshot"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.out);
    assert!(
        refused.err.contains("ask without --snapshot"),
        "{}",
        refused.err
    );
    let unnamed = ask(&[]).await;
    assert_eq!(unnamed.code, Some(2), "{}", unnamed.out);
    assert!(unnamed.err.contains(&warned), "{}", unnamed.err);
    assert!(!at.join("specs").exists() && !at.join(".loop").exists());
}
