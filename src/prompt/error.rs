//! What is wrong with a template, in words for the person who wrote it.

/// A prompt could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The template names what there is not.
    #[error("{template}:{line}: `{name}` is not known here{}; known are {known}", did_you_mean(.nearest))]
    Unknown {
        /// The template's path, or `built-in` and its name.
        template: String,
        /// Line in it, from 1.
        line: usize,
        /// What it names.
        name: String,
        /// The known name that is nearest.
        nearest: Option<String>,
        /// All that could have been named.
        known: String,
    },
    /// The template is not well formed, or what it does with the facts cannot be done.
    #[error("{template}:{line}: {what}")]
    Template {
        /// The template's path, or `built-in` and its name.
        template: String,
        /// Line in it, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The prompt or its template is too long to be meant.
    #[error("{template}: {what} is longer than {most} bytes")]
    TooLong {
        /// The template's path, or `built-in` and its name.
        template: String,
        /// The template or what it gives.
        what: &'static str,
        /// The most that is accepted.
        most: usize,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    let Some(nearest) = nearest else {
        return String::new();
    };
    format!(", did you mean `{nearest}`?")
}
