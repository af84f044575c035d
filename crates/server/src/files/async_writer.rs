//! Writing from the asynchronous side: hashing and disk work happen on blocking threads.

use bytes::BytesMut;
use tokio::task::{JoinHandle, spawn_blocking};

use super::error::Result;
use super::{FileError, FileWriter, Sha256, Stored, UploadWriter};

/// Bytes collected before a blocking thread is asked to write them. Small enough that an upload holds little memory
/// (at most twice this, and one chunk), large enough that handing over costs nothing beside hashing.
const BATCH: usize = 256 * 1024;

/// Something that takes bytes and may block: [`FileWriter`] and [`UploadWriter`].
pub trait BlockingWrite: Send + 'static {
    /// Appends `chunk`.
    ///
    /// # Errors
    /// As the writer has it. The writer is dropped then.
    fn write(&mut self, chunk: &[u8]) -> Result<()>;
}

impl BlockingWrite for FileWriter {
    fn write(&mut self, chunk: &[u8]) -> Result<()> {
        Self::write(self, chunk)
    }
}

impl BlockingWrite for UploadWriter {
    fn write(&mut self, chunk: &[u8]) -> Result<()> {
        Self::write(self, chunk)
    }
}

/// Lends a blocking writer to blocking threads, one batch at a time, so that a slow sender holds no thread.
///
/// Chunks of any size are collected into batches. While one batch is written the next is collected; then
/// [`write`](Self::write) waits, and with it whoever reads the socket.
#[derive(Debug)]
pub struct AsyncWriter<W> {
    state: State<W>,
    pending: BytesMut,
}

/// Writes a stored file from the asynchronous side.
pub type AsyncFileWriter = AsyncWriter<FileWriter>;
/// Appends to an upload from the asynchronous side.
pub type AsyncUploadWriter = AsyncWriter<UploadWriter>;

#[derive(Debug)]
enum State<W> {
    Idle(W),
    Busy(JoinHandle<Result<W>>),
    Closed,
}

impl<W: BlockingWrite> AsyncWriter<W> {
    /// Wraps `writer`.
    #[must_use]
    pub fn new(writer: W) -> Self {
        Self {
            state: State::Idle(writer),
            pending: BytesMut::new(),
        }
    }

    /// Takes `chunk`; waits while a batch is being written and the next is full.
    ///
    /// # Errors
    /// Those of the writer, for this chunk or an earlier one. Nothing more is taken after an error.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, `chunk` was not taken and nothing else is lost.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<()> {
        if !self.pending.is_empty() && self.pending.len() + chunk.len() > BATCH {
            let writer = self.idle_writer().await?;
            self.state = State::Busy(write_batch(writer, self.pending.split()));
        }
        self.pending.extend_from_slice(chunk);
        Ok(())
    }

    /// Waits for the batch under way. The writer comes back by value, with no await before its next use.
    async fn idle_writer(&mut self) -> Result<W> {
        if let State::Busy(task) = &mut self.state {
            let done = task.await;
            self.state = match done {
                Ok(Ok(writer)) => State::Idle(writer),
                Ok(Err(error)) => {
                    self.state = State::Closed;
                    return Err(error);
                }
                Err(_) => State::Closed,
            };
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Idle(writer) => Ok(writer),
            State::Busy(_) | State::Closed => Err(FileError::Closed),
        }
    }

    /// Writes the rest and runs `end` on a blocking thread.
    async fn end<T: Send + 'static>(
        mut self,
        end: impl FnOnce(W) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut writer = self.idle_writer().await?;
        let rest = self.pending;
        spawn_blocking(move || {
            writer.write(&rest)?;
            end(writer)
        })
        .await
        .map_err(|_| FileError::Closed)?
    }
}

impl AsyncFileWriter {
    /// As [`FileWriter::finish`].
    ///
    /// # Errors
    /// As [`FileWriter::finish`], and those of writes that were still under way.
    ///
    /// # Cancel safety
    /// When the future is dropped, the file may or may not get stored.
    pub async fn finish(self, expected: Option<Sha256>) -> Result<Stored> {
        self.end(move |writer| writer.finish(expected)).await
    }
}

impl AsyncUploadWriter {
    /// As [`UploadWriter::finish`].
    ///
    /// # Errors
    /// As [`UploadWriter::finish`], and those of writes that were still under way.
    ///
    /// # Cancel safety
    /// When the future is dropped, the bytes taken so far may or may not be appended; the offset tells.
    pub async fn finish(self) -> Result<u64> {
        self.end(UploadWriter::finish).await
    }
}

fn write_batch<W: BlockingWrite>(mut writer: W, batch: BytesMut) -> JoinHandle<Result<W>> {
    spawn_blocking(move || {
        writer.write(&batch)?;
        Ok(writer)
    })
}
