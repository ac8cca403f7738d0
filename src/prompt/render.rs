//! Facts and a template in, a prompt out. Strict: a name that is not known is an error with its line, even where the
//! template would not have come by it this time. Bounded: a template is input, so its length, its steps and what it
//! gives have limits.

use std::collections::BTreeMap;
use std::io;
use std::thread;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::error::PromptError;
use super::facts::PromptFacts;
use super::kind::{PARTS, PromptKind};
use super::names::{is_known, line_of, unknown};
use super::text;

/// The longest template that is accepted.
const MOST_TEMPLATE_BYTES: usize = 64 * 1024;
/// The template engine recurses over chains such as `a.b.b.b…`, a level for two bytes of template, and does not count
/// these levels. A stack of this size holds every template that is accepted; pages that are not used cost nothing.
const STACK_BYTES: usize = 256 * 1024 * 1024;
/// The longest prompt that is made.
const MOST_PROMPT_BYTES: usize = 4 * 1024 * 1024;
/// Steps of one rendering. The built-in templates need some hundreds, and a few more for each file or check.
const FUEL: u64 = 1_000_000;

/// A workspace's own templates, by kind: its path, for errors, and its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    templates: BTreeMap<PromptKind, (String, String)>,
}

impl Overrides {
    /// Take a template in place of the built-in one.
    pub fn set(&mut self, kind: PromptKind, path: impl Into<String>, text: impl Into<String>) {
        self.templates.insert(kind, (path.into(), text.into()));
    }
}

/// The prompt of this kind.
///
/// # Errors
/// The workspace's template is not well formed, names what there is not, or is too long; or the prompt is.
pub fn render(
    kind: PromptKind,
    overrides: &Overrides,
    facts: &PromptFacts,
) -> Result<String, PromptError> {
    let built_in = (format!("built-in {}", kind.as_str()), kind.built_in());
    let (name, source) = match overrides.templates.get(&kind) {
        Some((path, text)) => (path.as_str(), text.as_str()),
        None => (built_in.0.as_str(), built_in.1),
    };
    if source.len() > MOST_TEMPLATE_BYTES {
        return Err(PromptError::TooLong {
            template: name.to_owned(),
            what: "the template",
            most: MOST_TEMPLATE_BYTES,
        });
    }
    if !overrides.templates.contains_key(&kind) {
        return render_source(name, source, facts);
    }
    let failed = |what: &str| PromptError::Template {
        template: name.to_owned(),
        line: 1,
        what: what.to_owned(),
    };
    thread::scope(|scope| {
        thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || render_source(name, source, facts))
            .map_err(|error| failed(&format!("no thread to render it in: {error}")))?
            .join()
            .unwrap_or_else(|_| Err(failed("the template engine gave up on it")))
    })
}

fn render_source(name: &str, source: &str, facts: &PromptFacts) -> Result<String, PromptError> {
    let environment = environment().map_err(|error| explain(&error, name, source))?;
    let template = environment
        .template_from_named_str(name, source)
        .map_err(|error| explain(&error, name, source))?;

    let mut missing: Vec<(usize, String)> = template
        .undeclared_variables(false)
        .into_iter()
        .filter(|variable| !is_known(variable, &environment))
        .map(|variable| (line_of(source, &variable), variable))
        .collect();
    missing.sort();
    if let Some((line, variable)) = missing.into_iter().next() {
        return Err(unknown(name, line, variable));
    }

    let mut prompt = Bounded { bytes: Vec::new() };
    template
        .render_captured_to(Value::from(Serde(facts)), &mut prompt)
        .map_err(|error| match error.kind() {
            ErrorKind::WriteFailure => PromptError::TooLong {
                template: name.to_owned(),
                what: "the prompt",
                most: MOST_PROMPT_BYTES,
            },
            _ => explain(&error, name, source),
        })?;
    let mut prompt = String::from_utf8_lossy(&prompt.bytes).trim_end().to_owned();
    prompt.push('\n');
    Ok(prompt)
}

/// Try all templates of a workspace out before a run depends on them: each kind, with every fact given and with all that
/// may be absent absent.
///
/// # Errors
/// The first template that cannot be rendered.
pub fn check(overrides: &Overrides) -> Result<(), PromptError> {
    for kind in overrides.templates.keys() {
        for facts in [PromptFacts::example(), PromptFacts::bare_example()] {
            render(*kind, overrides, &facts)?;
        }
    }
    Ok(())
}

fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true);
    environment.set_syntax(syntax.build()?);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // "none" in the middle of a sentence helps nobody: what may be absent has to be asked for first.
    environment.set_formatter(|out, state, value| {
        if value.is_none() {
            let what = "it is absent here; put it in `{% if … %}`";
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        minijinja::escape_formatter(out, state, value)
    });
    environment.add_filter("fenced", |text: &str, most: Option<usize>| {
        text::fenced(text, most)
    });
    environment.add_filter("quoted", text::quoted);
    environment.add_filter("clip", text::clip);
    for (name, source) in PARTS {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

fn explain(error: &Error, name: &str, source: &str) -> PromptError {
    let template = error.name().unwrap_or(name).to_owned();
    let line = error.line().unwrap_or(1);
    let own = template == name;
    let at = error
        .range()
        .filter(|_| own)
        .and_then(|range| source.get(range));
    if error.kind() == ErrorKind::UndefinedError
        && let Some(at) = at
    {
        return unknown(&template, line, at.to_owned());
    }
    let mut what = error.kind().to_string();
    if let Some(detail) = error.detail() {
        what = format!("{what}: {detail}");
    }
    if let Some(at) = at {
        what = format!("`{at}`: {what}");
    }
    PromptError::Template {
        template,
        line,
        what,
    }
}

/// Takes bytes up to the longest prompt.
struct Bounded {
    bytes: Vec<u8>,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MOST_PROMPT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
