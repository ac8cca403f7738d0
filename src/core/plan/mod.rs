//! The plan: a Markdown checklist, what counts as a task in it, which task is next, and when the work is complete.
