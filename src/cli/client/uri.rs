//! Percent-encoding of what a person typed, on its way into a path or a query (RFC 3986, section 2.3: everything that
//! is not unreserved is encoded, so that a name with a slash or a space stays one segment).

use std::fmt::Write as _;

/// One segment of a path, or one key or value of a query.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `/runs/RUN` and what follows it, for a run as a person names it. The two names that a URL parser would resolve away
/// are encoded as well.
pub fn run_path(run: &str, rest: &str) -> String {
    let segment = match run {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        run => encode(run),
    };
    format!("/runs/{segment}{rest}")
}

/// `path?key=value&…`, leaving out what has no value.
pub fn with_query(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut out = path.to_owned();
    let mut separator = '?';
    for (key, value) in pairs {
        if let Some(value) = value {
            out.push(separator);
            out.push_str(&encode(key));
            out.push('=');
            out.push_str(&encode(value));
            separator = '&';
        }
    }
    out
}
