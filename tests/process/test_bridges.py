"""The bridges between Python and the core: which thread does the work, and what happens to idle connections."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import inspect
import logging
import signal
import threading
import time
import weakref
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import trustme
from canvas_studio import APIConnectionError, APITimeoutError, ClientClosedError, StudioClient
from support.fault_server import (
    HANG,
    TOKEN,
    Answer,
    FaultServer,
    Received,
    file_answer,
    json_answer,
    media_named_in_path,
    redirect,
)
from support.gateways import TlsFront
from support.programs import linux_only, posix_only, run, running

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.forms import Connect, Form


# ---------------------------------------------------------------- blocking calls


@linux_only
def test_a_blocking_call_starts_no_thread() -> None:
    program = """
        for number in range(1, 6):
            studio.get_media(number)
        print(len(os.listdir("/proc/self/task")))
    """
    with FaultServer(media_named_in_path) as server:
        ended = run(program, server.url)
    assert (ended.stdout, ended.stderr) == ("1\n", "")


def test_blocking_calls_one_after_another_use_one_connection() -> None:
    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        for number in range(1, 101):
            assert studio.get_media(number).id == number
        assert {request.connection for request in server.requests} == {1}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_the_server_closes_between_two_calls_is_not_used_again(form: Form, method: str) -> None:
    # The server does not say that it will close; a client that does not look loses the next request.
    with FaultServer(json_answer({"fine": True}, end="close")) as server:
        studio = server.client(max_retries=0)
        rounds = 200 if form.name == "blocking" else 20
        for _ in range(rounds):
            assert form.call(studio, "request", method, "/tags") == {"fine": True}
            assert server.wait_until_left()
            if form.name == "async":
                # What has threads of its own takes a moment to see it; what the caller drives looks at each call.
                time.sleep(0.1)
        assert len(server.requests) == rounds


def test_calls_of_other_threads_go_on_while_one_waits() -> None:
    def answer(request: Received) -> Answer:
        return HANG if request.path.endswith("/1") else media_named_in_path(request)

    with FaultServer(answer) as server:
        studio = server.client()

        def wait() -> None:
            with contextlib.suppress(ClientClosedError):
                studio.get_media(1)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert server.wait_for_requests()
        assert [studio.get_media(number).id for number in range(2, 30)] == list(range(2, 30))
        studio.close()
        waiting.join(20)
        assert not waiting.is_alive()


class Calling:
    """Calls when it is finalized, which it never is before the garbage collector comes by."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.itself = self
        self.call = call

    def __del__(self) -> None:
        self.call()


def test_a_call_in_the_middle_of_a_call_is_a_call_as_any_other(form: Form, tmp_path: Path) -> None:
    found: list[tuple[str, int]] = []
    content = b"x" * 300_000

    def answer(request: Received) -> Answer:
        return redirect(f"{storage.url}/file") if request.path.endswith("/download") else media_named_in_path(request)

    with FaultServer(lambda request: file_answer(request, content)) as storage, FaultServer(answer) as server:
        studio = server.client()

        def ask(who: str) -> None:
            if len(found) < 10:
                found.append((who, studio.get_media(5).id))

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if "/media/5" not in record.getMessage():
                    ask("handler")

        def progress(_done: int, _total: int | None) -> None:
            ask("progress")
            Calling(lambda: ask("finalizer"))
            gc.collect()

        logger, handler = logging.getLogger("canvas_studio"), Handler()
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            form.call(studio, "download_media", 1, tmp_path / "file.mp4", progress=progress)
        finally:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
    assert {who for who, _ in found} == {"handler", "progress", "finalizer"}
    assert {number for _, number in found} == {5}


@posix_only
def test_a_signal_handler_can_call_while_a_call_waits() -> None:
    program = """
        import signal
        signal.signal(signal.SIGALRM, lambda *_: print(studio.get_media(7).id, flush=True))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        print(studio.get_media(1).id)
    """

    def answer(request: Received) -> Answer:
        return replace(media_named_in_path(request), delay=0.5 if request.path.endswith("/1") else 0)

    with FaultServer(answer) as server:
        ended = run(program, server.url)
    assert (ended.stdout, ended.stderr) == ("7\n1\n", "")


def test_a_call_that_is_out_of_time_leaves_no_connection(form: Form) -> None:
    with FaultServer(HANG) as server:
        studio = server.client(timeout=0.2, max_retries=0)
        with pytest.raises(APITimeoutError):
            form.call(studio, "get_media", 1)
        # No other call comes by to clear up.
        assert server.wait_for_disconnect(timeout=5)


