//! The sandbox's Swagger 2.0 description, made from its operations, for schema-driven clients.

use serde_json::{Map, Value as Json, json};

use super::super::operation::Operation;
use super::super::parameters::{Kind, Parameter, ParameterLocation};
use super::super::shapes;

/// The answer of `GET /api/public/apidocs`.
pub(crate) fn description(operations: &[Operation], host: &str) -> Json {
    let mut paths = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(operation.method.as_str().to_lowercase(), described(operation));
        }
    }
    json!({
        "swagger": "2.0",
        "info": {
            "title": "Studio in a box",
            "version": "1.0",
            "description": "The sandbox of canvas-studio. It is not Studio, and this is not Studio's description.",
        },
        "host": host,
        "basePath": "/api/public/v1",
        "schemes": ["http"],
        "produces": ["application/json"],
        "securityDefinitions": {"token": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        "security": [{"token": []}],
        "paths": paths,
        "definitions": shapes::definitions(),
    })
}

fn described(operation: &Operation) -> Json {
    let (fields, others): (Vec<_>, Vec<_>) =
        operation.parameters.iter().partition(|parameter| parameter.location == ParameterLocation::Body);
    let mut parameters: Vec<Json> = others.into_iter().map(parameter).collect();
    let body = operation.body.clone().or_else(|| (!fields.is_empty()).then(|| object(&fields)));
    if let Some(schema) = &body {
        let about = "What to do.";
        let required = operation.body.is_some() || fields.iter().any(|field| field.required);
        parameters
            .push(json!({"name": "body", "in": "body", "required": required, "description": about, "schema": schema}));
    }
    let responses: Map<String, Json> = operation
        .answers
        .iter()
        .map(|(status, about, schema)| {
            let mut answer = json!({"description": about});
            if let (Some(schema), Some(fields)) = (schema, answer.as_object_mut()) {
                fields.insert("schema".into(), schema.clone());
            }
            (status.to_string(), answer)
        })
        .collect();
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters,
        "produces": operation.produces.into_iter().chain(["application/json"]).collect::<Vec<_>>(),
        "responses": responses,
    });
    let form = operation.file_name().map(|_| "multipart/form-data");
    let consumes = form.or(body.map(|_| "application/json"));
    if let (Some(content_type), Some(fields)) = (consumes, described.as_object_mut()) {
        fields.insert("consumes".into(), json!([content_type]));
    }
    described
}

/// The schema of a JSON body with these fields. Null is like a field that is missing.
fn object(fields: &[&Parameter]) -> Json {
    let properties: Map<String, Json> = fields
        .iter()
        .map(|parameter| {
            let mut schema = kind(parameter.kind);
            if let (Some(schema), false) = (schema.as_object_mut(), parameter.required) {
                schema.insert("x-nullable".into(), true.into());
            }
            (parameter.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<_> = fields.iter().filter(|parameter| parameter.required).map(|found| found.name).collect();
    let mut schema = json!({"type": "object", "properties": properties});
    // Swagger 2.0 does not allow an empty list.
    if let (Some(schema), false) = (schema.as_object_mut(), required.is_empty()) {
        schema.insert("required".into(), required.into());
    }
    schema
}

fn kind(kind: Kind) -> Json {
    match kind {
        Kind::Id => json!({"type": "integer", "format": "int64", "minimum": 1}),
        Kind::Integer { least } => json!({"type": "integer", "format": "int64", "minimum": least}),
        Kind::PerPage => json!({"type": "integer", "minimum": 1, "maximum": 50}),
        Kind::Uuid => json!({"type": "string", "format": "uuid"}),
        Kind::File => json!({"type": "file"}),
        Kind::Text => json!({"type": "string", "minLength": 1}),
        // Documented, in other words.
        Kind::Url => json!({"type": "string", "pattern": "^https?:/"}),
        Kind::Date => json!({"type": "string", "format": "date"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Word(words) => json!({"type": "string", "enum": words}),
    }
}

fn parameter(parameter: &Parameter) -> Json {
    let location = match parameter.location {
        ParameterLocation::Path => "path",
        ParameterLocation::Query => "query",
        ParameterLocation::Body => "body",
        ParameterLocation::Form | ParameterLocation::File => "formData",
    };
    let mut described = json!({
        "name": parameter.name,
        "in": location,
        "required": parameter.required,
        "description": parameter.about,
    });
    if let (Some(fields), Some(kind)) = (described.as_object_mut(), kind(parameter.kind).as_object()) {
        fields.extend(kind.clone());
        fields.extend(parameter.default.clone().map(|value| ("default".to_owned(), value)));
    }
    described
}
