"""The logger `canvas_studio` reports what the client does: only on request, once, and without secrets."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import APIConnectionError, APITimeoutError, NotFoundError, ResponseDecodeError, _logs
from canvas_studio.cli.app import app
from canvas_studio.sandbox import Sandbox
from support.fault_server import (
    HANG,
    RESET,
    TOKEN,
    Answer,
    FaultServer,
    Received,
    file_answer,
    json_answer,
    library_of,
    media_answer,
    media_item,
    media_named_in_path,
    page_answer,
    paged,
    redirect,
    text_answer,
)
from support.programs import EXITS, posix_only
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.forms import Form

LOGGER = logging.getLogger("canvas_studio")
CONTENT = b"\0" * 100_000
SIGNED = "Expires=1&Signature=SignedSecret"
UNAVAILABLE = json_answer({}, 503)
WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


class Listener(logging.Handler):
    """Keeps the records, and who asked when they came."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []
        self.askers: list[str] = []
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.records.append(record)
        self.askers.append(WHO.get())
        self.came.set()

    def at(self, level: int) -> list[Any]:
        """Those of a level."""
        return [record for record in self.records if record.levelno == level]

    @property
    def requests(self) -> list[tuple[Any, ...]]:
        """What the lines of the attempts say."""
        return [(line.method, line.path, line.status, line.attempt) for line in self.at(logging.DEBUG)]

    @property
    def story(self) -> list[str]:
        """What the other lines say, without the times."""
        return [
            record.getMessage().partition(" s: ")[0].rpartition(" in ")[0] or record.getMessage()
            for record in self.at(logging.INFO)
        ]


def stored(request: Received) -> Answer:
    """The file, as a storage host sends it."""
    return file_answer(request, CONTENT)


@pytest.fixture
def log() -> Iterator[Listener]:
    """Everything that is logged during a test."""
    listener = Listener()
    undo = _logs.listen(listener, logging.DEBUG)
    yield listener
    undo()


def run(program: str, *arguments: str, log: str | None = None, options: tuple[str, ...] = ()) -> tuple[str, str, int]:
    """Run a program to its end: its output, its error output, and its code."""
    environment = {name: value for name, value in os.environ.items() if name != "CANVAS_STUDIO_LOG"}
    if log is not None:
        environment["CANVAS_STUDIO_LOG"] = log
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", *options, "-c", textwrap.dedent(program)]
    ended = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=40, check=False, env=environment
    )
    return ended.stdout, ended.stderr, ended.returncode


def test_a_program_that_does_not_log_does_not_even_import_logging() -> None:
    program = """
        import sys
        from canvas_studio import StudioClient
        studio = StudioClient(sys.argv[1], token="token-of-a-program", retry_delay=0)
        assert studio.get_media(1).id == 1
        print({"logging", "canvas_studio._logs"} & set(sys.modules))
    """
    with FaultServer(UNAVAILABLE, media_answer(1)) as server:
        assert run(program, server.url) == ("set()\n", "", 0)


def test_nothing_is_written_unless_it_is_asked_for() -> None:
    program = """
        import asyncio, logging, sys
        from canvas_studio import StudioClient
        studio = StudioClient(sys.argv[1], token="token-of-a-program", retry_delay=0)
        assert studio.get_media(1).id == 1
        assert asyncio.run(studio.get_media_async(1)).id == 1
        assert logging.getLogger().handlers == logging.getLogger("canvas_studio").handlers == []
    """
    with FaultServer(UNAVAILABLE, media_answer(1), RESET, media_answer(1)) as server:
        assert run(program, server.url) == ("", "", 0)


def test_a_program_that_sets_up_logging_later_is_heard_from_then_on(form: Form) -> None:
    program = """
        import asyncio, sys
        from canvas_studio import StudioClient
        studio = StudioClient(sys.argv[1], token="token-of-a-program")
        studio.get_media(1)
        import logging
        logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(path)s %(funcName)s")
        logging.getLogger("asyncio").setLevel(logging.INFO)
        def caller():
            return studio.get_media(2)
        async def caller_async():
            return await studio.get_media_async(2)
        caller() if sys.argv[2] == "blocking" else asyncio.run(caller_async())
    """
    asker = "caller" if form.name == "blocking" else "caller_async"
    with FaultServer(media_named_in_path) as server:
        assert run(program, server.url, form.name) == (f"canvas_studio /media/2 {asker}\n", "", 0)


