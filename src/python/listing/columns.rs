//! Builds Arrow columns from the JSON text of items, without making Python objects.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, ListBuilder, NullBufferBuilder,
    StringBuilder, StringDictionaryBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{ArrowError, DataType, Field as Column, Fields, Schema, SchemaRef, TimeUnit};
use jiff::civil::Date;
use serde_json::{Map, Number, Value as Json};

use crate::api::item::{Extra, Item};
use crate::api::json::dates::{Moment, ParseDate};
use crate::api::json::fields::{Field, Kind, Span};
use crate::api::json::lazy::{Value, find_spans};
use crate::api::json::scan::Order;
use crate::client::Error;
use crate::memory;

/// The column of the undocumented fields, as JSON.
const EXTRA: &str = "extra";
/// The object whose fields are columns of their own where values are plain.
pub(super) const OWNER: &str = "owner";
/// The day from which Arrow counts days.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// The most digits of an Arrow decimal.
const DECIMAL_DIGITS: u8 = 38;

/// How the values of a column are written that has few distinct words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WordEncoding {
    /// As a dictionary and indexes into it. Each batch has its own dictionary, so this is for batches that will be
    /// combined.
    Dictionary,
    /// As plain text: an Arrow file cannot hold batches with different dictionaries.
    Plain,
}

/// Which columns are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) words: WordEncoding,
    /// Whether each is a plain value, as in CSV: one for each field of the owner, and JSON for other objects and lists.
    pub(crate) is_flat: bool,
}

impl Layout {
    /// The columns of a stream.
    pub(crate) const STREAM: Self = Self { words: WordEncoding::Plain, is_flat: false };

    /// The columns of batches that will be combined.
    pub(crate) const fn combined(is_flat: bool) -> Self {
        Self { words: WordEncoding::Dictionary, is_flat }
    }
}

/// The columns of a list, the same for all of its batches.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub(crate) schema: SchemaRef,
}

impl Columns {
    /// The columns for a type of items. For items without a type they are inferred from the first items.
    pub(crate) fn of<T: Item>(first: &[T], layout: Layout) -> Self {
        let mut columns = if T::FIELDS.is_empty() { inferred(&objects(first)) } else { documented(T::FIELDS, layout) };
        let names: Vec<&str> = columns.iter().map(|column| column.name().as_str()).collect();
        let extra = extra_name(&names);
        columns.push(Column::new(extra, DataType::Utf8, true));
        Self { schema: Arc::new(Schema::new(columns)) }
    }

    /// A batch of items without a type. A value that does not fit its column goes into the last one.
    fn untyped<T: Item>(&self, items: &[T]) -> Result<RecordBatch, ArrowError> {
        let names = self.schema.fields().split_last().map_or(&[][..], |(_, names)| names);
        let mut builders: Vec<InferredBuilder> =
            names.iter().map(|column| InferredBuilder::of(column.data_type())).collect();
        let mut extra = StringBuilder::new();
        for object in objects(items) {
            let mut rest = object.clone();
            for (column, builder) in names.iter().zip(&mut builders) {
                let value = object.get(column.name()).unwrap_or(&Json::Null);
                if builder.append(value)? {
                    rest.shift_remove(column.name());
                }
            }
            append_extra(&mut extra, Some(&rest))?;
        }
        self.batch(builders.into_iter().map(InferredBuilder::finish).collect(), extra)
    }

    fn batch(&self, mut arrays: Vec<ArrayRef>, mut extra: StringBuilder) -> Result<RecordBatch, ArrowError> {
        arrays.push(Arc::new(extra.finish()));
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}

/// The name of the last column beside others. Names are unique, even if compared without case.
pub(super) fn extra_name(others: &[&str]) -> String {
    let mut name = EXTRA.to_owned();
    while others.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    name
}

/// Rows for Python. Only a call that completes takes them, so none are lost if it is cancelled.
pub(crate) struct Rows(pub(crate) Arc<Mutex<Option<RecordBatch>>>);

/// The most memory that building a batch takes, as a multiple of the length of its items' texts.
const MEMORY_OF_TEXT: usize = 4;

/// Builds a batch from pages, one by one.
pub(crate) struct BatchBuilder<T> {
    object: StructBuilder,
    layout: Layout,
    extra: StringBuilder,
    /// Items without a type. Their columns are inferred once there are enough of them.
    untyped: Vec<T>,
    /// Pages that wait because memory ran out.
    waiting: VecDeque<Vec<T>>,
    /// The length of the texts of all items.
    length: usize,
    failed: Option<ArrowError>,
}

impl<T: Item> BatchBuilder<T> {
    pub(crate) fn new(layout: Layout) -> Self {
        let object = StructBuilder::of(T::FIELDS, layout);
        let (extra, untyped, waiting) = (StringBuilder::new(), Vec::new(), VecDeque::new());
        Self { object, layout, extra, untyped, waiting, length: 0, failed: None }
    }

