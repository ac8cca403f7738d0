//! One line in `info/exclude`: keeps loopd's logs out of the user's `git status`. Never the user's own `.gitignore`.

use std::{fs, io, path::Path};

use super::{GitError, Repo, Result, admin::write_whole};
use crate::effect::below::make_below;

/// Adds the pattern, unless a line says it already. True, when the file was changed.
///
/// # Errors
/// Permanent, for a pattern of more than one line or when the file cannot be written.
pub async fn exclude_line(repo: &Repo, pattern: &str) -> Result<bool> {
    let _lane = repo.lane().await;
    let wanted = pattern.trim();
    let file = repo.common_dir.join("info/exclude");
    let tried = || format!("exclude {wanted:?} in {}", file.display());
    if wanted.is_empty() || wanted.starts_with(['#', '!']) || wanted.contains(['\n', '\r', '\0']) {
        return Err(GitError::permanent(
            tried(),
            "it has to be one pattern on one line",
        ));
    }
    let mut content = match fs::read(&file) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(GitError::io("read", &file, &error)),
    };
    let same = |line: &[u8]| line.trim_ascii_end() == wanted.as_bytes();
    if content.split(|b| *b == b'\n').any(same) {
        return Ok(false);
    }
    if content.last().is_some_and(|b| *b != b'\n') {
        content.push(b'\n');
    }
    content.extend_from_slice(wanted.as_bytes());
    content.push(b'\n');
    make_below(&repo.common_dir, Path::new("info"), 0o777)
        .map_err(|error| GitError::io("make the directory of", &file, &error))?;
    // A link stays a link: what it leads to is rewritten.
    let real = fs::canonicalize(&file).unwrap_or(file);
    write_whole(&real, &content)?;
    Ok(true)
}
