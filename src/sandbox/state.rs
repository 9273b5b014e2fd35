//! Everything that the Studio in the box knows, and its rules: who may see and do what, and what hangs on what.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use axum::body::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::assumptions::Assumptions;
use super::captions::Caption;
use super::oauth::Credentials;

/// The words that Studio's documentation never lists; all of them are guesses, but for those that name a source.
pub(crate) mod words {
    /// Observed.
    pub(crate) const FINISHED: &str = "transcoding_finished";
    pub(crate) const FAILED: &str = "transcoding_failed";
    pub(crate) const STATUSES: &[&str] = &[FINISHED, "transcoding_started", "transcoding_queued", FAILED];
    pub(crate) const SOURCES: &[&str] = &["upload", "screen_capture", "webcam", "youtube", "vimeo"];
    /// Of these Studio has no file.
    pub(crate) const EXTERNAL: &[&str] = &["youtube", "vimeo"];
    /// A user's own library and a course's collection. Observed.
    pub(crate) const LIBRARY: &str = "user";
    pub(crate) const COURSE: &str = "course_wide";
    /// What `POST /collections` makes.
    pub(crate) const CUSTOM: &str = "custom";
    pub(crate) const GROUP: &str = "group";
    pub(crate) const FEATURED: &str = "featured_collection";
    /// What a download can be asked for, best first.
    pub(crate) const QUALITIES: &[&str] = &["high", "medium", "low"];
}

/// What somebody may do with a media or a collection. Each includes those before it. Documented for media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Permission {
    Access,
    View,
    Edit,
}

impl Permission {
    pub(crate) const WORDS: &[&str] = &["access", "view", "edit"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Access, Self::View, Self::Edit];
        Self::WORDS.iter().zip(all).find(|(own, _)| **own == word).map(|(_, permission)| permission)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Sees and may do everything.
    Admin,
    Teacher,
    Student,
}

impl Role {
    pub(crate) const WORDS: &[&str] = &["admin", "teacher", "student"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Admin, Self::Teacher, Self::Student];
        Self::WORDS.iter().zip(all).find(|(own, _)| **own == word).map(|(_, role)| role)
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::Teacher => "Teacher",
            Self::Student => "Student",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) full_name: Arc<str>,
    pub(crate) display_name: Arc<str>,
    /// Accounts without an e-mail address exist. Documented.
    pub(crate) email: Option<Arc<str>>,
    pub(crate) role: Role,
    /// The groups the user is in.
    #[serde(default)]
    pub(crate) groups: Vec<u64>,
    /// The collection that is the user's own library.
    pub(crate) library: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ShareType {
    User,
    Group,
}

/// That something is shared with a user or a group directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "it is the vendor's name")]
pub(crate) struct Share {
    pub(crate) share_type: ShareType,
    pub(crate) id: u64,
    pub(crate) permission: Permission,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Collection {
    pub(crate) id: u64,
    /// Null for some course collections. Observed.
    pub(crate) name: Option<Arc<str>>,
    #[serde(rename = "type")]
    pub(crate) kind: Arc<str>,
    pub(crate) owner: u64,
    pub(crate) created_at: Timestamp,
    /// The course in Canvas, whose id has nothing to do with that of the collection.
    pub(crate) course_id: Option<u64>,
    #[serde(default)]
    pub(crate) archived: bool,
    /// Since when; unknown in snapshots of older versions.
    #[serde(default)]
    pub(crate) archived_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) shares: Vec<Share>,
}

/// Whether something is archived, and by what: unarchiving a collection brings back what left with it, and only that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Archived {
    #[default]
    No,
    ByItself,
    WithItsCollection,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) id: u64,
    pub(crate) title: Box<str>,
    #[serde(default)]
    pub(crate) description: Option<Box<str>>,
    /// Seconds.
    pub(crate) duration: f64,
    pub(crate) created_at: Timestamp,
    #[serde(default)]
    pub(crate) last_viewed: Option<Date>,
    #[serde(default)]
    pub(crate) last_viewed_by_student: Option<Date>,
    pub(crate) transcoding_status: Arc<str>,
    pub(crate) owner: u64,
    /// Bytes of the best version.
    pub(crate) size: u64,
    pub(crate) source: Arc<str>,
    /// The collection it lives in: with that it is deleted and archived.
    pub(crate) collection: u64,
    /// The collections it was put into besides, each of which is a perspective of it.
    #[serde(default)]
    pub(crate) placed: Vec<u64>,
    #[serde(default)]
    pub(crate) tags: Vec<Arc<str>>,
    #[serde(default)]
    pub(crate) archived: Archived,
    /// Since when; unknown in snapshots of older versions.
    #[serde(default)]
    pub(crate) archived_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) shares: Vec<Share>,
    /// What its file is made of; two media with the same are copies of one file.
    pub(crate) file: u64,
}

