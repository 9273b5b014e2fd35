//! Downloads a file: from Studio's redirect, through the storage host, to a complete file or none.

use std::fs;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header;
use tokio::time::{Instant, sleep};
use tracing::info;
use url::Url;

use super::disk::on_disk;
use super::media_type;
use super::ranges::{Head, Holds, Known};
use super::transferred::Transferred;
use crate::api::answer::media_type_and_charset;
use crate::api::{Call, InvalidArgument, Request, check};
use crate::client::attempts::Attempts;
use crate::client::error::Error;
use crate::client::failure::{Failure, QUOTED, RequestContext};
use crate::client::headers::{location, request_id};
use crate::client::limit::CallPermit;
use crate::client::log::{TARGET, to_three_places, with_logging};
use crate::client::retry::Outcome;
use crate::client::secrets::MARGIN;
use crate::client::send::Client;
use crate::client::sending::{Sending, Source};
use crate::files;

/// How many redirects from one storage host to the next are followed.
const MAX_REDIRECTS: usize = 5;
/// How many bytes are buffered before they are written.
const BUFFER: usize = 1 << 17;
/// How long a download waits for another one that writes the same file: a cancelled one takes a moment to end.
const PATIENCE: Duration = Duration::from_secs(1);
/// Attempts are counted anew after every step: this share of a file, or `SHORTEST_STEP` if that is more. So a download
/// makes at most `STEPS` times as many attempts as one that makes no progress.
const STEPS: u64 = 1000;
/// The smallest step, in bytes.
const SHORTEST_STEP: u64 = 4 << 10;
/// How many new signed URLs one download may request.
const MAX_RENEWALS: u32 = 100;

/// A file to download: which, where to, and its maximum size.
#[derive(Debug, Clone)]
pub struct Download {
    request: Request<Url>,
    path: PathBuf,
    max_bytes: u64,
}

impl Download {
    /// Checks the path before anything is sent.
    pub fn new(request: Request<Url>, path: PathBuf, max_bytes: Option<i64>) -> Result<Self, InvalidArgument> {
        let max_bytes = check::max_bytes(max_bytes)?;
        check_target(&path, "lecture.mp4")?;
        Ok(Self { request, path, max_bytes })
    }
}

/// Refuses a path at which no file can be written. `example` is the name of such a file.
pub(super) fn check_target(path: &Path, example: &str) -> Result<(), InvalidArgument> {
    let refuse = |expected: String| Err(InvalidArgument::new("path", expected));
    if path.file_name().is_none() || path.is_dir() {
        return refuse(format!("must name a file, such as \"{example}\"; \"{}\" is a folder", path.display()));
    }
    if path.exists() && !path.is_file() {
        return refuse(format!("must name a file; \"{}\" is something else", path.display()));
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            refuse(format!("lies in a folder that does not exist: \"{}\"", folder.display()))
        }
        _ => Ok(()),
    }
}

impl Client {
    /// Downloads a file, which gets its name only when it is complete.
    pub async fn download(&self, download: &Download, transferred: &Transferred) -> Result<PathBuf, Error> {
        let began = Instant::now();
        let path = self.context(&download.request.call).display_path();
        let mut part = Part::new(&download.path, path.clone(), download.max_bytes)?;
        self.until_closed(Box::pin(self.fill(&mut part, &download.request, transferred))).await?;
        let bytes = part.known.length;
        let file = part.finish(&download.path)?;
        let seconds = to_three_places(began.elapsed().as_secs_f64());
        info!(
            target: TARGET, method = "GET", path, bytes, seconds,
            "GET {path}: download finished: {bytes} bytes in {seconds:.1} s"
        );
        Ok(file)
    }

