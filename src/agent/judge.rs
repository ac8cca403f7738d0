//! The class of a call's result, and its cause in words: from what was said, how the process ended, and the end of its
//! standard error. A result outweighs an exit status, and a request to stop outweighs both.

use super::dialect::Dialect;
use super::event::End;
use super::fault::Fault;
use super::report::{Exit, Report};
use super::reset::{Clock, Reset};
use super::tally::Tally;
use super::text::{humane, printable};
use crate::core::run::agent_result::ResultClass;

impl Tally {
    pub(super) fn report(
        self,
        dialect: Dialect,
        exit: &Exit,
        stderr_tail: &str,
        clock: Clock,
        whole: Option<String>,
    ) -> Report {
        let (class, message) = self.judge(dialect, exit, stderr_tail, clock);
        Report {
            class,
            message,
            final_message: whole.unwrap_or(self.last_text),
            session: self.session,
            model: self.model,
            usage: self.usage,
            usage_of_session: self.usage_of_session,
            denied: self.denied,
            questions: self.questions,
            tool_failed: self.tool_failed,
            raw_lines: self.raw_lines,
        }
    }

    fn judge(
        &self,
        dialect: Dialect,
        exit: &Exit,
        stderr_tail: &str,
        clock: Clock,
    ) -> (ResultClass, String) {
        if exit.canceled {
            return (ResultClass::Canceled, "stopped on request".to_owned());
        }
        match &self.end {
            Some(End::Done) => return (ResultClass::Done, String::new()),
            Some(End::MaxTurns) => {
                let message = "the agent stopped at its limit of turns".to_owned();
                return (ResultClass::MaxTurns, message);
            }
            Some(End::Budget) => {
                let message = "the agent stopped at the budget of the call".to_owned();
                return (ResultClass::Budget, message);
            }
            // Some agents say why in an event of its own, before the result.
            Some(End::Failed { fault, message }) if message.trim().is_empty() => {
                let words = self.trouble(stderr_tail);
                let fault = match fault {
                    Fault::Other => &Fault::new(None, &words),
                    Fault::Limited { .. }
                    | Fault::Auth
                    | Fault::Refused
                    | Fault::Interrupted
                    | Fault::NoSession => fault,
                };
                return classed(dialect, fault, &words, clock);
            }
            Some(End::Failed { fault, message }) => {
                return classed(dialect, fault, &humane(message), clock);
            }
            None => {}
        }
        if exit.timed_out || exit.idle {
            return self.out_of_time(dialect, exit, stderr_tail, clock);
        }
        self.without_result(dialect, exit, stderr_tail, clock)
    }

    /// An agent that waits out a limit or repeats refused credentials until its time is over was held up by just that.
    fn out_of_time(
        &self,
        dialect: Dialect,
        exit: &Exit,
        stderr_tail: &str,
        clock: Clock,
    ) -> (ResultClass, String) {
        let over = if exit.timed_out {
            "the step's time was over"
        } else {
            "the agent was silent and idle for too long"
        };
        // Some agents tell retries, or their reason, on standard error only.
        let told = last_words(stderr_tail)
            .filter(|words| words.to_lowercase().contains("retry"))
            .map(|words| (Fault::new(None, stderr_end(stderr_tail)), words));
        let waiting = match &self.waiting {
            Some((Fault::Other, _)) => told.or_else(|| self.waiting.clone()),
            None => told,
            Some(known) => Some(known.clone()),
        };
        match waiting {
            Some((
                fault @ (Fault::Limited { .. } | Fault::Auth | Fault::Refused | Fault::NoSession),
                why,
            )) => classed(dialect, &fault, &humane(&why), clock),
            Some((Fault::Interrupted | Fault::Other, why)) => {
                let message = format!("{over} while it tried again: {}", humane(&why));
                (ResultClass::TimedOut, message)
            }
            None => (ResultClass::TimedOut, over.to_owned()),
        }
    }

