"""The tables and views of a snapshot: the one definition of its format."""

from __future__ import annotations

from typing import Final

FORMAT: Final = "canvas-studio/snapshot"

VERSION: Final = 1
"""It goes up when a reader of an older version would misread the file. New tables, columns and keys leave it."""

APPLICATION_ID: Final = 0x43535431
"""In the header of the file, where `file` and SQLite's tools look for it: CST1."""

TABLES: Final = """
create table about(key text primary key, value text);
create table owner(id integer primary key, full_name text, display_name text, email text, extra text);
create table collection(
    id integer primary key, name text, type text, permission text, owner_id integer, created_at text,
    course_id integer, archived_at text, extra text,
    sweep text,  -- null: its media were not read; read, gone (404), not_allowed (403)
    grants text  -- the same of its permissions
);
create table media(
    id integer primary key, title text, description text, duration real, created_at text, last_viewed text,
    last_viewed_by_student text, transcoding_status text, owner_id integer, size integer, source text, embed_id text,
    lti_launch_id text, archived_at text, permission text,
    home_id integer,  -- the collection that it belongs to; null where the lists leave it out, as Studio's do
    extra text,
    grants text  -- null: its permissions were not read; read, gone (404), not_allowed (403)
);
create table placement(
    collection_id integer not null, media_id integer not null, primary key(collection_id, media_id)
) without rowid;
create table permission(
    kind text not null, id integer not null, share_type text not null, to_id integer not null, level text,
    primary key(kind, id, share_type, to_id)
) without rowid;  -- the level grants: kind is media or collection, share_type user or group
create table grantee(
    share_type text not null, id integer not null, name text, primary key(share_type, id)
) without rowid;
"""

INDEX: Final = "create index if not exists placement_by_media on placement(media_id, collection_id)"
"""Made after the sweep, which is faster without it, and before anything asks for the collections of a media."""

LAST_TOUCHED: Final = """case when media.created_at is not null then max(
        substr(media.created_at, 1, 10), coalesce(media.last_viewed, ''), coalesce(media.last_viewed_by_student, '')
    ) end"""
"""Null, which is before no day, for media of which it is not known when they were made; and for all, in place of this,
where it is not known when media were last viewed."""

# The number of courses is null, and not 0, where the collections were not read.
VIEWS: Final = """
create view library as
select
    media.*,
    coalesce(owner.full_name, owner.display_name) as owner_name,
    owner.email as owner_email,
    {last_touched} as last_touched,
    case when (select value from about where key = 'level') = 'lists' then null
         else coalesce(placed.courses, 0) end as courses
from media
left join owner on owner.id = media.owner_id
left join (
    select placement.media_id, count(*) as courses
    from placement join collection on collection.id = placement.collection_id
    where collection.course_id is not null
    group by placement.media_id
) as placed on placed.media_id = media.id;
create view courses as
select
    collection.course_id, collection.id as collection_id, collection.name,
    count(media.id) as media, cast(total(media.size) as integer) as bytes
from collection
left join placement on placement.collection_id = collection.id
left join media on media.id = placement.media_id
where collection.course_id is not null
group by collection.id;
"""

# Each media with its owner and its courses, as snapshots are compared.
MEDIA: Final = """
select media.id as id, title, owner_id, coalesce(full_name, display_name) as owner_name, size, created_at,
    description, duration, last_viewed, last_viewed_by_student, transcoding_status, source, archived_at,
    placed.courses as courses
from media
left join owner on owner.id = media.owner_id
left join (
    select media_id, group_concat(course_id, ', ') as courses
    from (
        select placement.media_id as media_id, collection.course_id as course_id
        from placement join collection on collection.id = placement.collection_id
        where collection.course_id is not null order by 1, 2
    )
    group by media_id
) as placed on placed.media_id = media.id
order by media.id
"""

MEDIA_COLUMNS: Final = (
    *("id", "title", "owner_id", "owner_name", "size", "created_at", "description", "duration", "last_viewed"),
    *("last_viewed_by_student", "transcoding_status", "source", "archived_at", "courses"),
)
"""Those of `MEDIA`."""

# What a reading that was ended goes on from. It is gone from a whole snapshot.
PROGRESS: Final = "create table progress(key text primary key, value text);"
