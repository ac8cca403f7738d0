//! What the model says: it ticks one box of the plan that the prompt names, commits, and claims completion when no box is
//! left; it approves every review. All of it is read off the request, as a model does, so that an agent's own repeats do
//! no harm. In what words each provider's API says it is known to its own file.

use std::sync::Arc;

use serde_json::{Value, json};

/// What a test has the model answer to each request of the work.
pub type Play = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// What the model is like.
#[derive(Clone)]
pub enum Mood {
    /// Does its work.
    Works,
    /// Breaks down at every call, and works in every further try of one.
    Stumbles,
    /// Asks for this command instead, and never comes to its work.
    Runs(String),
    /// Answers this, whatever it is asked.
    Answers(Answer),
    /// Answers what a test says; what is asked beside the work gets a title.
    Plays(Play),
}

impl Mood {
    /// Knows no such key.
    pub const UNAUTHORIZED: Mood = Mood::Answers(Answer::Refuse(Refusal::Unauthorized));

    /// Has no quota left until then, in seconds since the epoch.
    pub fn limited(resets_at_sec: i64) -> Mood {
        Mood::Answers(Answer::Refuse(Refusal::Limited { resets_at_sec }))
    }

    /// Answers what `play` says.
    pub fn plays(play: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Mood {
        Mood::Plays(Arc::new(play))
    }
}

/// A request to the model, whatever the API.
#[derive(Debug)]
pub struct Asked {
    /// The whole body.
    pub whole: String,
    /// The tools on offer: name and JSON schema of the parameters.
    pub tools: Vec<(String, Value)>,
    /// Whether a tool has answered since the last prompt.
    pub worked: bool,
}

/// What the model answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Its last message.
    Say(String),
    /// A call of a tool: name and arguments.
    Call(String, Value),
    /// Nothing, and why.
    Refuse(Refusal),
    /// The first half of a message; the rest never comes.
    Half(String),
}

/// Why a model does not answer.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// It knows no such key.
    Unauthorized,
    /// The quota of a window is used up until then, in seconds since the epoch.
    Limited { resets_at_sec: i64 },
    /// Too many requests: come again after so many seconds.
    Later { sec: u32 },
    /// Too much to do.
    Overloaded,
    /// Nothing that a client could make sense of.
    Senseless,
}

/// What the prompt of a further try begins with.
const GO_ON: &str = "# Go on: ";
/// The names under which agents offer a shell.
const SHELLS: [&str; 4] = ["Bash", "bash", "exec_command", "run_shell_command"];
/// The tool by which Claude Code has its model answer by a schema.
const BY_SCHEMA: &str = "StructuredOutput";
/// A sentence of the review prompt alone.
const REVIEW: &str = "You review work that another agent has done";
/// What the prompts write before the plan's path.
const PLAN: &str = "Plan, the checklist: `";
/// What the prompts write before the task, as it stands in JSON.
const TASK: &str = "begin no other:\\n\\n> ";
/// The model of agents that edit files by what they are told, without tools.
pub const EDITOR: &str = "mock-editor";
/// Printed by the command when no box is left; the command itself does not contain it.
const NONE_LEFT: &str = "NO_BOX_LEFT";
/// The end of a message that claims that all is complete.
pub const COMPLETE: &str = "\n\n<promise>COMPLETE</promise>";

/// What the model answers.
pub fn answer(mood: &Mood, asked: &Asked) -> Answer {
    if let Mood::Answers(answer) = mood {
        return answer.clone();
    }
    if matches!(mood, Mood::Stumbles) && !asked.whole.contains(GO_ON) {
        return Answer::Refuse(Refusal::Senseless);
    }
    if asked.shell().is_none() {
        return if asked.whole.contains(&format!("{EDITOR}\"")) {
            asked.edit()
        } else {
            // A request beside the work, for a title or the like.
            Answer::Say("A thing".to_owned())
        };
    }
    match mood {
        Mood::Works | Mood::Stumbles => asked.work(&asked.tick()),
        Mood::Runs(command) => asked.work(command),
        Mood::Plays(play) => play(asked),
        Mood::Answers(answer) => answer.clone(),
    }
}

impl Asked {
    /// Whether a review is asked for.
    pub fn is_review(&self) -> bool {
        self.whole.contains(REVIEW)
    }

