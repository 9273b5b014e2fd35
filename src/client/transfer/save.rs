//! Saves an answer as a file, which gets its name only when it is whole.

use std::path::PathBuf;

use bytes::Bytes;

use super::disk::on_disk;
use super::download::check_target;
use crate::api::{InvalidArgument, Request};
use crate::client::error::Error;
use crate::client::send::Client;
use crate::files;

/// An answer to save: which, and where to.
#[derive(Debug, Clone)]
pub struct Save {
    request: Request<Bytes>,
    path: PathBuf,
}

impl Save {
    /// Checks the path before anything is sent. `example` is the name of such a file, for a message.
    pub fn new(request: Request<Bytes>, path: PathBuf, example: &str) -> Result<Self, InvalidArgument> {
        check_target(&path, example)?;
        Ok(Self { request, path })
    }
}

impl Client {
    /// Saves an answer as a file.
    pub async fn save(&self, save: Save) -> Result<PathBuf, Error> {
        let bytes = self.send(&save.request).await?;
        on_disk(|| files::put(&save.path, &bytes)).map_err(|error| Error::file(&save.path, error))?;
        Ok(save.path)
    }
}
