//! Skills: what a run's agents are given of them, what is told of it, and that no skill, however broken, is in the way.

use std::os::unix::fs::symlink;

use agent_loop::core::run::State;
use serde_json::{Value, json};

use super::TWO_TASKS;
use crate::support::{House, Repository};

/// A plan whose first task names a skill; the second fits one by its words.
const PLAN: &str =
    "# Plan\n\n- [ ] first thing (skill: carving)\n- [ ] draw the chart of the axes\n";

fn skill(name: &str, description: &str, body: &str) -> String {
    format!("---\nname: {name}\ndescription: {description}\n---\n{body}\n")
}

/// A repository with two skills.
fn repository(plan: &str) -> Repository {
    let repo = Repository::with_plan(plan);
    let carving = skill("carving", "Wood: how it is cut", "Cut along the grain.");
    repo.write(".loop/skills/carving/SKILL.md", &carving);
    let charts = skill("charts", "Charts and axes", "Label every axis.");
    repo.write(".claude/skills/charts/SKILL.md", &charts);
    repo.commit_all("Write down how it is done");
    repo
}

fn enabled(more: Value) -> Value {
    let mut all = json!({ "skills_enabled": true });
    let (Some(all), Some(more)) = (all.as_object_mut(), more.as_object()) else {
        panic!("settings are an object");
    };
    all.extend(more.clone());
    json!(all)
}

fn names(event: &Value) -> Vec<&str> {
    let skills = event["skills"].as_array().into_iter().flatten();
    skills.filter_map(|it| it["name"].as_str()).collect()
}

#[tokio::test]
async fn each_task_brings_its_skills_to_the_agent_and_to_the_reviewer() {
    let repo = repository(PLAN);
    let house = House::over(&repo).await;
    let script = "[[turn]]\nsteps = [{ write = { path = \".loop/skills/carving/SKILL.md\", text = \"nonsense\" } }, { git = [\"checkout\", \"--\", \".\"] }, { tick = \"next\" }, { commit = \"One\" }]\n\
                  [[turn]]\nsteps = [{ tick = \"next\" }, { commit = \"Two\" }, \"complete\"]\n";
    let id = house.create(&repo, Some(script), enabled(json!({}))).await;
    house.rests(&id, State::Completed).await;
    for phase in ["implementation", "review"] {
        let [first, second] = &house.prompts(&id, phase).await[..] else {
            panic!("two iterations");
        };
        assert!(first.contains("Cut along the grain."), "{first}");
        assert!(!first.contains("Label every axis."), "{first}");
        assert!(second.contains("Label every axis."), "{second}");
        assert!(!second.contains("Cut along the grain."), "{second}");
    }
    let first = &house.prompts(&id, "implementation").await[0];
    assert!(
        first.contains("- charts (`.claude/skills/charts/SKILL.md`): Charts and axes"),
        "{first}"
    );

    let told = house.told(&id, "SKILLS_DISCOVERED").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(names(&told[0]), ["carving", "charts"]);
    let told = house.told(&id, "SKILLS_SELECTED").await;
    let selected: Vec<Vec<&str>> = told.iter().map(names).collect();
    assert_eq!(
        selected,
        [["carving"], ["carving"], ["charts"], ["charts"]],
        "implemented and reviewed, twice"
    );
    assert_eq!(told[0]["skills"][0]["why"], "named by the task");
    assert_eq!(
        told[2]["skills"][0]["why"],
        "shares with the task: axe, chart"
    );
    let steps = house.steps(&id, "implementation").await;
    assert_eq!(told[0]["step_id"], json!(steps[0].id.0));
    assert!(house.told(&id, "SKILLS_LOAD_FAILED").await.is_empty());
    assert!(house.told(&id, "SKILLS_TRUNCATED").await.is_empty());
    house.check().await;
}

#[tokio::test]
async fn skills_are_offered_only_where_they_are_enabled() {
    let repo = repository(PLAN);
    let house = House::over(&repo).await;
    for offered in [false, true] {
        let settings = json!({ "skills_enabled": offered, "merge_strategy": "none" });
        let id = house.create(&repo, None, settings).await;
        house.rests(&id, State::Completed).await;
        let prompt = &house.prompts(&id, "implementation").await[0];
        assert_eq!(prompt.contains("grain"), offered, "{prompt}");
        assert_eq!(prompt.contains("charts"), offered, "{prompt}");
        let story = house.story(&id).await;
        assert_eq!(story.contains("SKILLS_"), offered, "{story}");
    }
}

