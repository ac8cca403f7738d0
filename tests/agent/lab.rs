//! A repository in which the built-in agent works as the process that it is.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use agent_loop::agent::{Call, Dialect, Exit, Report, Role, resolve};
use agent_loop::config::AgentDefinition;
use tempfile::TempDir;

use super::streams::parse;

/// A repository with a plan, and a place for the state.
pub struct Lab {
    pub dir: TempDir,
}

impl Lab {
    pub fn new() -> Lab {
        let lab = Lab {
            dir: TempDir::new().unwrap(),
        };
        fs::create_dir(lab.repo()).unwrap();
        lab.git(&["init", "-q", "-b", "main"]);
        lab.write("plan.md", "# Plan\n\n- [ ] one\n- [ ] two\n");
        lab.git(&["add", "-A"]);
        lab.git(&["commit", "-q", "-m", "init"]);
        fs::write(lab.dir.path().join("prompt"), "Do the next task.").unwrap();
        lab
    }

    pub fn repo(&self) -> std::path::PathBuf {
        self.dir.path().join("repo")
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.repo().join(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.repo().join(name)).unwrap()
    }

    fn clean(&self, program: &str, cwd: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "t")
            .env("GIT_AUTHOR_EMAIL", "t@localhost")
            .env("GIT_COMMITTER_NAME", "t")
            .env("GIT_COMMITTER_EMAIL", "t@localhost")
            .current_dir(cwd);
        command
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = self.clean("git", &self.repo()).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn command(&self, role: Role, iteration: u32, script: Option<&str>) -> Command {
        let definitions = script
            .map(|script| {
                let path = self.dir.path().join("script.toml");
                fs::write(&path, script).unwrap();
                let definition = AgentDefinition {
                    args: vec![path.to_str().unwrap().to_owned()],
                    ..AgentDefinition::default()
                };
                ("scripted".to_owned(), definition)
            })
            .into_iter()
            .collect();
        let call = Call {
            role,
            model: None,
            prompt_file: self.dir.path().join("prompt"),
            plan: "plan.md".into(),
            iteration,
            resume: None,
            new_session: None,
            verdict_schema_file: None,
            state_dir: self.dir.path().join("state"),
            self_exe: env!("CARGO_BIN_EXE_loopctl").into(),
            root: false,
            max_turns: None,
            max_cost_usd: None,
        };
        let line = resolve("scripted", &definitions)
            .unwrap()
            .command(&call)
            .unwrap();
        let mut command = self.clean(line.program.to_str().unwrap(), &self.repo());
        command.args(line.args).stdin(Stdio::null());
        command
    }

    pub fn play(&self, role: Role, iteration: u32, script: Option<&str>) -> Report {
        let output = self.command(role, iteration, script).output().unwrap();
        report(&output)
    }

    pub fn implement(&self, script: &str) -> Report {
        self.play(Role::Implement, 1, Some(script))
    }
}

pub fn report(output: &Output) -> Report {
    use std::os::unix::process::ExitStatusExt;
    let exit = Exit {
        code: output.status.code(),
        signal: output.status.signal(),
        ..Exit::default()
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    parse(Dialect::Normal, &output.stdout, &stderr, &exit).1
}
