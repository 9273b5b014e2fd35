"""Both bridges between Python and the core: whose thread does the work, and what becomes of connections in between."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trustme
from canvas_studio import APIConnectionError, APITimeoutError, ClientClosedError, StudioClient
from fault_server import (
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
from gateways import TlsFront
from test_process import posix_only, run, running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Form

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


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
        for _ in range(200):
            assert form.call(studio, "request", method, "/tags") == {"fine": True}
            assert server.wait_until_left()
            if form.name == "async":
                # What has threads of its own takes a moment to see it; what the caller drives looks at each call.
                time.sleep(0.002)
        assert len(server.requests) == 200


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
        began = time.monotonic()
        it.send_signal(signal.SIGINT)
        assert it.stdout is not None
        assert it.stdout.readline() == "interrupted\n"
        assert time.monotonic() - began < 1
        # The program still runs, and does not call again.
        assert server.wait_for_disconnect(timeout=5)


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
