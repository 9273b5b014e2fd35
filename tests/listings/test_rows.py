"""Rows without an id are told apart by their content, and checkpoints of older versions resume."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import Checkpoint, Drift
from support.fault_server import (
    Answer,
    FaultServer,
    Handler,
    Received,
    json_answer,
    library_of,
    media_item,
    page_answer,
    paged,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from canvas_studio import Listing
    from support.forms import Form

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
# A row of a report has the id of the course that it is about.
REPORT = [{"id": course, "week": week, "views": course * week} for week in (1, 2) for course in range(50)]
THINGS = [{"id": number} for number in range(1, 31)] + [{"name": f"thing {number}"} for number in range(15)]


def rows_of(server: FaultServer, per_page: int = 50, **options: Any) -> Listing[dict[str, Any]]:
    return server.client(**options).paginate("/rows", key="rows", per_page=per_page)


def same(found: list[Any], expected: Sequence[Any]) -> bool:
    """Whether they are the same rows, as often, in whatever order."""
    return Counter(map(json.dumps, found)) == Counter(map(json.dumps, expected))


def test_rows_that_repeat_an_id_are_all_given(form: Form) -> None:
    with FaultServer(paged(REPORT, "rows")) as server:
        listing = rows_of(server)
        assert form.items(listing) == REPORT
        assert listing.drift == Drift(readings=1, appeared=0, vanished=0, first_total=100, last_total=100)
    assert len(server.requests) == 2


EQUAL: list[list[Any]] = [
    [{"name": "same"}] * 5,
    [{"id": 1}, {"id": 2}, {"id": 2}, {"id": 3}],
    [{"id": 1, "name": "a"}, {"id": 1, "name": "a"}, {"id": 1, "name": "b"}],
    [{"a": 1}, {"a": 2}] * 3,
    [{}] * 3,
    [1, "1", None, [1], 1],
]


@pytest.mark.parametrize("consistent", [False, True])
@pytest.mark.parametrize("rows", EQUAL, ids=str)
def test_equal_rows_are_all_given_in_order(form: Form, rows: list[Any], consistent: bool) -> None:  # noqa: FBT001
    with FaultServer(paged(rows, "rows")) as server:
        listing = rows_of(server, 2).with_options(consistent=consistent)
        assert form.items(listing) == rows
        assert form.total(listing) == len(rows)
        drift = listing.drift
        assert drift is not None
        assert drift.readings == 1 + consistent


def test_equal_rows_of_a_list_that_is_not_counted_are_all_given(form: Form) -> None:
    rows = [{"a": number % 7} for number in range(45)]
    with FaultServer(paged(rows, "rows", meta=False)) as server:
        # The same rows may have been pushed back, so the list is read again.
        listing = rows_of(server, 10)
        assert same(form.items(listing), rows)
        drift = listing.drift
        assert drift is not None
        assert drift.readings == 2


def test_the_order_of_fields_is_not_what_tells_rows_apart(form: Form) -> None:
    turn = itertools.count()

    def answer(request: Received) -> Answer:
        step = -1 if next(turn) % 2 else 1
        rows = [dict([("a", number), ("b", 0)][::step]) for number in range(45)]
        return page_answer(request, rows, "rows")

    with FaultServer(answer) as server:
        listing = rows_of(server, 50).with_options(consistent=True)
        assert len(form.items(listing)) == 45
    assert len(server.requests) == 2


def test_rows_that_were_pushed_back_come_once(form: Form) -> None:
    rows: list[dict[str, Any]] = [{"id": number} for number in range(60)]
    lock = threading.Lock()

    def answer(request: Received) -> Answer:
        with lock:
            page = page_answer(request, rows, "rows")
            if len(rows) == 60:
                rows[:0] = [{"id": number} for number in range(100, 110)]
            return page

    with FaultServer(answer) as server:
        found = form.items(rows_of(server, 20, max_concurrency=1))
    assert found[:60] == [{"id": number} for number in range(60)]
    assert same(found, rows)


def test_rows_that_vanish_hide_no_other_row(form: Form) -> None:
    rows: list[dict[str, Any]] = [{"id": number % 30, "page": number // 30} for number in range(60)]
    before = list(rows)
    lock = threading.Lock()

    def answer(request: Received) -> Answer:
        with lock:
            page = page_answer(request, rows, "rows")
            del rows[: len(rows) - 45]
            return page

    with FaultServer(answer) as server:
        assert same(form.items(rows_of(server, 20, max_concurrency=1)), before)


def test_equal_rows_beside_rows_that_vanish_are_all_given(form: Form) -> None:
    rows: list[dict[str, Any]] = [{"n": number % 5} for number in range(60)]
    lock = threading.Lock()

    def answer(request: Received) -> Answer:
        with lock:
            page = page_answer(request, rows, "rows")
            if len(rows) == 60:
                del rows[:5]
            return page

    with FaultServer(answer) as server:
        found = Counter(map(json.dumps, form.items(rows_of(server, 20, max_concurrency=1))))
    # Eleven of each were there all the time, and nobody can say which of twelve equal rows vanished.
    assert set(found.values()) <= {11, 12}


def test_a_media_that_a_page_holds_twice_comes_once(form: Form) -> None:
    items = [media_item(1), media_item(1), media_item(2)]
    with FaultServer(json_answer({"media": items, "meta": {"last_page": 1, "total_count": 2}})) as server:
        listing = server.client().search_media()
        assert [media.id for media in form.items(listing)] == [1, 2]
        assert [media.id for media in form.items(listing.limit(2))] == [1, 2]
        assert [media.id for page in form.pages(listing) for media in page] == [1, 2]
        drift = listing.drift
        assert drift is not None
        assert drift.readings == 1
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "rows", [REPORT, THINGS, [{"n": number % 4} for number in range(37)]], ids=["report", "things", "equal"]
)
@pytest.mark.parametrize("consistent", [False, True])
def test_a_list_of_rows_goes_on_behind_any_of_them(form: Form, rows: list[Any], consistent: bool) -> None:  # noqa: FBT001
    with FaultServer(paged(rows, "rows")) as server:
        listing = rows_of(server, 10).with_options(consistent=consistent)
        for count in range(0, len(rows) + 1, 3):
            found = list(itertools.islice(iter(listing), count))
            checkpoint = Checkpoint.from_json(listing.checkpoint().to_json())
            assert checkpoint.items == count
            assert found + form.items(server.client().resume(checkpoint)) == rows


def test_rows_that_move_between_a_checkpoint_and_the_next_reading_are_given_once(form: Form) -> None:
    rows: list[dict[str, Any]] = [{"n": number} for number in range(60)]
    with FaultServer(lambda request: page_answer(request, rows, "rows")) as server:
        listing = rows_of(server, 20)
        found = list(itertools.islice(iter(listing), 25))
        # 20 to 24 were given from page 2, and 15 to 24 are on it now.
        rows[:0] = [{"n": number} for number in range(100, 105)]
        found += form.items(server.client().resume(listing.checkpoint()))
    assert same(found, rows)


def test_a_checkpoint_of_a_long_list_of_rows_holds_digests_and_not_their_texts() -> None:
    rows = [{"n": number, "text": "x" * 500} for number in range(300)]
    with FaultServer(paged(rows, "rows")) as server:
        listing = rows_of(server)
        list(listing.limit(299))
        iterator = iter(listing)
        for _ in range(275):
            next(iterator)
        text = listing.checkpoint().to_json()
    assert "xxx" not in text
    assert len(text) < 300 * 24 + 2000


@pytest.mark.parametrize("name", sorted(file.stem for file in CHECKPOINTS.glob("*.json")))
def test_a_checkpoint_that_the_first_version_wrote_goes_on(form: Form, name: str) -> None:
    fields = json.loads((CHECKPOINTS / f"{name}.json").read_text(encoding="utf-8"))
    given = fields["state"]["items"]
    handlers: dict[str, tuple[Handler, list[Any]]] = {
        "media_45_of_60": (paged(library_of(60)[20:]), list(range(26, 41))),
        "media": (paged(library_of(45)), list(range(given + 1, 46))),
        "dicts": (paged(THINGS, "things"), THINGS[given:]),
        "sources": (
            always({"sources": [{"url": f"https://files.example/{number}"} for number in range(5)]}),
            [f"https://files.example/{number}" for number in range(given, 5)],
        ),
    }
    handler, expected = next(value for key, value in handlers.items() if name.startswith(key))
    with FaultServer(handler) as server:
        checkpoint = Checkpoint.from_json(json.dumps(fields | {"school": server.url}))
        rest = server.client().resume(checkpoint)
        found = [getattr(item, "id", getattr(item, "url", item)) for item in form.items(rest)]
        drift = rest.drift
    assert found == expected
    assert drift is not None
    # Rows that the first version gave are known by other names, so it may take one more until two readings agree.
    assert drift.readings <= 3


@pytest.mark.parametrize("name", sorted(file.stem for file in (CHECKPOINTS / "version_2").glob("*.json")))
def test_a_checkpoint_that_was_written_before_fields_changed_their_names_goes_on(form: Form, name: str) -> None:
    """What a reading counts has other names in the code by now, and the same ones in a checkpoint."""
    fields = json.loads((CHECKPOINTS / "version_2" / f"{name}.json").read_text(encoding="utf-8"))
    handlers: dict[str, tuple[Handler, list[Any], int]] = {
        "media_45_of_60_second_reading": (paged(library_of(60)[20:]), list(range(26, 41)), 2),
        "rows_33_of_45": (
            paged([{"n": number, "name": f"row {number}"} for number in range(45)], "rows"),
            [{"n": number, "name": f"row {number}"} for number in range(33, 45)],
            1,
        ),
    }
    handler, expected, readings = handlers[name]
    with FaultServer(handler) as server:
        checkpoint = Checkpoint.from_json(json.dumps(fields | {"school": server.url}))
        # It is written as it was read, but for what later versions of the package count instead of two of its fields.
        written = json.loads(checkpoint.to_json())
        assert {key: written[key] for key in fields if key != "state"} == {
            key: value for key, value in (fields | {"school": server.url}).items() if key != "state"
        }
        for part, of in ((fields["state"], written["state"]), (fields["state"]["sweep"], written["state"]["sweep"])):
            kept = part.keys() - {"barren_sweeps", "brought_any", "sweep"}
            assert {key: of[key] for key in kept} == {key: part[key] for key in kept}
        rest = server.client().resume(checkpoint)
        assert [getattr(item, "id", item) for item in form.items(rest)] == expected
    assert rest.drift is not None
    assert rest.drift.readings == readings


def always(content: object) -> Handler:
    answer = json_answer(content)
    return lambda _: answer
