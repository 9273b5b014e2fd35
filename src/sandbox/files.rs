//! The storage host: files behind signed URLs that expire, with range requests.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http::header::{ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::captions;
use super::operation::{JSON, TEXT};
use super::random::mix;
use super::records::{Caption, Media, words};
use super::shapes::Uuid;
use super::state::State;
use super::stored::StoredFile;
use super::studio::Studio;

/// Where the files of captions are, on the API's host. Observed.
pub(crate) const CAPTION_FILES: &str = "/api/media_management/caption_files";
/// The default version of a download.
pub(crate) const BEST: &str = "high";
/// The version that lists the others.
pub(crate) const MANIFEST: &str = "manifest";
/// The size of each quality, in percent of the best version.
const PARTS: &[u64] = &[100, 55, 25];
const CHUNK: u64 = 128 * 1024;
/// The first bytes of an MP4 file: its brand, and the start of one box with everything else.
const BRAND: &[u8] = b"\0\0\0\x18ftypisom\0\0\x02\0isommp42";

/// A signed URL for downloading a version of a media.
pub(crate) fn signed_url(studio: &Studio, media: u64, version: &str, now: Timestamp) -> String {
    let extension = if version == MANIFEST { "mpd" } else { "mp4" };
    format!("{}{}", studio.storage_url, signed(studio, &format!("/media/{media}/{version}.{extension}"), now))
}

/// A signed URL for uploading the file of a media: one of Amazon S3. Observed in 2018.
pub(crate) fn upload_url(studio: &Studio, media: u64, now: Timestamp) -> String {
    let path = format!("/uploads/{media}");
    let lifetime = (studio.url_lifetime + SignedDuration::from_millis(999)).as_secs();
    let signature = signature(studio, &path, now.as_second() + lifetime);
    let date = now.strftime("%Y%m%dT%H%M%SZ");
    format!(
        "{}{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SANDBOX%2F{}%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date={date}&X-Amz-Expires={lifetime}&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}",
        studio.storage_url,
        now.strftime("%Y%m%d"),
    )
}

/// The error for a URL for an upload that is unsigned or expired, as Amazon S3 answers it.
fn upload_refused(studio: &Studio, path: &str, query: &[(String, String)], now: Timestamp) -> Option<Response<Body>> {
    let field = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let Some(signed) = field("X-Amz-Signature") else {
        return Some(error_reply(403, "AccessDenied", "Access Denied"));
    };
    let expires = field("X-Amz-Date").zip(field("X-Amz-Expires")).and_then(|(date, lifetime)| {
        let date = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        date.as_second().checked_add(lifetime.parse().ok()?)
    });
    match expires {
        Some(expires) if signed == signature(studio, path, expires) => {
            (expires < now.as_second()).then(|| error_reply(403, "AccessDenied", "Request has expired"))
        }
        _ => Some(error_reply(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )),
    }
}

/// A URL of captions. Observed: it is relative to the API's host, of this form, needs no token, and can have a query. That
/// it is signed is a guess.
pub(crate) fn caption_url(studio: &Studio, caption: &Caption, now: Timestamp) -> String {
    let uuid = Uuid::of("caption", caption.id, 0);
    signed(studio, &format!("{CAPTION_FILES}/{uuid}-{}", caption.id), now)
}

fn signed(studio: &Studio, path: &str, now: Timestamp) -> String {
    let expires = now.checked_add(studio.url_lifetime).unwrap_or(now).as_millisecond();
    let signature = signature(studio, path, expires);
    format!("{path}?Expires={expires}&Signature={signature}&Key-Pair-Id=SANDBOX")
}

