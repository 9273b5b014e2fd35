//! Changes media of a sandbox as its user asks, whatever Studio's rules are.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::additions::{NewCaption, add_captions, checked_duration, checked_size, known_user};
use super::options::{Error, read};
use super::state::State;

/// The fields to change: those that are given. Null is a value of some.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::option_option, reason = "null and nothing differ")]
struct MediaChanges {
    #[serde(deserialize_with = "given")]
    title: Option<String>,
    #[serde(deserialize_with = "given")]
    description: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    owner: Option<u64>,
    #[serde(deserialize_with = "given")]
    collection_id: Option<u64>,
    #[serde(deserialize_with = "given")]
    size: Option<u64>,
    #[serde(deserialize_with = "given")]
    duration: Option<f64>,
    #[serde(deserialize_with = "given")]
    source: Option<String>,
    #[serde(deserialize_with = "given")]
    transcoding_status: Option<String>,
    #[serde(deserialize_with = "given")]
    tags: Option<Vec<String>>,
    #[serde(deserialize_with = "given")]
    created_at: Option<Timestamp>,
    #[serde(deserialize_with = "given")]
    last_viewed: Option<Option<Date>>,
    #[serde(deserialize_with = "given")]
    last_viewed_by_student: Option<Option<Date>>,
    #[serde(deserialize_with = "given")]
    captions: Option<Vec<NewCaption>>,
}

/// A field that is given. Null is refused, unless it is a value of the field.
fn given<'json, T: Deserialize<'json>, D: Deserializer<'json>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// Changes a media, or says which field is wrong and changes nothing.
pub(crate) fn change_media(state: &mut State, id: u64, fields: Json, now: Timestamp) -> Result<(), Error> {
    let changes: MediaChanges = read(fields)?;
    apply(state, id, changes, now).map_err(Error::Invalid)
}

fn apply(state: &mut State, id: u64, changes: MediaChanges, now: Timestamp) -> Result<(), String> {
    let mut media = state.media.get(&id).cloned().ok_or_else(|| format!("there is no media {id}"))?;
    let collection = changes.collection_id.filter(|id| !state.collections.contains_key(id));
    if let Some(collection) = collection {
        return Err(format!("collection_id: there is no collection {collection}"));
    }
    media.owner = changes.owner.map(|owner| known_user(state, owner)).transpose()?.unwrap_or(media.owner);
    media.size = changes.size.map(checked_size).transpose()?.unwrap_or(media.size);
    media.duration = changes.duration.map(checked_duration).transpose()?.unwrap_or(media.duration);
    media.title = changes.title.map_or(media.title, Into::into);
    media.description = changes.description.map_or(media.description, |text| text.map(Into::into));
    media.source = changes.source.map_or(media.source, Into::into);
    media.tags = changes.tags.map_or(media.tags, |tags| tags.into_iter().map(Into::into).collect());
    media.created_at = changes.created_at.unwrap_or(media.created_at);
    media.last_viewed = changes.last_viewed.unwrap_or(media.last_viewed);
    media.last_viewed_by_student = changes.last_viewed_by_student.unwrap_or(media.last_viewed_by_student);
    if let Some(status) = changes.transcoding_status {
        media.transcoding_status = status.into();
        // Nothing changes it again.
        state.transcodings.remove(&id);
    }
    state.forget_lists();
    state.media.insert(id, media);
    if let Some(collection) = changes.collection_id {
        state.move_media(id, collection);
    }
    if let Some(captions) = changes.captions {
        state.captions.insert(id, Vec::new());
        add_captions(state, id, captions, now);
    }
    Ok(())
}
