//! Waits until Studio has transcoded a media.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::config::duration;
use super::error::Error;
use super::send::Client;
use crate::api::models::Media;
use crate::api::words::{TRANSCODING_FAILED, TRANSCODING_FINISHED};
use crate::api::{InvalidArgument, Request, check, media};

/// The first pause between two questions. A pause is a quarter of the time that has passed, so that a short film is not
/// waited for long, and a long one is asked about seldom.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A media to wait for, and how long.
#[derive(Debug, Clone)]
pub struct Transcoding {
    media_id: i64,
    get: Request<Media>,
    timeout: Duration,
}

impl Transcoding {
    /// `timeout` is in seconds; infinity means no limit.
    pub fn new(media_id: i64, timeout: f64) -> Result<Self, InvalidArgument> {
        let refuse = || InvalidArgument::new("timeout", format!("must be a number of seconds above 0, not {timeout}"));
        let timeout = duration(timeout).filter(|timeout| !timeout.is_zero());
        let media_id = check::id("media", media_id)?;
        Ok(Self { media_id, get: media::get(media_id)?, timeout: timeout.ok_or_else(refuse)? })
    }
}

impl Client {
    /// Asks for a media until it is transcoded. Any status but the known ones means that it is not yet.
    pub async fn wait_until_ready(&self, transcoding: &Transcoding) -> Result<Media, Error> {
        self.until_closed(Box::pin(self.ask_until_ready(transcoding))).await
    }

    async fn ask_until_ready(&self, transcoding: &Transcoding) -> Result<Media, Error> {
        let began = Instant::now();
        // Without a deadline, it lies further ahead than a clock can count.
        let deadline = began.checked_add(transcoding.timeout);
        let mut last: Option<String> = None;
        loop {
            let asking = self.send(&transcoding.get);
            let answered = match deadline {
                Some(deadline) => timeout_at(deadline, asking).await,
                None => Ok(asking.await),
            };
            let Ok(answer) = answered else { return Err(self.not_transcoded(transcoding, last.as_deref())) };
            let media = answer?;
            let status = media.named::<Option<Cow<'_, str>>>("transcoding_status").map(Cow::into_owned);
            match status.as_deref().map(str::to_ascii_lowercase) {
                Some(status) if status == TRANSCODING_FINISHED => return Ok(media),
                Some(status) if TRANSCODING_FAILED.iter().any(|word| status.contains(word)) => {
                    return Err(Error::TranscodingFailed(Box::new(media)));
                }
                _ => last = Some(status.unwrap_or_default()),
            }
            let pause = (began.elapsed() / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            let next = Instant::now() + pause;
            if deadline.is_some_and(|deadline| next >= deadline) {
                if let Some(deadline) = deadline {
                    sleep_until(deadline).await;
                }
                return Err(self.not_transcoded(transcoding, last.as_deref()));
            }
            sleep_until(next).await;
        }
    }

    fn not_transcoded(&self, transcoding: &Transcoding, last: Option<&str>) -> Error {
        let status = match last {
            None => "Studio did not answer in that time".to_owned(),
            Some("") => "it has no transcoding_status".to_owned(),
            Some(status) => format!("its transcoding_status is {status:?}"),
        };
        self.context(&transcoding.get.call).not_transcoded(transcoding.media_id, transcoding.timeout, &status)
    }
}
