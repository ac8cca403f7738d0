//! The process behind a conversation: the agent, its pipes, and the request to end.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::client::{Client, Order, Step};
use crate::agent::event::{End, Event};
use crate::agent::fault::Fault;
use crate::agent::lines::{Line, Lines};
use crate::agent::text::one_line;

/// How long an agent may take to end after its input is closed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What a call is about.
struct Args {
    prompt_file: PathBuf,
    resume: Option<String>,
    model: Option<String>,
    command: OsString,
    command_args: Vec<OsString>,
}

/// The bridge's whole life: the arguments after its subcommand, its exit status.
pub fn main(args: impl Iterator<Item = OsString>) -> i32 {
    let talked = Args::parse(args).and_then(|args| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("failed to start: {error}"))?;
        runtime.block_on(talk(args))
    });
    match talked {
        Ok(code) => code,
        Err(message) => {
            let fault = Fault::Refused;
            emit(&[Event::Result {
                end: End::Failed { fault, message },
                message: None,
            }]);
            2
        }
    }
}

impl Args {
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Args, String> {
        let (mut prompt_file, mut resume, mut model) = (None, None, None);
        while let Some(name) = args.next() {
            let name = name.to_string_lossy().into_owned();
            if name == "--" {
                break;
            }
            let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
            let text = || value.to_string_lossy().into_owned();
            match name.as_str() {
                "--prompt-file" => prompt_file = Some(PathBuf::from(value)),
                "--resume" => resume = Some(text()),
                "--model" => model = Some(text()),
                _ => return Err(format!("{name} is no argument of the bridge")),
            }
        }
        Ok(Args {
            prompt_file: prompt_file.ok_or("--prompt-file is missing")?,
            resume,
            model,
            command: args.next().ok_or("the agent's command is missing")?,
            command_args: args.collect(),
        })
    }
}

async fn talk(args: Args) -> Result<i32, String> {
    let prompt = std::fs::read(&args.prompt_file)
        .map_err(|error| format!("failed to read {}: {error}", args.prompt_file.display()))?;
    let cwd =
        std::env::current_dir().map_err(|error| format!("failed to find the worktree: {error}"))?;
    let order = Order {
        cwd: cwd.to_string_lossy().into_owned(),
        prompt: String::from_utf8_lossy(&prompt).into_owned(),
        resume: args.resume,
        model: args.model,
    };
    let mut end_asked = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut agent = Command::new(&args.command)
        .args(&args.command_args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("failed to start {}: {error}", args.command.display()))?;
    let input = agent.stdin.take().ok_or("the agent has no input")?;
    let mut output = agent.stdout.take().ok_or("the agent has no output")?;
    let mut to_agent = Some(writer(input));

    let (mut client, first) = Client::start(order);
    let mut ended = carry_out(first, &mut to_agent);
    let mut lines = Lines::default();
    let mut buffer = vec![0; 64 * 1024];
    let patience = tokio::time::sleep(PATIENCE);
    tokio::pin!(patience);
    // Once the agent's input is closed, its output is read to the end, so that it can end by itself.
    loop {
        let over = to_agent.is_none();
        tokio::select! {
            read = output.read(&mut buffer) => {
                let count = read.unwrap_or(0);
                if count == 0 {
                    break;
                }
                let mut steps = Vec::new();
                lines.feed(buffer.get(..count).unwrap_or_default(), &mut |line| {
                    steps.push(read_line(&mut client, &line));
                });
                for step in steps {
                    ended = carry_out(step, &mut to_agent).or(ended);
                }
            }
            _ = end_asked.recv() => {
                ended = carry_out(client.cancel(), &mut to_agent).or(ended);
            }
            () = &mut patience, if over => {
                end_group(&agent);
                break;
            }
        }
        if to_agent.is_none() && !over {
            patience
                .as_mut()
                .reset(tokio::time::Instant::now() + PATIENCE);
        }
    }
    drop(to_agent);
    let status = agent
        .wait()
        .await
        .map_err(|error| format!("failed to wait for the agent: {error}"))?;
    if ended.is_none() {
        emit(&[Event::Error {
            message: format!("the agent ended ({status})"),
        }]);
    }
    Ok(ended.unwrap_or(1))
}

/// Sends in a task of its own, so that an agent that writes before it reads cannot hold up both. Its input is closed
/// when the sender is dropped; when the agent no longer reads it is about to end, and its output tells so.
fn writer(mut input: ChildStdin) -> UnboundedSender<Vec<u8>> {
    let (sender, mut lines) = unbounded_channel::<Vec<u8>>();
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            if input.write_all(&line).await.is_err() || input.flush().await.is_err() {
                return;
            }
        }
    });
    sender
}

fn end_group(agent: &Child) {
    let group = agent
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // It may just have ended by itself.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

fn read_line(client: &mut Client, line: &Line<'_>) -> Step {
    let (Line::Whole(bytes) | Line::Oversize(bytes)) = line;
    match serde_json::from_slice::<Value>(bytes) {
        Ok(message) if message.is_object() => client.take(&message),
        Ok(_) | Err(_) => {
            let start = bytes.get(..1024).unwrap_or(bytes);
            let line = one_line(&String::from_utf8_lossy(start));
            let events = if line.is_empty() {
                Vec::new()
            } else {
                vec![Event::Raw { line }]
            };
            Step {
                events,
                ..Step::default()
            }
        }
    }
}

/// Prints and sends. The exit status, once the conversation has a result.
fn carry_out(step: Step, to_agent: &mut Option<UnboundedSender<Vec<u8>>>) -> Option<i32> {
    emit(&step.events);
    if let Some(sender) = to_agent {
        for message in &step.send {
            let mut line = message.to_string().into_bytes();
            line.push(b'\n');
            // A writer that is gone means an agent that is about to end, which its output tells.
            let _ = sender.send(line);
        }
    }
    if step.over {
        *to_agent = None;
    }
    step.events.iter().find_map(|event| {
        if let Event::Result { end, .. } = event {
            Some(i32::from(*end != End::Done))
        } else {
            None
        }
    })
}

fn emit(events: &[Event]) {
    let mut out = std::io::stdout().lock();
    for event in events {
        if let Ok(line) = serde_json::to_string(event) {
            // A reader that is gone changes nothing about the agent's work.
            let _ = writeln!(out, "{line}");
        }
    }
    let _ = out.flush();
}
