//! Which words of a task or a spec name a skill.

use agent_loop::core::skills::{in_spec, in_task};

#[test]
fn a_task_names_skills_anywhere_in_its_text() {
    for (text, names) in [
        ("Draw it (skill: charts)", vec!["charts"]),
        (
            "Draw it. Skills: `charts`, maps and more",
            vec!["charts", "maps"],
        ),
        ("skill:charts; skill: maps.", vec!["charts", "maps"]),
        ("skill: charts, charts", vec!["charts"]),
        ("**Skill:** charts", vec![]),
        ("Teach a skill", vec![]),
        ("upskill: no", vec![]),
        ("a skill:", vec![]),
        ("Größe ändern – skill: größe", vec!["größe"]),
    ] {
        assert_eq!(in_task(text), names, "{text}");
    }
}

#[test]
fn a_spec_names_skills_in_lines_of_their_own() {
    let spec = "# Thing\n\nSkills: charts, maps\n- skill: tables\n\nSkill: we need people who can draw\n\
                A skill: other\n```\nskill: fenced\n```\n> Skill: `quoted`\n";
    assert_eq!(in_spec(spec), ["charts", "maps", "tables", "quoted"]);
}

#[test]
fn nobody_can_ask_for_more_than_there_is_room_for() {
    let many: Vec<String> = (0..100).map(|n| format!("skill: s{n}")).collect();
    assert_eq!(in_task(&many.join(" ; ")).len(), 16);
}
