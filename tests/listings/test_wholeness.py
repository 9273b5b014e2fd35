"""Items that exist during the whole read are returned exactly once, whatever is added or deleted meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from canvas_studio import (
    Checkpoint,
    Drift,
    InternalServerError,
    InvalidArgumentError,
    ListingChangedError,
    StudioClient,
)
from canvas_studio.sandbox import Sandbox
from support.fault_server import (
    TOKEN,
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
    from pathlib import Path

    from canvas_studio import Listing, Media
    from support.forms import Form

SEEDS = range(20)


def ids(items: list[Media]) -> list[int]:
    return [item.id for item in items]


class ChangingLibrary:
    """A library of media in which a tenth vanishes and a tenth appears, anywhere, while it is first read.

    Attributes:
        items: What is there.
        stayed: The ids that are there from the start to the end.
    """

    def __init__(self, seed: int, count: int = 600, per_page: int = 20) -> None:
        chance = random.Random(seed)
        self.items = library_of(count)
        vanishing = chance.sample(range(1, count + 1), count // 10)
        self.stayed = set(range(1, count + 1)) - set(vanishing)
        changes = [("vanish", number) for number in vanishing]
        changes += [("appear", number) for number in range(count + 1, count + 1 + count // 10)]
        chance.shuffle(changes)
        self._changes = changes
        self._chance = chance
        # So that they are spread over the first reading, but for its last pages.
        self._most = 3 * len(changes) // (count // per_page)
        self._lock = threading.Lock()

    def __call__(self, request: Received) -> Answer:
        """Answer with the page as it is, and change the library afterwards."""
        with self._lock:
            page = page_answer(request, self.items)
            for _ in range(self._chance.randint(0, self._most)):
                if self._changes:
                    self._change(*self._changes.pop())
            return page

    def _change(self, kind: str, number: int) -> None:
        if kind == "vanish":
            self.items[:] = [item for item in self.items if item["id"] != number]
        else:
            self.items.insert(self._chance.randint(0, len(self.items)), media_item(number))


@pytest.mark.parametrize("max_concurrency", [1, 16])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_stayed_is_neither_missing_nor_double(form: Form, seed: int, max_concurrency: int) -> None:
    library = ChangingLibrary(seed)
    with FaultServer(library) as server:
        listing = server.client(max_concurrency=max_concurrency).search_media(per_page=20)
        found = ids(form.items(listing))
    assert library.stayed - set(found) == set()
    assert len(found) == len(set(found))
    # What appeared and is still there is also given.
    assert {item["id"] for item in library.items} - set(found) == set()
    drift = listing.drift
    assert drift is not None
    assert drift.readings >= 2


@pytest.mark.parametrize("seed", SEEDS[:5])
@pytest.mark.parametrize("method", ["collect", "to_dicts", "to_arrow", "pages"])
def test_what_stayed_is_neither_missing_nor_double_however_it_is_read(form: Form, seed: int, method: str) -> None:
    library = ChangingLibrary(seed)
    with FaultServer(library) as server:
        listing = server.client().search_media(per_page=20)
        if method == "pages":
            found = [media.id for page in form.pages(listing) for media in page]
        else:
            result = form.call(listing, method)
            rows: list[Any] = result.to_pylist() if method == "to_arrow" else result
            found = [media.id if method == "collect" else media["id"] for media in rows]
    assert library.stayed - set(found) == set()
    assert len(found) == len(set(found))


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_a_sandbox_that_changes_while_it_is_read_is_given_whole(form: Form, seed: int) -> None:
    with Sandbox(media=600, seed=seed) as box, box.client() as studio:
        before = set(ids(studio.search_media().collect()))
        box.faults.add(path="/v1/media/search", probability=0.8, seed=seed, times=20, vanish=3, appear=2)
        found = ids(form.items(studio.search_media(per_page=20)))
        box.faults.clear()
        after = set(ids(studio.search_media().collect()))
    assert (before & after) - set(found) == set()
    assert len(found) == len(set(found))
    assert len(before & after) < len(before)


class ShrinkingLibrary:
    """A library from which media vanish before each request, so that its count falls in every reading.

    Attributes:
        items: What is there.
    """

    def __init__(
        self, place: Literal["front", "anywhere"], vanish: int, *, seed: int = 0, count: int = 1500, appear: float = 0
    ) -> None:
        self.items = library_of(count)
        self._chance = random.Random(seed)
        self._place, self._vanish, self._appear = place, vanish, appear
        self._lock = threading.Lock()
        self._new = itertools.count(count + 1)

    def __call__(self, request: Received) -> Answer:
        """Change the library, and answer with the page as it is."""
        with self._lock:
            if self._chance.random() < self._appear:
                self.items.insert(self._chance.randint(0, len(self.items)), media_item(next(self._new)))
            else:
                for _ in range(min(self._vanish, len(self.items))):
                    self.items.pop(0 if self._place == "front" else self._chance.randrange(len(self.items)))
            return page_answer(request, self.items)


@pytest.mark.parametrize("max_concurrency", [1, 16])
@pytest.mark.parametrize(
    ("place", "vanish", "appear"),
    [("front", 1, 0), ("front", 3, 0), ("front", 7, 0), ("anywhere", 3, 0), ("anywhere", 7, 0), ("anywhere", 3, 0.1)],
)
@pytest.mark.parametrize("seed", SEEDS[:5])
def test_of_a_library_that_shrinks_all_the_time_nothing_is_missing(
    form: Form, seed: int, place: Literal["front", "anywhere"], vanish: int, appear: float, max_concurrency: int
) -> None:
    library = ShrinkingLibrary(place, vanish, seed=seed, appear=appear)
    with FaultServer(library) as server:
        listing = server.client(max_concurrency=max_concurrency).search_media()
        found = ids(form.items(listing))
    assert {item["id"] for item in library.items if item["id"] <= 1500} - set(found) == set()
    assert len(found) == len(set(found))
    assert listing.drift is not None
    assert listing.drift.readings <= 3


@pytest.mark.parametrize("max_concurrency", [1, 16])
def test_of_a_library_that_loses_half_a_page_at_a_time_nothing_is_missing(form: Form, max_concurrency: int) -> None:
    """More moves back in two requests than a page holds, so it is read until it hardly shrinks any more."""
    library = ShrinkingLibrary("front", 25, count=6000)
    with FaultServer(library) as server:
        found = ids(form.items(server.client(max_concurrency=max_concurrency).search_media()))
    assert {item["id"] for item in library.items} - set(found) == set()
    assert len(found) == len(set(found))


def test_a_reading_that_goes_back_asks_for_the_page_before_where_the_count_fell(form: Form) -> None:
    library = ShrinkingLibrary("front", 1, count=200)
    with FaultServer(library) as server:
        form.items(server.client(max_concurrency=1).search_media())
    pages = [request.parameters["page"] for request in server.requests]
    assert pages == ["1", "2", "3", "4", "1", "2", "3", "4", "1", "2", "1", "3", "2", "4", "3"]


def test_more_that_vanish_at_once_than_a_page_holds_are_an_error_and_not_silence(form: Form) -> None:
    library = ShrinkingLibrary("front", 11, count=200)

    def answer(request: Received) -> Answer:
        if request.parameters["page"] == "1" and library.items:
            last = library.items[-1]["id"]
            library.items += map(media_item, range(last + 1, last + 201 - len(library.items)))
        return library(request)

    with FaultServer(answer) as server:
        listing = server.client().search_media(per_page=10)
        with pytest.raises(ListingChangedError, match="during each of 10 readings"):
            form.items(listing)


@pytest.mark.parametrize("fails", range(60, 101, 5))
def test_a_reading_that_goes_back_can_be_continued_elsewhere(form: Form, fails: int) -> None:
    library = ShrinkingLibrary("anywhere", 3)
    number = itertools.count(1)

    def answer(request: Received) -> Answer:
        page = library(request)
        return json_answer({"error": "Down."}, 500) if next(number) == fails else page

    with FaultServer(answer) as server:
        studio = server.client(max_retries=0, max_concurrency=1)
        listing = studio.search_media()
        found: list[int] = []
        with pytest.raises(InternalServerError):
            read_some(form, listing, -1, found)
        rest = studio.resume(Checkpoint.from_json(listing.checkpoint().to_json()))
        found += ids(form.items(rest))
    assert {item["id"] for item in library.items} - set(found) == set()
    assert len(found) == len(set(found))


class SwappingLibrary(ChangingLibrary):
    """One in which a media vanishes whenever others appear, so that the count does not fall."""

    def __init__(self, seed: int, appear: Literal["front", "back", "anywhere"], number: int) -> None:
        super().__init__(seed)
        self._changes = [("vanish", number) for kind, number in self._changes if kind == "vanish"]
        self._most //= 2
        self._place = appear
        self._number = number

    def _change(self, kind: str, number: int) -> None:
        super()._change(kind, number)
        for _ in range(self._number):
            places = {"front": 0, "back": len(self.items), "anywhere": self._chance.randint(0, len(self.items))}
            self.items.insert(places[self._place], media_item(10_000 + next(self._ids)))

    _ids = itertools.count()


@pytest.mark.parametrize("max_concurrency", [1, 16])
@pytest.mark.parametrize(("appear", "number"), [("front", 1), ("front", 2), ("back", 2), ("anywhere", 2)])
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_what_stayed_is_not_missing_where_others_hide_that_some_vanished(
    form: Form, seed: int, appear: Literal["front", "back", "anywhere"], number: int, max_concurrency: int
) -> None:
    library = SwappingLibrary(seed, appear, number)
    with FaultServer(library) as server:
        found = ids(form.items(server.client(max_concurrency=max_concurrency).search_media(per_page=20)))
    assert library.stayed - set(found) == set()
    assert len(found) == len(set(found))


def swapping(count: int, after_page: int) -> tuple[Handler, list[dict[str, Any]]]:
    """A library in which one of page one vanishes and another appears at the end, at once: the count stays the same."""
    items, lock, has_changed = library_of(count), threading.Lock(), threading.Event()

    def answer(request: Received) -> Answer:
        with lock:
            page = page_answer(request, items)
            if not has_changed.is_set() and request.parameters["page"] == str(after_page):
                has_changed.set()
                del items[0]
                items.append(media_item(1000))
            return page

    return answer, items


def test_consistent_finds_what_hides_behind_a_count_that_stays_the_same(form: Form) -> None:
    for consistent in (False, True):
        answer, items = swapping(60, after_page=1)
        with FaultServer(answer) as server:
            listing = server.client().search_media(per_page=20).with_options(consistent=consistent)
            found = set(ids(form.items(listing)))
        assert ({item["id"] for item in items} <= found) is consistent


def test_consistent_reads_until_two_readings_agree(form: Form) -> None:
    answer, _ = swapping(60, after_page=1)
    with FaultServer(answer) as server:
        listing = server.client(max_concurrency=1).search_media(per_page=20).with_options(consistent=True)
        found = ids(form.items(listing))
        assert listing.drift == Drift(readings=3, appeared=1, vanished=1, first_total=60, last_total=60)
    assert sorted(found) == [*range(1, 61), 1000]
    assert [request.parameters["page"] for request in server.requests] == ["1", "2", "3"] * 3


def test_consistent_reads_a_quiet_library_twice(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20).with_options(consistent=True)
        assert ids(form.items(listing)) == list(range(1, 46))
        assert listing.drift == Drift(readings=2, appeared=0, vanished=0, first_total=45, last_total=45)
    assert len(server.requests) == 6


def test_consistent_reads_items_without_an_id_twice_and_gives_them_once(form: Form) -> None:
    things = [{"name": f"thing {number}"} for number in range(45)]
    with FaultServer(paged(things, "things")) as server:
        listing = server.client().paginate("/things", key="things", per_page=20).with_options(consistent=True)
        assert form.items(listing) == things
    assert len(server.requests) == 6


def test_consistent_stays_where_another_listing_is_made_of_it(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20).with_options(consistent=True)
        for made, readings in (
            (listing.limit(100), 2),
            (listing.with_options(thumbnails=True), 2),
            (listing.split(1)[0], 2),
            (listing.with_options(consistent=False), 1),
        ):
            form.items(made)
            drift = made.drift
            assert drift is not None
            assert drift.readings == readings


def test_consistent_gives_up_after_ten_readings_of_which_no_two_agree(form: Form) -> None:
    numbers = itertools.count(1)
    with FaultServer(lambda _: json_answer({"media": [media_item(next(numbers))], "meta": {"last_page": 1}})) as server:
        listing = server.client().search_media().with_options(consistent=True)
        with pytest.raises(ListingChangedError):
            form.items(listing)
    assert len(server.requests) == 10


def test_consistent_ends_at_the_limit(form: Form) -> None:
    with FaultServer(paged(library_of(345))) as server:
        listing = server.client().search_media(per_page=20).limit(30).with_options(consistent=True)
        assert ids(form.items(listing)) == list(range(1, 31))


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_consistent_gives_what_stayed_of_a_library_that_changes(form: Form, seed: int) -> None:
    library = ChangingLibrary(seed)
    with FaultServer(library) as server:
        found = ids(form.items(server.client().search_media(per_page=20).with_options(consistent=True)))
    assert library.stayed - set(found) == set()
    assert len(found) == len(set(found))


def test_there_is_no_drift_before_anything_was_read() -> None:
    with FaultServer(paged(library_of(45))) as server:
        assert server.client().search_media().drift is None


def test_the_drift_of_a_quiet_library_is_one_reading(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20)
        form.items(listing)
        assert listing.drift == Drift(readings=1, appeared=0, vanished=0, first_total=45, last_total=45)


def test_drift_tells_what_vanished_and_what_a_repeated_reading_brought(form: Form) -> None:
    items, lock = library_of(60), threading.Lock()

    def answer(request: Received) -> Answer:
        with lock:
            page = page_answer(request, items)
            if len(items) == 60:
                del items[:15]
            return page

    with FaultServer(answer) as server:
        listing = server.client(max_concurrency=1).search_media(per_page=20)
        assert sorted(ids(form.items(listing))) == list(range(1, 61))
        # Page one held 1 to 20, of which 1 to 15 vanished. 21 to 35 moved onto it.
        assert listing.drift == Drift(readings=2, appeared=15, vanished=15, first_total=60, last_total=45)


def test_the_drift_of_a_list_that_is_not_counted_has_no_totals(form: Form) -> None:
    with FaultServer(paged(library_of(45), meta=False)) as server:
        listing = server.client().search_media(per_page=20)
        form.items(listing)
        assert listing.drift == Drift(readings=1, appeared=0, vanished=0, first_total=None, last_total=None)


def test_drift_is_that_of_the_reading_that_was_begun_last() -> None:
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20)
        form_of_one = iter(listing)
        next(form_of_one)
        other = iter(listing)
        next(other)
        list(form_of_one)
        assert listing.checkpoint().items == 1
        assert listing.limit(30).drift is None
        assert listing.with_options(consistent=True).drift is None


def read_some(form: Form, listing: Listing[Media], count: int, into: list[int] | None = None) -> list[int]:
    """The ids of so many items, read one by one and then left."""
    found = [] if into is None else into
    if form.name == "blocking":
        for media in listing:
            found.append(media.id)
            if len(found) == count:
                break
        return found

    async def read() -> None:
        async for media in listing:
            found.append(media.id)
            if len(found) == count:
                break

    asyncio.run(read())
    return found


@pytest.mark.parametrize("count", [1, 19, 20, 21, 40, 100, 344, 345])
def test_a_reading_goes_on_exactly_behind_the_last_item(form: Form, count: int) -> None:
    with FaultServer(paged(library_of(345))) as server:
        studio = server.client()
        listing = studio.search_media(per_page=20)
        found = read_some(form, listing, count)
        checkpoint = listing.checkpoint()
        assert checkpoint.items == count
        rest = studio.resume(checkpoint)
        assert found + ids(form.items(rest)) == list(range(1, 346))
        drift = rest.drift
        assert drift is not None
        assert drift.readings == 1


def test_who_leaves_ends_what_was_asked_for_ahead_and_can_go_on_all_the_same(form: Form) -> None:
    later = threading.Event()

    def answer(request: Received) -> Answer:
        page = page_answer(request, library_of(345))
        return page if int(request.parameters["page"]) <= 2 else replace(page, gate=later)

    with FaultServer(answer) as server:
        studio = server.client()
        listing = studio.search_media(per_page=20)
        assert read_some(form, listing, 25) == list(range(1, 26))
        assert server.wait_for_disconnect()
        later.set()
        assert ids(form.items(studio.resume(listing.checkpoint()))) == list(range(26, 346))


def test_a_checkpoint_can_be_taken_behind_every_item(form: Form) -> None:
    async def read(listing: Listing[Media]) -> None:
        async for _ in listing:
            checkpoints.append(listing.checkpoint())

    checkpoints: list[Checkpoint] = []
    with FaultServer(paged(library_of(45))) as server:
        studio = server.client()
        listing = studio.search_media(per_page=10)
        if form.name == "async":
            asyncio.run(read(listing))
        else:
            checkpoints += [listing.checkpoint() for _ in listing]
        assert [checkpoint.items for checkpoint in checkpoints] == list(range(1, 46))
        for checkpoint in checkpoints:
            assert ids(form.items(studio.resume(checkpoint))) == list(range(checkpoint.items + 1, 46))


def test_a_checkpoint_of_pages_is_behind_the_last_page(form: Form) -> None:
    async def read(listing: Listing[Media]) -> None:
        async for page in listing.pages():
            found.append(len(page))
            checkpoints.append(listing.checkpoint())

    found: list[int] = []
    checkpoints: list[Checkpoint] = []
    with FaultServer(paged(library_of(45))) as server:
        studio = server.client()
        listing = studio.search_media(per_page=10)
        if form.name == "async":
            asyncio.run(read(listing))
        else:
            for page in listing.pages():
                found.append(len(page))
                checkpoints.append(listing.checkpoint())
        assert [checkpoint.items for checkpoint in checkpoints] == [10, 20, 30, 40, 45]
        rest = [media.id for page in form.pages(studio.resume(checkpoints[2])) for media in page]
    assert found == [10, 10, 10, 10, 5]
    assert rest == list(range(31, 46))


def test_a_reading_can_go_on_from_a_reading_that_went_on(form: Form) -> None:
    found: list[int] = []
    with FaultServer(paged(library_of(45))) as server:
        studio = server.client()
        listing: Listing[Media] = studio.search_media(per_page=10)
        while part := read_some(form, listing, 7):
            found += part
            checkpoint = listing.checkpoint()
            assert checkpoint.items == len(found)
            listing = studio.resume(checkpoint)
    assert found == list(range(1, 46))


def test_a_checkpoint_before_anything_was_read_is_the_start(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        studio = server.client()
        checkpoint = studio.search_media(per_page=20).checkpoint()
        assert server.requests == []
        assert checkpoint.items == 0
        assert ids(form.items(studio.resume(checkpoint))) == list(range(1, 46))


def test_a_reading_that_has_ended_goes_on_with_nothing_and_without_a_request(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        studio = server.client()
        listing = studio.search_media(per_page=20)
        form.items(listing)
        checkpoint = listing.checkpoint()
        asked = len(server.requests)
        assert checkpoint.items == 45
        assert form.items(studio.resume(checkpoint)) == []
        assert len(server.requests) == asked


def test_a_reading_goes_on_after_an_error(form: Form) -> None:
    items, failed = library_of(100), threading.Event()

    def answer(request: Received) -> Answer:
        if request.parameters["page"] == "3" and not failed.is_set():
            failed.set()
            return json_answer({"error": "down"}, 500)
        return page_answer(request, items)

    with FaultServer(answer) as server:
        studio = server.client(max_retries=0)
        listing = studio.search_media(per_page=20)
        found: list[int] = []
        with pytest.raises(InternalServerError):
            read_some(form, listing, 100, found)
        checkpoint = listing.checkpoint()
        assert checkpoint.items == len(found)
        assert found + ids(form.items(studio.resume(checkpoint))) == list(range(1, 101))


def test_the_limit_goes_on(form: Form) -> None:
    with FaultServer(paged(library_of(345))) as server:
        studio = server.client()
        listing = studio.search_media(per_page=20).limit(50)
        assert len(read_some(form, listing, 33)) == 33
        rest = studio.resume(listing.checkpoint())
        assert ids(form.items(rest)) == list(range(34, 51))
        assert ids(form.items(rest.limit(5))) == list(range(34, 39))
        assert ids(form.items(rest.limit(1000))) == list(range(34, 51))


def test_that_two_readings_must_agree_goes_on(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        studio = server.client()
        listing = studio.search_media(per_page=20).with_options(consistent=True)
        found = read_some(form, listing, 30)
        rest = studio.resume(listing.checkpoint())
        assert found + ids(form.items(rest)) == list(range(1, 46))
        drift = rest.drift
        assert drift is not None
        assert drift.readings == 2


def test_a_list_of_dicts_goes_on(form: Form) -> None:
    things = [{"id": number} for number in range(1, 31)] + [{"name": "no id"}] * 15
    with FaultServer(paged(things, "things")) as server:
        studio = server.client()
        listing = studio.paginate("/things", key="things", params={"kind": "new"}, per_page=10)
        for count in (5, 10, 33, 41):
            found = list(itertools.islice(iter(listing), count))
            checkpoint = listing.checkpoint()
            assert checkpoint.items == count
            assert found + form.items(studio.resume(checkpoint)) == things
    assert {request.parameters["kind"] for request in server.requests} == {"new"}


@pytest.mark.parametrize(
    ("method", "key", "items"),
    [
        ("list_media_courses", "courses", [collection_item(number) for number in range(1, 6)]),
        ("list_media_perspectives", "perspectives", [{"uuid": letter, "title": letter} for letter in "abcde"]),
        ("list_media_sources", "sources", [{"url": f"https://files.example/{number}"} for number in range(5)]),
        ("list_media_users", "user_permissions", [person(number) for number in range(1, 6)]),
        ("list_collection_media", "media", library_of(5)),
    ],
)
def test_every_list_goes_on(form: Form, method: str, key: str, items: list[Any]) -> None:
    with FaultServer(json_answer({key: items, "meta": {"last_page": 1}})) as server:
        studio = server.client()
        listing: Listing[Any] = getattr(studio, method)(1)
        whole = form.items(listing)
        found = list(itertools.islice(iter(listing), 2))
        assert found + form.items(studio.resume(listing.checkpoint())) == whole
        assert len(whole) == 5


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_what_stayed_is_neither_missing_nor_double_in_a_reading_that_goes_on(form: Form, seed: int) -> None:
    library = ChangingLibrary(seed)
    chance = random.Random(seed)
    found: list[int] = []
    with FaultServer(library) as server:
        studio = server.client()
        listing: Listing[Media] = studio.search_media(per_page=20)
        while part := read_some(form, listing, chance.randint(1, 150)):
            found += part
            checkpoint = Checkpoint.from_json(listing.checkpoint().to_json())
            assert checkpoint.items == len(found)
            listing = studio.resume(checkpoint)
    assert library.stayed - set(found) == set()
    assert len(found) == len(set(found))


def test_what_changes_while_nobody_reads_is_noticed_when_it_goes_on(form: Form) -> None:
    items = library_of(100)
    with FaultServer(lambda request: page_answer(request, items)) as server:
        studio = server.client()
        listing = studio.search_media(per_page=20)
        found = read_some(form, listing, 45)
        del items[:20]
        rest = studio.resume(listing.checkpoint())
        found += ids(form.items(rest))
        drift = rest.drift
    assert sorted(found) == list(range(1, 101))
    assert drift is not None
    assert drift.readings == 2


def test_a_checkpoint_is_text_and_a_pickle_and_equal(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(title="algebra", per_page=20)
        read_some(form, listing, 25)
        checkpoint = listing.checkpoint()
        later = listing.checkpoint()
        read_some(form, listing, 26)
        other = listing.checkpoint()
    text = checkpoint.to_json()
    assert json.loads(text)
    assert "\n" not in text
    for copy in (later, Checkpoint.from_json(text), pickle.loads(pickle.dumps(checkpoint))):  # noqa: S301
        assert copy == checkpoint
        assert copy.items == 25
        assert copy.to_json() == text
    assert checkpoint != other
    assert "25" in repr(checkpoint)


def test_a_checkpoint_holds_no_secret(form: Form) -> None:
    with FaultServer(paged(library_of(45))) as server:
        listing = server.client().search_media(per_page=20)
        read_some(form, listing, 25)
        checkpoint = listing.checkpoint()
    assert TOKEN not in checkpoint.to_json()
    assert TOKEN.encode() not in pickle.dumps(checkpoint)
    assert TOKEN not in repr(checkpoint)


def test_another_process_goes_on(form: Form, tmp_path: Path) -> None:
    script = """
        import sys
        from pathlib import Path
        from canvas_studio import Checkpoint, StudioClient

        studio = StudioClient(sys.argv[1], token=sys.argv[2])
        checkpoint = Checkpoint.from_json(Path(sys.argv[3]).read_text())
        print(*(media.id for media in studio.resume(checkpoint)))
    """
    file = tmp_path / "checkpoint.json"
    with FaultServer(paged(library_of(345))) as server:
        listing = server.client().search_media(per_page=20)
        found = read_some(form, listing, 123)
        file.write_text(listing.checkpoint().to_json())
        words = [sys.executable, "-c", textwrap.dedent(script), server.url, TOKEN, str(file)]
        ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert found + [int(number) for number in ended.stdout.split()] == list(range(1, 346))


def test_a_checkpoint_of_another_school_is_refused() -> None:
    with FaultServer(paged(library_of(45))) as one, FaultServer(paged(library_of(45))) as other:
        checkpoint = one.client().search_media().checkpoint()
        with pytest.raises(InvalidArgumentError, match="checkpoint"):
            other.client().resume(checkpoint)
        assert other.requests == []


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"version": 99}', "checkpoint"])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="checkpoint"):
        Checkpoint.from_json(text)


def test_a_checkpoint_cannot_lead_to_another_host() -> None:
    with FaultServer(paged(library_of(45))) as server:
        studio = server.client()
        fields = json.loads(studio.search_media().checkpoint().to_json())
        for path in ("//elsewhere.example/media", "https://elsewhere.example/media", "/../../oauth", "media"):
            with pytest.raises(InvalidArgumentError):
                studio.resume(Checkpoint.from_json(json.dumps(fields | {"path": path}))).collect()
        assert server.requests == []


def test_a_signal_that_takes_a_checkpoint_loses_no_item() -> None:
    found: list[int] = []
    taken: list[tuple[int, Checkpoint]] = []

    def answer(request: Received) -> Answer:
        if request.parameters["page"] != "1":
            os.kill(os.getpid(), signal.SIGUSR1)  # so that it is handled when the page is handed over, or about then
        return page_answer(request, library_of(400))

    def note(_number: int, _frame: object) -> None:
        taken.append((len(found), listing.checkpoint()))

    before = signal.signal(signal.SIGUSR1, note)
    try:
        with FaultServer(answer) as server:
            studio = server.client(max_concurrency=1)
            listing = studio.search_media(per_page=10)
            for media in listing:
                found.append(media.id)  # noqa: PERF401 - the signal looks at it meanwhile
            assert len(taken) > 5
            for count, checkpoint in taken:
                assert 0 <= checkpoint.items - count <= 1  # one may be on its way from the listing to the loop
    finally:
        signal.signal(signal.SIGUSR1, before)
    with FaultServer(paged(library_of(400))) as server:
        for _, checkpoint in taken[::5]:
            fields = json.loads(checkpoint.to_json())
            moved = Checkpoint.from_json(json.dumps(fields | {"school": server.url}))
            assert ids(server.client().resume(moved).collect()) == list(range(checkpoint.items + 1, 401))


def test_another_thread_can_take_checkpoints_meanwhile() -> None:
    done = threading.Event()
    taken: list[Checkpoint] = []

    def look() -> None:
        while not done.is_set():
            taken.append(listing.checkpoint())

    with FaultServer(paged(library_of(2000))) as server:
        studio = server.client()
        listing = studio.search_media(per_page=50)
        reader = iter(listing)
        next(reader)
        thread = threading.Thread(target=look)
        thread.start()
        assert len(list(reader)) == 1999
        done.set()
        thread.join()
        for checkpoint in taken[:: len(taken) // 10 + 1]:
            assert ids(studio.resume(checkpoint).collect()) == list(range(checkpoint.items + 1, 2001))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 17, 100])
def test_the_parts_of_a_listing_are_the_listing(form: Form, count: int) -> None:
    with FaultServer(paged(library_of(345))) as server:
        listing = server.client().search_media(per_page=20)
        parts = form.call(listing, "split", count)
        assert len(server.requests) == 1
        assert len(parts) == min(count, 18)
        found = [ids(form.items(part)) for part in parts]
        assert [number for part in found for number in part] == list(range(1, 346))
        assert max(map(len, found)) - min(map(len, found)) <= 39  # a page, and that the last one is not full
        assert [form.total(part) for part in parts] == [len(part) for part in found]


def test_the_parts_of_a_listing_keep_its_limit_and_its_first_page(form: Form) -> None:
    with FaultServer(paged(library_of(345))) as server:
        listing = server.client().search_media(page=3, per_page=20).limit(130)
        parts = form.call(listing, "split", 3)
        found = [number for part in parts for number in ids(form.items(part))]
    assert len(parts) == 3
    assert found == list(range(41, 171))


def test_a_list_without_pages_or_items_is_one_part(form: Form) -> None:
    with FaultServer(json_answer({"user_permissions": [person(1), person(2)]})) as server:
        [part] = form.call(server.client().list_media_users(1), "split", 4)
        assert server.requests == []
        assert len(form.items(part)) == 2
    with FaultServer(paged([])) as server:
        [part] = form.call(server.client().search_media(), "split", 4)
        assert form.items(part) == []
        [part] = form.call(server.client().search_media().limit(0), "split", 4)
        assert form.items(part) == []


def test_what_is_added_behind_the_last_part_is_read(form: Form) -> None:
    items = library_of(45)
    with FaultServer(lambda request: page_answer(request, items)) as server:
        parts = form.call(server.client().search_media(per_page=20), "split", 2)
        items += [media_item(number) for number in range(46, 106)]
        found = [number for part in parts for number in ids(form.items(part))]
    assert found == list(range(1, 106))


@pytest.mark.parametrize("wrong", [0, -1])
def test_no_parts_are_refused(form: Form, wrong: int) -> None:
    with FaultServer(paged(library_of(5))) as server:
        with pytest.raises(InvalidArgumentError, match="count"):
            form.call(server.client().search_media(), "split", wrong)
        with pytest.raises(TypeError):
            form.call(server.client().search_media(), "split", "two")
        assert server.requests == []


def test_the_parts_of_a_listing_are_read_in_other_processes(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
        import pickle, sys
        part = pickle.load(sys.stdin.buffer)
        print(*(media.id for media in part))
    """
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    found: list[int] = []
    with FaultServer(paged(library_of(145))) as server:
        for part in form.call(StudioClient(server.url, token=TOKEN).search_media(per_page=20), "split", 3):
            words = [sys.executable, "-c", textwrap.dedent(script)]
            ended = subprocess.run(words, input=pickle.dumps(part), capture_output=True, check=True)
            found += map(int, ended.stdout.split())
    assert found == list(range(1, 146))
