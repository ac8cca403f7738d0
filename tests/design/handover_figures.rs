//! What the rules of the handover note and forget, which the search leaves out: why something was in the way, when it was
//! thrown away, and which pull request has everything.

use agent_loop::core::handover::{self, Event, Facts, RunEnd, Snag, SnagKind, State};
use agent_loop::core::machine::Outcome;
use agent_loop::core::time::Time;

const NOW: Time = Time(1_000);

/// A handover, as it goes on.
struct Handover {
    state: State,
    facts: Facts,
}

impl Handover {
    fn of(how: RunEnd) -> Self {
        let mut it = Handover {
            state: State::None,
            facts: Facts::default(),
        };
        it.hears(Event::Ended { how });
        it
    }

    fn hears(&mut self, event: Event) {
        match handover::step(self.state, &self.facts, &event, NOW) {
            Outcome::Moved(moved) => (self.state, self.facts) = (moved.to, moved.facts),
            Outcome::Ignored(why) | Outcome::Refused(why) => panic!("{event:?}: {why:?}"),
        }
    }

    fn fails(&mut self) -> Snag {
        let snag = Snag {
            kind: SnagKind::InTheWay,
            code: "in_the_way".to_owned(),
            message: "something".to_owned(),
            hint: None,
        };
        let generation = self.facts.generation;
        self.hears(Event::Failed {
            generation,
            snag: snag.clone(),
        });
        snag
    }

    fn requests(&mut self) {
        self.hears(Event::Pr);
        assert_eq!(self.state, State::Requesting);
        let generation = self.facts.generation;
        let url = "u".to_owned();
        self.hears(Event::PrDone { generation, url });
    }
}

#[test]
fn what_was_in_the_way_is_known_until_it_is_asked_for_again() {
    for ask in [Event::Merge, Event::Pr, Event::Scrap] {
        let mut it = Handover::of(RunEnd::Proved);
        it.hears(ask.clone());
        let snag = it.fails();
        assert_eq!(it.facts.snag, Some(snag), "{ask:?}");
        it.hears(ask);
        assert_eq!(it.facts.snag, None);
    }
}

#[test]
fn a_pull_request_that_has_everything_is_made_already_and_one_of_before_a_start_has_not() {
    let mut it = Handover::of(RunEnd::GivenUp);
    it.requests();
    it.hears(Event::Pr);
    assert_eq!(it.state, State::GivenUp, "there is nothing to push");
    it.hears(Event::Reopened { same_branch: true });
    assert_eq!(it.facts.end, None);
    assert_eq!(it.facts.pr_url.as_deref(), Some("u"), "it is the branch's");
    it.hears(Event::Ended {
        how: RunEnd::Proved,
    });
    it.requests();
    it.hears(Event::Reopened { same_branch: false });
    assert_eq!(it.facts.pr_url, None);
}

#[test]
fn a_run_that_is_started_anew_has_nothing_in_its_way_and_one_that_is_thrown_away_has_an_end() {
    let mut it = Handover::of(RunEnd::GivenUp);
    it.hears(Event::Scrap);
    it.fails();
    it.hears(Event::Reopened { same_branch: true });
    assert_eq!((it.facts.snag.clone(), it.facts.end), (None, None));
    it.hears(Event::Ended {
        how: RunEnd::GivenUp,
    });
    assert_eq!(it.facts.ended_at, None);
    it.hears(Event::Scrap);
    let generation = it.facts.generation;
    it.hears(Event::ScrapDone { generation });
    assert_eq!((it.state, it.facts.ended_at), (State::Scrapped, Some(NOW)));
}
