"""Caption triage: the media that count, what their captions are, by course, and what could not be read."""

from __future__ import annotations

import csv
import re
import sqlite3
import stat
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import AuthenticationError, InternalServerError, InvalidArgumentError, StudioClient
from canvas_studio.models import Caption
from canvas_studio.sandbox import Assumptions, Sandbox
from canvas_studio.workflows import CaptionWords, Snapshot, SnapshotError, Triage, captions
from canvas_studio.workflows.captions import CLASSES, classify
from support.html_pages import check_accessible, check_self_contained
from support.programs import posix_only

if TYPE_CHECKING:
    from collections.abc import Iterator

SINCE = date(2026, 8, 20)


class School:
    """A school with two courses, and media in and outside of them."""

    def __init__(self, **assumed: bool) -> None:
        self.box = Sandbox(media=0, assumptions=Assumptions(**assumed))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        self.owner = self.box.add_user("Ada Park", "ada.park@example.edu")
        self.biology = self.box.add_collection("Biology 101", owner=self.owner, course_id=1301)
        self.chemistry = self.box.add_collection("Chemistry 202", owner=self.owner, course_id=1302)
        self.library = self.box.add_collection("At home", owner=self.owner)

    def add(
        self,
        *captions: dict[str, Any],
        title: str = "Mitosis",
        place: int | None = None,
        watched: str | None = "2026-08-20",
    ) -> int:
        """Add a media of half an hour with these captions."""
        return self.box.add_media(
            title,
            collection_id=place or self.biology,
            created_at="2026-01-05T12:00:00Z",
            last_viewed=watched,
            last_viewed_by_student=watched,
            duration=1800.0,
            captions=[{"srclang": "en"} | each for each in captions],
        )


@pytest.fixture
def school() -> Iterator[School]:
    school = School()
    with school.box:
        yield school


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library.db"


def triage_of(school: School, path: Path, since: date | str = SINCE, **options: Any) -> Triage:
    studio = school.box.client()
    return Snapshot.take(studio, path).captions(studio, watched_since=since, **options)


def notebook(triage: Triage) -> str:
    return triage._repr_html_()  # pyright: ignore[reportPrivateUsage] - a notebook's name


MACHINE = {"provider": "notorious"}
HIDDEN = {"status": "unpublished"}


# Which media


def test_only_media_in_courses_and_watched_by_students_since_the_day_count(school: School, path: Path) -> None:
    counted = [school.add(), school.add(place=school.chemistry, watched="2026-11-01")]
    school.add(watched="2026-08-19")
    school.add(watched=None)
    school.add(place=school.library)
    by_staff = school.add(watched=None)
    school.box.change_media(by_staff, last_viewed="2026-11-01")
    triage = triage_of(school, path)
    assert [row["id"] for row in triage.media] == counted[::-1]
    asked = {request.path for request in school.box.requests if request.path.endswith("caption_files")}
    assert asked == {f"/api/public/v1/media/{media}/caption_files" for media in counted}


def test_a_whole_library_is_the_same_as_asking_each_media(path: Path) -> None:
    with Sandbox(media=400) as box, box.client() as studio:
        triage = Snapshot.take(studio, path).captions(studio, watched_since=date(2026, 3, 1))
        expected = {
            media.id: classify(studio.list_captions(media.id).collect())
            for media in studio.search_media(last_viewed_by_student_start_date=date(2026, 3, 1))
            if studio.list_media_courses(media.id).collect()
        }
        assert {row["id"]: row["captions"] for row in triage.media} == expected
        assert len(set(expected.values())) > 2


def test_media_come_in_the_order_of_what_they_lack_and_the_latest_watched_first(school: School, path: Path) -> None:
    whole = school.add({}, watched="2026-09-03")
    earlier, later = (school.add(watched=f"2026-09-0{day}") for day in (1, 2))
    machine = school.add(MACHINE)
    hidden = school.add(HIDDEN)
    assert [row["id"] for row in triage_of(school, path).media] == [later, earlier, hidden, machine, whole]


