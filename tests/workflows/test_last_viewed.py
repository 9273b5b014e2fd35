"""When media were last viewed, where Studio's answers do not say it, and what is known of those never viewed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import InternalServerError
from canvas_studio.sandbox import Assumptions, Sandbox
from canvas_studio.workflows import Snapshot, last_viewed
from support.fault_server import FaultServer, json_answer, media_item

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.fault_server import Answer, Received

FIELDS = ("last_viewed", "last_viewed_by_student")
BOTH_WAYS = pytest.mark.parametrize("nulls", [False, True], ids=["nulls in no period", "nulls in each period"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library.db"


def box_without(*, nulls: bool, media: int = 0, seed: int = 1) -> Sandbox:
    """A sandbox whose answers lack the fields."""
    assumed = Assumptions(last_viewed_in_answers=False, never_viewed_in_periods=nulls)
    return Sandbox(media=media, seed=seed, assumptions=assumed)


def views(taken: Snapshot) -> dict[int, tuple[str | None, str | None]]:
    rows = taken.sql("select id, last_viewed, last_viewed_by_student from media")
    return {row["id"]: (row["last_viewed"], row["last_viewed_by_student"]) for row in rows}


def take(box: Sandbox, path: Path, **options: Any) -> Snapshot:
    return Snapshot.take(box.client(), path, level="lists", **options)


def day(text: str) -> date:
    return date.fromisoformat(text)


# Reconstructed


@BOTH_WAYS
@pytest.mark.parametrize("seed", [1, 2])
def test_the_reconstruction_is_equal_to_the_field(seed: int, path: Path, *, nulls: bool) -> None:
    with Sandbox(media=30, seed=seed) as box, take(box, path) as taken:
        field = views(taken)
        assert taken.about.calibration["last_viewed_from"] == dict.fromkeys(FIELDS, "answers")
    assert {None} < {view for pair in field.values() for view in pair}
    with box_without(nulls=nulls, media=30, seed=seed) as box, take(box, path.with_name("other.db")) as taken:
        assert views(taken) == field
        assert taken.about.calibration["last_viewed_from"] == dict.fromkeys(FIELDS, "day")
        assert (taken.about.calibration["last_viewed"], taken.about.calibration["last_viewed_by_student"]) == (
            False,
        ) * 2
        assert not taken.sql("select name from sqlite_schema where name in ('period', 'viewed')")


@pytest.mark.torture
@BOTH_WAYS
def test_the_reconstruction_of_a_whole_library_is_equal_to_the_field(path: Path, *, nulls: bool) -> None:
    with Sandbox(media=2_000) as box, take(box, path) as taken:
        field = views(taken)
    with box_without(nulls=nulls, media=2_000) as box, take(box, path.with_name("other.db")) as taken:
        unit = taken.about.calibration["last_viewed_from"]["last_viewed"]
        assert unit == ("month" if nulls else "day")
        found = views(taken)
        requests = len(box.requests)
    print(f"{requests:,} requests")  # for docs/snapshots.md
    if not nulls:
        assert found == field
    else:
        assert all((mine is None) == (theirs is None) for mine, theirs in zip_views(found, field))
        assert all(
            mine[:7] == theirs[:7] and mine >= theirs for mine, theirs in zip_views(found, field) if mine and theirs
        )


def zip_views(found: dict[int, Any], field: dict[int, Any]) -> list[tuple[str | None, str | None]]:
    assert found.keys() == field.keys()
    return [pair for each in field for pair in zip(found[each], field[each], strict=True)]


@pytest.mark.parametrize(("most", "unit"), [(150, "month"), (10, "year"), (0, None)])
def test_where_nulls_are_in_each_period_it_costs_no_more_than_is_allowed(
    most: int, unit: str | None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_viewed, "MOST_EXTRA", most)
    with box_without(nulls=True) as box:
        for _ in range(100):
            box.add_media("Never viewed", created_at="2023-01-05T12:00:00Z")
        old = box.add_media("Old", created_at="2023-01-05T12:00:00Z", last_viewed="2024-02-10")
        taken = take(box, path)
        assert taken.about.calibration["last_viewed_from"] == {"last_viewed": unit, "last_viewed_by_student": None}
        # The last day of the period: what is not known errs towards a later view.
        assert views(taken)[old][0] == {"month": "2024-02-29", "year": "2024-12-31", None: None}[unit]
        assert taken.sql("select count(last_viewed) as n from media")[0]["n"] == (unit is not None)
        searches = [each for each in box.requests if any(name.startswith("last_viewed_") for name, _ in each.query)]
        assert len(searches) < 3 * most + 50


@BOTH_WAYS
@pytest.mark.parametrize("moment", [1, 2, 3])
def test_what_is_viewed_while_it_is_read_is_not_taken_for_old(
    moment: int, path: Path, monkeypatch: pytest.MonkeyPatch, *, nulls: bool
) -> None:
    monkeypatch.setattr(last_viewed, "BETWEEN_COMMITS", 12)
    today = datetime.now(UTC).date()
    with box_without(nulls=nulls) as box:
        ids = {
            last: box.add_media("Mitosis", created_at="2026-01-05T12:00:00Z", last_viewed=last)
            for last in (None, "2026-01-06", "2026-04-02", "2026-08-30", str(today - timedelta(days=1)))
        }
        untouched = box.add_media("Meiosis", created_at="2026-01-05T12:00:00Z", last_viewed="2026-02-03")
        told = 0

        def view(stage: str, _done: int, _total: int | None) -> None:
            nonlocal told
            told += stage == "last_viewed"
            if stage == "last_viewed" and told == moment:
                for each in ids.values():
                    box.change_media(each, last_viewed=today)

        found = views(take(box, path, progress=view))
    assert told > moment
    assert min(found[each][0] or "" for each in ids.values()) >= today.isoformat()
    assert found[untouched][0] == "2026-02-03"


def test_a_clock_ahead_of_ours_does_no_harm(path: Path) -> None:
    today = datetime.now(UTC).date()
    with box_without(nulls=False) as box:
        ahead = box.add_media("Ahead", created_at="2026-03-05T12:00:00Z", last_viewed=today + timedelta(days=40))
        before = box.add_media("Before it was made", created_at="2026-03-05T12:00:00Z", last_viewed="2026-02-07")
        found = views(take(box, path))
    assert (found[ahead][0], found[before][0]) == (str(today + timedelta(days=1)), "2026-02-28")


def test_a_reading_that_was_ended_goes_on_with_the_periods_that_are_left(path: Path) -> None:
    with box_without(nulls=False, media=20) as box:
        whole = views(take(box, path.with_name("whole.db")))
        of_a_whole = len(searches(box))
        fault = box.faults.add(path="/v1/media/search", after=of_a_whole // 2, status=500)
        with pytest.raises(InternalServerError):
            Snapshot.take(box.client(max_retries=0), path, level="lists")
        box.faults.remove(fault)
        before = len(searches(box))
        taken = take(box, path)
        assert (taken.about.resumed, views(taken)) == (1, whole)
        # A commit is 100 searches. Not counted: what is asked each time.
        assert len(searches(box)) - before < of_a_whole * 0.6 + 150


def searches(box: Sandbox) -> list[tuple[tuple[str, str], ...]]:
    return [each.query for each in box.requests if any(name.endswith("_start_date") for name, _ in each.query)]


def test_progress_tells_the_periods_of_each_field_to_their_end(path: Path) -> None:
    told: dict[str, list[tuple[int, int | None]]] = {}
    with box_without(nulls=False) as box:
        box.add_media("Mitosis", created_at="2026-05-05T12:00:00Z", last_viewed="2026-06-01")

        def tell(stage: str, done: int, total: int | None) -> None:
            told.setdefault(stage, []).append((done, total))

        take(box, path, progress=tell)
    for field in FIELDS:
        assert told[field] == sorted(told[field])
        assert told[field][-1][0] == told[field][-1][1]


# Not known


class Search(FaultServer):
    """A Studio of two media without the fields, whose search by the last view does as the test says."""

    def __init__(self, on_period: Callable[[list[dict[str, Any]]], Answer]) -> None:
        media = [media_item(number) for number in (1, 2)]
        for item in media:
            del item["last_viewed"], item["last_viewed_by_student"]

        def answer(request: Received) -> Answer:
            if not request.path.endswith("/media/search"):
                return json_answer({"collections": [], "meta": {"current_page": 1, "last_page": 1, "total_count": 0}})
            if any(name.startswith("last_viewed") for name in request.parameters):
                return on_period(media)
            return page(media)

        super().__init__(answer)


def page(media: list[dict[str, Any]]) -> Answer:
    return json_answer({"media": media, "meta": {"current_page": 1, "last_page": 1, "total_count": len(media)}})


@pytest.mark.parametrize("status", [200, 422, 400])
def test_a_studio_that_has_no_such_filter_leaves_it_unknown(status: int, path: Path) -> None:
    def on_period(media: list[dict[str, Any]]) -> Answer:
        return page(media) if status == 200 else json_answer({"error": "unknown parameter"}, status)

    with Search(on_period) as server:
        about = Snapshot.take(server.client(), path, level="lists").about
        assert about.calibration["last_viewed_from"] == dict.fromkeys(FIELDS)
        assert about.calibration["never_viewed"] is None
        assert len(server.requests) < 20


def test_answers_that_lack_the_field_for_some_media_only_have_it(path: Path) -> None:
    viewed, never = media_item(1), media_item(2)
    del never["last_viewed"]

    def answer(request: Received) -> Answer:
        return page([never, viewed]) if request.path.endswith("search") else json_answer({"collections": []})

    with FaultServer(answer) as server:
        taken = Snapshot.take(server.client(), path, level="lists")
    # No student's view is in the answers, and the search does not tell whether there is none.
    assert taken.about.calibration["last_viewed_from"] == {"last_viewed": "answers", "last_viewed_by_student": None}
    assert views(taken) == {1: ("2024-06-01", None), 2: (None, None)}


@pytest.mark.parametrize("viewed", [{1: "2020-01-05", 2: "2026-11-20"}, {}], ids=["some viewed", "none viewed"])
def test_answers_in_which_the_field_is_null_for_every_media_are_not_believed(
    viewed: dict[int, str], path: Path
) -> None:
    def answer(request: Received) -> Answer:
        if not request.path.endswith("/media/search"):
            return json_answer({"collections": [], "meta": {"current_page": 1, "last_page": 1, "total_count": 0}})
        found = {1, 2, 3}
        begin, end = (request.parameters.get(f"last_viewed_{which}_date") for which in ("start", "end"))
        if begin or end:
            found = {each for each, day in viewed.items() if (begin or "") <= day <= (end or "9999")}
        nulls: dict[str, Any] = {"last_viewed": None, "created_at": "2019-12-01T00:00:00Z"}
        return page([media_item(each, **nulls) for each in sorted(found)])

    with FaultServer(answer) as server:
        taken = Snapshot.take(server.client(), path, level="lists")
    source = taken.about.calibration["last_viewed_from"]["last_viewed"]
    # Two readings that find nothing agree.
    assert source == ("day" if viewed else "answers")
    assert {each: view for each, (view, _) in views(taken).items() if view} == viewed


def test_what_a_student_has_viewed_or_nobody_knows_is_not_touched_long_ago(path: Path) -> None:
    old = "2020-01-01T00:00:00Z"
    media = [
        media_item(1, created_at=old, last_viewed=None, last_viewed_by_student="2026-11-20"),
        media_item(2, created_at=None, last_viewed=None),
        media_item(3, created_at=old, last_viewed="2020-02-02"),
    ]

    def answer(request: Received) -> Answer:
        return page(media) if request.path.endswith("search") else json_answer({"collections": []})

    with FaultServer(answer) as server:
        taken = Snapshot.take(server.client(), path, level="lists")
        assert [row["id"] for row in taken.sql("select id from library where last_touched < '2024-01-01'")] == [3]
        # Where views are unknown, so is what nobody has touched.
        for item in media:
            item["last_viewed"] = item["last_viewed_by_student"] = None
        taken = Snapshot.take(server.client(), path, level="lists")
        assert taken.about.calibration["last_viewed_from"] == dict.fromkeys(FIELDS)
        assert not taken.sql("select id from library where last_touched < '2024-01-01'")


def test_media_that_were_all_made_tomorrow_are_no_reason_to_fail(path: Path) -> None:
    with box_without(nulls=False) as box:
        made = datetime.now(UTC) + timedelta(days=90)
        number = box.add_media("Made by a clock that is ahead", created_at=made)
        assert views(take(box, path)) == {number: (None, None)}


# Never viewed


@BOTH_WAYS
@pytest.mark.parametrize("in_answers", [True, False])
def test_what_nulls_do_is_found_out(path: Path, *, in_answers: bool, nulls: bool) -> None:
    assumed = Assumptions(last_viewed_in_answers=in_answers, never_viewed_in_periods=nulls)
    with Sandbox(media=0, assumptions=assumed) as box:
        viewed = box.add_media("Viewed", created_at="2026-05-05T12:00:00Z", last_viewed="2026-06-01")
        never = box.add_media("Never viewed", created_at="2026-05-05T12:00:00Z")
        taken = take(box, path)
        assert taken.about.calibration["never_viewed"] == dict.fromkeys(("both", "start", "end"), nulls)
        assert {each: view[0] for each, view in views(taken).items()} == {viewed: "2026-06-01", never: None}
        box.change_media(never, last_viewed="2026-06-02")
        assert take(box, path).about.calibration["never_viewed"] is None
