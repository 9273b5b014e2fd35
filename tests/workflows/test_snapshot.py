"""A snapshot is equal to the lists, whole or not there, private, and read only."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pickle
import random
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    APIStatusError,
    InternalServerError,
    InvalidArgumentError,
    ListingChangedError,
    PermissionDeniedError,
    RateLimitError,
)
from canvas_studio.sandbox import Sandbox
from canvas_studio.workflows import Snapshot, SnapshotError, SnapshotRefusedError, calibration
from support.fault_server import TOKEN, FaultServer, Received, collection_item, json_answer, media_item, person
from support.programs import linux_only, posix_only
from support.snapshots import (
    grants,
    grants_by_single_calls,
    in_the_file,
    in_the_lists,
    placements,
    placements_in_the_lists,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from canvas_studio.workflows.taking import Level
    from support.fault_server import Answer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library.db"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=120) as box:
        yield box


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    """A snapshot of 120 media, which no test changes."""
    with Sandbox(media=120) as box, Snapshot.take(box.client(), tmp_path_factory.mktemp("library") / "a.db") as taken:
        yield taken


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


# What it holds


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_equal_to_the_lists_in_every_field(seed: int, path: Path) -> None:
    with Sandbox(media=400, seed=seed) as box:
        studio = box.client()
        with Snapshot.take(studio, path) as taken:
            listed = in_the_lists(studio)
            assert in_the_file(taken) == listed
            assert placements(taken) == placements_in_the_lists(studio)
            counts = {"media": len(listed["media"]), "collections": len(listed["collection"])}
            assert counts.items() <= taken.about.counts.items()
            assert taken.about.bytes == sum(media["size"] or 0 for media in listed["media"])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_courses_of_every_media_are_those_of_single_calls(seed: int, path: Path) -> None:
    with Sandbox(media=250, seed=seed) as box, box.client() as studio, Snapshot.take(studio, path) as taken:
        swept = {
            row["id"]: row["courses"]
            for row in taken.sql(
                "select media.id, group_concat(collection.id) courses from media "
                "left join placement on media_id = media.id "
                "left join collection on collection.id = collection_id and course_id is not null group by media.id"
            )
        }

        def courses_of(media: int) -> tuple[int, set[int]]:
            return media, {course.id for course in studio.list_media_courses(media)}

        assert len(swept) == 250
        with ThreadPoolExecutor(8) as threads:
            single = dict(threads.map(courses_of, swept))
        assert {
            media: {int(each) for each in (found or "").split(",") if each} for media, found in swept.items()
        } == single
        numbers = {row["id"]: row["courses"] for row in taken.sql("select id, courses from library")}
        assert numbers == {media: len(found) for media, found in single.items()}
        assert any(single.values())
        assert (taken.about.calibration["checked"], taken.about.calibration["same"]) == (50, 50)


def test_what_no_field_holds_is_kept_as_it_was_sent(path: Path) -> None:
    odd = media_item(1, title=17, size="much", future={"a": [1, None]}, created_at="someday", owner=None)
    rare = media_item(2, owner=person(9, email=None, nickname="Nine"), collection={"id": 5}, duration=None)
    with StudioOf([odd, rare], [collection_item(5, name=None, course_id=8, note="x")]) as server:
        studio = server.client()
        with Snapshot.take(studio, path, level="lists") as taken:
            listed = in_the_lists(studio)
            listed["media"][1]["collection"] = {"id": 5}
            assert in_the_file(taken) == listed
            first = taken.sql("select extra from media where id = 1")[0]["extra"]
    assert json.loads(first) == {"title": 17, "size": "much", "created_at": "someday", "future": {"a": [1, None]}}


def test_moments_compare_as_texts(path: Path) -> None:
    moments = ["2024-05-16T02:36:46Z", "2024-05-16T02:36:46.5Z", "2024-05-16T02:36:46.000001Z"]
    with StudioOf([media_item(number, created_at=at) for number, at in enumerate(moments, 1)], []) as server:
        taken = Snapshot.take(server.client(), path, level="lists")
    assert [row["id"] for row in taken.sql("select id from media order by created_at")] == [1, 3, 2]


def test_owners_without_an_address_are_not_one(path: Path) -> None:
    owners = [person(number, email=None, full_name="Ada Park") for number in (1, 2, 3)]
    with StudioOf([media_item(owner["id"], owner=owner) for owner in owners], []) as server:
        taken = Snapshot.take(server.client(), path, level="lists")
    assert len(taken.sql("select owner_name, count(*) from library group by owner_id")) == 3


def test_one_answer_may_say_less_of_a_person_than_another(path: Path) -> None:
    with StudioOf([media_item(1)], [collection_item(1, owner={"id": 7})]) as server:
        taken = Snapshot.take(server.client(), path, level="lists")
    assert taken.sql("select * from owner")[0] == person(7) | {"extra": None}


def test_without_courses_their_number_is_unknown_and_not_none(box: Sandbox, path: Path) -> None:
    taken = Snapshot.take(box.client(), path, level="lists")
    assert taken.sql("select count(*) n from library where courses is null")[0]["n"] == 120
    assert taken.sql("select count(*) n from library where courses = 0")[0]["n"] == 0
    assert taken.about.level == "lists"
    assert not [request for request in box.requests if request.path.endswith(("/courses", "/collections/"))]


def test_a_collection_that_may_not_be_read_is_counted(path: Path, box: Sandbox) -> None:
    gone, closed = [collection.id for collection in box.client().list_collections().limit(2)]
    box.faults.add(path=f"/v1/collections/{gone}/media", status=404)
    box.faults.add(path=f"/v1/collections/{closed}/media", status=403)
    taken = Snapshot.take(box.client(), path)
    assert taken.about.not_read == {"gone": 1, "not_allowed": 1}
    states = {row["id"]: row["sweep"] for row in taken.sql("select id, sweep from collection")}
    assert (states.pop(gone), states.pop(closed), set(states.values())) == ("gone", "not_allowed", {"read"})


def test_a_sweep_that_misses_a_course_is_found_out(path: Path, box: Sandbox) -> None:
    box.faults.add(path="/v1/collections/*/media", body={"media": []}, status=200)
    studio = box.client()
    taken = Snapshot.take(studio, path)
    calibration = taken.about.calibration
    assert calibration["checked"] == 50
    assert 0 < calibration["same"] < 50
    for each in calibration["different"]:
        assert each["swept"] == []
        assert each["single"] == sorted(course.id for course in studio.list_media_courses(each["media"]))


def test_it_says_what_the_token_and_the_lists_are(path: Path, box: Sandbox) -> None:
    about = Snapshot.take(box.client(), path).about
    assert (about.studio, about.level, about.consistent, about.anonymized, about.resumed) == (
        *(box.url, "courses", False, False),
        0,
    )
    assert about.started_at <= about.taken_at
    assert {name: about.calibration[name] for name in ("administrator", "last_viewed", "archived_at")} == dict.fromkeys(
        ("administrator", "last_viewed", "archived_at"), True
    )
    teacher = box.add_user("Ben Osei", role="teacher")
    about = Snapshot.take(box.client(user=teacher), path.with_name("theirs.db")).about
    assert (about.calibration["administrator"], about.calibration["last_viewed"]) == (False, None)
    item = media_item(1)
    del item["last_viewed"], item["archived_at"]
    with StudioOf([item], []) as server:
        about = Snapshot.take(server.client(), path.with_name("old.db"), level="lists").about
    assert (about.calibration["archived_at"], about.calibration["last_viewed"]) == (False, False)


@pytest.mark.parametrize("at", [1, 49, 120])
def test_answers_that_leave_out_what_is_null_have_the_field_if_one_media_has_it(at: int, path: Path) -> None:
    media = [media_item(number) for number in range(1, 131)]
    for item in media:
        del item["archived_at"]
    media[at]["archived_at"] = "2026-01-01T00:00:00Z"
    with StudioOf(media, []) as server:
        about = Snapshot.take(server.client(), path, level="lists").about
    assert about.calibration["archived_at"] is True


class StudioOf(FaultServer):
    """A Studio with these media and collections, in which nothing is in a collection."""

    def __init__(self, media: list[dict[str, Any]], collections: list[dict[str, Any]]) -> None:
        lists = {"/media/search": ("media", media), "/collections": ("collections", collections)}

        def answer(request: Received) -> Answer:
            path = request.path.removeprefix("/api/public/v1")
            key, items = lists.get(path, ("media" if path.endswith("/media") else "courses", []))
            number, size = (int(request.parameters.get(name, "1")) for name in ("page", "per_page"))
            meta = {"current_page": number, "last_page": max(1, -(-len(items) // size)), "total_count": len(items)}
            return json_answer({key: items[(number - 1) * size : number * size], "meta": meta})

        super().__init__(answer)


# While the library changes


def test_a_tenth_deleted_and_added_while_it_is_read(path: Path) -> None:
    chance = random.Random(20)
    with Sandbox(media=1_000) as box:
        studio = box.client(max_concurrency=1)
        before = [media.id for media in studio.search_media()]
        gone, added = chance.sample(before, 100), set[int]()
        victims = list(gone)

        def meanwhile(stage: str, _done: int, _total: int | None) -> None:
            if stage == "media":
                for _ in range(min(5, len(victims))):
                    box.remove_media(victims.pop())
                    added.add(box.add_media("Meanwhile"))

        with Snapshot.take(studio, path, progress=meanwhile) as taken:
            assert not victims
            found = [row["id"] for row in taken.sql("select id from media")]
            stayed = set(before) - set(gone)
            # Each that was there all the time, once; of the others some, and it is said that they came and went.
            assert len(found) == len(set(found))
            assert stayed <= set(found) <= set(before) | added
            drift = taken.about.drift["media"]
            assert drift.readings > 1
            assert drift.appeared + drift.vanished > 0
            # Which of them a course has is asked later: what is placed and not listed does not count.
            assert taken.sql("select count(*) n from library")[0]["n"] == len(found)


def test_read_until_two_readings_agree(path: Path, box: Sandbox) -> None:
    studio = box.client()
    taken = Snapshot.take(studio, path, consistent=True)
    assert {name: drift.readings for name, drift in taken.about.drift.items()} == {
        "media": 2,
        "collections": 2,
        "courses": 2,
    }
    assert taken.about.consistent
    assert in_the_file(taken) == in_the_lists(studio)


@pytest.mark.parametrize("stage", ["media", "collections", "courses", "calibration"])
@pytest.mark.parametrize("kept", [0, 100])
def test_a_library_that_shrinks_while_it_is_read(kept: int, stage: str, path: Path) -> None:
    with Sandbox(media=300) as box:
        studio = box.client(max_concurrency=1)
        before = [media.id for media in studio.search_media()]

        def shrink(now: str, _done: int, _total: int | None) -> None:
            if now == stage and victims:
                for media in victims:
                    box.remove_media(media)
                victims.clear()

        victims = before[kept:]
        with Snapshot.take(studio, path, progress=shrink) as taken:
            assert set(before[:kept]) <= {row["id"] for row in taken.sql("select id from media")} <= set(before)
            calibration = taken.about.calibration
            assert calibration["checked"] == calibration["same"] + calibration["gone"]
            drift = taken.about.drift["media"]
            assert (drift.last_total == kept) if stage == "media" else (calibration["gone"] > 0)


def test_a_list_that_lacks_items_leaves_the_old_file(path: Path, box: Sandbox) -> None:
    Snapshot.take(box.client(), path).close()
    before = path.read_bytes()
    lacking: dict[str, Any] = {"media": [], "meta": {"current_page": 1, "last_page": 3, "total_count": 120}}
    box.faults.add(path="/v1/media/search", status=200, body=lacking)
    with pytest.raises(ListingChangedError):
        Snapshot.take(box.client(), path)
    assert path.read_bytes() == before


# Whole or not there

KILLED = """
import sys
from canvas_studio import StudioClient
from canvas_studio.workflows import Snapshot
Snapshot.take(StudioClient(sys.argv[1], token=sys.argv[2]), sys.argv[3], level=sys.argv[4])
"""


@posix_only
@pytest.mark.parametrize("moment", range(5))
def test_killed_it_leaves_no_file_or_the_old_one_and_goes_on(moment: int, path: Path) -> None:
    kill_at_a_moment(moment, 5, path, "courses")


@posix_only
@pytest.mark.parametrize("moment", range(1, 4))
def test_killed_while_it_reads_grants_it_goes_on(moment: int, path: Path) -> None:
    kill_at_a_moment(moment, 4, path, "grants")


@pytest.mark.torture
@posix_only
@pytest.mark.parametrize("level", ["courses", "grants"])
@pytest.mark.parametrize("moment", range(20))
def test_killed_at_any_of_20_moments(moment: int, level: Level, path: Path) -> None:
    kill_at_a_moment(moment, 20, path, level)


def kill_at_a_moment(moment: int, moments: int, path: Path, level: Level) -> None:
    """Kill a reading after a certain share of its requests; every other time there is an old file."""
    chance = random.Random(moment)
    with Sandbox(media=1_500 if level == "courses" else 600) as box:
        studio = box.client(retry_delay=0)
        old = b""
        if moment % 2:
            Snapshot.take(studio, path, level="lists").close()
            old = path.read_bytes()
        # 1 to all of the requests of a reading: 30 pages of media, then collections, then each of them.
        collections = studio.list_collections().total()
        everything = 45 + collections + 55
        if level == "grants":
            everything += 600 + collections
        box.forget_requests()
        box.faults.add(delay=0.003)
        wanted = max(1, int(everything * (moment + chance.random()) / moments))
        command = [sys.executable, "-c", KILLED, box.url, box.token, str(path), level]
        with subprocess.Popen(command) as process:
            while len(box.requests) < wanted and process.poll() is None:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
        box.faults.clear()
        left = files(path.parent)
        assert left <= {"library.db", "library.db.part", "library.db.part-journal"}
        found = path.read_bytes() if path.exists() else b""
        if "library.db.part" in left or not found:
            assert found == old
        elif found != old:  # it was killed at its very end, or was faster
            with Snapshot.open(path) as ended:
                assert in_the_file(ended) == in_the_lists(studio)
        with Snapshot.take(studio, path, level=level) as taken:
            assert in_the_file(taken) == in_the_lists(studio)
            assert placements(taken) == placements_in_the_lists(studio)
            assert grants(taken) == (grants_by_single_calls(studio) if level == "grants" else set())
        assert files(path.parent) == {"library.db"}


def test_it_goes_on_where_it_failed_and_asks_nothing_twice(path: Path) -> None:
    with Sandbox(media=1_500) as box:
        studio = box.client(max_retries=0)
        collections = studio.list_collections().total()
        for after in (25, 40, 200):
            fault = box.faults.add(status=500, after=after)
            with pytest.raises(InternalServerError):
                Snapshot.take(studio, path)
            box.faults.remove(fault)
            assert not path.exists()
        box.forget_requests()
        with Snapshot.take(studio, path) as taken:
            single = [request for request in box.requests if request.path.endswith("/media")]
            assert taken.about.resumed == 3
            assert in_the_file(taken) == in_the_lists(studio)
            assert placements(taken) == placements_in_the_lists(studio)
        assert len(single) < collections - 100
        assert files(path.parent) == {"library.db"}


def test_what_was_read_another_way_is_read_again(path: Path, box: Sandbox) -> None:
    studio = box.client(max_retries=0)
    fault = box.faults.add(path="/v1/collections/*", status=500)
    with pytest.raises(InternalServerError):
        Snapshot.take(studio, path)
    box.faults.remove(fault)
    taken = Snapshot.take(studio, path, anonymize=True)
    assert taken.about.resumed == 0


def test_what_is_left_of_a_broken_file_is_thrown_away(path: Path, box: Sandbox) -> None:
    header = b"SQLite format 3\0" + b"?" * 52 + b"CST1"
    path.with_name("library.db.part").write_bytes(header + b"?" * 5000)
    taken = Snapshot.take(box.client(), path)
    assert taken.about.counts["media"] == 120
    assert files(path.parent) == {"library.db"}


def test_a_part_is_no_snapshot(path: Path, box: Sandbox) -> None:
    box.faults.add(path="/v1/collections/*", status=500)
    with pytest.raises(InternalServerError):
        Snapshot.take(box.client(max_retries=0), path)
    with pytest.raises(SnapshotError, match="is not whole"):
        Snapshot.open(path.with_name("library.db.part"))


def test_a_snapshot_of_half_as_many_media_is_refused(path: Path, box: Sandbox) -> None:
    Snapshot.take(box.client(), path).close()
    before = path.read_bytes()
    teacher = box.add_user("Ben Osei")
    box.add_media("Mine", owner=teacher)
    studio = box.client(user=teacher)
    with pytest.raises(SnapshotRefusedError, match=r"has 1 media, .* has 120: less than half") as raised:
        Snapshot.take(studio, path)
    assert raised.value.reason == "smaller"
    assert path.read_bytes() == before
    assert "allow_smaller=True" in str(raised.value)
    # What was refused is not there to be gone on with.
    assert files(path.parent) == {"library.db"}
    assert Snapshot.take(box.client(), path).about.counts["media"] == 121
    assert Snapshot.take(studio, path, allow_smaller=True).about.counts["media"] == 1


def broken_off(box: Sandbox, path: Path, **whose: Any) -> None:
    """Read all media, and then end with an error."""
    fault = box.faults.add(path="/v1/collections/*/media", status=500)
    with pytest.raises(InternalServerError):
        Snapshot.take(box.client(max_retries=0, **whose), path)
    box.faults.remove(fault)
    assert path.with_name(f"{path.name}.part").exists()


def test_a_part_that_another_persons_token_read_is_not_gone_on_with(
    path: Path, box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    teachers = [box.add_user("Ben Osei"), box.add_user("Cy Young")]
    for number, teacher in enumerate(teachers):
        box.add_media(f"Mine {number}", owner=teacher)
    broken_off(box, path, user=teachers[0])
    # The other teacher sees as many media, but not the same.
    taken = Snapshot.take(box.client(user=teachers[1]), path)
    assert (taken.sql("select title from media").to_dicts(), taken.about.resumed) == ([{"title": "Mine 1"}], 0)
    assert "begins anew" in caplog.text
    broken_off(box, path, user=teachers[0])
    taken = Snapshot.take(box.client(), path)
    assert (taken.about.counts["media"], taken.about.resumed) == (122, 0)
    for whose in ({}, {"user": teachers[0]}):
        caplog.clear()
        theirs = path.with_name(f"{len(whose)}.db")
        broken_off(box, theirs, **whose)
        assert Snapshot.take(box.client(**whose), theirs).about.resumed == 1
        assert caplog.text == ""


def test_a_part_of_a_token_that_lost_its_role_is_not_gone_on_with(path: Path, box: Sandbox) -> None:
    broken_off(box, path)
    teacher = box.add_user("Ben Osei")
    box.add_media("Mine", owner=teacher)
    assert Snapshot.take(box.client(user=teacher), path).about.counts["media"] == 1


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [
        ((True, None, 200, 9), (True, None, 200, 9), True),
        ((True, None, 200, 9), (True, None, 202, 9), True),
        ((True, None, 200, 9), (True, None, 10, 9), False),
        ((True, None, 200, 9), (True, None, 200, 12), False),
        ((True, None, None, None), (True, None, None, None), True),
        ((True, None, None, None), (True, None, 200, 9), False),
        ((True, None, 200, 9), (False, 7, 200, 9), False),
        ((True, None, 200, 9), (None, None, 200, 9), True),
        ((False, 7, 10, 3), (False, 7, 10, 3), True),
        ((False, 7, 10, 3), (False, 8, 10, 3), False),
        ((False, None, 10, 3), (False, None, 10, 3), False),
        ((None, None, 10, 3), (None, None, 10, 3), False),
    ],
)
def test_who_sees_the_same(before: tuple[Any, ...], now: tuple[Any, ...], *, goes_on: bool) -> None:
    keys = ("administrator", "person", "media", "collections")
    assert calibration.see_the_same(dict(zip(keys, before, strict=True)), dict(zip(keys, now, strict=True))) is goes_on


def test_half_as_many_are_not_refused(path: Path, box: Sandbox) -> None:
    Snapshot.take(box.client(), path, level="lists").close()
    for media in box.client().search_media().limit(60).collect():
        box.remove_media(media)
    assert Snapshot.take(box.client(), path, level="lists").about.counts["media"] == 60


def test_something_else_is_not_replaced(path: Path, box: Sandbox) -> None:
    studio = box.client()
    path.write_text("all my work")
    with pytest.raises(SnapshotRefusedError, match=r"is not a snapshot: it is no SQLite file\. It is not replaced"):
        Snapshot.take(studio, path)
    assert path.read_text() == "all my work"
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table mine(it)")
    with pytest.raises(SnapshotRefusedError, match="another SQLite file") as raised:
        Snapshot.take(studio, path)
    assert raised.value.reason == "not_a_snapshot"
    path.unlink()
    with Sandbox(media=1) as another:
        Snapshot.take(another.client(), path).close()
    with pytest.raises(SnapshotRefusedError, match="is a snapshot of") as raised:
        Snapshot.take(studio, path)
    assert raised.value.reason == "other_school"
    with pytest.raises(InvalidArgumentError, match="path must name a file"):
        Snapshot.take(studio, path.parent)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        Snapshot.take(studio, path.parent / "nowhere" / "library.db")
    assert box.requests == ()


def test_a_part_of_something_else_is_neither_removed_nor_emptied(path: Path, box: Sandbox) -> None:
    part = path.with_name("library.db.part")
    part.write_bytes(b"a download of a browser" * 100)
    with pytest.raises(SnapshotRefusedError, match=f"{part} is not a part of a snapshot") as raised:
        Snapshot.take(box.client(), path)
    assert raised.value.reason == "not_a_snapshot"
    assert part.read_bytes() == b"a download of a browser" * 100
    part.unlink()
    with closing(sqlite3.connect(part)) as other:
        other.executescript("create table progress(key, value); insert into progress values ('settings', 'no JSON');")
    with pytest.raises(SnapshotRefusedError, match="is not a part of a snapshot"):
        Snapshot.take(box.client(), path)
    with closing(sqlite3.connect(part)) as other:
        assert other.execute("select * from progress").fetchall() == [("settings", "no JSON")]
    assert box.requests == ()


@pytest.mark.parametrize(
    "change",
    [
        "update progress set value = 'no JSON' where key = 'settings'",
        "update progress set value = 7 where key = 'started_at'",
        "delete from progress where key in ('started_at', 'viewer')",
        "update progress set value = '{}' where key = 'drift'; drop table progress",
    ],
)
def test_a_part_that_does_not_say_how_far_it_came_is_read_again(change: str, path: Path, box: Sandbox) -> None:
    broken_off(box, path)
    with closing(sqlite3.connect(path.with_name("library.db.part"))) as part:
        part.executescript(change)
    assert Snapshot.take(box.client(), path).about.resumed == 0


def test_a_part_that_lacks_a_table_is_broken(path: Path, box: Sandbox) -> None:
    broken_off(box, path)
    with closing(sqlite3.connect(path.with_name("library.db.part"))) as part:
        part.execute("drop table placement")
    with pytest.raises(SnapshotError, match=r"library\.db\.part is broken: .* Delete it"):
        Snapshot.take(box.client(), path)


@posix_only
def test_a_full_disk_is_an_error_of_the_system_and_the_same_call_goes_on(path: Path) -> None:
    program = """
        import resource, sys
        from canvas_studio import StudioClient
        from canvas_studio.workflows import Snapshot
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            Snapshot.take(StudioClient(sys.argv[1], token=sys.argv[2]), sys.argv[3])
        except OSError as error:
            print(error.filename, error)
    """
    with Sandbox(media=1_200) as box:
        command = [sys.executable, "-c", textwrap.dedent(program), box.url, box.token, str(path)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ended.stdout.startswith(f"{path}.part ")
        assert "cannot be written. Is there room?" in ended.stdout
        with Snapshot.take(box.client(), path) as taken:
            assert in_the_file(taken) == in_the_lists(box.client())


def test_sizes_that_no_sum_of_sqlite_holds(path: Path) -> None:
    items = [media_item(number, size=2**62) for number in (1, 2, 3)]
    with StudioOf(items, []) as server:
        taken = Snapshot.take(server.client(), path)
    assert taken.about.bytes == 3 * 2**62
    assert taken.sql("select count(*) n from courses")[0]["n"] == 0


@pytest.mark.parametrize("id", [0, -1, 2**63 - 1])
def test_a_media_or_collection_that_nobody_can_ask_for_is_kept_and_not_asked_for(id: int, path: Path) -> None:
    with StudioOf([media_item(id), media_item(5)], [collection_item(id, course_id=1), collection_item(7)]) as server:
        taken = Snapshot.take(server.client(), path)
    assert {row["id"] for row in taken.sql("select id from media")} == {id, 5}
    assert (taken.about.calibration["checked"], taken.about.not_read) == (1, {"gone": 1, "not_allowed": 0})


def test_an_empty_file_is_filled(path: Path, box: Sandbox) -> None:
    path.touch()
    assert Snapshot.take(box.client(), path).about.counts["media"] == 120


def test_a_link_stays_one(path: Path, box: Sandbox) -> None:
    link = path.with_name("latest.db")
    link.symlink_to(path)
    assert Snapshot.take(box.client(), link).about.counts["media"] == 120
    assert link.is_symlink()
    assert files(path.parent) == {"library.db", "latest.db"}


def test_two_cannot_write_one_snapshot_at_a_time(path: Path, box: Sandbox) -> None:
    studio = box.client()
    refused: list[SnapshotRefusedError] = []

    def another(_stage: str, _done: int, _total: int | None) -> None:
        if not refused:
            program = f"""
                from canvas_studio import StudioClient
                from canvas_studio.workflows import Snapshot
                Snapshot.take(StudioClient({box.url!r}, token={box.token!r}), {str(path)!r})
            """
            ended = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
            )
            assert "SnapshotRefusedError: another process is writing" in ended.stderr
            with pytest.raises(SnapshotRefusedError, match="another process is writing") as raised:
                Snapshot.take(studio, path)
            refused.append(raised.value)

    taken = Snapshot.take(studio, path, progress=another)
    assert in_the_file(taken) == in_the_lists(studio)
    assert refused[0].reason == "busy"


def test_a_reader_in_another_process_keeps_the_snapshot_that_it_opened(path: Path, box: Sandbox) -> None:
    Snapshot.take(box.client(), path).close()
    program = """
        import sys
        from canvas_studio.workflows import Snapshot
        library = Snapshot.open(sys.argv[1])
        for _ in sys.stdin:
            print(library.sql("select count(*) n from media")[0]["n"], library.about.counts["media"], flush=True)
            print(Snapshot.open(sys.argv[1]).about.counts["media"], flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None

        def told() -> list[str]:
            assert reader.stdin is not None
            assert reader.stdout is not None
            reader.stdin.write("\n")
            reader.stdin.flush()
            return [reader.stdout.readline().strip() for _ in range(2)]

        assert told() == ["120 120", "120"]
        box.add_media("New")
        during: list[list[str]] = []

        def meanwhile(stage: str, _done: int, _total: int | None) -> None:
            if stage == "calibration" and not during:
                during.append(told())

        Snapshot.take(box.client(), path, progress=meanwhile).close()
        assert during == [["120 120", "120"]]
        assert told() == ["120 120", "121"]
        reader.stdin.close()


@pytest.mark.torture
@linux_only
@pytest.mark.timeout(1800)
def test_a_million_media_in_flat_memory(path: Path) -> None:
    program = """
        import sys
        from canvas_studio import StudioClient
        from canvas_studio.workflows import Snapshot
        studio = StudioClient(sys.argv[1], token=sys.argv[2])
        taken = Snapshot.take(studio, sys.argv[3], level="lists")
        # Not ru_maxrss, in which the process that started this one counts: it has the sandbox.
        most = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]
        print(taken.about.counts["media"], int(most) // 1024)
    """

    def megabytes(media: int) -> int:
        command = [sys.executable, "-c", textwrap.dedent(program)]
        with Sandbox(media=media) as box:
            arguments = [box.url, box.token, str(path.with_name(f"{media}.db"))]
            ended = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
        counted, most = map(int, ended.stdout.split())
        assert counted == media
        return most

    small, large = megabytes(100_000), megabytes(1_000_000)
    assert large < 150
    assert large - small < 40


# When Studio does not answer as it should


def test_a_studio_that_refuses_many_at_once_is_asked_more_gently(path: Path, box: Sandbox) -> None:
    fault = box.faults.add(path="/v1/collections/*/media", throttle=200, burst=5)
    studio = box.client(max_retries=0)
    with Snapshot.take(studio, path) as taken:
        assert box.faults.hits(fault) > 0
        assert placements(taken) == placements_in_the_lists(box.client())


def test_a_studio_that_refuses_everything_is_not_asked_for_ever(path: Path, box: Sandbox) -> None:
    box.faults.add(path="/v1/collections/*/media", status=429, retry_after=0)
    with pytest.raises(RateLimitError):
        Snapshot.take(box.client(max_retries=0), path)


def test_chaos_does_not_change_it(path: Path) -> None:
    with Sandbox(media=300) as box:
        studio = box.client(retry_delay=0, max_retries=8)
        listed, placed = in_the_lists(studio), placements_in_the_lists(studio)
        box.chaos(3)
        with Snapshot.take(studio, path) as taken:
            assert in_the_file(taken) == listed
            assert placements(taken) == placed


@pytest.mark.parametrize("level", ["everything", None, 1])
def test_a_level_that_there_is_not_is_refused_before_anything_is_sent(level: Any, path: Path, box: Sandbox) -> None:
    with pytest.raises(InvalidArgumentError, match="level must be one of 'lists', 'courses', 'grants', not "):
        Snapshot.take(box.client(), path, level=level)
    assert box.requests == ()
    assert files(path.parent) == set()


def test_bad_arguments_are_refused_before_anything_is_sent(path: Path, box: Sandbox) -> None:
    studio: Any = box.client()

    async def progress(*_: object) -> None: ...

    wrong: list[Any] = [{"consistent": 1}, {"anonymize": "yes"}, {"progress": "yes"}, {"progress": progress}]
    for options in wrong:
        with pytest.raises(TypeError):
            Snapshot.take(studio, path, **options)
    with pytest.raises(TypeError, match="studio must be a StudioClient, not str"):
        Snapshot.take("myschool", path)  # type: ignore[arg-type]
    assert box.requests == ()
    assert files(path.parent) == set()


def test_progress_tells_each_stage_to_its_end(path: Path, box: Sandbox) -> None:
    told: list[tuple[str, int, int | None]] = []

    def tell(stage: str, done: int, total: int | None) -> None:
        told.append((stage, done, total))

    taken = Snapshot.take(box.client(), path, progress=tell)
    ends = {stage: (done, total) for stage, done, total in told}
    counts = taken.about.counts
    assert ends == {
        "media": (120, 120),
        "collections": (counts["collections"],) * 2,
        "courses": (counts["collections"],) * 2,
        "calibration": (50, 50),
    }
    for stage in ends:
        steps = [done for name, done, _ in told if name == stage]
        assert steps == sorted(steps)


def test_an_error_of_progress_ends_it_and_leaves_no_file(path: Path, box: Sandbox) -> None:
    def stop(stage: str, _done: int, _total: int | None) -> None:
        if stage == "courses":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Snapshot.take(box.client(), path, progress=stop)
    assert not path.exists()
    assert Snapshot.take(box.client(), path).about.resumed == 1


def test_bars_are_drawn(path: Path, box: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    Snapshot.take(box.client(), path, progress=True)
    drawn = capfd.readouterr().err
    assert all(f"{stage}: 100%" in drawn for stage in ("media", "collections", "courses", "calibration"))


# Who may read it, and what it does not hold


@posix_only
def test_only_this_user_can_read_it(path: Path, box: Sandbox) -> None:
    seen: set[int] = set()

    def look(*_: object) -> None:
        seen.update(stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir())

    before = os.umask(0)
    try:
        Snapshot.take(box.client(), path, progress=look)
    finally:
        os.umask(before)
    assert seen == {0o600}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix_only
def test_a_part_that_others_could_read_is_closed_to_them(path: Path, box: Sandbox) -> None:
    path.with_name("library.db.part").touch(mode=0o644)
    Snapshot.take(box.client(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix_only
def test_a_part_of_somebody_else_is_not_written(path: Path, box: Sandbox) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.touch()
    path.with_name("library.db.part").symlink_to(elsewhere)
    with pytest.raises(SnapshotError, match="is not a file of this user"):
        Snapshot.take(box.client(), path)
    assert elsewhere.read_bytes() == b""


SIGNED = "https://files.example.com/a.mp4?Expires=1&Signature=c2VjcmV0LXNpZ25hdHVyZQ&Key-Pair-Id=K1"


def test_it_holds_no_token_no_signature_and_no_thumbnail(path: Path) -> None:
    item = media_item(
        1,
        title=f"See {SIGNED}",
        description=f"At <{SIGNED}> and https://www.youtube.com/watch?v=kept",
        thumbnail_url=f"https://thumbnails.example.com/1.png?{SIGNED.partition('?')[2]}",
        source_url=SIGNED,
        nested=[{"url": f"{SIGNED}&x=1"}, "https://a.example.com/b?opaque=c2VjcmV0LXNpZ25hdHVyZQ"],
        owner=person(7, avatar=SIGNED),
    )
    other = media_item(2, thumbnail_url={"url": "https://thumbnails.example.com/2.png"})
    with StudioOf([item, other], [collection_item(1, name=SIGNED)]) as server:
        taken = Snapshot.take(server.client(), path)
        held = path.read_bytes()
        for secret in (TOKEN, "c2VjcmV0LXNpZ25hdHVyZQ", "thumbnails.example"):
            assert secret.encode() not in held
        found = taken.sql("select title, description from media where id = 1")[0]
    assert found["title"] == "See https://files.example.com/a.mp4?***"
    assert found["description"].endswith(" and https://www.youtube.com/watch?v=kept")


SECRETS = [
    "//h.example.com/x?X-Amz-Signature=hidden",
    '{"u": "https:\\/\\/h.example.com\\/x?X-Amz-Signature=hidden"}',
    '{"j": "{\\"u\\": \\"https:\\\\/\\\\/h\\\\/x?Signature=hidden\\"}"}',
    '{"upload_token": "hidden"}',
    '{\\"upload_token\\": \\"hidden\\"}',
    "'secret': 'hidden'",
    "HTTPS://h.example.com/p#access_token=hidden",
    "https://user:hidden@h.example.com/x",
    "https:%2F%2Fuser%3Ahidden%40h.example.com",
    "https://h.example.com/x?a=1&amp;X-Amz-Signature=hidden",
    "https://h.example.com/x?a=1\\u0026Signature=hidden",
    "https://h.example.com/x?a=1 b&Signature=hidden",
    'https://h.example.com/x?a="&Signature=hidden',
    "go=https%3A%2F%2Fh.example.com%3FSignature%3Dhidden",
    "https%253A%252F%252Fh.example.com%253FSignature%253Dhidden",
    "https:&#x2f;&#x2f;h.example.com/x?Signature&#61;hidden",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_left_out_of_every_text_however_it_is_written(secret: str, path: Path) -> None:
    texts = ("title", "description", "transcoding_status", "source", "embed_id", "lti_launch_id", "permission")
    item = media_item(
        1, **dict.fromkeys(texts, secret), new={secret: [secret]}, owner=person(7, full_name=secret, x=secret)
    )
    of_collections = {"name": secret, "type": secret, "permission": secret, secret: secret}
    with StudioOf([item], [collection_item(1, **of_collections)]) as server:
        Snapshot.take(server.client(), path)
        Snapshot.take(server.client(), path.with_name("anonymized.db"), anonymize=True)
    assert b"hidden" not in path.read_bytes()
    assert b"hidden" not in path.with_name("anonymized.db").read_bytes()


def test_fields_that_nobody_knows_and_whose_names_tell_of_secrets_are_left_out(path: Path) -> None:
    new: dict[str, Any] = {"upload_token": "hidden", "aws": {"secretAccessKey": ["hidden"], "Policy": {"a": "hidden"}}}
    with StudioOf([media_item(1, **new, note="Why? Because")], []) as server:
        taken = Snapshot.take(server.client(), path)
    assert b"hidden" not in path.read_bytes()
    assert json.loads(taken.sql("select extra from media")[0]["extra"]) == {
        "upload_token": "***",
        "aws": {"secretAccessKey": "***", "Policy": "***"},
        "note": "Why? Because",
    }


@pytest.mark.parametrize(
    "text",
    [
        "Why? Because a=b & c=d",
        "token = lexer.next(); code=5",
        "https://www.youtube.com/watch?v=kept&t=1",
        "https://www.youtube.com/@handle",
        "Ask ada@example.edu: 50% = half",
        'Unicode \\u0041, "a": 1',
    ],
)
def test_a_text_without_secrets_stays_as_it_is(text: str, path: Path) -> None:
    with StudioOf([media_item(1, title=text)], []) as server:
        assert Snapshot.take(server.client(), path).sql("select title from media")[0]["title"] == text


def test_an_anonymized_file_holds_no_name_and_no_address(path: Path, box: Sandbox) -> None:
    studio = box.client()
    box.faults.add(path="/v1/collections/*/media", status=500, after=30)
    with pytest.raises(InternalServerError):
        Snapshot.take(box.client(max_retries=0), path, anonymize=True)
    in_the_part = path.with_name("library.db.part").read_bytes()
    box.faults.clear()
    taken = Snapshot.take(studio, path, anonymize=True)
    texts = names_of(studio)
    assert len(texts) > 100
    for held in (in_the_part, path.read_bytes()):
        assert [text for text in texts if text.encode() in held] == []
    assert taken.about.anonymized
    assert taken.about.resumed == 1
    # What can be counted stays the same.
    listed = studio.search_media().collect()
    assert [row["id"] for row in taken.sql("select id from media order by id")] == sorted(media.id for media in listed)
    assert taken.sql("select count(distinct title) n from media")[0]["n"] == len({media.title for media in listed})
    assert taken.sql("select count(*) n from owner where email is null")[0]["n"] == len(
        {media.owner.id for media in listed if media.owner and media.owner.email is None}
        | {each.owner.id for each in studio.list_collections() if each.owner and each.owner.email is None}
    )
    assert {row["description"] for row in taken.sql("select description from media")} == {None}


def test_the_key_of_the_pseudonyms_is_not_kept(path: Path, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "5f" * 32

    def made(_bytes: int) -> str:
        return key

    def look(*_: object) -> None:
        seen.append(key.encode() in part.read_bytes())

    monkeypatch.setattr("secrets.token_hex", made)
    part = path.with_name("library.db.part")
    seen: list[bool] = []
    Snapshot.take(box.client(), path, anonymize=True, progress=look)
    assert all(seen)
    assert key.encode() not in path.read_bytes()


def names_of(studio: Any) -> set[str]:
    """Every name, address, title and description, but for those of a word or so that may stand for something else."""
    media, collections = studio.search_media().collect(), studio.list_collections().collect()
    owners = [each.owner for each in (*media, *collections) if each.owner]
    texts = {each.title for each in media} | {each.description for each in media} | {each.name for each in collections}
    texts |= {text for owner in owners for text in (owner.full_name, owner.display_name, owner.email)}
    return {text for text in texts if text and len(text) > 5}


# Reading it


def test_a_query_brings_rows(library: Snapshot) -> None:
    assert library.sql("-- a note; of two\n /* lines */ ;; WITH a as (values(1)) select * from a").to_dicts() == [
        {"column1": 1}
    ]
    rows = library.sql("select source, count(*) media from library where size > ? group by 1 order by 2 desc, 1", 0)
    assert rows.columns == ("source", "media")
    assert rows[0] == rows.to_dicts()[0] == {"source": rows[0]["source"], "media": rows[0]["media"]}
    assert sum(row["media"] for row in rows) <= 120
    assert rows[:2].to_dicts() == rows.to_dicts()[:2]
    named = library.sql("select count(*) n from media where id > :id", {"id": 0})
    assert named.to_dicts() == [{"n": 120}]
    assert library.sql("select 1 a, 2 a, 3 a").to_dicts() == [{"a": 1, "a_2": 2, "a_3": 3}]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select titel from library", "query: no such column: titel"),
        ("select", "query: incomplete input"),
        ("", "query must be one SELECT"),
        ("-- select 1", "query must be one SELECT"),
        ("with a as (select 1) delete from media", "query: a snapshot is read only"),
        ("select 1; select 2", "query: "),
        ("select ?", "params: .*write one value for each . behind the query"),
        ("delete from media", "query must be one SELECT: a snapshot is read only"),
        ("create table mine(it)", "query must be one SELECT: a snapshot is read only"),
        ("create temp table mine(it)", "query must be one SELECT"),
        ("attach 'other.db' as other", "query must be one SELECT"),
        ("vacuum into 'copy.db'", "query must be one SELECT"),
        ("update sqlite_master set sql = ''", "query must be one SELECT"),
        ("insert into sqlite_master values (1, 2, 3, 4, 5)", "query must be one SELECT"),
        ("pragma query_only = off", "query must be one SELECT"),
        ("pragma temp_store_directory = '.'", "query must be one SELECT"),
        ("begin", "query must be one SELECT"),
        ("select load_extension('x')", "query: "),
        ("select '\ud800'", "query: .* is half of a character"),
    ],
)
def test_a_query_that_cannot_be_right_is_an_invalid_argument(
    query: str, message: str, library: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgumentError, match=message):
        library.sql(query)
    assert files(tmp_path) == set()
    assert library.sql("select count(*) n from media")[0]["n"] == 120


@pytest.mark.parametrize(
    ("parameter", "message"),
    [(2**64, "end at 2"), ("\ud800", "half of a character"), ([], "params: .*one value for each")],
)
def test_a_parameter_that_sqlite_has_no_place_for(parameter: Any, message: str, library: Snapshot) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        library.sql("select ?", parameter)


def test_the_tables_can_be_listed(library: Snapshot) -> None:
    assert "media" in {row["name"] for row in library.sql("select name from sqlite_schema")}
    assert "title" in {row["name"] for row in library.sql("select name from pragma_table_info('media')")}
    assert library.sql("select value from json_each('[7]')").to_dicts() == [{"value": 7}]


def test_a_closed_snapshot_says_so(path: Path, box: Sandbox) -> None:
    taken = Snapshot.take(box.client(), path)
    again = Snapshot.open(path)
    taken.close()
    for newer, older in ((taken, again), (again, taken), (taken, taken)):
        with pytest.raises(SnapshotError, match="was closed: open it again"):
            newer.diff(older)


def test_no_cell_and_no_name_of_a_column_is_a_formula_to_a_spreadsheet(library: Snapshot, tmp_path: Path) -> None:
    formulas = ["=1", " =1", "\n=1", "\u00a0=1", "\ufeff=1", "\uff1d1", "+1", "-1", "@a", "\ta", "\x00=1", "\u200b=1"]
    kept = ["a=1", " a", "", "'=1", "1-1"]
    for text in (*formulas, *kept):
        file = library.sql(f'select ? as "{text}"' if "\x00" not in text else "select ? as a", text).to_csv(
            tmp_path / "a.csv"
        )
        with file.open(newline="", encoding="utf-8") as lines:
            name, cell = (row[0] if row else "" for row in csv.reader(lines))
        assert cell.replace("'", "") == text.replace("'", "")
        assert (cell == text) == (text in kept)
        if "\x00" not in text:
            assert name == cell
    assert library.sql("select -1 as a").to_csv(tmp_path / "a.csv").read_text() == "a\n-1\n"


def test_a_file_with_any_bytes_changed_is_broken_or_can_be_read(path: Path, library: Snapshot) -> None:
    whole = library.path.read_bytes()
    chance = random.Random(8)
    for _ in range(150):
        changed = bytearray(whole)
        for _ in range(chance.choice([1, 20, 200])):
            changed[chance.randrange(len(changed))] ^= chance.randrange(1, 256)
        path.write_bytes(changed)
        with contextlib.suppress(SnapshotError), Snapshot.open(path) as opened:
            opened.sql("select * from library")
            opened.sql("select * from courses")
            opened.diff(opened)
            repr(opened)


def test_a_connection_is_read_only(library: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(library.connect()) as connection:
        assert connection.execute("select count(*) from library").fetchone() == (120,)
        for statement in ("delete from media", "vacuum into 'copy.db'", "attach 'copy.db' as copy"):
            with pytest.raises(sqlite3.DatabaseError, match=r"readonly|read-only|attached"):
                connection.execute(statement)
    assert files(tmp_path) == set()


def test_many_threads_can_query_it(library: Snapshot) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = [len(rows) for rows in threads.map(library.sql, ["select * from library"] * 40)]
    assert found == [120] * 40


def test_it_pickles_as_its_path(library: Snapshot) -> None:
    again = pickle.loads(pickle.dumps(library))  # noqa: S301 - it is our own
    assert again.about == library.about
    again.close()
    with pytest.raises(SnapshotError, match="was closed"):
        again.sql("select 1")


def test_it_shows_what_it_is(library: Snapshot) -> None:
    collections = library.about.counts["collections"]
    assert (
        f"120 media ({library.about.bytes / 1e9:,.1f} GB) and {collections} collections of {library.about.studio}"
        in (repr(library))
    )
    html: Any = library
    assert f'<td style="text-align: left" dir="auto">{library.about.studio}</td>' in html._repr_html_()


@pytest.mark.parametrize("ending", ["1", "longer than a page", "half"])
def test_a_file_that_was_cut_short_is_broken(ending: str, path: Path, library: Snapshot) -> None:
    whole = library.path.read_bytes()
    path.write_bytes({"1": whole[:-1], "longer than a page": whole[:-5000], "half": whole[: len(whole) // 2]}[ending])
    with pytest.raises(SnapshotError, match="is broken: it was cut short or changed"):
        Snapshot.open(path)


def test_a_file_with_nonsense_inside_is_broken(path: Path, library: Snapshot) -> None:
    whole = library.path.read_bytes()
    path.write_bytes(whole[:100] + b"\xa5" * 8000 + whole[8100:])
    with pytest.raises(SnapshotError, match="is broken"):
        Snapshot.open(path)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"PK\x03\x04" + b"x" * 200, b'{"format": 1}' * 20])
def test_a_file_that_is_something_else_is_no_snapshot(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match=f"{path} is not a snapshot"):
        Snapshot.open(path)


def test_a_snapshot_of_a_newer_version_is_refused(path: Path, library: Snapshot) -> None:
    path.write_bytes(library.path.read_bytes())
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("pragma user_version = 2")
    with pytest.raises(SnapshotError, match="has version 2 of the format, and this package reads up to 1: update"):
        Snapshot.open(path)


def test_what_a_newer_package_adds_does_not_matter(path: Path, library: Snapshot) -> None:
    path.write_bytes(library.path.read_bytes())
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("alter table media add column later text")
        newer.execute("insert into about values ('later', 'x')")
        newer.commit()
    assert Snapshot.open(path).about == library.about


def test_a_snapshot_that_does_not_say_what_it_is_is_broken(path: Path, library: Snapshot) -> None:
    path.write_bytes(library.path.read_bytes())
    with closing(sqlite3.connect(path)) as changed:
        changed.execute("update about set value = 'x' where key = 'counts'")
        changed.commit()
    with pytest.raises(SnapshotError, match="what it says of itself cannot be read"):
        Snapshot.open(path)


def test_a_file_that_is_not_there_is_an_error_of_the_system(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Snapshot.open(path)


def test_errors_are_those_of_the_client(path: Path, box: Sandbox) -> None:
    box.faults.add(status=403)
    with pytest.raises(PermissionDeniedError):
        Snapshot.take(box.client(), path)
    box.close()
    with pytest.raises((APIConnectionError, APIStatusError)):
        Snapshot.take(box.client(max_retries=0), path)


@pytest.mark.parametrize("query", ["CHOICE", "PLACED", "select * from library", "select * from courses"])
def test_no_query_of_ours_reads_a_table_for_each_row_of_another(query: str, library: Snapshot) -> None:
    text = getattr(calibration, query, query)
    with closing(library.connect()) as connection:
        parameters = [1] * text.count("?")
        plan = [row[3] for row in connection.execute(f"explain query plan {text}", parameters)]
    assert [step for step in plan if "CORRELATED" in step] == []
    # A table that is read for each row of another is searched, by its key or by an index.
    scanned = [step for step in plan if re.match(r"SCAN (placement|media|collection|owner)\b", step)]
    assert len(scanned) <= 2
    assert not (query == "PLACED" and scanned)
