//! The state of a sandbox and its rules: permissions, and what a change affects.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::assumptions::Assumptions;
use super::credentials::Credentials;
use super::lists::{Cache, Ids, PageKey, Query};
use super::records::{
    Archived, Caption, CaptionRequest, CaptioningServiceType, Collection, Group, Media, Permission, RequestStatus,
    Role, Share, ShareType, Transcoding, Upload, User, day, words,
};
use super::stored::StoredFile;

/// Why access is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    NotFound,
    Forbidden,
}

/// How far the clock can be moved, in milliseconds.
const FARTHEST_AHEAD: i64 = 100 * 365 * 86_400_000;

/// The version of a snapshot; a file of another version is rejected.
#[derive(Debug, Clone, Copy, Default)]
struct Version;

impl Version {
    const NUMBER: u64 = 1;
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(Self::NUMBER)
    }
}

impl<'file> Deserialize<'file> for Version {
    fn deserialize<D: Deserializer<'file>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        if number == Self::NUMBER {
            Ok(Self)
        } else {
            Err(D::Error::custom(format!("no version that is known: {number}")))
        }
    }
}

/// The complete state of a sandbox.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    version: Version,
    pub(crate) users: BTreeMap<u64, User>,
    pub(crate) groups: BTreeMap<u64, Group>,
    pub(crate) collections: BTreeMap<u64, Collection>,
    pub(crate) media: BTreeMap<u64, Media>,
    /// Captions by media id, for media that were added, or whose captions were changed.
    #[serde(default)]
    pub(crate) captions: BTreeMap<u64, Vec<Caption>>,
    #[serde(default)]
    pub(crate) uploads: BTreeMap<u64, Upload>,
    /// Uploaded files, by the id of the upload, which becomes that of the media and of its file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) files: BTreeMap<u64, StoredFile>,
    /// Media whose transcoding has not ended.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) transcodings: BTreeMap<u64, Transcoding>,
    /// Requests for captions, by their id, and what the captioning service offers, by its key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) caption_requests: BTreeMap<u64, CaptionRequest>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) captioning_service_types: BTreeMap<Box<str>, CaptioningServiceType>,
    /// How far the clock was moved ahead, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    clock_ahead: i64,
    pub(crate) credentials: Credentials,
    /// The next id. Ids are never reused.
    pub(crate) next_id: u64,
    /// The media of each collection, derived from the media.
    #[serde(skip)]
    members: HashMap<u64, BTreeSet<u64>>,
    #[serde(skip)]
    cache: Cache,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl State {
    /// The time by the sandbox's clock.
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(SignedDuration::from_millis(self.clock_ahead)).unwrap_or(now)
    }

    /// Moves the clock ahead.
    pub(crate) fn advance(&mut self, by: SignedDuration) -> Result<(), String> {
        let by = i64::try_from(by.as_millis()).ok().and_then(|by| self.clock_ahead.checked_add(by));
        match by.filter(|by| *by <= FARTHEST_AHEAD) {
            Some(ahead) => self.clock_ahead = ahead,
            None => return Err("seconds: the clock can be moved a hundred years ahead in all".into()),
        }
        Ok(())
    }

    /// Checks that every reference has a target.
    pub(crate) fn check(&self) -> Result<(), String> {
        let keys = self.users.iter().map(|(key, user)| ("user", *key, user.id));
        let keys = keys.chain(self.groups.iter().map(|(key, group)| ("group", *key, group.id)));
        let keys = keys.chain(self.collections.iter().map(|(key, collection)| ("collection", *key, collection.id)));
        let mut keys = keys.chain(self.media.iter().map(|(key, media)| ("media", *key, media.id)));
        if let Some((kind, key, id)) = keys.find(|(_, key, id)| key != id) {
            return Err(format!("the {kind} under {key} has the id {id}"));
        }
        if let Some(user) = self.users.values().find(|user| !self.collections.contains_key(&user.library)) {
            return Err(format!("the user {} has the library {}, which is not there", user.id, user.library));
        }
        if let Some(collection) = self.collections.values().find(|found| !self.users.contains_key(&found.owner)) {
            return Err(format!(
                "the collection {} has the owner {}, who is not there",
                collection.id, collection.owner
            ));
        }
        let complete = |media: &&Media| {
            self.users.contains_key(&media.owner) && media.collections().all(|id| self.collections.contains_key(&id))
        };
        if let Some(media) = self.media.values().find(|media| !complete(media)) {
            return Err(format!("the media {} has an owner or a collection that is not there", media.id));
        }
        match self.caption_requests.values().find(|request| !self.media.contains_key(&request.media)) {
            Some(request) => Err(format!("the caption request {} is of a media that is not there", request.id)),
            None => Ok(()),
        }
    }

    /// Rebuilds the derived fields.
    pub(crate) fn index(&mut self) {
        self.forget_lists();
        let last = |ids: Option<&u64>| ids.copied().unwrap_or_default();
        let given = [self.users.keys().last(), self.groups.keys().last(), self.collections.keys().last()];
        let given = given.into_iter().chain([self.media.keys().last(), self.uploads.keys().last()]).map(last).max();
        self.next_id = self.next_id.max(given.unwrap_or_default() + 1);
        self.members.clear();
        for media in self.media.values() {
            for collection in media.collections() {
                self.members.entry(collection).or_default().insert(media.id);
            }
        }
    }

    /// Keeps the file of an upload that was not completed yet. The storage host does not know others.
    pub(crate) fn store(&mut self, upload: u64, file: StoredFile) {
        let Some(found) = self.uploads.get_mut(&upload) else { return };
        found.size = Some(file.size);
        self.files.remove(&upload);
        let kept = self.files.values().map(StoredFile::kept).sum();
        self.files.insert(upload, file.within(kept));
    }

    /// Must be called after every change.
    pub(crate) fn forget_lists(&mut self) {
        self.cache.clear();
    }

    /// A page that was answered before, if nothing has changed since.
    pub(crate) fn cached_page(&self, key: &PageKey) -> Option<Bytes> {
        self.cache.page(key)
    }

    pub(crate) fn cache_page(&mut self, key: PageKey, body: Bytes) {
        self.cache.keep_page(key, body);
    }

    pub(crate) fn new_id(&mut self) -> u64 {
        self.next_id = self.next_id.max(1);
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(crate) fn is_admin(&self, user: u64) -> bool {
        self.users.get(&user).is_some_and(|user| user.role == Role::Admin)
    }

    /// The users with this e-mail address. Observed: there can be several.
    fn users_by_email(&self, email: &str) -> HashSet<u64> {
        let email = email.to_lowercase();
        let has = |user: &&User| user.email.as_deref().is_some_and(|own| own.to_lowercase() == email);
        self.users.values().filter(has).map(|user| user.id).collect()
    }

    /// The highest permission that shares give a user, directly or through a group.
    fn shared(&self, shares: &[Share], user: u64) -> Option<Permission> {
        let groups = self.users.get(&user).map_or(&[][..], |user| &user.groups);
        let reaches = |share: &&Share| match share.share_type {
            ShareType::User => share.id == user,
            ShareType::Group => groups.contains(&share.id),
        };
        shares.iter().filter(reaches).map(|share| share.permission).max()
    }

    /// A user's permission on a collection.
    pub(crate) fn on_collection(&self, user: u64, collection: &Collection) -> Option<Permission> {
        if collection.owner == user || self.is_admin(user) {
            return Some(Permission::Edit);
        }
        self.shared(&collection.shares, user)
    }

    /// A user's permission on a media: as its owner, by its shares, or by the shares of a collection that it is in and
    /// that is not archived.
    pub(crate) fn on_media(&self, user: u64, media: &Media) -> Option<Permission> {
        if media.owner == user || self.is_admin(user) {
            return Some(Permission::Edit);
        }
        let around = media.collections().filter_map(|id| self.collections.get(&id));
        let around = around.filter(|collection| !collection.archived).filter_map(|collection| {
            let permission = self.on_collection(user, collection)?;
            // Adding a media to a course does not give edit rights to it. A guess.
            Some(if collection.id == media.collection { permission } else { permission.min(Permission::View) })
        });
        self.shared(&media.shares, user).max(around.max())
    }

    /// A collection, if it exists and the caller has at least this permission.
    pub(crate) fn collection(&self, caller: u64, id: u64, least: Permission) -> Result<&Collection, Denied> {
        let collection = self.collections.get(&id).ok_or(Denied::NotFound)?;
        match self.on_collection(caller, collection) {
            Some(permission) if permission >= least => Ok(collection),
            _ => Err(Denied::Forbidden),
        }
    }

    /// A media, if it exists and the caller has at least this permission.
    pub(crate) fn media(&self, caller: u64, id: u64, least: Permission) -> Result<&Media, Denied> {
        let media = self.media.get(&id).ok_or(Denied::NotFound)?;
        match self.on_media(caller, media) {
            Some(permission) if permission >= least => Ok(media),
            _ => Err(Denied::Forbidden),
        }
    }

    /// Checks that the caller is the owner or an administrator: only they may download, archive and delete.
    pub(crate) fn owns(&self, caller: u64, owner: u64) -> Result<(), Denied> {
        if caller == owner || self.is_admin(caller) { Ok(()) } else { Err(Denied::Forbidden) }
    }

    /// The ids of a list as the caller sees it.
    pub(crate) fn list(&mut self, caller: u64, query: Query, assumptions: &Assumptions) -> Ids {
        let key = (caller, query);
        if let Some(known) = self.cache.list(&key) {
            return known;
        }
        let mut ids = self.matching(caller, &key.1, assumptions);
        if assumptions.newest_first {
            ids.reverse();
        }
        let ids: Ids = ids.into();
        self.cache.keep_list(key, Arc::clone(&ids));
        ids
    }

    /// The ids that match a query, oldest first.
    fn matching(&self, caller: u64, query: &Query, assumptions: &Assumptions) -> Vec<u64> {
        let all = self.is_admin(caller);
        let listed = |media: &Media| assumptions.archived_in_lists || media.archived == Archived::No;
        match query {
            Query::Collections => {
                let listed = |collection: &&Collection| assumptions.archived_in_lists || !collection.archived;
                let seen = |collection: &&Collection| all || self.on_collection(caller, collection).is_some();
                self.collections.values().filter(listed).filter(seen).map(|collection| collection.id).collect()
            }
            // A media that was only added to an archived collection is hidden there, and only there.
            Query::CollectionMedia(id)
                if !assumptions.archived_in_lists && self.collections.get(id).is_none_or(|found| found.archived) =>
            {
                Vec::new()
            }
            Query::CollectionMedia(id) => {
                let members = self.members.get(id).into_iter().flatten();
                members
                    .filter_map(|id| self.media.get(id))
                    .filter(|&media| listed(media))
                    .map(|media| media.id)
                    .collect()
            }
            Query::Users { email, role } => {
                let found = email.as_deref().map(|email| self.users_by_email(email));
                let fits = |user: &&User| {
                    role.is_none_or(|role| user.roles().any(|one| one == role))
                        && found.as_ref().is_none_or(|found| found.contains(&user.id))
                };
                self.users.values().filter(fits).map(|user| user.id).collect()
            }
            Query::UserCollections(user) => self.matching(*user, &Query::Collections, assumptions),
            Query::UserMedia(user) => self.matching(*user, &Query::Media(Box::default()), assumptions),
            Query::Media(criteria) => {
                let owner = criteria.owner.as_deref().map(|email| self.users_by_email(email));
                let title = criteria.title.as_deref().map(str::to_lowercase);
                let tag = criteria.tag.as_deref();
                let never_viewed = assumptions.never_viewed_in_periods;
                let fits = |media: &&Media| {
                    listed(media)
                        && criteria.min_size.is_none_or(|least| media.size >= least)
                        && criteria.max_size.is_none_or(|most| media.size <= most)
                        && owner.as_ref().is_none_or(|owners| owners.contains(&media.owner))
                        && criteria.source.as_deref().is_none_or(|source| *media.source == *source)
                        && tag.is_none_or(|tag| media.tags.iter().any(|own| **own == *tag))
                        && criteria.created.holds(|| Some(day(media.created_at)), false)
                        && criteria.last_viewed.holds(|| media.last_viewed, never_viewed)
                        && criteria.last_viewed_by_student.holds(|| media.last_viewed_by_student, never_viewed)
                        && title.as_deref().is_none_or(|title| media.title.to_lowercase().contains(title))
                        && (all || self.on_media(caller, media).is_some())
                };
                self.media.values().filter(fits).map(|media| media.id).collect()
            }
        }
    }

    /// Adds a media without captions; only media of the library start with some.
    pub(crate) fn insert_media(&mut self, media: Media) {
        self.forget_lists();
        self.captions.insert(media.id, Vec::new());
        for collection in media.collections() {
            self.members.entry(collection).or_default().insert(media.id);
        }
        self.media.insert(media.id, media);
    }

    /// Adds a user with a library. The library's id is the one after the user's.
    pub(crate) fn insert_user(&mut self, user: User, created_at: Timestamp) {
        self.forget_lists();
        self.collections.insert(
            user.library,
            Collection {
                id: user.library,
                // Observed: the name can be empty.
                name: Some("".into()),
                kind: words::LIBRARY.into(),
                owner: user.id,
                created_at,
                course_id: None,
                archived: false,
                archived_at: None,
                shares: Vec::new(),
            },
        );
        self.users.insert(user.id, user);
    }

    /// Deletes a media with its perspectives.
    pub(crate) fn delete_media(&mut self, id: u64) -> Option<Media> {
        self.forget_lists();
        let media = self.media.remove(&id)?;
        self.captions.remove(&id);
        self.files.remove(&id);
        self.uploads.remove(&id);
        self.transcodings.remove(&id);
        self.caption_requests.retain(|_, request| request.media != id);
        for collection in media.collections() {
            if let Some(members) = self.members.get_mut(&collection) {
                members.remove(&id);
            }
        }
        Some(media)
    }

    /// Deletes a collection with its own media; media that were only added to it lose that perspective.
    pub(crate) fn delete_collection(&mut self, id: u64) {
        self.forget_lists();
        for media in self.members.remove(&id).unwrap_or_default() {
            if self.media.get(&media).is_some_and(|media| media.collection == id) {
                self.delete_media(media);
            } else if let Some(media) = self.media.get_mut(&media) {
                media.placed.retain(|placed| *placed != id);
            }
        }
        self.collections.remove(&id);
    }

    pub(crate) fn archive_media(&mut self, id: u64, now: Timestamp, assumptions: &Assumptions) {
        self.forget_lists();
        if let Some(media) = self.media.get_mut(&id) {
            media.archived = Archived::ByItself;
            // A media that was archived before keeps its date.
            media.archived_at = media.archived_at.or(Some(now));
        }
        self.disconnect(id, assumptions);
    }

    /// Takes from an archived media its courses and shares, which do not come back to it. The vendor's help says that it
    /// leaves its courses and shared libraries, and is restored to its place in the library. That it stays in a course
    /// that was archived with it is inferred.
    fn disconnect(&mut self, id: u64, assumptions: &Assumptions) {
        let Some(media) = self.media.get_mut(&id) else { return };
        if !assumptions.archive_keeps_shares {
            media.shares.clear();
        }
        if assumptions.archive_keeps_courses {
            return;
        }
        let is_course = |id: &u64| self.collections.get(id).is_some_and(|found| *found.kind == *words::COURSE);
        for course in media.placed.extract_if(.., |id| is_course(id)) {
            if let Some(members) = self.members.get_mut(&course) {
                members.remove(&id);
            }
        }
        let library = self.users.get(&media.owner).map(|owner| owner.library);
        if media.archived == Archived::ByItself
            && is_course(&media.collection)
            && let Some(library) = library
        {
            self.move_media(id, library);
        }
    }

    /// Makes what the library has archived look as if it had been archived by a request.
    pub(crate) fn disconnect_archived(&mut self, assumptions: &Assumptions) {
        let archived = self.media.values().filter(|media| media.archived != Archived::No).map(|media| media.id);
        for id in archived.collect::<Vec<_>>() {
            self.disconnect(id, assumptions);
        }
    }

    /// Unarchives a media: into `collection`, or its home collection, or its owner's library if that is archived.
    pub(crate) fn unarchive_media(&mut self, id: u64, collection: Option<u64>) {
        self.forget_lists();
        let Some(media) = self.media.get(&id) else { return };
        let usable = |id: &u64| self.collections.get(id).is_some_and(|collection| !collection.archived);
        let library = self.users.get(&media.owner).map(|owner| owner.library);
        let home = collection.or(Some(media.collection).filter(usable)).or(library).unwrap_or(media.collection);
        self.move_media(id, home);
        if let Some(media) = self.media.get_mut(&id) {
            media.archived = Archived::No;
            media.archived_at = None;
        }
    }

    /// Changes the home collection of a media.
    pub(crate) fn move_media(&mut self, id: u64, home: u64) {
        let Some(media) = self.media.get_mut(&id) else { return };
        if media.collection != home {
            if let Some(members) = self.members.get_mut(&media.collection) {
                members.remove(&id);
            }
            media.placed.retain(|placed| *placed != home);
            media.collection = home;
        }
        self.members.entry(home).or_default().insert(id);
    }

    /// Gives a media to another user: into their library, unless its collection is among those that go along.
    pub(crate) fn give_media(&mut self, id: u64, owner: u64, library: u64, along: &BTreeSet<u64>) {
        let Some(media) = self.media.get_mut(&id) else { return };
        media.owner = owner;
        let home = if along.contains(&media.collection) { media.collection } else { library };
        for collection in media.placed.extract_if(.., |placed| !along.contains(placed)) {
            if let Some(members) = self.members.get_mut(&collection) {
                members.remove(&id);
            }
        }
        self.move_media(id, home);
    }

    /// Archives a collection with its own media.
    pub(crate) fn archive_collection(&mut self, id: u64, now: Timestamp, assumptions: &Assumptions) {
        for media in self.set_archived(id, Some(now)) {
            self.disconnect(media, assumptions);
        }
    }

    /// Archives a collection with its own media, or unarchives it if `archived_at` is None. Returns these media.
    pub(crate) fn set_archived(&mut self, id: u64, archived_at: Option<Timestamp>) -> Vec<u64> {
        self.forget_lists();
        let mut changed = Vec::new();
        let (from, to) = if archived_at.is_some() {
            (Archived::No, Archived::WithItsCollection)
        } else {
            (Archived::WithItsCollection, Archived::No)
        };
        for member in self.members.get(&id).into_iter().flatten() {
            if let Some(media) = self.media.get_mut(member)
                && media.collection == id
                && media.archived == from
            {
                media.archived = to;
                media.archived_at = archived_at;
                changed.push(media.id);
            }
        }
        if let Some(collection) = self.collections.get_mut(&id) {
            collection.archived = archived_at.is_some();
            // Archiving twice keeps the first date.
            collection.archived_at = archived_at.and(collection.archived_at.or(archived_at));
        }
        changed
    }

    /// Requests captions for a media, and returns the id of the request.
    pub(crate) fn request_captions(
        &mut self,
        media: u64,
        srclang: Box<str>,
        service_type: Box<str>,
        now: Timestamp,
    ) -> u64 {
        let id = self.new_id();
        let status = RequestStatus::Requested;
        let request = CaptionRequest { id, media, srclang, service_type, status, created_at: now, message: None };
        self.caption_requests.insert(id, request);
        id
    }

    /// The members of a group, and whether each is a manager of it.
    pub(crate) fn group_members(&self, group: &Group) -> impl Iterator<Item = (&User, bool)> {
        let members = self.users.values().filter(|user| user.groups.contains(&group.id));
        members.map(|user| (user, group.managers.contains(&user.id)))
    }

    /// The collection of a course in Canvas. Studio knows only courses from which it was opened once. Observed.
    pub(crate) fn course_collection(&self, course_id: u64) -> Result<u64, Denied> {
        let known = self.collections.values().find(|collection| collection.course_id == Some(course_id));
        known.filter(|known| !known.archived).map(|known| known.id).ok_or(Denied::NotFound)
    }

    /// Adds a media to a collection besides its home collection.
    pub(crate) fn add_perspective(&mut self, media: u64, collection: u64) {
        self.forget_lists();
        if let Some(found) = self.media.get_mut(&media) {
            if found.collection != collection && !found.placed.contains(&collection) {
                found.placed.push(collection);
            }
            self.members.entry(collection).or_default().insert(media);
        }
    }

    /// All users with at least this permission on a media, direct or not, without administrators as such.
    pub(crate) fn everyone_on(&self, media: &Media, least: Permission) -> Vec<(&User, Permission)> {
        let around: Vec<&Collection> = media.collections().filter_map(|id| self.collections.get(&id)).collect();
        let shares = media.shares.iter().chain(around.iter().flat_map(|collection| &collection.shares));
        let (mut people, mut groups) = (HashSet::from([media.owner]), HashSet::new());
        people.extend(around.iter().map(|collection| collection.owner));
        for share in shares {
            match share.share_type {
                ShareType::User => people.insert(share.id),
                ShareType::Group => groups.insert(share.id),
            };
        }
        let reached =
            |user: &&User| people.contains(&user.id) || user.groups.iter().any(|group| groups.contains(group));
        let permitted =
            self.users.values().filter(reached).filter_map(|user| Some((user, self.on_media(user.id, media)?)));
        permitted.filter(|(_, permission)| *permission >= least).collect()
    }
}
