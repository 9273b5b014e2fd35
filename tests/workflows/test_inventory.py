"""The inventory adds up with the lists that its snapshot was made of, and what is unknown is never 0."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections import defaultdict
from pathlib import Path  # noqa: TC003 - fixtures are read at run time
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import InvalidArgumentError
from canvas_studio.sandbox import Sandbox
from canvas_studio.workflows import Snapshot, SnapshotError
from canvas_studio.workflows.inventory import inventory
from support.html_pages import Page, check_accessible, check_self_contained

if TYPE_CHECKING:
    from collections.abc import Callable

    from canvas_studio import Media
    from canvas_studio.workflows import Rows


def tables(library: Snapshot, older: Snapshot | None = None) -> dict[str, Rows]:
    return {table.name: table.rows for table in inventory(library, older).tables}


def texts(library: Snapshot, older: Snapshot | None = None) -> str:
    made = inventory(library, older)
    return "\n".join([*made.notes, *(text for section in made.sections for text in section.texts)])


def changed(library: Snapshot, path: Path, *statements: str, values: tuple[object, ...] = ()) -> Snapshot:
    """A copy of a snapshot, in which something is otherwise. Each statement has the values."""
    path.write_bytes(library.path.read_bytes())
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement, values)
    connection.commit()
    connection.close()
    return Snapshot.open(path)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A snapshot, and all media of its school with the courses of each."""
    folder = tmp_path_factory.mktemp("school")
    with Sandbox(media=400) as box:
        studio = box.client()
        course = box.add_collection("Biology 101", course_id=1301)
        box.add_collection("Empty", course_id=1302)
        for number in range(3):
            box.add_media(f"Twice {number}", size=123_456_789, duration=61.5, collection_id=course)
        box.add_media("Elsewhere", owner=box.add_user("No address"), size=7)
        library = Snapshot.take(studio, folder / "library.db")
        media = studio.search_media().collect()
        courses = {
            each.id: {found.course_id for found in studio.list_media_courses(each.id).collect()} for each in media
        }
    return library, media, courses


def owner_of(media: Media) -> int | None:
    return None if media.owner is None else media.owner.id


def source_of(media: Media) -> str | None:
    return media.source


def year_of(media: Media) -> str | None:
    return None if media.created_at is None else str(media.created_at.year)


@pytest.mark.parametrize(
    ("name", "column", "key"),
    [
        ("owners", "owner_id", owner_of),
        ("sources", "source", source_of),
        ("years", "year", year_of),
    ],
)
def test_storage_by_owner_source_and_year_adds_up_with_the_lists(
    name: str, column: str, key: Callable[[Media], object], school: Any
) -> None:
    library, media, courses = school
    groups: dict[object, list[Media]] = defaultdict(list)
    for each in media:
        groups[key(each)].append(each)
    rows = tables(library)[name]
    assert {row[column]: (row["media"], row["bytes"]) for row in rows} == {
        group: (len(each), sum(item.size or 0 for item in each)) for group, each in groups.items()
    }
    assert sum(row["share_of_bytes"] for row in rows) == pytest.approx(1)
    for row in rows:
        assert row["seconds"] == pytest.approx(sum(item.duration or 0 for item in groups[row[column]]))
        if name == "owners":
            assert row["in_no_course"] == sum(not courses[item.id] for item in groups[row[column]])
    if name == "owners":
        sizes = [row["bytes"] for row in rows]
        assert sizes == sorted(sizes, reverse=True)
        assert None in {row["owner_email"] for row in rows}


def test_storage_by_course_adds_up_with_single_calls(school: Any) -> None:
    library, media, courses = school
    sizes: dict[int, list[int]] = defaultdict(list)
    for each in media:
        for course in courses[each.id]:
            sizes[course].append(each.size or 0)
    found = tables(library)
    assert {row["course_id"]: (row["media"], row["bytes"]) for row in found["courses"]} == {
        course: (len(each), sum(each)) for course, each in sizes.items()
    }
    assert {row["place"]: row["media"] for row in found["in_courses"]} == {
        "in a course": sum(bool(each) for each in courses.values()),
        "in no course": sum(not each for each in courses.values()),
    }
    [row] = library.sql("select count(distinct course_id) courses from courses")
    assert f"{len(sizes)} of {row['courses']} courses have media" in texts(library)


def test_a_media_that_two_collections_of_a_course_have_counts_once(school: Any, tmp_path: Path) -> None:
    library, _, _ = school
    [row] = library.sql("select collection_id from courses where course_id = 1301")
    twice = changed(
        library,
        tmp_path / "twice.db",
        "insert into collection(id, course_id) select 999999, course_id from collection where id = ?",
        "insert into placement select 999999, media_id from placement where collection_id = ?",
        values=(row["collection_id"],),
    )
    assert tables(twice)["courses"] == tables(library)["courses"]


