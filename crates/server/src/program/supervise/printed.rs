//! What a program prints, on its way from a pipe to the log.
//!
//! The program does not get the log itself: whoever opens `/dev/stderr` for writing, as many scripts do, would open the file
//! anew and so truncate it. And only who writes the log can hold it to its limit while no platform is there.

use std::{
    fs::File,
    io::{self, PipeWriter, Write as _},
    os::fd::OwnedFd,
    time::Duration,
};

use tokio::net::unix::pipe::Receiver;

/// What a pipe holds.
const CHUNK: usize = 64 * 1024;

/// The log cannot be written, as a rule because the disk is full; meanwhile the program waits in its next write.
const RETRY: Duration = Duration::from_secs(1);

/// So often it is tried when the program has ended and only the rest of its log is missing.
const LAST_TRIES: u32 = 10;

/// The reading end of a program's stdout and stderr, and the log.
pub(super) struct Printed {
    pipe: Receiver,
    /// Nobody can write any more.
    closed: bool,
    log: File,
    /// Read and not yet written.
    pending: Vec<u8>,
    /// The log could not be written.
    failed: bool,
    /// Bytes that may follow.
    left: u64,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Go on.
    Moved,
    /// The log has just grown beyond its limit; whatever follows is dropped.
    TooLong,
}

impl Printed {
    /// A pipe to `log`, which may have at most `limit` bytes. Must be called within a Tokio runtime.
    pub(super) fn new(log: File, limit: Option<u64>) -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        let printed = Self {
            pipe: Receiver::from_owned_fd(OwnedFd::from(reader))?,
            closed: false,
            log,
            pending: Vec::new(),
            failed: false,
            // One byte more tells that the limit was passed.
            left: limit.map_or(u64::MAX, |limit| limit.saturating_add(1)),
        };
        Ok((printed, writer))
    }

    /// Waits until something was printed and writes it to the log.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn step(&mut self) -> io::Result<Step> {
        if self.failed {
            tokio::time::sleep(RETRY).await;
        } else if self.closed {
            return std::future::pending().await;
        } else {
            self.pipe.readable().await?;
        }
        let had_room = self.left > 0;
        // That the disk is full is the program's to wait for, not the end of its supervision.
        self.failed = self.transfer(Receiver::try_read).is_err();
        Ok(match had_room && self.left == 0 {
            true => Step::TooLong,
            false => Step::Moved,
        })
    }

    /// Writes what is left in the pipe when everybody who could print is gone.
    ///
    /// # Errors
    /// The log cannot be written.
    pub(super) async fn finish(mut self) -> io::Result<()> {
        // Past the runtime, which may not have heard yet of what the kernel has.
        let read = |pipe: &Receiver, buffer: &mut [u8]| Ok(rustix::io::read(pipe, buffer)?);
        let mut tries = 0;
        loop {
            match self.transfer(read) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if tries == LAST_TRIES => return Err(error),
                Err(_) => {
                    tries += 1;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Moves what is there, at most a pipe full of it; whether there may be more.
    fn transfer(
        &mut self,
        read: impl FnOnce(&Receiver, &mut [u8]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        self.write_pending()?;
        self.pending.resize(CHUNK, 0);
        let read = read(&self.pipe, &mut self.pending);
        self.pending.truncate(*read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => {
                self.closed = true;
                return Ok(false);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        self.pending.truncate(room);
        self.left -= self.pending.len() as u64;
        self.write_pending()?;
        Ok(true)
    }

    fn write_pending(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            match self.log.write(&self.pending) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.pending.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