    /// Adds a page. If there is no memory for it, it waits.
    pub(crate) fn add(&mut self, items: Vec<T>) {
        self.waiting.push_back(items);
        // The caller that needs the batch tries again and gets the error.
        let _ = self.add_waiting();
    }

    /// Adds the pages that wait.
    pub(crate) fn add_waiting(&mut self) -> Result<(), Error> {
        while let Some(items) = self.waiting.pop_front() {
            let length = items.iter().map(|item| item.json().len()).sum::<usize>().saturating_add(self.length);
            // A growing column doubles its memory and copies its content.
            if !memory::is_there(memory::ROOM.saturating_add(length.saturating_mul(MEMORY_OF_TEXT))) {
                self.waiting.push_front(items);
                return Err(Error::OutOfMemory);
            }
            self.length = length;
            self.append(items);
        }
        Ok(())
    }

    fn append(&mut self, items: Vec<T>) {
        if T::FIELDS.is_empty() {
            self.untyped.extend(items);
            return;
        }
        let texts: Vec<Cow<'_, str>> = items.iter().map(Item::json).collect();
        let mut extra_by_row = ExtraByRow::new();
        let mut spans = Vec::with_capacity(items.len() * T::FIELDS.len());
        for (row, (item, text)) in items.iter().zip(&texts).enumerate() {
            match item.spans() {
                Some((known, false)) => spans.extend_from_slice(known),
                _ => self.object.find(row, text, &mut spans, &mut extra_by_row),
            }
        }
        let texts: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_ref())).collect();
        self.object.append(&texts, &spans, &mut extra_by_row);
        for row in 0..items.len() {
            if let Err(error) = append_extra(&mut self.extra, extra_by_row.remove(&row).as_ref()) {
                self.failed.get_or_insert(error);
            }
        }
    }

    /// Makes the batch, with one row for each item.
    pub(crate) fn finish(self, columns: &OnceLock<Columns>) -> Result<RecordBatch, ArrowError> {
        let columns = columns.get_or_init(|| Columns::of(&self.untyped, self.layout));
        match self.failed {
            Some(error) => Err(error),
            None if T::FIELDS.is_empty() => columns.untyped(&self.untyped),
            None => columns.batch(self.object.finish(), self.extra),
        }
    }
}

fn append_extra(extra: &mut StringBuilder, fields: Option<&Extra>) -> Result<(), ArrowError> {
    let text = fields.filter(|fields| !fields.is_empty()).map(serde_json::to_string).transpose();
    extra.append_option(text.map_err(|error| ArrowError::ExternalError(Box::new(error)))?);
    Ok(())
}

fn documented(fields: &'static [Field], layout: Layout) -> Vec<Column> {
    let columns = |field: &'static Field| match owner_fields(field) {
        Some(parts) if layout.is_flat => {
            let column =
                |part: &Field| Column::new(format!("{OWNER}_{}", part.name), data_type(part.kind, layout), true);
            parts.iter().map(column).collect()
        }
        _ => vec![Column::new(field.name, data_type(field.kind, layout), !matches!(field.kind, Kind::Id))],
    };
    fields.iter().flat_map(columns).collect()
}

/// The fields of the owner, if this is where it stands: in CSV and in flat columns, they are columns of their own.
pub(super) fn owner_fields(field: &Field) -> Option<&'static [Field]> {
    match field.kind {
        Kind::Object(fields) if field.name == OWNER => Some(fields),
        _ => None,
    }
}

