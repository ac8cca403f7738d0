//! What a run remembers of worktrees and branches that were removed: until the very same one is made again, and no longer.

use agent_loop::core::run::{Effect, Event, Removal, RetiredBranch, State};

use super::answers;
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
