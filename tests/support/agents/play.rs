//! What the model says: it ticks one box of the plan that the prompt names, commits, and claims completion when no box is
//! left; it approves every review. All of it is read off the request, as a model does, so that an agent's own repeats do
//! no harm. In what words each provider's API says it is known to its own file.

use serde_json::{Value, json};

/// What the model is like.
#[derive(Clone, Debug)]
pub enum Mood {
    /// Does its work.
    Works,
    /// Breaks down at every call, and works in every further try of one.
    Stumbles,
    /// Asks for this command instead, and never comes to its work.
    Runs(String),
    /// Knows no such key.
    Unauthorized,
    /// Has no quota left until then, in seconds since the epoch.
    Limited { resets_at_sec: i64 },
}

/// A request to the model, whatever the API.
#[derive(Debug)]
pub struct Asked {
    /// The whole body.
    pub whole: String,
    /// The tools on offer: name and JSON schema of the parameters.
    pub tools: Vec<(String, Value)>,
    /// Whether a tool has already answered.
    pub worked: bool,
}

/// What the model answers.
#[derive(Debug)]
pub enum Answer {
    /// Its last message.
    Say(String),
    /// A call of a tool: name and arguments.
    Call(String, Value),
}

/// What the prompt of a further try begins with.
const GO_ON: &str = "# Go on: ";
/// The names under which agents offer a shell.
const SHELLS: [&str; 3] = ["Bash", "exec_command", "run_shell_command"];
/// A sentence of the review prompt alone.
const REVIEW: &str = "You review work that another agent has done";
/// What the prompts write before the plan's path.
const PLAN: &str = "Plan, the checklist: `";
/// Printed by the command when no box is left; the command itself does not contain it.
const NONE_LEFT: &str = "NO_BOX_LEFT";

/// Whether a model that stumbles breaks down at this request.
pub fn breaks_down(body: &Value) -> bool {
    !body.to_string().contains(GO_ON)
}

/// What the model answers when it is willing; `instead` of ticking a box it may ask for another command.
pub fn answer(instead: Option<&str>, asked: &Asked) -> Answer {
    let shell = asked
        .tools
        .iter()
        .find(|(name, _)| SHELLS.contains(&name.as_str()));
    let Some((shell, schema)) = shell else {
        // A request beside the work, for a title or the like.
        return Answer::Say("A thing".to_owned());
    };
    if asked.whole.contains(REVIEW) {
        return Answer::Say("I have held the change against the spec.\n\nAPPROVED".to_owned());
    }
    let Some(plan) = plan(&asked.whole) else {
        return Answer::Say("The prompt names no plan.".to_owned());
    };
    if !asked.worked {
        let command = instead.map_or_else(|| command(plan), str::to_owned);
        return Answer::Call(shell.clone(), arguments(schema, &command));
    }
    Answer::Say(if asked.whole.contains(NONE_LEFT) {
        "The last box is ticked.\n\n<promise>COMPLETE</promise>".to_owned()
    } else {
        "One box is ticked, more are open.".to_owned()
    })
}

fn plan(whole: &str) -> Option<&str> {
    let (_, rest) = whole.split_once(PLAN)?;
    rest.split_once('`').map(|(path, _)| path)
}

fn command(plan: &str) -> String {
    format!(
        "echo work >> work.txt && sed -i '0,/- \\[ \\]/s//- [x]/' {plan} && git add --all && \
         git commit --quiet -m 'Do one task' && git log --oneline -n 1; \
         grep -q '^- \\[ \\]' {plan} || printf 'NO_BOX_%s\\n' LEFT"
    )
}

/// The arguments of a shell tool: the command, and a description where one is wanted.
fn arguments(schema: &Value, command: &str) -> Value {
    let mut arguments = json!({});
    for (name, value) in [
        ("command", command),
        ("cmd", command),
        ("description", "do one task"),
    ] {
        if schema["properties"].get(name).is_some() {
            arguments[name] = json!(value);
        }
    }
    arguments
}