    /// Downloads until the file is complete, with a new signed URL if the old one has expired.
    async fn fill(&self, part: &mut Part, request: &Request<Url>, transferred: &Transferred) -> Result<(), Error> {
        let mut hold = CallPermit::default();
        let mut url = self.signed(request, &mut hold).await?;
        let (mut may_renew, mut renewals) = (true, 0);
        let mut counted = 0;
        let mut attempts = Attempts::new(&self.config.policy, &self.pace, None);
        loop {
            self.take_permit(&request.call, &mut hold).await?;
            let Err(failure) = self.fetch(&url, part, transferred, attempts.next(), &mut hold).await else {
                return Ok(());
            };
            hold.end();
            // Bytes fetched before a restart do not count a second time.
            if part.known.length >= counted + part.step() {
                counted = part.known.length;
                attempts.progressed();
                may_renew = true;
            }
            match failure.outcome {
                // An expired signed URL answers with 403.
                Outcome::Status(403, _) if may_renew && renewals < MAX_RENEWALS => {
                    may_renew = false;
                    renewals += 1;
                    let path = part.of.as_str();
                    info!(
                        target: TARGET, method = "GET", path, status = 403,
                        "GET {path}: signed URL expired (403); requesting a new one"
                    );
                    url = self.signed(request, &mut hold).await?;
                }
                Outcome::Status(416, _) if part.known.length > 0 => {
                    part.restart()?;
                    let failure = Failure::interrupted(failure.error);
                    attempts.wait_or_give_up(&self.context(&request.call), failure).await?;
                }
                _ => attempts.wait_or_give_up(&self.context(&request.call), failure).await?,
            }
        }
    }

    /// Requests the signed URL, with a permit that is kept for the file: the URL expires soon, and a file takes time.
    /// So a download waits for a permit without a limit.
    async fn signed(&self, request: &Request<Url>, hold: &mut CallPermit) -> Result<Url, Error> {
        loop {
            self.take_permit(&request.call, hold).await?;
            match Box::pin(self.answer(&request.call, hold)).await {
                Err(Error::Timeout { .. }) if hold.is_missing => {}
                answer => return self.read(request, &answer?),
            }
        }
    }

    /// One attempt to fetch the rest of the file.
    async fn fetch(
        &self,
        url: &Url,
        part: &mut Part,
        transferred: &Transferred,
        attempt: u32,
        hold: &mut CallPermit,
    ) -> Result<(), Failure> {
        // In doubt, the whole file is requested once more, which leaves no room for doubt.
        while !self.fetch_rest(url, part, transferred, attempt, hold).await? {}
        Ok(())
    }