def test_last_views_that_were_found_by_searching_do_as_well(path: Path) -> None:
    school = School(last_viewed_in_answers=False)
    with school.box:
        counted = school.add()
        school.add(watched="2026-08-19")
        assert [row["id"] for row in triage_of(school, path).media] == [counted]


# What they have


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], "none"),
        ([("published", "upload")], "published"),
        ([("uploaded", "upload")], "published"),
        ([("published", None)], "published"),
        ([("published", "a word that nobody knows")], "published"),
        ([("published", "notorious")], "machine only"),
        ([("uploaded", "notorious")], "machine only"),
        ([("unpublished", "upload")], "not published"),
        ([("unpublished", "notorious")], "not published"),
        ([("a word that nobody knows", "upload")], "not published"),
        ([(None, "upload")], "not published"),
        ([("unpublished", "upload"), ("published", "notorious")], "machine only"),
        ([("published", "notorious"), ("published", "upload")], "published"),
        ([("unpublished", "notorious"), ("published", "upload")], "published"),
    ],
)
def test_captions_are_one_of_four(said: list[tuple[str | None, str | None]], expected: str) -> None:
    made = [Caption(id=number, status=status, provider=provider) for number, (status, provider) in enumerate(said, 1)]
    assert classify(made) == classify(reversed(made)) == expected
    assert classify([*made, Caption(id=9, status="published", provider="upload", is_empty=True)]) == expected


def test_the_words_can_be_replaced(school: School, path: Path) -> None:
    other = school.add({"status": "live", "provider": "robot"})
    published = school.add({})
    words = CaptionWords(published=("live",), machine=("robot",))
    triage = triage_of(school, path, words=words)
    assert {row["id"]: row["captions"] for row in triage.media} == {other: "machine only", published: "not published"}
    assert {tuple(row.values()) for row in triage.words} == {
        ("live", "robot", 1, "machine only"),
        ("published", "upload", 1, "not published"),
    }
    with pytest.raises(FrozenInstanceError):
        words.machine = ()  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    for wrong in ("robot", ["robot"], (1,)):
        with pytest.raises(TypeError, match="machine must be a tuple of words"):
            CaptionWords(machine=wrong)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_languages_are_those_that_viewers_see(school: School, path: Path) -> None:
    school.add({"srclang": "pt"}, {"srclang": "en"} | MACHINE, {"srclang": "de"} | HIDDEN)
    assert triage_of(school, path).media[0]["languages"] == "en, pt"


# What it gives


def test_by_course_the_most_left_to_do_first(school: School, path: Path) -> None:
    both = school.add(MACHINE, place=school.chemistry)
    school.box.add_collection("Biology, again", owner=school.owner, course_id=1303)
    for each in ({}, HIDDEN, MACHINE):
        school.add(each)
    school.add(place=school.chemistry, title="Acids")
    school.add({}, place=school.chemistry)
    triage = triage_of(school, path)
    rows = triage.by("course")
    assert [(row["course_id"], row["course"], row["left"]) for row in rows] == [
        (1302, "Chemistry 202", 2),
        (1301, "Biology 101", 2),
    ]
    assert rows[0] == {
        "course_id": 1302,
        "course": "Chemistry 202",
        "left": 2,
        "none": 1,
        "not_published": 0,
        "machine_only": 1,
        "published": 1,
        "unknown": 0,
        "media": 3,
        "hours": 1.0,
    }
    assert rows.limit(1) == rows[:1]
    [owner] = triage.by("owner")
    assert (owner["owner_name"], owner["media"], owner["left"]) == ("Ada Park", 6, 4)
    assert both in {row["id"] for row in triage.media}
    with pytest.raises(InvalidArgumentError, match="what must be 'course' or 'owner'"):
        triage.by("term")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_a_media_in_two_courses_counts_in_both_and_once_in_all(path: Path) -> None:
    with Sandbox(media=600) as box, box.client() as studio:
        triage = Snapshot.take(studio, path).captions(studio, watched_since="2024-01-01")
        twice = [row for row in triage.media if "," in row["course_ids"]]
        assert twice
        assert sum(row["media"] for row in triage.by("course")) == sum(
            row["course_ids"].count(",") + 1 for row in triage.media
        )
        assert sum(triage.counts.values()) == len({row["id"] for row in triage.media})


