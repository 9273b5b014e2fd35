"""The level grants of a snapshot: with whom each media and each collection is shared."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from canvas_studio import InternalServerError
from canvas_studio.sandbox import Sandbox
from canvas_studio.workflows import Snapshot
from support.programs import linux_only
from support.snapshots import grants, grants_by_single_calls, in_the_file, in_the_lists

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 120


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library.db"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(media=COUNT) as box:
        yield box


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_grants_of_every_media_and_every_collection_are_those_of_single_calls(seed: int, path: Path) -> None:
    with (
        Sandbox(media=COUNT, seed=seed) as box,
        box.client() as studio,
        Snapshot.take(studio, path, level="grants") as taken,
    ):
        single = grants_by_single_calls(studio)
        kinds = {(kind, share_type) for kind, _, share_type, *_ in single}
        assert kinds >= {("media", "user"), ("collection", "user"), ("collection", "group")}
        assert grants(taken) == single
        assert taken.about.counts["permissions"] == len(single)
        assert taken.about.level == "grants"
        assert taken.about.not_read == dict.fromkeys(("gone", "not_allowed", "grants_gone", "grants_not_allowed"), 0)
        # It has what the other levels have.
        assert in_the_file(taken) == in_the_lists(studio)
        assert taken.about.calibration["same"] == 50


def test_it_takes_one_request_for_each_media_and_each_collection(path: Path, box: Sandbox) -> None:
    taken = Snapshot.take(box.client(), path, level="grants")
    asked = [request.path for request in box.requests if request.path.endswith("/permissions")]
    assert len(asked) == len(set(asked)) == COUNT + taken.about.counts["collections"]


def test_without_them_whether_something_is_shared_is_unknown(path: Path, box: Sandbox) -> None:
    taken = Snapshot.take(box.client(), path)
    assert [request for request in box.requests if request.path.endswith("/permissions")] == []
    assert taken.sql("select count(*) n from media where grants is null")[0]["n"] == COUNT
    assert (taken.about.counts["permissions"], taken.about.not_read) == (0, {"gone": 0, "not_allowed": 0})


def test_those_that_may_not_be_read_or_are_gone_are_counted(path: Path, box: Sandbox) -> None:
    studio = box.client()
    closed, gone = [media.id for media in studio.search_media().limit(2)]
    collection = studio.list_collections().first()
    assert collection is not None
    box.faults.add(path=f"/v1/media/{closed}/permissions", status=403)
    box.faults.add(path=f"/v1/collections/{collection.id}/permissions", status=403)

    def meanwhile(stage: str, _done: int, _total: int | None) -> None:
        if stage == "courses" and gone in {media.id for media in box.client().search_media()}:
            box.remove_media(gone)

    with Snapshot.take(studio, path, level="grants", progress=meanwhile) as taken:
        assert (taken.about.not_read["grants_gone"], taken.about.not_read["grants_not_allowed"]) == (1, 2)
        states = {row["id"]: row["grants"] for row in taken.sql("select id, grants from media")}
        assert (states.pop(closed), states.pop(gone), set(states.values())) == ("not_allowed", "gone", {"read"})
        assert taken.sql("select id from collection where grants = 'not_allowed'").to_dicts() == [{"id": collection.id}]


# Of several calls at once, those behind the one that fails may have been answered. They are asked again: at most as
# many as `map` holds, for each of the two faults.
@pytest.mark.parametrize(("at_once", "again"), [(1, 0), (16, 2 * 2 * 16)])
def test_they_go_on_where_they_failed_and_nothing_is_asked_twice(path: Path, at_once: int, again: int) -> None:
    with Sandbox(media=400) as box:
        studio = box.client(max_retries=0, max_concurrency=at_once)
        everything = 400 + studio.list_collections().total()
        # The second fault is among the collections.
        for after in (150, 250):
            fault = box.faults.add(path="/v1/*/permissions", status=500, after=after)
            with pytest.raises(InternalServerError):
                Snapshot.take(studio, path, level="grants")
            box.faults.remove(fault)
            assert not path.exists()
        box.forget_requests()
        told: list[int] = []

        def tell(stage: str, done: int, total: int | None) -> None:
            if stage == "grants":
                assert total == everything
                told.append(done)

        with Snapshot.take(studio, path, level="grants", progress=tell) as taken:
            asked = [request for request in box.requests if request.path.endswith("/permissions")]
            assert taken.about.resumed == 2
            assert grants(taken) == grants_by_single_calls(studio)
        assert everything - 400 <= len(asked) <= everything - 400 + again
        assert told == list(range(everything - len(asked) + 1, everything + 1))


def test_an_anonymized_file_holds_no_name_of_those_with_whom_something_is_shared(path: Path, box: Sandbox) -> None:
    studio = box.client()
    with Snapshot.take(studio, path, level="grants", anonymize=True) as taken:
        single = grants_by_single_calls(studio)
        names = {name for *_, name in single if name}
        held = path.read_bytes()
        assert [name for name in names if name.encode() in held] == []
        assert {row[:5] for row in grants(taken)} == {row[:5] for row in single}
        # Who owns something has the same pseudonym there.
        both = taken.sql(
            "select full_name, name from grantee join owner using (id) where share_type = 'user' and full_name not null"
        )
        assert both.to_dicts()
        assert all(row["full_name"] == row["name"] for row in both)


@pytest.mark.torture
@linux_only
@pytest.mark.timeout(1800)
def test_grants_are_read_in_flat_memory(path: Path) -> None:
    program = """
        import sys
        from canvas_studio import StudioClient
        from canvas_studio.workflows import Snapshot
        taken = Snapshot.take(StudioClient(sys.argv[1], token=sys.argv[2]), sys.argv[3], level="grants")
        most = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]
        print(taken.about.counts["media"], int(most) // 1024)
    """

    def megabytes(media: int) -> int:
        with Sandbox(media=media) as box:
            arguments = [box.url, box.token, str(path.with_name(f"{media}.db"))]
            command = [sys.executable, "-c", textwrap.dedent(program), *arguments]
            ended = subprocess.run(command, capture_output=True, text=True, check=True)
        counted, most = map(int, ended.stdout.split())
        assert counted == media
        return most

    small, large = megabytes(10_000), megabytes(100_000)
    assert large < 150
    assert large - small < 40


def test_a_studio_that_throttles_loses_none(path: Path, box: Sandbox) -> None:
    fault = box.faults.add(path="/v1/media/*/permissions", throttle=200, burst=5)
    with Snapshot.take(box.client(max_retries=0), path, level="grants") as taken:
        assert box.faults.hits(fault) > 0
        box.faults.clear()
        assert grants(taken) == grants_by_single_calls(box.client())
