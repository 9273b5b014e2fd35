"""The inventory of a snapshot: storage by owner, source, year and course; what is likely waste; growth."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from canvas_studio.workflows.report import Column, Report, Section, Table
from canvas_studio.workflows.rows import Rows

if TYPE_CHECKING:
    from datetime import date

    from canvas_studio.workflows.about import SnapshotAbout
    from canvas_studio.workflows.difference import Difference

__all__ = ["inventory"]

COLD_YEARS: Final = 2
"""What was neither made nor viewed for so long is listed as likely waste."""

READY_AFTER: Final = timedelta(days=7)
"""What cannot be played so long after it was made has likely failed."""

READY: Final = "transcoding_finished"

# SQLite's own sum is an error above 2**63. What is unknown for all is unknown, and not 0.
BYTES: Final = "case when count(size) > 0 then cast(total(size) as integer) end as bytes"
SECONDS: Final = "case when count(duration) > 0 then round(total(duration), 3) end as seconds"
SHARE: Final = (
    "case when count(size) > 0 then total(size) / nullif((select total(size) from media), 0) end as share_of_bytes"
)

OWNERS: Final = f"""
select owner_id, owner_name, owner_email, count(*) as media, {BYTES}, {SHARE}, {SECONDS},
    sum(courses = 0) as in_no_course, max(substr(created_at, 1, 10)) as newest
from library group by owner_id order by total(size) desc, media desc, owner_id
"""  # noqa: S608 - of these

SOURCES: Final = f"""
select source, count(*) as media, {BYTES}, {SHARE}, {SECONDS}
from media group by source order by total(size) desc, media desc, source
"""  # noqa: S608 - of these

YEARS: Final = f"""
select substr(created_at, 1, 4) as year, count(*) as media, {BYTES}, {SHARE}, {SECONDS}
from media group by 1 order by 1
"""  # noqa: S608 - of these

IN_COURSES: Final = f"""
select case when courses > 0 then 'in a course' when courses = 0 then 'in no course' end as place,
    count(*) as media, {BYTES}, {SHARE}, {SECONDS}
from library group by 1 order by 1
"""  # noqa: S608 - of these

# A course may have several collections, and one media may be in two of them.
COURSES: Final = f"""
select placed.course_id, named.name, count(*) as media, {BYTES}, {SHARE}, {SECONDS}
from (
    select distinct collection.course_id, placement.media_id
    from placement join collection on collection.id = placement.collection_id
    where collection.course_id is not null
) as placed
join media on media.id = placed.media_id
join (select course_id, min(name) as name from collection where course_id is not null group by 1) as named
    on named.course_id = placed.course_id
group by 1 order by total(size) desc, media desc, 1
"""  # noqa: S608 - of these

COPIES: Final = """
select min(title) as title, count(*) as copies, count(distinct owner_id) as owners, sum(courses > 0) as in_courses,
    size, duration, (count(*) - 1) * size as wasted, group_concat(id, ', ') as ids
from (select * from library where size > 0 order by id)
group by size, duration having count(*) > 1 order by wasted desc, min(id)
"""

# Of what was made on an unknown day, nobody knows.
COLD_MEDIA: Final = "created_at is not null and last_touched < ?"

COLD: Final = """
select title, id, owner_name, owner_id, size as bytes, substr(created_at, 1, 10) as made,
    coalesce(max(last_viewed, coalesce(last_viewed_by_student, '')), last_viewed_by_student, 'never') as last_viewed,
    courses
