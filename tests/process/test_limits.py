"""If the system gives no thread or no memory, a call raises an exception and prints nothing."""

from __future__ import annotations

import gzip
import json
import sys

import pytest
from support.fault_server import Answer, FaultServer, Received, json_answer, library_of, media_answer, paged
from support.programs import run
from support.school import School

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and limits as Linux does")

# ---------------------------------------------------------------- threads

WITHOUT_THREADS = """
import asyncio, contextlib, os, resource, sys
import canvas_studio._logs, canvas_studio._waking, canvas_studio.auth, canvas_studio.errors, canvas_studio.models
from canvas_studio import OAuth, StudioClient, StudioError, Tokens
from canvas_studio.sandbox import Sandbox

class Store:
    tokens = Tokens("ended", refresh_token="refresh-0-of-the-tests")
    def load(self): return self.tokens
    def save(self, tokens): self.tokens = tokens
    def lock(self): return contextlib.nullcontext()

url = sys.argv[1]
urls = (url, url.replace("127.0.0.1", "localhost"))
by_address, by_name = (StudioClient(at, token="t", max_retries=0) for at in urls)
oauth = OAuth("key-of-the-tests", "secret-of-the-tests-2718281828", store=Store())
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
if os.geteuid() == 0:  # the limit does not hold for root
    os.setgroups([])
    os.setgid(54321)
    os.setuid(54321)
try:
    print("gave", {call})
except Exception as error:
    print("raised", type(error).__name__, error)
"""


@linux_only
@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("by_address.get_media(7).id", "gave 7"),  # needs none
        ("by_name.get_media(7).id", "raised APIConnectionError"),
        ("asyncio.run(by_address.get_media_async(7))", "raised StudioError"),
        ("asyncio.run(by_name.get_media_async(7))", "raised StudioError"),
        ("StudioClient(url, auth=oauth, max_retries=0).get_media(7)", "raised StudioError"),
        ("Sandbox()", "raised OSError"),
    ],
)
def test_where_no_thread_can_be_started_a_call_says_so(call: str, told: str) -> None:
    with FaultServer(lambda _: media_answer(7)) as server:
        ended = run("", server.url, begin=WITHOUT_THREADS.replace("{call}", call))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(told)
    if told.startswith("raised"):
        assert "thread" in ended.stdout or "temporarily unavailable" in ended.stdout


@linux_only
def test_a_token_store_that_gets_no_thread_says_so() -> None:
    """The threads of the package are there; the one for the store is not to be had."""
    begin = WITHOUT_THREADS.replace(
        "resource.setrlimit", "asyncio.run(by_address.get_media_async(7)); resource.setrlimit"
    )
    call = "StudioClient(url, auth=oauth, max_retries=0).get_media(7)"
    with School() as school:
        school.stays_401 = False
        ended = run(
            "",
            school.server.url,
            begin=begin.replace("{call}", call).replace('token="t"', 'token="access-0-of-the-tests"'),
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("raised StudioError no thread for the token store")


# ---------------------------------------------------------------- memory

WITH_LITTLE_MEMORY = """
import asyncio, resource, sys
import canvas_studio.errors, canvas_studio.listing, canvas_studio.models
from canvas_studio import StudioClient
studio = StudioClient(sys.argv[1], token="invented", max_retries=0)
asyncio.run(studio.get_media_async(7))
kept = [studio.get_media(7)]
more = int(sys.argv[2]) << 20
limit = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + more
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
"""
HUGE = json.dumps({"media": {"id": 1, "title": "x" * (31 << 19)}}).encode()


@pytest.fixture
def one_arena(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps glibc from holding memory ready for each thread."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")


@linux_only
@pytest.mark.usefixtures("one_arena")
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("call", ["studio.get_media(1)", "asyncio.run(studio.get_media_async(1))"])
def test_an_answer_that_memory_cannot_hold_is_a_memory_error_and_the_next_call_works(call: str, encoding: str) -> None:
    def answer(request: Received) -> Answer:
        if request.path.endswith("/7"):
            return media_answer(7)
        if encoding == "gzip":
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            return Answer(headers=headers, body=gzip.compress(HUGE, 1))
        return Answer(headers={"Content-Type": "application/json"}, body=HUGE)

    program = f"""
        try:
            {call}
        except MemoryError as error:
            print("MemoryError", studio.get_media(7).id)
    """
    with FaultServer(answer) as server:
        ended = run(program, server.url, "20", begin=WITH_LITTLE_MEMORY)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("MemoryError 7\n", "", 0)


@linux_only
@pytest.mark.usefixtures("one_arena")
@pytest.mark.parametrize(
    "call",
    [
        "list(studio.search_media())",
        "studio.search_media().to_dicts()",
        "asyncio.run(studio.search_media().to_dicts_async())",
        "list(iter(studio.search_media()._source.read(None, False).next_columns, None))",
    ],
)
@pytest.mark.torture  # Rust can still abort if another thread takes the last memory in between
def test_memory_that_runs_out_while_lists_are_read_is_a_memory_error(call: str) -> None:
    program = f"""
        try:
            while True:
                kept.append({call})
        except MemoryError:
            kept.clear()
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("MemoryError", studio.get_media(7).id)
    """
    listed = paged(library_of(1000))
    with FaultServer(lambda request: media_answer(7) if request.path.endswith("/7") else listed(request)) as server:
        ended = run(program, server.url, "6", begin=WITH_LITTLE_MEMORY)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("MemoryError 7\n", "", 0)


def test_an_answer_of_another_size_is_read_as_before() -> None:
    with FaultServer(json_answer({"media": {"id": 1, "title": "x" * 100_000}})) as server:
        assert len(server.client().get_media(1).title or "") == 100_000