    /// Requests the rest of the file; returns whether the answer could be used.
    async fn fetch_rest(
        &self,
        url: &Url,
        part: &mut Part,
        transferred: &Transferred,
        attempt: u32,
        hold: &mut CallPermit,
    ) -> Result<bool, Failure> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut call = Call::signed("download_media", url);
            call.wants_redirect = true;
            if part.known.length > 0 {
                call = call.header(header::RANGE, format!("bytes={}-", part.known.length));
                if let Some(validator) = part.known.version.if_range() {
                    call = call.header(header::IF_RANGE, validator);
                }
            }
            let request = self.context(&call);
            self.check_private(&request, &request.url).map_err(Failure::last)?;
            let nothing = Source::default();
            let seen = |(response, _): &(reqwest::Response, Sending)| {
                (response.status().as_u16(), request_id(response.headers()))
            };
            let attempting = self.attempt(&request, None, &nothing);
            let (response, _) = with_logging(&request, attempt, hold.waited.take(), seen, attempting).await?;
            if !response.status().is_redirection() {
                return self.receive(&request, response, part, transferred).await;
            }
            match location(&response) {
                Some(next) => url = next,
                None => return Err(request.no_file(response.status().as_u16(), "a redirect leads nowhere", b"")),
            }
        }
        let call = Call::signed("download_media", url);
        Err(Failure::last(self.context(&call).refused(302, format!("redirected more than {MAX_REDIRECTS} times"))))
    }

    /// Writes the bytes of an answer, after checking that they are the requested ones. In doubt, both the file so far
    /// and the answer are dropped.
    async fn receive(
        &self,
        request: &RequestContext<'_>,
        mut response: reqwest::Response,
        part: &mut Part,
        transferred: &Transferred,
    ) -> Result<bool, Failure> {
        let content_type = media_type::content_type(response.headers());
        if media_type_and_charset(&content_type).0 == "multipart/byteranges" {
            let problem = "it is multipart/byteranges, several parts instead of one file";
            return Err(self.quoted(request, response, problem, Bytes::new()).await);
        }
        let head = Head::of(&response);
        let (is_start, end, total) = match head.holds(&part.known) {
            Ok(Holds::Whole(total)) => (true, total.unwrap_or(u64::MAX), total),
            Ok(Holds::Next { end, total }) => (part.known.length == 0, end, total),
            Err(problem) if part.known.length > 0 => {
                part.log_doubt(&problem);
                part.restart().map_err(Failure::last)?;
                return Ok(false);
            }
            Err(problem) => return Err(request.no_file(response.status().as_u16(), &problem, b"")),
        };
        // Without a total, the file is at least as long as this part.
        let announced = total.or((end != u64::MAX).then_some(end));
        if let Some(bytes) = announced.filter(|bytes| *bytes > part.max_bytes) {
            return Err(request.too_large(
                response.status().as_u16(),
                part.max_bytes,
                &format!("{bytes} bytes were announced"),
            ));
        }
        let mut next = self.chunk(request, &mut response).await?;
        if is_start {
            let start = self.gather(request, &mut response, next, media_type::START).await?;
            if let Some(problem) = media_type::why_not_saved(response.headers(), &start) {
                return Err(self.quoted(request, response, &problem, start).await);
            }
            part.restart().map_err(Failure::last)?;
            part.content_type = content_type;
            next = Some(start);
        } else if content_type != part.content_type && media_type::is_text(&content_type) {
            let problem = media_type::not_a_recording(&content_type);
            return Err(self.quoted(request, response, &problem, next.unwrap_or_default()).await);
        }
        part.known.total = total;
        part.known.version.join(head.version);
        part.open().await.map_err(Failure::last)?;
        part.log_start();
        transferred.set_total(total);
        transferred.set_done(part.known.length);

        while let Some(chunk) = next {
            if chunk.len() as u64 > end - part.known.length {
                part.restart().map_err(Failure::last)?;
                return Err(request.download_broke(&format!("more than the announced {end} bytes arrived")));
            }
            if chunk.len() as u64 > part.max_bytes - part.known.length {
                return Err(request.too_large(response.status().as_u16(), part.max_bytes, "no length was announced"));
            }
            part.write(&chunk).map_err(Failure::last)?;
            // Frees the memory before the next chunk arrives.
            drop(chunk);
            transferred.set_done(part.known.length);
            next = self.chunk(request, &mut response).await?;
        }
        let length = part.known.length;
        match total {
            Some(total) if total == length => Ok(true),
            Some(total) => Err(request.download_broke(&format!("it ended after {length} of {total} bytes"))),
            None if end == u64::MAX => Ok(true),
            None => {
                Err(request.download_broke(&format!("it does not say whether these {length} bytes are the whole file")))
            }
        }
    }

    /// Collects at least `wanted` bytes of an answer, unless it ends earlier.
    async fn gather(
        &self,
        request: &RequestContext<'_>,
        response: &mut reqwest::Response,
        first: Option<Bytes>,
        wanted: usize,
    ) -> Result<Bytes, Failure> {
        let mut gathered = first.unwrap_or_default();
        while gathered.len() < wanted
            && let Some(chunk) = self.chunk(request, response).await?
        {
            gathered = [gathered, chunk].concat().into();
        }
        Ok(gathered)
    }

    /// The failure for an answer that must not be saved as the file, with the start of its body.
    async fn quoted(
        &self,
        request: &RequestContext<'_>,
        mut response: reqwest::Response,
        problem: &str,
        first: Bytes,
    ) -> Failure {
        match self.gather(request, &mut response, Some(first), QUOTED + MARGIN).await {
            Ok(start) => request.no_file(response.status().as_u16(), problem, &start),
            Err(failure) => failure,
        }
    }
}

/// An unfinished file, `NAME.part`. It is removed unless it is finished.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    /// The path of its request, for the log.
    of: String,
    max_bytes: u64,
    /// Opened only when there is something to write, so that an error answer touches no file.
    file: Option<Writer>,
    known: Known,
    /// The content type with which it started.
    content_type: String,
}

