//! The Professional Captioning page: requests for captions that people make, and what the captioning service offers.

use http::Method;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::captions;
use super::super::operation::{Call, ErrorReply, Operation, Reply};
use super::super::parameters::Kind;
use super::super::records::{Caption, CaptionRequest, CaptioningServiceType, RequestStatus};
use super::super::shapes;
use super::super::state::State;

/// The provider of the captions that people made. Documented as a word of the list; in a caption, it is a guess.
const PROFESSIONAL: &str = "professional";
/// The only kind of file that a captioning service can deliver. Documented.
const EXTENSION: &str = "srt";

pub(super) fn operations() -> Vec<Operation> {
    let no_service = "No captioning service is active for the account, or it has no such type.";
    vec![
        Operation::get("/caption_file_requests", "listCaptionFileRequests", "List the requests for captions", list)
            .query("provider", Kind::Word(&[PROFESSIONAL]), "Whose requests.")
            .required()
            .query("status", Kind::Word(&["requested"]), "The status of the requests.")
            .required()
            .answers(200, "The requests.", shapes::list("caption_file_requests", "CaptionFileRequest"))
            .refuses(&[403, 422]),
        Operation::new(
            Method::PATCH,
            "/caption_file_requests/{caption_file_request_id}",
            "updateCaptionFileRequest",
            "Report the result of a request for captions",
            report,
        )
        .form("status", Kind::Word(RequestStatus::REPORTED), "What became of the request.")
        .required()
        .missing_is_400()
        .form("message", Kind::Text, "Why the request failed.")
        .file("caption_file", "The captions, as a .srt file.")
        .answers(202, "The result was accepted.", None)
        // 404 is inferred.
        .refuses(&[403, 404, 422]),
        Operation::get(
            "/captioning_service_types",
            "listCaptioningServiceTypes",
            "List the types of captions that the captioning service offers",
            list_types,
        )
        .answers(200, "The types.", shapes::list("captioning_service_types", "CaptioningServiceType"))
        .refuses(&[403])
        .says_no(404, no_service),
        Operation::new(
            Method::PUT,
            "/captioning_service_types/{key}",
            "putCaptioningServiceType",
            "Add or change a type of captions",
            put_type,
        )
        .body(json!({
            "type": "object",
            "required": ["label", "description", "is_asr"],
            "properties": {
                "label": {"type": "string", "minLength": 1},
                "description": {"type": "string"},
                "is_asr": {"type": "boolean"},
                "languages": {
                    "type": "array", "items": {"type": "string", "pattern": "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"},
                },
            },
        }))
        // That the answer is the type is a guess.
        .answers(200, "The type.", shapes::wrapped("captioning_service_type", "CaptioningServiceType"))
        .refuses(&[403])
        .says_no(404, no_service)
        .checked(),
        Operation::delete(
            "/captioning_service_types/{key}",
            "deleteCaptioningServiceType",
            "Remove a type of captions",
            delete_type,
        )
        .answers(204, "The type was removed.", None)
        .refuses(&[403])
        .says_no(404, no_service),
    ]
}

/// Only administrators may use this page. A guess: the reference speaks of headers of the captioning service, too.
fn allowed(state: &State, call: &Call<'_>) -> Result<(), ErrorReply> {
    if state.is_admin(call.caller) { Ok(()) } else { Err(ErrorReply::new(403, "Forbidden")) }
}

fn list(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    allowed(state, call)?;
    let requested = state.caption_requests.values().filter(|request| request.status == RequestStatus::Requested);
    let shown: Vec<Json> = requested.map(shown_request).collect();
    Reply::json(200, &json!({"caption_file_requests": shown}))
}

fn shown_request(request: &CaptionRequest) -> Json {
    json!({
        "id": request.id,
        "media_id": request.media,
        "srclang": request.srclang,
        "captioning_service_type_key": request.service_type,
        "provider": PROFESSIONAL,
        "status": request.status,
        "created_at": shapes::whole_seconds(request.created_at),
    })
}

