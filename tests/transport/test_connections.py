"""At most `max_connections` requests of a client are in flight at once; the others wait, and none forever."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import shutil
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import APITimeoutError, ClientClosedError, InvalidArgumentError, MemoryTokenStore, StudioClient
from support.fault_server import (
    HANG,
    TOKEN,
    Answer,
    FaultServer,
    Received,
    file_answer,
    json_answer,
    library_of,
    media_answer,
    media_named_in_path,
    page_answer,
    paged,
    redirect,
)
from support.forms import Form
from support.programs import linux_only, posix_only, run, running
from support.school import School, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from canvas_studio import Media
HALF = b"\0" * 100_000
BLOCKING, GATHERED = Form("blocking"), Form("async")


class Crowd:
    """Answers everything after a moment, and counts how many requests are being answered at once."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds
        self.now = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self, request: Received) -> Answer:
        """Answer a request."""
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        threading.Event().wait(self.seconds)
        with self._lock:
            self.now -= 1
        return answer(request)


def answer(request: Received) -> Answer:
    """A page, a media, the way to a file or the file."""
    if request.path.endswith("/media/search"):
        return page_answer(request, library_of(30))
    if request.path.endswith("/download"):
        return redirect(f"http://{request.headers['host']}/file")
    return file_answer(request, HALF) if request.path == "/file" else media_named_in_path(request)


class Gate:
    """Answers `/media/9` only when it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def __call__(self, request: Received) -> Answer:
        """Answer a request."""
        return replace(media_answer(9), gate=self.open) if request.path.endswith("/media/9") else answer(request)


def together(form: Form, studio: StudioClient, calls: list[tuple[Any, ...]]) -> list[Any]:
    """What many calls at once come to; each is a method's name and its arguments."""
    if form.name == "async":

        async def gathered() -> list[Any]:
            running = (getattr(studio, f"{method}_async")(*arguments) for method, *arguments in calls)
            return await asyncio.gather(*running, return_exceptions=True)

        return asyncio.run(gathered())
    with ThreadPoolExecutor(len(calls)) as threads:
        running = [threads.submit(getattr(studio, method), *arguments) for method, *arguments in calls]
        return [future.exception() or future.result() for future in running]


