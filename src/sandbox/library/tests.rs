//! Tests of what holds for every library, and that a seed gives the same library in every version.

use std::collections::BTreeSet;

use ring::digest::{SHA256, digest};

use super::calendar::{AS_OF, Calendar, DAY, START, START_MILLISECOND, timestamp};
use super::media::DURATIONS;
use super::words::{Name, Words};
use crate::sandbox::records::day;
use crate::sandbox::records::words as vocabulary;
use crate::sandbox::records::words::{COURSE, CUSTOM, FEATURED, FINISHED, GROUP, SOURCES, STATUSES};
use crate::sandbox::records::{Archived, Collection, Media, Role, ShareType};
use crate::sandbox::state::State;

use jiff::Timestamp;

type Holds<'a> = &'a dyn Fn(&Media) -> bool;

fn library(media: usize, seed: u64) -> State {
    super::library(media, seed).unwrap()
}

fn written(media: usize, seed: u64) -> String {
    serde_json::to_string(&library(media, seed)).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_library_and_another_seed_another() {
    assert_eq!(written(300, 1), written(300, 1));
    assert_ne!(written(300, 1), written(300, 2));
}

#[test]
fn the_words_are_complete_and_an_address_can_be_made_of_every_name() {
    let words = Words::get().unwrap();
    for genre in &words.genres {
        assert!(SOURCES.contains(&&*genre.source), "{genre:?}");
        assert!(genre.titles.as_ref().is_none_or(|name| words.titles.contains_key(name)), "{genre:?}");
    }
    let mut lists = vec![&words.notes, &words.tags, &words.featured, &words.shared];
    lists.extend(words.titles.values());
    for language in words.languages.iter().chain([&words.english]) {
        lists.extend([&language.titles, &language.descriptions, &language.courses, &language.collections]);
        assert!(!language.given.is_empty() && !language.family.is_empty());
        for Name(written, address) in language.given.iter().chain(&language.family) {
            assert!(!written.is_empty() && address.bytes().all(|byte| byte.is_ascii_lowercase()), "{written}");
        }
    }
    lists.extend(words.subjects.iter().map(|subject| &subject.topics));
    assert!(lists.iter().all(|list| !list.is_empty()));
}

/// A new field of a record changes these digests too: recompute them on the previous tree with that field added.
#[test]
fn a_seed_gives_the_same_library_in_every_version() {
    for (media, seed, expected) in [
        (0, 1, "cb5a2eff0b0e0d0aeb0bf5f4339fcd65"),
        (1, 1, "48af0c8d028a0dfc103767884d004f7d"),
        (50, 42, "0548b7047ee579e17c68dd1eafea7b82"),
        (300, 7, "a7c4b79263af6db085a9dff4777b4d0a"),
        (5000, 1, "9eb565ae87cdd5face43d3527a02da93"),
        (5000, i64::MAX.cast_unsigned(), "d468593fc6133c3fa90ea96a87be45b2"),
    ] {
        let sum = digest(&SHA256, written(media, seed).as_bytes());
        let sum = u128::from_be_bytes(*sum.as_ref().first_chunk().unwrap());
        assert_eq!(format!("{sum:032x}"), expected, "{media} media, seed {seed}");
    }
}

#[test]
fn the_table_of_days_begins_where_the_constants_say() {
    assert_eq!(day(timestamp(START_MILLISECOND)), START);
    let calendar = Calendar::new();
    for moment in [START_MILLISECOND, START_MILLISECOND + 1000 * DAY - 1, START_MILLISECOND + 2500 * DAY] {
        assert_eq!(calendar.day(moment), day(timestamp(moment)));
    }
}

#[test]
fn without_media_there_is_the_administrator_alone() {
    let state = library(0, 1);
    let administrator = &state.users[&1];
    assert_eq!((administrator.role, administrator.email.as_deref()), (Role::Admin, Some("admin@sandbox.example")));
    assert_eq!((state.users.len(), state.collections.len(), state.groups.len(), state.media.len()), (1, 1, 0, 0));
    assert_eq!(&*state.collections[&administrator.library].kind, vocabulary::LIBRARY);
    assert_eq!(state.next_id, 3);
}

#[test]
fn the_lists_show_as_many_media_as_were_asked_for() {
    for media in [1, 2, 7, 50, 500, 5000] {
        let state = library(media, 3);
        let listed = state.media.values().filter(|media| media.archived == Archived::No);
        assert_eq!((listed.count(), state.media.len()), (media, media + media / 50));
        assert!(state.is_admin(1));
        assert!(state.users.values().filter(|user| user.role == Role::Teacher).count() >= (media / 25).max(5));
    }
}

#[test]
fn whatever_is_referred_to_is_there() {
    for (media, seed) in [(1, 1), (500, 1), (5000, 9)] {
        let state = library(media, seed);
        let shares = state.media.values().flat_map(|media| &media.shares);
        for share in shares.chain(state.collections.values().flat_map(|collection| &collection.shares)) {
            match share.share_type {
                ShareType::User => assert!(state.users.contains_key(&share.id)),
                ShareType::Group => assert!(state.groups.contains_key(&share.id)),
            }
        }
        for user in state.users.values() {
            let own = &state.collections[&user.library];
            assert_eq!((own.owner, &*own.kind), (user.id, vocabulary::LIBRARY));
            assert!(user.groups.iter().all(|group| state.groups.contains_key(group)));
        }
        for collection in state.collections.values() {
            assert!(state.users.contains_key(&collection.owner));
            assert_eq!(collection.course_id.is_some(), *collection.kind == *vocabulary::COURSE);
        }
        for media in state.media.values() {
            assert!(state.users.contains_key(&media.owner));
            let collections: Vec<u64> = media.collections().collect();
            assert!(collections.iter().all(|collection| state.collections.contains_key(collection)));
            assert_eq!(collections.iter().collect::<BTreeSet<_>>().len(), collections.len());
            let original = &state.media[&media.file];
            assert_eq!((original.duration.to_bits(), original.size), (media.duration.to_bits(), media.size));
        }
    }
}

#[test]
fn every_id_is_given_once_and_the_next_is_above_all() {
    let state = library(500, 1);
    let ids = state.users.keys().chain(state.groups.keys()).chain(state.collections.keys()).chain(state.media.keys());
    let all: BTreeSet<u64> = ids.copied().collect();
    let count = state.users.len() + state.groups.len() + state.collections.len() + state.media.len();
    assert_eq!(all.len(), count);
    assert!(all.last().is_some_and(|last| *last < state.next_id));
    let courses: BTreeSet<u64> = state.collections.values().filter_map(|collection| collection.course_id).collect();
    assert!(courses.first().is_some_and(|first| *first > state.next_id));
}

#[test]
fn the_later_the_higher_the_id_and_nothing_is_seen_before_it_is_there() {
    for (media, seed) in [(500, 4), (5000, 1)] {
        let state = library(media, seed);
        let made: Vec<Timestamp> = state.media.values().map(|media| media.created_at).collect();
        assert!(made.is_sorted_by(|one, next| one < next));
        assert!(state.collections.values().map(|collection| collection.created_at).is_sorted());
        for media in state.media.values() {
            let created = day(media.created_at);
            assert!(created >= START && created < AS_OF);
            assert!(media.collections().all(|id| state.collections[&id].created_at <= media.created_at));
            assert!(media.last_viewed.is_none_or(|last| last >= created && last <= AS_OF));
            let student = media.last_viewed_by_student;
            assert!(student.is_none_or(|student| student >= created && Some(student) <= media.last_viewed));
        }
    }
}

#[test]
fn durations_and_sizes_follow_from_source_and_state() {
    for media in library(5000, 2).media.values() {
        if *media.transcoding_status == *FINISHED {
            assert!(media.duration >= DURATIONS.start && media.duration <= DURATIONS.end);
            assert_eq!(media.size == 0, media.is_external());
        } else {
            assert_eq!((media.duration.to_bits(), media.size, media.last_viewed), (0, 0, None));
            assert!(!media.is_external());
        }
    }
}

#[test]
fn no_template_is_left_unfilled() {
    let state = library(5000, 5);
    let texts = state.media.values().flat_map(|media| [Some(&*media.title), media.description.as_deref()]);
    let names = state.collections.values().map(|collection| collection.name.as_deref());
    assert!(texts.chain(names).flatten().all(|text| !text.contains(['{', '}'])));
    assert!(state.users.values().all(|user| user.email.as_deref().is_none_or(str::is_ascii)));
}

#[test]
fn there_is_some_of_everything() {
    for (media, seed) in (1..=20).map(|seed| (500, seed)).chain([(5000, 1), (5000, 2)]) {
        let state = library(media, seed);
        let all = || state.media.values();
        let kinds: BTreeSet<&str> = state.collections.values().map(|collection| &*collection.kind).collect();
        let every = [vocabulary::LIBRARY, COURSE, CUSTOM, GROUP, FEATURED];
        assert_eq!(kinds, BTreeSet::from(every), "seed {seed}");
        let sources: BTreeSet<&str> = all().map(|media| &*media.source).collect();
        assert_eq!(sources.len(), SOURCES.len(), "seed {seed}");
        let statuses: BTreeSet<&str> = all().map(|media| &*media.transcoding_status).collect();
        assert_eq!(statuses.len(), STATUSES.len(), "seed {seed}");
        let has = |collection: &Collection| *collection.kind == *COURSE && collection.name.is_none();
        assert!(state.collections.values().any(has), "seed {seed}");
        assert!(state.collections.values().any(|collection| collection.archived), "seed {seed}");
        assert!(state.users.values().any(|user| user.display_name != user.full_name), "seed {seed}");

        let found: &[(&str, Holds)] = &[
            ("an owner without e-mail", &|media| state.users[&media.owner].email.is_none()),
            ("never viewed", &|media| media.last_viewed.is_none() && *media.transcoding_status == *FINISHED),
            ("not viewed by students", &|media| media.last_viewed.is_some() && media.last_viewed_by_student.is_none()),
            ("a copy", &|media| media.file != media.id),
            ("archived", &|media| media.archived == Archived::ByItself),
            ("archived at a moment", &|media| media.archived_at.is_some_and(|moment| moment > media.created_at)),
            ("archived with its collection", &|media| media.archived == Archived::WithItsCollection),
            ("in other courses", &|media| !media.placed.is_empty()),
            ("shared", &|media| !media.shares.is_empty()),
            ("with tags", &|media| media.tags.len() > 1),
            ("with a description of lines", &|media| {
                media.description.as_ref().is_some_and(|text| text.contains('\n'))
            }),
            ("in another script", &|media| !media.title.is_ascii()),
            ("of many bytes", &|media| media.size > 2_000_000_000),
        ];
        for (what, holds) in found {
            assert!(all().any(holds), "seed {seed}: none is {what}");
        }
    }
}
