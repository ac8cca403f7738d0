//! Spec and plan of a run that is asked for, as they are at its base or in the workspace.

use std::path::Path;

use super::error::{CreateError, invalid};
use super::place::Place;
use crate::effect::git::{self, Oid};

/// Spec and plan: at the base, where they have to be as they are in the workspace, or as they are now.
pub(super) async fn texts(
    place: &Place,
    base: &Oid,
    branch: &str,
    paths: [&String; 2],
    snapshot: bool,
) -> Result<[Vec<u8>; 2], CreateError> {
    if snapshot && place.is_bare() {
        return Err(invalid(
            "snapshot_bare",
            format!(
                "a snapshot takes spec and plan as they are in the checkout, and {} is a bare repository without any",
                place.root.display()
            ),
            format!(
                "commit them on {branch} and ask without --snapshot, or ask from a checkout of the repository"
            ),
        ));
    }
    let mut texts = [Vec::new(), Vec::new()];
    for ((what, path), text) in ["spec", "plan"].into_iter().zip(paths).zip(&mut texts) {
        let present = place.read(path)?;
        let committed = git::show(&place.repo, base, Path::new(path)).await?;
        *text = match (present, committed, snapshot) {
            (Some(present), _, true) => present,
            (None, _, true) | (None, None, false) => {
                return Err(place.missing(what, path, branch));
            }
            (Some(present), Some(committed), false) if present == committed => committed,
            (None, Some(committed), false) => committed,
            (Some(_), Some(_), false) => {
                return Err(invalid(
                    "file_differs",
                    format!("the {what} {path} differs from what is committed on {branch}"),
                    "commit it, or pass --snapshot to start from its present content",
                ));
            }
            (Some(_), None, false) => {
                return Err(invalid(
                    "file_not_committed",
                    format!("the {what} {path} is not committed on {branch}"),
                    "commit it, or pass --snapshot to start from its present content",
                ));
            }
        };
    }
    Ok(texts)
}

/// Text in two or four bytes a character reads as nothing at all, which would be told of the plan as having no task.
pub(super) fn check_encoding(what: &str, path: &str, text: &[u8]) -> Result<(), CreateError> {
    let wide = text.starts_with(&[0xff, 0xfe])
        || text.starts_with(&[0xfe, 0xff])
        || text.iter().take(4096).any(|byte| *byte == 0);
    if !wide {
        return Ok(());
    }
    Err(invalid(
        "encoding",
        format!("the {what} {path} is not UTF-8: it looks like UTF-16, or is no text at all"),
        format!("save it as UTF-8, for example with `iconv -f UTF-16 -t UTF-8 {path}`"),
    ))
}