@contextmanager
def meanwhile(work: Callable[..., Any], *arguments: Any) -> Generator[Future[Any]]:
    """Do something while something else is under way."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(work, *arguments)


def asked(server: FaultServer) -> list[str]:
    return [request.path.removeprefix("/api/public/v1/media/") for request in server.requests]


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_requests_are_under_way_than_max_connections_says(form: Form, most: int, tmp_path: Path) -> None:
    crowd = Crowd()
    with FaultServer(crowd) as server:
        studio = server.client(max_connections=most)
        calls: list[tuple[Any, ...]] = [("get_media", number) for number in range(1, 13)]
        calls += [("download_media", 1, tmp_path / str(number)) for number in range(4)]
        found = together(form, studio, calls)
        assert [getattr(one, "id", None) for one in found[:12]] == list(range(1, 13))
        assert found[12:] == [tmp_path / str(number) for number in range(4)]
        assert len(form.items(studio.search_media(per_page=2))) == 30
    assert crowd.most == most


def test_the_pages_of_lists_and_calls_beside_them_are_counted_together() -> None:
    crowd = Crowd()
    with FaultServer(crowd) as server:
        studio = server.client(max_connections=4)

        async def read() -> int:
            return len([media async for media in studio.search_media(per_page=2)])

        async def main() -> list[Any]:
            calls = [studio.get_media_async(number) for number in range(1, 20)]
            return await asyncio.gather(read(), *calls, read())

        found = asyncio.run(main())
        assert (found[0], found[-1]) == (30, 30)
    assert crowd.most <= 4


def test_threads_and_event_loops_share_one_limit() -> None:
    crowd = Crowd()
    with FaultServer(crowd) as server:
        studio = server.client(max_connections=3)

        async def main() -> None:
            await asyncio.gather(*(studio.with_options(timeout=60).get_media_async(1) for _ in range(10)))

        with ThreadPoolExecutor(12) as threads:
            running: list[Future[Any]] = [threads.submit(asyncio.run, main()) for _ in range(2)]
            running += [threads.submit(together, BLOCKING, studio, [("get_media", 2)]) for _ in range(10)]
            for future in running:
                future.result()
    assert 1 < crowd.most <= 3


def test_a_client_with_another_limit_counts_for_itself(form: Form) -> None:
    gate = Gate()
    with FaultServer(gate) as server:
        studio = server.client(max_connections=1)
        with meanwhile(studio.get_media, 9) as first:
            assert server.wait_for_requests(1)
            assert form.call(studio.with_options(max_connections=2), "get_media", 2).id == 2
            for same in (studio.with_options(timeout=0.1), studio.with_options(timeout=0.1, max_connections=1)):
                with pytest.raises(APITimeoutError):
                    form.call(same, "get_media", 3)
            gate.open.set()
            assert first.result().id == 9
        assert form.call(studio, "get_media", 3).id == 3
        assert asked(server) == ["9", "2", "3"]


def test_waiting_in_line_counts_as_part_of_timeout_and_the_error_says_so(form: Form) -> None:
    gate = Gate()
    with FaultServer(gate) as server:
        studio = server.client(max_connections=1)
        with meanwhile(studio.get_media, 9):
            assert server.wait_for_requests(1)
            with pytest.raises(APITimeoutError, match=r"at most 1 run at once \(max_connections\)") as error:
                form.call(studio.with_options(timeout=0.1, read_timeout=0.05), "delete_media", 1)
            assert not error.value.outcome_unknown
            gate.open.set()
        assert asked(server) == ["9"]


def test_the_log_says_how_long_a_request_has_waited(form: Form, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "canvas_studio")
    gate = Gate()
    with FaultServer(gate) as server:
        studio = server.client(max_connections=1)
        with meanwhile(studio.get_media, 9):
            assert server.wait_for_requests(1)
            threading.Timer(0.1, gate.open.set).start()
            form.call(studio, "get_media", 1)
    lines: list[Any] = caplog.records
    waited = {line.path: getattr(line, "waited", 0) for line in lines}
    assert waited["/media/9"] == 0
    assert waited["/media/1"] > 0
    assert [line.getMessage().endswith(" ms in the queue)") for line in lines if line.path == "/media/1"] == [True]


def test_close_ends_those_who_wait_in_line(form: Form) -> None:
    with FaultServer(HANG) as server:
        studio = server.client(max_connections=1)
        with meanwhile(together, form, studio, [("get_media", number) for number in range(1, 5)]) as running:
            assert server.wait_for_requests(1)
            studio.close()
            assert [type(one) for one in running.result()] == [ClientClosedError] * 4
        assert len(server.requests) == 1


def test_who_is_cancelled_in_line_leaves_it() -> None:
    gate = Gate()
    with FaultServer(gate) as server:
        studio = server.client(max_connections=1)

        async def main() -> None:
            first = asyncio.create_task(studio.get_media_async(9))
            await asyncio.to_thread(server.wait_for_requests, 1)
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(studio.get_media_async(1), 0.02)
            last = asyncio.create_task(studio.get_media_async(2))
            gate.open.set()
            assert ((await first).id, (await last).id) == (9, 2)

        asyncio.run(main())
        assert asked(server) == ["9", "2"]


def test_those_who_waited_in_line_begin_no_faster_than_max_rate_says(form: Form) -> None:
    gate = Gate()
    with FaultServer(gate) as server:
        studio = server.client(max_connections=1, max_rate=40)
        with meanwhile(studio.get_media, 9):
            assert server.wait_for_requests(1)
            with meanwhile(together, form, studio, [("get_media", number) for number in range(1, 9)]) as others:
                # Each of them had its turn by then.
                threading.Event().wait(9 / 40)
                gate.open.set()
                assert len(others.result()) == 8
        times = [request.at for request in server.requests[1:]]
        assert max(times) - min(times) > 7 / 40 / 2


def test_nobody_is_overtaken() -> None:
    numbers = range(9, 39)
    # Nobody outside can see when a call is in line; a busy machine may let some be late, but not each time.
    for _ in range(4):
        gate = Gate()
        with FaultServer(gate) as server:
            studio = server.client(max_connections=1)

            async def main(studio: StudioClient = studio, gate: Gate = gate) -> None:
                calls: list[asyncio.Task[Media]] = []
                for number in numbers:
                    calls.append(asyncio.create_task(studio.get_media_async(number)))
                    await asyncio.sleep(0.01)
                gate.open.set()
                await asyncio.gather(*calls)

            asyncio.run(main())
            if asked(server) == [str(number) for number in numbers]:
                return
    pytest.fail("somebody was overtaken each time")


@pytest.mark.parametrize("at", ["call", "url", "file"])
def test_who_waits_to_repeat_a_request_lets_others_go_on(form: Form, at: str, tmp_path: Path) -> None:
    later = json_answer({}, 503, {"Retry-After": "30"})
    with FaultServer(*[answer] * (at == "file"), later, answer) as server:
        studio = server.client(max_connections=1)
        call = ("get_media", 1) if at == "call" else ("download_media", 1, tmp_path / "film.mp4")
        with meanwhile(together, form, studio, [call]) as first:
            assert server.wait_for_requests(2 if at == "file" else 1)
            assert form.call(studio, "get_media", 2).id == 2
            studio.close()
            assert isinstance(first.result()[0], ClientClosedError)


def test_a_page_that_is_repeated_waits_in_line_again(form: Form) -> None:
    refused = iter([True] * 2)

    def handler(request: Received) -> Answer:
        is_ahead = int(request.parameters.get("page", "1")) > 2
        return json_answer({}, 503) if is_ahead and next(refused, False) else answer(request)

    with FaultServer(handler) as server:
        studio = server.client(max_connections=2, retry_delay=0.01)
        with meanwhile(together, GATHERED, studio, [("get_media", 1)] * 100) as calls:
            assert [media.id for media in form.items(studio.search_media(per_page=1))] == list(range(1, 31))
            assert [one.id for one in calls.result()] == [1] * 100


def test_tokens_are_refreshed_while_all_connections_are_taken(form: Form) -> None:
    class Slow(School):
        def _answer(self, request: Received) -> Answer:
            return gate(request) if request.path.endswith("/media/9") else super()._answer(request)

    gate = Gate()
    end = datetime.now(UTC) + timedelta(seconds=0.5)
    with Slow() as school:
        auth = school.oauth(MemoryTokenStore(school.tokens(expires_at=end)))
        with school.client(auth, max_connections=1) as studio, meanwhile(form.call, studio, "get_media", 9) as first:
            assert school.server.wait_for_requests(1)
            assert eventually(lambda: datetime.now(UTC) > end)
            with meanwhile(together, form, studio, [("get_media", 1), ("get_media", 2)]) as running:
                assert eventually(lambda: len(school.refreshes) == 1)
                gate.open.set()
                assert [one.id for one in running.result()] == [1, 2]
            assert first.result().id == 9
        assert len(school.refreshes) == 1


def test_who_waits_for_tokens_lets_others_go_on(form: Form) -> None:
    with School() as school, school.client(max_connections=1) as studio:
        school.gate = threading.Event()
        school.end_access()
        with meanwhile(together, form, studio, [("get_media", number) for number in range(1, 4)]) as running:
            # All are refused before there are new tokens: each let the next have the only connection.
            assert eventually(lambda: len(school.calls) == 3)
            assert len(school.refreshes) == 1
            school.gate.set()
            assert [one.id for one in running.result()] == [1, 2, 3]


def test_a_download_waits_for_its_turn_without_a_limit_and_asks_for_its_url_then(form: Form, tmp_path: Path) -> None:
    gate = Gate()
    with FaultServer(gate) as server:
        studio = server.client(max_connections=1, timeout=0.3)
        patient = studio.with_options(timeout=30)
        with meanwhile(patient.get_media, 9) as first:
            assert server.wait_for_requests(1)
            with meanwhile(form.call, studio, "download_media", 1, tmp_path / "film.mp4") as download:
                with pytest.raises(APITimeoutError):
                    form.call(studio, "get_media", 2)
                assert not download.done()
                assert asked(server) == ["9"]
                gate.open.set()
                assert download.result() == tmp_path / "film.mp4"
            assert first.result().id == 9
        assert asked(server) == ["9", "1/download", "/file"]


def test_a_download_holds_its_connection_to_the_end(form: Form, tmp_path: Path) -> None:
    gate = threading.Event()

    def film(request: Received) -> Answer:
        def pieces() -> Generator[bytes]:
            yield HALF
            gate.wait(20)
            yield HALF

        return replace(file_answer(request, b""), stream=pieces) if request.path == "/file" else answer(request)

    with FaultServer(film) as server:
        studio = server.client(max_connections=1)
        with meanwhile(form.call, studio, "download_media", 1, tmp_path / "film.mp4") as download:
            assert server.wait_for_requests(2)
            with pytest.raises(APITimeoutError, match="max_connections"):
                form.call(studio.with_options(timeout=0.1), "get_media", 2)
            gate.set()
            assert download.result().stat().st_size == 2 * len(HALF)


def test_a_progress_callable_can_make_calls_with_a_single_connection(tmp_path: Path) -> None:
    """Nobody drives the download meanwhile, so its connection does not count."""
    called = threading.Event()

    def film(request: Received) -> Answer:
        def pieces() -> Generator[bytes]:
            yield HALF
            called.wait(20)
            yield HALF

        return replace(file_answer(request, b""), stream=pieces) if request.path == "/file" else answer(request)

    with FaultServer(film) as server:
        studio = server.client(max_connections=1, timeout=5)
        found: list[int] = []

        async def gathered() -> list[int]:
            media = await asyncio.gather(*(studio.get_media_async(number) for number in range(3, 6)))
            return [one.id for one in media]

        def progress(_done: int, _total: int | None) -> None:
            if not found:
                found.append(studio.get_media(1).id)
                found.append(len(list(studio.search_media(per_page=10))))
                found.extend(asyncio.run(gathered()))
                called.set()

        path = studio.download_media(1, tmp_path / "film.mp4", progress=progress)
        assert path.stat().st_size == 2 * len(HALF)
        assert found == [1, 30, 3, 4, 5]
        # What was lent is paid back.
        with meanwhile(together, GATHERED, studio, [("get_media", number) for number in range(1, 5)]) as running:
            assert [one.id for one in running.result()] == [1, 2, 3, 4]


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("body", ["blocking", "event loop", "thread", "list"])
def test_the_body_of_a_loop_over_a_list_can_make_calls(most: int, body: str) -> None:
    """Pages that were asked for ahead come in during a blocking call only; here, after the body has made its call."""
    asked_for = [threading.Event() for _ in range(12)]

    def handler(request: Received) -> Answer:
        if not request.path.endswith("/media/search"):
            number = int(request.path.rpartition("/")[2])
            asked_for[number].set()
            return media_answer(number)
        page = page_answer(request, library_of(10))
        number = int(request.parameters["page"])
        return replace(page, gate=asked_for[number - 1]) if number > 2 and "title" not in request.parameters else page

    def call(id: int) -> int:
        if body == "event loop":
            return asyncio.run(again(id))
        if body == "thread":
            with meanwhile(studio.get_media, id) as other:
                return int(other.result().id)
        if body == "list":
            assert len(list(studio.search_media(title="x", per_page=4))) == 10
        return studio.get_media(id).id

    async def again(id: int) -> int:
        return (await studio.get_media_async(id)).id

    with FaultServer(handler) as server:
        studio = server.client(max_connections=most, timeout=5, max_retries=0)
        found = [(media.id, call(media.id)) for media in studio.search_media(per_page=1)]
    assert found == [(number, number) for number in range(1, 11)]


@pytest.mark.parametrize("most", [1, 2])
def test_the_body_of_an_async_loop_over_a_list_can_make_calls(most: int) -> None:
    with FaultServer(answer) as server:
        studio = server.client(max_connections=most, timeout=5)

        async def main() -> list[tuple[int, int]]:
            pages = studio.search_media(per_page=1)
            return [(media.id, (await studio.get_media_async(media.id)).id) async for media in pages]

        assert asyncio.run(main()) == [(number, number) for number in range(1, 31)]


def test_a_loop_that_is_left_gives_its_connections_back() -> None:
    gate = threading.Event()

    def handler(request: Received) -> Answer:
        is_later = int(request.parameters.get("page", "1")) > 2
        return replace(answer(request), gate=gate) if is_later else answer(request)

    with FaultServer(handler) as server:
        studio = server.client(max_connections=2, timeout=5)
        half_read = [iter(studio.search_media(per_page=1)) for _ in range(3)]
        for reading in half_read:
            assert [next(reading).id, next(reading).id] == [1, 2]
        assert [one.id for one in together(GATHERED, studio, [("get_media", 1), ("get_media", 2)])] == [1, 2]
        gate.set()
        assert [media.id for media in half_read[1]] == list(range(3, 31))


@posix_only
def test_a_forked_child_has_connections_of_its_own() -> None:
    gate = Gate()
    with FaultServer(gate) as server:
        program = """
            studio = studio.with_options(max_connections=2, timeout=20)
            reading = iter(studio.search_media(per_page=1))
            next(reading), next(reading)
            async def main():
                taken = [asyncio.create_task(studio.get_media_async(9)) for _ in range(2)]
                await asyncio.to_thread(sys.stdin.readline)
                child = os.fork()
                if not child:
                    print(studio.get_media(1).id, sum(1 for _ in reading), flush=True)
                    os._exit(0)
                os.waitpid(child, 0)
                for task in taken:
                    task.cancel()
                await asyncio.wait(taken)
                print(sum(1 for _ in reading))
            asyncio.run(main())
        """
        with running(program, server.url) as process:
            assert eventually(lambda: asked(server).count("9") == 2)
            assert process.communicate("\n", timeout=40) == ("1 28\n28\n", "")


FEW_FILES = """
import resource, tempfile
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
def failures(results):
    return {str(result) for result in results if isinstance(result, Exception)}
