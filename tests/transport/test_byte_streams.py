"""`iter_bytes()` gives a file chunk by chunk: whole, in order and once, or an error; and it holds few of them."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    InvalidArgumentError,
    Media,
    NotFoundError,
    ResponseDecodeError,
    StudioError,
)
from support.fault_server import (
    Answer,
    FaultServer,
    Handler,
    Received,
    file_answer,
    json_answer,
    media_answer,
    redirect,
)
from support.programs import posix_only, run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from canvas_studio import StudioClient
    from canvas_studio.byte_stream import ByteStream
    from support.forms import Form

CONTENT = b"\x00\x00\x00\x18ftypmp42" + random.Random(1).randbytes(300_000)
NEWER = CONTENT[:12] + CONTENT[12:][::-1]
SIZE, HALF = len(CONTENT), len(CONTENT) // 2
SHA256 = sha256(CONTENT).hexdigest()
VIDEO = {"Content-Type": "video/mp4"}
DATE = {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
SIGNED = "Expires=1&Signature=SignedSecret"


def whole(request: Received) -> Answer:
    return file_answer(request, CONTENT)


def broken_off(request: Received) -> Answer:
    return file_answer(request, CONTENT, send=HALF, end="close")


@contextmanager
def hosts(*script: Answer | Handler) -> Generator[tuple[FaultServer, FaultServer]]:
    """A Studio host that sends every download to a storage host, which follows the script."""
    with FaultServer(*script) as storage, FaultServer(redirect(f"{storage.url}/file.mp4?{SIGNED}")) as server:
        yield server, storage


def read(form: Form, stream: ByteStream, most: int | None = None) -> list[bytes]:
    """The chunks of a stream, all or the first."""
    if form.name == "blocking":
        chunks: list[bytes] = []
        for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == most:
                break
        return chunks

    async def run() -> list[bytes]:
        chunks: list[bytes] = []
        async for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == most:
                break
        return chunks

    return asyncio.run(run())


@pytest.mark.parametrize("chunk_size", [1_000, 65_536, SIZE - 1, SIZE, SIZE + 1, 1 << 30])
def test_a_stream_gives_the_whole_file_in_chunks_of_one_size(form: Form, chunk_size: int) -> None:
    with hosts(whole) as (server, storage):
        stream = server.client().iter_media_bytes(1, chunk_size=chunk_size)
        assert stream.length is None
        assert server.requests == []
        chunks = read(form, stream)
        assert stream.length == SIZE
        assert len(storage.requests) == 1
    assert b"".join(chunks) == CONTENT
    assert {len(chunk) for chunk in chunks[:-1]} <= {chunk_size}
    assert 0 < len(chunks[-1]) <= chunk_size


def test_a_media_streams_itself_in_the_quality_that_is_asked_for(form: Form) -> None:
    def school(request: Received) -> Answer:
        return redirect(f"{storage.url}/file.mp4?{SIGNED}") if "download" in request.path else media_answer(7)

    with FaultServer(whole) as storage, FaultServer(school) as server:
        media: Media = form.call(server.client(), "get_media", 7)
        assert b"".join(read(form, media.iter_bytes(quality="low"))) == CONTENT
        assert server.requests[1].path == "/api/public/v1/media/7/download"
        assert server.requests[1].parameters == {"quality": "low"}
        assert "authorization" not in storage.requests[0].headers


def test_a_stream_that_has_ended_stays_at_its_end(form: Form) -> None:
    with hosts(whole) as (server, storage):
        stream = server.client().iter_media_bytes(1)
        assert b"".join(read(form, stream)) == CONTENT
        assert read(form, stream) == []
        assert len(storage.requests) == 1


@pytest.mark.parametrize("end", ["reset", "close"])
def test_broken_connections_are_invisible_to_the_reader(form: Form, end: str) -> None:
    with hosts(lambda request: file_answer(request, CONTENT, send=70_000, end=end)) as (server, storage):
        chunks = read(form, server.client().iter_media_bytes(1, chunk_size=50_000, sha256=SHA256))
        assert "range" not in storage.requests[0].headers
        assert len(storage.requests) >= 5
    assert b"".join(chunks) == CONTENT
    assert [len(chunk) for chunk in chunks] == [50_000] * 6 + [SIZE - 300_000]


def test_a_url_that_expires_midway_is_invisible_to_the_reader(form: Form) -> None:
    with hosts(broken_off, Answer(status=403), whole) as (server, _):
        assert b"".join(read(form, server.client().iter_media_bytes(1, chunk_size=10_000))) == CONTENT
        assert len(server.requests) == 2


@pytest.mark.parametrize("validators", [{"ETag": '"1"'}, DATE], ids=["tag", "date"])
def test_a_host_without_ranges_is_read_again_and_nothing_is_given_twice(form: Form, validators: dict[str, str]) -> None:
    full = Answer(headers=VIDEO | validators, body=CONTENT)
    with hosts(replace(full, send=HALF, end="close"), full) as (server, storage):
        chunks = read(form, server.client().iter_media_bytes(1, chunk_size=40_000, sha256=SHA256))
        assert len(storage.requests) == 2
    assert b"".join(chunks) == CONTENT


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"1"'}, {"ETag": '"2"'}),
        ({"ETag": 'W/"1"'}, {"ETag": 'W/"1"'}),
        (DATE, {}),
        ({}, {}),
        ({"ETag": '"1"'} | DATE, {"ETag": '"2"'} | DATE),
    ],
    ids=["another tag", "weak tags", "no date any more", "nothing", "another tag of the same date"],
)
def test_two_versions_are_never_joined_and_the_reader_is_told(
    form: Form, before: dict[str, str], after: dict[str, str]
) -> None:
    first = Answer(headers=VIDEO | before, body=CONTENT, send=HALF, end="close")
    with hosts(first, Answer(headers=VIDEO | after, body=NEWER)) as (server, _):
        stream = server.client().iter_media_bytes(1, chunk_size=10_000)
        chunks = read(form, stream, HALF // 10_000)
        assert CONTENT.startswith(b"".join(chunks))
        with pytest.raises(APIConnectionError, match="discard what you have"):
            read(form, stream)
        # An error that is asked for again is no end of the file.
        with pytest.raises(APIConnectionError):
            read(form, stream)


def test_an_error_comes_with_the_first_chunk(form: Form) -> None:
    with FaultServer(json_answer({"error": "gone"}, 404)) as server:
        stream = server.client().iter_media_bytes(1)
        for _ in range(2):
            with pytest.raises(NotFoundError):
                read(form, stream)
        assert len(server.requests) == 1


def test_what_is_no_recording_or_too_large_or_of_another_hash_is_an_error(form: Form) -> None:
    page = Answer(headers={"Content-Type": "text/html"}, body=b"<html>Sorry</html>")
    with hosts(page) as (server, _), pytest.raises(ResponseDecodeError, match="text/html"):
        read(form, server.client().iter_media_bytes(1))
    with hosts(whole) as (server, _):
        with pytest.raises(ResponseDecodeError, match="max_bytes"):
            read(form, server.client().iter_media_bytes(1, max_bytes=SIZE - 1))
        with pytest.raises(ResponseDecodeError, match="SHA-256"):
            read(form, server.client().iter_media_bytes(1, sha256="0" * 64))


@pytest.mark.parametrize("bad", [0, -1, (1 << 30) + 1, 2**80])
def test_a_chunk_size_that_is_none_is_refused_at_once(bad: int) -> None:
    with hosts(whole) as (server, _):
        with pytest.raises(InvalidArgumentError, match="chunk_size must be 1 to 1073741824 bytes"):
            server.client().iter_media_bytes(1, chunk_size=bad)
        wrong: Any
        for wrong in ("5", 5.5, None):
            with pytest.raises(TypeError, match="chunk_size must be an int"):
                server.client().iter_media_bytes(1, chunk_size=wrong)
        assert server.requests == []


@contextmanager
def endless() -> Generator[tuple[FaultServer, FaultServer]]:
    """A storage host that sends for ever."""

    def without_end() -> Iterator[bytes]:
        while True:
            yield CONTENT

    with hosts(Answer(headers=VIDEO, stream=without_end)) as both:
        yield both


def close_by_hand(stream: ByteStream) -> None:
    stream.close()


def close_by_with(stream: ByteStream) -> None:
    with stream:
        pass


def close_async(stream: ByteStream) -> None:
    async def run() -> None:
        async with stream:
            pass
        await stream.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("close", [close_by_hand, close_by_with, close_async])
def test_a_stream_that_is_closed_frees_its_connection_and_cannot_be_read(
    form: Form, close: Callable[[ByteStream], None]
) -> None:
    with endless() as (server, storage):
        stream = server.client().iter_media_bytes(1, chunk_size=100_000)
        assert len(read(form, stream, 2)) == 2
        close(stream)
        assert storage.wait_for_disconnect()
        with pytest.raises(ValueError, match="the stream is closed"):
            read(form, stream)
        assert "closed" in repr(stream)


def test_a_stream_that_nobody_has_any_more_frees_its_connection(form: Form) -> None:
    with endless() as (server, storage):
        studio = server.client()
        assert len(read(form, studio.iter_media_bytes(1, chunk_size=100_000), 2)) == 2
        gc.collect()
        assert storage.wait_for_disconnect()


def test_a_stream_that_was_never_read_sends_nothing() -> None:
    with endless() as (server, _):
        with server.client().iter_media_bytes(1):
            pass
        assert server.requests == []


def test_a_slow_reader_holds_the_server_back(form: Form) -> None:
    """What is ahead of the reader is bounded, by three chunks and what the system buffers."""
    sent = 0

    def counted() -> Iterator[bytes]:
        nonlocal sent
        while True:
            yield CONTENT
            sent += SIZE

    with hosts(Answer(headers=VIDEO, stream=counted)) as (server, _):
        stream = server.client().iter_media_bytes(1, chunk_size=100_000)
        read(form, stream, 1)
        before, same = -1, 0
        # Until nothing more is sent for a while.
        while same < 20:
            same = same + 1 if sent == before else 0
            before = sent
            time.sleep(0.02)
        assert sent < 50_000_000
        stream.close()


def test_a_reader_may_call_the_client_while_it_reads(form: Form) -> None:
    """With one connection alone, which the stream does not hold while it waits for its reader."""

    def school(request: Received) -> Answer:
        return redirect(f"{storage.url}/file.mp4?{SIGNED}") if "download" in request.path else media_answer(7)

    with FaultServer(whole) as storage, FaultServer(school) as server:
        studio = server.client(max_connections=1)
        stream = studio.iter_media_bytes(7, chunk_size=30_000)
        gathered = b""
        if form.name == "blocking":
            for chunk in stream:
                gathered += chunk
                assert studio.get_media(7).id == 7
        else:

            async def run() -> bytes:
                gathered = b""
                async for chunk in stream:
                    gathered += chunk
                    assert (await studio.get_media_async(7)).id == 7
                return gathered

            gathered = asyncio.run(run())
    assert gathered == CONTENT


def test_a_chunk_that_a_cancelled_read_was_to_get_is_the_next_one() -> None:
    gate = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield CONTENT[:HALF]
        gate.wait(20)
        yield CONTENT[HALF:]

    async def run(stream: ByteStream) -> bytes:
        gathered = b""
        while len(gathered) + 10_000 <= HALF:
            gathered += await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.set()
        async for chunk in stream:
            gathered += chunk
        return gathered

    with hosts(Answer(headers=VIDEO, stream=slowly, content_length=SIZE)) as (server, storage):
        assert asyncio.run(run(server.client().iter_media_bytes(1, chunk_size=10_000))) == CONTENT
        assert len(storage.requests) == 1


def test_a_stream_that_is_closed_while_another_thread_reads_ends_that_read(form: Form) -> None:
    held = Answer(headers=VIDEO, body=CONTENT, send=HALF, end="hang")
    with hosts(held) as (server, storage):
        stream = server.client().iter_media_bytes(1, chunk_size=1 << 20)
        ended: list[BaseException] = []

        def wait() -> None:
            try:
                read(form, stream)
            except StudioError as error:
                ended.append(error)

        reader = threading.Thread(target=wait)
        reader.start()
        assert storage.wait_for_requests()
        stream.close()
        reader.join(20)
        assert not reader.is_alive()
        assert len(ended) == 1
        assert storage.wait_for_disconnect()


def test_closing_the_client_ends_a_stream_with_an_error(form: Form) -> None:
    with endless() as (server, storage):
        studio: StudioClient = server.client()
        stream = studio.iter_media_bytes(1, chunk_size=100_000)
        read(form, stream, 1)
        studio.close()
        with pytest.raises(StudioError, match="closed"):
            read(form, stream)
        assert storage.wait_for_disconnect()


@posix_only
def test_a_child_of_a_fork_is_told_that_a_stream_is_its_parents() -> None:
    program = """
        stream = studio.iter_media_bytes(1, chunk_size=100_000)
        first = next(stream)
        if not (child := os.fork()):
            try:
                next(stream)
            except Exception as error:
                print(error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        rest = b"".join(stream)
        print(len(first) + len(rest))
    """
    with hosts(whole) as (server, _):
        ended = run(program, server.url)
    assert ended.stdout.splitlines() == [
        "this stream belongs to the process that has forked this one: begin a new one here",
        str(SIZE),
    ]


def test_streams_of_many_threads_do_not_disturb_each_other(form: Form) -> None:
    with hosts(broken_off, whole) as (server, _):
        studio = server.client()
        results: list[bytes] = []
        threads = [
            threading.Thread(
                target=lambda: results.append(b"".join(read(form, studio.iter_media_bytes(1, chunk_size=7_000))))
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert results == [CONTENT] * 8


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts open files")  # noqa: PTH110 - it is no path
def test_a_hundred_streams_that_are_left_early_leave_no_connection_open() -> None:
    with endless() as (server, storage):
        studio = server.client()
        for number in range(100):
            for _ in studio.iter_media_bytes(1, chunk_size=100_000):
                break
            assert storage.wait_for_disconnect(count=number + 1)
