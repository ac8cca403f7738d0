//! Commits by plumbing, and the trailers by which loopd knows its own.

use super::{
    Oid, Repo, Result,
    refs::{oid, resolve},
    safe::Safe,
};

/// Names the run that a commit of loopd's belongs to.
pub(super) const RUN: &str = "Loopd-Run";
/// What a commit of loopd's is: snapshot, leftovers, plan, catch-up or merge.
pub(super) const KIND: &str = "Loopd-Kind";

/// The trailers of a commit.
pub(super) struct Marks<'a> {
    pub run_id: &'a str,
    pub kind: &'a str,
    /// The caller's own, (name, value).
    pub more: &'a [(&'a str, &'a str)],
}

/// The message with its trailers; a line break in a value cannot forge another one.
fn marked(message: &str, marks: &Marks<'_>) -> String {
    let mut text = format!("{}\n\n", message.trim().replace('\0', " "));
    for (name, value) in [(RUN, marks.run_id), (KIND, marks.kind)]
        .iter()
        .chain(marks.more)
    {
        text.push_str(&format!(
            "{name}: {}\n",
            value.replace(['\n', '\r', '\0'], " ")
        ));
    }
    text
}

/// Makes a commit of a tree. No branch moves.
pub(super) async fn commit_tree(
    safe: &Safe<'_>,
    tree: &Oid,
    parents: &[&Oid],
    message: &str,
    marks: &Marks<'_>,
) -> Result<Oid> {
    let mut args = vec!["commit-tree", tree.as_str()];
    for parent in parents {
        args.extend(["-p", parent.as_str()]);
    }
    args.extend(["-F", "-"]);
    let made = safe
        .call(args)
        .stdin(marked(message, marks).into_bytes())
        .text()
        .await?;
    oid(made, "make a commit")
}

/// What kind of commit of this run's it is; none, if loopd did not make it for this run.
pub(super) async fn kind_of(repo: &Repo, commit: &Oid, run_id: &str) -> Result<Option<String>> {
    let format =
        format!("--format=%(trailers:key={RUN},valueonly)%x00%(trailers:key={KIND},valueonly)");
    let said = repo
        .call(["log", "--max-count=1", &format, commit.as_str()])
        .text()
        .await?;
    let (run, kind) = said.split_once('\0').unwrap_or_default();
    let ours = run.trim() == run_id && !kind.trim().is_empty();
    Ok(ours.then(|| kind.trim().to_owned()))
}

/// The first parent.
pub(super) async fn parent_of(repo: &Repo, commit: &Oid) -> Result<Option<Oid>> {
    resolve(repo, &format!("{commit}^1")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_forge_a_trailer() {
        let marks = Marks {
            run_id: "r1",
            kind: "merge",
            more: &[("Loopd-Spec", "a\nLoopd-Run: r2")],
        };
        let text = marked("Do it\n\n", &marks);
        assert_eq!(
            text,
            "Do it\n\nLoopd-Run: r1\nLoopd-Kind: merge\nLoopd-Spec: a Loopd-Run: r2\n"
        );
    }
}
