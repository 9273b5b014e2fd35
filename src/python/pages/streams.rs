//! Media as streams of bytes: `iter_media_bytes` and `Media.iter_bytes`, and the reader behind a `ByteStream`.

use std::marker::PhantomData;
use std::sync::Arc;

#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
#[cfg(feature = "stubs")]
use pyo3::type_hint_identifier;
use pyo3::types::PyBytes;
use url::Url;

use super::media::{Media, OfMedia};
use crate::api::{InvalidArgument, Request, media};
use crate::client::{ByteStream, Client, Error, Limits};
use crate::python::bridge::exit::before_exit;
use crate::python::bridge::operation::Operation;
use crate::python::convert::arguments::{Argument, Int, Text, named};
use crate::python::convert::ids::Id;
use crate::python::convert::output::{IntoPython, TypeHint, Typed};
use crate::python::errors::to_python;
use crate::python::operations::operations;
use crate::python::studio_client::StudioClient;

/// The type of `canvas_studio.byte_stream.ByteStream`.
#[derive(Debug)]
pub(crate) struct StreamHint(PhantomData<()>);

impl TypeHint for StreamHint {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_identifier!("canvas_studio.byte_stream", "ByteStream");
}

/// Reads the bytes of one file.
#[pyclass(frozen, module = "canvas_studio._core")]
pub(crate) struct ByteReader {
    stream: Arc<ByteStream>,
    client: Client,
}

impl ByteReader {
    #[expect(clippy::unnecessary_wraps, reason = "as the macro asks for it")]
    fn client(&self, _: Python<'_>) -> PyResult<Option<&Client>> {
        Ok(Some(&self.client))
    }
}

/// Makes the `ByteStream` of a file. Nothing is sent.
fn stream(
    py: Python<'_>,
    client: Option<&Client>,
    request: Result<Request<Url>, InvalidArgument>,
    limits: Result<Limits, InvalidArgument>,
    chunk_size: i64,
) -> PyResult<Typed<StreamHint>> {
    let client = client.cloned().ok_or_else(|| to_python(Error::Closed))?;
    let stream = request
        .and_then(|request| ByteStream::new(client.clone(), request, limits?, chunk_size))
        .map_err(|refusal| to_python(refusal.into()))?;
    let reader = ByteReader { stream: Arc::new(stream), client };
    let made = before_exit(|| py.import("canvas_studio.byte_stream")?.getattr("ByteStream")?.call1((reader,)))?;
    Ok(Typed::new(made.unbind()))
}

/// Waits for the next chunk.
struct NextChunk(Arc<ByteStream>);

impl Operation for NextChunk {
    type Result = Option<Chunk>;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static {
        let stream = Arc::clone(&self.0);
        async move {
            let is_there = stream.next().await?;
            Ok(is_there.then_some(Chunk(stream)))
        }
    }
}

/// A chunk that has come. It stays in the stream until it is converted, so that a cancelled call loses none.
struct Chunk(Arc<ByteStream>);

impl IntoPython for Chunk {
    type Python = Py<PyBytes>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        let bytes = self.0.take().unwrap_or_default();
        let copy = |place: &mut [u8]| {
            place.copy_from_slice(&bytes);
            Ok(())
        };
        PyBytes::new_with(py, bytes.len(), copy).map(Bound::unbind)
    }
}

operations! { ByteReader {
    /// Read the next chunk: `None` at the end of the file; no bytes if another thread was faster.
    next_chunk / next_chunk_async (reader) -> Option<Chunk> = Ok(NextChunk(Arc::clone(&reader.stream)));
} }

#[pymethods]
impl ByteReader {
    /// The length of the file, once the storage host has said it.
    #[getter]
    fn length(&self) -> Option<u64> {
        self.stream.length()
    }

    /// End the request. Nothing can be read any more.
    fn close(&self) {
        self.stream.close();
    }
}

