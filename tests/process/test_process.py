"""The client in a process: signals, cancellation, threads, event loops, fork and exit."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import ClientClosedError, StudioClient
from support.fault_server import (
    HANG,
    MOST_PAGES_AT_ONCE,
    TOKEN,
    Answer,
    FaultServer,
    Received,
    json_answer,
    library_of,
    media_answer,
    media_named_in_path,
    page_answer,
    paged,
    redirect,
)
from support.programs import EXITS, posix_only, run, running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.forms import Form


INTERRUPTED = """
# A process that was started in the background may have inherited that it is to ignore Ctrl-C.
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    {statement}
except KeyboardInterrupt:
    print("interrupted")
print(studio.get_media(7).id)
"""


@posix_only
@pytest.mark.parametrize(
    "statement",
    [
        "studio.get_media(1)",
        "list(studio.search_media())",
        "studio.search_media().collect()",
        "studio.search_media().first()",
        "list(studio.search_media().pages())",
        "asyncio.run(studio.get_media_async(1))",
    ],
)
def test_ctrl_c_ends_a_call_and_its_request_and_not_the_client(statement: str) -> None:
    with (
        FaultServer(HANG, media_answer(7)) as server,
        running(INTERRUPTED.format(statement=statement), server.url) as it,
    ):
        assert server.wait_for_requests(timeout=30)
        it.send_signal(signal.SIGINT)
        assert it.communicate(timeout=20) == ("interrupted\n7\n", "")
        assert it.returncode == 0
        assert server.wait_for_disconnect()


@posix_only
def test_ctrl_c_ends_a_wait_between_two_attempts() -> None:
    wait = json_answer({}, 429, {"Retry-After": "50"})
    program = INTERRUPTED.format(statement="studio.get_media(1)")
    with FaultServer(wait, media_answer(7)) as server, running(program, server.url) as it:
        assert server.wait_for_requests(timeout=30)
        it.send_signal(signal.SIGINT)
        assert it.communicate(timeout=20) == ("interrupted\n7\n", "")


@posix_only
def test_ctrl_c_ends_a_download_and_leaves_nothing_behind(tmp_path: Path) -> None:
    held = Answer(headers={"Content-Type": "video/mp4"}, body=b"x" * 100_000, send=50_000, end="hang")
    program = INTERRUPTED.format(statement="studio.download_media(1, sys.argv[2])")
    with (
        FaultServer(held) as storage,
        FaultServer(redirect(f"{storage.url}/file"), media_answer(7)) as server,
        running(program, server.url, str(tmp_path / "file.mp4")) as it,
    ):
        assert storage.wait_for_requests(timeout=30)
        it.send_signal(signal.SIGINT)
        assert it.communicate(timeout=20) == ("interrupted\n7\n", "")
        assert storage.wait_for_disconnect()
    assert list(tmp_path.iterdir()) == []


async def waited_for(wait: Callable[[], bool]) -> bool:
    """Wait for the server in a thread, so that the event loop goes on."""
    return await asyncio.to_thread(wait)


async def ask(studio: StudioClient) -> None:
    await studio.get_media_async(1)


async def read(studio: StudioClient) -> None:
    async for _ in studio.search_media():
        pass


@pytest.mark.parametrize("call", [ask, read])
async def test_cancelling_a_task_closes_its_connection(
    call: Callable[[StudioClient], Coroutine[Any, Any, Any]],
) -> None:
    with FaultServer(HANG) as server:
        task = asyncio.create_task(call(server.client()))
        assert await waited_for(server.wait_for_requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await waited_for(server.wait_for_disconnect)


@pytest.mark.parametrize("call", [ask, read])
async def test_asyncio_timeout_closes_the_connection(call: Callable[[StudioClient], Coroutine[Any, Any, Any]]) -> None:
    async def end_once_asked(limit: asyncio.Timeout) -> None:
        assert await waited_for(server.wait_for_requests)
        limit.reschedule(asyncio.get_running_loop().time())

    async def give_up() -> None:
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
            group.create_task(end_once_asked(limit))
            await call(server.client())

    with FaultServer(HANG) as server:
        with pytest.raises(TimeoutError):
            await give_up()
        assert await waited_for(server.wait_for_disconnect)


async def test_cancelling_one_call_leaves_the_others_alone() -> None:
    def answer(request: Received) -> Answer:
        return HANG if request.path.endswith("/1") else media_answer(2, title="kept")

    with FaultServer(answer) as server:
        studio = server.client()
        doomed = asyncio.create_task(studio.get_media_async(1))
        assert await waited_for(server.wait_for_requests)
        kept = asyncio.create_task(studio.get_media_async(2))
        doomed.cancel()
        assert (await kept).title == "kept"
        assert (await studio.get_media_async(3)).title == "kept"
        with pytest.raises(asyncio.CancelledError):
            await doomed


async def test_an_async_call_is_a_real_coroutine() -> None:
    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        call = studio.get_media_async(1)
        assert inspect.isawaitable(call)
        assert isinstance(call, Coroutine)
        assert (await asyncio.create_task(call)).id == 1
        assert (await asyncio.wait_for(studio.get_media_async(2), 20)).id == 2
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(studio.get_media_async(number)) for number in range(1, 4)]
        assert [task.result().id for task in tasks] == [1, 2, 3]


def test_a_coroutine_that_is_not_awaited_asks_nothing() -> None:
    with FaultServer(media_named_in_path) as server:
        server.client().get_media_async(1).close()
    assert server.requests == []


def test_asyncio_debug_mode_is_no_trouble() -> None:
    with FaultServer(media_named_in_path) as server:
        assert asyncio.run(server.client().get_media_async(1), debug=True).id == 1


async def test_many_calls_of_one_loop_run_at_once_and_keep_their_answers() -> None:
    gate = threading.Event()

    def answer(request: Received) -> Answer:
        media = media_named_in_path(request)
        return Answer(headers=media.headers, body=media.body, gate=gate)

    with FaultServer(answer) as server:
        studio = server.client()
        calls = [asyncio.create_task(studio.get_media_async(number)) for number in range(1, 51)]
        # None of them is answered before all of them have asked.
        assert await waited_for(lambda: server.wait_for_requests(50, timeout=20))
        gate.set()
        assert [media.id for media in await asyncio.gather(*calls)] == list(range(1, 51))


def test_fifty_threads_can_share_a_client() -> None:
    with FaultServer(media_named_in_path) as server, ThreadPoolExecutor(50) as threads:
        studio = server.client()
        assert [media.id for media in threads.map(studio.get_media, range(1, 501))] == list(range(1, 501))


def test_fifty_threads_can_wait_at_once() -> None:
    gate = threading.Event()
    with FaultServer(Answer(headers={"Content-Type": "application/json"}, body=b"{}", gate=gate)) as server:
        studio = server.client()
        with ThreadPoolExecutor(50) as threads:
            calls = [threads.submit(studio.request, "GET", f"/{number}") for number in range(50)]
            asked = server.wait_for_requests(50, timeout=20)
            gate.set()
        assert asked
        assert [call.result() for call in calls] == [{}] * 50


def test_many_event_loops_can_share_a_client() -> None:
    with FaultServer(media_named_in_path) as server, ThreadPoolExecutor(8) as threads:
        studio = server.client()

        async def several(start: int) -> list[int]:
            calls = [studio.get_media_async(number) for number in range(start, start + 5)]
            return [media.id for media in await asyncio.gather(*calls)]

        def in_a_loop(start: int) -> list[int]:
            return asyncio.run(several(start))

        found = list(threads.map(in_a_loop, range(1, 101, 5)))
    assert [number for numbers in found for number in numbers] == list(range(1, 101))


async def test_a_blocking_call_works_inside_a_running_loop() -> None:
    with FaultServer(lambda request: page_answer(request, library_of(3))) as server:
        listing = server.client().search_media()
        assert [media.id for media in listing] == [1, 2, 3]
        assert [media.id async for media in listing] == [1, 2, 3]


def test_both_forms_work_in_a_daemon_thread(form: Form) -> None:
    found: list[int] = []
    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        thread = threading.Thread(target=lambda: found.append(form.call(studio, "get_media", 5).id), daemon=True)
        thread.start()
        thread.join(timeout=20)
    assert found == [5]


def test_close_ends_the_blocking_calls_in_flight() -> None:
    with FaultServer(HANG) as server, ThreadPoolExecutor(2) as threads:
        studio = server.client()
        calls: list[Future[Any]] = [threads.submit(studio.get_media, 1)]
        calls.append(threads.submit(studio.search_media().collect))
        assert server.wait_for_requests(2)
        studio.close()
        for call in calls:
            with pytest.raises(ClientClosedError):
                call.result(timeout=20)
        assert server.wait_for_disconnect(count=2)


async def test_close_ends_the_async_calls_in_flight() -> None:
    with FaultServer(HANG) as server:
        studio = server.client()
        calls = [asyncio.create_task(ask(studio)), asyncio.create_task(read(studio))]
        assert await waited_for(lambda: server.wait_for_requests(2))
        studio.close()
        for call in calls:
            with pytest.raises(ClientClosedError):
                await asyncio.wait_for(call, 20)
        assert await waited_for(lambda: server.wait_for_disconnect(count=2))


def test_close_ends_the_connections_that_wait_for_the_next_request(form: Form, tmp_path: Path) -> None:
    video = Answer(headers={"Content-Type": "video/mp4"}, body=b"x" * 1000)

    def answer(request: Received) -> Answer:
        return redirect(f"{storage.url}/file") if request.path.endswith("/download") else media_named_in_path(request)

    with FaultServer(video) as storage, FaultServer(answer) as server:
        studio = server.client()
        media = form.call(studio, "get_media", 1)
        form.call(media, "download", tmp_path / "file.mp4")
        studio.close()
        assert server.wait_until_left()
        assert storage.wait_until_left()
        assert media.id == 1


def test_close_can_be_called_twice() -> None:
    with FaultServer(HANG) as server:
        studio = server.client()
        studio.close()
        studio.close()


def test_a_client_with_other_options_is_closed_by_itself(form: Form) -> None:
    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        with studio.with_options(max_retries=0) as other:
            assert form.call(other, "get_media", 1).id == 1
        with pytest.raises(ClientClosedError):
            form.call(other, "get_media", 1)
        assert form.call(studio, "get_media", 1).id == 1


def test_with_closes_the_client() -> None:
    with FaultServer(media_named_in_path) as server:
        with StudioClient(server.url, token=TOKEN) as studio:
            assert studio.get_media(1).id == 1
        with pytest.raises(ClientClosedError):
            studio.get_media(1)


async def test_async_with_closes_the_client() -> None:
    with FaultServer(media_named_in_path) as server:
        async with StudioClient(server.url, token=TOKEN) as studio:
            assert (await studio.get_media_async(1)).id == 1
        with pytest.raises(ClientClosedError):
            await studio.get_media_async(1)


async def test_a_listing_left_half_way_asks_no_further() -> None:
    with FaultServer(paged(library_of(5001))) as server:
        async for media in server.client().search_media():
            if media.id == 60:
                break
    assert len(server.requests) <= 2 + MOST_PAGES_AT_ONCE


FORKS = {
    "a child works": """
        assert studio.get_media(1).id == 1
        child = os.fork()
        if child == 0:
            print([studio.get_media(number).id for number in (2, 3)], flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(studio.get_media(4).id)
    """,
    "a child works with asyncio": """
        assert asyncio.run(studio.get_media_async(1)).id == 1
        child = os.fork()
        if child == 0:
            print([asyncio.run(studio.get_media_async(number)).id for number in (2, 3)], flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(asyncio.run(studio.get_media_async(4)).id)
    """,
    "a child of a child works": """
        assert studio.get_media(1).id == 1
        child = os.fork()
        if child == 0:
            first = studio.get_media(2).id
            grandchild = os.fork()
            if grandchild == 0:
                print([first, studio.get_media(3).id], flush=True)
                sys.exit(0)
            assert os.waitpid(grandchild, 0)[1] == 0
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(studio.get_media(4).id)
    """,
    "objects made before the fork work": """
        media, listing = studio.get_media(2), studio.search_media()
        child = os.fork()
        if child == 0:
            print([media.refresh().id, media.id + 1], flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(studio.get_media(4).id)
    """,
    "a fork during a call works": """
        def wait():
            with contextlib.suppress(Exception):
                studio.get_media(99)
        threading.Thread(target=wait, daemon=True).start()
        assert studio.get_media(1).id == 1
        child = os.fork()
        if child == 0:
            print([studio.get_media(number).id for number in (2, 3)], flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(studio.get_media(4).id)
    """,
    "a child that asks nothing ends": """
        assert studio.get_media(1).id == 1
        child = os.fork()
        if child == 0:
            print([2, 3], flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(studio.get_media(4).id)
    """,
}


@posix_only
@pytest.mark.parametrize("program", FORKS.values(), ids=FORKS)
def test_after_a_fork(program: str) -> None:
    def answer(request: Received) -> Answer:
        return HANG if request.path.endswith("/99") else media_named_in_path(request)

    with FaultServer(answer) as server:
        ended = run(program, server.url)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("[2, 3]\n4\n", "", 0)


@posix_only
def test_multiprocessing_by_fork_works() -> None:
    program = """
        assert studio.get_media(1).id == 1
        def fetch(number):
            return studio.get_media(number).id
        with multiprocessing.get_context("fork").Pool(4) as pool:
            print(pool.map(fetch, range(1, 41)) == list(range(1, 41)))
        print(studio.get_media(4).id)
    """
    with FaultServer(media_named_in_path) as server:
        ended = run(program, server.url)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("True\n4\n", "", 0)


@posix_only
def test_a_prefork_server_works_in_all_its_children_and_in_its_parent() -> None:
    program = """
        def work():
            for number in range(1, 11):
                assert studio.get_media(number).id == number
                assert asyncio.run(studio.get_media_async(number)).id == number
        studio.get_media(1)
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                work()
                sys.exit(0)
            children.append(child)
        work()
        print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
    """
    with FaultServer(media_named_in_path) as server:
        ended = run(program, server.url)
        assert (ended.stdout, ended.stderr, ended.returncode) == ("[0, 0, 0, 0]\n", "", 0)
        assert len(server.requests) == 1 + 5 * 20


# What a program registers before it imports the package runs after the package has stopped its threads.
WORKER = """
import atexit, asyncio, queue, sys, threading
jobs = queue.Queue()

def flush():
    jobs.put(2)
    worker.join(20)
    print("still working" if worker.is_alive() else "flushed")

def work():
    while True:
        try:
            {call}
        except BaseException as error:
            print(type(error).__name__, flush=True)
            raise
        finally:
            jobs.task_done()

atexit.register(flush)
from canvas_studio import StudioClient
studio = StudioClient(sys.argv[1], token="token-of-a-program", retry_delay=0)
worker = threading.Thread(target=work, daemon=True)
worker.start()
jobs.put(1)
"""
WORKS = {
    "blocking": "print(studio.get_media(jobs.get()).id, flush=True)",
    "async": "print(asyncio.run(studio.get_media_async(jobs.get())).id, flush=True)",
    "reading": "print(studio.search_media(page=jobs.get()).first().id, flush=True)",
}


@pytest.mark.parametrize("call", WORKS.values(), ids=WORKS)
def test_an_exit_that_waits_for_a_worker_does_not_hang(call: str) -> None:
    def answer(request: Received) -> Answer:
        media = request.path.endswith("/1")
        return media_named_in_path(request) if media else page_answer(request, library_of(1))

    with FaultServer(answer) as server:
        ended = run("jobs.join()", server.url, begin=WORKER.format(call=call))
    assert (ended.stdout, ended.stderr, ended.returncode) == ("1\nSystemExit\nflushed\n", "", 0)
    assert len(server.requests) == 1


@pytest.mark.parametrize("call", WORKS.values(), ids=WORKS)
def test_an_exit_that_waits_for_a_worker_in_a_call_does_not_hang(call: str) -> None:
    with FaultServer(HANG) as server, running("sys.stdin.readline()", server.url, begin=WORKER.format(call=call)) as it:
        assert server.wait_for_requests(timeout=30)
        assert it.communicate("\n", timeout=20) == ("SystemExit\nflushed\n", "")
        assert it.returncode == 0


FINALIZERS = """
import collections, gc, time
seen = collections.Counter()

class Careless:
    def __init__(self):
        self.itself = self

    def __del__(self):
        try:
            studio.get_media(5)
        except BaseException as error:
            seen[type(error).__name__] += 1
        else:
            seen["fine"] += 1

async def work(number, end):
    while time.monotonic() < end:
        for _ in range(3):
            Careless()
        await studio.get_media_async(number)

async def main():
    end = time.monotonic() + 1.5
    await asyncio.gather(*(work(number, end) for number in range(1, 21)))

gc.set_threshold(50)
asyncio.run(asyncio.wait_for(main(), 30))
gc.collect()
print(seen["fine"] > 0, [name for name in seen if "panic" in name.lower()])
"""


def test_a_finalizer_that_calls_while_coroutines_are_under_way_does_no_harm() -> None:
    with FaultServer(media_named_in_path) as server:
        ended = run(FINALIZERS, server.url)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("True []\n", "", 0)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("exits", [10, pytest.param(67, marks=pytest.mark.torture)])
@pytest.mark.parametrize("program", EXITS.values(), ids=EXITS)
def test_200_exits_with_requests_in_flight_are_clean(program: str, exits: int) -> None:
    def answer(request: Received) -> Answer:
        """The first at once, so that the exit begins; some never; the others while the interpreter ends."""
        last = request.path.rpartition("/")[2]
        number = int(last) if last.isdigit() else int(request.parameters["page"])
        if number % 5 == 2:
            return HANG
        media = media_named_in_path(request) if last.isdigit() else page_answer(request, library_of(5))
        return Answer(headers=media.headers, body=media.body, delay=0 if number == 1 else number * 0.002)

    with FaultServer(answer) as server, ThreadPoolExecutor(4) as processes:
        ended = list(processes.map(run, [program] * exits, [server.url] * exits))
    assert {(process.returncode, process.stderr) for process in ended} == {(0, "")}