fn data_type(kind: Kind, layout: Layout) -> DataType {
    match kind {
        Kind::Id | Kind::Int => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Flag => DataType::Boolean,
        Kind::Word if layout.words == WordEncoding::Dictionary => {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        }
        Kind::Text | Kind::Word | Kind::Numbers => DataType::Utf8,
        Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Day => DataType::Date32,
        Kind::Words | Kind::Object(_) if layout.is_flat => DataType::Utf8,
        Kind::Words => DataType::new_list(DataType::Utf8, true),
        Kind::Object(fields) => DataType::Struct(inside(fields, layout)),
    }
}

/// The columns of a nested object. They are all nullable, even the id: the object may be missing.
fn inside(fields: &'static [Field], layout: Layout) -> Fields {
    documented(fields, layout).into_iter().map(|column| column.with_nullable(true)).collect()
}

/// The undocumented fields by row. Most rows have none.
type ExtraByRow = BTreeMap<usize, Extra>;

/// Builds the columns of objects with documented fields.
struct StructBuilder {
    fields: &'static [Field],
    layout: Layout,
    columns: Vec<FieldBuilder>,
    order: Order,
}

/// Builds one column.
enum FieldBuilder {
    Int(Int64Builder),
    Number(Float64Builder),
    Flag(BooleanBuilder),
    Text(StringBuilder),
    Word(StringDictionaryBuilder<Int32Type>),
    Moment(TimestampMicrosecondBuilder),
    Day(Date32Builder),
    Words(ListBuilder<StringBuilder>),
    Json(StringBuilder),
    Struct { object: StructBuilder, validity: NullBufferBuilder },
}

impl StructBuilder {
    fn of(fields: &'static [Field], layout: Layout) -> Self {
        let columns = fields.iter().map(|field| FieldBuilder::of(field, layout)).collect();
        Self { fields, layout, columns, order: Order::default() }
    }

    /// Finds the fields in the JSON text of an object: adds their spans, and the undocumented ones, if there are any.
    fn find(&mut self, row: usize, text: &str, spans: &mut Vec<Span>, extra_by_row: &mut ExtraByRow) {
        let from = spans.len();
        spans.resize(from + self.fields.len(), Span::default());
        if let Some(spans) = spans.get_mut(from..) {
            let extra = find_spans(text, self.fields, &mut self.order, spans);
            if !extra.is_empty() {
                extra_by_row.insert(row, extra);
            }
        }
    }

    /// Appends objects (or nulls), column by column. `spans` has the spans of each object. Undocumented fields of
    /// nested objects are added to `extra_by_row`.
    fn append(&mut self, texts: &[Option<&str>], spans: &[Span], extra_by_row: &mut ExtraByRow) {
        let width = self.fields.len();
        for (index, (field, builder)) in self.fields.iter().zip(&mut self.columns).enumerate() {
            let cells = texts.iter().zip(spans.iter().skip(index).step_by(width));
            builder.append(field, cells.map(|(text, span)| text.and_then(|text| span.of(text))), extra_by_row);
        }
    }

    fn finish(self) -> Vec<ArrayRef> {
        self.columns.into_iter().flat_map(FieldBuilder::finish).collect()
    }
}

