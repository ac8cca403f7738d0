//! The arguments of the built-in agent. They are written by the driver, so they are read plainly, but never trusted.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::agent::driver::Role;

/// What a call is about.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) role: Role,
    pub(super) prompt_file: PathBuf,
    pub(super) plan: PathBuf,
    pub(super) iteration: u32,
    pub(super) state_dir: PathBuf,
    pub(super) script: Option<PathBuf>,
    /// The session to go on with.
    pub(super) resume: Option<String>,
}

impl Args {
    pub(super) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Args, String> {
        let (mut role, mut prompt_file, mut plan) = (None, None, None);
        let (mut iteration, mut state_dir, mut script, mut resume) = (None, None, None, None);
        while let Some(name) = args.next() {
            let name = name.to_string_lossy().into_owned();
            let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
            let text = value.to_str();
            match name.as_str() {
                "--role" => {
                    role = Some(match text {
                        Some("implement") => Role::Implement,
                        Some("review") => Role::Review,
                        Some("postmortem") => Role::Postmortem,
                        Some(_) | None => {
                            return Err("--role is implement, review or postmortem".to_owned());
                        }
                    });
                }
                "--prompt-file" => prompt_file = Some(PathBuf::from(value)),
                "--plan" => plan = Some(PathBuf::from(value)),
                "--iteration" => {
                    let number = text.and_then(|text| text.parse().ok());
                    iteration = Some(number.ok_or("--iteration is a number")?);
                }
                "--state-dir" => state_dir = Some(PathBuf::from(value)),
                "--script" => script = Some(PathBuf::from(value)),
                "--resume" => resume = Some(value.to_string_lossy().into_owned()),
                _ => return Err(format!("{name} is no argument of the built-in agent")),
            }
        }
        Ok(Args {
            role: role.ok_or("--role is missing")?,
            prompt_file: prompt_file.ok_or("--prompt-file is missing")?,
            plan: plan.ok_or("--plan is missing")?,
            iteration: iteration.ok_or("--iteration is missing")?,
            state_dir: state_dir.ok_or("--state-dir is missing")?,
            script,
            resume,
        })
    }
}
