"""Calls work on small stacks, during interpreter exit, and without asyncio."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from canvas_studio import StudioClient
from support.fault_server import (
    Answer,
    FaultServer,
    Received,
    json_answer,
    library_of,
    media_answer,
    media_item,
    page_answer,
    paged,
)
from support.gateways import TlsFront
from support.programs import posix_only, run, running
from support.school import School

if TYPE_CHECKING:
    from pathlib import Path

# ---------------------------------------------------------------- small stacks

ON_A_SMALL_STACK = """
import asyncio, contextlib, json, sys, threading
from canvas_studio import APIStatusError, OAuth, StudioClient, Tokens
with contextlib.suppress(ImportError):
    import pyarrow  # which is large

class Store:
    tokens = Tokens("ended", refresh_token="refresh-0-of-the-tests")
    def load(self): return self.tokens
    def save(self, tokens): self.tokens = tokens
    def lock(self): return contextlib.nullcontext()

url, bundle = sys.argv[1:]
key = "key-of-the-tests", "secret-of-the-tests-2718281828"
bundle = bundle if bundle.endswith(".pem") else None
def client(**auth): return StudioClient(url, ca_bundle=bundle, retry_delay=0, **auth)
studio = client(token="token-of-a-program")
def caught(call):
    try:
        call()
    except APIStatusError as error:
        return error
async def items(): return [media.id async for media in studio.search_media()]

threading.stack_size(64 * 1024)
thread = threading.Thread(target=lambda: print({call}))
thread.start()
thread.join()
"""


def on_a_small_stack(call: str, url: str, bundle: Path) -> tuple[str, str, int]:
    ended = run("", url, str(bundle), begin=ON_A_SMALL_STACK.replace("{call}", call))
    return ended.stdout, ended.stderr, ended.returncode


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("studio.search_media().first().title", "Lecture 1"),
        ("[media.id for media in studio.search_media()]", "[1, 2, 3]"),
        ("asyncio.run(items())", "[1, 2, 3]"),
        ("client(token='another').search_media().to_dicts()[2]['id']", "3"),
    ],
)
def test_calls_over_tls_work_on_a_stack_of_64_kilobytes(call: str, result: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with (
        FaultServer(paged(library_of(3))) as server,
        TlsFront(authority.issue_cert("127.0.0.1"), server.url) as front,
    ):
        assert on_a_small_stack(call, front.url, tmp_path / "ca.pem") == (f"{result}\n", "", 0)


def test_a_token_store_refreshes_over_tls_on_a_stack_of_64_kilobytes(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with School() as school, TlsFront(authority.issue_cert("127.0.0.1"), school.server.url) as front:
        call = "client(auth=OAuth(*key, store=Store())).get_media(7).id"
        assert on_a_small_stack(call, front.url, tmp_path / "ca.pem") == ("7\n", "", 0)
        assert len(school.refreshes) == 1


def nested(depth: int) -> dict[str, Any]:
    return {"a": [nested(depth - 1)]} if depth else {"a": 1}


DEEP = nested(50)
DEEP_CALLS = [
    "studio.request('GET', '/deep')['media']['odd']",
    "studio.get_media(1).extra['odd']",
    "studio.get_media(1).to_dict()['odd']",
    "studio.search_media().to_dicts()[0]['odd']",
    "json.loads(studio.search_media().to_arrow()['extra'][0].as_py())['odd']",
    "studio.request('POST', '/deep', json=studio.get_media(1).to_dict())['media']['odd']",
    "caught(lambda: studio.request('GET', '/404')).body['odd']",
    "asyncio.run(studio.get_media_async(1)).extra['odd']",
]


@pytest.mark.parametrize("call", DEEP_CALLS)
def test_deep_json_is_read_and_written_on_a_stack_of_64_kilobytes(call: str, tmp_path: Path) -> None:
    def answer(request: Received) -> Answer:
        if request.path.endswith("search"):
            return page_answer(request, [media_item(1, odd=DEEP)])
        return json_answer({"odd": DEEP}, 404) if request.path.endswith("404") else media_answer(1, odd=DEEP)

    with FaultServer(answer) as server:
        assert on_a_small_stack(f"json.dumps({call})", server.url, tmp_path) == (f"{json.dumps(DEEP)}\n", "", 0)


# ---------------------------------------------------------------- the exit

AT_EXIT = """
import asyncio, atexit, contextlib, functools, os, sys, threading
from canvas_studio import OAuth, StudioClient, Tokens

