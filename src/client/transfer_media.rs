//! Transfers the unshared media of a user, if they are as many as expected.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

use super::call_queue::{CallQueue, QueuedCall};
use super::error::Error;
use super::listing::Reading;
use super::send::Client;
use crate::api::InvalidArgument;
use crate::api::models::{MediaTransfer, Permissions};
use crate::api::transfer_media::TransferMedia;

impl Client {
    /// Counts the media that may be moved. If they are another number than expected, nothing is sent that changes anything.
    pub async fn transfer_media(&self, transfer: &TransferMedia) -> Result<MediaTransfer, Error> {
        let found = self.unshared_media(transfer).await?;
        if found.len() != transfer.expected {
            let (user, expected) = (transfer.from_user, transfer.expected);
            return Err(Error::OtherCount { user, expected, found });
        }
        self.send(&transfer.transfer).await
    }

    /// The ids of the media that belong to the user and are not shared: a request for each that belongs to them.
    async fn unshared_media(&self, transfer: &TransferMedia) -> Result<Vec<i64>, Error> {
        let reading = Reading { limit: None, is_consistent: true };
        let (media, _) = self.list(transfer.list.clone()).collect(reading).await?;
        let mut own = media.into_iter().filter(|media| transfer.is_own(media)).map(|media| media.id());
        let mut queue = CallQueue::new(self.clone());
        // The media whose permissions are being asked for, in order.
        let mut asked = VecDeque::new();
        let mut unshared = Vec::new();
        loop {
            while asked.len() < queue.capacity()
                && let Some(id) = own.next()
            {
                queue.push(permissions(id)?);
                asked.push_back(id);
            }
            let Some(id) = asked.pop_front() else { return Ok(unshared) };
            poll_fn(|context| queue.poll_first(context)).await?;
            let Some(permissions) = queue.take_first() else { return Err(Error::Exiting) };
            if transfer.is_unshared(&permissions?) {
                unshared.push(id);
            }
        }
    }
}

fn permissions(id: i64) -> Result<QueuedCall<Permissions>, InvalidArgument> {
    let request = TransferMedia::permissions(id)?;
    let start = move |client: Client| {
        let request = request.clone();
        Box::pin(async move { client.send(&request).await }) as _
    };
    Ok(QueuedCall { start: Arc::new(start), is_one_request: true })
}
