//! The client: sends a request (`send`), repeats it, authorizes it, reads lists and downloads files.

pub mod address;
mod attempts;
pub mod auth;
pub mod body;
mod call_queue;
pub mod config;
mod connections;
mod diagnosis;
pub mod error;
mod exchange;
mod failure;
mod groups;
mod headers;
mod limit;
pub mod listing;
pub mod log;
mod network;
mod own_runtime;
pub mod pace;
mod permissions;
pub mod process;
pub mod retry;
pub mod secrets;
pub mod send;
mod sending;
mod sharing;
pub mod tasks;
pub mod transcoding;
pub mod transfer;
mod transfer_media;
mod users;

pub use auth::token_store::{TokenStore, Tokens};
pub use auth::{Auth, OAuth};
pub use call_queue::{CallQueue, QueuedCall};
pub use config::{Config, Options};
pub use diagnosis::Step;
pub use error::{Error, RequestInfo, StatusError, Unreadable, UploadState};
pub use limit::{ExtraPermit, RequestLimit};
pub use listing::{Checkpoint, Listing, Reader, Reading};
pub use network::Network;
pub use pace::Pace;
pub use process::{PerProcess, PerRuntime};
pub use send::{Attached, Client};
pub use transcoding::Transcoding;
pub use transfer::{
    ByteStream, Download, FileToSend, Limits, MediaUpload, Save, Saved, Target, Transferred, Upload, UploadStep,
    UploadSteps, WritesBytes,
};