from library where {} order by size desc, id
"""

TOTALS: Final = f"select %s as key, count(*) as media, {BYTES} from media group by 1"  # noqa: S608 - of these

MEDIA: Final = Column("media", "Media", "count")
SIZE: Final = Column("bytes", "Size", "bytes")
AMOUNTS: Final = (MEDIA, SIZE, Column("share_of_bytes", "Share", "share"), Column("seconds", "Hours", "hours"))
GROWTH: Final = (
    Column("bytes_change", "Size, change", "bytes", signed=True),
    Column("media_change", "Media, change", "count", signed=True),
    Column("bytes_before", "Size before", "bytes"),
    Column("media_before", "Media before", "count"),
)
OWNER: Final = (Column("owner_name", "Owner"), Column("owner_id", "Owner's id", "id"))


class _Library(Protocol):
    """What is needed of a snapshot."""

    about: SnapshotAbout

    def sql(self, query: str, *params: object) -> Rows: ...
    def diff(self, older: Any) -> Difference: ...  # noqa: ANN401 - another snapshot


def inventory(library: _Library, older: _Library | None = None) -> Report:
    """Make the inventory of a snapshot.

    Args:
        library: The snapshot.
        older: An older one of the same school, for the growth since then.

    Returns:
        A report.

    Raises:
        InvalidArgumentError: If `older` is of another school, or newer.
        SnapshotError: If a file is broken or closed.
    """
    about = library.about
    # First, since it may be refused.
    growth = () if older is None else (_growth(library, older),)
    return Report(
        f"Inventory of {urlsplit(about.studio).hostname or about.studio}",
        facts=_facts(about),
        notes=tuple(_notes(library)),
        sections=(*growth, _owners(library), _sources(library), _years(library), _courses(library), *_waste(library)),
    )


def _facts(about: SnapshotAbout) -> tuple[tuple[str, str], ...]:
    return (
        ("School", about.studio),
        ("Read", f"{about.started_at:%Y-%m-%d %H:%M} to {about.taken_at:%Y-%m-%d %H:%M} UTC"),
        ("Media", f"{about.counts['media']:,}, {about.bytes / 1e9:,.1f} GB"),
        ("Collections", f"{about.counts['collections']:,}"),
        ("Owners", f"{about.counts['owners']:,}"),
    )


def _notes(library: _Library) -> list[str]:
    about = library.about
    notes: list[str] = []
    if about.calibration.get("administrator") is False:
        notes.append("The token was probably not an administrator's: this is what it saw, and not the whole school.")
    if about.anonymized:
        notes.append("Names, addresses and titles are pseudonyms.")
    [row] = library.sql("select count(*) as media from media where size is null")
    if row["media"]:
        notes.append(
            f"The size of {row['media']:,} media is unknown. They count as media, and add nothing to the storage."
        )
    for state, reason in (("gone", "were deleted meanwhile"), ("not_allowed", "could not be read with this token")):
        if count := about.not_read.get(state):
            notes.append(f"{count:,} collections {reason}: what is in them is not known.")
    checked, same, gone = (about.calibration.get(name) or 0 for name in ("checked", "same", "gone"))
    if checked > same + gone:
        notes.append(
            f"{checked - same - gone} of {checked} media that were checked one by one are in other courses than the "
            "collections say: do not rely on what is said of courses here."
        )
    return notes


def _owners(library: _Library) -> Section:
    columns = (*OWNER, *AMOUNTS, Column("in_no_course", "In no course", "count"), Column("newest", "Newest media"))
    text = "By the id of the owner: two people can have one name, and some have no address."
    table = Table(
        "owners",
        "Storage by owner, largest first",
        (*columns, Column("owner_email", "Address")),
        library.sql(OWNERS),
        chart="bytes",
    )
    return Section("Owners", (text,), (table,))


def _sources(library: _Library) -> Section:
    columns = (Column("source", "Source"), *AMOUNTS)
    return Section("Sources", (), (Table("sources", "Storage by source", columns, library.sql(SOURCES), "bytes"),))


def _years(library: _Library) -> Section:
    columns = (Column("year", "Made in"), *AMOUNTS)
    text = "What has been deleted since is not counted."
    return Section("Years", (text,), (Table("years", "Storage by year", columns, library.sql(YEARS), "bytes"),))


def _courses(library: _Library) -> Section:
    if not _knows_courses(library.about):
        return Section("Courses", (f"Unknown: {_NO_COURSES}",))
    courses = library.sql(COURSES)
    [every] = library.sql("select count(distinct course_id) as courses from courses")
    text = (
        f"{len(courses):,} of {every['courses']:,} courses have media. A media that is in two courses counts in both, "
        "so all courses together may have more than there is."
    )
    places = Table(
        "in_courses",
        "Storage in courses and in none",
        (Column("place", "Media that are"), *AMOUNTS),
        library.sql(IN_COURSES),
    )
    columns = (Column("name", "Course"), Column("course_id", "Id in Canvas", "id"), *AMOUNTS)
    return Section(
        "Courses", (text,), (places, Table("courses", "Storage by course, largest first", columns, courses, "bytes"))
    )


_NO_COURSES: Final = (
    "the snapshot has the level lists, which leaves out which media is in which course. Take it with the level courses."
)
_NO_VIEWS: Final = "Studio's lists did not say when a media was last viewed."


def _waste(library: _Library) -> tuple[Section, Section]:
    about = library.about
    since = _years_before(about.taken_at.date(), COLD_YEARS).isoformat()
    knows_courses, knows_views = _knows_courses(about), _knows_views(about)
    copies = library.sql(COPIES)
    late = (about.taken_at - READY_AFTER).date().isoformat()
    rows = [
        _amount(library, f"neither made nor viewed since {since}", COLD_MEDIA, since, is_known=knows_views),
        _amount(
            library,
            f"neither made nor viewed since {since}, and in no course",
            f"{COLD_MEDIA} and courses = 0",
            since,
            is_known=knows_views and knows_courses,
        ),
        _amount(
            library,
            f"made before {since} and never viewed",
            "created_at < ? and last_viewed is null and last_viewed_by_student is null",
            since,
            is_known=knows_views,
        ),
        _amount(
            library,
            f"made before {late} and still not ready to be played",
            f"created_at < ? and transcoding_status <> '{READY}'",
            late,
        ),
        (
            "copies of another media, by size and duration",
            sum(row["copies"] - 1 for row in copies),
            sum(row["wasted"] for row in copies),
            sum(row["wasted"] for row in copies) / about.bytes if about.bytes else None,
        ),
    ]
    columns = (Column("kind", "Media that are"), *AMOUNTS[:3])
    # Their names are too long for bars.
    kinds = Table("likely_waste", "Likely waste by kind", columns, Rows([column.name for column in columns], rows))
    texts = ["Likely, and not certain: a person who knows the media has to decide. A media can be in several rows."]
    texts += [f"What has not been viewed is unknown: {_NO_VIEWS}"] if not knows_views else []
    texts += [f"What is in no course is unknown: {_NO_COURSES}"] if not knows_courses else []
    tables = [kinds]
    if knows_views:
        place = "and in no course, " if knows_courses else ""
        caption = f"Neither made nor viewed since {since}, {place}largest first"
        cold = library.sql(COLD.format(f"{COLD_MEDIA} and courses = 0" if knows_courses else COLD_MEDIA), since)
        shown = (Column("title", "Title"), Column("id", "Id", "id"), *OWNER, SIZE, Column("made", "Made"))
        tables.append(Table("cold_media", caption, (*shown, Column("last_viewed", "Last viewed")), cold))
    return Section("Likely waste", tuple(texts), tuple(tables)), _copies(copies)


def _copies(copies: Rows) -> Section:
    columns = (
        Column("title", "Title of one"),
        Column("copies", "Copies", "count"),
        Column("wasted", "Wasted", "bytes"),
        Column("ids", "Ids", "id"),
        Column("size", "Size of each", "bytes"),
        Column("in_courses", "In courses", "count"),
        Column("owners", "Owners", "count"),
    )
    text = (
        "The same number of bytes and the same duration: a sign, and no proof. Compare two before you delete one. All "
        "but one count as wasted."
    )
    table = Table("likely_duplicates", "Likely duplicates, most wasted first", columns, copies, "wasted")
    return Section("Likely duplicates", (text,), (table,))


def _growth(library: _Library, older: _Library) -> Section:
    difference = library.diff(older)
    before, after = older.about, library.about
    sizes = [row for row in difference.changed if row["field"] == "size"]
    rows = [
        ("added", len(difference.added), sum(row["size"] or 0 for row in difference.added)),
        ("gone", -len(difference.gone), -sum(row["size"] or 0 for row in difference.gone)),
        ("changed in size", 0, sum((row["after"] or 0) - (row["before"] or 0) for row in sizes)),
        ("together", after.counts["media"] - before.counts["media"], after.bytes - before.bytes),
    ]
    columns = (
        Column("what", "Media that were"),
        Column("media_change", "Media", "count", signed=True),
        Column("bytes_change", "Size", "bytes", signed=True),
    )
    days = (after.taken_at - before.taken_at) / timedelta(days=1)
    per_day = f" That is {(after.bytes - before.bytes) / days / 1e9:+,.2f} GB a day." if days >= 1 else ""
    text = (
        f"From {before.taken_at:%Y-%m-%d %H:%M} to {after.taken_at:%Y-%m-%d %H:%M} UTC.{per_day} Gone is deleted, or "
        "archived if Studio's lists leave out what is archived."
    )
    names = {
        row["id"]: row["name"]
        for side in (older, library)
        for row in side.sql("select id, coalesce(full_name, display_name) as name from owner")
    }
    owners = [(names.get(key), key, *change) for key, *change in _changes(library, older, "owner_id")]
    sources = [(key, *change) for key, *change in _changes(library, older, "source")]
    amounts = [column.name for column in GROWTH]
    return Section(
        "Growth",
        (text,),
        (
            Table(
                "growth", "What was added and what is gone", columns, Rows([column.name for column in columns], rows)
            ),
            Table(
                "growth_by_owner",
                "Owners whose storage changed, most first",
                (*OWNER, *GROWTH),
                Rows(["owner_name", "owner_id", *amounts], owners),
                "bytes_change",
            ),
            Table(
                "growth_by_source",
                "Sources whose storage changed, most first",
                (Column("source", "Source"), *GROWTH),
                Rows(["source", *amounts], sources),
                "bytes_change",
            ),
        ),
    )


def _changes(library: _Library, older: _Library, key: str) -> list[tuple[Any, ...]]:
    """How much each owner or source has more or less, most first: the key, and what `GROWTH` names."""
    before, after = (
        {row["key"]: (row["media"], row["bytes"]) for row in side.sql(TOTALS % key)} for side in (older, library)
    )
    changes: list[tuple[Any, ...]] = []
    for each in before.keys() | after.keys():
        # Whoever had nothing had 0, and that is known.
        (media_before, bytes_before), (media, size) = before.get(each, (0, 0)), after.get(each, (0, 0))
        grown = None if bytes_before is None or size is None else size - bytes_before
        if media != media_before or grown != 0:
            changes.append((each, grown, media - media_before, bytes_before, media_before))
    return sorted(changes, key=lambda row: (-abs(row[1] or 0), -abs(row[2]), str(row[0])))


def _amount(
    library: _Library,
    kind: str,
    condition: str,
    day: str,
    *,
    is_known: bool = True,
) -> tuple[str, int | None, int | None, float | None]:
    if not is_known:
        return kind, None, None, None
    query = f"select count(*) as media, cast(total(size) as integer) as bytes from library where {condition}"  # noqa: S608 - of these
    [row] = library.sql(query, day)
    return kind, row["media"], row["bytes"], row["bytes"] / library.about.bytes if library.about.bytes else None


def _knows_courses(about: SnapshotAbout) -> bool:
    return about.level != "lists"


def _knows_views(about: SnapshotAbout) -> bool:
    """Whether the column `last_viewed` says something: it is also empty if Studio does not tell."""
    known: dict[str, Any] = about.calibration.get("last_viewed_from") or {}
    return known.get("last_viewed", about.calibration.get("last_viewed")) not in {None, False}


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # the 29th of February
        return day.replace(year=day.year - years, day=28)
