//! What an agent is told: templates over the facts of a run.
