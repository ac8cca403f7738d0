//! Stories: short histories of a run as plain text, one line an iteration, played as the run's rules play them.
//!
//! ```text
//! # what it shows
//! expect clean | noted | caught
//! limits rewrites=1
//! 1 task="parse numbers" ticked=1 checks=ok -> proceed
//! 2 task="print them" commits=0 alike=990 -> note(no_progress)
//! resume
//! ```
//! Left out means: one commit, no box, 3 pending, no checks, no review, and a diff and a tree never seen before.
//! `mend` and `confirm` stand for iterations without a task. Tokens and cost are those of the run so far.

use agent_loop::core::watchdog::{
    Checks, Iteration, Ladder, Limits, Review, Spent, Verdict, judge,
};

/// What a story as a whole has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A run that gets on: not one signal.
    Clean,
    /// A run that gets on in spite of trouble: notes, and nothing more.
    Noted,
    /// A run that does not get on: it ends with a hold or a limit.
    Caught,
}

/// One iteration and what the story says of it.
struct Told {
    iteration: Iteration,
    spent: (u64, u64),
    verdict: String,
    resumed: bool,
}

/// A story as read.
pub struct Story {
    pub expect: Expect,
    limits: Limits,
    told: Vec<Told>,
}

/// The limits that a run has unless it is told otherwise.
pub fn limits() -> Limits {
    Limits {
        iterations: 50,
        max_consecutive_verification_failures: 3,
        max_consecutive_review_failures: 0,
        max_rewrites: 2,
        max_review_rounds: 3,
        max_tokens: None,
        max_cost_micro_usd: None,
    }
}

impl Story {
    /// Reads a story; the error names the line.
    pub fn read(text: &str) -> Result<Story, String> {
        let mut story = Story {
            expect: Expect::Clean,
            limits: limits(),
            told: Vec::new(),
        };
        let (mut expected, mut resumed) = (None, false);
        for line in text
            .lines()
            .map(str::trim)
            .filter(|it| !it.is_empty() && !it.starts_with('#'))
        {
            let failed = |why: &str| format!("{why}: {line}");
            match line.split_once(' ').unwrap_or((line, "")) {
                ("expect", "clean") => expected = Some(Expect::Clean),
                ("expect", "noted") => expected = Some(Expect::Noted),
                ("expect", "caught") => expected = Some(Expect::Caught),
                ("limits", rest) => {
                    set_limits(&mut story.limits, rest).ok_or_else(|| failed("limits"))?
                }
                ("resume", "") => resumed = true,
                _ => {
                    let before = story.told.last().map(|it| &it.iteration);
                    let mut told = iteration(line, before).ok_or_else(|| failed("iteration"))?;
                    told.resumed = std::mem::take(&mut resumed);
                    story.told.push(told);
                }
            }
        }
        story.expect = expected.ok_or("no expectation")?;
        Ok(story)
    }

    /// The verdicts that the story tells.
    pub fn told(&self) -> Vec<&str> {
        self.told.iter().map(|it| it.verdict.as_str()).collect()
    }

    /// The verdicts of the watchdog, counters and ladder kept as the rules of the run keep them.
    pub fn played(&self) -> Vec<Verdict> {
        let (mut ladder, mut counted) = (Ladder::default(), Spent::default());
        let mut rejected: Option<Option<String>> = None;
        let mut history = Vec::new();
        let play = |told: &Told| {
            if told.resumed {
                (ladder, counted, rejected) = (Ladder::default(), Spent::default(), None);
            }
            let it = &told.iteration;
            (counted.tokens, counted.cost_micro_usd) = told.spent;
            match it.checks {
                Checks::Failed { .. } => counted.consecutive_verification_failures += 1,
                Checks::None | Checks::Passed => counted.consecutive_verification_failures = 0,
            }
            match it.review {
                Review::NotAsked => {}
                Review::Approved => {
                    (
                        counted.consecutive_review_failures,
                        counted.review_rounds_of_task,
                    ) = (0, 0);
                    rejected = None;
                }
                Review::ChangesRequested => {
                    counted.consecutive_review_failures += 1;
                    let again = rejected.as_ref() == Some(&it.task);
                    counted.review_rounds_of_task = if again {
                        counted.review_rounds_of_task + 1
                    } else {
                        1
                    };
                    rejected = Some(it.task.clone());
                }
            }
            if it.boxes_ticked > 0 {
                ladder = Ladder::default();
            }
            history.push(it.clone());
            let verdict = judge(&history, ladder, &self.limits, &counted);
            match &verdict {
                Verdict::Note { .. } => ladder.notes += 1,
                Verdict::Rewrite { .. } => ladder.rewrites += 1,
                Verdict::Proceed | Verdict::Hold { .. } | Verdict::GiveUp { .. } => {}
            }
            verdict
        };
        self.told.iter().map(play).collect()
    }
}