def test_each_request_has_a_line(form: Form, log: Listener) -> None:
    with FaultServer(json_answer({"media": media_item(42)}, delay=0.05)) as server:
        form.call(server.client(), "get_media", 42)
    [record] = log.records
    assert (record.name, record.levelname, record.args) == ("canvas_studio", "DEBUG", ())
    assert log.requests == [("GET", "/media/42", 200, 1)]
    assert record.error is None
    assert 50 <= record.ms < 5000
    assert record.getMessage() == f"GET /media/42: 200 (attempt 1, {record.ms:.1f} ms)"


def test_each_repetition_has_a_line_and_says_why(form: Form, log: Listener) -> None:
    with FaultServer(UNAVAILABLE, RESET, media_answer(1)) as server:
        form.call(server.client(), "get_media", 1)
    path = ("GET", "/media/1")
    assert log.requests == [(*path, 503, 1), (*path, None, 2), (*path, 200, 3)]
    assert [record.levelname for record in log.records] == ["DEBUG", "INFO"] * 2 + ["DEBUG"]
    first, second = log.at(logging.INFO)
    assert first.getMessage() == "GET /media/1: retrying in 0.0 s: 503"
    assert (first.method, first.path, first.status, first.wait) == (*path, 503, 0.0)
    assert second.status is None
    assert "broke" in second.error
    assert second.error in second.getMessage()


def test_a_wait_is_told_before_it_begins(form: Form, log: Listener) -> None:
    limited = json_answer({}, 429, {"Retry-After": "1"})
    with FaultServer(limited, media_answer(1)) as server:
        before = time.time()
        form.call(server.client(), "get_media", 1)
    [told] = log.at(logging.INFO)
    assert told.wait == 1.0
    assert told.created - before < 0.9


def test_failures_have_a_line_too(form: Form, log: Listener) -> None:
    with FaultServer(json_answer({"error": "of person7@example.edu"}, 404)) as server, pytest.raises(NotFoundError):
        form.call(server.client(), "delete_media", 1)
    assert log.requests == [("DELETE", "/media/1", 404, 1)]
    log.records.clear()

    with FaultServer(listening=False) as server, pytest.raises(APIConnectionError):
        form.call(server.client(max_retries=0), "get_media", 1)
    assert log.requests == [("GET", "/media/1", None, 1)]
    assert "no connection to 127.0.0.1" in log.records[0].error
    log.records.clear()

    with FaultServer(HANG) as server, pytest.raises(APITimeoutError):
        form.call(server.client(timeout=0.2), "get_media", 1)
    assert log.requests == [("GET", "/media/1", None, 1)]
    assert log.records[0].error == "cancelled before the answer arrived"
    log.records.clear()

    broken = Answer(headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}, body=b"\x1f\x8b\x08")
    with FaultServer(broken) as server, pytest.raises(ResponseDecodeError):
        form.call(server.client(max_retries=0), "get_media", 1)
    assert log.requests == [("GET", "/media/1", 200, 1)]
    assert log.records[0].error == "the answer could not be read"


def test_a_format_may_name_every_attribute(form: Form, log: Listener) -> None:
    formatter = logging.Formatter("%(method)s %(path)s %(status)s %(ms)s %(attempt)s %(error)s")
    with FaultServer(UNAVAILABLE, RESET, paged(library_of(3))) as server:
        form.items(server.client().search_media())
    assert [formatter.format(record).split()[:2] for record in log.records] == [["GET", "/media/search"]] * 6


def test_a_list_tells_its_end(form: Form, log: Listener) -> None:
    with FaultServer(paged(library_of(120))) as server:
        form.items(server.client().search_media())
    [end] = log.at(logging.INFO)
    assert log.records[-1] is end
    assert len(log.requests) == 3
    assert (end.method, end.path, end.items, end.pages, end.readings) == ("GET", "/media/search", 120, 3, 1)
    assert log.story == ["GET /media/search: the list is complete: 120 items on 3 pages"]
    assert 0 < end.seconds < 60


def test_a_list_that_is_left_half_way_tells_no_end(form: Form, log: Listener) -> None:
    with FaultServer(paged(library_of(120))) as server:
        form.first(server.client().search_media())
    assert log.story == []
    assert log.requests == [("GET", "/media/search", 200, 1)]