impl Media {
    pub(crate) fn is_external(&self) -> bool {
        words::EXTERNAL.contains(&&*self.source)
    }

    /// All collections it is in: one perspective for each.
    pub(crate) fn collections(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.collection).chain(self.placed.iter().copied())
    }
}

/// A media that is not there yet: its id is given, its file may have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) owner: u64,
    pub(crate) collection: u64,
    /// Bytes, once they came.
    pub(crate) size: Option<u64>,
}

/// Which media a search asks for; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Criteria {
    pub(crate) title: Option<String>,
    pub(crate) min_size: Option<u64>,
    pub(crate) max_size: Option<u64>,
    pub(crate) created: Period,
    pub(crate) last_viewed: Period,
    pub(crate) last_viewed_by_student: Period,
    pub(crate) owner: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) source: Option<String>,
}

/// From a day to a day, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Period {
    pub(crate) start: Option<Date>,
    pub(crate) end: Option<Date>,
}

impl Period {
    /// Whether the day is in it. What was never viewed has no day, and is in no period but the boundless one. A guess.
    fn holds(self, day: impl FnOnce() -> Option<Date>) -> bool {
        if self.start.is_none() && self.end.is_none() {
            return true;
        }
        day().is_some_and(|day| self.start.is_none_or(|start| start <= day) && self.end.is_none_or(|end| day <= end))
    }
}

/// What a list is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Query {
    Collections,
    CollectionMedia(u64),
    Media(Box<Criteria>),
    /// By an address in lower case.
    Users {
        email: Option<String>,
        role: Option<Role>,
    },
    UserCollections(u64),
    UserMedia(u64),
}

/// The ids of a list, in its order.
pub(crate) type Ids = Arc<[u64]>;

/// How many lists are remembered, and how many ids in all of them: reading page after page must not search the library
/// each time.
const REMEMBERED: usize = 64;
const REMEMBERED_IDS: usize = 4_000_000;

/// How many bytes of pages are remembered: a benchmark that reads them again must not wait for them to be rendered.
const REMEMBERED_BYTES: usize = 64 * 1024 * 1024;

/// About what a key takes, with all around it: what is searched for in vain, which can be long, is not remembered.
const SIZE_OF_KEY: usize = 512;

/// What a page of a list depends on, besides the state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    pub(crate) caller: u64,
    pub(crate) query: Query,
    pub(crate) page: usize,
    pub(crate) per_page: usize,
}

/// Why the caller does not get something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    NotFound,
    Forbidden,
}

/// The version of what a snapshot holds; a file of another version is refused.
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

/// The state of a Studio.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    version: Version,
    pub(crate) users: BTreeMap<u64, User>,
    pub(crate) groups: BTreeMap<u64, Group>,
    pub(crate) collections: BTreeMap<u64, Collection>,
    pub(crate) media: BTreeMap<u64, Media>,
    /// The captions of the media that did not come with the library, or got captions since; by the media's id.
    #[serde(default)]
    pub(crate) captions: BTreeMap<u64, Vec<Caption>>,
    #[serde(default)]
    pub(crate) uploads: BTreeMap<u64, Upload>,
    pub(crate) credentials: Credentials,
    /// The id that the next thing gets. Ids are never given twice.
    pub(crate) next_id: u64,
    /// Which media are in which collection: made from the media.
    #[serde(skip)]
    members: HashMap<u64, BTreeSet<u64>>,
    /// Lists as they were made, until anything changes.
    #[serde(skip)]
    lists: HashMap<(u64, Query), Ids>,
    /// Pages as they were answered, likewise.
    #[serde(skip)]
    pages: HashMap<PageKey, Bytes>,
    #[serde(skip)]
    bytes_of_pages: usize,
}

