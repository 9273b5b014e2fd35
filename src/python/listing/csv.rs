//! Writes items as rows of CSV from their JSON text, as Python's `csv` and `json` would write their `to_dict()`.

use std::borrow::Cow;
use std::fmt::Write;
use std::{io, mem};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Number, Value as Json};

use super::columns::{OWNER, extra_name, objects, owner_fields};
use super::formulas::without_formula;
use crate::api::item::{Extra, Item};
use crate::api::json::dates::{Moment, ParseDate};
use crate::api::json::fields::{Field, Kind, Span};
use crate::api::json::lazy::{Value, spans_and_extra};
use crate::client::{Client, Error};
use crate::memory;
use crate::python::convert::json::MAX_DIGITS;
use crate::python::convert::output::IntoPython;
use crate::stack::with_enough_stack;

/// The most memory that writing rows takes, as a multiple of the length of their JSON texts: quotes are doubled, and a
/// string that grows is copied.
const MEMORY_OF_TEXT: usize = 4;

/// Rows of CSV in UTF-8, and how many there are. The first ones come behind the header.
pub(crate) struct CsvRows {
    count: usize,
    text: String,
}

impl CsvRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl IntoPython for CsvRows {
    type Python = (usize, Py<PyBytes>);

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        let text = PyBytes::new_with(py, self.text.len(), |bytes| {
            bytes.copy_from_slice(self.text.as_bytes());
            Ok(())
        })?;
        Ok((self.count, text.unbind()))
    }
}

/// Writes the rows of a list.
pub(crate) struct CsvWriter {
    /// Whether texts that a spreadsheet may take for formulas get an apostrophe in front.
    is_safe: bool,
    /// The columns of items without a type: the keys of the first page.
    names: Option<Vec<String>>,
    text: String,
    count: usize,
    failed: Option<Error>,
}

impl CsvWriter {
    pub(crate) fn of<T: Item>(is_safe: bool) -> Self {
        let mut writer = Self { is_safe, names: None, text: String::new(), count: 0, failed: None };
        if !T::FIELDS.is_empty() {
            let mut names = Vec::new();
            for field in T::FIELDS {
                match owner_fields(field) {
                    Some(parts) => names.extend(parts.iter().map(|part| format!("{OWNER}_{}", part.name))),
                    None => names.push(field.name.to_owned()),
                }
            }
            writer.add_header(&names);
        }
        writer
    }

    /// Adds a row for each item of a page.
    pub(crate) fn add<T: Item>(&mut self, items: &[T]) {
        let length = items.iter().map(|item| item.json().len()).sum::<usize>().saturating_add(self.text.len());
        if !memory::is_there(memory::ROOM.saturating_add(length.saturating_mul(MEMORY_OF_TEXT))) {
            self.failed = Some(Error::OutOfMemory);
        } else if T::FIELDS.is_empty() {
            self.add_untyped(objects(items));
        } else {
            for item in items {
                self.add_item(item);
            }
        }
        self.count += items.len();
    }

    /// Takes the rows that were added.
    pub(crate) fn take(&mut self) -> Result<CsvRows, Error> {
        let rows = CsvRows { count: mem::take(&mut self.count), text: mem::take(&mut self.text) };
        self.failed.take().map_or(Ok(rows), Err)
    }

    fn add_header(&mut self, names: &[String]) {
        for name in names {
            self.add_text(name);
            self.text.push(',');
        }
        self.text.push_str(&extra_name(&names.iter().map(String::as_str).collect::<Vec<_>>()));
        self.text.push_str("\r\n");
    }

    fn add_item<T: Item>(&mut self, item: &T) {
        let text = item.json();
        let (spans, mut extra, dates) = match item.spans() {
            Some((spans, false)) => (Cow::Borrowed(spans), Extra::new(), Dates::AsSent),
            known => {
                let (spans, extra) = spans_and_extra(&text, T::FIELDS);
                (Cow::Owned(spans), extra, if known.is_some() { Dates::AsSent } else { Dates::InUtc })
            }
        };
        self.add_fields(T::FIELDS, &text, &spans, &mut extra, dates);
        self.end_row(extra, false);
    }

