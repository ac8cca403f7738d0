//! The command line of one call, or of one question: the parts of a preset that this call has, in order, with their placeholders filled.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::dialect::Dialect;
use super::driver::{ACP_SUBCOMMAND, AgentError, Call, CommandLine, SCRIPTED_SUBCOMMAND, Stdin};
use super::preset::{DriverKind, Part};
use super::resolve::AgentSpec;
use super::verdict;

impl AgentSpec {
    /// The command line of one call.
    pub fn command(&self, call: &Call) -> Result<CommandLine, AgentError> {
        let (program, args, reads_stdin) = match self.preset.driver {
            DriverKind::Known | DriverKind::Exec => self.by_parts(self.preset.parts, call)?,
            DriverKind::Acp => (call.self_exe.clone().into(), self.bridge(call)?, false),
            DriverKind::Scripted => (call.self_exe.clone().into(), self.script(call), false),
        };
        Ok(self.line(call, program, args, reads_stdin))
    }

    /// The command line that asks for a few words and lets the agent use no tool; `None` for an agent that cannot be asked
    /// like that. The user's own arguments are filled as for a review.
    pub fn question(&self, call: &Call) -> Result<Option<CommandLine>, AgentError> {
        if !self.can_answer() {
            return Ok(None);
        }
        let (program, args, reads_stdin) = self.by_parts(self.preset.question, call)?;
        Ok(Some(self.line(call, program, args, reads_stdin)))
    }

    /// Program, arguments, and whether the prompt comes on standard input.
    fn by_parts(
        &self,
        parts: &'static [Part],
        call: &Call,
    ) -> Result<(OsString, Vec<OsString>, bool), AgentError> {
        let args = self.filled(parts, call)?;
        let named = self
            .templates(parts, call)
            .any(|arg| arg.contains("{prompt_file}"));
        Ok((OsString::from(&self.command), args, !named))
    }

    /// The whole, with the environment that the agent needs.
    fn line(
        &self,
        call: &Call,
        program: OsString,
        args: Vec<OsString>,
        reads_stdin: bool,
    ) -> CommandLine {
        let mut env: BTreeMap<String, String> = self
            .preset
            .env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        // Claude refuses to skip permissions as root unless it is told that it is contained.
        if call.root && self.preset.dialect == Dialect::Claude {
            env.insert("IS_SANDBOX".to_owned(), "1".to_owned());
        }
        env.extend(self.env.clone());
        CommandLine {
            program,
            args,
            env: env.into_iter().collect(),
            pass: self
                .preset
                .pass
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
            stdin: if reads_stdin {
                Stdin::File(call.prompt_file.clone())
            } else {
                Stdin::Null
            },
        }
    }

    /// The arguments that this call has, before their placeholders are filled.
    fn templates<'a>(
        &'a self,
        parts: &'static [Part],
        call: &'a Call,
    ) -> impl Iterator<Item = &'a str> {
        parts.iter().flat_map(move |part| {
            let (wanted, fixed) = match part {
                Part::Fixed(args) => (true, *args),
                Part::Model(args) => (call.model.is_some(), *args),
                Part::Resume(args) => (call.resume.is_some(), *args),
                Part::MaxTurns(args) => (call.max_turns.is_some(), *args),
                Part::MaxCost(args) => (call.max_cost_usd.is_some(), *args),
                Part::Review(args) => (call.role.only_reads(), *args),
                Part::Verdict(args) => (call.verdict_schema_file.is_some(), *args),
                Part::Own => (false, &[][..]),
            };
            let own: &[String] = match part {
                Part::Own => &self.args,
                Part::Fixed(_)
                | Part::Model(_)
                | Part::Resume(_)
                | Part::MaxTurns(_)
                | Part::MaxCost(_)
                | Part::Review(_)
                | Part::Verdict(_) => &[],
            };
            let fixed = if wanted { fixed } else { &[] };
            fixed.iter().copied().chain(own.iter().map(String::as_str))
        })
    }

    fn filled(&self, parts: &'static [Part], call: &Call) -> Result<Vec<OsString>, AgentError> {
        self.templates(parts, call)
            .map(|arg| self.fill(arg, call))
            .collect()
    }

    /// `arg` with its placeholders replaced. Other braces stay as they are.
    fn fill(&self, arg: &str, call: &Call) -> Result<OsString, AgentError> {
        let session = call.resume.as_ref().or(call.new_session.as_ref());
        let values: [(&'static str, Option<OsString>, &'static str); 9] = [
            ("{prompt_file}", Some(call.prompt_file.clone().into()), ""),
            ("{plan}", Some(call.plan.clone().into()), ""),
            ("{role}", Some(call.role.as_str().into()), ""),
            ("{verdict_schema}", Some(verdict::SCHEMA.into()), ""),
            (
                "{verdict_schema_file}",
                call.verdict_schema_file.clone().map(OsString::from),
                "only a review has a verdict",
            ),
            (
                "{model}",
                call.model.as_ref().map(OsString::from),
                "set `model`",
            ),
            (
                "{session}",
                session.map(OsString::from),
                "this call has no session",
            ),
            (
                "{max_turns}",
                call.max_turns.map(|turns| turns.to_string().into()),
                "no limit of turns is set",
            ),
            (
                "{max_cost}",
                call.max_cost_usd.map(|cost| format!("{cost:.2}").into()),
                "set `max_cost_usd`",
            ),
        ];
        let mut filled = OsString::new();
        let mut rest = arg;
        while let Some(at) = rest.find('{') {
            let (before, here) = rest.split_at(at);
            filled.push(before);
            let known = values.iter().find(|(name, ..)| here.starts_with(name));
            let used = match known {
                Some((name, Some(value), _)) => {
                    filled.push(value);
                    name.len()
                }
                Some((placeholder, None, hint)) => {
                    return Err(AgentError::NoValue {
                        name: self.name.clone(),
                        placeholder,
                        hint,
                    });
                }
                None => {
                    filled.push("{");
                    1
                }
            };
            rest = here.get(used..).unwrap_or_default();
        }
        filled.push(rest);
        Ok(filled)
    }

    fn bridge(&self, call: &Call) -> Result<Vec<OsString>, AgentError> {
        let mut args: Vec<OsString> = vec![
            ACP_SUBCOMMAND.into(),
            "--prompt-file".into(),
            call.prompt_file.clone().into(),
        ];
        if let Some(session) = &call.resume {
            args.extend(["--resume".into(), session.into()]);
        }
        if let Some(model) = &call.model {
            args.extend(["--model".into(), model.into()]);
        }
        args.extend(["--".into(), OsString::from(&self.command)]);
        args.extend(self.filled(self.preset.parts, call)?);
        Ok(args)
    }

    fn script(&self, call: &Call) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![
            SCRIPTED_SUBCOMMAND.into(),
            "--role".into(),
            call.role.as_str().into(),
            "--prompt-file".into(),
            call.prompt_file.clone().into(),
            "--plan".into(),
            call.plan.clone().into(),
            "--iteration".into(),
            call.iteration.to_string().into(),
            "--state-dir".into(),
            call.state_dir.clone().into(),
        ];
        if let Some(session) = &call.resume {
            args.extend(["--resume".into(), session.into()]);
        }
        if let Some(script) = self.args.first() {
            args.extend(["--script".into(), script.into()]);
        }
        args
    }
}