@posix_only
def test_ctrl_c_takes_the_request_back_at_once() -> None:
    program = """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            studio.get_media(1)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        sys.stdin.readline()
    """
    with FaultServer(HANG) as server, running(program, server.url) as it:
        assert server.wait_for_requests(timeout=30)
        it.send_signal(signal.SIGINT)
        assert it.stdout is not None
        # A call that nothing interrupts ends with its timeout, and says nothing.
        assert it.stdout.readline() == "interrupted\n"
        # The program still runs, and does not call again.
        assert server.wait_for_disconnect(timeout=5)


def test_close_ends_an_idle_connection_that_nobody_drives() -> None:
    with FaultServer(media_named_in_path) as server:
        studio = StudioClient(server.url, token=TOKEN)
        studio.get_media(1)
        studio.close()
        assert server.wait_until_left(timeout=5)


def test_close_ends_idle_connections_while_others_call() -> None:
    with FaultServer(media_named_in_path) as busy, FaultServer(media_named_in_path) as server:
        over = threading.Event()
        other = busy.client()

        def work() -> None:
            while not over.is_set():
                other.get_media(1)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(100):
                studio = StudioClient(server.url, token=TOKEN)
                studio.get_media(1)
                studio.close()
                assert server.wait_until_left(timeout=5)
        finally:
            over.set()
            for thread in threads:
                thread.join(20)


