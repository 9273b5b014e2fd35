"""How long sending a body may take: as long as it makes progress. The server paces itself."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from canvas_studio import (
    APIConnectionError,
    APITimeoutError,
    FileChangedError,
    InternalServerError,
    PermissionDeniedError,
)
from support.fault_server import HANG, Answer, FaultServer
from support.receiving_server import Reading, ReceivingServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.forms import Form

MEGABYTE = 1_000_000
# The two ends of the pair of sockets that wakes it.
OF_AN_EVENT_LOOP = 2
FORBIDDEN = json.dumps({"error": "The link has expired."}).encode()
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(FORBIDDEN),
    FORBIDDEN,
)


@pytest.fixture(params=["files", "content"])
def body(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], dict[str, Any]]:
    """Makes the arguments for a body of so many bytes, as a file or as bytes."""
    kind: Literal["files", "content"] = request.param

    def arguments(size: int) -> dict[str, Any]:
        content = os.urandom(size)
        if kind == "content":
            return {"content": content}
        path = tmp_path / "body.bin"
        path.write_bytes(content)
        return {"files": {"file": path}}

    return arguments


def test_an_upload_of_12_mb_at_2_mb_a_second_needs_no_longer_read_timeout(
    form: Form, body: Callable[[int], dict[str, Any]]
) -> None:
    with ReceivingServer(Reading(rate=2 * MEGABYTE)) as server:
        studio = server.client(read_timeout=1, max_retries=0)
        assert form.call(studio, "request", "POST", "/x", **body(12 * MEGABYTE)) == {"ok": 1.5}
    (request,) = server.requests
    assert request.count == request.length >= 12 * MEGABYTE


def test_an_upload_of_100_kb_at_20_kb_a_second_succeeds(form: Form, body: Callable[[int], dict[str, Any]]) -> None:
    with ReceivingServer(Reading(rate=20_000)) as server:
        studio = server.client(read_timeout=1, max_retries=0)
        assert form.call(studio, "request", "POST", "/x", **body(100_000)) == {"ok": 1.5}
    (request,) = server.requests
    assert request.count == request.length


def test_a_reader_that_stalls_after_4_mb_is_an_error_by_name(form: Form, body: Callable[[int], dict[str, Any]]) -> None:
    with ReceivingServer(Reading(stop_at=4 * MEGABYTE, stopped=ReceivingServer.wait)) as server:
        studio = server.client(read_timeout=0.5, max_retries=0)
        expected = r"took longer than 0.5 s without the server taking more of the body: \d+ of \d+ bytes were sent"
        with pytest.raises(APITimeoutError, match=expected) as raised:
            form.call(studio, "request", "POST", "/x", **body(40 * MEGABYTE))
    assert not raised.value.outcome_unknown
    # What the system's buffers held arrives once the reader goes on, but never the end.
    assert 4 * MEGABYTE <= server.requests[0].count < server.requests[0].length


def open_descriptors() -> list[str]:
    """The open files and sockets of this process."""
    found: list[str] = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(descriptor.readlink()))
    return sorted(target for target in found if target.startswith("socket:") or target.endswith("body.bin"))


async def until(condition: Callable[[], bool]) -> bool:
    """Wait until the condition holds; whether it did in time."""
    for _ in range(500):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux lists what is open")
@pytest.mark.parametrize("limit", ["read_timeout", "timeout"])
def test_a_body_that_is_given_up_leaves_neither_its_file_nor_its_socket_open(
    form: Form, body: Callable[[int], dict[str, Any]], limit: str
) -> None:
    before = len(open_descriptors())
    with ReceivingServer(Reading(stop_at=0, stopped=ReceivingServer.wait)) as server:
        studio = server.client(max_retries=0, **{limit: 0.3})
        with pytest.raises(APITimeoutError):
            form.call(studio, "request", "POST", "/x", **body(20 * MEGABYTE))
        # The server keeps its listener and its end of the connection.
        assert asyncio.run(until(lambda: len(open_descriptors()) <= before + 2 + OF_AN_EVENT_LOOP)), open_descriptors()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux lists what is open")
@pytest.mark.parametrize("way", ["cancel", "close"])
async def test_an_upload_that_is_cancelled_or_closed_leaves_neither_its_file_nor_its_socket_open(
    body: Callable[[int], dict[str, Any]], way: str
) -> None:
    before = len(open_descriptors())
    with ReceivingServer(Reading(stop_at=0, stopped=ReceivingServer.wait)) as server:
        studio = server.client()
        arguments = body(20 * MEGABYTE)
        uploads = [asyncio.ensure_future(studio.request_async("POST", "/x", **arguments)) for _ in range(3)]
        assert await until(lambda: len(server.requests) == 3)
        if way == "close":
            studio.close()
        else:
            for upload in uploads:
                upload.cancel()
        await asyncio.gather(*uploads, return_exceptions=True)
        # The server keeps its listener and its ends of the connections.
        assert await until(lambda: len(open_descriptors()) <= before + 1 + 3), open_descriptors()


def test_a_body_that_was_not_sent_whole_is_sent_again(form: Form, body: Callable[[int], dict[str, Any]]) -> None:
    arguments = body(20 * MEGABYTE)
    stalls, breaks = Reading(stop_at=MEGABYTE, stopped=ReceivingServer.wait), Reading(stop_at=MEGABYTE, reset=True)
    with ReceivingServer(stalls, breaks, Reading()) as server:
        studio = server.client(read_timeout=0.5)
        assert form.call(studio, "request", "POST", "/x", **arguments) == {"ok": 1.5}
        server.released.set()
    assert [request.count == request.length for request in server.requests] == [False, False, True]


def test_a_refusal_before_the_whole_body_is_given_with_its_body(
    form: Form, body: Callable[[int], dict[str, Any]]
) -> None:
    # One such answer in a hundred is lost with its connection, more on a busy machine, and is asked for again.
    arguments = body(12 * MEGABYTE)
    for _ in range(30):
        with ReceivingServer(Reading(stop_at=64 * 1024, answer=REFUSAL, close=True)) as server:
            with pytest.raises(PermissionDeniedError) as raised:
                form.call(server.client(max_retries=5), "request", "POST", "/x", **arguments)
            response = form.call(server.client(max_retries=5), "request", "POST", "/x", raw=True, **arguments)
        assert raised.value.body == {"error": "The link has expired."}
        assert (response.status_code, response.content) == (403, FORBIDDEN)


def test_success_before_the_whole_body_is_an_error(form: Form, body: Callable[[int], dict[str, Any]]) -> None:
    expected = pytest.raises(APIConnectionError, match=r"with 200 after \d+ of \d+ bytes of its body")
    with ReceivingServer(Reading(stop_at=64 * 1024)) as server, expected as raised:
        form.call(server.client(max_retries=0), "request", "POST", "/x", **body(40 * MEGABYTE))
    assert raised.value.outcome_unknown


@pytest.mark.parametrize("change", ["shorter", "longer", "other", "other_with_its_times"])
def test_a_file_that_changes_while_it_is_sent_is_never_sent_whole(form: Form, tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(40 * MEGABYTE))
    before = path.stat()

    def meddle(_: ReceivingServer) -> bool:
        match change:
            case "shorter":
                os.truncate(path, 39 * MEGABYTE)
            case "longer":
                with path.open("ab") as file:
                    file.write(b"more")
            case _:
                with path.open("r+b") as file:
                    file.write(b"other")
                later = 0 if change == "other_with_its_times" else 1_000_000_000
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + later))
        return True

    expected = pytest.raises(FileChangedError, match="was changed while it was sent")
    with ReceivingServer(Reading(stop_at=MEGABYTE, stopped=meddle)) as server, expected:
        form.call(server.client(), "request", "POST", "/x", files={"f": path})
    (request,) = server.requests
    assert request.count < request.length


def test_timeout_holds_for_the_whole_call_and_a_body_that_was_not_whole_is_certainly_not_carried_out(
    form: Form, body: Callable[[int], dict[str, Any]]
) -> None:
    expected = pytest.raises(
        APITimeoutError, match=r"longer than 1 s in total: \d+ of \d+ bytes of the body were sent$"
    )
    with ReceivingServer(Reading(rate=MEGABYTE)) as server, expected as raised:
        form.call(server.client(timeout=1), "request", "POST", "/x", **body(20 * MEGABYTE))
    assert not raised.value.outcome_unknown


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_timeout_after_the_whole_body_leaves_open_whether_it_was_carried_out(
    form: Form, body: Callable[[int], dict[str, Any]], size: int
) -> None:
    with FaultServer(HANG) as server, pytest.raises(APITimeoutError, match="in total; it may still") as raised:
        form.call(server.client(timeout=0.5), "request", "POST", "/x", **body(size))
    assert raised.value.outcome_unknown


def test_a_timeout_while_a_refused_request_waits_for_its_turn_is_certainly_not_carried_out(form: Form) -> None:
    with FaultServer(Answer(status=429)) as server, pytest.raises(APITimeoutError, match=r"in total$") as raised:
        form.call(server.client(timeout=0.5, max_rate=0.5), "request", "POST", "/x", json={})
    assert not raised.value.outcome_unknown
    assert len(server.requests) == 1


@pytest.mark.parametrize("raw", [False, True])
def test_an_error_status_before_the_whole_body_is_certainly_not_carried_out_and_sent_again(
    form: Form, body: Callable[[int], dict[str, Any]], *, raw: bool
) -> None:
    arguments = body(12 * MEGABYTE)
    # The end of its own body never comes, which ends a raw request.
    early = Reading(stop_at=64 * 1024, answer=b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\nbusy")
    with ReceivingServer(early, Reading()) as server:
        studio = server.client(read_timeout=0.5)
        answer = form.call(studio, "request", "POST", "/x", raw=raw, **arguments)
        assert (answer.json() if raw else answer) == {"ok": 1.5}
    expected: type[Any] = APITimeoutError if raw else InternalServerError
    with ReceivingServer(early) as server, pytest.raises(expected) as raised:
        form.call(server.client(read_timeout=0.5, max_retries=0), "request", "POST", "/x", raw=raw, **arguments)
    assert not raised.value.outcome_unknown
    assert "may still have been carried out" not in str(raised.value)


def test_what_arrives_of_a_large_file_is_that_file(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(os.urandom(30 * MEGABYTE))
    with ReceivingServer() as server:
        form.call(server.client(), "request", "POST", "/x", files={"f": path})
    (request,) = server.requests
    head, _, _ = request.start.partition(b"\r\n\r\n")
    tail = b"\r\n" + head.partition(b"\r\n")[0] + b"--\r\n"
    assert request.hash.digest() == hashlib.sha256(head + b"\r\n\r\n" + path.read_bytes() + tail).digest()
