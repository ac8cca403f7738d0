//! Which skills a task gets, and how much of them is shown.

use agent_loop::core::skills::{Asked, Limits, Selection, Skill, Why, fit, select};
use proptest::prelude::*;

use super::skill;

fn house() -> Vec<Skill> {
    vec![
        skill("charts", "Use when drawing charts, plots and axes"),
        skill(
            "database-migrations",
            "How the schema of the database is migrated",
        ),
        skill("release", "Steps of a release: tags, changelog, packages"),
        skill("translations", "How texts are translated here"),
    ]
}

fn asked(task: &str) -> Asked<'_> {
    Asked {
        task: Some(task),
        ..Asked::default()
    }
}

fn names(selection: &Selection<'_>) -> Vec<String> {
    let picked = selection.picked.iter();
    picked.map(|it| it.skill.name.clone()).collect()
}

#[test]
fn what_is_named_comes_first_and_the_task_before_the_spec() {
    let skills = house();
    let asked = Asked {
        spec: "# Thing\n\nskills: release, nobody, gone\n",
        ..asked("Draw the axes of all plots (skill: Translations, gone)")
    };
    let selection = select(&skills, asked);
    assert_eq!(names(&selection), ["translations", "release", "charts"]);
    assert_eq!(selection.picked[0].why, Why::Task);
    assert_eq!(selection.picked[1].why, Why::Spec);
    let shared = vec!["axe".to_owned(), "plot".to_owned()];
    assert_eq!(selection.picked[2].why, Why::Words(shared));
    assert_eq!(selection.unknown, ["gone", "nobody"]);
}