impl FieldBuilder {
    fn of(field: &Field, layout: Layout) -> Self {
        match field.kind {
            Kind::Id | Kind::Int => Self::Int(Int64Builder::new()),
            Kind::Number => Self::Number(Float64Builder::new()),
            Kind::Flag => Self::Flag(BooleanBuilder::new()),
            Kind::Word if layout.words == WordEncoding::Dictionary => Self::Word(StringDictionaryBuilder::new()),
            Kind::Text | Kind::Word => Self::Text(StringBuilder::new()),
            Kind::Timestamp => Self::Moment(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Kind::Day => Self::Day(Date32Builder::new()),
            Kind::Numbers => Self::Json(StringBuilder::new()),
            Kind::Words if layout.is_flat => Self::Json(StringBuilder::new()),
            Kind::Object(_) if layout.is_flat && owner_fields(field).is_none() => Self::Json(StringBuilder::new()),
            Kind::Words => Self::Words(ListBuilder::new(StringBuilder::new())),
            Kind::Object(fields) => {
                Self::Struct { object: StructBuilder::of(fields, layout), validity: NullBufferBuilder::new(0) }
            }
        }
    }

    fn append<'text>(
        &mut self,
        field: &Field,
        cells: impl Iterator<Item = Option<&'text str>>,
        extra_by_row: &mut ExtraByRow,
    ) {
        match self {
            Self::Int(builder) => cells.for_each(|raw| builder.append_option(Option::<i64>::read(raw))),
            Self::Number(builder) => cells.for_each(|raw| builder.append_option(Option::<f64>::read(raw))),
            Self::Flag(builder) => cells.for_each(|raw| builder.append_option(Option::<bool>::read(raw))),
            Self::Text(builder) => cells.for_each(|raw| builder.append_option(Option::<Cow<'_, str>>::read(raw))),
            Self::Word(builder) => cells.for_each(|raw| builder.append_option(Option::<Cow<'_, str>>::read(raw))),
            Self::Moment(builder) => cells.for_each(|raw| {
                let moment = Option::<Cow<'_, str>>::read(raw).and_then(|text| Moment::parse(&text));
                builder.append_option(moment.and_then(Moment::as_microsecond));
            }),
            Self::Day(builder) => cells.for_each(|raw| {
                let day = Option::<Cow<'_, str>>::read(raw).and_then(|text| Date::parse(&text));
                builder.append_option(day.and_then(days_since_epoch));
            }),
            Self::Words(builder) => cells.for_each(|raw| {
                let words = Option::<Vec<String>>::read(raw);
                builder.append_option(words.map(|words| words.into_iter().map(Some)));
            }),
            Self::Json(builder) => cells.for_each(|raw| builder.append_option(raw)),
            Self::Struct { object, validity } => {
                let texts: Vec<Option<&str>> = cells.collect();
                let mut inside = ExtraByRow::new();
                let mut spans = Vec::with_capacity(texts.len() * object.fields.len());
                for (row, text) in texts.iter().enumerate() {
                    object.find(row, text.unwrap_or("{}"), &mut spans, &mut inside);
                    validity.append(text.is_some());
                }
                object.append(&texts, &spans, &mut inside);
                for (row, inside) in inside {
                    extra_by_row.entry(row).or_default().insert(field.name.to_owned(), Json::Object(inside));
                }
            }
        }
    }

    /// One column, or those of an object that is not kept as one.
    fn finish(self) -> Vec<ArrayRef> {
        vec![match self {
            Self::Int(mut builder) => Arc::new(builder.finish()) as ArrayRef,
            Self::Number(mut builder) => Arc::new(builder.finish()),
            Self::Flag(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) | Self::Json(mut builder) => Arc::new(builder.finish()),
            Self::Word(mut builder) => Arc::new(builder.finish()),
            Self::Moment(mut builder) => Arc::new(builder.finish()),
            Self::Day(mut builder) => Arc::new(builder.finish()),
            Self::Words(mut builder) => Arc::new(builder.finish()),
            Self::Struct { object, .. } if object.layout.is_flat => return object.finish(),
            Self::Struct { object, mut validity } => {
                Arc::new(StructArray::new(inside(object.fields, object.layout), object.finish(), validity.finish()))
            }
        }]
    }
}

fn days_since_epoch(day: Date) -> Option<i32> {
    i32::try_from(day.duration_since(EPOCH).as_hours() / 24).ok()
}

/// Items without a type as JSON objects.
pub(super) fn objects<T: Item>(items: &[T]) -> Vec<Map<String, Json>> {
    let object = |item: &T| match serde_json::from_str(&item.json()) {
        Ok(Json::Object(object)) => object,
        // A value that is not an object has no fields, but is not lost.
        Ok(other) => Map::from_iter([("value".to_owned(), other)]),
        Err(_) => Map::new(),
    };
    items.iter().map(object).collect()
}

/// The columns of the first items.
fn inferred(objects: &[Map<String, Json>]) -> Vec<Column> {
    let mut columns: Vec<(&str, InferredType)> = Vec::new();
    let mut indexes: HashMap<&str, usize> = HashMap::new();
    for (name, value) in objects.iter().flatten() {
        let index = *indexes.entry(name).or_insert_with(|| {
            columns.push((name, InferredType::Unknown));
            columns.len() - 1
        });
        if let Some((_, inferred)) = columns.get_mut(index) {
            inferred.add(value);
        }
    }
    columns.iter().map(|(name, inferred)| Column::new(*name, inferred.data_type(), true)).collect()
}

/// The type of a column, inferred from its first values: the first one that is not null decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InferredType {
    Unknown,
    Flags,
    Texts,
    Numbers { has_floats: bool, width: Option<IntWidth> },
}

/// The type that holds all integers of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum IntWidth {
    Integer,
    Decimal,
    Text,
}

impl InferredType {
    fn add(&mut self, value: &Json) {
        if *self == Self::Unknown {
            *self = match value {
                Json::Null => Self::Unknown,
                Json::Bool(_) => Self::Flags,
                Json::Number(_) => Self::Numbers { has_floats: false, width: None },
                Json::String(_) | Json::Array(_) | Json::Object(_) => Self::Texts,
            };
        }
        if let (Self::Numbers { has_floats, width }, Json::Number(number)) = (self, value) {
            if is_integer(number) {
                *width = (*width).max(Some(if number.is_i64() {
                    IntWidth::Integer
                } else if decimal(number).is_some() {
                    IntWidth::Decimal
                } else {
                    IntWidth::Text
                }));
            } else {
                // A number that is too large for a float is not one.
                *has_floats |= number.as_f64().is_some();
            }
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Unknown | Self::Texts => DataType::Utf8,
            Self::Flags => DataType::Boolean,
            Self::Numbers { has_floats: false, width: Some(width) } => match width {
                IntWidth::Integer => DataType::Int64,
                IntWidth::Decimal => DataType::Decimal128(DECIMAL_DIGITS, 0),
                IntWidth::Text => DataType::Utf8,
            },
            Self::Numbers { .. } => DataType::Float64,
        }
    }
}

/// Whether a number is written as an integer.
fn is_integer(number: &Number) -> bool {
    !number.as_str().contains(['.', 'e', 'E'])
}

/// An integer, if a decimal can hold it.
fn decimal(number: &Number) -> Option<i128> {
    number.as_i128().filter(|whole| whole.unsigned_abs() < 10_u128.pow(DECIMAL_DIGITS.into()))
}

/// A number as a float, unless it is an integer that would lose a digit.
fn float(number: &Number) -> Option<f64> {
    let float = number.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "what is too large is not the same afterwards")]
    let is_exact = || number.as_i128().is_some_and(|whole| float as i128 == whole && whole != i128::MAX);
    (!is_integer(number) || is_exact()).then_some(float)
}

