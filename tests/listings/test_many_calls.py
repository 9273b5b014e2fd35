"""`StudioClient.map`: results in the order of the items, a bounded number of calls under way, and none lost."""

from __future__ import annotations

import asyncio
import gc
import inspect
import random
import re
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, assert_type

import pytest
from canvas_studio import (
    ClientClosedError,
    Collection,
    Course,
    Drift,
    InvalidArgumentError,
    Media,
    NotFoundError,
    RateLimitError,
    Source,
    StudioClient,
    StudioError,
)
from canvas_studio._core import CallBuilder
from canvas_studio.many_calls import Map
from support.fault_server import (
    HANG,
    Answer,
    FaultServer,
    Received,
    json_answer,
    library_of,
    media_answer,
    media_item,
    media_named_in_path,
    page_answer,
)
from support.programs import posix_only, run, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.forms import Form


def id_in(request: Received) -> int:
    """The id in the path of a request."""
    return int(re.findall(r"/(\d+)", request.path)[0])


class Crowd:
    """Answers each media after a random while, and counts how many are being answered at once."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds = seconds
        self.now = 0
        self.most = 0
        self._chance = random.Random(19)
        self._lock = threading.Lock()

    def __call__(self, request: Received) -> Answer:
        """Answer a request."""
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            wait = self._chance.random() * self.seconds * 2
        time.sleep(wait)
        with self._lock:
            self.now -= 1
        return media_named_in_path(request)


def results(form: Form, calls: Map[Any]) -> list[Any]:
    """All results, one by one."""
    if form.name == "blocking":
        return list(calls)

    async def read() -> list[Any]:
        return [result async for result in calls]

    return asyncio.run(read())


def ids(found: list[Any]) -> list[int]:
    return [each.id for each in found]


class Iterated:
    """The iterator of a `Map`, asked in either form."""

    def __init__(self, form: Form, calls: Map[Any]) -> None:
        self._loop = asyncio.new_event_loop() if form.name == "async" else None
        self.iterator: Any = iter(calls) if self._loop is None else aiter(calls)

    def next(self) -> Any:
        """The next result; `StopIteration` at the end."""
        if self._loop is None:
            return next(self.iterator)
        try:
            return self._loop.run_until_complete(anext(self.iterator))
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """End the iterator."""
        if self._loop is None:
            self.iterator.close()
        else:
            self._loop.run_until_complete(self.iterator.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.iterator = None
        if self._loop is not None:
            self._loop.close()


@pytest.mark.parametrize("most", [1, 2, 7, 16, 64])
def test_results_come_in_the_order_of_the_items_with_no_more_calls_under_way_than_allowed(
    form: Form, most: int
) -> None:
    crowd = Crowd()
    wanted = random.Random(most).sample(range(1, 1000), 120)
    with FaultServer(crowd) as server:
        assert ids(results(form, server.client().map("get_media", wanted, max_concurrency=most))) == wanted
        assert sorted(map(id_in, server.requests)) == sorted(wanted)
    assert crowd.most <= most
    assert most == 1 or crowd.most > 1


def test_by_default_as_many_are_under_way_as_the_client_allows_and_never_more_than_its_connections(form: Form) -> None:
    for options, most in (({}, 16), ({"max_concurrency": 3}, 3), ({"max_connections": 2}, 2)):
        crowd = Crowd()
        with FaultServer(crowd) as server:
            assert len(results(form, server.client(**options).map("get_media", range(1, 60)))) == 59
        assert 1 < crowd.most <= most


def test_collect_makes_all_calls_in_both_forms(form: Form) -> None:
    with FaultServer(media_named_in_path) as server:
        calls = server.client().map("get_media", [3, 1, 2])
        assert not server.requests
        assert ids(form.call(calls, "collect")) == [3, 1, 2]
        # Each loop makes them again.
        assert ids(form.call(calls, "collect")) == [3, 1, 2]
        assert len(server.requests) == 6
        assert form.call(server.client().map("get_media", []), "collect") == []


def a_limit_of(rate: int, burst: int) -> Any:
    """A handler that answers so many requests a second, and so many at once, and refuses the others."""
    free, since = float(burst), time.monotonic()
    lock = threading.Lock()

    def answer(request: Received) -> Answer:
        nonlocal free, since
        with lock:
            now = time.monotonic()
            free, since = min(burst, free + (now - since) * rate), now
            if free < 1:
                return json_answer({"error": "too many"}, 429, {"Retry-After": "0.1"})
            free -= 1
        return media_named_in_path(request)

    return answer


def test_a_map_of_200_under_a_limit_of_40_a_second_loses_none_where_16_threads_by_hand_lose_some(form: Form) -> None:
    with FaultServer(a_limit_of(40, 5)) as server:
        assert ids(results(form, server.client().map("get_media", range(1, 201)))) == list(range(1, 201))
    if form.name == "async":
        return

    def by_hand(number: int) -> bool:
        try:
            return studio.get_media(number).id == number
        except RateLimitError:
            return False

    with FaultServer(a_limit_of(40, 5)) as server, ThreadPoolExecutor(16) as pool:
        studio = server.client()
        assert not all(pool.map(by_hand, range(1, 201)))


@pytest.mark.parametrize("status", [429, 503])
def test_what_is_refused_to_the_last_retry_is_asked_once_more_alone_before_its_error_is_given(
    form: Form, status: int
) -> None:
    lock = threading.Lock()
    state = {"now": 0, "of_5": 0, "beside_5": 0}

    def answer(request: Received) -> Answer:
        with lock:
            state["now"] += 1
            refused = id_in(request) == 5 and state["of_5"] < 3
            if id_in(request) == 5:
                state["of_5"] += 1
                if not refused:
                    state["beside_5"] = state["now"] - 1
        # Those behind it take longer than all of its retries.
        time.sleep(0.01 if id_in(request) <= 5 else 0.3)
        with lock:
            state["now"] -= 1
        if refused:
            return json_answer({"error": "too much"}, status, {"Retry-After": "0"})
        return media_named_in_path(request)

    with FaultServer(answer) as server:
        assert ids(results(form, server.client().map("get_media", range(1, 30)))) == list(range(1, 30))
    assert state == {"now": 0, "of_5": 4, "beside_5": 0}


def test_what_is_refused_alone_twice_is_an_error(form: Form) -> None:
    def answer(request: Received) -> Answer:
        return json_answer({"error": "no"}, 429) if id_in(request) == 2 else media_named_in_path(request)

    with FaultServer(answer) as server:
        found = results(form, server.client(max_retries=1).map("get_media", [1, 2, 3], errors="return"))
        assert [type(each) for each in found] == [Media, RateLimitError, Media]
        assert sum(id_in(request) == 2 for request in server.requests) == 6


def test_a_throttled_call_holds_back_those_that_have_not_begun(form: Form) -> None:
    began: list[float] = []

    def answer(request: Received) -> Answer:
        began.append(request.at)
        if len(began) == 1:
            return json_answer({"error": "too much"}, 429, {"Retry-After": "1"})
        return media_named_in_path(request)

    with FaultServer(answer) as server:
        studio = server.client(max_concurrency=1)
        with pytest.raises(RateLimitError):
            studio.with_options(max_retries=0).get_media(9)
        began.append(0)
        assert ids(results(form, studio.map("get_media", [1, 2]))) == [1, 2]


def missing(*absent: int) -> Any:
    """A handler that answers 404 for some ids."""

    def answer(request: Received) -> Answer:
        if id_in(request) in absent:
            return json_answer({"error": "no such media"}, 404)
        return media_named_in_path(request)

    return answer


def test_an_error_is_given_in_its_place_if_asked_for(form: Form) -> None:
    with FaultServer(missing(3, 7)) as server:
        found = results(form, server.client().map("get_media", range(1, 10), errors="return"))
    assert [each.id if isinstance(each, Media) else type(each) for each in found] == [
        *(1, 2, NotFoundError, 4, 5, 6, NotFoundError, 8, 9)
    ]


def test_an_error_is_raised_in_its_place_and_ends_what_is_under_way(form: Form) -> None:
    gate = threading.Event()

    def answer(request: Received) -> Answer:
        number = id_in(request)
        if number == 3:
            # Until the others hang.
            gate.wait(20)
            return json_answer({"error": "no such media"}, 404)
        return HANG if number > 3 else media_named_in_path(request)

    with FaultServer(answer) as server, Iterated(form, server.client().map("get_media", range(1, 17))) as it:
        assert it.next().id == 1
        assert it.next().id == 2
        assert server.wait_for_requests(16)
        gate.set()
        with pytest.raises(NotFoundError):
            it.next()
        assert server.wait_for_disconnect(count=13)
        assert len(server.requests) == 16


def test_after_an_error_the_same_iterator_continues_with_the_call_that_failed(form: Form) -> None:
    failures = [True, True]

    def answer(request: Received) -> Answer:
        if id_in(request) == 3 and failures:
            failures.pop()
            return json_answer({"error": "down"}, 500)
        return media_named_in_path(request)

    with (
        FaultServer(answer) as server,
        Iterated(form, server.client(max_retries=0).map("get_media", iter(range(1, 30)))) as it,
    ):
        found: list[int] = []
        errors = 0
        while len(found) < 29:
            try:
                found.append(it.next().id)
            except StudioError:
                errors += 1
        with pytest.raises(StopIteration):
            it.next()
    assert (found, errors) == (list(range(1, 30)), 2)


@pytest.mark.parametrize("how", ["break", "close", "garbage"])
def test_leaving_early_ends_what_is_under_way(form: Form, how: str) -> None:
    def answer(request: Received) -> Answer:
        return media_named_in_path(request) if id_in(request) == 1 else HANG

    def leave(it: Iterated) -> None:
        if how == "close":
            it.close()
            with pytest.raises(StopIteration):
                it.next()
        elif how == "garbage":
            cycle: list[Any] = [it.iterator]
            cycle.append(cycle)
            it.iterator = None
            del cycle
            gc.collect()

    with FaultServer(answer) as server:
        studio = server.client(max_concurrency=5)
        if how == "break":
            assert take_one(form, studio.map("get_media", range(1, 1000)), server) == 1
        else:
            with Iterated(form, studio.map("get_media", range(1, 1000))) as it:
                assert it.next().id == 1
                assert server.wait_for_requests(5)
                leave(it)
        assert server.wait_for_disconnect(count=4)
        # The one that has ended may have made room for another.
        assert 5 <= len(server.requests) <= 6


def take_one(form: Form, calls: Map[Media], server: FaultServer) -> int:
    """The id of the first result. The loop is left once five requests have come."""

    async def take() -> int:
        async for each in calls:
            assert server.wait_for_requests(5)
            return each.id
        return 0

    if form.name == "async":
        return asyncio.run(take())
    for each in calls:
        assert server.wait_for_requests(5)
        return each.id
    return 0


async def test_cancelling_the_task_of_a_loop_ends_what_is_under_way() -> None:
    with FaultServer(HANG) as server:
        task = asyncio.create_task(server.client(max_concurrency=4).map("get_media", range(1, 100)).collect_async())
        assert await asyncio.to_thread(server.wait_for_requests, 4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.wait_for_disconnect, count=4)
        assert len(server.requests) == 4


async def test_an_anext_that_is_given_up_loses_no_result_and_repeats_no_call() -> None:
    gate = threading.Event()

    def answer(request: Received) -> Answer:
        if id_in(request) == 2:
            gate.wait(20)
        return media_named_in_path(request)

    with FaultServer(answer) as server:
        it = aiter(server.client(max_concurrency=3).map("get_media", range(1, 9)))
        found = [(await anext(it)).id]
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(it), 0.05)
        gate.set()
        found += [each.id async for each in it]
        assert found == list(range(1, 9))
        assert len(server.requests) == 8


@pytest.mark.parametrize("errors", ["raise", "return"])
def test_close_ends_a_map_whatever_becomes_of_errors(form: Form, errors: Any) -> None:
    with FaultServer(HANG) as server, ThreadPoolExecutor(1) as pool:
        studio: Any = server.client(max_concurrency=4)
        reading = pool.submit(results, form, studio.map("get_media", range(1, 1000), errors=errors))
        assert server.wait_for_requests(4)
        studio.close()
        with pytest.raises(ClientClosedError):
            reading.result(20)
        with pytest.raises(ClientClosedError):
            results(form, studio.map("get_media", [1], errors=errors))
        assert len(server.requests) == 4


@posix_only
def test_ctrl_c_ends_a_map_and_its_requests_and_not_the_client() -> None:
    program = """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Held, so that no finalizer ends it.
        held = iter(studio.map("get_media", range(100, 200)))
        try:
            next(held)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        sys.stdin.read()
        print(studio.get_media(7).id)
    """
    with (
        FaultServer(lambda request: media_answer(7) if id_in(request) == 7 else HANG) as server,
        running(program, server.url) as it,
    ):
        assert server.wait_for_requests(16, timeout=30)
        it.send_signal(signal.SIGINT)
        assert server.wait_for_disconnect(count=16)
        assert it.communicate(timeout=20) == ("interrupted\n7\n", "")
        assert len(server.requests) == 17


@posix_only
def test_a_map_goes_on_in_a_child_and_in_its_parent() -> None:
    program = """
        results = iter(studio.map("get_media", range(1, 101)))
        begin = [next(results).id for _ in range(20)]
        child = os.fork()
        whole = begin + [media.id for media in results] == list(range(1, 101))
        if child == 0:
            print("child", whole, flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print("parent", whole)
    """
    with FaultServer(media_named_in_path) as server:
        ended = run(program, server.url)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("child True\nparent True\n", "", 0)


@pytest.mark.parametrize(
    "program",
    [
        """
        results = iter(studio.map("get_media", range(1, 101)))
        next(results)
        """,
        """
        def read():
            list(studio.map("get_media", range(1, 101)))
        threading.Thread(target=read, daemon=True).start()
        studio.get_media(1)
        """,
        """
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
        async def main():
            task = asyncio.create_task(studio.map("get_media", range(2, 101)).collect_async())
            await studio.get_media_async(1)
            return task
        loop = asyncio.new_event_loop()
        task = loop.run_until_complete(main())
        """,
    ],
)
def test_an_exit_with_calls_under_way_is_clean(program: str) -> None:
    with FaultServer(lambda request: media_answer(1) if id_in(request) == 1 else HANG) as server:
        ended = run(program, server.url)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)


@pytest.mark.parametrize("most", [1, 4])
def test_items_are_taken_lazily_and_no_further_ahead_than_twice_the_width(form: Form, most: int) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with FaultServer(media_named_in_path) as server:
        calls = server.client().map("get_media", endless(), max_concurrency=most)
        assert taken == 0
        with Iterated(form, calls) as it:
            for given in range(1, 60):
                assert it.next().id == given
                assert given <= taken <= given + 2 * most
            it.close()
    assert taken <= 59 + 2 * most


def test_a_slow_consumer_does_not_make_results_pile_up(form: Form) -> None:
    with (
        FaultServer(media_named_in_path) as server,
        Iterated(form, server.client(max_concurrency=4).map("get_media", range(1, 500))) as it,
    ):
        for given in range(1, 6):
            assert it.next().id == given
            time.sleep(0.1)
            assert len(server.requests) <= given + 2 * 4


def test_calls_behind_a_slow_one_go_on_while_it_takes_long(form: Form) -> None:
    others = threading.Event()

    def answer(request: Received) -> Answer:
        if id_in(request) == 1:
            # As many as may be under way, and two more.
            assert others.wait(20)
        elif id_in(request) == 6:
            others.set()
        return media_named_in_path(request)

    with FaultServer(answer) as server:
        calls = server.client(max_concurrency=4).map("get_media", range(1, 40))
        assert ids(results(form, calls)) == list(range(1, 40))
    assert others.is_set()


def test_calls_are_sent_while_the_consumer_works(form: Form) -> None:
    with (
        FaultServer(media_named_in_path) as server,
        Iterated(form, server.client(max_concurrency=8).map("get_media", range(1, 40))) as it,
    ):
        for given in range(1, 30):
            assert it.next().id == given
            # Whatever has come: at least half of the width is ready or under way.
            assert server.wait_for_requests(given + 4)
            time.sleep(0.01)


def test_a_bad_item_of_a_collection_is_refused_before_anything_is_sent(form: Form) -> None:
    with FaultServer(media_named_in_path) as server:
        studio: Any = server.client()
        bad: tuple[tuple[Any, type[Exception], str], ...] = (
            ([1, "2"], TypeError, r'^items\[1\]: id must be an int or a Media, not str: use int\("2"\)$'),
            ((1, 2, 0), InvalidArgumentError, r"^items\[2\]: id must be a whole number of 1 or more, not 0$"),
            ({-1: "x"}, InvalidArgumentError, r"^items\[0\]: id must be .*, not -1$"),
            ([None], TypeError, r"^items\[0\]: id must be an int or a Media, not None$"),
            ([True], TypeError, r"^items\[0\]: id must be an int or a Media, not bool"),
            ([(1, 2)], TypeError, r"^items\[0\]: get_media\(\) takes 1 positional arguments but 2 were given$"),
            ([()], TypeError, r"^items\[0\]: get_media\(\) missing 1 required positional argument"),
            ("12", TypeError, "^items must be a list or another iterable of items, not str$"),
            (b"12", TypeError, "^items must be a list or another iterable of items, not bytes$"),
            (12, TypeError, "^items must be a list or another iterable of items, not int$"),
        )
        for items, kind, message in bad:
            with pytest.raises(kind, match=message):
                results(form, studio.map("get_media", items, errors="return"))
        assert not server.requests


def test_a_bad_item_of_an_iterator_is_refused_in_its_turn_with_its_position(form: Form) -> None:
    three_is_text: Iterator[Any] = iter([1, 2, "3", 4])
    with (
        FaultServer(media_named_in_path) as server,
        Iterated(form, server.client().map("get_media", three_is_text, errors="return")) as it,
    ):
        assert [it.next().id, it.next().id] == [1, 2]
        with pytest.raises(TypeError, match=r"^items\[2\]: id must be an int or a Media, not str"):
            it.next()
        assert it.next().id == 4
        with pytest.raises(StopIteration):
            it.next()


def test_what_an_iterator_raises_comes_after_the_results_in_front_of_it(form: Form) -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the file of ids ends here")

    with FaultServer(media_named_in_path) as server, Iterated(form, server.client().map("get_media", broken())) as it:
        assert [it.next().id, it.next().id] == [1, 2]
        with pytest.raises(OSError, match="the file of ids ends here"):
            it.next()


def test_an_argument_for_all_calls_is_refused_before_anything_is_sent(form: Form) -> None:
    with FaultServer(media_named_in_path) as server:
        studio: Any = server.client()
        for items in ([1], iter([1])):
            with pytest.raises(TypeError, match=r"^quality must be a str, not int: use str\(quality\)$"):
                results(form, studio.map("get_download_url", items, quality=5))
        with pytest.raises(TypeError, match=r"^get_media\(\) has no argument 'quality': it has id$"):
            studio.map("get_media", [1], quality="hd")
        with pytest.raises(
            TypeError, match=r"^get_media\(\) has no argument 'error': did you mean 'errors' of map\(\)\?$"
        ):
            studio.map("get_media", [1], error="return")
        with pytest.raises(TypeError, match=r"^items\[0\]: get_media\(\) got multiple values for argument 'id'$"):
            studio.map("get_media", [1], id=2)
        with pytest.raises(InvalidArgumentError, match=r'^errors must be one of "raise", "return", not "ignore"'):
            studio.map("get_media", [1], errors="ignore")
        with pytest.raises(InvalidArgumentError, match=r"^max_concurrency must be from 1 to 64, not 65$"):
            studio.map("get_media", [1], max_concurrency=65)
        with pytest.raises(TypeError, match=r"^progress must be a plain callable, not an async one"):
            studio.map("get_media", [1], progress=asyncio.sleep)
        assert not server.requests


@pytest.mark.parametrize(
    ("operation", "remedy"),
    [
        ("get_medai", "did you mean 'get_media'?"),
        ("get_media_async", "use 'get_media', for `for` and `async for`"),
        ("delete_media", "that one does not only read"),
        ("download_media_async", "that one does not only read"),
        ("request", "that one does not only read"),
        ("with_options", "use one of find_user, "),
        ("", "use one of find_user, "),
        ("__class__", "use one of find_user, "),
    ],
)
def test_an_operation_that_does_not_only_read_is_refused_with_the_reason(operation: str, remedy: str) -> None:
    studio: Any = StudioClient("http://127.0.0.1:1", token="token-of-a-test")
    with pytest.raises(
        InvalidArgumentError, match=r"^operation must be the name of a method that only reads"
    ) as caught:
        studio.map(operation, [])
    assert remedy in str(caught.value)
    assert caught.value.argument == "operation"


def test_a_method_in_place_of_its_name_is_refused_with_the_name() -> None:
    studio: Any = StudioClient("http://127.0.0.1:1", token="token-of-a-test")
    for method in (studio.get_media, StudioClient.get_media, studio.get_media_async):
        with pytest.raises(TypeError, match=r'^operation must be the name of a method, not \w+: use "get_media"$'):
            studio.map(method, [1])
    with pytest.raises(TypeError, match=r"^operation must be a str, not int: use str\(operation\)$"):
        studio.map(5, [1])


def test_help_on_map_has_every_argument() -> None:
    text = inspect.getdoc(StudioClient.map) or ""
    assert text.startswith("Make the same call for many items")
    for name in inspect.signature(StudioClient.map).parameters:
        assert name == "self" or f"    {name}: " in text
    assert "Returns:" in text
    assert "Raises:" in text


def documented_requests() -> Iterator[tuple[str, str]]:
    """The operations of the client, each with the end of its docstring, which says what it requests."""
    for name, method in inspect.getmembers(StudioClient, callable):
        found = re.search(r"Reference: (.*)", method.__doc__ or "", re.DOTALL)
        if found and not name.endswith("_async"):
            yield name, found[1]


def test_every_operation_that_reads_can_be_mapped_and_no_other() -> None:
    reads = {name for name, request in documented_requests() if ", GET /" in request}
    # Those write files, send files, ask again and again, or read nothing.
    others = {name for name in reads if name.startswith(("download_", "iter_", "upload_", "wait_"))} | {"ping"}
    reads = reads - others | {"paginate"}
    assert reads == {name for name in vars(CallBuilder) if not name.startswith("_")}
    for name in reads:
        assert inspect.signature(getattr(CallBuilder, name)).parameters.keys() == (
            inspect.signature(getattr(StudioClient, name)).parameters.keys() - {"self"}
        )


def test_a_list_of_each_item_is_read_to_its_end(form: Form) -> None:
    now = 0
    most = 0
    lock = threading.Lock()

    def answer(request: Received) -> Answer:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1
        return page_answer(request, library_of(id_in(request)))

    with FaultServer(answer) as server:
        calls = server.client(max_concurrency=3).map("list_collection_media", range(1, 40), per_page=5)
        found = results(form, calls)
    assert [ids(each) for each in found] == [list(range(1, count + 1)) for count in range(1, 40)]
    # The pages of one list come one after the other.
    assert most <= 3


class Changing:
    """Answers with the media of a collection. Those of 2 lose the first behind their first page, those of 3 get one."""

    def __init__(self) -> None:
        self._asked: Counter[int] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: Received) -> Answer:
        """Answer a request."""
        number, page, items = id_in(request), int(request.parameters["page"]), library_of(6)
        with self._lock:
            self._asked[number] += page == 1
            has_changed = page > 1 or self._asked[number] > 1
        changed = {2: items[1:], 3: [media_item(9), *items]}
        return page_answer(request, changed.get(number, items) if has_changed else items)


def test_drift_is_that_of_all_lists_so_far(form: Form) -> None:
    wanted = [1, 2, 3, 4]
    with FaultServer(Changing()) as server:
        listings = [server.client().list_collection_media(each, per_page=2) for each in wanted]
        found = [ids(form.call(listing, "collect")) for listing in listings]
        drifts = [listing.drift for listing in listings]
    assert drifts[0] == Drift(readings=1, appeared=0, vanished=0, first_total=6, last_total=6)
    assert drifts[1] == Drift(readings=2, appeared=1, vanished=1, first_total=6, last_total=5)

    with FaultServer(Changing()) as server:
        calls = server.client().map("list_collection_media", wanted, per_page=2)
        assert calls.drift is None
        with Iterated(form, calls) as each:
            so_far: Drift | None = None
            for expected, drift in zip(found, drifts, strict=True):
                assert calls.drift == so_far
                assert ids(each.next()) == expected
                assert drift is not None
                so_far = drift if so_far is None else so_far + drift
        assert calls.drift == so_far == Drift(readings=2, appeared=1, vanished=1, first_total=24, last_total=24)
        # The next loop begins anew. Nothing changes any more.
        assert len(form.call(calls, "collect")) == 4
        assert calls.drift == Drift(readings=1, appeared=0, vanished=0, first_total=24, last_total=24)


def test_drift_leaves_out_lists_that_failed_and_totals_that_studio_does_not_count(form: Form) -> None:
    def answer(request: Received) -> Answer:
        return json_answer({}, 404) if id_in(request) == 2 else page_answer(request, library_of(1), meta=False)

    with FaultServer(answer) as server:
        calls = server.client().map("list_collection_media", [1, 2, 3], errors="return")
        assert [isinstance(each, NotFoundError) for each in form.call(calls, "collect")] == [False, True, False]
        assert calls.drift == Drift(readings=1, appeared=0, vanished=0, first_total=None, last_total=None)


def test_what_does_not_list_has_no_drift_and_cannot_be_consistent(form: Form) -> None:
    with FaultServer(media_named_in_path) as server:
        studio: Any = server.client()
        calls = studio.map("get_media", [1, 2])
        assert len(form.call(calls, "collect")) == 2
        assert calls.drift is None
        server.requests.clear()
        with pytest.raises(InvalidArgumentError, match="consistent is for lists, and get_media is none") as refused:
            studio.map("get_media", [1, 2], consistent=True)
        assert refused.value.argument == "consistent"
        with pytest.raises(TypeError, match="consistent must be True or False, not int"):
            studio.map("list_collection_media", [1, 2], consistent=1)
        assert not server.requests


def test_lists_can_be_read_until_two_readings_agree(form: Form) -> None:
    with FaultServer(lambda request: page_answer(request, library_of(id_in(request)))) as server:
        calls = server.client().map("list_collection_media", [1, 5], per_page=2, consistent=True)
        assert [ids(each) for each in form.call(calls, "collect")] == [[1], [1, 2, 3, 4, 5]]
        assert calls.drift == Drift(readings=2, appeared=0, vanished=0, first_total=6, last_total=6)
        assert len(server.requests) == 2 * (1 + 3)


def test_a_list_without_pages_takes_one_request_for_each_item(form: Form) -> None:
    def answer(request: Received) -> Answer:
        return json_answer({"courses": [{"id": id_in(request) * 10, "name": "Biology"}]})

    with FaultServer(answer) as server:
        found = results(form, server.client().map("list_media_courses", [4, 5]))
        assert found == [[Course(40, "Biology")], [Course(50, "Biology")]]
        assert len(server.requests) == 2


def test_items_may_be_objects_tuples_dicts_and_numbers_of_numpy(form: Form) -> None:
    numpy = pytest.importorskip("numpy")
    with FaultServer(media_named_in_path) as server:
        studio: Any = server.client()
        for items in ([studio.get_media(4)], [(4,)], [{"id": 4}], {4}, {4: "x"}.keys(), numpy.array([4]), range(4, 5)):
            assert ids(results(form, studio.map("get_media", items))) == [4]
    with FaultServer(lambda request: json_answer({"media": [{"id": len(request.parameters["tag"])}]})) as server:
        wanted: list[dict[str, Any]] = [{"tag": "a"}, {"tag": "bc"}]
        found = results(form, server.client().map("search_media", wanted))
        assert [ids(each) for each in found] == [[1], [2]]


def test_a_listing_and_another_map_can_be_the_items(form: Form) -> None:
    """In an event loop they are read by `async for`."""

    def answer(request: Received) -> Answer:
        if request.path.endswith("/search"):
            return page_answer(request, library_of(30))
        if request.path.endswith("/courses"):
            return json_answer({"courses": [{"id": id_in(request)}]})
        return media_named_in_path(request)

    with FaultServer(answer) as server:
        for connections in (1, 2, 100):
            studio = server.client(max_connections=connections)
            media = studio.map("get_media", studio.search_media(per_page=7))
            assert [ids(each) for each in results(form, studio.map("list_media_courses", media))] == [
                [number] for number in range(1, 31)
            ]


def test_an_async_iterable_is_for_async_for() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in (2, 3):
            await asyncio.sleep(0)
            yield number

    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        assert ids(asyncio.run(studio.map("get_media", numbers()).collect_async())) == [2, 3]
        with pytest.raises(TypeError, match=r"^items is an async iterable \(async_generator\): use `async for`$"):
            studio.map("get_media", numbers()).collect()


@pytest.mark.parametrize("connections", [1, 2, 100])
def test_a_map_inside_a_loop_over_a_listing_and_a_call_inside_a_map_do_not_wait_for_each_other(
    form: Form, connections: int
) -> None:
    def answer(request: Received) -> Answer:
        if request.path.endswith("/search"):
            return page_answer(request, library_of(40))
        return media_named_in_path(request)

    async def nested() -> list[int]:
        found: list[int] = []
        async for media in studio.search_media(per_page=4):
            found += [(await each.refresh_async()).id async for each in studio.map("get_media", [media, media.id + 1])]
        return found

    with FaultServer(answer) as server:
        studio = server.client(max_connections=connections, timeout=20)
        if form.name == "async":
            found = asyncio.run(nested())
        else:
            found = [
                each.refresh().id
                for media in studio.search_media(per_page=4)
                for each in studio.map("get_media", [media, media.id + 1])
            ]
    assert found == [number for media in range(1, 41) for number in (media, media + 1)]


def test_one_map_can_be_read_in_several_threads_and_one_iterator_in_one_at_a_time() -> None:
    with FaultServer(media_named_in_path) as server, ThreadPoolExecutor(4) as pool:
        calls = server.client().map("get_media", range(1, 60))
        assert [ids(each.result(20)) for each in [pool.submit(calls.collect) for _ in range(4)]] == [
            list(range(1, 60))
        ] * 4
    with FaultServer(HANG) as server, ThreadPoolExecutor(1) as pool:
        studio = server.client()
        it = iter(studio.map("get_media", range(1, 60)))
        first = pool.submit(next, it)
        assert server.wait_for_requests()
        with pytest.raises(RuntimeError, match=r"^another thread or task waits for the next result of this iterator"):
            next(it)
        studio.close()
        with pytest.raises(ClientClosedError):
            first.result(20)


def test_progress_reports_the_results_so_far_and_ends_with_two_equal_numbers(form: Form) -> None:
    with FaultServer(media_named_in_path) as server:
        studio = server.client(max_concurrency=4)
        seen: list[tuple[int, int | None]] = []
        results(form, studio.map("get_media", range(1, 31), progress=lambda done, total: seen.append((done, total))))
        assert {total for _, total in seen} == {30}
        assert [done for done, _ in seen] == sorted({done for done, _ in seen})
        assert seen[-1] == (30, 30)
        seen.clear()
        results(
            form, studio.map("get_media", iter(range(1, 31)), progress=lambda done, total: seen.append((done, total)))
        )
        assert {total for _, total in seen[:-1]} == {None}
        assert seen[-1] == (30, 30)


def test_an_exception_of_progress_ends_what_is_under_way(form: Form) -> None:
    def stop(_done: int, _total: int | None) -> None:
        assert server.wait_for_requests(4)
        raise LookupError("enough")

    with FaultServer(lambda request: media_answer(1) if id_in(request) == 1 else HANG) as server:
        calls = server.client(max_concurrency=4).map("get_media", range(1, 100), progress=stop)
        with Iterated(form, calls) as it, pytest.raises(LookupError, match="enough"):
            it.next()
        assert server.wait_for_disconnect(count=3)
        # The one that has ended may have made room for another.
        assert 4 <= len(server.requests) <= 5


def test_a_map_says_what_it_is() -> None:
    studio = StudioClient("http://127.0.0.1:1", token="token-of-a-test")
    assert repr(studio.map("get_media", [1, 2])) == "<Map of get_media over 2 items>"
    assert repr(studio.map("get_media", iter([1]))) == "<Map of get_media over list_iterator>"


def test_the_types_of_the_results_are_those_of_the_operation() -> None:
    studio = StudioClient("http://127.0.0.1:1", token="token-of-a-test")
    numbers = [1, 2]
    assert_type(studio.map("get_media", numbers), Map[Media])
    assert_type(studio.map("get_media", numbers, errors="return"), Map[Media | StudioError])
    assert_type(studio.map("get_media", studio.search_media()), Map[Media])
    assert_type(studio.map("get_download_url", numbers, quality="hd"), Map[str])
    assert_type(studio.map("list_media_sources", studio.map("get_media", numbers)), Map[list[Source]])
    assert_type(studio.map("list_collections", [{"page": 2}], consistent=True), Map[list[Collection]])

    def in_loops() -> None:
        for media in studio.map("get_media", numbers):
            assert_type(media, Media)
        assert_type(studio.map("get_media", numbers).collect(), list[Media])

    async def in_async_loops() -> None:
        async for media in studio.map("get_media", numbers):
            assert_type(media, Media)
        assert_type(await studio.map("get_media", numbers).collect_async(), list[Media])

    assert callable(in_loops)
    assert inspect.iscoroutinefunction(in_async_loops)
    with pytest.raises(InvalidArgumentError):
        studio.map("get_medai", numbers)  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(TypeError):
        studio.map("get_media", ["1"])  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