/// The verdict as a story writes it.
pub fn written(verdict: &Verdict) -> String {
    let with = |name: &str, signals: &[agent_loop::core::watchdog::Signal]| {
        let signals: Vec<_> = signals.iter().map(|it| it.as_str()).collect();
        format!("{name}({})", signals.join(", "))
    };
    match verdict {
        Verdict::Proceed => "proceed".to_owned(),
        Verdict::Note { signals } => with("note", signals),
        Verdict::Rewrite { signals } => with("rewrite", signals),
        Verdict::Hold { signals } => with("hold", signals),
        Verdict::GiveUp { code } => format!("give_up({code})"),
    }
}

fn set_limits(limits: &mut Limits, rest: &str) -> Option<()> {
    for (key, value) in words(rest).iter().filter_map(|it| it.split_once('=')) {
        match key {
            "iterations" => limits.iterations = value.parse().ok()?,
            "verification" => limits.max_consecutive_verification_failures = value.parse().ok()?,
            "review" => limits.max_consecutive_review_failures = value.parse().ok()?,
            "rewrites" => limits.max_rewrites = value.parse().ok()?,
            "rounds" => limits.max_review_rounds = value.parse().ok()?,
            "tokens" => limits.max_tokens = Some(value.parse().ok()?),
            "cost" => limits.max_cost_micro_usd = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    Some(())
}

fn iteration(line: &str, before: Option<&Iteration>) -> Option<Told> {
    let (evidence, verdict) = line.rsplit_once("->")?;
    let (number, evidence) = evidence.split_once(' ')?;
    let mut it = Iteration {
        number: number.parse().ok()?,
        commits: 1,
        pending: 3,
        ..Iteration::default()
    };
    let (mut spent, mut purpose) = ((0, 0), false);
    for word in words(evidence) {
        let (key, value) = word.split_once('=').unwrap_or((&word, ""));
        purpose |= matches!(key, "task" | "mend" | "confirm");
        match (key, value) {
            ("task", text) => it.task = Some(text.to_owned()),
            ("mend" | "confirm", "") => it.pending = 0,
            ("ticked", count) => it.boxes_ticked = count.parse().ok()?,
            ("commits", count) => it.commits = count.parse().ok()?,
            ("pending", count) => it.pending = count.parse().ok()?,
            ("blocked", count) => it.blocked = count.parse().ok()?,
            ("claimed", "") => it.claimed_complete = true,
            ("checks", "ok") => it.checks = Checks::Passed,
            ("checks", failed) => {
                it.checks = Checks::Failed {
                    fingerprint: failed.strip_prefix("failed:")?.to_owned(),
                };
            }
            ("review", "ok") => it.review = Review::Approved,
            ("review", "rejected") => it.review = Review::ChangesRequested,
            ("diff", id) => it.diff_id = Some(id.to_owned()),
            ("tree", id) => it.tree = Some(id.to_owned()),
            ("alike", permille) => it.output_similarity = Some(permille.parse().ok()?),
            ("tokens", count) => spent.0 = count.parse().ok()?,
            ("cost", count) => spent.1 = count.parse().ok()?,
            _ => return None,
        }
    }
    if it.commits > 0 {
        it.diff_id = it.diff_id.or_else(|| Some(format!("new diff {number}")));
        it.tree = it.tree.or_else(|| Some(format!("new tree {number}")));
    } else {
        it.tree = before.map_or_else(|| Some("base".to_owned()), |it| it.tree.clone());
    }
    purpose.then(|| Told {
        iteration: it,
        spent,
        verdict: verdict.trim().to_owned(),
        resumed: false,
    })
}

/// Words at blanks; a part in quotation marks is one, without them.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (at, part) in text.split('"').enumerate() {
        let mut pieces = if at % 2 == 0 {
            part.split(' ').collect()
        } else {
            vec![part]
        }
        .into_iter();
        if let (Some(first), Some(word)) = (pieces.next(), words.last_mut()) {
            word.push_str(first);
        }
        words.extend(pieces.map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}
