//! What is read of the head of a `SKILL.md`, however it is written.

use agent_loop::core::skills::{NotASkill, read};
use proptest::prelude::*;

#[test]
fn name_and_description_are_read_however_they_are_quoted() {
    for (head, name, description) in [
        (
            "name: charts\ndescription: Draw charts",
            Some("charts"),
            "Draw charts",
        ),
        (
            "description: Use when: drawing, or not # why\nname:charts",
            Some("charts"),
            "Use when: drawing, or not",
        ),
        (
            "name: \"charts\"\ndescription: \"Say \\\"hi\\\": now\"",
            Some("charts"),
            "Say \"hi\": now",
        ),
        (
            "name: 'charts'\ndescription: 'It''s # for charts'",
            Some("charts"),
            "It's # for charts",
        ),
        (
            "description: >\n  Draw\n  charts: all\n\n  kinds\nlicense: MIT",
            None,
            "Draw charts: all kinds",
        ),
        ("description: |-\n  Draw\n  charts", None, "Draw charts"),
        (
            "description: |a|b| draws a table",
            None,
            "|a|b| draws a table",
        ),
        (
            "description: Draw\n  charts\nmetadata:\n  name: other",
            None,
            "Draw charts",
        ),
        (
            "name: größe-zwei\ndescription: 日本語",
            Some("größe-zwei"),
            "日本語",
        ),
    ] {
        for ends in ["\n", "\r\n"] {
            let text = format!("---\n{head}\n---\n\n# Body\ntext\n").replace('\n', ends);
            let skill = read(&text).unwrap_or_else(|error| panic!("{head}: {error}"));
            assert_eq!(skill.name.as_deref(), name, "{head}");
            assert_eq!(skill.description, description, "{head}");
            assert_eq!(skill.body.lines().collect::<Vec<_>>(), ["# Body", "text"]);
        }
    }
}

#[test]
fn what_is_no_skill_says_why() {
    for (text, why) in [
        ("", NotASkill::NoFrontMatter),
        ("# Charts\n\nname: charts\n", NotASkill::NoFrontMatter),
        ("---\nname: charts\ndescription: x\n", NotASkill::Open),
        ("---\nname: charts\n---\nbody", NotASkill::NoDescription),
        (
            "---\nname: charts\ndescription:\n---\nbody",
            NotASkill::NoDescription,
        ),
        (
            "---\nname: two words\ndescription: x\n---\n",
            NotASkill::BadName,
        ),
        (
            "---\nname: ../../etc\ndescription: x\n---\n",
            NotASkill::BadName,
        ),
    ] {
        assert_eq!(read(text), Err(why), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(---\n)?(name|description|[a-z])?:? ?[\"'>|]?\\PC{0,40}\n(  \\PC{0,20}\n)?(---\n)?\\PC*") {
        if let Ok(skill) = read(&text) {
            prop_assert!(!skill.description.is_empty());
            prop_assert!(!skill.description.contains('\n'));
        }
    }
}
