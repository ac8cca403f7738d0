//! The filters of the templates: how text of unknown size and content is put into a prompt without swallowing it or
//! breaking out of its place.

/// Bytes of one fenced text, where the template does not say otherwise: what is longer would drown the task.
pub(super) const FENCED_BYTES: usize = 48 * 1024;

/// The text in a code fence that is longer than any row of backticks in it, so that no content can close it.
/// Text beyond `most` bytes is cut by [`clip`].
pub(super) fn fenced(text: &str, most: Option<usize>) -> String {
    let text = clip(text, most.unwrap_or(FENCED_BYTES));
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}\n{}\n{fence}", text.trim_end_matches(['\n', '\r']))
}

/// The text as a block quote, so that it cannot pass for a heading or a list of ours.
pub(super) fn quoted(text: &str) -> String {
    let lines = text.trim().lines().map(|line| format!("> {line}"));
    let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// At most about `most` bytes: the first quarter and the rest from the end (errors stand at the end), the cut marked.
pub(super) fn clip(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut head = most / 4;
    let mut tail = text.len() - (most - head);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    format!(
        "{}\n[… {} bytes left out …]\n{}",
        &text[..head],
        tail - head,
        &text[tail..]
    )
}