def test_a_list_that_shrinks_says_that_it_is_read_again(form: Form, log: Listener) -> None:
    asked = 0

    def shrinking(request: Received) -> Answer:
        nonlocal asked
        asked += 1
        return page_answer(request, library_of(60 if asked == 1 else 55))

    with FaultServer(shrinking) as server:
        form.items(server.client().search_media())
    assert log.story == [
        "GET /media/search: the list changed while it was read; reading it again (reading 2)",
        "GET /media/search: the list is complete: 55 items on 4 pages",
    ]
    again, end = log.at(logging.INFO)
    assert (again.items, again.pages, again.reading) == (55, 2, 2)
    assert (end.items, end.pages, end.readings) == (55, 4, 2)


def test_a_download_tells_its_story(form: Form, log: Listener, tmp_path: Path) -> None:
    half = len(CONTENT) // 2

    def stored_half(request: Received) -> Answer:
        return file_answer(request, CONTENT, send=half, end="close")

    with (
        FaultServer(stored_half, text_answer("<Error/>", "application/xml", 403), stored) as storage,
        FaultServer(redirect(f"{storage.url}/file.mp4?{SIGNED}")) as server,
    ):
        form.call(server.client(), "download_media", 7, tmp_path / "file.mp4")
        place = f"{storage.url}/file.mp4"
    of = "GET /media/7/download:"
    begin, wait, *rest = log.at(logging.INFO)
    assert begin.getMessage() == f"{of} download started at 0 of 100000 bytes"
    assert wait.getMessage().startswith(f"{of} retrying in 0.0 s: ")
    assert [record.getMessage().partition(" in ")[0] for record in rest] == [
        f"{of} signed URL expired (403); requesting a new one",
        f"{of} download resumed at {half} of 100000 bytes",
        f"{of} download finished: 100000 bytes",
    ]
    assert {record.path for record in log.at(logging.INFO)} == {"/media/7/download"}
    assert (begin.bytes, begin.total) == (0, 100_000)
    assert (rest[-1].bytes, rest[-1].seconds > 0) == (100_000, True)
    asked, fetched = ("GET", "/media/7/download", 302, 1), ("GET", place)
    assert log.requests == [asked, (*fetched, 200, 1), (*fetched, 403, 2), asked, (*fetched, 206, 3)]


def test_no_line_holds_a_secret_or_what_somebody_searched_for(form: Form, log: Listener, tmp_path: Path) -> None:
    def answer(request: Received) -> Answer:
        if request.path.endswith("/download"):
            return redirect(f"{storage.url}/file.mp4?{SIGNED}")
        if request.path.endswith("/search"):
            return page_answer(request, library_of(1))
        return text_answer(f"{TOKEN} https://me:pw@example.edu/?{SIGNED} person7@example.edu", "text/html", 500)

    broken = Answer(headers={"Content-Type": "video/mp4"}, body=CONTENT, send=500, end="reset")
    with FaultServer(broken, stored) as storage, FaultServer(answer) as server:
        studio = server.client(max_retries=1)
        form.items(studio.search_media(owner="person7@example.edu", title="SecretTitle"))
        form.items(studio.paginate("/media/search", key="media", params={"q": "SecretTitle"}))
        form.call(studio, "download_media", 7, tmp_path / "file.mp4")
        for path in ("/people", f"/of/{TOKEN}"):
            with pytest.raises(Exception, match="500"):
                form.call(studio, "request", "GET", path, params={"email": "person7@example.edu"})
    assert len(log.records) > 10
    told = "\n".join(f"{record.getMessage()} {vars(record)}" for record in log.records)
    assert "/of/***" in told
    for secret in (TOKEN, "Signature", "Expires", "SignedSecret", "person7", "SecretTitle", "pw@", "?"):
        assert secret not in told, secret


async def test_a_line_has_the_time_at_which_it_happened(log: Listener) -> None:
    with FaultServer(UNAVAILABLE, media_answer(1)) as server:
        call = asyncio.create_task(server.client().get_media_async(1))
        await asyncio.sleep(0)
        # The loop is busy with something else, while the call is carried out.
        assert server.wait_for_requests(2)
        time.sleep(0.4)  # noqa: ASYNC251 - as said
        busy_until = time.time()
        await call
    plain = logging.makeLogRecord({})
    since = plain.relativeCreated - plain.created * 1e3
    assert len(log.records) == 3
    assert [record.created for record in log.records] == sorted(record.created for record in log.records)
    for record in log.records:
        assert 0.2 < busy_until - record.created < 10
        assert record.msecs == int(record.created * 1000) % 1000
        assert record.relativeCreated - record.created * 1e3 == pytest.approx(since, abs=1.0)


