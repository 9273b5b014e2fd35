"""Prefetching: pages arrive in order, never more at once than allowed, and fewer when Studio throttles."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import ClientClosedError, InvalidArgumentError, RateLimitError
from support.fault_server import (
    HANG,
    Answer,
    FaultServer,
    Handler,
    Received,
    file_answer,
    json_answer,
    library_of,
    page_answer,
    paged,
    redirect,
)
from support.programs import linux_only, posix_only, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from canvas_studio import Listing, StudioClient
    from support.forms import Form

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


def test_who_only_looks_at_the_first_page_asks_for_no_other(form: Form) -> None:
    class EnoughSeen(Exception):  # noqa: N818 - it is no error
        pass

    def work(_: Any) -> None:
        raise EnoughSeen

    with FaultServer(Crowd()) as server:
        with pytest.raises(EnoughSeen):
            work_on_each(form, server.client().search_media(per_page=10), work)
        time.sleep(0.2)
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
        # The first page, those that came together with the second, and those behind them.
        assert asked <= 1 + 4 + 4
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


def test_one_page_at_a_time_is_asked_for_while_the_reader_works_on_the_one_before(form: Form) -> None:
    crowd = Crowd(seconds=0)
    with FaultServer(crowd) as server:
        listing = server.client(max_concurrency=1).search_media(per_page=1)
        found: list[int] = []

        def work(item: Any) -> None:
            found.append(item.id)
            # The first page has to say how many there are. Behind each of the others there is a request already.
            if 1 < len(found) < PAGES:
                assert server.wait_for_requests(len(found) + 1)

        work_on_each(form, listing, work)
    assert found == ids_of(crowd)
    assert crowd.most == 1
    assert pages_asked(server) == list(range(1, PAGES + 1))


def work_on_each(form: Form, listing: Listing[Any], work: Callable[[Any], None]) -> None:
    async def read() -> None:
        async for item in listing:
            work(item)

    if form.name == "async":
        asyncio.run(read())
        return
    for item in listing:
        work(item)


@pytest.mark.parametrize("most", [1, 2, 16])
def test_a_reader_may_be_away_for_longer_than_any_request_may_take(form: Form, most: int) -> None:
    crowd = Crowd(seconds=0)
    # So long that it takes several looks at the socket to read it.
    crowd.items = [item | {"description": "x" * 400_000} for item in crowd.items]
    with FaultServer(crowd) as server:
        studio = server.client(max_concurrency=most, timeout=1, read_timeout=0.8, max_retries=0)
        found: list[int] = []

        def work(item: Any) -> None:
            found.append(item.id)
            if item.id in {2, 10}:
                time.sleep(1.2)

        work_on_each(form, studio.search_media(per_page=1), work)
        # Once, what was under way may have been asked for again.
        assert len(server.requests) <= PAGES + most
    assert found == ids_of(crowd)


@pytest.mark.parametrize("most", [1, 2, 16])
def test_a_reader_who_is_away_for_longer_than_read_timeout_gets_no_error_and_no_page_twice(
    form: Form, most: int
) -> None:
    crowd = Crowd(seconds=0)
    # So long that it takes several looks at the socket to read it.
    crowd.items = [item | {"description": "x" * 400_000} for item in crowd.items]
    with FaultServer(crowd) as server:
        studio = server.client(max_concurrency=most, read_timeout=0.4, max_retries=0)
        found: list[int] = []

        def work(item: Any) -> None:
            found.append(item.id)
            if item.id in {2, 6, 10, 14}:
                time.sleep(0.9)

        work_on_each(form, studio.search_media(per_page=1), work)
        # What has not come is asked for again, once, where it comes while the reader is away.
        assert len(server.requests) <= PAGES + most
    assert found == ids_of(crowd)


def a_reading(studio: StudioClient) -> Any:
    """A reading of which each page can be asked for in either form."""
    return studio.search_media(per_page=1)._source.read(None, consistent=False)  # pyright: ignore[reportPrivateUsage]


async def test_a_reading_that_goes_on_elsewhere_keeps_what_has_come_and_closes_the_other_connections() -> None:
    items = library_of(12)
    lock = threading.Lock()
    is_asked_for = threading.Event()

    def answer(request: Received) -> Answer:
        if request.path.endswith("/media/1"):
            # Long enough that whatever is on its way has come.
            return json_answer({"media": items[0]}, delay=0.5)
        if request.parameters["page"] == "4":
            with lock:
                is_first = not is_asked_for.is_set()
                is_asked_for.set()
            if is_first:
                return HANG
        return page_answer(request, items)

    with FaultServer(answer) as server:
        studio = server.client(max_concurrency=6)
        reader = a_reading(studio)
        pages = reader.next_pages() + reader.next_pages()
        assert is_asked_for.wait(20)
        # It drives what is under way.
        studio.get_media(1)
        while (more := await reader.next_pages_async()) is not None:
            pages += more
        # No other call comes by to clear up.
        assert await asyncio.to_thread(server.wait_for_disconnect)
        asked = [int(request.parameters["page"]) for request in server.requests if "page" in request.parameters]
    assert [item.id for page in pages for item in page] == list(range(1, 13))
    assert sorted(asked) == sorted([*range(1, 13), 4])


def test_two_threads_that_go_on_with_one_reading_while_a_call_holds_its_runtime_both_come_to_the_end() -> None:
    items = library_of(60)

    def answer(request: Received) -> Answer:
        return HANG if request.path.endswith("/media/1") else page_answer(request, items)

    def hold() -> None:
        with pytest.raises(ClientClosedError):
            studio.get_media(1)

    def read() -> list[int]:
        found: list[int] = []
        while (pages := reader.next_pages()) is not None:
            found += [item.id for page in pages for item in page]
        return found

    with FaultServer(answer) as server, ThreadPoolExecutor(3) as pool:
        studio = server.client(max_concurrency=4)
        reader = a_reading(studio)
        begin = [item.id for page in reader.next_pages() + reader.next_pages() for item in page]
        holding = pool.submit(hold)
        wait_for_the_call(server)
        one, other = pool.submit(read), pool.submit(read)
        assert sorted(begin + one.result(20) + other.result(20)) == list(range(1, 61))
        studio.close()
        holding.result(20)


@linux_only
def test_a_quick_reader_has_no_thread_of_ours_and_a_slow_one_has_pages_fetched_while_he_is_away() -> None:
    program = """
        import time
        names = lambda: [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
        listing = iter(studio.search_media(per_page=1))
        assert [next(listing).id for _ in range(20)] == list(range(1, 21))
        assert "canvas-studio" not in names(), names()
        time.sleep(1.2)
        # What was under way comes first.
        assert [next(listing).id for _ in range(40)] == list(range(21, 61))
        assert "canvas-studio" in names(), names()
        print([media.id for media in listing] == list(range(61, 101)))
    """
    with FaultServer(paged(library_of(100))) as server:
        ended = run(program, server.url)
    assert (ended.stdout, ended.stderr) == ("True\n", "")


def wait_for_the_call(server: FaultServer) -> None:
    """Wait until `get_media(1)` has come, whatever else has."""
    while not any(request.path.endswith("/media/1") for request in server.requests):
        time.sleep(0.01)


@pytest.mark.parametrize("meanwhile", ["nothing else", "a call that does not end"])
def test_many_threads_that_read_at_once_each_get_everything_once(meanwhile: str) -> None:
    """Who has begun on the runtime that callers drive has to wait for it, but not until a call ends that has it."""
    items = library_of(200)

    def answer(request: Received) -> Answer:
        return HANG if request.path.endswith("/media/1") else page_answer(request, items)

    def hold() -> None:
        with pytest.raises(ClientClosedError):
            studio.get_media(1)

    with FaultServer(answer) as server:
        studio = server.client()
        listings = [iter(studio.search_media(per_page=5)) for _ in range(8)]
        begun = [[next(listing).id for _ in range(20)] for listing in listings]
        holding = threading.Thread(target=hold)
        if meanwhile != "nothing else":
            holding.start()
            wait_for_the_call(server)
        with ThreadPoolExecutor(len(listings)) as pool:
            rest = list(pool.map(ids, map(list, listings)))
        assert [begin + end for begin, end in zip(begun, rest, strict=True)] == [list(range(1, 201))] * 8
        studio.close()
        if meanwhile != "nothing else":
            holding.join(20)
            assert not holding.is_alive()


def test_a_list_is_read_on_while_another_call_drives_the_connections_and_after_it_ends() -> None:
    """It asks again on the shared runtime, so its pages do not depend on the other call."""
    of_the_call, of_the_pages = threading.Event(), threading.Event()
    items = library_of(PAGES)

    def answer(request: Received) -> Answer:
        if request.path.endswith("/media/1"):
            return replace(json_answer({"media": items[0]}), gate=of_the_call)
        page = page_answer(request, items)
        return page if int(request.parameters["page"]) <= 2 else replace(page, gate=of_the_pages)

    with FaultServer(answer) as server, ThreadPoolExecutor(2) as pool:
        studio = server.client(max_concurrency=4)
        listing = iter(studio.search_media(per_page=1))
        # From here on, pages are under way where callers drive them.
        begin = [next(listing).id for _ in range(2)]
        call = pool.submit(studio.get_media, 1)
        wait_for_the_call(server)
        rest = pool.submit(lambda: ids(list(listing)))
        # Until it waits, which nobody can see from outside.
        time.sleep(0.3)
        of_the_call.set()
        assert call.result(20).id == items[0]["id"]
        of_the_pages.set()
        assert begin + rest.result(20) == list(range(1, PAGES + 1))


def test_a_list_can_be_read_on_in_the_middle_of_another_call(tmp_path: Path) -> None:
    items = library_of(300)

    def answer(request: Received) -> Answer:
        if request.path.endswith("/download"):
            return redirect(f"{storage.url}/file")
        return page_answer(request, items)

    with FaultServer(lambda request: file_answer(request, b"x" * 300_000)) as storage, FaultServer(answer) as server:
        studio = server.client()
        listing = iter(studio.search_media(per_page=1))
        found = [next(listing).id for _ in range(5)]

        def progress(_done: int, _total: int | None) -> None:
            found.extend(media.id for media in listing)

        studio.download_media(1, tmp_path / "file.mp4", progress=progress)
    assert found == list(range(1, 301))


@posix_only
def test_a_list_that_is_being_read_goes_on_in_a_child_and_in_its_parent() -> None:
    program = """
        listing = iter(studio.search_media(per_page=1))
        begin = [next(listing).id for _ in range(20)]
        child = os.fork()
        whole = begin + [media.id for media in listing] == list(range(1, 101))
        if child == 0:
            print("child", whole, flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print("parent", whole)
    """
    with FaultServer(paged(library_of(100))) as server:
        ended = run(program, server.url)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("child True\nparent True\n", "", 0)


async def test_a_call_that_is_given_up_between_two_pages_loses_none_of_them() -> None:
    asked = 0
    items = library_of(5)

    def answer(request: Received) -> Answer:
        nonlocal asked
        if request.parameters["page"] != "2":
            return page_answer(request, items)
        asked += 1
        # Asked for ahead, it is too much; asked for alone, it does not come; then it does.
        return {1: json_answer({"error": "too much"}, 429), 2: HANG}.get(asked) or page_answer(request, items)

    with FaultServer(answer) as server:
        studio = server.client(max_concurrency=2, max_retries=0)
        reader = a_reading(studio)
        pages = list(await reader.next_pages_async() or [])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.next_pages_async(), 1)
        while (more := await reader.next_pages_async()) is not None:
            pages += more
    assert [item.id for page in pages for item in page] == [1, 2, 3, 4, 5]


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