#[test]
fn words_have_to_fit() {
    let skills = house();
    for (task, wanted) in [
        ("Draw a chart", vec!["charts"]),
        (
            "Add a database migration for users",
            vec!["database-migrations"],
        ),
        ("Migrate the database", vec![]),
        ("Write the changelog and the tags", vec!["release"]),
        ("Use the code when it is here", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(names(&select(&skills, asked(task))), wanted, "{task}");
    }
    let under_a_heading = Asked {
        section: Some("Charts"),
        ..asked("The second one")
    };
    assert_eq!(names(&select(&skills, under_a_heading)), ["charts"]);
    let to_mend = Asked {
        task: None,
        ..asked("")
    };
    assert_eq!(names(&select(&skills, to_mend)), Vec::<String>::new());
}

#[test]
fn only_a_plural_is_its_singular() {
    for (name, task, fits) in [
        ("chart", "Draw charts", true),
        ("glas", "Wash the glass", false),
        ("ga", "Fill in gas", false),
        ("tie", "Iron the ties", true),
    ] {
        let skills = [skill(name, "Something else")];
        let found = !select(&skills, asked(task)).picked.is_empty();
        assert_eq!(found, fits, "{name}: {task}");
    }
}

#[test]
fn a_name_weighs_more_than_words_and_more_words_more_than_fewer() {
    let skills = [
        skill("aa", "axes and labels"),
        skill("charts", "Something else"),
        skill("zz", "axes, labels and legends"),
    ];
    let selection = select(&skills, asked("Draw charts: axes, labels, legends"));
    assert_eq!(names(&selection), ["charts", "zz", "aa"]);
}

#[test]
fn words_alone_bring_three_skills_at_most_and_names_as_many_as_are_wanted() {
    let skills: Vec<Skill> = (0..9)
        .map(|n| skill(&format!("s{n}"), "draw charts with axes"))
        .collect();
    let selection = select(&skills, asked("Draw charts with axes"));
    assert_eq!(names(&selection), ["s0", "s1", "s2"]);
    let selection = select(&skills, asked("skills: s8, s7, s6, s5, s4, s3"));
    assert_eq!(names(&selection).len(), 6);
}

#[test]
fn a_text_that_is_too_long_is_cut_at_a_line_and_says_so() {
    let mut long = skill("long", "x");
    long.body = "ä line of text\n".repeat(100);
    let other = skill("other", "y");
    let limits = Limits {
        each: 1000,
        all: 1100,
        listed: 2,
    };
    let fitted = fit(&[&long, &other], &[], limits);
    let text = fitted.shown[0].text.as_deref().expect("it was selected");
    let last = text.lines().last().unwrap_or_default();
    let cut = &fitted.cut[0];
    assert_eq!(
        last,
        format!(
            "[cut: the first {} of {} bytes are shown; the whole is in .loop/skills/long/SKILL.md]",
            cut.shown_bytes, cut.bytes
        )
    );
    assert!(cut.shown_bytes <= 1000 && cut.shown_bytes > 900);
    assert!(
        text.lines()
            .rev()
            .skip(1)
            .all(|line| line == "ä line of text")
    );
    assert_eq!(fitted.shown[1].text.as_deref(), Some("How to do other.\n"));
}

#[test]
fn what_finds_no_room_is_listed_and_then_named() {
    let (mut one, mut two) = (skill("one", "x"), skill("two", "y"));
    one.body = "a".repeat(1000);
    two.body = "b".repeat(1000);
    let (three, four) = (skill("three", "z"), skill("four", "z"));
    let limits = Limits {
        each: 1000,
        all: 1100,
        listed: 3,
    };
    let fitted = fit(&[&one, &two], &[&three, &four], limits);
    let shown: Vec<&str> = fitted
        .shown
        .iter()
        .map(|it| it.named.name.as_str())
        .collect();
    assert_eq!(shown, ["one", "two", "four"]);
    let text = fitted.shown[1].text.as_deref().unwrap_or_default();
    assert!(
        text.starts_with("[cut: the first 0 of 1000 bytes"),
        "{text}"
    );
    assert_eq!(fitted.shown[2].text, None);
    assert_eq!(fitted.left_out, ["three"]);
}

#[test]
fn a_text_that_just_fits_is_whole_and_the_least_room_is_used() {
    let mut one = skill("one", "x");
    one.body = "a line\n".repeat(100);
    let limits = |each| Limits {
        each,
        ..Limits::default()
    };
    let fitted = fit(&[&one], &[], limits(700));
    assert_eq!(fitted.shown[0].text.as_ref(), Some(&one.body));
    assert_eq!(fitted.cut, []);
    let shown = |each| fit(&[&one], &[], limits(each)).cut[0].shown_bytes;
    assert_eq!(
        shown(256),
        251,
        "whole lines in 256 bytes, without the last line end"
    );
    assert_eq!(shown(255), 0, "a shred helps nobody");
}

#[test]
fn a_person_reads_why_a_skill_was_selected() {
    let words = Why::Words(vec!["axes".to_owned(), "plots".to_owned()]);
    assert_eq!(words.words(), "shares with the task: axes, plots");
    assert_eq!(Why::Task.words(), "named by the task");
    assert_eq!(Why::Spec.words(), "named by the spec");
}

proptest! {
    #[test]
    fn the_order_in_which_skills_are_found_changes_nothing(
        task in "([a-d]{4,5} ){0,6}", described in prop::collection::vec("([a-d]{4,5} ){1,6}", 0..8), turn in 0usize..8,
    ) {
        let skills: Vec<Skill> = described.iter().enumerate().map(|(n, it)| skill(&format!("s{n}"), it)).collect();
        let mut turned = skills.clone();
        turned.rotate_left(turn % skills.len().max(1));
        prop_assert_eq!(names(&select(&skills, asked(&task))), names(&select(&turned, asked(&task))));
    }

    #[test]
    fn never_more_is_shown_than_there_is_room_for(bodies in prop::collection::vec("\\PC{0,300}", 0..6), each in 0usize..400, all in 0usize..800) {
        let skills: Vec<Skill> = bodies.iter().enumerate().map(|(n, body)| Skill { body: body.clone(), ..skill(&format!("s{n}"), "x") }).collect();
        let refs: Vec<&Skill> = skills.iter().collect();
        let fitted = fit(&refs, &[], Limits { each, all, listed: 64 });
        let cut = |name: &str| fitted.cut.iter().find(|cut| cut.name == name).map(|cut| cut.shown_bytes as usize);
        let shown: Vec<usize> = skills.iter().map(|it| cut(&it.name).unwrap_or(it.body.len())).collect();
        prop_assert!(shown.iter().all(|bytes| *bytes <= each));
        prop_assert!(shown.iter().sum::<usize>() <= all);
    }
}