async def calls():
    return failures(await asyncio.gather(*(studio.get_media_async(1) for _ in range(600)), return_exceptions=True))
async def downloads(folder):
    running = (studio.download_media_async(1, f"{folder}/{number}") for number in range(300))
    return failures(await asyncio.gather(*running, return_exceptions=True))
"""


@posix_only
def test_hundreds_of_calls_and_downloads_at_once_come_with_256_open_files() -> None:
    with FaultServer(Crowd(0.05)) as server:
        program = """
            async def main():
                print(await calls())
                with tempfile.TemporaryDirectory() as folder:
                    print(await downloads(folder))
                print(await calls())
            asyncio.run(main())
        """
        assert run(FEW_FILES + program.replace("\n            ", "\n"), server.url).stdout == "set()\n" * 3


@posix_only
def test_an_error_for_want_of_open_files_says_so() -> None:
    with FaultServer(Crowd(0.3)) as server:
        program = """
            studio = studio.with_options(max_connections=1000, max_retries=0)
            print(asyncio.run(calls()))
        """
        told = run(FEW_FILES + program.replace("\n            ", "\n"), server.url).stdout.strip()
    assert told == (
        "{'no connection to 127.0.0.1: too many open files, and each connection is one: lower max_connections, or "
        "allow more (ulimit -n)'}"
    )


def test_connections_that_a_burst_has_opened_are_closed_but_for_some() -> None:
    with FaultServer(Crowd(0.05)) as server:
        studio = server.client()
        assert len(together(GATHERED, studio, [("get_media", 1)] * 80)) == 80
        assert server.wait_until_left(open_at_most=16)
        assert studio.get_media(2).id == 2


def test_a_repeated_burst_opens_no_more_connections_than_are_allowed() -> None:
    with FaultServer(answer) as server:
        studio = server.client(max_connections=8)
        for _ in range(3):
            together(GATHERED, studio, [("get_media", 1)] * 100)
        assert len({request.connection for request in server.requests}) <= 12


SLOW_NAMES = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <unistd.h>
typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);
int getaddrinfo(const char *n, const char *s, const struct addrinfo *h, struct addrinfo **r) {
    usleep(100000);
    return ((look_up *)dlsym(RTLD_NEXT, "getaddrinfo"))(n, s, h, r);
}
"""


