//! What of a plan counts, for whoever creates a run.

use crate::api::wire::{PlanSummary, SkippedSection};
use crate::core::plan::{Checklist, Skip};

/// The counts, and the sections that are not the agent's.
pub(crate) fn summary(plan: &Checklist) -> PlanSummary {
    let reading = plan.reading();
    let mut summary = PlanSummary {
        tasks: reading.total,
        done: reading.done,
        blocked: reading.blocked,
        ..PlanSummary::default()
    };
    // Boxes come in the order of the text: those of one section stand together.
    let mut last = None;
    for (item, why) in plan.skipped() {
        match why {
            Skip::PersonsCheck => summary.human += 1,
            Skip::PersonsSection => {
                let section = item.section.and_then(|at| plan.sections.get(at));
                match summary.skipped.last_mut() {
                    Some(open) if last == item.section => open.boxes += 1,
                    Some(_) | None => summary.skipped.push(SkippedSection {
                        heading: section.map(|it| it.title.clone()).unwrap_or_default(),
                        boxes: 1,
                    }),
                }
                last = item.section;
            }
            Skip::FencedCode
            | Skip::IndentedCode
            | Skip::Comment
            | Skip::Quotation
            | Skip::UnknownMark
            | Skip::Empty => {}
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_is_not_the_agents_is_told_once_with_all_its_boxes() {
        let plan = "- [x] one\n- [ ]? a look\n\n## Manual QA\n\n- [ ] a\n- [x] b\n\n\
                    ## Release checklist\n\n- [ ] c\n";
        let summary = summary(&Checklist::parse(plan));
        let skipped = summary.skipped.iter();
        let skipped: Vec<_> = skipped.map(|it| (it.heading.as_str(), it.boxes)).collect();
        assert_eq!(skipped, [("Manual QA", 2), ("Release checklist", 1)]);
        assert_eq!((summary.tasks, summary.done, summary.human), (1, 1, 1));
    }
}
