"""If Studio's pages contradict each other, a listing reads on or raises an error; no item is lost silently."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import ListingChangedError, NotFoundError, ResponseDecodeError
from support.fault_server import Answer, FaultServer, Handler, Received, json_answer, library_of, paged, person

if TYPE_CHECKING:
    from canvas_studio import Listing
    from support.forms import Form

COUNT = 100
WHOLE = list(range(1, COUNT + 1))


def ids(found: list[Any]) -> list[int]:
    return [item.id for item in found]


def given_before_error(form: Form, listing: Listing[Any], error: type[Exception]) -> tuple[list[int], str]:
    """The ids that came before the error, and what it says."""
    found: list[int] = []

    async def read() -> None:
        async for media in listing:
            found.append(media.id)  # noqa: PERF401 - it raises

    def read_blocking() -> None:
        for media in listing:
            found.append(media.id)  # noqa: PERF401 - it raises

    with pytest.raises(error) as caught:
        asyncio.run(read()) if form.name == "async" else read_blocking()
    return found, str(caught.value)


def odd(meta: dict[str, Any], *, gives: int = 20, up_to: int = COUNT, behind: Answer | None = None) -> Handler:
    """A library that gives so many items a page, whatever was asked for, with this `meta` on each page."""
    items = library_of(COUNT)[:up_to]

    def answer(request: Received) -> Answer:
        page = int(request.parameters.get("page", "1"))
        found = items[(page - 1) * gives : page * gives]
        return behind if behind and not found else json_answer({"media": found, "meta": meta})

    return answer


@pytest.mark.parametrize(
    "meta",
    [
        {"last_page": 2, "total_count": 100},
        {"last_page": 2},
        {"last_page": 1, "total_count": 100},
        {"last_page": 0, "total_count": 100},
        {"last_page": 0},
        {"last_page": -1, "total_count": 100},
        {"last_page": -1, "total_count": -1},
        {"last_page": 1, "total_count": 10},
        {"last_page": 1, "next_page": 2},
        {"last_page": 1, "total_count": 20, "next_page_url": "/media/search?page=2"},
    ],
    ids=str,
)
def test_a_last_page_that_is_contradicted_does_not_end_the_list(form: Form, meta: dict[str, Any]) -> None:
    with FaultServer(odd(meta)) as server:
        listing = server.client().search_media()
        assert ids(form.items(listing)) == WHOLE
        # One more tells that there are no more.
        assert len(server.requests) == 6
        assert ids(form.items(listing.limit(70))) == WHOLE[:70]
        assert ids(form.items(listing.with_options(consistent=True))) == WHOLE


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5])
def test_a_list_that_begins_later_does_not_end_at_a_last_page_that_is_contradicted(form: Form, first: int) -> None:
    for meta in ({"last_page": 2, "total_count": 100}, {"last_page": first - 1}):
        with FaultServer(odd(meta)) as server:
            assert ids(form.items(server.client().search_media(page=first))) == WHOLE[(first - 1) * 20 :]


def test_the_parts_of_a_list_whose_pages_are_shorter_than_asked_are_the_list(form: Form) -> None:
    with FaultServer(odd({"last_page": 2, "total_count": 100})) as server:
        parts = form.call(server.client().search_media(), "split", 2)
        assert [number for part in parts for number in ids(form.items(part))] == WHOLE


@pytest.mark.parametrize("limit", [1, 20, 21, 70, 99, 100, 1000])
def test_the_parts_of_a_list_whose_pages_are_shorter_than_asked_keep_its_limit(form: Form, limit: int) -> None:
    with FaultServer(odd({"last_page": 2, "total_count": 100})) as server:
        parts = form.call(server.client().search_media(per_page=50).limit(limit), "split", 2)
        assert [number for part in parts for number in ids(form.items(part))] == WHOLE[:limit]


@pytest.mark.parametrize("count", [1, 25, 39, 40, 41, 99])
def test_a_list_whose_signs_contradict_each_other_goes_on_from_a_checkpoint(form: Form, count: int) -> None:
    with FaultServer(odd({"last_page": 2, "total_count": 100})) as server:
        studio = server.client()
        listing = studio.search_media()
        found = ids(list(itertools.islice(iter(listing), count)))
        assert found + ids(form.items(studio.resume(listing.checkpoint()))) == WHOLE


@pytest.mark.parametrize(
    "behind",
    [None, *(json_answer({"error": "no such page"}, status) for status in (400, 404, 422))],
    ids=["empty", "400", "404", "422"],
)
def test_items_that_are_on_no_page_are_an_error_with_numbers_after_those_that_are(
    form: Form, behind: Answer | None
) -> None:
    with FaultServer(odd({"last_page": 2, "total_count": 100}, up_to=40, behind=behind)) as server:
        found, said = given_before_error(form, server.client().search_media(), ListingChangedError)
    assert found == WHOLE[:40]
    for expected in ("GET /media/search", "counts 100 items", "only 40", "that 2 is the last", "Read the list again"):
        assert expected in said


def test_a_page_that_is_refused_although_it_should_be_there_is_its_own_error(form: Form) -> None:
    refusal = json_answer({"error": "no such page"}, 404)
    with FaultServer(odd({"last_page": 5, "total_count": 100}, up_to=40, behind=refusal)) as server:
        found, _ = given_before_error(form, server.client().search_media(), NotFoundError)
    assert found == WHOLE[:40]


@pytest.mark.parametrize("meta", [{"total_count": 45}, {"total_count": 45, "last_page": None}, {}], ids=str)
def test_a_list_without_a_last_page_is_read_to_an_empty_page_or_one_that_there_is_not(
    form: Form, meta: dict[str, Any]
) -> None:
    refusal = json_answer({"error": "no such page"}, 404)
    with FaultServer(odd(meta, up_to=45), odd(meta, up_to=45, behind=refusal if meta else None)) as server:
        assert ids(form.items(server.client().search_media(per_page=20))) == WHOLE[:45]
    with FaultServer(odd({"total_count": 46}, up_to=45)) as server:
        _, said = given_before_error(form, server.client().search_media(per_page=20), ListingChangedError)
    assert "counts 46 items" in said


@pytest.mark.parametrize("total", [{"total_count": 100}, {}], ids=["total", "no total"])
def test_a_server_that_gives_the_first_page_again_and_again_is_an_error(form: Form, total: dict[str, Any]) -> None:
    meta = {"current_page": 1, "last_page": 2, **total}
    with FaultServer(json_answer({"media": library_of(50), "meta": meta})) as server:
        found, said = given_before_error(form, server.client().search_media(), ListingChangedError)
        assert found == WHOLE[:50]
        assert len(server.requests) < 10
    assert "only 50" in said or "only repeats" in said
    rows = json_answer({"rows": [{"id": number} for number in range(50)], "meta": meta})
    with FaultServer(rows) as server, pytest.raises(ListingChangedError):
        form.items(server.client().paginate("/rows", key="rows"))


def test_pages_that_overlap_are_read_until_there_are_as_many_different_items_as_there_should_be(form: Form) -> None:
    items = library_of(COUNT)

    def answer(request: Received) -> Answer:
        start = 40 * (int(request.parameters["page"]) - 1)
        return json_answer({"media": items[start : start + 50], "meta": {"last_page": 2, "total_count": 100}})

    with FaultServer(answer) as server:
        assert ids(form.items(server.client().search_media())) == WHOLE


def test_a_list_that_is_not_asked_for_by_page_is_read_on_if_it_counts_more(form: Form) -> None:
    people = [person(number) for number in range(1, 31)]

    def answer(request: Received) -> Answer:
        page = int(request.parameters.get("page", "1"))
        found = people[20 * (page - 1) : 20 * page]
        return json_answer({"user_permissions": found, "meta": {"total_count": 30}})

    with FaultServer(answer) as server:
        assert ids(form.items(server.client().list_media_users(1))) == list(range(1, 31))
    with FaultServer(json_answer({"user_permissions": people, "meta": {"total_count": 40}})) as server:
        _, said = given_before_error(form, server.client().list_media_users(1), ListingChangedError)
    assert "counts 40" in said


@pytest.mark.parametrize(
    ("count", "gives", "asked", "first"),
    [
        (0, 20, 20, 1),
        (1, 20, 20, 1),
        (20, 20, 20, 1),
        (45, 20, 20, 1),
        (45, 20, 20, 3),
        (100, 20, 50, 1),
        (90, 20, 50, 1),
    ],
)
@pytest.mark.parametrize("total", [True, False], ids=["total", "no total"])
def test_signs_that_agree_cost_no_request_more(
    form: Form,
    count: int,
    gives: int,
    asked: int,
    first: int,
    total: bool,  # noqa: FBT001
) -> None:
    pages = max(1, -(-count // gives))
    meta: dict[str, Any] = {"current_page": 1, "last_page": pages}
    if total:
        meta["total_count"] = count
    with FaultServer(odd(meta, gives=gives, up_to=count)) as server:
        listing = server.client().search_media(page=first, per_page=asked)
        assert ids(form.items(listing)) == WHOLE[(first - 1) * gives : count]
    # Without a count, short pages may also be those of a server that names the wrong last page.
    extra = 0 if total or gives == asked else 1
    assert len(server.requests) == pages - first + 1 + extra


def test_who_asks_again_after_such_an_error_asks_for_what_was_missing(form: Form) -> None:
    meta = {"last_page": 2, "total_count": 100}
    late = {"now": 40}

    def answer(request: Received) -> Answer:
        return odd(meta, up_to=late["now"])(request)

    async def read(listing: Listing[Any]) -> list[int]:
        items = aiter(listing)
        found = [(await anext(items)).id for _ in range(40)]
        for _ in range(2):
            with pytest.raises(ListingChangedError):
                await anext(items)
        late["now"] = 100
        return found + [media.id async for media in items]

    def read_blocking(listing: Listing[Any]) -> list[int]:
        items = iter(listing)
        found = [next(items).id for _ in range(40)]
        for _ in range(2):
            with pytest.raises(ListingChangedError):
                next(items)
        late["now"] = 100
        return found + ids(list(items))

    with FaultServer(answer) as server:
        listing = server.client().search_media()
        assert (asyncio.run(read(listing)) if form.name == "async" else read_blocking(listing)) == WHOLE


@pytest.mark.parametrize(
    ("meta", "page"),
    [
        ({"last_page": 100, "total_count": 1}, 1),
        ({"last_page": 1, "total_count": 0}, 1),
        ({"last_page": 100, "total_count": 10}, 1),
        ({"last_page": 2, "total_count": 100}, 2),
    ],
    ids=str,
)
def test_a_total_that_is_contradicted_is_counted_by_reading(form: Form, meta: dict[str, int], page: int) -> None:
    def answer(request: Received) -> Answer:
        return odd(meta, gives=min(20, int(request.parameters["per_page"])))(request)

    with FaultServer(answer) as server:
        listing = server.client().search_media(page=page)
        assert form.total(listing) == len(form.items(listing)) == COUNT - 20 * (page - 1)


def test_a_total_whose_signs_agree_is_one_request(form: Form) -> None:
    with FaultServer(paged(library_of(COUNT))) as server:
        studio = server.client()
        assert form.total(studio.search_media()) == 100
        assert form.total(studio.search_media(page=3, per_page=20)) == 60
        assert len(server.requests) == 2


@pytest.mark.parametrize("content", [{}, {"media": None}, {"media": []}], ids=["no list", "null", "empty"])
@pytest.mark.parametrize("page", [1, 2, 3])
def test_an_error_with_status_200_is_not_the_end_of_a_list(form: Form, content: dict[str, Any], page: int) -> None:
    whole = paged(library_of(45), meta=False)

    def answer(request: Received) -> Answer:
        return json_answer({"error": "busy", **content}) if request.parameters["page"] == str(page) else whole(request)

    with FaultServer(answer) as server:
        found, _ = given_before_error(form, server.client().search_media(per_page=20), ResponseDecodeError)
    assert found == WHOLE[: 20 * (page - 1)]


def test_a_list_that_changes_all_the_time_is_an_error_that_says_how_it_was_counted(form: Form) -> None:
    numbers = itertools.count(1)

    def answer(_: Received) -> Answer:
        number = next(numbers)
        found = library_of(number)[-1:]
        return json_answer({"media": found, "meta": {"last_page": 2, "total_count": 1000 - number}})

    with FaultServer(answer) as server:
        _, said = given_before_error(form, server.client().search_media(), ListingChangedError)
        asked = len(server.requests)
    at_last, received = f"{1000 - asked} at last", f"{asked} items received"
    for expected in ("10 readings", "999 items at first", at_last, received, "quieter hour"):
        assert expected in said


def test_a_list_without_an_end_is_an_error_that_says_where_it_was_given_up(form: Form) -> None:
    def answer(request: Received) -> Answer:
        return json_answer({"media": library_of(2), "meta": {"last_page": int(request.parameters["page"]) + 1}})

    with FaultServer(answer) as server:
        _, said = given_before_error(form, server.client().search_media(), ListingChangedError)
    for expected in ("no end", "100 pages in a row", "2 items received", "limit"):
        assert expected in said