    /// Adds a cell for each documented field. What has no cell stays in `extra`.
    fn add_fields(&mut self, fields: &[Field], text: &str, spans: &[Span], extra: &mut Extra, dates: Dates) {
        for (field, span) in fields.iter().zip(spans) {
            // A value that cannot be read stands in its cell as it was sent.
            let unreadable = if extra.is_empty() { None } else { extra.shift_remove(field.name) };
            match (owner_fields(field), unreadable, span.of(text)) {
                (Some(parts), unreadable, raw) => {
                    let text = raw.unwrap_or("{}");
                    let (spans, mut rest) = spans_and_extra(text, parts);
                    match unreadable {
                        Some(Json::Object(sent)) => rest = sent,
                        Some(sent) => drop(extra.insert(OWNER.to_owned(), sent)),
                        None => {}
                    }
                    self.add_fields(parts, text, &spans, &mut rest, dates);
                    if !rest.is_empty() {
                        extra.insert(OWNER.to_owned(), Json::Object(rest));
                    }
                }
                (None, Some(sent), _) => {
                    self.add_value(&sent);
                    self.text.push(',');
                }
                (None, None, raw) => {
                    if let Some(raw) = raw {
                        self.add_field(field.kind, raw, dates);
                    }
                    self.text.push(',');
                }
            }
        }
    }

    fn add_field(&mut self, kind: Kind, raw: &str, dates: Dates) {
        match (kind, dates) {
            (Kind::Text | Kind::Word | Kind::Day, _) | (Kind::Timestamp, Dates::AsSent) => {
                if let Some(text) = Option::<Cow<'_, str>>::read(Some(raw)) {
                    self.add_text(&text);
                }
            }
            (Kind::Timestamp, Dates::InUtc) => {
                let text = Option::<Cow<'_, str>>::read(Some(raw));
                self.text.extend(text.and_then(|text| Moment::parse(&text)).map(iso_format));
            }
            (Kind::Id | Kind::Int, _) => {
                self.text.extend(Option::<i64>::read(Some(raw)).map(|whole| whole.to_string()));
            }
            (Kind::Number, _) => self.text.extend(Option::<f64>::read(Some(raw)).map(float_text)),
            (Kind::Flag | Kind::Words | Kind::Numbers | Kind::Object(_), _) => self.add_value(&value_of(kind, raw)),
        }
    }

    fn add_untyped(&mut self, objects: Vec<Extra>) {
        if self.names.is_none() {
            let first: Extra = objects.iter().flatten().map(|(name, _)| (name.clone(), Json::Null)).collect();
            let names: Vec<String> = first.into_iter().map(|(name, _)| name).collect();
            self.add_header(&names);
            self.names = Some(names);
        }
        let names = self.names.take().unwrap_or_default();
        for mut object in objects {
            for name in &names {
                if let Some(value) = object.shift_remove(name) {
                    self.add_value(&value);
                }
                self.text.push(',');
            }
            self.end_row(object, names.is_empty());
        }
        self.names = Some(names);
    }

    /// Ends a row with its last cell. An empty one that is alone has quotes, since the line would be empty.
    fn end_row(&mut self, extra: Extra, is_alone: bool) {
        if !extra.is_empty() {
            self.add_value(&Json::Object(extra));
        } else if is_alone {
            self.text.push_str("\"\"");
        }
        self.text.push_str("\r\n");
    }

    fn add_value(&mut self, value: &Json) {
        match value {
            Json::Null => {}
            Json::Bool(true) => self.text.push_str("True"),
            Json::Bool(false) => self.text.push_str("False"),
            Json::Number(number) => self.text.push_str(&number_text(number.as_str())),
            Json::String(text) => self.add_text(text),
            Json::Array(_) | Json::Object(_) => self.add_text(&json_text(value)),
        }
    }

    fn add_text(&mut self, text: &str) {
        if self.is_safe {
            add_quoted(&mut self.text, &without_formula(text));
        } else {
            add_quoted(&mut self.text, text);
        }
    }
}