#[tokio::test]
async fn skills_are_taken_from_the_folders_that_are_named_as_they_were_when_the_run_began() {
    let repo = repository(TWO_TASKS);
    let mine = repo.outside().join("mine");
    std::fs::create_dir_all(mine.join("real")).expect("a directory");
    std::fs::write(
        mine.join("real/SKILL.md"),
        skill("own", "Mine", "Do it my way."),
    )
    .expect("a file");
    repo.write(
        "know/how/tables/SKILL.md",
        &skill("tables", "Tables", "Align them."),
    );
    repo.write(
        "know/how/knots/SKILL.md",
        &skill("knots", "Knots", "Tie them twice."),
    );
    repo.write("specs/thing.md", "# Thing\n\nskills: own, tables\n");
    repo.commit_all("Ask for them");
    // The agent's own edit and the user's later one change nothing for this run.
    let script = "[[turn]]\nsteps = [{ append = { path = \"know/how/tables/SKILL.md\", text = \"Be sloppy.\" } }, { append = { path = \"specs/thing.md\", text = \"skills: knots\\n\" } }, { tick = \"next\" }, { commit = \"One\" }]\n\
                  [[turn]]\nsteps = [{ tick = \"next\" }, { commit = \"Two\" }, \"complete\"]\n";
    let house = House::over(&repo).await;
    let settings = enabled(json!({ "skills_dirs": ["./know/how", mine] }));
    let id = house.create(&repo, Some(script), settings).await;
    house.rests(&id, State::Completed).await;
    for phase in ["implementation", "review"] {
        let prompts = house.prompts(&id, phase).await;
        assert_eq!(prompts.len(), 2, "{phase}");
        for prompt in prompts {
            assert!(prompt.contains("Do it my way."), "{prompt}");
            assert!(prompt.contains("Align them."), "{prompt}");
            assert!(!prompt.contains("Be sloppy."), "{prompt}");
            assert!(!prompt.contains("Tie them twice."), "{prompt}");
            assert!(!prompt.contains("carving"), "{prompt}");
        }
    }
    let told = house.told(&id, "SKILLS_SELECTED").await;
    assert_eq!(told[0]["skills"][0]["why"], "named by the spec");
    let path = mine.join("real/SKILL.md");
    assert_eq!(told[0]["skills"][0]["path"], json!(path));
}

