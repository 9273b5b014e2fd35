"""A list is fetched ahead of its reader: in order, no more than was allowed, and more slowly where it is too much."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import InvalidArgumentError, RateLimitError
from fault_server import Answer, FaultServer, Handler, Received, json_answer, library_of, page_answer, paged

if TYPE_CHECKING:
    from canvas_studio import StudioClient
    from conftest import Form

PAGES = 30


class Crowd:
    """Answers pages of one item after a while, and counts how many are being answered at once."""

    def __init__(self, count: int = PAGES, seconds: float = 0.02) -> None:
        self.items = library_of(count)
        self.seconds = seconds
        self.now = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self, request: Received) -> Answer:
        """Answer a request."""
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        # Those behind are ready first.
        time.sleep(self.seconds * (2 if int(request.parameters["page"]) % 4 == 0 else 1))
        with self._lock:
            self.now -= 1
        return page_answer(request, self.items)


def pages_asked(server: FaultServer) -> list[int]:
    return sorted(int(request.parameters["page"]) for request in server.requests)


def ids(found: list[Any]) -> list[int]:
    return [item.id for item in found]


@pytest.mark.parametrize("most", [1, 2, 7, 16, 64])
def test_no_more_pages_are_under_way_than_allowed_and_they_come_in_order(form: Form, most: int) -> None:
    crowd = Crowd()
    with FaultServer(crowd) as server:
        found = form.items(server.client(max_concurrency=most).search_media(per_page=1))
        assert pages_asked(server) == list(range(1, PAGES + 1))
    assert ids(found) == ids_of(crowd)
    assert crowd.most <= most
    if most > 1:
        assert crowd.most > 1


def ids_of(crowd: Crowd) -> list[int]:
    return [item["id"] for item in crowd.items]


def test_by_default_sixteen_pages_are_under_way(form: Form) -> None:
    crowd = Crowd(120, 0.05)
    with FaultServer(crowd) as server:
        form.items(server.client().search_media(per_page=1))
    assert 8 < crowd.most <= 16


def test_the_first_page_is_asked_for_alone(form: Form) -> None:
    crowd = Crowd()
    with FaultServer(crowd) as server:
        assert form.call(server.client().search_media(per_page=1), "first").id == crowd.items[0]["id"]
        assert pages_asked(server) == [1]


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_nothing_is_fetched_beyond_the_limit(form: Form, limit: int) -> None:
    with FaultServer(Crowd()) as server:
        found = form.items(server.client().search_media(per_page=2).limit(limit))
        assert len(found) == limit
        assert pages_asked(server) == list(range(1, -(-limit // 2) + 1))


def test_a_reader_who_leaves_gives_back_what_was_under_way() -> None:
    with FaultServer(Crowd(200, 0.3)) as server:
        for number, _ in enumerate(server.client(max_concurrency=4).search_media(per_page=1)):
            if number == 1:
                break
        # What was on its way may still arrive.
        time.sleep(0.5)
        asked = len(server.requests)
        assert asked <= 1 + 4 + 1
        time.sleep(0.5)
        assert len(server.requests) == asked


def test_an_error_of_a_page_behind_comes_after_the_items_in_front(form: Form) -> None:
    items = library_of(40)

    def answer(request: Received) -> Answer:
        if request.parameters["page"] == "5":
            return json_answer({"error": "down"}, 500)
        return page_answer(request, items)

    with FaultServer(answer) as server:
        listing = server.client(max_retries=0).search_media(per_page=4)
        given: list[int] = []
        with pytest.raises(Exception, match="500"):
            form.items(listing.with_options(progress=lambda done, _: given.append(done)))
    assert given[-1] == 16


class Bouncer:
    """Lets no more than so many requests in within a while, and sends the others away for that long."""

    def __init__(self, allowed: int, seconds: float, *, count: int = 60, named: bool = True) -> None:
        self.items = library_of(count)
        self.allowed, self.seconds, self.named = allowed, seconds, named
        self.since = 0.0
        self.let_in = 0
        self.refused = 0
        self._lock = threading.Lock()

    def __call__(self, request: Received) -> Answer:
        """Answer a request, or send it away."""
        with self._lock:
            now = time.monotonic()
            if now > self.since + self.seconds:
                self.since, self.let_in = now, 0
            self.let_in += 1
            if self.let_in > self.allowed:
                self.refused += 1
                headers = {"retry-after": str(self.seconds)} if self.named else {}
                return json_answer({"error": "slow down"}, 429, headers)
        return page_answer(request, self.items)


@pytest.mark.parametrize("named", [True, False], ids=["retry-after", "no word"])
def test_a_school_that_throttles_is_read_whole_and_more_slowly(form: Form, named: bool) -> None:  # noqa: FBT001
    bouncer = Bouncer(10, 0.4, named=named)
    with FaultServer(bouncer) as server:
        studio = server.client(retry_delay=0.2, max_retries=6)
        assert ids(form.items(studio.search_media(per_page=1))) == [item["id"] for item in bouncer.items]
    assert bouncer.refused > 0
    if named:
        # Sixteen pages at once all the time are refused sixty times.
        assert bouncer.refused < 40


def test_a_school_that_always_throttles_is_an_error(form: Form) -> None:
    with FaultServer(Bouncer(1, 60.0)) as server, pytest.raises(RateLimitError):
        form.items(server.client(max_retry_wait=1).search_media(per_page=1))


def test_no_more_requests_a_second_begin_than_max_rate_says(form: Form) -> None:
    with FaultServer(paged(library_of(12))) as server:
        studio: StudioClient = server.client(max_rate=40.0)
        began = time.monotonic()
        assert len(form.items(studio.search_media(per_page=1))) == 12
        # Eleven pauses of a fortieth of a second, however many pages may be under way.
        assert time.monotonic() - began >= 11 / 40


def test_clients_with_other_options_share_the_rate(form: Form) -> None:
    with FaultServer(paged(library_of(1))) as server:
        studio = server.client(max_rate=20.0)
        began = time.monotonic()
        for _ in range(3):
            form.items(studio.search_media())
            form.items(studio.with_options(timeout=10).search_media())
        assert time.monotonic() - began >= 5 / 20


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": 65}, "max_concurrency"),
        ({"max_rate": 0.0}, "max_rate"),
        ({"max_rate": -1}, "max_rate"),
        ({"max_rate": float("nan")}, "max_rate"),
    ],
)
def test_what_cannot_be_a_pace_is_refused_before_anything_is_sent(options: dict[str, Any], argument: str) -> None:
    with FaultServer(paged([])) as server:
        studio = server.client()
        for make in (server.client, studio.with_options):
            with pytest.raises(InvalidArgumentError) as caught:
                make(**options)
            assert caught.value.argument == argument
        assert server.requests == []


def test_two_readings_of_one_listing_fetch_by_themselves(form: Form) -> None:
    handler: Handler = paged(library_of(50))
    with FaultServer(handler) as server:
        listing = server.client().search_media(per_page=5)
        first, second = iter(listing), iter(listing)
        assert [next(first).id, next(second).id, next(first).id] == [1, 1, 2]
        assert [item.id for item in first][-1] == [item.id for item in second][-1] == 50
        assert len(form.items(listing)) == 50
