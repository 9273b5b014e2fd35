//! Items as columns of Arrow's, built from their JSON text without a Python object in between.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder, StringDictionaryBuilder,
    StructBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field as Column, Fields, Schema, SchemaRef, TimeUnit};
use jiff::civil::Date;
use serde_json::{Map, Value as Json};

use crate::api::lazy::{Value, parts_of};
use crate::api::models::{Day, Extra, Item, Timestamp};
use crate::api::scan::{Field, Kind, Span};

/// The column of what is not documented, as JSON.
const EXTRA: &str = "extra";
/// From when on Arrow counts days.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// Makes batches of one list's items, all with the same columns.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub(crate) schema: SchemaRef,
    fields: &'static [Field],
}

impl Columns {
    /// The columns of items of a type. Those without one are known when the first of them are there.
    pub(crate) fn of<T: Item>(first: &[&T]) -> Self {
        let columns = if T::FIELDS.is_empty() { inferred(&objects(first)) } else { documented(T::FIELDS) };
        let extra = Column::new(EXTRA, DataType::Utf8, true);
        Self {
            schema: Arc::new(Schema::new(columns.into_iter().chain([extra]).collect::<Fields>())),
            fields: T::FIELDS,
        }
    }

    /// A row for each item.
    pub(crate) fn batch<T: Item>(&self, items: &[&T]) -> Result<RecordBatch, ArrowError> {
        let mut extra = StringBuilder::new();
        let mut arrays = if self.fields.is_empty() {
            self.objects(&objects(items), &mut extra)?
        } else {
            let mut builders = self.fields.iter().map(|field| builder(field.kind, items.len())).collect::<Vec<_>>();
            for item in items {
                append(&mut builders, self.fields, *item, &mut extra)?;
            }
            builders.iter_mut().map(ArrayBuilder::finish).collect()
        };
        arrays.push(Arc::new(extra.finish()));
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }

    /// What does not fit into the column of its name stands in the last one.
    fn objects(&self, objects: &[Map<String, Json>], extra: &mut StringBuilder) -> Result<Vec<ArrayRef>, ArrowError> {
        let names: Vec<&Column> =
            self.schema.fields().iter().map(AsRef::as_ref).filter(|column| column.name() != EXTRA).collect();
        let mut builders: Vec<Loose> = names.iter().map(|column| Loose::of(column.data_type())).collect();
        for object in objects {
            let mut others = object.clone();
            for (column, builder) in names.iter().zip(&mut builders) {
                let value = object.get(column.name()).unwrap_or(&Json::Null);
                if builder.append(value)? {
                    others.shift_remove(column.name());
                }
            }
            append_extra(extra, &others)?;
        }
        Ok(builders.into_iter().map(Loose::finish).collect())
    }
}

fn append_extra(extra: &mut StringBuilder, others: &Extra) -> Result<(), ArrowError> {
    if others.is_empty() {
        extra.append_null();
    } else {
        extra.append_value(serde_json::to_string(others).map_err(|error| ArrowError::ExternalError(Box::new(error)))?);
    }
    Ok(())
}

fn documented(fields: &'static [Field]) -> Vec<Column> {
    let column = |field: &Field| Column::new(field.name, data_type(field.kind), !matches!(field.kind, Kind::Id));
    fields.iter().map(column).collect()
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Id | Kind::Whole => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Text => DataType::Utf8,
        Kind::Word => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        Kind::Moment => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Day => DataType::Date32,
        // Where there is no object, there is no id either.
        Kind::Object(fields) => {
            DataType::Struct(documented(fields).into_iter().map(|column| column.with_nullable(true)).collect())
        }
    }
}