#[tokio::test]
async fn what_cannot_be_used_is_told_once_and_stops_nothing() {
    let repo =
        Repository::with_plan("# Plan\n\n- [ ] first thing (skill: missing)\n- [ ] second\n");
    let folder = |name: &str| format!(".loop/skills/{name}/SKILL.md");
    repo.write(&folder("bare"), "no head at all\n");
    repo.write(&folder("open"), "---\nname: open\ndescription: x\n");
    repo.write(&folder("huge"), &"x".repeat(300 * 1024));
    std::fs::create_dir_all(repo.root.join(".loop/skills/bytes")).expect("a directory");
    std::fs::write(repo.root.join(folder("bytes")), b"---\nname: \xff\n---\n").expect("a file");
    repo.write(&folder("good"), &skill("good", "Good", "Fine."));
    repo.write(&folder("twice"), &skill("good", "Another", "Other."));
    repo.write(&folder("nested/deep"), &skill("deep", "Too deep", "x"));
    let secret = repo.beside("secret.md", &skill("secret", "A secret", "x"));
    symlink(repo.outside(), repo.root.join(".loop/skills/link")).expect("a link");
    std::fs::create_dir_all(repo.root.join(".loop/skills/file-link")).expect("a directory");
    symlink(&secret, repo.root.join(folder("file-link"))).expect("a link");
    symlink("../.loop/skills", repo.root.join(".claude")).expect("a link");
    repo.commit_all("Write down what cannot be used");
    let mine = repo.outside().join("mine");
    std::fs::create_dir_all(mine.join("pipe")).expect("a directory");
    let made = std::process::Command::new("mkfifo")
        .arg(mine.join("pipe/SKILL.md"))
        .status();
    assert!(made.expect("mkfifo runs").success());
    let house = House::over(&repo).await;
    let dirs = json!([".loop/skills", ".claude", "/nowhere/at/all", mine]);
    let settings = enabled(json!({ "skills_dirs": dirs }));
    let id = house.create(&repo, None, settings).await;
    house.rests(&id, State::Completed).await;

    let told = house.told(&id, "SKILLS_LOAD_FAILED").await;
    let failed: Vec<(String, String)> = told
        .iter()
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            (text("what"), text("why"))
        })
        .collect();
    let pipe = mine.join("pipe/SKILL.md").display().to_string();
    for (what, why) in [
        (folder("bare"), "does not begin with a line `---`"),
        (folder("open"), "has no end"),
        (folder("huge"), "larger than 262144 bytes"),
        (folder("bytes"), "not UTF-8"),
        (
            folder("twice"),
            "the name `good` is taken by .loop/skills/good/SKILL.md",
        ),
        (".loop/skills/link".to_owned(), "symbolic link"),
        (folder("file-link"), "symbolic link"),
        (".claude".to_owned(), "symbolic link"),
        ("/nowhere/at/all".to_owned(), "failed to list it"),
        (pipe, "it is not a file"),
        ("skill: missing".to_owned(), "there are good"),
    ] {
        let said: Vec<&String> = failed
            .iter()
            .filter(|it| it.0 == what)
            .map(|it| &it.1)
            .collect();
        assert!(
            said.len() == 1 && said[0].contains(why),
            "{what}: {said:?} in {failed:?}"
        );
    }
    assert_eq!(failed.len(), 11, "{failed:?}");
    let discovered = house.told(&id, "SKILLS_DISCOVERED").await;
    assert_eq!(names(&discovered[0]), ["good"]);
    let prompts = house.prompts(&id, "implementation").await;
    assert!(prompts.iter().all(|it| !it.contains("secret")));
}

#[tokio::test]
async fn a_long_skill_is_cut_visibly_and_that_is_told() {
    let repo = Repository::with_plan("# Plan\n\n- [ ] first thing (skill: long)\n");
    let body = "a line of know-how\n".repeat(2000);
    repo.write(".loop/skills/long/SKILL.md", &skill("long", "Long", &body));
    repo.commit_all("Write very much");
    let house = House::over(&repo).await;
    let id = house.create(&repo, None, enabled(json!({}))).await;
    house.rests(&id, State::Completed).await;
    let told = house.told(&id, "SKILLS_TRUNCATED").await;
    assert_eq!(told.len(), 2, "implemented and reviewed");
    let cut = &told[0]["skills"][0];
    let (shown, bytes) = (cut["shown_bytes"].as_u64(), cut["bytes"].as_u64());
    assert!(shown.is_some_and(|it| it > 16_000 && it <= 16_384), "{cut}");
    let prompt = &house.prompts(&id, "implementation").await[0];
    let note = format!(
        "[cut: the first {} of {} bytes are shown; the whole is in .loop/skills/long/SKILL.md]",
        shown.unwrap_or_default(),
        bytes.unwrap_or_default()
    );
    assert!(prompt.contains(&note), "{note}");
    assert!(prompt.len() < 30_000);
}

#[tokio::test]
async fn what_was_told_before_a_restart_is_not_told_again() {
    let repo = repository(PLAN);
    let mut stile = crate::support::Turnstile::new(repo.outside(), "agent");
    let script = format!(
        "[[turn]]\nsteps = [{{ sh = \"{}\" }}, {{ tick = \"next\" }}, {{ tick = \"next\" }}, {{ commit = \"All\" }}, \"complete\"]\n",
        stile.sh()
    );
    let house = House::over(&repo).await;
    let settings = enabled(json!({ "reviewer": false }));
    let id = house.create(&repo, Some(&script), settings).await;
    stile.somebody().await;
    house.die().await;
    let house = House::over(&repo).await;
    stile.open();
    house.rests(&id, State::Completed).await;
    assert_eq!(house.told(&id, "SKILLS_DISCOVERED").await.len(), 1);
    assert_eq!(house.told(&id, "SKILLS_SELECTED").await.len(), 1);
    house.check().await;
}
