//! What a run remembers of worktrees and branches that were removed: until the very same one is made again, and no longer.

use agent_loop::core::run::{Effect, Event, Removal, RetiredBranch, State};

use super::answers::{self, Agent};
use super::scopes::terms;
use super::story::Story;

fn removal(path: &str) -> Removal {
    Removal {
        path: path.to_owned(),
        removed: true,
        note: "removed".to_owned(),
    }
}

fn retired(branch: &str) -> RetiredBranch {
    RetiredBranch {
        branch: branch.to_owned(),
        tip: "t1".to_owned(),
        rescue: None,
    }
}

#[test]
fn what_is_made_again_is_told_removed_no_more_and_what_else_went_still_is() {
    let made = answers::worktree();
    let mut story = Story::new(terms());
    story.hears(Event::Cancel).hears(Event::Collected {
        removals: vec![removal(&made.path), removal("/elsewhere")],
        branches: vec![retired(&made.run_branch), retired("run/elsewhere")],
        files_removed: true,
        kept: Vec::new(),
    });
    assert_eq!(story.state, State::Canceled);
    let merge_strategy = None;
    story.hears(Event::Retry { merge_strategy }).claim();
    let generation = story.facts.generation;
    story.hears(Event::WorktreeReady {
        generation,
        worktree: made,
    });
    assert_eq!(story.facts.removals, [removal("/elsewhere")]);
    assert_eq!(story.facts.retired, [retired("run/elsewhere")]);
}

#[test]
fn a_worktree_is_wanted_no_more_once_and_until_it_is_told_what_became_of_it() {
    let mut story = Story::new(terms());
    story.hears(Event::Cancel);
    for path in ["/one", "/two", "/one"] {
        let path = path.to_owned();
        story.hears(Event::RemoveWorktree { path });
        assert_eq!(story.effects, [Effect::RemoveWorktrees]);
    }
    assert_eq!(story.facts.unwanted, ["/one", "/two"]);
    let stays = Removal {
        removed: false,
        ..removal("/one")
    };
    for told in [stays, removal("/one")] {
        let removals = vec![told.clone()];
        story.hears(Event::WorktreesRemoved { removals });
        assert_eq!(story.facts.unwanted, ["/two"]);
        assert_eq!(story.facts.removals, [told]);
    }
}

/// A run that was reset, so that its first worktree is left to the clean-up, and is canceled.
fn reset() -> Story {
    let mut story = Story::new(terms());
    story.claim();
    story.hears(Event::WorktreeReady {
        generation: story.facts.generation,
        worktree: answers::worktree(),
    });
    story.agent(Agent::Nothing, false).hears(Event::Cancel);
    if let Some(step) = story.facts.step.as_ref().map(|it| it.generation) {
        story.hears(Event::StepGone { step, left: None });
    }
    story.hears(Event::Reset).hears(Event::Cancel);
    assert_eq!(story.facts.abandoned, [answers::worktree()]);
    story
}

#[test]
fn a_worktree_that_a_reset_left_is_known_as_gone_when_it_is_and_not_when_another_one_is() {
    let mut story = reset();
    let removals = vec![removal("/elsewhere")];
    story.hears(Event::WorktreesRemoved { removals });
    assert_eq!(story.facts.abandoned, [answers::worktree()]);
    assert_eq!(story.facts.emptied, []);
    let removals = vec![removal(&answers::worktree().path)];
    story.hears(Event::WorktreesRemoved { removals });
    assert_eq!(story.facts.abandoned, []);
    assert_eq!(story.facts.emptied, [answers::worktree()]);
}

#[test]
fn a_clean_up_adds_to_what_earlier_ones_took_and_says_anew_what_stays() {
    let mut story = Story::new(terms());
    story.hears(Event::Cancel);
    let takes = |branch: &str, files_removed, kept: &[&str]| Event::Collected {
        removals: Vec::new(),
        branches: vec![retired(branch)],
        files_removed,
        kept: kept.iter().map(|&it| it.to_owned()).collect(),
    };
    story.hears(takes("run/one", true, &["run/two: it is checked out"]));
    assert_eq!(story.facts.kept_back, ["run/two: it is checked out"]);
    assert!(story.facts.files_removed && !story.facts.nothing_left);
    story.hears(takes("run/two", false, &[]));
    assert_eq!(story.facts.kept_back, [] as [String; 0]);
    assert!(story.facts.files_removed, "they went with the first one");
    assert!(story.facts.nothing_left);
    // Told again, it is the same branch.
    story.hears(takes("run/one", false, &[]));
    let known = [retired("run/two"), retired("run/one")];
    assert_eq!(story.facts.retired, known);
}
