"""Fixtures for all tests: both forms of the client, recorded answers, and clients that are closed at the end."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from canvas_studio import (
    APIStatusError,
    StudioClient,
)
from support.forms import ERROR_CLASSES, GETTERS, Connect, Form, RaisesAsRecorded, Reach, Serve, Subject
from support.recorded_server import RecordedServer
from support.recordings import recording, replay

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

# Who starts the tests in the background may have them ignore Ctrl-C, and their programs would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

BODY_RAISED = pytest.StashKey[bool]()


@pytest.fixture(autouse=True)
def without_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own profiles decide about a test."""
    monkeypatch.setenv("CANVAS_STUDIO_HOME", str(Path(__file__).parent / "nowhere"))


@pytest.fixture(params=["blocking", "async"])
def form(request: pytest.FixtureRequest) -> Form:
    """Both forms, one after the other."""
    return Form(request.param)


@pytest.fixture(params=["fifo", "device"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The path of something that can be written but is no file: a pipe with a name, and a terminal."""
    if request.param == "fifo":
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        yield fifo
        return
    controller, terminal = os.openpty()
    yield Path(os.ttyname(terminal))
    os.close(controller)
    os.close(terminal)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep in mind whether the body of a test raised: what it left unused then says nothing."""
    if call.when == "call":
        item.stash[BODY_RAISED] = call.excinfo is not None
    return (yield)


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """`recorded("media/get_media")` serves that recording, or several in a row, and verifies it after the test."""
    servers: list[RecordedServer] = []

    def serve(*names: str) -> RecordedServer:
        server = RecordedServer(*map(recording, names))
        server.start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.close()
    if not request.node.stash.get(BODY_RAISED, False):
        for server in servers:
            server.verify()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """`connect(server.url)` is a client on that server, closed after the test."""
    with ExitStack() as stack:

        def open_client(url: str, *, retry_delay: float = 0, **options: Any) -> StudioClient:
            return stack.enter_context(StudioClient(url, token="recorded-token", retry_delay=retry_delay, **options))

        yield open_client


@pytest.fixture(params=["client with id", "client with object", "object"])
def reach(request: pytest.FixtureRequest, form: Form, recorded: Serve, connect: Connect) -> Reach:
    """`reach("media/archive_media", "archive_media", "archive")` in all three ways, on that recording."""

    def reached(case: str, method: str, own_method: str) -> Subject:
        page = case.partition("/")[0]
        getter, known_id = GETTERS[page]
        if request.param == "client with id":
            return Subject(form, connect(recorded(case).url), method, (known_id,))
        studio = connect(recorded(f"{page}/{getter}", case).url)
        found = form.call(studio, getter, known_id)
        if request.param == "client with object":
            return Subject(form, studio, method, (found,))
        return Subject(form, found, own_method, ())

    return reached


@pytest.fixture
def raises_as_recorded(form: Form, recorded: Serve, connect: Connect) -> RaisesAsRecorded:
    """`raises_as_recorded("media/get_media_404")` makes the recorded call and checks the whole exception."""

    def check(case: str, call: Callable[[StudioClient], object] | None = None) -> APIStatusError:
        server = recorded(case)
        [entry] = server.entries
        body = json.loads(entry.answer.body)
        status = entry.answer.status

        def as_recorded(studio: StudioClient) -> object:
            return replay(form, studio, case)

        make = call or as_recorded
        with pytest.raises(APIStatusError) as raised:
            make(connect(server.url))
        error = raised.value
        assert type(error) is ERROR_CLASSES[status]
        assert error.status_code == status
        assert error.method == entry.request.method
        assert error.url.startswith(server.url)
        assert urlsplit(error.url).path == entry.request.path
        assert error.body == body
        assert error.retry_after is None
        for told in (
            body["error"],
            str(status),
            entry.request.method,
            entry.request.path.removeprefix("/api/public/v1"),
        ):
            assert told in str(error)
        return error

    return check
