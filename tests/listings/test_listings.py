"""Listings are lazy, complete, in order and without duplicates, whatever the pages do during the read."""

from __future__ import annotations

import asyncio
import csv
import itertools
import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    InternalServerError,
    InvalidArgumentError,
    ListingChangedError,
    Media,
    ResponseDecodeError,
    StudioClient,
    StudioError,
)
from support.fault_server import (
    MOST_PAGES_AT_ONCE,
    Answer,
    FaultServer,
    Handler,
    Received,
    collection_item,
    json_answer,
    library_of,
    media_item,
    page_answer,
    paged,
    person,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from canvas_studio import Listing
    from support.forms import Form

FAILURE = json_answer({"error": "down"}, 500)


def ids(items: list[Media]) -> list[int]:
    return [item.id for item in items]


def moving(
    change: Callable[[list[dict[str, Any]]], object], *, count: int, after_page: int = 1, meta: bool = True
) -> Handler:
    """A library of so many media that changes once, right after this page was first sent."""
    items = library_of(count)
    lock = threading.Lock()
    changed = False

    def answer(request: Received) -> Answer:
        nonlocal changed
        with lock:
            page = page_answer(request, items, meta=meta)
            if not changed and request.parameters["page"] == str(after_page):
                change(items)
                changed = True
            return page

    return answer


def remove_the_first_page(items: list[dict[str, Any]]) -> None:
    del items[:20]


def pages_asked(server: FaultServer) -> list[str]:
    return [request.parameters["page"] for request in server.requests]


def in_order(server: FaultServer) -> StudioClient:
    """A client that asks for one page after the other."""
    return server.client(max_concurrency=1)


def read_csv(path: Path, encoding: str = "utf-8") -> list[dict[str, str]]:
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("per_page", [20, 50])
@pytest.mark.parametrize("count", [0, 1, 20, 21, 50, 51])
def test_a_listing_is_whole_in_order_and_exactly_once(form: Form, count: int, per_page: int) -> None:
    with FaultServer(paged(library_of(count))) as server:
        listing = server.client().search_media(per_page=per_page)
        assert ids(form.items(listing)) == list(range(1, count + 1))
        assert form.total(listing) == count


def test_a_listing_of_5001_is_whole_in_order_and_exactly_once(form: Form) -> None:
    with FaultServer(paged(library_of(5001))) as server:
        listing = server.client().search_media()
        assert ids(form.items(listing)) == list(range(1, 5002))
        assert form.total(listing) == 5001


def test_nothing_is_asked_before_a_listing_is_read() -> None:
    with FaultServer(paged(library_of(5))) as server:
        studio = server.client()
        studio.list_collections()
        studio.list_collection_media(1).limit(3)
        studio.search_media(title="x").pages()
        studio.list_media_users(1)
        studio.paginate("/things", key="things")
        iter(studio.search_media())
        repr(studio.search_media())
    assert server.requests == []


def test_first_asks_for_one_page_only(form: Form) -> None:
    with FaultServer(paged(library_of(5001))) as server:
        first = form.first(server.client().search_media())
    assert first is not None
    assert first.id == 1
    assert len(server.requests) == 1


def test_first_of_an_empty_listing_is_none(form: Form) -> None:
    with FaultServer(paged([])) as server:
        assert form.first(server.client().search_media()) is None


def test_first_of_nothing_asks_for_nothing(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        assert form.first(server.client().search_media().limit(0)) is None
    assert server.requests == []


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (1, 1), (20, 20), (21, 21), (45, 45), (1000, 45)])
def test_limit_gives_so_many_and_no_more(form: Form, limit: int, expected: int) -> None:
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20).limit(limit)
        assert ids(form.items(listing)) == list(range(1, expected + 1))


def test_limit_does_not_read_a_long_listing_to_its_end(form: Form) -> None:
    with FaultServer(paged(library_of(5001))) as server:
        assert len(form.items(server.client().search_media().limit(60))) == 60
    assert len(server.requests) <= 2 + MOST_PAGES_AT_ONCE


def test_a_reader_who_leaves_early_does_not_read_the_rest() -> None:
    with FaultServer(paged(library_of(5001))) as server:
        for media in server.client().search_media():
            if media.id == 60:
                break
    assert len(server.requests) <= 2 + MOST_PAGES_AT_ONCE


def test_total_is_one_small_request_with_the_same_filters(form: Form) -> None:
    with FaultServer(paged(library_of(345))) as server:
        assert form.total(server.client().search_media(title="algebra", per_page=50)) == 345
    assert [request.parameters for request in server.requests] == [{"title": "algebra", "page": "1", "per_page": "1"}]