def test_both_forms_trust_the_certificates_that_were_read_once(tmp_path: Path) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    program = """
        print(studio.get_media(1).id, flush=True)
        sys.stdin.readline()
        print(asyncio.run(studio.get_media_async(2)).id, studio.get_media(3).id)
    """
    begin = """
import asyncio, sys
from canvas_studio import StudioClient
studio = StudioClient(sys.argv[1], token="token-of-a-program", retry_delay=0)
"""
    with (
        FaultServer(media_named_in_path) as server,
        TlsFront(authority.issue_cert("127.0.0.1"), server.url) as front,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        with running(program, front.url, begin=begin) as it:
            assert it.stdout is not None
            assert it.stdout.readline() == "1\n"
            bundle.unlink()
            assert it.communicate("\n", timeout=20) == ("2 3\n", "")


@posix_only
def test_a_child_and_its_parent_each_drive_their_own_connections() -> None:
    program = """
        studio.get_media(1)
        child = os.fork()
        for number in range(2, 50):
            assert studio.get_media(number).id == number
        if child == 0:
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    with FaultServer(media_named_in_path) as server:
        ended = run(program, server.url)
        assert (ended.stdout, ended.stderr) == ("0\n", "")
        assert len({request.connection for request in server.requests}) == 2


def test_a_refused_connection_is_told_and_the_next_call_works(form: Form) -> None:
    with FaultServer(media_named_in_path, listening=False) as server:
        studio = server.client(max_retries=0)
        with pytest.raises(APIConnectionError):
            form.call(studio, "get_media", 1)
        server.listen()
        assert form.call(studio, "get_media", 2).id == 2


# ---------------------------------------------------------------- coroutines


def begun(studio: StudioClient) -> Coroutine[Any, Any, Any]:
    return studio.get_media_async(1)


def test_it_is_a_coroutine_to_whoever_looks(connect: Connect) -> None:
    call = begun(connect("https://school.example.edu"))
    assert isinstance(call, Coroutine)
    assert asyncio.iscoroutine(call)
    assert inspect.isawaitable(call)
    named = cast("Any", call)
    assert (named.__name__, named.__qualname__) == ("get_media_async", "StudioClient.get_media_async")
    assert repr(call).startswith("<coroutine object StudioClient.get_media_async at 0x")
    assert weakref.ref(call)() is call
    call.close()


async def test_all_that_takes_coroutines_takes_it() -> None:
    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        assert (await studio.get_media_async(1)).id == 1
        assert (await asyncio.create_task(studio.get_media_async(2), name="second")).id == 2
        assert [media.id for media in await asyncio.gather(*map(studio.get_media_async, range(1, 65)))] == [
            *range(1, 65)
        ]
        assert (await asyncio.wait_for(studio.get_media_async(3), 20)).id == 3
        assert (await asyncio.shield(studio.get_media_async(4))).id == 4
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            task = group.create_task(studio.get_media_async(5))
        assert task.result().id == 5
        assert "StudioClient.get_media_async" in repr(task)
        future = asyncio.run_coroutine_threadsafe(studio.get_media_async(6), asyncio.get_running_loop())
        assert (await asyncio.wrap_future(future)).id == 6


async def test_a_coroutine_is_awaited_once() -> None:
    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        call = studio.get_media_async(1)
        await call
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await call
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            call.throw(ValueError("late"))
        call.close()
        waiting = studio.get_media_async(2)
        task = asyncio.create_task(waiting)
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
            await waiting
        assert (await task).id == 2
    assert len(server.requests) == 2


def test_before_it_is_awaited_it_is_as_pythons_own(connect: Connect) -> None:
    studio = connect("https://school.example.edu")

    async def native() -> None:
        await asyncio.sleep(0)

    def what_happens(make: Callable[[], Coroutine[Any, Any, Any]]) -> list[str]:
        told: list[str] = []

        def note(act: Callable[[Coroutine[Any, Any, Any]], object], *, again: bool = False) -> None:
            call = make()
            for _ in range(2 if again else 1):
                try:
                    told.append(repr(act(call)))
                except BaseException as error:  # noqa: BLE001 - whatever it is, it is compared
                    told.append(f"{type(error).__name__}: {error}")
            call.close()

        note(lambda call: call.send(1))
        note(lambda call: call.close(), again=True)
        note(lambda call: call.throw(KeyError("key")), again=True)
        note(lambda call: call.throw(cast("Any", KeyError)))
        note(lambda call: call.throw(KeyError, "key"))
        note(lambda call: call.throw(KeyError, KeyError("key"), None))
        note(lambda call: call.throw(GeneratorExit()))
        return told

    assert what_happens(lambda: begun(studio)) == what_happens(native)


def test_without_a_loop_it_says_so(connect: Connect) -> None:
    call = begun(connect("https://school.example.edu"))
    with pytest.raises(RuntimeError, match="no running event loop"):
        call.send(None)
    call.close()


def test_a_coroutine_that_is_forgotten_sends_nothing_and_is_told_of() -> None:
    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        with pytest.warns(RuntimeWarning, match=r"coroutine 'StudioClient\.get_media_async' was never awaited"):
            cast("Any", studio).get_media_async(1)
        # What is under way meanwhile is not lost.
        with pytest.warns(RuntimeWarning), pytest.raises(ZeroDivisionError):
            print(studio.get_media_async(1), 1 / 0)
    assert server.requests == []


async def test_a_coroutine_that_is_dropped_under_way_takes_its_request_back() -> None:
    with FaultServer(HANG) as server:
        call = server.client().get_media_async(1)
        call.send(None)
        assert await asyncio.to_thread(server.wait_for_requests)
        del call
        assert await asyncio.to_thread(server.wait_for_disconnect)


async def test_a_coroutine_that_is_closed_under_way_takes_its_request_back() -> None:
    with FaultServer(HANG) as server:
        call = server.client().get_media_async(1)
        call.send(None)
        assert await asyncio.to_thread(server.wait_for_requests)
        call.close()
        assert await asyncio.to_thread(server.wait_for_disconnect)
        with pytest.raises(RuntimeError, match="cannot reuse"):
            call.send(None)


async def test_a_context_variable_of_the_task_is_there_where_its_log_is_told() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    told: list[tuple[str, int]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - as logging calls it
            told.append((who.get(), threading.get_ident()))

    async def ask(studio: StudioClient) -> None:
        who.set("the task")
        await studio.get_media_async(1)

    logger, handler = logging.getLogger("canvas_studio"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        with FaultServer(media_named_in_path) as server:
            await asyncio.create_task(ask(server.client()))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert set(told) == {("the task", threading.get_ident())}


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"selector": asyncio.SelectorEventLoop}
with contextlib.suppress(ImportError):
    LOOPS["uvloop"] = importlib.import_module("uvloop").new_event_loop


def loop_without_readers() -> asyncio.AbstractEventLoop:
    """A loop that watches no sockets of others, as that of Windows."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    loop = asyncio.SelectorEventLoop()
    cast("Any", loop).add_reader = refuse
    return loop


LOOPS["without readers"] = loop_without_readers


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes a loop of each kind."""
    make: Callable[[], asyncio.AbstractEventLoop] = request.param
    return make


def test_every_loop_takes_many_calls_at_once(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def work(studio: StudioClient) -> list[int]:
        calls = [studio.get_media_async(number) for number in range(1, 201)]
        return [media.id for media in await asyncio.gather(*calls)]

    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        for _ in range(3):
            loop = new_loop()
            assert loop.run_until_complete(work(studio)) == list(range(1, 201))
            # A loop that was stopped goes on.
            assert loop.run_until_complete(studio.get_media_async(7)).id == 7
            loop.close()


def test_every_loop_ends_what_is_cancelled(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def work(studio: StudioClient) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(studio.get_media_async(1), 0.2)

    with FaultServer(HANG) as server:
        loop = new_loop()
        loop.run_until_complete(work(server.client()))
        assert server.wait_for_disconnect()
        loop.close()


def test_every_loop_can_be_closed_with_calls_under_way(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    gate = threading.Event()

    def answer(request: Received) -> Answer:
        return replace(media_named_in_path(request), gate=gate)

    with FaultServer(answer) as server:
        studio = server.client()
        for number in range(1, 6):
            loop = new_loop()
            calls = [studio.get_media_async(number) for _ in range(10)]

            async def begin(calls: Sequence[Coroutine[Any, Any, Any]]) -> None:
                for call in calls:
                    call.send(None)
                await asyncio.to_thread(server.wait_for_requests, len(server.requests) + 10)

            loop.run_until_complete(begin(calls))
            loop.close()
            if number % 2:
                # Their answers come for nobody.
                gate.set()
                time.sleep(0.05)
                gate.clear()
            for call in calls:
                call.close()
        gate.set()
        assert studio.get_media(9).id == 9


def nothing_said(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    pass


def test_a_loop_that_is_closed_and_forgotten_takes_its_requests_back(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def begin(server: FaultServer) -> None:
        studio = server.client()
        for number in range(1, 6):
            asyncio.get_running_loop().create_task(studio.get_media_async(number))
        await asyncio.to_thread(server.wait_for_requests, 5)

    with FaultServer(HANG) as server:
        loop = new_loop()
        # asyncio complains about tasks that are dropped unfinished.
        loop.set_exception_handler(nothing_said)
        loop.run_until_complete(begin(server))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        del loop
        gc.collect()
        assert server.wait_for_disconnect(count=5)


def open_files() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


@linux_only
def test_loops_that_come_and_go_leave_no_files_open(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with FaultServer(media_named_in_path) as server:
        studio = server.client()

        def once() -> None:
            loop = new_loop()
            loop.run_until_complete(studio.get_media_async(1))
            loop.close()

        for _ in range(3):
            once()
        before = open_files()
        for _ in range(50):
            once()
        assert open_files() <= before + 5


@linux_only
def test_loops_that_are_closed_with_calls_under_way_leave_no_files_open() -> None:
    gate = threading.Event()
    with FaultServer(lambda request: replace(media_named_in_path(request), gate=gate)) as server:
        studio = server.client()

        async def begin(calls: Sequence[Coroutine[Any, Any, Any]]) -> None:
            for call in calls:
                call.send(None)

        gate.set()
        assert asyncio.run(studio.get_media_async(1)).id == 1
        gate.clear()
        before = open_files()
        for _ in range(20):
            calls: list[Coroutine[Any, Any, Any]] = [studio.get_media_async(1) for _ in range(2)]
            loop = asyncio.SelectorEventLoop()
            loop.run_until_complete(begin(calls))
            loop.close()
            # They end at once, on another thread, and there is nobody to be told.
            studio.close()
            studio = server.client()
            time.sleep(0.02)
        gate.set()
        assert server.wait_until_left()
        assert open_files() <= before + 10


@linux_only
def test_loops_that_take_turns_on_one_thread_keep_what_they_have() -> None:
    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        loops = [asyncio.SelectorEventLoop() for _ in range(3)]
        for loop in loops:
            loop.run_until_complete(studio.get_media_async(1))
        before = open_files()
        for _ in range(50):
            for loop in loops:
                assert loop.run_until_complete(studio.get_media_async(1)).id == 1
        assert open_files() <= before + 5
        for loop in loops:
            loop.close()


@posix_only
def test_forks_while_many_async_calls_are_under_way_hang_in_no_child() -> None:
    program = """
        # What is imported at the first call is there; Python itself cannot fork while another thread imports.
        asyncio.run(studio.get_media_async(1))
        over = threading.Event()
        async def work():
            while not over.is_set():
                await asyncio.gather(*(studio.get_media_async(number) for number in range(1, 33)))
        thread = threading.Thread(target=lambda: asyncio.run(work()))
        thread.start()
        codes = []
        for number in range(20):
            child = os.fork()
            if child == 0:
                assert studio.get_media(7).id == 7
                assert asyncio.run(studio.get_media_async(8)).id == 8
                os._exit(0)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        over.set()
        thread.join()
        print(set(codes))
    """
    with FaultServer(media_named_in_path) as server:
        ended = run(program, server.url)
    assert (ended.stdout, ended.stderr) == ("{0}\n", "")


def test_exits_with_64_requests_in_flight_are_clean() -> None:
    program = """
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
        async def main():
            pending = [asyncio.create_task(studio.get_media_async(number)) for number in range(2, 66)]
            await studio.get_media_async(1)
            return pending
        loop = asyncio.new_event_loop()
        pending = loop.run_until_complete(main())
    """

    def answer(request: Received) -> Answer:
        number = int(request.path.rpartition("/")[2])
        return replace(media_named_in_path(request), delay=0 if number == 1 else number * 0.001)

    with FaultServer(answer) as server, ThreadPoolExecutor(2) as programs:
        ended = list(programs.map(run, [program] * 20, [server.url] * 20))
    assert {(process.returncode, process.stderr) for process in ended} == {(0, "")}
