//! What is told of skills: only what is news against the agent call before.

use agent_loop::core::skills::{Briefing, Failed, Named};

fn briefing(discovered: &[&str], failed: &[&str]) -> Briefing {
    let named = |name: &&str| Named {
        name: (*name).to_owned(),
        path: format!("{name}/SKILL.md"),
    };
    let failure = |what: &&str| Failed {
        what: (*what).to_owned(),
        why: "it is no skill".to_owned(),
    };
    Briefing {
        discovered: discovered.iter().map(named).collect(),
        failed: failed.iter().map(failure).collect(),
        ..Briefing::default()
    }
}

#[test]
fn what_the_call_before_knew_is_no_news() {
    let before = briefing(&["charts"], &["broken"]);
    for (now, before, is_news, newly_failed) in [
        (
            briefing(&["charts"], &["broken"]),
            None,
            true,
            vec!["broken"],
        ),
        (briefing(&[], &[]), None, false, vec![]),
        (
            briefing(&["charts"], &["broken"]),
            Some(&before),
            false,
            vec![],
        ),
        (
            briefing(&["charts", "release"], &[]),
            Some(&before),
            true,
            vec![],
        ),
        (briefing(&[], &["broken"]), Some(&before), true, vec![]),
        (
            briefing(&["charts"], &["broken", "empty"]),
            Some(&before),
            false,
            vec!["empty"],
        ),
    ] {
        let mut now = now;
        now.compare(before);
        assert_eq!(now.is_news, is_news, "{now:?}");
        let failed: Vec<&str> = now.newly_failed.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(failed, newly_failed, "{now:?}");
    }
}