def test_what_has_the_same_size_and_duration_is_a_likely_duplicate_and_what_has_no_size_is_none(school: Any) -> None:
    library, media, courses = school
    groups: dict[object, list[Media]] = defaultdict(list)
    for each in media:
        if each.size:
            groups[each.size, each.duration].append(each)
    rows = tables(library)["likely_duplicates"]
    assert {row["ids"]: (row["copies"], row["wasted"], row["in_courses"]) for row in rows} == {
        ", ".join(str(item.id) for item in sorted(each, key=lambda item: item.id)): (
            len(each),
            (len(each) - 1) * (each[0].size or 0),
            sum(bool(courses[item.id]) for item in each),
        )
        for each in groups.values()
        if len(each) > 1
    }
    assert ("Twice 0", 3, 2 * 123_456_789) in {(row["title"], row["copies"], row["wasted"]) for row in rows}


def test_likely_waste_is_what_nobody_has_touched_for_two_years_and_a_new_upload_is_not(tmp_path: Path) -> None:
    with Sandbox(media=0) as box:
        old: Any = {"created_at": "2019-03-01T12:00:00Z", "size": 1_000}
        course = box.add_collection("Biology 101", course_id=1301)
        never = box.add_media("Never", **old)
        in_course = box.add_media("In a course", **old, collection_id=course)
        viewed = box.add_media("Viewed long ago", **old, last_viewed="2020-01-01")
        box.add_media("Viewed", **old, last_viewed=box.now.date())
        box.add_media("New")
        box.add_media(
            "Failed", **old | {"size": 0}, last_viewed=box.now.date(), transcoding_status="transcoding_failed"
        )
        library = Snapshot.take(box.client(), tmp_path / "library.db")
    day = library.about.taken_at.date()
    since = f"{day.year - 2}-{day:%m-%d}"
    rows = {row["kind"]: row["media"] for row in tables(library)["likely_waste"]}
    assert rows[f"neither made nor viewed since {since}"] == 3
    assert rows[f"neither made nor viewed since {since}, and in no course"] == 2
    assert rows[f"made before {since} and never viewed"] == 2
    assert [media for kind, media in rows.items() if "not ready" in kind] == [1]
    cold = tables(library)["cold_media"]
    assert {row["id"]: row["last_viewed"] for row in cold} == {never: "never", viewed: "2020-01-01"}
    # Of what was made on an unknown day, nobody knows.
    unknown = changed(
        library, tmp_path / "unknown.db", "update media set created_at = null where id = ?", values=(in_course,)
    )
    assert tables(unknown)["likely_waste"][0]["media"] == 2
    assert "Likely, and not certain" in texts(library)


def test_growth_is_what_was_added_less_what_is_gone_by_owner_and_by_source(tmp_path: Path) -> None:
    with Sandbox(media=200) as box:
        studio = box.client()
        older = Snapshot.take(studio, tmp_path / "older.db")
        media = studio.search_media().collect()
        gone, grown = [each for each in media if each.size and each.source == "upload" and each.owner][:2]
        ada = box.add_user("Ada Park")
        box.remove_media(gone)
        box.change_media(grown, size=(grown.size or 0) + 5)
        box.add_media("Mitosis", owner=ada, size=10**12, source="webcam")
        newer = Snapshot.take(studio, tmp_path / "newer.db")
    found = tables(newer, older)

    assert [tuple(row.values()) for row in found["growth"]] == [
        ("added", 1, 10**12),
        ("gone", -1, -(gone.size or 0)),
        ("changed in size", 0, 5),
        ("together", 0, 10**12 - (gone.size or 0) + 5),
    ]
    assert sum(row["bytes_change"] for row in found["growth_by_owner"]) == newer.about.bytes - older.about.bytes
    first = found["growth_by_owner"][0]
    assert (first["owner_name"], first["owner_id"], first["bytes_before"], first["bytes_change"]) == (
        "Ada Park",
        ada,
        0,
        10**12,
    )
    assert {row["source"]: row["media_change"] for row in found["growth_by_source"]} == {"webcam": 1, "upload": -1}
    assert "GB a day" not in texts(newer, older)
    day_before = changed(
        older,
        tmp_path / "day.db",
        "update about set value = '2020-01-01T00:00:00Z' where key in ('started_at', 'taken_at')",
    )
    assert re.search(r"That is \+\d+\.\d\d GB a day", texts(newer, day_before))
    with pytest.raises(InvalidArgumentError, match="older must be the older snapshot"):
        day_before.report(tmp_path / "never.html", older=newer)
    assert not (tmp_path / "never.html").exists()


