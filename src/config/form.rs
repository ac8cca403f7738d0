//! What a text has to look like, form by form. Only the shape: whether a branch, a file or an agent exists is looked
//! at where it is used.

use super::key::Form;
use super::worktree_path;

/// Which layer a value comes from, as far as it matters for what it may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The user's own: their file, a file they named, their flags, a request with their token.
    Full,
    /// A file of the workspace, which came with the repository.
    Workspace,
}

const LONGEST: usize = 8 * 1024;
/// Bytes of a path or of a branch. The system takes 4096 for a whole path, with the repository's own and what is made below.
const LONGEST_PATH: usize = 2048;
/// Bytes of one name in a path (`NAME_MAX`).
const LONGEST_NAME: usize = 255;
/// Bytes of one part of a branch: git makes a file of that name, and one with `.lock` at its end beside it.
const LONGEST_REF: usize = LONGEST_NAME - ".lock".len();
/// Bytes that a run's own name, and a number after it, may add to the prefix of its branch.
const OWN_NAME: usize = 75;

/// Whether `text` has this form; else what is wrong with it.
pub(super) fn check(form: Form, text: &str, trust: Trust) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    // A check may well be a script of several lines; all else is one line.
    let forbidden =
        |c: char| c.is_control() && !(form == Form::Command && matches!(c, '\n' | '\t'));
    if text.contains(forbidden) {
        return Err("it contains a control character".to_owned());
    }
    match form {
        Form::Command => Ok(()),
        Form::Name => name(text),
        Form::PathInside => path(text, false).and_then(|()| fits(text, LONGEST_NAME)),
        Form::Path => path(text, true).and_then(|()| fits(text, LONGEST_NAME)),
        Form::PathAbsolute => absolute(text).and_then(|()| fits(text, LONGEST_NAME)),
        Form::Branch => branch(text).and_then(|()| fits(text, LONGEST_REF)),
        Form::BranchPrefix => {
            branch(&format!("{text}x")).and_then(|()| fits(text, LONGEST_REF - OWN_NAME))
        }
        Form::Glob => glob(text),
        Form::Variable => variable(text, trust),
        Form::Host => host(text),
        Form::WorktreePath => worktree_path::check(text, trust),
    }
}

fn refuse_if(wrong: bool, what: &str) -> Result<(), String> {
    if wrong { Err(what.to_owned()) } else { Ok(()) }
}

/// Whether there can be files of this name: one that is too long would only be met when the work is done.
pub(super) fn fits(text: &str, longest_name: usize) -> Result<(), String> {
    if text.len() > LONGEST_PATH {
        return Err(format!("it is longer than {LONGEST_PATH} bytes"));
    }
    if text.split('/').any(|part| part.len() > longest_name) {
        return Err(format!(
            "a part of it is longer than {longest_name} bytes, which no file can be called"
        ));
    }
    Ok(())
}

fn name(text: &str) -> Result<(), String> {
    refuse_if(text.contains(char::is_whitespace), "it contains a space")?;
    refuse_if(
        text.starts_with('-'),
        "it begins with `-`, as only an option does",
    )
}

fn path(text: &str, may_be_absolute: bool) -> Result<(), String> {
    refuse_if(
        text.starts_with('~'),
        "`~` is not expanded here; write the path in full",
    )?;
    refuse_if(
        text.split('/').any(|part| part == ".."),
        "it leads out of the workspace by `..`",
    )?;
    refuse_if(
        !may_be_absolute && text.starts_with('/'),
        "it is absolute; write it relative to the workspace",
    )
}

fn absolute(text: &str) -> Result<(), String> {
    refuse_if(
        !text.starts_with('/'),
        "it is not absolute; write it from `/` on",
    )
}

/// The rules of `git check-ref-format --branch`.
fn branch(text: &str) -> Result<(), String> {
    let bad_char = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    refuse_if(
        text.contains(bad_char)
            || text.contains("..")
            || text.contains("@{")
            || text.starts_with('-')
            || text.ends_with('.')
            || text == "@"
            || text == "HEAD"
            || text.split('/').any(bad_part),
        "git does not accept it as a branch name",
    )?;
    refuse_if(
        text.starts_with("refs/"),
        "write the branch name without `refs/…/`",
    )
}

fn glob(text: &str) -> Result<(), String> {
    path(text, false)?;
    match globset::Glob::new(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("it is no glob ({})", error.kind())),
    }
}

fn variable(text: &str, trust: Trust) -> Result<(), String> {
    let wild = |c: char| c == '*' || c == '?';
    refuse_if(
        text.starts_with(|c: char| c.is_ascii_digit())
            || !text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || wild(c)),
        "it is no name of a variable; letters, digits and `_`, `*` and `?` as wildcards",
    )?;
    refuse_if(
        text.starts_with("LOOPD_"),
        "loopd's own variables never reach an agent",
    )?;
    // A repository may ask for what it knows by name; "everything" is for the user to say.
    let literal = text.split(wild).next().unwrap_or_default();
    refuse_if(
        trust == Trust::Workspace && text.contains(wild) && !literal.contains('_'),
        "a workspace file can pass variables by name or by a glob such as `MYAPP_*`; wider ones belong in your own config file",
    )
}

fn host(text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    refuse_if(
        !text.chars().all(allowed),
        "it is no host name; write it without scheme and path",
    )
}
