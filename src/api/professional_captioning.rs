//! The Professional Captioning page: requests for captions, and the types of services that make them.

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::captions::{FIELD, WithWarnings};
use super::check::{self, InvalidArgument};
use super::item::Page;
use super::models::{CaptionFileRequest, CaptioningServiceType};
use super::multipart::Multipart;
use super::request::{Call, Request};
use super::subtitles;
use super::words::{FAILED, RESULTS};

/// What stays as it is in the path. RFC 3986, section 2.3.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The meaning of a 404. Documented.
const NO_SERVICE: &[(u16, &str)] = &[(404, "the account has no active captioning service")];
const NO_SERVICE_OR_TYPE: &[(u16, &str)] =
    &[(404, "the account has no active captioning service, or none with this key")];
/// Meanings of a status of a result. Documented, but that a second result is a 422 is inferred.
const RESULT_MEANINGS: &[(u16, &str)] =
    &[(422, "a request is fulfilled or failed only once: list_caption_requests() lists those that are still open")];

/// Lists the requests for captions of a provider. Both parameters are documented as required, with one word each; any word
/// is sent. The page shows no paging.
pub fn requests(provider: &str, status: &str) -> Result<Request<Page<CaptionFileRequest>>, InvalidArgument> {
    check::text("provider", provider)?;
    check::text("status", status)?;
    let call = Call::get("list_caption_requests", "/caption_file_requests");
    Ok(call.query("provider", provider).query("status", status).page("caption_file_requests"))
}

/// Reports the result of a request for captions: a file that is SubRip, or why there is none.
pub fn update_request(
    id: i64,
    status: &str,
    message: Option<String>,
    file: Option<(String, Bytes)>,
) -> Result<WithWarnings<()>, InvalidArgument> {
    let id = check::id("id", id)?;
    let status = check::one_of("status", status, RESULTS)?;
    message.as_deref().map_or(Ok(()), |message| check::text("message", message))?;
    if status == FAILED && file.is_some() {
        return Err(InvalidArgument::new("file", "must be left out if the captions failed"));
    }
    let subtitles = file.map(|(name, bytes)| subtitles::read_sub_rip(name, &bytes)).transpose()?;
    let (file, warnings) = subtitles.map(|subtitles| subtitles.into_file(FIELD)).unzip();
    let mut fields = vec![("status".to_owned(), status.to_owned())];
    fields.extend(message.map(|message| ("message".to_owned(), message)));
    let body = Multipart::new(fields, file.into_iter().collect())?;
    let call = Call::new("update_caption_request", Method::PATCH, format!("/caption_file_requests/{id}"));
    let request = call.multipart(body).meaning(RESULT_MEANINGS).empty();
    Ok(WithWarnings { request, warnings: warnings.unwrap_or_default() })
}

/// Lists the types of captioning services. The page shows no paging.
pub fn services() -> Request<Page<CaptioningServiceType>> {
    let call = Call::get("list_captioning_services", "/captioning_service_types").meaning(NO_SERVICE);
    call.page("captioning_service_types")
}

/// Inserts or updates the type of a captioning service. The wrapper of the answer is inferred.
pub fn put_service(
    key: &str,
    label: &str,
    description: &str,
    is_asr: bool,
    languages: Option<&[String]>,
) -> Result<Request<Option<CaptioningServiceType>>, InvalidArgument> {
    let path = path(key)?;
    check::text("label", label)?;
    check::text("description", description)?;
    let mut body = json!({"label": label, "description": description, "is_asr": is_asr});
    if let (Some(languages), Some(fields)) = (languages, body.as_object_mut()) {
        for (index, language) in languages.iter().enumerate() {
            check::language(&format!("languages[{index}]"), language)?;
        }
        fields.insert("languages".into(), languages.into());
    }
    let call = Call::new("put_captioning_service", Method::PUT, path).json(body.to_string()).meaning(NO_SERVICE);
    Ok(call.at_optional_key_or_root("captioning_service_type"))
}

/// Deletes the type of a captioning service, and with it the captioning roles that belong to it. Documented.
pub fn delete_service(key: &str) -> Result<Request<()>, InvalidArgument> {
    Ok(Call::delete("delete_captioning_service", path(key)?).meaning(NO_SERVICE_OR_TYPE).empty())
}

/// The path of a type of service: its key must stay one segment.
fn path(key: &str) -> Result<String, InvalidArgument> {
    check::text("key", key)?;
    if [".", ".."].contains(&key) || key.chars().any(char::is_control) {
        return Err(InvalidArgument::new("key", format!("cannot be part of a path: {:?}", check::cut(key))));
    }
    Ok(format!("/captioning_service_types/{}", utf8_percent_encode(key, KEY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_one_segment_of_the_path() {
        for (key, segment) in
            [("fast-1.0_~", "fast-1.0_~"), ("a/b?c=d%#", "a%2Fb%3Fc%3Dd%25%23"), ("é ..", "%C3%A9%20..")]
        {
            let path = delete_service(key).unwrap().call.display_path();
            assert_eq!(path, format!("/captioning_service_types/{segment}"));
        }
        for key in ["", " ", ".", "..", "a\n"] {
            assert_eq!(delete_service(key).unwrap_err().argument, "key");
        }
    }
}
