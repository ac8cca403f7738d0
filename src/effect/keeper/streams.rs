//! The pipes of a running command and the files behind them. Pipes are always drained, past every cap, so that a
//! command never waits for us; waiting for their end is nobody's business, because a grandchild may hold them open.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Stdio;

use rustix::io::Errno;

use super::job::{Command, Stderr};
use super::output::{Seen, Sink};
use super::text::OsText;

/// Read at once from one pipe, so that the other one and the clock get their turn.
const CHUNK: usize = 256 << 10;
/// Asked of the kernel for each pipe; an unprivileged process may have this much.
const PIPE: usize = 1 << 20;

/// One pipe, and where it goes.
#[derive(Debug)]
struct Stream {
    /// `None` once its last writer has closed it.
    pipe: Option<io::PipeReader>,
    sink: Sink,
}

/// The pipes of one command.
#[derive(Debug)]
pub struct Streams {
    streams: Vec<Stream>,
    buffer: Vec<u8>,
    bytes: u64,
}

impl Streams {
    /// Opens the files, and gives the ends that the command writes to: its output and its errors.
    ///
    /// # Errors
    /// A text that names the file.
    pub fn open(command: &Command) -> Result<(Self, Stdio, Stdio), String> {
        let (out, writer) = Stream::open(&command.stdout, command.max_output_bytes)?;
        let mut streams = vec![out];
        let errors = match &command.stderr {
            Stderr::Merged => writer
                .try_clone()
                .map_err(|e| format!("failed to copy a pipe: {e}"))?,
            Stderr::File(path) => {
                let (stream, writer) = Stream::open(path, command.max_output_bytes)?;
                streams.push(stream);
                writer
            }
        };
        let streams = Self {
            streams,
            buffer: vec![0; CHUNK],
            bytes: 0,
        };
        Ok((streams, writer.into(), errors.into()))
    }

    /// The pipes that are still open, to wait for.
    pub fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.streams
            .iter()
            .filter_map(|s| s.pipe.as_ref().map(AsFd::as_fd))
    }

    /// All bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads once from the open pipes whose turn it is, in the order of [`Self::pipes`].
    pub fn drain(&mut self, ready: &[bool]) {
        let open = self.streams.iter_mut().filter(|s| s.pipe.is_some());
        for (stream, _) in open.zip(ready).filter(|(_, ready)| **ready) {
            let Some(pipe) = &stream.pipe else { continue };
            match rustix::io::read(pipe, &mut self.buffer) {
                Ok(0) => stream.pipe = None,
                Ok(n) => {
                    self.bytes += n as u64;
                    stream.sink.push(&self.buffer[..n]);
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                // A pipe that cannot be read has nothing more to say.
                Err(_) => stream.pipe = None,
            }
        }
    }

    /// Closes the files and sums up what went into them.
    pub fn finish(self) -> Seen {
        let mut sum = Seen::default();
        for stream in self.streams {
            let seen = stream.sink.finish();
            sum.bytes += seen.bytes;
            sum.lines += seen.lines;
            sum.cut += seen.cut;
            sum.error = sum.error.or(seen.error);
        }
        sum
    }
}

impl Stream {
    fn open(path: &OsText, max: u64) -> Result<(Self, io::PipeWriter), String> {
        let sink = Sink::create(path.as_path(), max)
            .map_err(|e| format!("failed to write {}: {e}", path.display()))?;
        let (reader, writer) = io::pipe().map_err(|e| format!("failed to make a pipe: {e}"))?;
        // A wish: the pipe works with any size.
        let _ = rustix::pipe::fcntl_setpipe_size(&reader, PIPE);
        let pipe = Some(reader);
        Ok((Self { pipe, sink }, writer))
    }
}