fn builder(kind: Kind, rows: usize) -> Box<dyn ArrayBuilder> {
    match kind {
        Kind::Id | Kind::Whole => Box::new(Int64Builder::with_capacity(rows)),
        Kind::Number => Box::new(Float64Builder::with_capacity(rows)),
        Kind::Text => Box::new(StringBuilder::with_capacity(rows, rows * 32)),
        Kind::Word => Box::new(StringDictionaryBuilder::<Int32Type>::new()),
        Kind::Moment => Box::new(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC")),
        Kind::Day => Box::new(Date32Builder::with_capacity(rows)),
        Kind::Object(fields) => {
            let DataType::Struct(columns) = data_type(kind) else { return Box::new(StringBuilder::new()) };
            Box::new(StructBuilder::new(columns, fields.iter().map(|field| builder(field.kind, rows)).collect()))
        }
    }
}

fn append<T: Item>(
    builders: &mut [Box<dyn ArrayBuilder>],
    fields: &'static [Field],
    item: &T,
    extra: &mut StringBuilder,
) -> Result<(), ArrowError> {
    let text = item.json();
    let (spans, mut others) = match item.spans() {
        Some((spans, false)) => (Cow::Borrowed(spans), Extra::new()),
        Some((spans, true)) => (Cow::Borrowed(spans), parts_of(&text, fields).1),
        None => {
            let (spans, others) = parts_of(&text, fields);
            (Cow::Owned(spans), others)
        }
    };
    for ((builder, field), span) in builders.iter_mut().zip(fields).zip(spans.iter()) {
        let inside = append_field(builder.as_mut(), field.kind, span.of(&text))?;
        if !inside.is_empty() {
            others.insert(field.name.to_owned(), Json::Object(inside));
        }
    }
    append_extra(extra, &others)
}

/// Appends a field of that kind, and returns what in it is not documented.
fn append_field(builder: &mut dyn ArrayBuilder, kind: Kind, raw: Option<&str>) -> Result<Extra, ArrowError> {
    let builder = builder.as_any_mut();
    let strange = || ArrowError::SchemaError("a column is of another type than its field".to_owned());
    match kind {
        Kind::Id | Kind::Whole => {
            builder.downcast_mut::<Int64Builder>().ok_or_else(strange)?.append_option(Option::<i64>::read(raw));
        }
        Kind::Number => {
            builder.downcast_mut::<Float64Builder>().ok_or_else(strange)?.append_option(Option::<f64>::read(raw));
        }
        Kind::Text => {
            let text = Option::<Cow<'_, str>>::read(raw);
            builder.downcast_mut::<StringBuilder>().ok_or_else(strange)?.append_option(text);
        }
        Kind::Word => {
            let words = builder.downcast_mut::<StringDictionaryBuilder<Int32Type>>().ok_or_else(strange)?;
            words.append_option(Option::<Cow<'_, str>>::read(raw));
        }
        Kind::Moment => {
            let moment = Option::<Timestamp>::read(raw).map(|moment| moment.value().as_microsecond());
            builder.downcast_mut::<TimestampMicrosecondBuilder>().ok_or_else(strange)?.append_option(moment);
        }
        Kind::Day => {
            let day = Option::<Day>::read(raw).and_then(|day| Some(day.value().since(EPOCH).ok()?.get_days()));
            builder.downcast_mut::<Date32Builder>().ok_or_else(strange)?.append_option(day);
        }
        Kind::Object(fields) => {
            let object = builder.downcast_mut::<StructBuilder>().ok_or_else(strange)?;
            let (spans, others) = match raw {
                Some(raw) => parts_of(raw, fields),
                None => (vec![Span::default(); fields.len()], Extra::new()),
            };
            let mut others = others;
            for ((inner, field), span) in object.field_builders_mut().iter_mut().zip(fields).zip(&spans) {
                let inside = append_field(inner.as_mut(), field.kind, raw.and_then(|raw| span.of(raw)))?;
                if !inside.is_empty() {
                    others.insert(field.name.to_owned(), Json::Object(inside));
                }
            }
            object.append(raw.is_some());
            return Ok(others);
        }
    }
    Ok(Extra::new())
}

/// Items without a type, as the objects that they are.
fn objects<T: Item>(items: &[&T]) -> Vec<Map<String, Json>> {
    let object = |item: &&T| match serde_json::from_str(&item.json()) {
        Ok(Json::Object(object)) => object,
        // What is no object has no fields, but it is not lost.
        Ok(other) => Map::from_iter([("value".to_owned(), other)]),
        Err(_) => Map::new(),
    };
    items.iter().map(object).collect()
}

/// The columns that the first items have.
fn inferred(objects: &[Map<String, Json>]) -> Vec<Column> {
    let mut columns: Map<String, Json> = Map::new();
    for (name, value) in objects.iter().flatten().filter(|(name, _)| *name != EXTRA) {
        let known = columns.entry(name).or_insert(Json::Null);
        let is_better = match (&*known, value) {
            (Json::Null, _) => true,
            (Json::Number(known), Json::Number(value)) => known.is_i64() && !value.is_i64(),
            _ => false,
        };
        if is_better {
            *known = value.clone();
        }
    }
    columns.iter().map(|(name, value)| Column::new(name, loose_type(value), true)).collect()
}

fn loose_type(value: &Json) -> DataType {
    match value {
        Json::Bool(_) => DataType::Boolean,
        Json::Number(number) if number.is_i64() => DataType::Int64,
        Json::Number(_) => DataType::Float64,
        _ => DataType::Utf8,
    }
}

/// A column of which only the first values told what it holds.
enum Loose {
    Whole(Int64Builder),
    Number(Float64Builder),
    Flag(BooleanBuilder),
    Text(StringBuilder),
}

impl Loose {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Whole(Int64Builder::new()),
            DataType::Float64 => Self::Number(Float64Builder::new()),
            DataType::Boolean => Self::Flag(BooleanBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Whether the value fits; if not, there is nothing in its place.
    fn append(&mut self, value: &Json) -> Result<bool, ArrowError> {
        Ok(match self {
            Self::Whole(builder) => {
                builder.append_option(value.as_i64());
                value.is_i64() || value.is_null()
            }
            Self::Number(builder) => {
                builder.append_option(value.as_f64());
                value.is_number() || value.is_null()
            }
            Self::Flag(builder) => {
                builder.append_option(value.as_bool());
                value.is_boolean() || value.is_null()
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
            Self::Whole(mut builder) => Arc::new(builder.finish()),
            Self::Number(mut builder) => Arc::new(builder.finish()),
            Self::Flag(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
        }
    }
}
