//! Downloads a file: from Studio's redirect, through the storage host, to a complete file or none.

#[cfg(test)]
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::header;
use tokio::time::Instant;
use tracing::info;
use url::{Position, Url};

use super::chunks::{ChunkSender, WritesBytes};
use super::folder::hash::hexadecimal;
use super::media_type;
use super::part_file::PartFile;
#[cfg(test)]
use super::ranges::Version;
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

/// How many redirects from one storage host to the next are followed.
const MAX_REDIRECTS: usize = 5;
/// Attempts are counted anew after every step: this share of a file, or `SHORTEST_STEP` if that is more. So a download
/// makes at most `STEPS` times as many attempts as one that makes no progress.
const STEPS: u64 = 1000;
/// The smallest step, in bytes.
const SHORTEST_STEP: u64 = 4 << 10;
/// How many new signed URLs one download may request.
const MAX_RENEWALS: u32 = 100;

/// Where a file is downloaded to.
#[derive(Debug, Clone)]
pub enum Target {
    Path(PathBuf),
    Writer(Arc<dyn WritesBytes>),
}

/// What became of a download: the path of the file, or the number of bytes that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    Path(PathBuf),
    Written(u64),
}

/// A file to download: which, where to, and what it must be.
#[derive(Debug, Clone)]
pub struct Download {
    request: Request<Url>,
    target: Target,
    limits: Limits,
    resume: bool,
}

/// What a file must be to be taken.
#[derive(Debug, Clone)]
pub struct Limits {
    max_bytes: u64,
    /// In lower-case hexadecimal digits.
    sha256: Option<String>,
}

impl Limits {
    pub fn new(max_bytes: Option<i64>, sha256: Option<&str>) -> Result<Self, InvalidArgument> {
        Ok(Self { max_bytes: check::max_bytes(max_bytes)?, sha256: sha256.map(check::sha256).transpose()? })
    }

    pub(super) fn is_hashed(&self) -> bool {
        self.sha256.is_some()
    }
}

impl Download {
    /// Checks the path before anything is sent. `resume` says whether it goes on with what an earlier one left, and leaves
    /// something itself if it fails.
    pub fn new(request: Request<Url>, target: Target, limits: Limits, resume: bool) -> Result<Self, InvalidArgument> {
        if let Target::Path(path) = &target {
            check_target(path, "lecture.mp4")?;
        }
        Ok(Self { request, target, limits, resume })
    }