impl State {
    /// Whether all that is referred to is there; if not, what is not.
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
        match self.media.values().find(|media| !complete(media)) {
            Some(media) => Err(format!("the media {} has an owner or a collection that is not there", media.id)),
            None => Ok(()),
        }
    }

    /// Makes anew what is derived from the rest.
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

    /// To be called after every change.
    pub(crate) fn forget_lists(&mut self) {
        self.lists.clear();
        self.pages.clear();
        self.bytes_of_pages = 0;
    }

    pub(crate) fn remembered_page(&self, key: &PageKey) -> Option<Bytes> {
        self.pages.get(key).cloned()
    }

    pub(crate) fn remember_page(&mut self, key: PageKey, body: Bytes) {
        let size = body.len() + SIZE_OF_KEY;
        if self.bytes_of_pages + size > REMEMBERED_BYTES {
            self.pages.clear();
            self.bytes_of_pages = 0;
        }
        self.bytes_of_pages += size;
        self.pages.insert(key, body);
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

    pub(crate) fn user_by_email(&self, email: &str) -> Option<&User> {
        self.users.values().find(|user| user.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email)))
    }

    /// What shares give a user: the highest of all that reach the user, directly or through a group.
    fn shared(&self, shares: &[Share], user: u64) -> Option<Permission> {
        let groups = self.users.get(&user).map_or(&[][..], |user| &user.groups);
        let reaches = |share: &&Share| match share.share_type {
            ShareType::User => share.id == user,
            ShareType::Group => groups.contains(&share.id),
        };
        shares.iter().filter(reaches).map(|share| share.permission).max()
    }

    /// What a user may do with a collection.
    pub(crate) fn on_collection(&self, user: u64, collection: &Collection) -> Option<Permission> {
        if collection.owner == user || self.is_admin(user) {
            return Some(Permission::Edit);
        }
        self.shared(&collection.shares, user)
    }

    /// What a user may do with a media, by owning it, by its shares, or by those of a collection that it is in, as long as
    /// that is not archived.
    pub(crate) fn on_media(&self, user: u64, media: &Media) -> Option<Permission> {
        if media.owner == user || self.is_admin(user) {
            return Some(Permission::Edit);
        }
        let around = media.collections().filter_map(|id| self.collections.get(&id));
        let around = around.filter(|collection| !collection.archived).filter_map(|collection| {
            let permission = self.on_collection(user, collection)?;
            // Who puts a media into somebody's course does not give it away. A guess.
            Some(if collection.id == media.collection { permission } else { permission.min(Permission::View) })
        });
        self.shared(&media.shares, user).max(around.max())
    }

    /// A collection, if it is there and the caller may do that much with it.
    pub(crate) fn collection(&self, caller: u64, id: u64, least: Permission) -> Result<&Collection, Denied> {
        let collection = self.collections.get(&id).ok_or(Denied::NotFound)?;
        match self.on_collection(caller, collection) {
            Some(permission) if permission >= least => Ok(collection),
            _ => Err(Denied::Forbidden),
        }
    }

    /// A media, likewise.
    pub(crate) fn media(&self, caller: u64, id: u64, least: Permission) -> Result<&Media, Denied> {
        let media = self.media.get(&id).ok_or(Denied::NotFound)?;
        match self.on_media(caller, media) {
            Some(permission) if permission >= least => Ok(media),
            _ => Err(Denied::Forbidden),
        }
    }

    /// Whether the caller is the owner or an administrator, who alone may download, archive and delete.
    pub(crate) fn owns(&self, caller: u64, owner: u64) -> Result<(), Denied> {
        if caller == owner || self.is_admin(caller) { Ok(()) } else { Err(Denied::Forbidden) }
    }

    /// The ids of a list as the caller sees it.
    pub(crate) fn list(&mut self, caller: u64, query: Query, assumptions: &Assumptions) -> Ids {
        let key = (caller, query);
        if let Some(known) = self.lists.get(&key) {
            return Arc::clone(known);
        }
        let mut ids = self.matching(caller, &key.1, assumptions);
        if assumptions.newest_first {
            ids.reverse();
        }
        let ids: Ids = ids.into();
        let known: usize = self.lists.values().map(|ids| ids.len()).sum();
        if self.lists.len() >= REMEMBERED || known + ids.len() > REMEMBERED_IDS {
            self.lists.clear();
        }
        self.lists.insert(key, Arc::clone(&ids));
        ids
    }

    /// The ids that belong into a list, oldest first.
    fn matching(&self, caller: u64, query: &Query, assumptions: &Assumptions) -> Vec<u64> {
        let all = self.is_admin(caller);
        let listed = |media: &Media| assumptions.archived_in_lists || media.archived == Archived::No;
        match query {
            Query::Collections => {
                let listed = |collection: &&Collection| assumptions.archived_in_lists || !collection.archived;
                let seen = |collection: &&Collection| all || self.on_collection(caller, collection).is_some();
                self.collections.values().filter(listed).filter(seen).map(|collection| collection.id).collect()
            }
            // What was only put into an archived collection is archived there too, and nowhere else.
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
                let has =
                    |user: &User, email: &str| user.email.as_deref().is_some_and(|own| own.to_lowercase() == *email);
                let fits = |user: &&User| {
                    role.is_none_or(|role| role == user.role) && email.as_deref().is_none_or(|email| has(user, email))
                };
                self.users.values().filter(fits).map(|user| user.id).collect()
            }
            Query::UserCollections(user) => self.matching(*user, &Query::Collections, assumptions),
            Query::UserMedia(user) => self.matching(*user, &Query::Media(Box::default()), assumptions),
            Query::Media(criteria) => {
                let owner = criteria.owner.as_deref().map(|email| self.user_by_email(email).map(|user| user.id));
                let title = criteria.title.as_deref().map(str::to_lowercase);
                let tag = criteria.tag.as_deref();
                let fits = |media: &&Media| {
                    listed(media)
                        && criteria.min_size.is_none_or(|least| media.size >= least)
                        && criteria.max_size.is_none_or(|most| media.size <= most)
                        && owner.is_none_or(|owner| owner == Some(media.owner))
                        && criteria.source.as_deref().is_none_or(|source| *media.source == *source)
                        && tag.is_none_or(|tag| media.tags.iter().any(|own| **own == *tag))
                        && criteria.created.holds(|| Some(day(media.created_at)))
                        && criteria.last_viewed.holds(|| media.last_viewed)
                        && criteria.last_viewed_by_student.holds(|| media.last_viewed_by_student)
                        && title.as_deref().is_none_or(|title| media.title.to_lowercase().contains(title))
                        && (all || self.on_media(caller, media).is_some())
                };
                self.media.values().filter(fits).map(|media| media.id).collect()
            }
        }
    }

    /// Adds a media, without captions: only those of the library have some from the beginning.
    pub(crate) fn insert_media(&mut self, media: Media) {
        self.forget_lists();
        self.captions.insert(media.id, Vec::new());
        for collection in media.collections() {
            self.members.entry(collection).or_default().insert(media.id);
        }
        self.media.insert(media.id, media);
    }

    /// Adds a user with a library of its own. The id of the library is the one after the user's.
    pub(crate) fn insert_user(&mut self, user: User, created_at: Timestamp) {
        self.forget_lists();
        self.collections.insert(
            user.library,
            Collection {
                id: user.library,
                // Observed: it can be empty.
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

    /// Deletes a media with all its perspectives.
    pub(crate) fn delete_media(&mut self, id: u64) -> Option<Media> {
        self.forget_lists();
        let media = self.media.remove(&id)?;
        self.captions.remove(&id);
        for collection in media.collections() {
            if let Some(members) = self.members.get_mut(&collection) {
                members.remove(&id);
            }
        }
        Some(media)
    }

    /// Deletes a collection with the media that live in it; those that were only put into it lose that perspective.
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

    pub(crate) fn archive_media(&mut self, id: u64, now: Timestamp) {
        self.forget_lists();
        if let Some(media) = self.media.get_mut(&id) {
            media.archived = Archived::ByItself;
            // What left before keeps its moment.
            media.archived_at = media.archived_at.or(Some(now));
        }
    }

    /// Brings a media back: into `collection`; or to where it was; or, if that is itself archived, to its owner's library.
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

    /// Lets a media live in another collection.
    fn move_media(&mut self, id: u64, home: u64) {
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

    /// Archives a collection with the media that live in it, or brings it back if there is no moment.
    pub(crate) fn archive_collection(&mut self, id: u64, archived_at: Option<Timestamp>) {
        self.forget_lists();
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
            }
        }
        if let Some(collection) = self.collections.get_mut(&id) {
            collection.archived = archived_at.is_some();
            // What is archived a second time keeps its moment.
            collection.archived_at = archived_at.and(collection.archived_at.or(archived_at));
        }
    }

    /// The collection of a course in Canvas. Studio knows only those from which somebody has opened it once. Observed.
    pub(crate) fn course_collection(&self, course_id: u64) -> Result<u64, Denied> {
        let known = self.collections.values().find(|collection| collection.course_id == Some(course_id));
        known.filter(|known| !known.archived).map(|known| known.id).ok_or(Denied::NotFound)
    }

    /// Puts a media into a collection besides the one it lives in.
    pub(crate) fn place(&mut self, media: u64, collection: u64) {
        self.forget_lists();
        if let Some(found) = self.media.get_mut(&media) {
            if found.collection != collection && !found.placed.contains(&collection) {
                found.placed.push(collection);
            }
            self.members.entry(collection).or_default().insert(media);
        }
    }

    /// Everyone who has at least that permission on a media, directly or not. Administrators as such are left out.
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

/// The day of a moment, in UTC.
pub(crate) fn day(moment: Timestamp) -> Date {
    moment.to_zoned(jiff::tz::TimeZone::UTC).date()
}
