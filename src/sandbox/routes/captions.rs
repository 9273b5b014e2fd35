//! The Captions page: captions of a media, and their files.

use serde::Serialize;
use serde_json::json;

use super::super::captions;
use super::super::files;
use super::super::operation::{Call, ErrorReply, Operation, Reply, TEXT};
use super::super::parameters::Kind;
use super::super::records::{Caption, Media, Permission};
use super::super::shapes;
use super::super::state::State;
use super::lookup;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/media/{media_id}/caption_files", "listCaptionFiles", "Get the caption files of a media", list)
            .answers(200, "The caption files of the media.", shapes::list("caption_files", "CaptionFile"))
            .refuses(&[403, 404, 422]),
        Operation::post(
            "/media/{media_id}/caption_files",
            "createCaptionFile",
            "Add a caption file to a media",
            create,
        )
        .query("srclang", Kind::Text, "ISO code of the language of the captions, such as en.")
        .required()
        .file("caption_file", "The captions.")
        .required()
        .answers(201, "The caption file that was created.", shapes::wrapped("caption_file", "CaptionFile"))
        .refuses(&[403, 404, 422]),
        Operation::get(
            "/caption_files/{caption_file_id}/download",
            "downloadCaptionFile",
            "Download a caption file",
            download,
        )
        .produces("text/plain")
        .answers(200, "The text of the captions.", None)
        .refuses(&[403, 404, 422]),
    ]
}

fn list(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = lookup::media(state, call, Permission::View)?;
    let captions = captions::of(state, media);
    let shown: Vec<_> = captions.iter().map(|caption| show(state, call, media, caption)).collect();
    Reply::json(200, &json!({"caption_files": shown}))
}

/// Adds captions. That this needs edit rights is a guess.
fn create(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let (id, created_at) = (lookup::media(state, call, Permission::Edit)?.id, call.now);
    let srclang = call.text("srclang").unwrap_or_default();
    let file = call.file()?;
    let extension = file.name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    let subtitle_format = match extension.as_deref() {
        Some("vtt") => "vtt",
        None if file.bytes.starts_with(b"WEBVTT") => "vtt",
        _ => captions::SUBRIP,
    };
    // Guesses: a language may have several captions, and a person must still publish new ones.
    let caption = Caption {
        id: 0,
        srclang: srclang.into(),
        label: captions::label(srclang).into(),
        subtitle_format: subtitle_format.into(),
        status: captions::UPLOADED.into(),
        provider: captions::BY_HAND.into(),
        created_at,
        file: Some(file.bytes.to_vec()),
    };
    let caption = captions::add(state, id, caption).ok_or_else(ErrorReply::not_found)?;
    let shown = show(state, call, lookup::media(state, call, Permission::Edit)?, &caption);
    Reply::json(201, &json!({"caption_file": shown}))
}

fn download(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let (media, caption) = captions::find(state, call.id("caption_file_id")?).ok_or_else(ErrorReply::not_found)?;
    lookup::shown(call, media)?;
    state.owns(call.caller, media.owner)?;
    Ok(Reply::text(200, TEXT, caption.bytes(media)))
}

#[derive(Debug, Serialize)]
struct Shown {
    id: u64,
    /// Only published captions have one (observed), and only for callers that may download them (a guess).
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    srclang: Box<str>,
    subtitle_format: Box<str>,
    label: Box<str>,
    status: Box<str>,
    #[serde(serialize_with = "shapes::as_whole_seconds")]
    created_at: jiff::Timestamp,
    /// Undocumented; observed.
    provider: Box<str>,
    /// Both undocumented; observed. What counts as an error is unknown.
    is_empty: bool,
    number_of_errors: u64,
}

fn show(state: &State, call: &Call<'_>, media: &Media, caption: &Caption) -> Shown {
    let readable = *caption.status == *captions::PUBLISHED && state.owns(call.caller, media.owner).is_ok();
    let is_empty = caption.is_empty();
    let caption = caption.clone();
    Shown {
        id: caption.id,
        url: readable.then(|| files::caption_url(call.studio, &caption, call.now)),
        srclang: caption.srclang,
        subtitle_format: caption.subtitle_format,
        label: caption.label,
        status: caption.status,
        created_at: caption.created_at,
        provider: caption.provider,
        is_empty,
        number_of_errors: 0,
    }
}
