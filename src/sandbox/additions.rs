//! Adds users, groups, collections, media and captions to a sandbox, as its user asks.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value as Json;

use super::captions;
use super::faults::ActiveFaults;
use super::options::{Error, read};
use super::records::{Archived, Caption, Collection, Group, Media, Role, User, words};
use super::state::State;

/// The largest value of a signed 64-bit integer, which is how the reference describes numbers.
const LARGEST: u64 = i64::MAX as u64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    full_name: String,
    display_name: Option<String>,
    email: Option<String>,
    role: Option<Role>,
    #[serde(default)]
    other_roles: Vec<Role>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    name: String,
    user_ids: Vec<u64>,
    /// The members who are managers.
    #[serde(default)]
    manager_ids: Vec<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCaptionRequest {
    media_id: u64,
    srclang: String,
    service_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCollection {
    name: Option<String>,
    owner: Option<u64>,
    #[serde(rename = "type")]
    kind: Option<String>,
    course_id: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMedia {
    title: String,
    description: Option<String>,
    owner: Option<u64>,
    collection_id: Option<u64>,
    size: Option<u64>,
    duration: Option<f64>,
    source: Option<String>,
    transcoding_status: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    created_at: Option<Timestamp>,
    last_viewed: Option<Date>,
    last_viewed_by_student: Option<Date>,
    #[serde(default)]
    captions: Vec<NewCaption>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCaption {
    srclang: String,
    label: Option<String>,
    subtitle_format: Option<String>,
    status: Option<String>,
    provider: Option<String>,
    /// Without a file, some lines are generated.
    text: Option<String>,
}

/// Adds a record of this kind and returns its id, or says which field is wrong.
pub(crate) fn add(state: &mut State, admin: u64, kind: &str, fields: Json, now: Timestamp) -> Result<u64, Error> {
    let added = match kind {
        "user" => add_user(state, read(fields)?, now),
        "group" => add_group(state, read(fields)?),
        "collection" => add_collection(state, admin, read(fields)?, now),
        "media" => add_media(state, admin, read(fields)?, now),
        "caption_request" => add_caption_request(state, read(fields)?, now),
        _ => Err(format!("kind: expected user, group, collection, media or caption_request, not {kind}")),
    };
    added.map_err(Error::Invalid)
}

fn add_user(state: &mut State, user: NewUser, now: Timestamp) -> Result<u64, String> {
    if user.email.as_deref() == Some("") {
        return Err("email: expected an address or a login id; leave it out if there is none".into());
    }
    let role = user.role.unwrap_or(Role::Teacher);
    for (index, other) in user.other_roles.iter().enumerate() {
        if *other == role || user.other_roles.iter().take(index).any(|before| before == other) {
            return Err(format!("other_roles: they have the role {} already", other.title()));
        }
    }
    let (id, library) = (state.new_id(), state.new_id());
    let display_name = user.display_name.unwrap_or_else(|| user.full_name.clone());
    let user = User {
        id,
        full_name: user.full_name.into(),
        display_name: display_name.into(),
        email: user.email.map(Into::into),
        role,
        other_roles: user.other_roles,
        groups: Vec::new(),
        library,
    };
    state.insert_user(user, now);
    Ok(id)
}

fn add_group(state: &mut State, group: NewGroup) -> Result<u64, String> {
    if let Some(id) = group.user_ids.iter().find(|id| !state.users.contains_key(id)) {
        return Err(format!("user_ids: there is no user {id}"));
    }
    if let Some(id) = group.manager_ids.iter().find(|id| !group.user_ids.contains(id)) {
        return Err(format!("manager_ids: the user {id} is no member of the group"));
    }
    let id = state.new_id();
    state.groups.insert(id, Group { id, name: group.name.into(), managers: group.manager_ids });
    for user in &group.user_ids {
        if let Some(user) = state.users.get_mut(user) {
            user.groups.push(id);
        }
    }
    state.forget_lists();
    Ok(id)
}

fn add_caption_request(state: &mut State, request: NewCaptionRequest, now: Timestamp) -> Result<u64, String> {
    let NewCaptionRequest { media_id, srclang, service_type } = request;
    if !state.media.contains_key(&media_id) {
        return Err(format!("media_id: there is no media {media_id}"));
    }
    if !state.captioning_service_types.contains_key(service_type.as_str()) {
        return Err(format!("service_type: the captioning service has no type {service_type}"));
    }
    Ok(state.request_captions(media_id, srclang.into(), service_type.into(), now))
}

fn add_collection(state: &mut State, admin: u64, collection: NewCollection, now: Timestamp) -> Result<u64, String> {
    let owner = known_user(state, collection.owner.unwrap_or(admin))?;
    if collection.course_id.is_some_and(|id| id == 0 || id > LARGEST) {
        return Err(format!("course_id: expected 1 to {LARGEST}"));
    }
    if let Some(course_id) = collection.course_id
        && state.collections.values().any(|other| other.course_id == Some(course_id))
    {
        return Err(format!("course_id: the course {course_id} has its collection already"));
    }
    let kind = collection.kind.as_deref();
    if kind == Some(words::LIBRARY) {
        return Err("type: each user has one library, which is made with them".into());
    }
    if collection.course_id.is_some() && kind.is_some_and(|kind| kind != words::COURSE) {
        return Err(format!("course_id: only a collection of the type {} has one", words::COURSE));
    }
    let id = state.new_id();
    let kind = kind.unwrap_or(if collection.course_id.is_some() { words::COURSE } else { words::CUSTOM });
    let collection = Collection {
        id,
        name: collection.name.map(Into::into),
        kind: kind.into(),
        owner,
        created_at: now,
        course_id: collection.course_id,
        archived: false,
        archived_at: None,
        shares: Vec::new(),
    };
    state.collections.insert(id, collection);
    state.forget_lists();
    Ok(id)
}

fn add_media(state: &mut State, admin: u64, media: NewMedia, now: Timestamp) -> Result<u64, String> {
    let owner = match (media.owner, media.collection_id.and_then(|id| state.collections.get(&id))) {
        (Some(owner), _) => known_user(state, owner)?,
        (None, Some(collection)) => collection.owner,
        (None, None) => admin,
    };
    let collection = match media.collection_id {
        Some(id) if state.collections.contains_key(&id) => id,
        Some(id) => return Err(format!("collection_id: there is no collection {id}")),
        None => state.users.get(&owner).map(|owner| owner.library).ok_or("owner: has no library")?,
    };
    let duration = checked_duration(media.duration.unwrap_or(60.0))?;
    let size = checked_size(media.size.unwrap_or(1_000_000))?;
    let id = state.new_id();
    state.insert_media(Media {
        id,
        title: media.title.into(),
        description: media.description.map(Into::into),
        duration,
        created_at: media.created_at.unwrap_or(now),
        last_viewed: media.last_viewed,
        last_viewed_by_student: media.last_viewed_by_student,
        transcoding_status: media.transcoding_status.as_deref().unwrap_or(words::FINISHED).into(),
        owner,
        size,
        source: media.source.as_deref().unwrap_or("upload").into(),
        collection,
        placed: Vec::new(),
        tags: media.tags.into_iter().map(Into::into).collect(),
        archived: Archived::No,
        archived_at: None,
        shares: Vec::new(),
        file: id,
    });
    add_captions(state, id, media.captions, now);
    Ok(id)
}

/// Adds captions to a media.
pub(crate) fn add_captions(state: &mut State, media: u64, added: Vec<NewCaption>, now: Timestamp) {
    for caption in added {
        let label = caption.label.as_deref().unwrap_or_else(|| captions::label(&caption.srclang)).into();
        let word = |given: Option<String>, otherwise: &str| given.as_deref().unwrap_or(otherwise).into();
        let caption = Caption {
            id: 0,
            label,
            srclang: caption.srclang.into(),
            subtitle_format: word(caption.subtitle_format, captions::SUBRIP),
            status: word(caption.status, captions::PUBLISHED),
            provider: word(caption.provider, captions::BY_HAND),
            created_at: now,
            file: caption.text.map(String::into_bytes),
        };
        captions::add(state, media, caption);
    }
}

pub(crate) fn checked_duration(seconds: f64) -> Result<f64, String> {
    if seconds.is_finite() && seconds >= 0.0 {
        Ok(seconds)
    } else {
        Err(format!("duration: expected seconds from 0 on, not {seconds}"))
    }
}

pub(crate) fn checked_size(size: u64) -> Result<u64, String> {
    if size <= LARGEST { Ok(size) } else { Err(format!("size: expected at most {LARGEST}")) }
}

pub(crate) fn known_user(state: &State, id: u64) -> Result<u64, String> {
    if state.users.contains_key(&id) { Ok(id) } else { Err(format!("owner: there is no user {id}")) }
}

/// Adds and removes media, as other people do while a list is being read.
pub(crate) fn drift(state: &mut State, admin: u64, active_faults: &mut ActiveFaults, now: Timestamp) {
    for _ in 0..active_faults.vanish {
        let from = active_faults.dice.u64(..state.next_id.max(1));
        let found = state.media.range(from..).chain(state.media.range(..from)).map(|(id, _)| *id).next();
        if let Some(id) = found {
            state.delete_media(id);
        }
    }
    for _ in 0..active_faults.appear {
        // It cannot fail: there is an administrator with a library.
        let _ = add_media(state, admin, NewMedia { title: "Appeared meanwhile".into(), ..NewMedia::default() }, now);
    }
}