def test_total_counts_by_reading_when_there_is_no_meta(form: Form) -> None:
    with FaultServer(paged(library_of(45), meta=False)) as server:
        assert form.total(server.client().search_media(per_page=20)) == 45


def test_pages_are_lists_in_order(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        pages = form.pages(server.client().search_media(per_page=20))
    assert [ids(page) for page in pages] == [list(range(1, 21)), list(range(21, 41)), list(range(41, 46))]
    assert all(isinstance(page, list) for page in pages)


def test_collect_gives_a_list(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        collected: list[Media] = form.call(server.client().search_media(), "collect")
    assert isinstance(collected, list)
    assert ids(collected) == list(range(1, 46))


def test_to_dicts_gives_what_was_sent(form: Form) -> None:
    items = [media_item(1, views=3), media_item(2, title=None)]
    with FaultServer(paged(items)) as server:
        dicts = form.call(server.client().search_media(), "to_dicts")
    assert [(item["id"], item["title"], item["owner"]["id"]) for item in dicts] == [(1, "Lecture 1", 7), (2, None, 7)]
    assert dicts[0]["views"] == 3
    assert json.loads(json.dumps(dicts)) == dicts


def test_reading_can_start_at_a_later_page(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        assert ids(form.items(server.client().search_media(page=2, per_page=20))) == list(range(21, 46))


def test_a_missing_meta_loses_nothing(form: Form) -> None:
    with FaultServer(paged(library_of(45), meta=False)) as server:
        assert ids(form.items(server.client().search_media(per_page=20))) == list(range(1, 46))


@pytest.mark.parametrize(
    "meta",
    [None, [], {}, {"total_count": 45}, {"current_page": 1}, {"last_page": None, "total_count": 45}],
    ids=["null", "list", "empty", "total", "current page", "last page null"],
)
def test_a_meta_without_a_last_page_loses_nothing(form: Form, meta: object) -> None:
    def answer(request: Received) -> Answer:
        start = 20 * (int(request.parameters["page"]) - 1)
        return json_answer({"media": library_of(45)[start : start + 20], "meta": meta})

    with FaultServer(answer) as server:
        assert ids(form.items(server.client().search_media(per_page=20))) == list(range(1, 46))
    assert pages_asked(server) == ["1", "2", "3", "4"]


def test_a_page_without_meta_leaves_the_last_page_as_it_was_known(form: Form) -> None:
    def answer(request: Received) -> Answer:
        number = int(request.parameters["page"])
        if number == 1:
            return page_answer(request, library_of(60))
        return json_answer({"media": [] if number == 2 else library_of(60)[40:]})

    with FaultServer(answer) as server:
        found = ids(form.items(in_order(server).search_media(per_page=20)))
    assert found == [*range(1, 21), *range(41, 61)]
    assert pages_asked(server) == ["1", "2", "3"]


def test_without_meta_a_server_that_repeats_its_last_page_comes_to_an_end(form: Form) -> None:
    items = library_of(45)

    def answer(request: Received) -> Answer:
        page = min(int(request.parameters["page"]), 3)
        return json_answer({"media": items[(page - 1) * 20 : page * 20]})

    with FaultServer(answer) as server:
        assert ids(form.items(server.client().search_media(per_page=20))) == list(range(1, 46))
        assert pages_asked(server) == ["1", "2", "3", "4"]


def test_without_meta_a_page_of_items_pushed_back_does_not_end_the_listing(form: Form) -> None:
    def add_in_front(items: list[dict[str, Any]]) -> None:
        items[:0] = [media_item(number) for number in range(100, 130)]

    # Page 3 is then 11 to 30: nothing new, but not page 2 again either.
    with FaultServer(moving(add_in_front, count=60, after_page=2, meta=False)) as server:
        found = ids(form.items(server.client().search_media(per_page=20)))
    assert found[:60] == list(range(1, 61))
    # It is read again, since items came again, and then those in front are found.
    assert sorted(found[60:]) == list(range(100, 130))


def test_a_server_that_ignores_the_page_comes_to_an_end(form: Form) -> None:
    numbers = itertools.count()

    def answer(_: Received) -> Answer:
        return json_answer({"rows": [{"a": 1}, {"a": 2}], "generated_at": next(numbers)})

    with FaultServer(answer) as server:
        assert form.items(server.client().paginate("/rows", key="rows")) == [{"a": 1}, {"a": 2}]
    assert len(server.requests) == 2


def with_a_last_page_that_runs_away(items: list[dict[str, Any]]) -> Handler:
    def answer(request: Received) -> Answer:
        page = int(request.parameters["page"])
        return json_answer({"media": items, "meta": {"current_page": page, "last_page": page + 1, "total_count": 2}})

    return answer


def with_two_pages_in_turns(request: Received) -> Answer:
    return json_answer({"media": [media_item(1 + int(request.parameters["page"]) % 2)]})


@pytest.mark.parametrize(
    "answer",
    [with_a_last_page_that_runs_away([]), with_a_last_page_that_runs_away(library_of(2)), with_two_pages_in_turns],
    ids=["empty", "repeated", "in turns"],
)
def test_a_list_without_an_end_is_given_up_after_100_pages_with_nothing_new(form: Form, answer: Handler) -> None:
    with FaultServer(answer) as server, pytest.raises(ListingChangedError):
        form.items(server.client().search_media())
    assert 100 <= len(server.requests) <= 103


@pytest.mark.parametrize(
    ("method", "key", "items"),
    [
        ("list_media_courses", "courses", [collection_item(1), collection_item(2)]),
        ("list_media_perspectives", "perspectives", [{"uuid": "a", "title": "A"}, {"uuid": "b", "title": "B"}]),
        ("list_media_sources", "sources", [{"url": "https://files.example/1"}, {"url": "https://files.example/1"}]),
        ("list_media_users", "user_permissions", [person(1), person(2)]),
    ],
)
def test_a_list_without_pages_is_one_request(form: Form, method: str, key: str, items: list[Any]) -> None:
    with FaultServer(json_answer({key: items})) as server:
        assert len(form.items(getattr(server.client(), method)(1))) == 2
    assert len(server.requests) == 1


def test_items_that_vanish_while_reading_hide_no_other_item(form: Form) -> None:
    with FaultServer(moving(remove_the_first_page, count=60)) as server:
        found = ids(form.items(in_order(server).search_media(per_page=20)))
    assert found == [*range(1, 21), *range(41, 61), *range(21, 41)]
    # Page 3 is asked for, or not, when page 2 has come but was not read yet, which tells that there is none any more.
    assert [page for page in pages_asked(server) if page != "3"] == ["1", "2", "1", "2"]


def test_without_a_total_a_last_page_that_falls_tells_of_items_that_vanished(form: Form) -> None:
    library = moving(remove_the_first_page, count=60)

    def answer(request: Received) -> Answer:
        content = json.loads(library(request).body)
        del content["meta"]["total_count"]
        return json_answer(content)

    with FaultServer(answer) as server:
        found = ids(form.items(server.client().search_media(per_page=20)))
    assert found == [*range(1, 21), *range(41, 61), *range(21, 41)]


def test_a_long_listing_is_read_again_to_its_end(form: Form) -> None:
    with FaultServer(moving(lambda items: items.pop(0), count=230)) as server:
        found = ids(form.items(server.client().search_media(per_page=1)))
    # The second time, 228 pages have nothing new.
    assert found == [1, *range(3, 231), 2]


def test_items_that_appear_at_the_front_while_reading_double_no_other_item(form: Form) -> None:
    def add_in_front(items: list[dict[str, Any]]) -> None:
        items[:0] = [media_item(number) for number in range(100, 110)]

    with FaultServer(moving(add_in_front, count=60)) as server:
        assert ids(form.items(in_order(server).search_media(per_page=20))) == list(range(1, 61))
    assert pages_asked(server) == ["1", "2", "3", "4"]


def test_a_listing_that_grows_all_the_time_comes_to_an_end(form: Form) -> None:
    items, lock = library_of(1000), threading.Lock()

    def answer(request: Received) -> Answer:
        with lock:
            if len(server.requests) % 15 == 0:
                items.append(media_item(len(items) + 1))
            return page_answer(request, items)

    with FaultServer(answer) as server:
        found = ids(form.items(in_order(server).search_media(per_page=10)))
    assert found == list(range(1, len(found) + 1))
    assert len(found) > 1000
    assert len(server.requests) < 3 * len(set(pages_asked(server)))


def test_a_last_page_that_grows_while_reading_is_followed(form: Form) -> None:
    def add_behind(items: list[dict[str, Any]]) -> None:
        items += [media_item(number) for number in range(46, 106)]

    with FaultServer(moving(add_behind, count=45, after_page=2)) as server:
        assert ids(form.items(in_order(server).search_media(per_page=20))) == list(range(1, 106))


def test_a_last_page_that_shrinks_while_reading_is_followed(form: Form) -> None:
    def remove_behind(items: list[dict[str, Any]]) -> None:
        del items[25:]

    with FaultServer(moving(remove_behind, count=100, after_page=1)) as server:
        found = ids(form.items(server.client().search_media(per_page=20)))
    assert found[:25] == list(range(1, 26))
    assert sorted(found) == sorted(set(found))


def test_an_item_repeated_on_the_next_page_comes_once(form: Form) -> None:
    items = library_of(20) + library_of(45)[19:]
    with FaultServer(paged(items)) as server:
        assert ids(form.items(server.client().search_media(per_page=20))) == list(range(1, 46))


def test_an_empty_page_in_the_middle_does_not_end_the_listing(form: Form) -> None:
    items = library_of(60)

    def answer(request: Received) -> Answer:
        page = int(request.parameters["page"])
        content = [] if page == 2 else items[(page - 1) * 20 : page * 20]
        return json_answer({"media": content, "meta": {"current_page": page, "last_page": 3, "total_count": 40}})

    with FaultServer(answer) as server:
        assert ids(form.items(server.client().search_media(per_page=20))) == [*range(1, 21), *range(41, 61)]


def falling(items_of: Callable[[int], list[dict[str, Any]]]) -> Handler:
    """Two pages, whose total is less with every request, and whose items depend on how many there were."""
    requests = itertools.count(1)

    def answer(request: Received) -> Answer:
        number = next(requests)
        meta = {"current_page": int(request.parameters["page"]), "last_page": 2, "total_count": 1000 - number}
        return json_answer({"media": items_of(number), "meta": meta})

    return answer


def test_a_listing_that_shrinks_and_brings_new_items_all_the_time_is_given_up_after_ten_sweeps(form: Form) -> None:
    with (
        FaultServer(falling(lambda number: [media_item(number)])) as server,
        pytest.raises(ListingChangedError, match="during each of 10 readings"),
    ):
        form.items(server.client().search_media())
    # From the third reading on, pages are read again where the count fell.
    assert pages_asked(server)[:4] == ["1", "2"] * 2
    assert pages_asked(server).count("1") >= 10


def test_a_listing_that_shrinks_in_every_reading_is_an_error_also_if_it_brings_nothing_new(form: Form) -> None:
    with (
        FaultServer(falling(lambda number: [media_item(1 + number % 2)])) as server,
        pytest.raises(ListingChangedError, match="during each of 10 readings"),
    ):
        form.items(server.client().search_media())


def test_the_same_listing_can_be_read_twice(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20)
        assert ids(form.items(listing)) == ids(form.items(listing)) == list(range(1, 46))


def test_two_readers_of_one_listing_do_not_disturb_each_other() -> None:
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20)
        pairs = [(one.id, other.id) for one, other in zip(listing, listing, strict=True)]
    assert pairs == [(number, number) for number in range(1, 46)]


def test_two_threads_can_read_one_listing_at_once() -> None:
    with FaultServer(paged(library_of(345))) as server, ThreadPoolExecutor(2) as threads:
        listing = server.client().search_media(per_page=20)
        readings = [threads.submit(listing.collect) for _ in range(2)]
        assert [ids(reading.result()) for reading in readings] == [list(range(1, 346))] * 2


def test_two_event_loops_can_read_one_listing_at_once() -> None:
    with FaultServer(paged(library_of(345))) as server, ThreadPoolExecutor(2) as threads:
        listing = server.client().search_media(per_page=20)

        async def read() -> list[int]:
            return [media.id async for media in listing]

        readings = [threads.submit(lambda: asyncio.run(read())) for _ in range(2)]
        assert [reading.result() for reading in readings] == [list(range(1, 346))] * 2


def test_both_forms_can_read_one_listing() -> None:
    async def read() -> tuple[list[int], list[int]]:
        return [media.id for media in listing], [media.id async for media in listing]

    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20)
        assert asyncio.run(read()) == (list(range(1, 46)), list(range(1, 46)))


def test_a_failing_page_raises_and_the_listing_can_be_read_again(form: Form) -> None:
    items, failed = library_of(60), threading.Event()

    def answer(request: Received) -> Answer:
        if request.parameters["page"] == "2" and not failed.is_set():
            failed.set()
            return FAILURE
        return page_answer(request, items)

    with FaultServer(answer) as server:
        listing = server.client(max_retries=0).search_media(per_page=20)
        with pytest.raises(InternalServerError):
            form.items(listing)
        assert ids(form.items(listing)) == list(range(1, 61))


def test_what_came_before_a_failing_page_is_given_first() -> None:
    def answer(request: Received) -> Answer:
        return FAILURE if request.parameters["page"] == "2" else page_answer(request, library_of(60))

    with FaultServer(answer) as server:
        reader = iter(server.client(max_retries=0).search_media(per_page=20))
        assert [next(reader).id for _ in range(20)] == list(range(1, 21))
        with pytest.raises(InternalServerError):
            next(reader)


def test_paginate_gives_the_dicts_as_they_were_sent(form: Form) -> None:
    things = [{"id": number, "nested": {"deep": [number]}, "null": None} for number in range(1, 46)]
    with FaultServer(paged(things, "things")) as server:
        listing = server.client().paginate("/things", key="things", params={"kind": "new"}, per_page=20)
        assert form.items(listing) == things
    assert all(request.path == "/api/public/v1/things" for request in server.requests)
    assert all(request.parameters["kind"] == "new" for request in server.requests)


def test_paginate_tells_dicts_of_different_types_apart(form: Form) -> None:
    things = [{"id": number, "type": kind} for kind in ("user", "group") for number in (1, 2, 3)]
    with FaultServer(paged(things, "things")) as server:
        assert form.items(server.client().paginate("/things", key="things", per_page=2)) == things


def test_paginate_keeps_every_dict_without_an_id(form: Form) -> None:
    things = [{"name": "same"}] * 5
    with FaultServer(paged(things, "things")) as server:
        assert form.items(server.client().paginate("/things", key="things", per_page=2)) == things


def test_paginate_names_a_missing_key(form: Form) -> None:
    with FaultServer(json_answer({"items": []})) as server, pytest.raises(ResponseDecodeError, match="things"):
        form.items(server.client().paginate("/things", key="things"))


@pytest.mark.parametrize("wrong", [2.5, "3", None])
def test_a_limit_of_the_wrong_type_is_refused_at_once(wrong: Any) -> None:
    with FaultServer(paged(library_of(5))) as server, pytest.raises(TypeError):
        server.client().search_media().limit(wrong)
    assert server.requests == []


def write_csv(form: Form, studio: StudioClient, path: Path, **options: str) -> list[dict[str, str]]:
    assert form.call(studio.search_media(), "to_csv", path, **options) == path
    return read_csv(path, options.get("encoding", "utf-8"))


def test_csv_keeps_unicode_commas_quotes_newlines_and_nulls(form: Form, tmp_path: Path) -> None:
    title = 'Übung, "Teil" 1;\nzweite\r\nZeile 🎬'
    with FaultServer(paged([media_item(1, title=title, description=None)])) as server:
        rows = write_csv(form, server.client(), tmp_path / "media.csv")
    assert [(row["id"], row["title"], row["description"]) for row in rows] == [("1", title, "")]


def test_csv_gives_the_owner_columns_of_its_own(form: Form, tmp_path: Path) -> None:
    owners = [person(7, full_name="Ada, Countess"), None]
    with FaultServer(paged([media_item(1, owner=owners[0]), media_item(2, owner=None)])) as server:
        rows = write_csv(form, server.client(), tmp_path / "media.csv")
    assert [row["owner_id"] for row in rows] == ["7", ""]
    assert [row["owner_full_name"] for row in rows] == ["Ada, Countess", ""]
    assert rows[0]["owner_email"] == "person7@example.edu"


def test_csv_puts_unknown_fields_in_its_last_column(form: Form, tmp_path: Path) -> None:
    items = [media_item(1, views=3, tags=["ä", None]), media_item(2)]
    with FaultServer(paged(items)) as server:
        rows = write_csv(form, server.client(), tmp_path / "media.csv")
    assert list(rows[0])[-1] == "extra"
    assert json.loads(rows[0]["extra"]) == {"views": 3, "tags": ["ä", None]}
    assert rows[1]["extra"] in {"", "{}"}


def test_csv_has_a_row_for_every_item(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged(library_of(345))) as server:
        rows = write_csv(form, server.client(), tmp_path / "media.csv")
    assert [row["id"] for row in rows] == [str(number) for number in range(1, 346)]


def test_csv_of_an_empty_listing_still_has_its_header(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged([])) as server:
        assert write_csv(form, server.client(), tmp_path / "media.csv") == []
    header = (tmp_path / "media.csv").read_text(encoding="utf-8").strip().split(",")
    assert header[:3] == ["id", "title", "description"]
    assert header[-1] == "extra"


def test_csv_is_written_in_the_encoding_that_was_asked_for(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged([media_item(1, title="Übung")])) as server:
        rows = write_csv(form, server.client(), tmp_path / "media.csv", encoding="utf-16")
    assert rows[0]["title"] == "Übung"


def test_csv_takes_the_path_as_text(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged(library_of(2))) as server:
        written = form.call(server.client().search_media(), "to_csv", str(tmp_path / "media.csv"))
    assert written == tmp_path / "media.csv"
    assert len(read_csv(tmp_path / "media.csv")) == 2


def test_csv_of_dicts_has_their_values(form: Form, tmp_path: Path) -> None:
    things = [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]
    with FaultServer(paged(things, "things")) as server:
        form.call(server.client().paginate("/things", key="things"), "to_csv", tmp_path / "things.csv")
    text = (tmp_path / "things.csv").read_text(encoding="utf-8")
    assert "one" in text
    assert "two" in text


def test_an_interrupted_csv_leaves_no_half_file(form: Form, tmp_path: Path) -> None:
    def answer(request: Received) -> Answer:
        return FAILURE if request.parameters["page"] == "2" else page_answer(request, library_of(100))

    with FaultServer(answer) as server, pytest.raises(InternalServerError):
        form.call(server.client(max_retries=0).search_media(), "to_csv", tmp_path / "media.csv")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_csv_leaves_the_existing_file_as_it_was(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "media.csv"
    path.write_text("last week's", encoding="utf-8")
    with FaultServer(FAILURE) as server, pytest.raises(InternalServerError):
        form.call(server.client(max_retries=0).search_media(), "to_csv", path)
    assert path.read_text(encoding="utf-8") == "last week's"
    assert list(tmp_path.iterdir()) == [path]


def test_csv_replaces_an_existing_file(form: Form, tmp_path: Path) -> None:
    (tmp_path / "media.csv").write_text("last week's", encoding="utf-8")
    with FaultServer(paged(library_of(2))) as server:
        assert len(write_csv(form, server.client(), tmp_path / "media.csv")) == 2


def test_csv_in_an_unknown_encoding_is_an_error_and_no_file(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged(library_of(2))) as server, pytest.raises((StudioError, LookupError)):
        form.call(server.client().search_media(), "to_csv", tmp_path / "media.csv", encoding="klingon")
    assert list(tmp_path.iterdir()) == []


def test_csv_that_the_encoding_cannot_hold_is_an_error_and_no_file(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged([media_item(1, title="🎬")])) as server, pytest.raises((StudioError, UnicodeError)):
        form.call(server.client().search_media(), "to_csv", tmp_path / "media.csv", encoding="latin-1")
    assert list(tmp_path.iterdir()) == []


def test_csv_onto_a_folder_is_refused_before_anything_is_sent(form: Form, tmp_path: Path) -> None:
    with FaultServer(paged(library_of(2))) as server, pytest.raises(InvalidArgumentError, match=r"\bpath\b"):
        form.call(server.client().search_media(), "to_csv", tmp_path)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_csv_onto_what_is_no_file_is_refused_before_anything_is_sent(form: Form, no_file: Path) -> None:
    kind = stat.S_IFMT(no_file.stat().st_mode)
    with FaultServer(paged(library_of(2))) as server, pytest.raises(InvalidArgumentError, match=r"\bpath\b"):
        form.call(server.client().search_media(), "to_csv", no_file)
    assert server.requests == []
    assert stat.S_IFMT(no_file.stat().st_mode) == kind


def test_csv_of_one_path_from_two_threads_at_once_is_whole(form: Form, tmp_path: Path) -> None:
    path, both = tmp_path / "media.csv", threading.Barrier(2)

    def write(listing: Listing[Media]) -> Path:
        both.wait()
        written: Path = form.call(listing, "to_csv", path)
        return written

    with FaultServer(paged(library_of(200))) as server, ThreadPoolExecutor(2) as threads:
        listings = [server.client().search_media(per_page=size) for size in (10, 11)]
        assert list(threads.map(write, listings)) == [path, path]
    assert [row["id"] for row in read_csv(path)] == [str(number) for number in range(1, 201)]
    assert list(tmp_path.iterdir()) == [path]
