//! Every story of this folder is played; what the watchdog says has to be what the story tells, line by line.

use super::story::{Expect, Story, written};
use agent_loop::core::watchdog::Verdict;
use std::path::Path;

fn stories() -> Vec<(String, Story)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/watchdog");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of stories is there")
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .collect();
    files.sort();
    let read = files.into_iter().map(|path| {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path).expect("a story is text");
        let story = Story::read(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        (name, story)
    });
    read.collect()
}

#[test]
fn every_story_gets_the_verdicts_that_it_tells() {
    let mut wrong = Vec::new();
    for (name, story) in stories() {
        let played: Vec<_> = story.played().iter().map(written).collect();
        for (at, (told, said)) in story.told().into_iter().zip(&played).enumerate() {
            if told != said {
                wrong.push(format!("{name}, line {}: told {told}, said {said}", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_run_that_gets_on_is_disturbed_and_every_one_that_does_not_is_caught() {
    let (mut false_alarms, mut missed) = (Vec::new(), Vec::new());
    for (name, story) in stories() {
        let verdicts = story.played();
        let alarm = |it: &&Verdict| match it {
            Verdict::Proceed => false,
            Verdict::Note { .. } => story.expect == Expect::Clean,
            Verdict::Rewrite { .. } | Verdict::Hold { .. } | Verdict::GiveUp { .. } => true,
        };
        let ends = matches!(
            verdicts.last(),
            Some(Verdict::Hold { .. } | Verdict::GiveUp { .. })
        );
        match story.expect {
            Expect::Clean | Expect::Noted => {
                let alarms = verdicts.iter().filter(alarm).count();
                false_alarms.extend((alarms > 0).then(|| format!("{name}: {alarms}")));
            }
            Expect::Caught => missed.extend((!ends).then_some(name)),
        }
    }
    assert!(false_alarms.is_empty(), "false alarms: {false_alarms:?}");
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

#[test]
fn the_stories_cover_every_verdict_every_signal_and_every_expectation() {
    let stories = stories();
    assert!(stories.len() >= 30, "only {} stories", stories.len());
    let said: Vec<String> = stories
        .iter()
        .flat_map(|(_, it)| it.played())
        .map(|it| written(&it))
        .collect();
    for word in [
        "proceed",
        "note(",
        "rewrite(",
        "hold(",
        "give_up(max_consecutive_failures:verification:",
        "give_up(max_consecutive_failures:review:",
        "give_up(iterations_exhausted",
        "give_up(max_tokens",
        "give_up(max_cost_usd",
        "verification_failed",
        "no_progress",
        "repeated_task",
        "malformed_complete",
        "review_not_converging",
    ] {
        assert!(
            said.iter().any(|it| it.contains(word)),
            "no story gets {word}"
        );
    }
    for expect in [Expect::Clean, Expect::Noted, Expect::Caught] {
        assert!(
            stories.iter().filter(|(_, it)| it.expect == expect).count() > 5,
            "{expect:?}"
        );
    }
}
