"""After an error a loop can go on: the next call requests the failed page, and no item is lost or repeated."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import APITimeoutError, InternalServerError
from support.fault_server import (
    HANG,
    Answer,
    FaultServer,
    Handler,
    Received,
    json_answer,
    library_of,
    page_answer,
    paged,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from canvas_studio import Listing
    from support.forms import Form

COUNT = 100
WHOLE = list(range(1, COUNT + 1))
FAILURE = json_answer({"error": "down"}, 500)


def failing(fault: Answer, *, times: int = 1, pages: tuple[int, ...] = (1, 2, 3, 5)) -> Handler:
    """A library in which these pages fail so many times before they come."""
    left = dict.fromkeys(map(str, pages), times)
    lock = threading.Lock()

    def answer(request: Received) -> Answer:
        page = request.parameters["page"]
        with lock:
            if left.get(page, 0) > 0:
                left[page] -= 1
                return fault
        return page_answer(request, library_of(COUNT))

    return answer


def read_on(form: Form, listing: Listing[Any], errors: type[Exception], by: str = "item") -> tuple[list[int], int]:
    """The ids that one and the same iterator gives, asked again after each error, and how many errors there were."""
    found: list[int] = []
    source: Any = listing if by == "item" else listing.pages()

    def take(given: Any) -> None:
        found.extend(media.id for media in ([given] if by == "item" else given))

    async def read() -> int:
        iterator = aiter(source)
        for failures in range(50):
            try:
                async for given in iterator:
                    take(given)
            except errors:
                continue
            return failures
        return 50

    if form.name == "async":
        return found, asyncio.run(read())
    iterator = iter(source)
    for failures in range(50):
        try:
            for given in iterator:
                take(given)
        except errors:
            continue
        return found, failures
    return found, 50


@pytest.mark.parametrize("by", ["item", "page"])
@pytest.mark.parametrize("max_concurrency", [1, 16])
def test_a_loop_that_failed_goes_on_with_the_page_that_failed(form: Form, by: str, max_concurrency: int) -> None:
    with FaultServer(failing(FAILURE, times=2)) as server:
        listing = server.client(max_retries=0, max_concurrency=max_concurrency).search_media(per_page=20)
        found, failures = read_on(form, listing, InternalServerError, by)
    assert found == WHOLE
    assert failures >= 4


@pytest.mark.parametrize("by", ["item", "page"])
def test_a_loop_that_timed_out_goes_on_with_the_page_that_did_not_come(form: Form, by: str) -> None:
    with FaultServer(failing(HANG, pages=(1, 3))) as server:
        listing = server.client(max_retries=0, timeout=0.2, max_concurrency=1).search_media(per_page=20)
        found, failures = read_on(form, listing, APITimeoutError, by)
    assert found == WHOLE
    assert failures == 2


def test_a_loop_that_came_to_its_end_stays_there_and_asks_for_nothing_more(form: Form) -> None:
    with FaultServer(paged(library_of(COUNT))) as server:
        listing = server.client().search_media(per_page=20)
        if form.name == "blocking":
            for iterator in (iter(listing), iter(listing.pages())):
                list(iterator)
                assert next(iterator, None) is None
        else:

            async def read() -> None:
                for iterator in (aiter(listing), aiter(listing.pages())):
                    _ = [given async for given in iterator]
                    assert await anext(iterator, None) is None

            asyncio.run(read())
    assert len(server.requests) == 10


async def test_an_anext_that_timed_out_loses_no_item_and_does_not_end_the_list() -> None:
    gates = {"1": threading.Event(), "3": threading.Event()}

    def answer(request: Received) -> Answer:
        page = page_answer(request, library_of(COUNT))
        return replace(page, gate=gates.get(request.parameters["page"]))

    with FaultServer(answer) as server:
        items = aiter(server.client(max_concurrency=1).search_media(per_page=20))
        found: list[int] = []
        timeouts = 0
        while (media := await tried(items)) is not END:
            if media is None:
                timeouts += 1
                gates["1" if not found else "3"].set()
            else:
                found.append(media.id)
    assert found == WHOLE
    assert timeouts >= 2


END = object()


async def tried(items: AsyncIterator[Any]) -> Any:
    """The next item, `END`, or `None` if it did not come in time."""
    try:
        return await asyncio.wait_for(anext(items), 0.3)
    except TimeoutError:
        return None
    except StopAsyncIteration:
        return END


@pytest.mark.parametrize("by", ["item", "page"])
async def test_an_anext_that_is_cancelled_at_any_moment_loses_no_item(by: str) -> None:
    with FaultServer(paged(library_of(COUNT))) as server:
        listing = server.client().search_media(per_page=5)
        items: AsyncIterator[Any] = aiter(listing if by == "item" else listing.pages())
        found: list[int] = []
        patience, cancelled = 0, 0
        while True:
            # With each turn of the loop, something else has come in meanwhile.
            task = asyncio.ensure_future(anext(items, None))
            for _ in range(patience):
                await asyncio.sleep(0)
            task.cancel()
            try:
                given: Any = await task
            except asyncio.CancelledError:
                cancelled += 1
                patience += 1
                continue
            patience = max(0, patience - 5)
            if given is None:
                break
            page: list[Any] = [given] if by == "item" else given
            found += [media.id for media in page]
    assert found == WHOLE
    assert cancelled > 1


async def test_columns_that_are_given_up_while_they_come_lose_no_row() -> None:
    later = threading.Event()

    def answer(request: Received) -> Answer:
        page = page_answer(request, library_of(COUNT))
        return page if request.parameters["page"] == "1" else replace(page, gate=later)

    with FaultServer(answer) as server:
        listing = server.client(max_concurrency=1).search_media(per_page=20)
        reader = listing._source.read(None, consistent=False)  # pyright: ignore[reportPrivateUsage]
        # It waits for more rows than the first page has.
        waiting = asyncio.ensure_future(reader.next_columns_async())
        assert await asyncio.to_thread(server.wait_for_requests, 2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        later.set()
        rows = 0
        while (batch := await reader.next_columns_async()) is not None:
            rows += batch.num_rows
    assert rows == COUNT


def test_a_stream_of_columns_goes_on_after_an_error() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    with FaultServer(failing(FAILURE)) as server:
        told: list[int] = []
        listing = server.client(max_retries=0).search_media(per_page=20)
        stream = pyarrow.RecordBatchReader.from_stream(
            listing.with_options(progress=lambda done, _total: told.append(done))
        )
        found: list[int] = []
        failures = 0
        while failures < 20:
            try:
                found += stream.read_next_batch()["id"].to_pylist()
            except StopIteration:
                break
            except pyarrow.ArrowInvalid as error:
                assert "500" in str(error)  # noqa: PT017 - the others are counted too
                failures += 1
    assert found == WHOLE
    assert failures >= 2
    assert told[-1] == COUNT


class TooMuchError(Exception):
    """What a caller's own progress raises."""