@posix_only
def test_the_csv_has_every_media_and_no_formula(school: School, path: Path) -> None:
    school.add(title="=cmd|' /C calc'!A0")
    school.add({})
    written = triage_of(school, path).to_csv(path.with_name("captions.csv"))
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    with written.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["captions"] for row in rows] == ["none", "published"]
    assert rows[0]["title"] == "'=cmd|' /C calc'!A0"
    assert (rows[0]["course_ids"], rows[0]["courses"]) == ("1301", "Biology 101")


def test_the_report_is_one_accessible_file_and_promises_nothing(school: School, path: Path) -> None:
    school.add(title="<script>alert(1)</script>")
    school.add(MACHINE, title="By a machine")
    school.add({}, title="With captions")
    triage = triage_of(school, path)
    page = triage.report(path.with_name("captions.html")).read_text(encoding="utf-8")
    check_self_contained(page)
    check_accessible(page)
    assert "&lt;script&gt;alert(1)" in page
    assert "By a machine" in page
    assert "With captions" not in page
    for text in (page, repr(triage), notebook(triage)):
        assert "complian" not in text.lower()
        assert "2027" not in text


def test_nothing_to_do_is_a_triage_too(school: School, path: Path) -> None:
    triage = triage_of(school, path)
    assert (len(triage.media), triage.complete, len(triage.by("course"))) == (0, True, 0)
    check_accessible(triage.report(path.with_name("captions.html")).read_text(encoding="utf-8"))
    assert triage.to_csv(path.with_name("captions.csv")).read_text().count("\n") == 1


def test_it_shows_what_it_is(school: School, path: Path) -> None:
    school.add()
    triage = triage_of(school, path)
    assert repr(triage) == (
        "<Triage: 1 media in courses and watched by students since 2026-08-20: 1 none, 0 not published, "
        "0 machine only, 0 published>"
    )
    assert "<table" in notebook(triage)


# What could not be read, and what is missing


def test_errors_of_single_media_are_listed(school: School, path: Path) -> None:
    gone, refused, broken, fine = (school.add(title=title) for title in ("Gone", "Refused", "Broken", "Fine"))
    studio = school.box.client(max_retries=0)
    library = Snapshot.take(studio, path)
    school.box.remove_media(gone)
    for media, status in ((refused, 403), (broken, 500)):
        school.box.faults.add(path=f"/v1/media/{media}/caption_files", status=status)
    triage = library.captions(studio, watched_since=SINCE)
    assert [row["error"][:4] for row in sorted(triage.failed, key=lambda row: row["id"])] == ["404:", "403:", "500:"]
    assert (triage.complete, triage.counts["unknown"], triage.counts["none"]) == (False, 3, 1)
    assert {row["id"] for row in triage.media} == {gone, refused, broken, fine}
    assert triage.by("course")[0]["unknown"] == 3
    page = triage.report(path.with_name("captions.html")).read_text(encoding="utf-8")
    assert "Media whose captions could not be read" in page
    assert "404: it was deleted or archived meanwhile" in page
    assert triage.to_csv(path.with_name("c.csv")).read_text(encoding="utf-8").count("500: ") == 1


def test_an_id_that_nobody_can_ask_for_is_listed(school: School, path: Path) -> None:
    school.add()
    studio = school.box.client()
    Snapshot.take(studio, path).close()
    with sqlite3.connect(path) as file:
        file.execute("update media set id = 0")
        file.execute("update placement set media_id = 0")
    library = Snapshot.open(path)
    assert [row["error"] for row in library.captions(studio, watched_since=SINCE).failed] == [
        "nobody can ask for this id"
    ]


@pytest.mark.parametrize(("status", "error", "most"), [(500, InternalServerError, 20), (401, AuthenticationError, 1)])
def test_a_studio_that_fails_for_every_media_ends_it(
    status: int, error: type[Exception], most: int, school: School, path: Path
) -> None:
    for _ in range(60):
        school.add()
    studio = school.box.client(max_retries=0, max_concurrency=1)
    library = Snapshot.take(studio, path)
    fault = school.box.faults.add(path="/v1/media/*/caption_files", status=status)
    with pytest.raises(error):
        library.captions(studio, watched_since=SINCE)
    assert most <= school.box.faults.hits(fault) < 60


