//! Reads the bodies and headers of raw requests, and converts raw answers.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pyo3::exceptions::PyTypeError;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PyMapping, PyMemoryView, PyModule, PyString, PyTuple};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript, type_hint_union};

use super::arguments::{Argument, arguments};
#[cfg(feature = "stubs")]
use super::arguments::{FilePath, MAPPING};
use super::input::{file_path, refused, text, wrong_type};
use super::json;
use super::output::{AnyJson, IntoPython, Typed};
use crate::api::check::cut;
use crate::api::multipart::{ANY_TYPE, File, FileContent};
use crate::api::raw::{Content, Response};
use crate::client::body::to_text;
use crate::client::{Client, Error};
use crate::files;
use crate::python::cached::cached;
use crate::python::errors::to_python;

/// What `files` takes, for messages.
const FILES: &str = "a path, (name, path or bytes), (name, path or bytes, media type), or a list of them";
/// What takes one file, for messages.
const ONE_FILE: &str = "a path, an open binary file, or (name, path or bytes)";
/// The longest file that is read into memory before it is sent.
const MAX_SHORT_FILE: u64 = 16 << 20;

arguments! {
    /// A mapping from fields to files.
    Files: Vec<File> = files, MAPPING;
    /// A file that is short enough to be read before it is sent: its name and its content.
    ShortFile: (String, Bytes) = short_file, type_hint_union!(
        FilePath::INPUT_TYPE,
        type_hint_identifier!("typing", "BinaryIO"),
        type_hint_subscript!(
            type_hint_identifier!("builtins", "tuple"),
            type_hint_identifier!("builtins", "str"),
            type_hint_union!(type_hint_identifier!("builtins", "bytes"), FilePath::INPUT_TYPE)
        )
    );
    Headers: Vec<(String, String)> = headers, type_hint_subscript!(
        type_hint_identifier!("collections.abc", "Mapping"),
        type_hint_identifier!("builtins", "str"),
        type_hint_identifier!("builtins", "str")
    );
    /// Bytes or text, as they are.
    RawContent: (Bytes, &'static str) = raw_content,
        type_hint_union!(type_hint_identifier!("builtins", "bytes"), type_hint_identifier!("builtins", "str"));
}

fn files(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<File>> {
    let Ok(mapping) = given.cast::<PyMapping>() else {
        return Err(wrong_type(name, "a dict from fields to files", given, None));
    };
    let mut files = Vec::new();
    for item in mapping.items()?.iter() {
        let (field, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let field = text(&format!("each name in {name}"), &field)?;
        let path = format!("{name}[{:?}]", cut(&field));
        if let Ok(list) = value.cast::<PyList>() {
            for (index, element) in list.iter().enumerate() {
                files.push(file(&format!("{path}[{index}]"), &field, &element)?);
            }
        } else {
            files.push(file(&path, &field, &value)?);
        }
    }
    Ok(files)
}

fn file(name: &str, field: &str, given: &Bound<'_, PyAny>) -> PyResult<File> {
    if let Ok(parts) = given.cast::<PyTuple>() {
        let (file_name, content, media_type) = match parts.len() {
            2 => (parts.get_item(0)?, parts.get_item(1)?, None),
            3 => (parts.get_item(0)?, parts.get_item(1)?, Some(parts.get_item(2)?)),
            length => {
                return Err(refused(name, format!("must be {FILES}, not a tuple of {length}")));
            }
        };
        let media_type = match media_type.filter(|media_type| !media_type.is_none()) {
            Some(media_type) => text(&format!("{name}[2]"), &media_type)?,
            None => ANY_TYPE.to_owned(),
        };
        let file_name = text(&format!("{name}[0]"), &file_name)?;
        let content = file_content(&format!("{name}[1]"), FILES, &content)?;
        return Ok(File { field: field.to_owned(), name: file_name, media_type, content });
    }
    let (file_name, content) = with_own_name(name, FILES, given)?;
    Ok(File { field: field.to_owned(), name: file_name, media_type: ANY_TYPE.to_owned(), content })
}

/// A file that is given without a name: its own one, and its content.
fn with_own_name(name: &str, expected: &str, given: &Bound<'_, PyAny>) -> PyResult<(String, FileContent)> {
    if is_bytes(given) {
        return Err(wrong_type(name, expected, given, Some("(name, content): the content has no name".into())));
    }
    let content = file_content(name, expected, given)?;
    let file_name = match &content {
        FileContent::Path(path) => named(name, path)?,
        // An open file knows its path.
        FileContent::Bytes(_) => match given.getattr("name").ok().filter(Bound::is_instance_of::<PyString>) {
            Some(path) => named(name, &path.extract::<PathBuf>()?)?,
            None => return Err(refused(name, "has no name: give (name, file)")),
        },
    };
    Ok((file_name, content))
}

/// A short file, read into memory: its name and its content.
fn short_file(name: &str, given: &Bound<'_, PyAny>) -> PyResult<(String, Bytes)> {
    let (file_name, content) = match given.cast::<PyTuple>() {
        Ok(parts) if parts.len() == 2 => {
            let file_name = text(&format!("{name}[0]"), &parts.get_item(0)?)?;
            (file_name, file_content(&format!("{name}[1]"), ONE_FILE, &parts.get_item(1)?)?)
        }
        Ok(parts) => return Err(refused(name, format!("must be {ONE_FILE}, not a tuple of {}", parts.len()))),
        Err(_) => with_own_name(name, ONE_FILE, given)?,
    };
    let content = match content {
        FileContent::Bytes(bytes) => bytes,
        FileContent::Path(path) => {
            let read = given.py().detach(|| files::read_short(&path, MAX_SHORT_FILE));
            read.map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput => {
                    refused(name, format!("names {}, which cannot be sent: {error}", path.display()))
                }
                _ => to_python(Error::file(&path, error)),
            })?
            .into()
        }
    };
    Ok((file_name, content))
}

/// The name of the file at a path.
fn named(name: &str, path: &Path) -> PyResult<String> {
    match path.file_name().map(|file| file.to_str()) {
        Some(Some(file)) => Ok(file.to_owned()),
        Some(None) => Err(refused(name, "has a name that is not UTF-8: give (name, path)")),
        None => Err(refused(name, format!("must name a file, not \"{}\"", path.display()))),
    }
}

fn file_content(name: &str, expected: &str, given: &Bound<'_, PyAny>) -> PyResult<FileContent> {
    if is_bytes(given) {
        return bytes(given).map(FileContent::Bytes);
    }
    if !given.hasattr("read")? {
        let is_path = given.is_instance_of::<PyString>() || given.hasattr("__fspath__")?;
        return if is_path {
            file_path(name, given).map(FileContent::Path)
        } else {
            Err(wrong_type(name, expected, given, None))
        };
    }
    // It can be read only once, and there may be several attempts.
    let content = given.call_method0("read")?;
    if !is_bytes(&content) {
        let expected = format!("{name} must be opened in binary mode: open(path, \"rb\"), or give the path itself");
        return Err(PyTypeError::new_err(expected));
    }
    let content = bytes(&content)?;
    // Files that cannot tell, such as pipes, are sent as they are.
    let position = || given.call_method0("tell").ok()?.extract::<u64>().ok();
    if content.is_empty() && position().is_some_and(|position| position > 0) {
        return Err(refused(name, "is at its end: rewind it, as with file.seek(0)"));
    }
    Ok(FileContent::Bytes(content))
}

fn is_bytes(given: &Bound<'_, PyAny>) -> bool {
    given.is_instance_of::<PyBytes>() || given.is_instance_of::<PyByteArray>() || given.is_instance_of::<PyMemoryView>()
}

/// A copy of bytes, which Python may change meanwhile.
fn bytes(given: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    let copied = given.py().get_type::<PyBytes>().call1((given,))?;
    Ok(Bytes::copy_from_slice(copied.cast::<PyBytes>()?.as_bytes()))
}

fn raw_content(name: &str, given: &Bound<'_, PyAny>) -> PyResult<(Bytes, &'static str)> {
    if is_bytes(given) {
        return Ok((bytes(given)?, ANY_TYPE));
    }
    if given.is_instance_of::<PyString>() {
        return Ok((text(name, given)?.into(), "text/plain; charset=utf-8"));
    }
    Err(wrong_type(name, "bytes or a str", given, None))
}

fn headers(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let Ok(mapping) = given.cast::<PyMapping>() else {
        return Err(wrong_type(name, "a dict", given, None));
    };
    let mut headers = Vec::new();
    for item in mapping.items()?.iter() {
        let (header, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let header = text(&format!("each name in {name}"), &header)?;
        let value = text(&format!("{name}[{:?}]", cut(&header)), &value)?;
        headers.push((header, value));
    }
    Ok(headers)
}

impl IntoPython for Content {
    type Python = Typed<AnyJson>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Typed::new(match self {
            Self::Empty => py.None(),
            Self::Text(text) => PyString::new(py, &text).into_any().unbind(),
            Self::Json(value) => json::to_python(py, &value)?.unbind(),
            Self::Bytes(bytes) => PyBytes::new(py, &bytes).into_any().unbind(),
            Self::Response(response) => response_to_python(py, response)?,
        }))
    }
}

/// Decode the body of a raw answer, by its byte order mark or the charset of its content type.
#[pyfunction]
#[pyo3(name = "_text", signature = (content_type, content))]
pub(crate) fn text_of_answer<'body>(content_type: &str, content: &'body [u8]) -> Cow<'body, str> {
    to_text(content_type, content)
}

fn response_to_python(py: Python<'_>, response: Response) -> PyResult<Py<PyAny>> {
    static RESPONSES: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = cached(py, &RESPONSES, || PyModule::import(py, "canvas_studio.response").map(Bound::unbind))?;
    let headers = PyDict::new(py);
    for (name, value) in response.headers {
        headers.set_item(name, value)?;
    }
    let content = PyBytes::new(py, &response.body);
    Ok(module.bind(py).getattr("Response")?.call1((response.status, headers, content))?.unbind())
}