def test_without_courses_what_is_in_a_course_is_unknown_and_not_0(tmp_path: Path) -> None:
    with Sandbox(media=100) as box:
        library = Snapshot.take(box.client(), tmp_path / "lists.db", level="lists")
    found = tables(library)
    assert "courses" not in found
    assert "in_courses" not in found
    assert {row["in_no_course"] for row in found["owners"]} == {None}
    assert {row["in_courses"] for row in found["likely_duplicates"]} <= {None}
    unknown = [row for row in found["likely_waste"] if "in no course" in row["kind"]]
    assert [(row["media"], row["bytes"]) for row in unknown] == [(None, None)]
    assert "Unknown: the snapshot has the level lists" in texts(library)
    page = library.report(tmp_path / "lists.html").read_text(encoding="utf-8")
    check_accessible(page)


@pytest.mark.parametrize(
    "calibration", ['{"last_viewed": false}', '{"last_viewed": true, "last_viewed_from": {"last_viewed": null}}']
)
def test_if_studio_does_not_tell_the_last_view_what_nobody_views_is_unknown(
    calibration: str, school: Any, tmp_path: Path
) -> None:
    blind = changed(
        school[0], tmp_path / "blind.db", "update about set value = ? where key = 'calibration'", values=(calibration,)
    )
    found = tables(blind)
    assert "cold_media" not in found
    assert [row["media"] for row in found["likely_waste"]][:3] == [None, None, None]
    assert "What has not been viewed is unknown" in texts(blind)


def test_owners_sizes_and_dates_that_are_unknown_are_shown_as_unknown(school: Any, tmp_path: Path) -> None:
    library, media, _ = school
    gone = changed(
        library, tmp_path / "gone.db", "update media set owner_id = null, size = null, created_at = null, source = null"
    )
    found = tables(gone)
    assert [(row["owner_id"], row["media"], row["bytes"]) for row in found["owners"]] == [(None, len(media), None)]
    assert [(row["year"], row["bytes"]) for row in found["years"]] == [(None, None)]
    assert found["likely_duplicates"].to_dicts() == []
    assert f"The size of {len(media):,} media is unknown" in texts(gone)
    text = gone.report(tmp_path / "gone.html").read_text(encoding="utf-8")
    check_accessible(text)
    assert Page(text).root.all("tbody")[0].all("tr")[0].children[0].whole_text() == "unknown"


def test_an_empty_library_has_a_report(tmp_path: Path) -> None:
    with Sandbox(media=0) as box:
        library = Snapshot.take(box.client(), tmp_path / "empty.db")
    text = library.report(tmp_path / "empty.html", older=library).read_text(encoding="utf-8")
    check_accessible(text)
    check_self_contained(text)


def test_the_report_says_what_limits_its_numbers(school: Any, tmp_path: Path) -> None:
    said = texts(
        changed(
            school[0],
            tmp_path / "limits.db",
            "update about set value = 'true' where key = 'anonymized'",
            """update about set value = '{"gone": 2, "not_allowed": 3}' where key = 'not_read'""",
            """update about set value = '{"administrator": false, "checked": 50, "same": 40, "gone": 1}' """
            "where key = 'calibration'",
        )
    )
    for part in (
        "this is what it saw, and not the whole school",
        "Names, addresses and titles are pseudonyms",
        "2 collections were deleted meanwhile",
        "3 collections could not be read with this token",
        "9 of 50 media that were checked one by one are in other courses",
    ):
        assert part in said


def test_the_report_is_a_file_that_loads_nothing_and_everybody_can_read(school: Any, tmp_path: Path) -> None:
    library, _, _ = school
    path = library.report(tmp_path / "inventory.html", older=library)
    text = path.read_text(encoding="utf-8")
    check_self_contained(text)
    check_accessible(text)
    page = Page(text)
    assert len(page.root.all("svg")) >= 4
    assert [head.whole_text() for head in page.root.all("h2")] == [
        *("Growth", "Owners", "Sources", "Years", "Courses", "Likely waste", "Likely duplicates"),
    ]


def test_a_report_of_something_else_or_without_jinja2_is_refused(
    school: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Snapshot.open(school[0].path)
    path = tmp_path / "inventory.html"
    wrong: Any = "older.db"
    with pytest.raises(TypeError, match=r"older must be a Snapshot, not str: use Snapshot.open"):
        library.report(path, older=wrong)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "jinja2", None)
        with pytest.raises(ImportError, match=r"report\(\) needs jinja2: pip install 'canvas-studio\[report\]'"):
            library.report(path)
    library.close()
    with pytest.raises(SnapshotError, match="was closed"):
        library.report(path)
    assert list(tmp_path.iterdir()) == []