def test_a_snapshot_that_lacks_what_it_takes_says_so(school: School, path: Path) -> None:
    school.add()
    studio = school.box.client()
    library = Snapshot.take(studio, path, level="lists")
    with pytest.raises(SnapshotError, match="does not say which media are in courses"):
        library.captions(studio, watched_since=SINCE)
    library = Snapshot.take(studio, path)
    with pytest.raises(InvalidArgumentError, match="take it again, or give an earlier day"):
        library.captions(studio, watched_since=datetime.now(UTC).date() + timedelta(days=1))
    for found in ({"last_viewed_by_student": None, "last_viewed": "answers"}, None):
        library.about.calibration["last_viewed_from"] = found  # type: ignore[index] # pyright: ignore[reportIndexIssue]
        library.about.calibration["last_viewed"] = False  # type: ignore[index] # pyright: ignore[reportIndexIssue]
        with pytest.raises(SnapshotError, match="does not say what students have watched"):
            library.captions(studio, watched_since=SINCE)


def test_what_a_reader_has_to_know_is_said(school: School, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    school.add()
    studio = school.box.client()
    library = Snapshot.take(studio, path, anonymize=True)
    calibration: Any = library.about.calibration
    calibration |= {"administrator": False, "last_viewed_from": {"last_viewed_by_student": "month"}}
    not_read: Any = library.about.not_read
    not_read["not_allowed"] = 2
    monkeypatch.setattr(captions, "OLD", timedelta(seconds=-1))
    triage = library.captions(studio, watched_since=SINCE)
    notes = "\n".join(triage.notes)
    assert len(triage.notes) == 5
    for said in ("0 days old", "known to the month", "not an administrator's", "2 collections could", "pseudonyms"):
        assert said in notes
        assert said in repr(triage)
    assert "pseudonyms" in triage.report(path.with_name("c.html")).read_text(encoding="utf-8")


def test_bad_arguments_are_refused_before_anything_is_sent(school: School, path: Path) -> None:
    school.add()
    studio = school.box.client()
    library = Snapshot.take(studio, path)
    school.box.forget_requests()
    other = StudioClient("https://other.example.edu", token="t")
    for since in ("2026-8-20x", "last week", "", None, 5):
        with pytest.raises(InvalidArgumentError, match="watched_since must be a day such as 2026-08-20"):
            library.captions(studio, watched_since=since)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidArgumentError, match=r"studio must be of the school of the snapshot"):
        library.captions(other, watched_since=SINCE)
    with pytest.raises(TypeError, match="studio must be a StudioClient"):
        library.captions("myschool", watched_since=SINCE)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="words must be CaptionWords"):
        library.captions(studio, watched_since=SINCE, words={})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert school.box.requests == ()


def test_progress_tells_how_far_it_has_come(school: School, path: Path) -> None:
    for _ in range(3):
        school.add()
    told: list[tuple[int, int | None]] = []

    def tell(done: int, total: int | None) -> None:
        told.append((done, total))

    triage_of(school, path, progress=tell)
    assert told[-1] == (3, 3)


def test_the_kinds_are_said_in_these_words() -> None:
    assert CLASSES == ("none", "not published", "machine only", "published")


def test_the_code_on_the_page_runs_and_the_page_names_every_kind_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs/caption-triage.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    monkeypatch.chdir(tmp_path)
    with Sandbox(media=200) as box:
        monkeypatch.setenv("CANVAS_STUDIO_URL", box.url)
        monkeypatch.setenv("CANVAS_STUDIO_TOKEN", box.token)
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(code.replace('from_env("myschool")', "from_env()"), names)  # noqa: S102 - it is our own code
    assert (tmp_path / "captions.html").is_file()
    assert "our-captioning-robot" in names["words"].machine
    for each in (*CLASSES, *captions.COLUMNS):
        assert f"`{each}`" in page
    assert "26 April 2027" in page
    assert "complian" not in page.lower()