/// Builds a column whose type was inferred from its first values.
enum InferredBuilder {
    Int(Int64Builder),
    Decimal(Decimal128Builder),
    Number(Float64Builder),
    Flag(BooleanBuilder),
    Text(StringBuilder),
}

impl InferredBuilder {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Decimal128(..) => Self::Decimal(Decimal128Builder::new().with_data_type(data_type.clone())),
            DataType::Float64 => Self::Number(Float64Builder::new()),
            DataType::Boolean => Self::Flag(BooleanBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Appends a value, or null if it does not fit. Says whether it fits.
    fn append(&mut self, value: &Json) -> Result<bool, ArrowError> {
        let number = value.as_number();
        let fits = |found: bool| found || value.is_null();
        Ok(match self {
            Self::Int(builder) => {
                builder.append_option(value.as_i64());
                fits(value.is_i64())
            }
            Self::Decimal(builder) => {
                let whole = number.and_then(decimal);
                builder.append_option(whole);
                fits(whole.is_some())
            }
            Self::Number(builder) => {
                let float = number.and_then(float);
                builder.append_option(float);
                fits(float.is_some())
            }
            Self::Flag(builder) => {
                builder.append_option(value.as_bool());
                fits(value.is_boolean())
            }
            Self::Text(builder) => {
                match value {
                    Json::Null => builder.append_null(),
                    Json::String(text) => builder.append_value(text),
                    other => {
                        let text = serde_json::to_string(other);
                        builder.append_value(text.map_err(|error| ArrowError::ExternalError(Box::new(error)))?);
                    }
                }
                true
            }
        })
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Int(mut builder) => Arc::new(builder.finish()),
            Self::Decimal(mut builder) => Arc::new(builder.finish()),
            Self::Number(mut builder) => Arc::new(builder.finish()),
            Self::Flag(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
        }
    }
}