async def test_a_line_is_handled_in_the_context_of_the_task_that_asked(log: Listener) -> None:
    async def ask(number: int) -> None:
        WHO.set(f"/media/{number}")
        await studio.get_media_async(number)

    def answer(request: Received) -> Answer:
        first = sum(earlier.path == request.path for earlier in server.requests) == 1
        return UNAVAILABLE if first else media_named_in_path(request)

    with FaultServer(answer) as server:
        studio = server.client()
        await asyncio.gather(*map(ask, range(1, 21)))
    assert len(log.records) == 20 * 3
    assert [record.path for record in log.records] == log.askers


def test_a_line_is_handled_on_the_thread_that_asked(log: Listener) -> None:
    def ask(number: int) -> None:
        WHO.set(f"/media/{number}")
        assert studio.get_media(number).id == number
        assert threading.current_thread().name == log_threads()[f"/media/{number}"]

    def log_threads() -> dict[str, str | None]:
        return {record.path: record.threadName for record in list(log.records)}

    with FaultServer(media_named_in_path) as server, ThreadPoolExecutor(8) as threads:
        studio = server.client()
        list(threads.map(ask, range(1, 101)))
    assert [record.path for record in log.records] == log.askers


async def test_what_a_cancelled_call_still_has_to_tell_is_told_in_its_own_context(log: Listener) -> None:
    async def ask(who: str, number: int) -> None:
        WHO.set(who)
        await studio.get_media_async(number)

    with FaultServer(HANG, media_answer(2)) as server:
        studio = server.client()
        cancelled = asyncio.create_task(ask("the first", 1))
        assert await asyncio.to_thread(server.wait_for_requests)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert await asyncio.to_thread(server.wait_for_disconnect)
        await ask("the second", 2)
    assert [(record.path, asker) for record, asker in zip(log.records, log.askers, strict=True)] == [
        ("/media/1", "the first"),
        ("/media/2", "the second"),
    ]