impl Part {
    fn new(target: &Path, of: String, max_bytes: u64) -> Result<Self, Error> {
        let path = files::beside(target, ".part").map_err(|error| Error::file(target, error))?;
        Ok(Self { path, of, max_bytes, file: None, known: Known::default(), content_type: String::new() })
    }

    /// How many bytes make a step, after which attempts are counted anew.
    fn step(&self) -> u64 {
        SHORTEST_STEP.max(self.known.total.unwrap_or(0) / STEPS)
    }

    /// Opens the file for this download alone. Leftovers of a killed process are discarded.
    async fn open(&mut self) -> Result<(), Error> {
        if self.file.is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match files::open_locked(&self.path) {
                Ok(file) => {
                    self.file = Some(Writer::new(file));
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                    sleep(PATIENCE / 50).await;
                }
                Err(error) => return Err(Error::file(&self.path, error)),
            }
        }
    }

    fn log_start(&self) {
        let (path, bytes, total) = (self.of.as_str(), self.known.length, self.known.total);
        let goal = total.map_or_else(|| "an unknown number of".to_owned(), |total| total.to_string());
        let how = if bytes == 0 { "started" } else { "resumed" };
        info!(
            target: TARGET, method = "GET", path, bytes, total,
            "GET {path}: download {how} at {bytes} of {goal} bytes"
        );
    }

    fn log_doubt(&self, problem: &str) {
        let (path, bytes) = (self.of.as_str(), self.known.length);
        info!(
            target: TARGET, method = "GET", path, bytes,
            "GET {path}: the answer does not continue the download; starting again: {problem}"
        );
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(file) = &mut self.file {
            let length = bytes.len() as u64;
            file.write(bytes).map_err(|error| Error::file(&self.path, error))?;
            self.known.length += length;
        }
        Ok(())
    }

    /// Discards the content.
    fn restart(&mut self) -> Result<(), Error> {
        if let Some(file) = &mut self.file {
            file.restart().map_err(|error| Error::file(&self.path, error))?;
        }
        self.known = Known::default();
        Ok(())
    }

    /// Renames the file to its name, replacing an existing one.
    fn finish(mut self, target: &Path) -> Result<PathBuf, Error> {
        if let Some(file) = &mut self.file {
            file.flush().map_err(|error| Error::file(&self.path, error))?;
            files::rename(file.0.get_ref(), &self.path, target).map_err(|error| Error::file(target, error))?;
        }
        // Only now, since this releases the lock.
        self.file = None;
        Ok(target.to_owned())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.file.is_some() {
            // If it cannot be removed, the next download overwrites it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes large chunks directly, so that their memory is free again at once, and buffers small ones.
#[derive(Debug)]
struct Writer(BufWriter<fs::File>);

impl Writer {
    fn new(file: fs::File) -> Self {
        Self(BufWriter::with_capacity(BUFFER, file))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() < self.0.capacity() - self.0.buffer().len() {
            self.0.write_all(bytes)
        } else {
            on_disk(|| self.0.write_all(bytes))
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        on_disk(|| self.0.flush())
    }

    /// Discards the content.
    fn restart(&mut self) -> io::Result<()> {
        self.0.rewind()?;
        self.0.get_ref().set_len(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_is_written_by_one_download_at_a_time_and_leaves_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("canvas-studio-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let target = folder.join("lecture.mp4");
        let mut part = Part::new(&target, String::new(), u64::MAX).unwrap();
        part.open().await.unwrap();
        assert!(matches!(Part::new(&target, String::new(), u64::MAX).unwrap().open().await, Err(Error::File { .. })));
        part.write(b"wrong").unwrap();
        part.restart().unwrap();
        part.write(b"right").unwrap();
        drop(part);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);

        let mut part = Part::new(&target, String::new(), u64::MAX).unwrap();
        part.open().await.unwrap();
        part.write(b"right").unwrap();
        part.finish(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"right");
        fs::remove_dir_all(&folder).unwrap();
    }
}