/// How dates are written: `to_dict()` of a media or a collection has the text that was sent, that of a record the text
/// of its `datetime`.
#[derive(Debug, Clone, Copy)]
enum Dates {
    AsSent,
    InUtc,
}

/// A field as JSON has it.
fn value_of(kind: Kind, raw: &str) -> Json {
    match kind {
        Kind::Id | Kind::Int => Option::<i64>::read(Some(raw)).into(),
        Kind::Number => Option::<f64>::read(Some(raw)).and_then(Number::from_f64).into(),
        Kind::Flag => Option::<bool>::read(Some(raw)).into(),
        Kind::Text | Kind::Word | Kind::Timestamp | Kind::Day => Option::<Cow<'_, str>>::read(Some(raw)).into(),
        Kind::Words => Option::<Vec<String>>::read(Some(raw)).into(),
        Kind::Numbers => serde_json::from_str(raw).unwrap_or_default(),
        Kind::Object(fields) => {
            let (spans, extra) = spans_and_extra(raw, fields);
            let value = |(field, span): (&Field, &Span)| {
                let value = span.of(raw).map_or(Json::Null, |raw| value_of(field.kind, raw));
                (field.name.to_owned(), value)
            };
            Json::Object(fields.iter().zip(&spans).map(value).chain(extra).collect())
        }
    }
}

/// Adds a cell, in quotes if CSV needs them.
fn add_quoted(cells: &mut String, text: &str) {
    if text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        cells.push('"');
        for (number, part) in text.split('"').enumerate() {
            cells.push_str(if number == 0 { "" } else { "\"\"" });
            cells.push_str(part);
        }
        cells.push('"');
    } else {
        cells.push_str(text);
    }
}

/// The text of a JSON number once Python has read it: all digits of an int, and the `repr` of a float.
fn number_text(sent: &str) -> Cow<'_, str> {
    if let Ok(whole) = sent.parse::<i64>() {
        return whole.to_string().into();
    }
    match sent.parse::<f64>() {
        Ok(float) if sent.contains(['.', 'e', 'E']) => float_text(float).into(),
        _ => sent.into(),
    }
}

/// A float as Python's `repr` writes it. Rust has the same digits, but `1e-5` for `1e-05` and `1e16` for `1e+16`.
fn float_text(float: f64) -> String {
    let text = format!("{float:?}");
    match text.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<i32>())) {
        Some((digits, Ok(exponent))) => format!("{digits}e{exponent:+03}"),
        _ => text,
    }
}

/// A time as Python's `isoformat` writes it, with `Z`.
fn iso_format(moment: Moment) -> String {
    let time = moment.in_utc();
    let mut text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let microsecond = time.subsec_nanosecond() / 1000;
    if microsecond != 0 {
        // A string takes whatever is written to it.
        let _ = write!(text, ".{microsecond:06}");
    }
    text.push('Z');
    text
}

/// A value as `json.dumps(value, ensure_ascii=False)` writes it.
fn json_text(value: &Json) -> String {
    let mut text = Vec::new();
    // What was read can be written.
    let _ = with_enough_stack(|| value.serialize(&mut Serializer::with_formatter(&mut text, PythonFormatter)));
    String::from_utf8(text).unwrap_or_default()
}

/// Python's `json` puts a space behind commas and colons.
struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.begin_array_value(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_number_str<W: ?Sized + io::Write>(&mut self, writer: &mut W, sent: &str) -> io::Result<()> {
        match &*number_text(sent) {
            "inf" => writer.write_all(b"Infinity"),
            "-inf" => writer.write_all(b"-Infinity"),
            // It is a text in Python, too.
            digits if digits.len() > MAX_DIGITS => write!(writer, "\"{digits}\""),
            text => writer.write_all(text.as_bytes()),
        }
    }
}
