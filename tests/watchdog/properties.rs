//! What holds for every history, the absurd ones included.

use super::story::limits;
use agent_loop::core::watchdog::{
    Checks, Iteration, Ladder, Limits, Review, Spent, Verdict, judge,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn iteration() -> impl Strategy<Value = Iteration> {
    let name = || option::weighted(0.8, "[a-c]");
    let checks = prop_oneof![
        Just(Checks::None),
        Just(Checks::Passed),
        "[ab]".prop_map(|fingerprint| Checks::Failed { fingerprint }),
    ];
    let review = prop_oneof![
        Just(Review::NotAsked),
        Just(Review::Approved),
        Just(Review::ChangesRequested)
    ];
    let ticked = prop_oneof![4 => Just(0_u32), 1 => 1..3_u32];
    let counts = (ticked, 0..3_u32, 0..3_u32, 0..3_u32);
    let rest = (any::<bool>(), checks, review, option::of(0..=1000_u16));
    (name(), counts, name(), name(), rest).prop_map(
        |(
            task,
            (boxes_ticked, commits, pending, blocked),
            diff_id,
            tree,
            (claimed_complete, checks, review, alike),
        )| {
            Iteration {
                number: 0,
                task,
                boxes_ticked,
                commits,
                diff_id,
                tree,
                claimed_complete,
                pending,
                blocked,
                review,
                checks,
                output_similarity: alike,
            }
        },
    )
}

fn history() -> impl Strategy<Value = Vec<Iteration>> {
    vec(iteration(), 0..14).prop_map(|mut history| {
        history
            .iter_mut()
            .zip(1..)
            .for_each(|(it, number)| it.number = number);
        history
    })
}

fn ladder() -> impl Strategy<Value = Ladder> {
    (0..4_u32, 0..4_u32).prop_map(|(notes, rewrites)| Ladder { notes, rewrites })
}

fn severity(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Proceed => 0,
        Verdict::Note { .. } => 1,
        Verdict::Rewrite { .. } => 2,
        Verdict::Hold { .. } => 3,
        Verdict::GiveUp { .. } => 4,
    }
}

fn verdict(history: &[Iteration], ladder: Ladder) -> Verdict {
    judge(history, ladder, &limits(), &Spent::default())
}

proptest! {
    #[test]
    fn always_answers_and_never_without_a_signal(history in history(), ladder in ladder(), rounds in 0..5_u32) {
        let spent = Spent { review_rounds_of_task: rounds, ..Spent::default() };
        match judge(&history, ladder, &limits(), &spent) {
            Verdict::Proceed => {}
            Verdict::Note { signals } | Verdict::Rewrite { signals } | Verdict::Hold { signals } => {
                prop_assert!(!signals.is_empty());
                prop_assert!(signals.is_sorted_by(|a, b| a < b), "{signals:?}");
            }
            Verdict::GiveUp { code } => prop_assert!(false, "no limit is reached, but: {code}"),
        }
    }

    #[test]
    fn always_says_no_less_further_up_the_ladder(history in history(), low in ladder(), high in ladder()) {
        let high = Ladder { notes: low.notes.max(high.notes), rewrites: low.rewrites.max(high.rewrites) };
        prop_assert!(severity(&verdict(&history, low)) <= severity(&verdict(&history, high)));
    }

    #[test]
    fn always_starts_anew_with_a_ticked_box(history in history(), ladder in ladder(), last in iteration()) {
        let last = Iteration { boxes_ticked: last.boxes_ticked.max(1), number: 15, ..last };
        let alone = verdict(std::slice::from_ref(&last), Ladder::default());
        prop_assert!(severity(&alone) <= 1);
        prop_assert_eq!(verdict(&[history, vec![last]].concat(), ladder), alone);
    }

    #[test]
    fn always_forgets_what_was_before_the_last_ticked_box(
        old in history(), start in iteration(), since in history(), ladder in ladder(),
    ) {
        let start = Iteration { boxes_ticked: 1, ..start };
        let short = [vec![start], since].concat();
        prop_assert_eq!(verdict(&[old, short.clone()].concat(), ladder), verdict(&short, ladder));
    }

    #[test]
    fn always_only_notes_the_first_trouble(history in history()) {
        prop_assert!(severity(&verdict(&history, Ladder::default())) <= 1);
    }

    #[test]
    fn always_gives_up_at_a_limit_and_nowhere_else(history in history(), ladder in ladder(), used in 0..6_u64) {
        let Some(last) = history.last() else { return Ok(()) };
        let limits = Limits { max_tokens: Some(3), iterations: 9, ..limits() };
        let spent = Spent { tokens: used, ..Spent::default() };
        let gave_up = severity(&judge(&history, ladder, &limits, &spent)) == 4;
        prop_assert_eq!(gave_up, used >= 3 || last.number >= 9);
    }

    /// Whatever it does, an agent that stays at one task without a box is with a person in the end.
    #[test]
    fn always_ends_the_wait_for_a_box_that_never_comes(history in vec(iteration(), 12)) {
        let mut ladder = Ladder::default();
        let mut played: Vec<Iteration> = Vec::new();
        for (it, number) in history.into_iter().zip(1..) {
            let task = Some("the one".to_owned());
            played.push(Iteration { number, task, boxes_ticked: 0, ..it });
            match verdict(&played, ladder) {
                Verdict::Proceed => {}
                Verdict::Note { .. } => ladder.notes += 1,
                Verdict::Rewrite { .. } => ladder.rewrites += 1,
                Verdict::Hold { .. } | Verdict::GiveUp { .. } => return Ok(()),
            }
        }
        prop_assert!(false, "never held: {ladder:?}");
    }
}

#[test]
fn sometimes_every_step_of_the_ladder_is_reached() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let cases = (
            history().new_tree(&mut runner),
            ladder().new_tree(&mut runner),
        );
        let (Ok(history), Ok(ladder)) = cases else {
            continue;
        };
        seen.insert(severity(&verdict(&history.current(), ladder.current())));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_zero_budget_is_no_budget_and_an_empty_history_proceeds() {
    let limits = Limits {
        max_tokens: Some(0),
        max_cost_micro_usd: Some(0),
        ..limits()
    };
    let spent = Spent {
        tokens: 9,
        cost_micro_usd: 9,
        ..Spent::default()
    };
    let history = [Iteration {
        number: 1,
        commits: 1,
        ..Iteration::default()
    }];
    assert_eq!(
        judge(&history, Ladder::default(), &limits, &spent),
        Verdict::Proceed
    );
    assert_eq!(
        judge(&[], Ladder::default(), &limits, &spent),
        Verdict::Proceed
    );
}

#[test]
fn the_rounds_of_a_review_hold_a_run_only_when_it_was_just_sent_back() {
    let spent = Spent {
        review_rounds_of_task: 3,
        ..Spent::default()
    };
    let after = |review| {
        let last = Iteration {
            number: 4,
            commits: 1,
            review,
            ..Iteration::default()
        };
        severity(&judge(&[last], Ladder::default(), &limits(), &spent))
    };
    assert_eq!(
        [Review::NotAsked, Review::Approved, Review::ChangesRequested].map(after),
        [0, 0, 3]
    );
}