/// Good enough to recognise a signed URL; it protects nothing.
fn signature(studio: &Studio, path: &str, expires: i64) -> String {
    let mut hasher = DefaultHasher::new();
    (&studio.signing_key, path, expires).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The error for an unsigned or expired URL.
fn refused(studio: &Studio, path: &str, query: &[(String, String)], now: Timestamp) -> Option<Response<Body>> {
    let field = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    match field("Expires").and_then(|text| text.parse::<i64>().ok()) {
        Some(expires) if field("Signature") == Some(&signature(studio, path, expires)) => {
            (expires < now.as_millisecond()).then(|| error_reply(403, "AccessDenied", "Request has expired"))
        }
        _ => Some(error_reply(403, "AccessDenied", "The signature is not valid")),
    }
}

/// Answers a request for captions.
pub(crate) fn caption(studio: &Studio, path: &str, query: &[(String, String)], now: Timestamp) -> Response<Body> {
    if let Some(error) = refused(studio, path, query, now) {
        return error;
    }
    let state = studio.state();
    let id = path.rsplit('-').next().and_then(|id| id.parse().ok());
    match id.and_then(|id| captions::find(&state, id)) {
        // Observed: it may answer JSON. What is in it is a guess.
        Some((media, caption)) if studio.assumptions.caption_url_is_json => {
            let text = String::from_utf8_lossy(&caption.bytes(media)).into_owned();
            answer_text(200, JSON, json!({"caption_file": {"id": caption.id, "content": text}}).to_string())
        }
        Some((media, caption)) => answer_text(200, TEXT, caption.bytes(media)),
        None => error_reply(404, "NoSuchKey", "no such captions"),
    }
}

/// Answers a request to the storage host with the file in its body.
pub(crate) fn answer(
    studio: &Studio,
    method: &Method,
    path: &str,
    query: &[(String, String)],
    headers: &HeaderMap,
    sent: Option<StoredFile>,
    now: Timestamp,
) -> Response<Body> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (wanted, but) = match *parts.as_slice() {
        ["uploads", _] => (method == Method::PUT, "only PUT"),
        _ => (method == Method::GET || method == Method::HEAD, "only GET"),
    };
    if !wanted {
        return error_reply(405, "MethodNotAllowed", but);
    }
    // Amazon S3 answers like this when a client sends its token along.
    if headers.contains_key(AUTHORIZATION) && matches!(*parts.as_slice(), ["media" | "uploads", ..]) {
        return error_reply(400, "InvalidArgument", "Only one auth mechanism allowed");
    }
    match *parts.as_slice() {
        ["thumbnails", name] => thumbnail(name),
        ["media", id, name] => {
            if let Some(error) = refused(studio, path, query, now) {
                return error;
            }
            let state = studio.state();
            let media = id.parse().ok().and_then(|id| state.media.get(&id));
            match (media, name.split_once('.')) {
                (Some(media), Some((MANIFEST, "mpd"))) => manifest(media),
                (Some(media), Some((version, "mp4"))) => match File::of(&state, media, version) {
                    Some(file) => serve(studio, file, headers),
                    None => error_reply(404, "NoSuchKey", "no such version"),
                },
                _ => error_reply(404, "NoSuchKey", "no such file"),
            }
        }
        ["uploads", id] => {
            if let Some(error) = upload_refused(studio, path, query, now) {
                return error;
            }
            // Amazon S3 takes no body of an unknown length.
            if !headers.contains_key(CONTENT_LENGTH) {
                return error_reply(411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
            }
            let Some(file) = sent else { return answer_text(200, "application/xml", String::new()) };
            let etag = format!("\"{}\"", file.sha256.get(..32).unwrap_or_default());
            if let Ok(id) = id.parse() {
                studio.state().store(id, file);
            }
            let mut answer = answer_text(200, "application/xml", String::new());
            answer.headers_mut().extend(etag.parse().map(|etag| (ETAG, etag)));
            answer
        }
        _ => error_reply(404, "NoSuchKey", "no such file"),
    }
}

/// A file: the bytes that were uploaded, or any number that are generated while it is read, always the same.
#[derive(Debug, Clone)]
pub(crate) struct File {
    seed: u64,
    size: u64,
    uploaded: Option<Bytes>,
}

impl File {
    /// A version of a media, if it exists. That the best one of an upload is what was uploaded is a guess.
    pub(crate) fn of(state: &State, media: &Media, version: &str) -> Option<Self> {
        let (variant, part) = words::QUALITIES
            .iter()
            .zip(PARTS)
            .position(|(quality, _)| *quality == version)
            .and_then(|index| Some((index as u64, *PARTS.get(index)?)))?;
        let stored = state.files.get(&media.file).filter(|stored| version == BEST && stored.size == media.size);
        (!media.is_external()).then(|| Self {
            seed: mix(media.file ^ variant),
            size: media.size / 100 * part + media.size % 100 * part / 100,
            uploaded: stored.and_then(|stored| stored.bytes.clone()),
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Up to `count` bytes from an offset.
    pub(crate) fn bytes(&self, offset: u64, count: u64) -> Vec<u8> {
        let end = offset.saturating_add(count).min(self.size);
        if let Some(uploaded) = &self.uploaded {
            let range = usize::try_from(offset).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
            return uploaded.get(range).unwrap_or_default().to_vec();
        }
        let first_block = offset / 8;
        let blocks = first_block..end.div_ceil(8);
        let mut bytes: Vec<u8> = Vec::with_capacity(usize::try_from((end.div_ceil(8) - first_block) * 8).unwrap_or(0));
        bytes.extend(blocks.flat_map(|block| mix(self.seed ^ block).to_le_bytes()));
        bytes.drain(..usize::try_from(offset - first_block * 8).unwrap_or(0));
        bytes.truncate(usize::try_from(end - offset.min(end)).unwrap_or(0));
        if offset < self.head().len() as u64 {
            let from = usize::try_from(offset).unwrap_or(0);
            for (byte, head) in bytes.iter_mut().zip(self.head().into_iter().skip(from)) {
                *byte = head;
            }
        }
        bytes
    }

    fn head(&self) -> Vec<u8> {
        let rest = self.size.saturating_sub(BRAND.len() as u64);
        [BRAND, b"\0\0\0\x01mdat", &rest.to_be_bytes()].concat()
    }

    fn etag(&self) -> String {
        format!("\"{:016x}-{:x}\"", self.seed, self.size)
    }
}

fn serve(studio: &Studio, file: File, headers: &HeaderMap) -> Response<Body> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let unchanged = text(IF_RANGE).is_none_or(|etag| etag == file.etag());
    let range = text(RANGE).filter(|_| unchanged && studio.assumptions.range_honoured);
    let answer = Response::builder().header(CONTENT_TYPE, "video/mp4").header(ETAG, file.etag());
    let (start, end, answer) = match range.map(|range| requested_range(range, file.size)) {
        None | Some(RequestedRange::WholeFile) => (0, file.size, answer.status(StatusCode::OK)),
        Some(RequestedRange::Bytes(start, end)) => {
            let about = format!("bytes {start}-{}/{}", end - 1, file.size);
            (start, end, answer.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, about))
        }
        Some(RequestedRange::Unsatisfiable) => {
            let mut answer = error_reply(416, "InvalidRange", "the range cannot be satisfied");
            if let Ok(about) = format!("bytes */{}", file.size).parse() {
                answer.headers_mut().insert(CONTENT_RANGE, about);
            }
            return answer;
        }
    };
    let answer = if studio.assumptions.range_honoured { answer.header(ACCEPT_RANGES, "bytes") } else { answer };
    let body = FileBody { file, position: start, end, is_turn: false };
    answer.header(CONTENT_LENGTH, end - start).body(Body::new(body)).unwrap_or_default()
}

/// The part of a file that a request asks for.
enum RequestedRange {
    WholeFile,
    /// From the first byte to the one after the last.
    Bytes(u64, u64),
    Unsatisfiable,
}

/// The range of a `Range` header. An invalid header, or one with several ranges, gets the whole file.
fn requested_range(header: &str, size: u64) -> RequestedRange {
    let Some((first, last)) = header.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return RequestedRange::WholeFile;
    };
    let (start, end) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if last >= first => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.trim().is_empty() => (first, size),
        (Err(_), Ok(count)) if first.trim().is_empty() => (size.saturating_sub(count), size),
        _ => return RequestedRange::WholeFile,
    };
    if start < end { RequestedRange::Bytes(start, end) } else { RequestedRange::Unsatisfiable }
}