def raising_at(*moments: int) -> Callable[[int, int | None], None]:
    calls = iter(range(1000))

    def progress(_done: int, _total: int | None) -> None:
        if next(calls) in moments:
            raise TooMuchError

    return progress


@pytest.mark.parametrize("by", ["item", "page"])
def test_what_came_when_the_progress_raised_is_given_to_who_goes_on(form: Form, by: str) -> None:
    with FaultServer(paged(library_of(COUNT))) as server:
        listing = server.client(max_concurrency=1).search_media(per_page=20).with_options(progress=raising_at(0, 2, 3))
        found, failures = read_on(form, listing, TooMuchError, by)
    assert found == WHOLE
    assert failures == 3


def test_rows_that_came_when_the_progress_raised_are_given_to_who_goes_on() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    with FaultServer(paged(library_of(COUNT))) as server:
        listing = server.client().search_media(per_page=20).with_options(progress=raising_at(0))
        stream = pyarrow.RecordBatchReader.from_stream(listing)
        with pytest.raises(pyarrow.ArrowInvalid, match="TooMuchError"):
            stream.read_next_batch()
        assert stream.read_all()["id"].to_pylist() == WHOLE


def test_a_checkpoint_behind_an_error_is_right_also_when_the_loop_goes_on() -> None:
    with FaultServer(failing(FAILURE, pages=(3,))) as server:
        studio = server.client(max_retries=0, max_concurrency=1)
        listing = studio.search_media(per_page=20)
        iterator = iter(listing)
        found: list[int] = []
        with pytest.raises(InternalServerError):
            found.extend(media.id for media in iterator)
        assert listing.checkpoint().items == 40
        found = [next(iterator).id for _ in range(25)]
        assert found == list(range(41, 66))
        checkpoint = listing.checkpoint()
        assert checkpoint.items == 65
        assert [media.id for media in studio.resume(checkpoint)] == list(range(66, COUNT + 1))


def hanging_behind(page: int) -> Handler:
    def answer(request: Received) -> Answer:
        return HANG if int(request.parameters["page"]) > page else page_answer(request, library_of(COUNT))

    return answer


def test_who_closes_the_pages_ends_what_was_asked_for_ahead() -> None:
    with FaultServer(hanging_behind(2)) as server:
        with closing(iter(server.client().search_media(per_page=20).pages())) as pages:
            for page in pages:
                if page[0].id > 20:
                    break
            assert server.wait_for_requests(3)
        assert server.wait_for_disconnect()
        assert next(pages, None) is None


@pytest.mark.parametrize("by", ["item", "page"])
async def test_who_closes_an_async_loop_ends_what_was_asked_for_ahead(by: str) -> None:
    with FaultServer(hanging_behind(2)) as server:
        listing = server.client().search_media(per_page=20)
        async with aclosing(aiter(listing)) if by == "item" else aclosing(aiter(listing.pages())) as reader:
            for _ in range(21 if by == "item" else 2):
                await anext(reader)
            assert await asyncio.to_thread(server.wait_for_requests, 3)
        assert await asyncio.to_thread(server.wait_for_disconnect)
        with pytest.raises(StopAsyncIteration):
            await anext(reader)


async def test_two_tasks_cannot_wait_for_the_same_page_of_one_iterator() -> None:
    gate = threading.Event()

    def answer(request: Received) -> Answer:
        return replace(page_answer(request, library_of(COUNT)), gate=gate)

    with FaultServer(answer) as server:
        items = aiter(server.client().search_media(per_page=20))
        first = asyncio.ensure_future(anext(items))
        assert await asyncio.to_thread(server.wait_for_requests, 1)
        with pytest.raises(RuntimeError, match=r"aiter\(listing\)"):
            await anext(items)
        gate.set()
        found = [(await first).id, *[media.id async for media in items]]
    assert found == WHOLE