    fn without_result(
        &self,
        dialect: Dialect,
        exit: &Exit,
        stderr_tail: &str,
        clock: Clock,
    ) -> (ResultClass, String) {
        if let Some(signal) = exit.signal {
            let hint = match signal {
                9 => " (SIGKILL; often the machine is out of memory)",
                _ => "",
            };
            let message = format!("the agent was ended by signal {signal}{hint}");
            return (ResultClass::Crashed, message);
        }
        let code = exit.code.unwrap_or_default();
        if (129..=159).contains(&code) && dialect != Dialect::Gemini {
            let message = format!(
                "the agent was ended by signal {} (exit status {code})",
                code - 128
            );
            return (ResultClass::Crashed, message);
        }
        if dialect == Dialect::Text && code == 0 {
            return (ResultClass::Done, String::new());
        }
        let words = self.trouble(stderr_tail);
        if code == 0 {
            let mut message = "the stream ended without a result".to_owned();
            if !words.is_empty() {
                message = format!("{message}: {words}");
            }
            return (ResultClass::Crashed, message);
        }
        let fault = match (dialect, code) {
            (_, 126 | 127) => Fault::Refused,
            // Gemini's exit status is the HTTP status modulo 256; 55 is a folder that is not trusted.
            (Dialect::Gemini, 145) => Fault::Auth,
            (Dialect::Gemini, 173) => Fault::Limited {
                reset: Reset::in_text(stderr_tail),
            },
            (Dialect::Gemini, 55) => Fault::Refused,
            (_, _) => Fault::new(None, &words),
        };
        let message = match (code, words.is_empty()) {
            (127, _) => format!("the agent's command was not found (exit status 127) {words}"),
            (_, true) => format!("the agent ended with exit status {code} and without a result"),
            (_, false) => format!("exit status {code}: {words}"),
        };
        classed(dialect, &fault, message.trim_end(), clock)
    }

    /// The last words about trouble: an error of the stream, else of standard error, else a line that is no event.
    fn trouble(&self, stderr_tail: &str) -> String {
        if !self.last_error.is_empty() {
            self.last_error.clone()
        } else if let Some(words) = last_words(stderr_tail) {
            words
        } else {
            self.last_raw.clone()
        }
    }
}

/// The last line of standard error that tells something; stack frames tell nothing.
fn last_words(stderr_tail: &str) -> Option<String> {
    stderr_tail
        .lines()
        .rev()
        .map(|line| printable(line).trim().to_owned())
        .find(|line| line.chars().any(char::is_alphabetic) && !line.starts_with("at "))
        .map(|line| humane(&line))
}

/// The last two lines of standard error: some agents break a sentence.
fn stderr_end(stderr_tail: &str) -> &str {
    let text = stderr_tail.trim_end();
    let start = text.rmatch_indices('\n').nth(1).map_or(0, |(at, _)| at + 1);
    text.get(start..).unwrap_or(text)
}

/// The class of a fault, and its message.
fn classed(dialect: Dialect, fault: &Fault, said: &str, clock: Clock) -> (ResultClass, String) {
    let said = if said.is_empty() {
        "no reason given"
    } else {
        said
    };
    match fault {
        Fault::Limited { reset } => (
            ResultClass::Limited {
                resets_at: reset.resolve(clock),
            },
            format!("the provider's limit is reached: {said}"),
        ),
        Fault::Auth => (
            ResultClass::Auth,
            format!(
                "the agent's credentials were refused: {said}; {}",
                dialect.login_hint()
            ),
        ),
        Fault::Refused => (
            ResultClass::Refused,
            format!("the agent refuses this work: {said}; {}", way_out(said)),
        ),
        Fault::NoSession => (
            ResultClass::SessionGone,
            format!("the agent cannot go on with its session: {said}"),
        ),
        Fault::Interrupted => (
            ResultClass::Crashed,
            format!("the agent was interrupted from outside: {said}"),
        ),
        Fault::Other => (ResultClass::Crashed, said.to_owned()),
    }
}

/// What a person does about a refusal.
fn way_out(said: &str) -> &'static str {
    let lower = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["too long", "context"]) {
        "shorten the spec, the plan or context_files, or choose a model that takes more"
    } else if says(&["billing", "credit", "quota", "payment"]) {
        "check plan and billing at the provider"
    } else if says(&["trusted"]) {
        "trust the folder in the agent's settings, or pass its option for it in args"
    } else if says(&["root/sudo"]) {
        "run loopd as another user, or set IS_SANDBOX=1 in the agent's env"
    } else if says(&["not found (exit status 127)"]) {
        "install the agent, or set `command` in its [agents.NAME] section"
    } else if says(&["model"]) {
        "choose another model"
    } else {
        "see the step's output"
    }
}