    /// The call has ended: a writer gets nothing more.
    pub fn end(&self) {
        if let Target::Writer(writer) = &self.target {
            writer.end();
        }
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
    pub async fn download(&self, download: &Download, transferred: &Transferred) -> Result<Saved, Error> {
        let Download { request, target, limits, resume } = download;
        let path = match target {
            Target::Path(path) => path,
            Target::Writer(writer) => {
                let chunks = ChunkSender::to_writer(writer, limits.is_hashed());
                return self.hand_on(request, limits, chunks, transferred).await.map(Saved::Written);
            }
        };
        // Another school's media of the same number is another one.
        let source = self.context(&request.call).url[Position::BeforeHost..].to_owned();
        let file = PartFile::new(path, source, *resume, limits.is_hashed())?;
        self.transfer(request, limits, Destination::File(file), Some(path), transferred).await?;
        Ok(Saved::Path(path.clone()))
    }

    /// Downloads a file whose bytes are handed on. Returns how many there are.
    pub(super) async fn hand_on(
        &self,
        request: &Request<Url>,
        limits: &Limits,
        chunks: ChunkSender,
        transferred: &Transferred,
    ) -> Result<u64, Error> {
        self.transfer(request, limits, Destination::Chunks(chunks), None, transferred).await
    }

    /// Downloads a file. A `.part` gets the name `target`.
    async fn transfer(
        &self,
        request: &Request<Url>,
        limits: &Limits,
        destination: Destination,
        target: Option<&Path>,
        transferred: &Transferred,
    ) -> Result<u64, Error> {
        let began = Instant::now();
        let context = self.context(&request.call);
        let path = context.display_path();
        let mut part = Part::new(path.clone(), limits.max_bytes, destination);
        let filled = self.until_closed(Box::pin(async {
            part.take_up().await?;
            self.fill(&mut part, request, transferred).await?;
            part.destination.finish().await
        }));
        if let Err(error) = filled.await {
            part.log_what_stays();
            return Err(error);
        }
        if let (Some(expected), Some(found)) = (&limits.sha256, part.destination.sha256()?) {
            let found = hexadecimal(&found);
            if found != *expected {
                part.destination.discard();
                return Err(context.other_content(expected, &found, target.is_some()));
            }
        }
        let bytes = part.known.length;
        if let (Destination::File(file), Some(target)) = (part.destination, target) {
            file.finish(target)?;
        }
        let seconds = to_three_places(began.elapsed().as_secs_f64());
        info!(
            target: TARGET, method = "GET", path, bytes, seconds,
            "GET {path}: download finished: {bytes} bytes in {seconds:.1} s"
        );
        Ok(bytes)
    }

    /// Downloads until the file is complete, with a new signed URL if the old one has expired.
    async fn fill(&self, part: &mut Part, request: &Request<Url>, transferred: &Transferred) -> Result<(), Error> {
        let mut hold = CallPermit::default();
        let mut url = self.signed(request, &mut hold).await?;
        let (mut may_renew, mut renewals) = (true, 0);
        let mut attempts = Attempts::new(&self.config.policy, &self.pace, None);
        loop {
            self.take_permit(&request.call, &mut hold).await?;
            let Err(failure) = self.fetch(&url, part, transferred, attempts.next(), &mut hold).await else {
                return Ok(());
            };
            hold.end();
            if part.has_progressed() {
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
                Outcome::Status(412 | 416, _) if part.known.length > 0 => {
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
                return self.receive(&request, response, part, transferred, hold).await;
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
        hold: &mut CallPermit,
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
            part.destination.discard();
            let announced = format!("{bytes} bytes were announced");
            return Err(request.too_large(response.status().as_u16(), part.max_bytes, &announced));
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
        part.known.is_unconfirmed = false;
        part.open(request).await?;
        part.log_start();
        transferred.set_total(total);
        transferred.set_done(part.known.length);

        while let Some(chunk) = next {
            if chunk.len() as u64 > end - part.known.length {
                part.restart().map_err(Failure::last)?;
                return Err(request.download_broke(&format!("more than the announced {end} bytes arrived")));
            }
            if chunk.len() as u64 > part.max_bytes - part.known.length {
                part.destination.discard();
                return Err(request.too_large(response.status().as_u16(), part.max_bytes, "no length was announced"));
            }
            part.write(&chunk, hold).await.map_err(Failure::last)?;
            // Frees the memory before the next chunk arrives.
            drop(chunk);
            transferred.set_done(part.known.length);
            // Whoever takes the bytes may have taken their time, without the permit.
            self.take_permit(request.call, hold).await.map_err(Failure::last)?;
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

/// Where the bytes go.
enum Destination {
    File(PartFile),
    Chunks(ChunkSender),
}

impl Destination {
    /// Hands on what is left.
    async fn finish(&mut self) -> Result<(), Error> {
        match self {
            Self::File(_) => Ok(()),
            Self::Chunks(chunks) => chunks.finish().await,
        }
    }

    fn sha256(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::File(file) => file.sha256(),
            Self::Chunks(chunks) => Ok(chunks.sha256()),
        }
    }

    fn discard(&mut self) {
        if let Self::File(file) = self {
            file.discard();
        }
    }

    /// Discards the content. What was handed on stays with whoever has it.
    fn restart(&mut self) -> Result<(), Error> {
        match self {
            Self::File(file) => file.restart(),
            Self::Chunks(_) => Ok(()),
        }
    }
}

/// A download under way: what is known of the file, and where its bytes go.
struct Part {
    /// The path of its request, for the log.
    of: String,
    max_bytes: u64,
    destination: Destination,
    known: Known,
    /// The content type with which it started.
    content_type: String,
    /// Up to where bytes have counted as progress.
    counted: u64,
    /// Whether it goes on with what an earlier download left.
    is_taken_up: bool,
}

impl Part {
    fn new(of: String, max_bytes: u64, destination: Destination) -> Self {
        let (known, content_type) = (Known::default(), String::new());
        Self { of, max_bytes, destination, known, content_type, counted: 0, is_taken_up: false }
    }

    /// Takes up what an earlier download left, if it can be continued.
    async fn take_up(&mut self) -> Result<(), Error> {
        if let Destination::File(file) = &mut self.destination
            && let Some((known, content_type)) = file.take_up().await?
        {
            // A file that is too large is refused by its announced length, or begins anew.
            if known.length > self.max_bytes {
                return file.restart();
            }
            self.counted = known.length;
            (self.known, self.content_type, self.is_taken_up) = (known, content_type, true);
        }
        Ok(())
    }

    /// How many bytes make a step, after which attempts are counted anew.
    fn step(&self) -> u64 {
        SHORTEST_STEP.max(self.known.total.unwrap_or(0) / STEPS)
    }

    /// Whether a step has come since the last time. Bytes fetched before a restart do not count a second time.
    fn has_progressed(&mut self) -> bool {
        let has_progressed = self.known.length >= self.counted + self.step();
        if has_progressed {
            self.counted = self.known.length;
        }
        has_progressed
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

    /// Logs what stays of a download that failed.
    fn log_what_stays(&mut self) {
        let path = self.of.as_str();
        if let Destination::File(file) = &mut self.destination
            && let Some((bytes, part)) = file.what_stays()
        {
            let part = part.display();
            info!(
                target: TARGET, method = "GET", path, bytes,
                "GET {path}: download failed; {bytes} bytes stay in {part} for the next download to the same path"
            );
        }
    }

    /// An answer begins, whose bytes are to be written.
    async fn open(&mut self, request: &RequestContext<'_>) -> Result<(), Failure> {
        match &mut self.destination {
            Destination::File(file) => file.open(&self.known, &self.content_type).await.map_err(Failure::last),
            Destination::Chunks(chunks) => chunks.begin(&self.known).map_err(|given| request.cannot_go_on(given)),
        }
    }

    async fn write(&mut self, bytes: &[u8], hold: &mut CallPermit) -> Result<(), Error> {
        match &mut self.destination {
            Destination::File(file) => file.write(bytes)?,
            Destination::Chunks(chunks) => chunks.write(self.known.length, bytes, hold).await?,
        }
        self.known.length += bytes.len() as u64;
        Ok(())
    }

    /// Discards the content.
    fn restart(&mut self) -> Result<(), Error> {
        self.destination.restart()?;
        self.known = Known::default();
        if mem::take(&mut self.is_taken_up) {
            self.counted = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(target: &Path) -> Part {
        let file = PartFile::new(target, "source".to_owned(), true, true).unwrap();
        Part::new(String::new(), u64::MAX, Destination::File(file))
    }

    fn file(part: &mut Part) -> &mut PartFile {
        let Destination::File(file) = &mut part.destination else { panic!("it is a file") };
        file
    }

    async fn open(part: &mut Part) -> Result<(), Error> {
        let known = part.known.clone();
        file(part).open(&known, "video/mp4").await
    }

    fn finish(part: Part, target: &Path) {
        let Destination::File(file) = part.destination else { panic!("it is a file") };
        file.finish(target).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_written_by_one_download_at_a_time_and_leaves_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("canvas-studio-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let target = folder.join("lecture.mp4");
        let mut first = part(&target);
        open(&mut first).await.unwrap();
        assert!(matches!(open(&mut part(&target)).await, Err(Error::File { .. })));
        file(&mut first).write(b"wrong").unwrap();
        first.restart().unwrap();
        file(&mut first).write(b"right").unwrap();
        drop(first);
        assert_eq!(names(&folder), [""; 0]);

        let mut second = part(&target);
        open(&mut second).await.unwrap();
        file(&mut second).write(b"right").unwrap();
        finish(second, &target);
        assert_eq!(fs::read(&target).unwrap(), b"right");
        assert_eq!(names(&folder), ["lecture.mp4"]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_dropped_download_leaves_is_taken_up_by_one_other_with_its_hash() {
        let folder = std::env::temp_dir().join(format!("canvas-studio-left-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let target = folder.join("lecture.mp4");
        let mut first = part(&target);
        (first.known.version, first.known.total) = (Version::with_tag("\"1\""), Some(5));
        open(&mut first).await.unwrap();
        file(&mut first).write(b"rig").unwrap();
        drop(first);
        assert_eq!(names(&folder), ["lecture.mp4.part", "lecture.mp4.part.json"]);

        let mut second = part(&target);
        second.take_up().await.unwrap();
        assert_eq!((second.known.length, second.content_type.as_str()), (3, "video/mp4"));
        assert!(matches!(part(&target).take_up().await, Err(Error::File { .. })));
        file(&mut second).write(b"ht").unwrap();
        let hash = file(&mut second).sha256().unwrap().unwrap();
        assert_eq!(hash, ring::digest::digest(&ring::digest::SHA256, b"right").as_ref());
        finish(second, &target);
        assert_eq!(fs::read(&target).unwrap(), b"right");
        assert_eq!(names(&folder), ["lecture.mp4"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
