//! The caption of a row: read before anything is sent, and added once, even if the run is killed meanwhile.

use std::path::PathBuf;

use bytes::Bytes;
use ring::digest::{SHA256, digest};

use super::hash::hexadecimal;
use super::history::{CaptionKey, Slot, Step};
use super::journal::Journal;
use crate::api::captions::{self, WithWarnings};
use crate::api::models;
use crate::client::error::Error;
use crate::client::listing::Reading;
use crate::client::send::Client;
use crate::files;

/// The longest caption file.
const LONGEST: u64 = 16 << 20;

/// A file of captions in one language.
#[derive(Debug, Clone)]
pub(super) struct Caption {
    pub(super) path: PathBuf,
    pub(super) srclang: String,
}

impl Caption {
    /// The request that adds it to a media, and by what the journal knows it. Fails if the file cannot be sent.
    pub(super) fn addition(&self, media_id: i64) -> Result<(WithWarnings<models::Caption>, CaptionKey), Error> {
        let bytes = files::read_short(&self.path, LONGEST).map_err(|error| Error::file(&self.path, error))?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let key = CaptionKey { srclang: self.srclang.clone(), sha256: hexadecimal(digest(&SHA256, &bytes).as_ref()) };
        Ok((captions::add(media_id, (name, Bytes::from(bytes)), &self.srclang)?, key))
    }

    /// Adds it to a media, unless the journal or Studio knows that it is there. Returns what to tell about the file.
    pub(super) async fn add(&self, client: &Client, journal: &Journal, slot: &Slot) -> Result<Vec<String>, Error> {
        let (WithWarnings { request, warnings }, key) = self.addition(slot.media_id)?;
        let record = |step| journal.record(Slot { step, caption: Some(key.clone()), ..slot.clone() });
        // An earlier run may have added it, and was killed before it knew.
        if slot.step == Step::Captioning && self.is_there(client, slot.media_id).await? {
            record(Step::Captioned)?;
            return Ok(warnings);
        }
        record(Step::Captioning)?;
        client.send(&request).await?;
        record(Step::Captioned)?;
        Ok(warnings)
    }

    /// Whether the media has captions in this language.
    async fn is_there(&self, client: &Client, media_id: i64) -> Result<bool, Error> {
        let mut reader = client.list(captions::list(media_id)?).read(Reading::default());
        while let Some(pages) = reader.next_pages().await? {
            let is_ours = |language: &str| language.eq_ignore_ascii_case(&self.srclang);
            if pages.iter().flatten().any(|caption| caption.srclang.as_deref().is_some_and(is_ours)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