@linux_only
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_one_name_is_looked_up_by_one_thread(tmp_path: Path) -> None:
    library = tmp_path / "slow.so"
    compiler = ["cc", "-shared", "-fPIC", "-xc", "-", "-o", str(library), "-ldl"]
    subprocess.run(compiler, input=SLOW_NAMES, text=True, check=True)
    program = """
import asyncio, os, sys
from canvas_studio import StudioClient
studio = StudioClient(sys.argv[1], token="token-of-a-program")
async def main():
    tasks, most = [asyncio.create_task(studio.get_media_async(1)) for _ in range(200)], 0
    while not all(task.done() for task in tasks):
        most = max(most, len(os.listdir("/proc/self/task")))
        await asyncio.sleep(0.01)
    print({task.result().id for task in tasks}, most)
asyncio.run(main())
"""
    with FaultServer(answer) as server:
        command = [sys.executable, "-c", program, server.url.replace("127.0.0.1", "localhost")]
        environment = {**os.environ, "LD_PRELOAD": str(library)}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=40, check=False)
    found, _, threads = result.stdout.partition(" ")
    assert found == "{1}", result.stderr
    # The main one, that of the runtime, and the look-up.
    assert int(threads) <= 5


@pytest.mark.parametrize("given", [0, -1, 1001, 10**30])
def test_a_limit_that_cannot_be_is_refused_before_anything_is_sent(given: int) -> None:
    with FaultServer(paged([])) as server:
        studio = server.client()
        for make in (server.client, studio.with_options):
            with pytest.raises(InvalidArgumentError, match="must be from 1 to 1000") as caught:
                make(max_connections=given)
            assert caught.value.argument == "max_connections"


def test_the_limit_comes_along_in_a_pickle_and_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    with FaultServer(gate) as server:
        monkeypatch.setenv("CANVAS_STUDIO_URL", server.url)
        monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
        original = StudioClient.from_env(max_connections=1, timeout=0.2, max_retries=0)
        studio = pickle.loads(pickle.dumps(original))  # noqa: S301 - our own
        with studio, meanwhile(studio.with_options(timeout=20).get_media, 9):
            assert server.wait_for_requests(1)
            with pytest.raises(APITimeoutError, match="at most 1 run at once"):
                studio.get_media(1)
            gate.open.set()