/// Takes a result. That a request is fulfilled or failed once is documented; the status of a second result, and of
/// fulfilled without a file, are guesses.
fn report(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    allowed(state, call)?;
    let id = call.id("caption_file_request_id")?;
    let request = state.caption_requests.get(&id).ok_or_else(ErrorReply::not_found)?.clone();
    let status = call.text("status").and_then(RequestStatus::from_word).unwrap_or(RequestStatus::Processing);
    if request.status.is_final() {
        return Err(ErrorReply::new(422, "The request has its result already"));
    }
    let file = call.file.as_ref();
    if file.is_some_and(|file| !file.name.to_ascii_lowercase().ends_with(&format!(".{EXTENSION}"))) {
        return Err(ErrorReply::new(422, "Invalid caption_file is provided: expected a .srt file"));
    }
    if status == RequestStatus::Fulfilled {
        let file = file.ok_or_else(|| ErrorReply::new(400, "caption_file is missing"))?;
        let caption = Caption {
            id: 0,
            label: captions::label(&request.srclang).into(),
            srclang: request.srclang,
            subtitle_format: captions::SUBRIP.into(),
            status: captions::PUBLISHED.into(),
            provider: PROFESSIONAL.into(),
            created_at: call.now,
            file: Some(file.bytes.to_vec()),
        };
        captions::add(state, request.media, caption);
    }
    if let Some(request) = state.caption_requests.get_mut(&id) {
        request.status = status;
        request.message = call.text("message").map(Into::into);
    }
    Ok(Reply::empty(202))
}

/// Whether the caller may see what the captioning service offers, and there is one.
fn served(state: &State, call: &Call<'_>) -> Result<(), ErrorReply> {
    allowed(state, call)?;
    if call.studio.assumptions.captioning_service {
        Ok(())
    } else {
        Err(ErrorReply::new(404, "No captioning service is active for the account"))
    }
}

fn list_types(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    served(state, call)?;
    let shown: Vec<Json> = state.captioning_service_types.iter().map(|(key, found)| shown_type(key, found)).collect();
    Reply::json(200, &json!({"captioning_service_types": shown}))
}

fn shown_type(key: &str, service_type: &CaptioningServiceType) -> Json {
    json!({
        "id": service_type.id,
        "key": key,
        "label": service_type.label,
        "description": service_type.description,
        "is_asr": service_type.is_asr,
        "languages": service_type.languages,
    })
}

fn put_type(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    #[derive(Deserialize)]
    struct Fields {
        label: Box<str>,
        description: Box<str>,
        is_asr: bool,
        #[serde(default)]
        languages: Vec<Box<str>>,
    }
    served(state, call)?;
    let Fields { label, description, is_asr, languages } = call.json()?;
    if label.is_empty() {
        return Err(ErrorReply::new(422, "Invalid label is provided: expected some text"));
    }
    if let Some(language) = languages.iter().find(|language| !is_language(language)) {
        return Err(ErrorReply::new(422, format!("Invalid languages are provided: {language} is no IETF code")));
    }
    let key = call.text("key").unwrap_or_default();
    let last = state.captioning_service_types.values().map(|found| found.id).max().unwrap_or_default();
    let id = state.captioning_service_types.get(key).map_or(last + 1, |found| found.id);
    let put = CaptioningServiceType { id, label, description, is_asr, languages };
    let shown = shown_type(key, &put);
    state.captioning_service_types.insert(key.into(), put);
    Reply::json(200, &json!({"captioning_service_type": shown}))
}

/// Whether a text has the form of an IETF code such as `pt-BR`.
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let fits = |part: &str, least| (least..=8).contains(&part.len());
    parts.next().is_some_and(|first| fits(first, 2) && first.bytes().all(|byte| byte.is_ascii_alphabetic()))
        && parts.all(|part| fits(part, 1) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn delete_type(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    served(state, call)?;
    let removed = state.captioning_service_types.remove(call.text("key").unwrap_or_default());
    removed.map(|_| Reply::empty(204)).ok_or_else(ErrorReply::not_found)
}