    /// The task that the prompt selects.
    pub fn task(&self) -> Option<&str> {
        let (_, rest) = self.whole.rsplit_once(TASK)?;
        rest.split_once("\\n").map(|(task, _)| task)
    }

    /// The plan's path.
    fn plan(&self) -> Option<&str> {
        let (_, rest) = self.whole.rsplit_once(PLAN)?;
        rest.split_once('`').map(|(path, _)| path)
    }

    fn shell(&self) -> Option<&(String, Value)> {
        let is_shell = |tool: &&(String, Value)| SHELLS.contains(&tool.0.as_str());
        self.tools.iter().find(is_shell)
    }

    /// Lets this command be run, once; what the model says then comes after the tool's answer. A review is approved.
    pub fn work(&self, command: &str) -> Answer {
        if self.is_review() {
            return self.approve();
        }
        if !self.worked {
            return self.run(command);
        }
        self.report()
    }

    /// A call of the shell.
    pub fn run(&self, command: &str) -> Answer {
        match self.shell() {
            Some((name, schema)) => Answer::Call(name.clone(), arguments(schema, command)),
            None => Answer::Say("There is no shell.".to_owned()),
        }
    }

    /// A review that finds nothing, by a schema where one is given.
    fn approve(&self) -> Answer {
        let verdict = json!({ "verdict": "APPROVED", "findings": "" });
        match self.tools.iter().any(|(name, _)| name == BY_SCHEMA) {
            true if !self.worked => Answer::Call(BY_SCHEMA.to_owned(), verdict),
            false if self.whole.contains("json_schema") => Answer::Say(verdict.to_string()),
            true | false => approve(),
        }
    }

    /// The last message, after the work: all is complete if the tool said that no box is left.
    pub fn report(&self) -> Answer {
        Answer::Say(if self.whole.contains(NONE_LEFT) {
            format!("The last box is ticked.{COMPLETE}")
        } else {
            "One box is ticked, more are open.".to_owned()
        })
    }

    /// The command that does one task.
    pub fn tick(&self) -> String {
        self.tick_and("echo work >> work.txt", "Do one task")
    }

    /// The command that does `first`, ticks a box and commits all of it.
    pub fn tick_and(&self, first: &str, message: &str) -> String {
        let plan = self.plan().unwrap_or("the plan that no prompt names");
        format!(
            "{first} && sed -i '0,/- \\[ \\]/s//- [x]/' {plan} && git add --all && \
             git commit --quiet -m '{message}' && git log --oneline -n 1; s=$?; {}; (exit $s)",
            self.look()
        )
    }

    /// The command that looks whether a box is left.
    pub fn look(&self) -> String {
        let plan = self.plan().unwrap_or("the plan that no prompt names");
        format!("grep -q '^- \\[ \\]' {plan} || printf 'NO_BOX_%s\\n' LEFT")
    }

    /// The same work, for an agent without tools: it makes the edit that it is told, and commits.
    fn edit(&self) -> Answer {
        if self.is_review() {
            return approve();
        }
        let (Some(plan), Some(task)) = (self.plan(), self.task()) else {
            return Answer::Say(format!("There is nothing to edit.{COMPLETE}"));
        };
        let edit = format!(
            "{plan}\n```\n<<<<<<< SEARCH\n- [ ] {task}\n=======\n- [x] {task}\n>>>>>>> REPLACE\n```\n\n\
             work.txt\n```\n<<<<<<< SEARCH\n=======\nwork\n>>>>>>> REPLACE\n```"
        );
        // The plan is part of the request, wherever it stands.
        let open = self.whole.matches("\\n- [ ] ").count();
        let end = if open > 1 { "" } else { COMPLETE };
        Answer::Say(format!("I tick one box.\n\n{edit}{end}"))
    }
}

/// A review that finds nothing.
pub fn approve() -> Answer {
    Answer::Say("I have held the change against the spec.\n\nAPPROVED".to_owned())
}

/// The arguments of a shell tool: the command, and whatever else it wants.
fn arguments(schema: &Value, command: &str) -> Value {
    let mut arguments = json!({});
    for (name, value) in [
        ("command", json!(command)),
        ("cmd", json!(command)),
        ("description", json!("do one task")),
        ("is_background", json!(false)),
    ] {
        if schema["properties"].get(name).is_some() {
            arguments[name] = value;
        }
    }
    arguments
}
