//! Hands on the bytes of a download in order and once: to a reader, one chunk at a time, or to a writer of the caller's.

use std::fmt::Debug;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use tokio::sync::mpsc;

use super::ranges::Known;
use crate::client::error::Error;
use crate::client::limit::CallPermit;

/// How many bytes a writer gets at once.
const PIECE: usize = 1 << 20;

/// Takes the bytes of a download, in order. It is the caller's.
pub trait WritesBytes: Debug + Send + Sync {
    /// Writes all of them.
    fn write(&self, bytes: Bytes) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

    /// The call has ended: nothing more is written, even if its task has not ended yet.
    fn end(&self);
}

/// Who gets the chunks.
pub(super) enum Receiver {
    /// Its other end is a `ByteStream`.
    Reader(mpsc::Sender<Bytes>),
    Writer(Arc<dyn WritesBytes>),
}

/// Hands bytes on, in chunks. What has been handed on cannot be taken back.
pub(super) struct ChunkSender {
    receiver: Receiver,
    chunk_size: usize,
    /// What has come of the next chunk.
    next: Vec<u8>,
    /// What was handed on, with `next`, and of which version it is.
    given: Known,
    hash: Option<Context>,
}

impl ChunkSender {
    pub(super) fn new(receiver: Receiver, chunk_size: usize, is_hashed: bool) -> Self {
        let hash = is_hashed.then(|| Context::new(&SHA256));
        Self { receiver, chunk_size, next: Vec::new(), given: Known::default(), hash }
    }

    pub(super) fn to_writer(writer: &Arc<dyn WritesBytes>, is_hashed: bool) -> Self {
        Self::new(Receiver::Writer(Arc::clone(writer)), PIECE, is_hashed)
    }

    /// An answer begins. If it is the file from its start again, it must be of the version that was handed on: returns how
    /// many bytes were, if that is not sure.
    pub(super) fn begin(&mut self, known: &Known) -> Result<(), u64> {
        let is_sure = known.length >= self.given.length
            || (known.total == self.given.total && known.version.proves_the_same_as(&self.given.version));
        if !is_sure {
            return Err(self.given.length);
        }
        (self.given.total, self.given.version) = (known.total, known.version.clone());
        Ok(())
    }

    /// Takes bytes that begin at this position of the file, and hands on those that are new.
    pub(super) async fn write(&mut self, at: u64, bytes: &[u8], hold: &mut CallPermit) -> Result<(), Error> {
        let known = usize::try_from(self.given.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut new = bytes.get(known..).unwrap_or_default();
        if let Some(hash) = &mut self.hash {
            hash.update(new);
        }
        self.given.length += new.len() as u64;
        while !new.is_empty() {
            let (now, later) = new.split_at(new.len().min(self.chunk_size - self.next.len()));
            self.next.try_reserve(now.len()).map_err(|_| Error::OutOfMemory)?;
            self.next.extend_from_slice(now);
            new = later;
            if self.next.len() == self.chunk_size {
                self.hand_on(hold).await?;
            }
        }
        Ok(())
    }

    /// Hands on what is left, at the end of the file.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        if self.next.is_empty() { Ok(()) } else { self.hand_on(&mut CallPermit::default()).await }
    }

    pub(super) fn sha256(&mut self) -> Option<Vec<u8>> {
        self.hash.take().map(|hash| hash.finish().as_ref().to_vec())
    }

    /// While the receiver takes its time, the permit is free for others: it may make a call itself.
    async fn hand_on(&mut self, hold: &mut CallPermit) -> Result<(), Error> {
        let chunk = Bytes::from(mem::take(&mut self.next));
        match &self.receiver {
            // A reader that is gone has ended the task.
            Receiver::Reader(chunks) => hold.not_during(chunks.send(chunk)).await.map_err(|_| Error::Closed),
            Receiver::Writer(writer) => {
                hold.end();
                writer.write(chunk).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::ranges::Version;
    use super::*;

    #[derive(Debug, Default)]
    struct Pieces(Mutex<Vec<Bytes>>);

    impl WritesBytes for Pieces {
        fn write(&self, bytes: Bytes) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> {
            self.0.lock().unwrap().push(bytes);
            Box::pin(async { Ok(()) })
        }

        fn end(&self) {}
    }

    fn known(length: u64, total: Option<u64>, etag: &str) -> Known {
        Known { length, total, version: Version::with_tag(etag), is_unconfirmed: false }
    }

    #[tokio::test]
    async fn what_was_handed_on_is_not_handed_on_again_and_only_the_same_version_goes_on() {
        let pieces = Arc::new(Pieces::default());
        let writer: Arc<dyn WritesBytes> = Arc::<Pieces>::clone(&pieces);
        let mut sender = ChunkSender::new(Receiver::Writer(writer), 4, true);
        let hold = &mut CallPermit::default();
        sender.begin(&known(0, Some(11), "\"1\"")).unwrap();
        sender.write(0, b"abcdef", hold).await.unwrap();
        // The rest, and then the whole file again.
        sender.begin(&known(6, Some(11), "\"1\"")).unwrap();
        sender.write(6, b"g", hold).await.unwrap();
        assert_eq!(sender.begin(&known(0, Some(11), "\"2\"")), Err(7));
        assert_eq!(sender.begin(&known(0, Some(12), "\"1\"")), Err(7));
        assert_eq!(sender.begin(&known(0, Some(11), "W/\"1\"")), Err(7));
        sender.begin(&known(0, Some(11), "\"1\"")).unwrap();
        sender.write(0, b"abc", hold).await.unwrap();
        sender.write(3, b"defghijk", hold).await.unwrap();
        sender.finish().await.unwrap();
        assert_eq!(*pieces.0.lock().unwrap(), ["abcd", "efgh", "ijk"].map(Bytes::from));
        assert_eq!(sender.sha256().unwrap(), ring::digest::digest(&SHA256, b"abcdefghijk").as_ref());
    }
}
