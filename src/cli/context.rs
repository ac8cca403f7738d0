//! What a command works with: the global options, the way to the daemon, and standard output, to which everything that a
//! person asked for is written. Diagnostics go to standard error through `tracing`.

use std::io::{self, Stdout, Write as _};
use std::path::PathBuf;

use anstream::AutoStream;
use clap::ColorChoice;

use super::args::{DEFAULT_ADDR, Global};
use super::client::address::{Address, BadAddress};
use super::client::call::Reply;
use super::client::endpoint::Endpoint;
use super::client::request::Client;
use super::client::token::TokenSource;
use super::error::Error;
use super::preview::Preview;
use super::render::text::escaped;
use crate::config::paths;
use crate::core::step::Confinement;

/// A command's surroundings.
pub struct Context {
    /// The global options.
    pub global: Global,
    /// Makes the prompt of a run that is not there yet.
    pub preview: Preview,
    /// Says how far this machine can confine a step.
    pub confinement: fn() -> Confinement,
    out: AutoStream<Stdout>,
}

impl Context {
    /// Surroundings as the options say.
    pub fn new(global: Global, preview: Preview, confinement: fn() -> Confinement) -> Self {
        let out = AutoStream::new(io::stdout(), stream_choice(global.color));
        Context {
            global,
            preview,
            confinement,
            out,
        }
    }

    /// Waits for the daemon.
    ///
    /// # Errors
    /// A malformed address (usage), or no daemon.
    pub async fn client(&self) -> Result<Client, Error> {
        self.endpoint()?.ready(self.global.ready_timeout).await
    }

    /// Where the daemon is expected.
    ///
    /// # Errors
    /// A malformed address.
    pub fn endpoint(&self) -> Result<Endpoint, Error> {
        let address: Address = self.global.addr.parse().map_err(|bad: BadAddress| Error::Usage {
            message: bad.to_string(),
            hint: Some(format!(
                "write --addr (or LOOPD_ADDR) like {DEFAULT_ADDR} or unix:/run/user/1000/loopd.sock"
            )),
        })?;
        let mut start = "loopd".to_owned();
        if self.global.addr != DEFAULT_ADDR {
            start.push_str(&format!(" --addr {}", shell_word(&self.global.addr)));
        }
        if let Some(dir) = &self.global.data_dir {
            start.push_str(&format!(
                " --data-dir {}",
                shell_word(&dir.display().to_string())
            ));
        }
        Ok(Endpoint {
            address,
            token: TokenSource::new(self.global.token.as_deref(), self.data_dir().as_deref()),
            start,
        })
    }

    /// The daemon's data directory, where one can be named.
    pub fn data_dir(&self) -> Option<PathBuf> {
        let said = self.global.data_dir.as_deref();
        paths::data_dir(said, |name| std::env::var_os(name)).ok()
    }

    /// Writes a line.
    ///
    /// # Errors
    /// Standard output is gone or full.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), Error> {
        Ok(writeln!(self.out, "{}", text.as_ref())?)
    }

    /// Writes a text as it is, and lets it be seen at once.
    ///
    /// # Errors
    /// Standard output is gone or full.
    pub fn text(&mut self, text: &str) -> Result<(), Error> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// Writes a text byte for byte, escape sequences and all; for text that another program reads.
    ///
    /// # Errors
    /// Standard output is gone or full.
    pub fn raw(&mut self, text: &str) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Writes JSON as a line.
    ///
    /// # Errors
    /// Standard output is gone or full.
    pub fn data(&mut self, json: impl AsRef<str>) -> Result<(), Error> {
        self.line(escaped(json.as_ref()))
    }

    /// With `--json`, writes the reply as it came and returns true.
    ///
    /// # Errors
    /// Standard output is gone or full.
    pub fn json(&mut self, reply: &Reply) -> Result<bool, Error> {
        if self.global.json {
            let body = String::from_utf8_lossy(&reply.body);
            self.data(body.trim_end_matches('\n'))?;
        }
        Ok(self.global.json)
    }
}

/// The options' colour choice as the stream understands it; `auto` honours NO_COLOR and whether it is a terminal.
pub fn stream_choice(color: ColorChoice) -> anstream::ColorChoice {
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
}

/// A text as one word of a shell's command line.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