class Store:
    tokens = Tokens("ended", refresh_token="refresh-0-of-the-tests")
    def load(self): return self.tokens
    def save(self, tokens): self.tokens = tokens
    def lock(self): return contextlib.nullcontext()

class AsyncStore(Store):
    async def load(self): return self.tokens
    async def save(self, tokens): self.tokens = tokens
    @contextlib.asynccontextmanager
    async def lock(self): yield

key = "key-of-the-tests", "secret-of-the-tests-2718281828"
studio = StudioClient(sys.argv[1], retry_delay=0, auth=OAuth(*key, store={store}()))
"""


@pytest.mark.parametrize("store", ["Store", "AsyncStore"])
@pytest.mark.parametrize("call", ["studio.get_media(7)", "asyncio.run(studio.get_media_async(7))"])
def test_an_atexit_function_can_call_with_a_token_store_written_in_python(store: str, call: str) -> None:
    program = f"atexit.register(lambda: print({call}.id))"
    with School() as school:
        ended = run(program, school.server.url, begin=AT_EXIT.replace("{store}", store))
        assert (ended.stdout, ended.stderr, ended.returncode) == ("7\n", "", 0)
        assert len(school.refreshes) == 1


def test_a_token_store_works_where_python_starts_no_more_threads() -> None:
    """As from Python 3.12 on at exit, which this Python may not be."""
    program = """
        def refuse(thread):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        threading.Thread.start = refuse
        print(studio.get_media(7).id)
    """
    with School() as school:
        ended = run(program, school.server.url, begin=AT_EXIT.replace("{store}", "Store"))
        assert (ended.stdout, ended.stderr, ended.returncode) == ("7\n", "", 0)


@posix_only
def test_ctrl_c_ends_an_exit_that_waits_for_tokens() -> None:
    """Ten seconds are waited for them; nothing here ends before that by itself."""
    program = """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        is_loading, never = threading.Event(), threading.Event()
        def load(self):
            is_loading.set()
            never.wait()
        Store.load = load
        threading.Thread(target=lambda: studio.get_media(7), daemon=True).start()
        is_loading.wait()
        # Nothing of Python's runs between this and the wait, so it is there that the signal is noticed.
        atexit.register(functools.partial(print, "at its end", flush=True))
    """
    with School() as school, running(program, school.server.url, begin=AT_EXIT.replace("{store}", "Store")) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "at its end\n"
        it.send_signal(signal.SIGINT)
        _, complaints = it.communicate(timeout=8)
        assert "KeyboardInterrupt" in complaints
        assert it.returncode == 0


@posix_only
def test_ctrl_c_at_exit_waits_for_a_thread_of_the_core_that_runs_python() -> None:
    """Up to Python 3.13 a thread that is ended there takes the process with it."""
    program = """
        import signal, time
        from canvas_studio import _user_stores
        signal.signal(signal.SIGINT, signal.default_int_handler)
        begin, is_beginning = _user_stores.begin_on_a_thread, threading.Event()
        def slowly(*arguments):
            is_beginning.set()
            # It takes up Python's lock again and again, while the interpreter would be taken apart.
            for _ in range(300):
                time.sleep(0.001)
            begin(*arguments)
        _user_stores.begin_on_a_thread = slowly
        threading.Thread(target=lambda: studio.get_media(7), daemon=True).start()
        is_beginning.wait()
        atexit.register(functools.partial(print, "at its end", flush=True))
    """
    with School() as school, running(program, school.server.url, begin=AT_EXIT.replace("{store}", "Store")) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "at its end\n"
        it.send_signal(signal.SIGINT)
        _, complaints = it.communicate(timeout=8)
        assert "KeyboardInterrupt" in complaints
        assert it.returncode == 0


# ---------------------------------------------------------------- other libraries than asyncio


def test_without_asyncio_an_async_method_says_what_it_needs_and_warns_of_nothing() -> None:
    call: Any = StudioClient("https://school.example.edu", token="invented").get_media_async(1)
    with pytest.raises(RuntimeError, match="no running event loop of asyncio") as raised:
        call.send(None)
    assert "trio.to_thread.run_sync" in str(raised.value)
    # It has ended, as one of Python's own that has raised something; forgetting it is no fault.
    with pytest.raises(RuntimeError, match="already awaited"):
        call.send(None)
    del call


def test_the_same_client_works_where_asyncio_is_there() -> None:
    with FaultServer(lambda _: media_answer(7)) as server:
        studio = server.client()
        call: Any = studio.get_media_async(7)
        with pytest.raises(RuntimeError):
            call.send(None)
        assert asyncio.run(studio.get_media_async(7)).id == 7