def test_a_slow_call_is_told_while_it_runs(form: Form, log: Listener) -> None:
    gate = threading.Event()
    with (
        FaultServer(UNAVAILABLE, json_answer({"media": media_item(1)}, gate=gate)) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        call = threads.submit(form.call, server.client(), "get_media", 1)
        came = log.came.wait(10)
        waiting = not call.done()
        gate.set()
        assert call.result(20).id == 1
    assert came
    assert waiting


def test_the_level_can_be_changed_at_any_time(form: Form, log: Listener) -> None:
    def levels() -> list[str]:
        log.records.clear()
        form.items(studio.search_media())
        return [record.levelname for record in log.records]

    with FaultServer(paged(library_of(3))) as server:
        studio = server.client()
        assert levels() == ["DEBUG", "INFO"]
        LOGGER.setLevel(logging.INFO)
        assert levels() == ["INFO"]
        LOGGER.setLevel(logging.WARNING)
        assert levels() == []
        LOGGER.setLevel(logging.NOTSET)
        assert levels() == []
        LOGGER.setLevel(logging.DEBUG)
        logging.disable(logging.DEBUG)
        try:
            assert levels() == ["INFO"]
        finally:
            logging.disable(logging.NOTSET)
        assert levels() == ["DEBUG", "INFO"]


def test_the_level_can_be_changed_during_a_blocking_call(log: Listener) -> None:
    gate = threading.Event()
    LOGGER.setLevel(logging.WARNING)
    with FaultServer(json_answer({}, gate=gate)) as server, ThreadPoolExecutor(1) as threads:
        call = threads.submit(server.client().request, "GET", "/x")
        assert server.wait_for_requests()
        LOGGER.setLevel(logging.DEBUG)
        time.sleep(0.3)
        gate.set()
        call.result(20)
    assert log.requests == [("GET", "/x", 200, 1)]


@pytest.mark.parametrize("raised", [ValueError, StopIteration])
@pytest.mark.parametrize("place", ["filter", "handler"])
def test_what_a_handler_raises_does_not_cost_the_result(
    form: Form, log: Listener, place: str, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[BaseException | None] = []

    def see(problem: sys.UnraisableHookArgs) -> None:
        seen.append(problem.exc_value)

    monkeypatch.setattr(sys, "unraisablehook", see)

    def fail(_: logging.LogRecord) -> bool:
        raise raised("a faulty program")

    if place == "filter":
        LOGGER.addFilter(fail)
    else:
        monkeypatch.setattr(log, "emit", fail)
    try:
        with FaultServer(UNAVAILABLE, media_named_in_path) as server:
            studio = server.client()
            assert form.call(studio, "get_media", 5).id == 5
            assert [str(problem) for problem in seen] == ["a faulty program"] * 3
            monkeypatch.setattr(logging, "raiseExceptions", False)
            assert form.call(studio, "get_media", 6).id == 6
            assert len(seen) == 3
    finally:
        LOGGER.removeFilter(fail)


def test_an_interrupt_in_a_handler_ends_the_call_and_loses_no_line(
    form: Form, log: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: logging.LogRecord) -> None:
        raise KeyboardInterrupt

    with FaultServer(UNAVAILABLE, media_named_in_path) as server:
        studio = server.client()
        with monkeypatch.context() as patched:
            patched.setattr(log, "emit", interrupt)
            with pytest.raises(KeyboardInterrupt):
                form.call(studio, "get_media", 1)
        form.call(studio, "get_media", 2)
    assert ("GET", "/media/2", 200, 1) in log.requests
    assert any(record.path == "/media/1" for record in log.records)


@pytest.mark.parametrize("how", ["blocking", "a task of its own"])
async def test_a_handler_that_calls_for_every_line_comes_to_an_end(log: Listener, how: str) -> None:
    tasks: list[asyncio.Task[Any]] = []

    class Reporter(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            del record
            if how == "blocking":
                studio.request("POST", "/reports")
            else:
                tasks.append(asyncio.create_task(studio.request_async("POST", "/reports")))

    reporter = Reporter()
    LOGGER.addHandler(reporter)
    try:
        with FaultServer(json_answer({})) as server:
            studio = server.client()
            for _ in range(3):
                await studio.request_async("GET", "/x")
            for task in tasks:
                await task
            assert len(server.requests) == 6
    finally:
        LOGGER.removeHandler(reporter)
    assert [record.path for record in log.records] == ["/x"] * 3


async def test_lines_that_nobody_takes_are_dropped_and_counted(log: Listener) -> None:
    is_well = threading.Event()

    def answer(_: Received) -> Answer:
        return json_answer({}) if is_well.is_set() else UNAVAILABLE

    with FaultServer(answer) as server:
        call = asyncio.create_task(server.client(max_retries=10_000).request_async("GET", "/x"))
        await asyncio.sleep(0)
        # The loop is busy with something else.
        assert server.wait_for_requests(700, timeout=30)
        is_well.set()
        time.sleep(0.2)  # noqa: ASYNC251 - as said
        await call
        attempts = len(server.requests)
    [note] = [record for record in log.records if hasattr(record, "dropped")]
    assert len(log.records) == 1001
    assert note.levelname == "INFO"
    assert note.getMessage() == f"{note.dropped} lines of this log were dropped: more than 1000 were waiting"
    # A line for each attempt, and one for each wait in between.
    assert note.dropped + 1000 == 2 * attempts - 1


def test_no_line_is_lost_or_doubled_by_threads(log: Listener) -> None:
    with FaultServer(media_named_in_path) as server, ThreadPoolExecutor(16) as threads:
        studio = server.client()
        list(threads.map(studio.get_media, range(1, 801)))
    assert sorted(int(record.path.removeprefix("/media/")) for record in log.records) == list(range(1, 801))


async def test_no_line_is_lost_or_doubled_by_tasks(log: Listener) -> None:
    with FaultServer(media_named_in_path) as server:
        studio = server.client()
        await asyncio.gather(*map(studio.get_media_async, range(1, 301)))
    assert sorted(int(record.path.removeprefix("/media/")) for record in log.records) == list(range(1, 301))


def test_the_root_logger_is_left_alone(form: Form, log: Listener) -> None:
    root = logging.getLogger()
    before = (root.level, root.handlers[:], root.filters[:], logging.raiseExceptions, LOGGER.propagate)
    with FaultServer(UNAVAILABLE, media_named_in_path) as server:
        form.call(server.client(), "get_media", 1)
    assert (root.level, root.handlers, root.filters, logging.raiseExceptions, LOGGER.propagate) == before
    assert log.records


SCRIPT = """
    import sys
    from canvas_studio import StudioClient
    studio = StudioClient(sys.argv[1], token="token-of-a-program", retry_delay=0)
    studio.search_media().collect()
    import importlib, logging, canvas_studio
    importlib.reload(canvas_studio)
    studio.search_media().collect()
    root = logging.getLogger()
    print(root.handlers, root.level)
"""


@pytest.mark.parametrize(
    ("level", "lines"), [("debug", ["DEBUG", "INFO"] * 2), (" INFO ", ["INFO"] * 2), ("warning", []), ("", [])]
)
def test_an_environment_variable_writes_the_log_of_a_script(level: str, lines: list[str]) -> None:
    with FaultServer(paged(library_of(1))) as server:
        output, told, code = run(SCRIPT, server.url, log=level)
    assert (output, code) == ("[] 30\n", 0)
    assert [line.split()[2] for line in told.splitlines()] == lines
    for line in told.splitlines():
        assert " canvas_studio: GET /media/search: " in line


def test_a_wrong_level_in_the_environment_is_told_in_one_line() -> None:
    with FaultServer(paged(library_of(1))) as server:
        output, told, code = run(SCRIPT.replace("importlib.reload(canvas_studio)", ""), server.url, log="loud")
    assert (output, code) == ("[] 30\n", 0)
    [line] = told.splitlines()
    assert line.endswith("WARNING canvas_studio: CANVAS_STUDIO_LOG is 'loud': say debug, info or warning")


@pytest.mark.parametrize("name", ["", "canvas_studio"])
def test_what_the_program_writes_itself_is_not_written_twice(name: str) -> None:
    program = """
        import logging, sys
        from canvas_studio import StudioClient
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("mine: %(message)s"))
        logging.getLogger(sys.argv[2]).addHandler(handler)
        logging.getLogger(sys.argv[2]).addHandler(logging.NullHandler())
        studio = StudioClient(sys.argv[1], token="token-of-a-program")
        studio.get_media(1)
        handler.setLevel(logging.WARNING)
        studio.get_media(2)
        sys.stderr = None
        studio.get_media(3)
    """
    with FaultServer(media_named_in_path) as server:
        output, told, code = run(program, server.url, name, log="debug")
    assert (output, code) == ("", 0)
    mine, ours = told.splitlines()
    assert mine.startswith("mine: GET /media/1: 200")
    assert " DEBUG canvas_studio: GET /media/2: 200" in ours


def test_json_lines_hold_what_a_record_holds(form: Form) -> None:
    stream = io.StringIO()
    handler = _logs.json_lines(stream)

    def name_request(record: logging.LogRecord) -> bool:
        record.request_id = "r1"
        record.moment = object
        return True

    handler.addFilter(name_request)
    undo = _logs.listen(handler, logging.DEBUG)
    try:
        with FaultServer(UNAVAILABLE, media_named_in_path) as server:
            form.call(server.client(), "get_media", 3)
        LOGGER.error("by the %s", "program", exc_info=ValueError("such as this"))
    finally:
        undo()
    first, wait, second, other = map(json.loads, stream.getvalue().splitlines())
    plain = ["time", "level", "message", "method", "path", "status", "ms", "attempt"]
    assert list(first) == [*plain, "request_id", "moment"]
    assert first["time"][-5:-4] == "." or first["time"].endswith("Z")
    assert time.strptime(first["time"][:19], "%Y-%m-%dT%H:%M:%S")[:3] == time.gmtime()[:3]
    assert (first["level"], first["method"], first["status"]) == ("DEBUG", "GET", 503)
    assert (wait["level"], wait["wait"], wait["status"]) == ("INFO", 0.0, 503)
    assert (second["status"], second["attempt"], second["request_id"]) == (200, 2, "r1")
    assert (other["level"], other["message"]) == ("ERROR", "by the program")
    assert other["exception"].endswith("ValueError: such as this")


def test_the_command_line_writes_json_lines_to_the_standard_error() -> None:
    before = (LOGGER.level, LOGGER.handlers[:])
    ended = CliRunner().invoke(app, ["--log-json", "demo", "--fast", "--no-pause", "--media", "20"])
    assert ended.exit_code == 0
    # The bar of the demo's download is there too.
    lines = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    assert {"DEBUG", "INFO"} == {line["level"] for line in lines}
    assert {"time", "message", "method", "path", "ms", "attempt"} <= set(lines[0])
    assert not any(line.startswith("{") for line in ended.stdout.splitlines())
    assert (LOGGER.level, LOGGER.handlers) == before

    assert CliRunner().invoke(app, ["--version"]).stderr == ""
    assert (LOGGER.level, LOGGER.handlers) == before


def test_a_sandbox_in_the_same_process_logs_nothing(form: Form, log: Listener) -> None:
    with Sandbox(media=10) as box, box.client() as studio:
        form.items(studio.search_media())
    assert log.requests == [("GET", "/media/search", 200, 1)]
    assert len(log.records) == 2


LEFT_OVER = """
    import asyncio, logging, os, sys
    from canvas_studio import StudioClient
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(path)s %(error)s")
    logging.getLogger("asyncio").setLevel(logging.INFO)
    studio = StudioClient(sys.argv[1], token="token-of-a-program")

    async def give_up():
        call = asyncio.create_task(studio.get_media_async(1))
        await asyncio.sleep(2)
        call.cancel()
        await asyncio.wait([call])
        await asyncio.sleep(0.3)

    asyncio.run(give_up())
"""


def test_what_is_left_is_told_at_the_exit() -> None:
    with FaultServer(HANG) as server:
        told = "canvas_studio /media/1 cancelled before the answer arrived\n"
        assert run(LEFT_OVER, server.url) == (told, "", 0)


@posix_only
def test_a_child_tells_only_what_is_its_own() -> None:
    program = textwrap.dedent(LEFT_OVER) + textwrap.dedent("""
        child = os.fork()
        if child == 0:
            studio.get_media(2)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        studio.get_media(3)
    """)

    def answer(request: Received) -> Answer:
        return HANG if request.path.endswith("/1") else media_named_in_path(request)

    with FaultServer(answer) as server:
        output, told, code = run(program, server.url)
    assert (told, code) == ("", 0)
    assert output.splitlines() == [
        "canvas_studio /media/2 None",
        "canvas_studio /media/1 cancelled before the answer arrived",
        "canvas_studio /media/3 None",
    ]


def test_after_the_exit_has_begun_nothing_is_logged() -> None:
    program = """
        import atexit, logging, sys
        def late():
            try:
                studio.get_media(2)
            except Exception as error:
                print(type(error).__name__)
        atexit.register(late)
        from canvas_studio import StudioClient
        logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(path)s")
        studio = StudioClient(sys.argv[1], token="token-of-a-program")
        studio.get_media(1)
    """
    with FaultServer(media_named_in_path) as server:
        assert run(program, server.url) == ("canvas_studio /media/1\nClientClosedError\n", "", 0)


LOGGING_BEGIN = """
import asyncio, contextlib, logging, multiprocessing, os, sys, threading, traceback
from canvas_studio import Listing, StudioClient
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
studio = StudioClient(sys.argv[1], token="token-of-a-program", retry_delay=0, max_retries=10_000)
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("exits", [10, pytest.param(40, marks=pytest.mark.torture)])
@pytest.mark.parametrize("program", EXITS.values(), ids=EXITS)
def test_exits_with_requests_in_flight_are_clean_at_the_level_of_debug(program: str, exits: int) -> None:
    def answer(request: Received) -> Answer:
        """The first at once, so that the exit begins; some never; some are sent again and again."""
        last = request.path.rpartition("/")[2]
        number = int(last) if last.isdigit() else int(request.parameters["page"])
        if number % 5 == 2:
            return HANG
        if number % 5 == 3:
            return json_answer({}, 503, delay=0.002)
        media = media_named_in_path(request) if last.isdigit() else page_answer(request, library_of(5))
        return Answer(headers=media.headers, body=media.body, delay=0 if number == 1 else number * 0.002)

    whole = LOGGING_BEGIN + textwrap.dedent(program)
    with FaultServer(answer) as server, ThreadPoolExecutor(4) as processes:
        ended = list(processes.map(run, [whole] * exits, [server.url] * exits))
    assert {(told, code) for _, told, code in ended} == {("", 0)}
    assert all("DEBUG:canvas_studio:GET /media/" in output for output, _, _ in ended)