/// A body that streams a part of a file.
struct FileBody {
    file: File,
    position: u64,
    end: u64,
    /// Whether other tasks have run since the last piece.
    is_turn: bool,
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.position >= self.end {
            return Poll::Ready(None);
        }
        self.is_turn = !self.is_turn;
        if self.is_turn {
            // Generating never waits, so without a yield one file would block all other connections.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let bytes = self.file.bytes(self.position, CHUNK.min(self.end - self.position));
        self.position += bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end.saturating_sub(self.position))
    }
}

fn manifest(media: &Media) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         mediaPresentationDuration=\"PT{}S\"/>\n",
        media.duration
    );
    answer_text(200, "application/dash+xml", text)
}

fn thumbnail(name: &str) -> Response<Body> {
    let Some(id) = name.strip_suffix(".svg").and_then(|id| id.parse::<u64>().ok()) else {
        return error_reply(404, "NoSuchKey", "no such thumbnail");
    };
    let hue = mix(id) % 360;
    let text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"320\" height=\"180\"><rect width=\"100%\" height=\"100%\" \
         fill=\"hsl({hue} 45% 40%)\"/><path d=\"M130 60v60l60-30z\" fill=\"white\"/></svg>\n"
    );
    answer_text(200, "image/svg+xml", text)
}

/// An error in the form of Amazon S3.
fn error_reply(status: u16, code: &str, message: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>\n"
    );
    answer_text(status, "application/xml", text)
}

fn answer_text(status: u16, content_type: &str, text: impl Into<Body>) -> Response<Body> {
    let answer = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    answer.body(text.into()).unwrap_or_default()
}