#[pymethods]
impl StudioClient {
    /// Read the file of a media in chunks, without a file on this machine.
    ///
    /// Nothing is sent before the first chunk is wanted. After a broken connection it resumes where it stopped; if the
    /// signed URL expires, a new one is requested. At most three chunks are in memory.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     quality: Which version; the best if omitted. The values are not documented.
    ///     chunk_size: How many bytes each chunk has, 1 to 1,073,741,824; only the last one may have fewer.
    ///     max_bytes: The most bytes that the file may have, 1 or more; no limit if omitted.
    ///     sha256: The SHA-256 of the file, as 64 hexadecimal digits. It is checked after the last chunk.
    ///
    /// Returns:
    ///     A `ByteStream`, to be read with `for` or `async for`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
    ///     NotFoundError: 404, if there is no such media, or not in that quality, or if Studio has not finished
    ///         transcoding it (a guess): see `wait_until_ready`.
    ///     UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept
    ///         `quality`.
    ///     ResponseDecodeError: If the response is not a recording, is larger than `max_bytes`, or has another SHA-256
    ///         than `sha256`.
    ///     APIConnectionError: If the connection breaks for good, or the file changes while it is read.
    ///
    /// Reference: Media page, GET /media/{media_id}/download.
    #[pyo3(signature = (id, *, quality=None, chunk_size: "int" = 1_048_576, max_bytes=None, sha256=None))]
    fn iter_media_bytes(
        &self,
        py: Python<'_>,
        id: Id<OfMedia>,
        quality: Option<Text>,
        #[pyo3(from_py_with = named::chunk_size)] chunk_size: i64,
        max_bytes: Option<Int>,
        sha256: Option<Text>,
    ) -> PyResult<Typed<StreamHint>> {
        let (id, quality) = (id.read(py, "id")?, quality.read(py, "quality")?);
        let (max_bytes, sha256) = (max_bytes.read(py, "max_bytes")?, sha256.read(py, "sha256")?);
        let limits = Limits::new(max_bytes, sha256.as_deref());
        stream(py, self.client(py)?, media::download_url(id, quality.as_deref()), limits, chunk_size)
    }
}

#[pymethods]
impl Media {
    /// Read its file in chunks, without a file on this machine.
    ///
    /// Nothing is sent before the first chunk is wanted. After a broken connection it resumes where it stopped; if the
    /// signed URL expires, a new one is requested. At most three chunks are in memory.
    ///
    /// Args:
    ///     quality: Which version; the best if omitted. The values are not documented.
    ///     chunk_size: How many bytes each chunk has, 1 to 1,073,741,824; only the last one may have fewer.
    ///     max_bytes: The most bytes that the file may have, 1 or more; no limit if omitted.
    ///     sha256: The SHA-256 of the file, as 64 hexadecimal digits. It is checked after the last chunk.
    ///
    /// Returns:
    ///     A `ByteStream`, to be read with `for` or `async for`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
    ///     NotFoundError: 404, if it is no longer there, or not in that quality, or if Studio has not finished
    ///         transcoding it (a guess): see `wait_until_ready`.
    ///     UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).
    ///     ResponseDecodeError: If the response is not a recording, is larger than `max_bytes`, or has another SHA-256
    ///         than `sha256`.
    ///     APIConnectionError: If the connection breaks for good, or the file changes while it is read.
    ///
    /// Reference: Media page, GET /media/{media_id}/download.
    #[pyo3(signature = (*, quality=None, chunk_size: "int" = 1_048_576, max_bytes=None, sha256=None))]
    fn iter_bytes(
        &self,
        py: Python<'_>,
        quality: Option<Text>,
        #[pyo3(from_py_with = named::chunk_size)] chunk_size: i64,
        max_bytes: Option<Int>,
        sha256: Option<Text>,
    ) -> PyResult<Typed<StreamHint>> {
        let quality = quality.read(py, "quality")?;
        let (max_bytes, sha256) = (max_bytes.read(py, "max_bytes")?, sha256.read(py, "sha256")?);
        let limits = Limits::new(max_bytes, sha256.as_deref());
        stream(py, self.client(py)?, media::download_url(self.value.id(), quality.as_deref()), limits, chunk_size)
    }
}
