"""A download into a file object: it gets the bytes in order and once, and is only written to."""

from __future__ import annotations

import asyncio
import gzip
import io
import random
import tempfile
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    InvalidArgumentError,
    Media,
    ResponseDecodeError,
)
from support.fault_server import (
    Answer,
    FaultServer,
    Handler,
    Received,
    file_answer,
    media_answer,
    redirect,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.forms import Form

CONTENT = b"\x00\x00\x00\x18ftypmp42" + random.Random(1).randbytes(3_000_000)
SIZE, HALF = len(CONTENT), len(CONTENT) // 2
SHA256 = sha256(CONTENT).hexdigest()
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


def test_a_file_object_gets_the_whole_file_and_stays_open(form: Form) -> None:
    file = io.BytesIO(b"before")
    file.seek(6)
    with hosts(broken_off, whole) as (server, storage):
        assert form.call(server.client(), "download_media", 1, file, sha256=SHA256) == SIZE
        assert storage.requests[1].headers["range"] == f"bytes={HALF}-"
    assert not file.closed
    assert file.tell() == 6 + SIZE
    assert file.getvalue() == b"before" + CONTENT


def test_a_media_downloads_itself_into_a_file_object(form: Form) -> None:
    def school(request: Received) -> Answer:
        return redirect(f"{storage.url}/file.mp4?{SIGNED}") if "download" in request.path else media_answer(1)

    with FaultServer(whole) as storage, FaultServer(school) as server:
        media: Media = form.call(server.client(), "get_media", 1)
        file = io.BytesIO()
        assert form.call(media, "download", file) == SIZE
    assert file.getvalue() == CONTENT


@pytest.mark.parametrize("kind", ["open", "unbuffered", "temporary", "gzip", "zip"])
def test_binary_files_of_any_kind_are_taken(form: Form, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    with hosts(whole) as (server, _):
        studio = server.client()
        match kind:
            case "open" | "unbuffered":
                with path.open("wb", buffering=-1 if kind == "open" else 0) as file:
                    form.call(studio, "download_media", 1, file)
                got = path.read_bytes()
            case "temporary":
                with tempfile.NamedTemporaryFile() as temporary:
                    form.call(studio, "download_media", 1, temporary)
                    temporary.seek(0)
                    got = temporary.read()
            case "gzip":
                with gzip.open(path, "wb", compresslevel=1) as packed:
                    form.call(studio, "download_media", 1, packed)
                got = gzip.decompress(path.read_bytes())
            case _:
                with zipfile.ZipFile(path, "w") as archive, archive.open("lecture.mp4", "w") as member:
                    form.call(studio, "download_media", 1, member)
                with zipfile.ZipFile(path) as archive:
                    got = archive.read("lecture.mp4")
    assert got == CONTENT


class Takes:
    """Something with a `write` alone."""

    def __init__(self, returns: Any = None) -> None:
        self.gathered = bytearray()
        self.returns: Any = returns
        self.threads: set[int] = set()
        self.has_some = threading.Event()
        self.begun = 0

    def write(self, data: bytes) -> Any:
        """Take some of it."""
        self.threads.add(threading.get_ident())
        self.begun += 1
        if isinstance(self.returns, FunctionType):
            count: int = self.returns(len(data))
            self.gathered += data[:count]
            return count
        self.gathered += data
        self.has_some.set()
        return self.returns


def third(length: int) -> int:
    return max(1, length // 3)


def none_of_it(_: int) -> int:
    return 0


def more(length: int) -> int:
    return length + 1


def less_than_none(_: int) -> int:
    return -1


def test_write_may_take_a_part_or_return_none(form: Form) -> None:
    for returns in (None, third):
        taker = Takes(returns)
        with hosts(whole) as (server, _):
            assert form.call(server.client(), "download_media", 1, taker) == SIZE
        assert taker.gathered == CONTENT


@pytest.mark.parametrize("returns", [none_of_it, more, less_than_none, "all", 1.5])
def test_a_write_that_returns_nonsense_is_an_os_error(form: Form, returns: object) -> None:
    with hosts(whole) as (server, _), pytest.raises(OSError, match=r"write\(\) of the file object returned"):
        form.call(server.client(), "download_media", 1, Takes(returns))


def test_a_raw_file_that_would_block_is_an_error(form: Form) -> None:
    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, _: Any) -> None:
            return None

    with hosts(whole) as (server, _), pytest.raises(BlockingIOError, match="took nothing"):
        form.call(server.client(), "download_media", 1, Full())


def test_write_is_called_by_the_caller_or_beside_the_event_loop(form: Form) -> None:
    taker = Takes()
    with hosts(whole) as (server, _):
        form.call(server.client(), "download_media", 1, taker)
    is_here = taker.threads == {threading.get_ident()}
    assert is_here is (form.name == "blocking")
    assert form.name == "blocking" or threading.get_ident() not in taker.threads


class Full(Exception):  # noqa: N818 (it is not one of ours)
    """What a file object raises."""


@pytest.mark.parametrize("error", [Full("no room"), OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_write_raises_comes_out_and_ends_the_download(form: Form, error: BaseException) -> None:
    class Fails:
        def write(self, _: bytes) -> None:
            raise error

    if isinstance(error, KeyboardInterrupt) and form.name == "async":
        pytest.skip("an event loop ends by it")
    with hosts(lambda request: file_answer(request, CONTENT, end="hang")) as (server, storage):
        with pytest.raises(type(error)) as caught:
            form.call(server.client(), "download_media", 1, Fails())
        assert caught.value is error
        assert storage.wait_for_disconnect()


def test_a_stop_iteration_of_write_is_no_end_of_the_coroutine(form: Form) -> None:
    class Stops:
        def write(self, _: bytes) -> None:
            raise StopIteration

    with hosts(whole) as (server, _), pytest.raises(RuntimeError, match="StopIteration"):
        form.call(server.client(), "download_media", 1, Stops())


class Async:
    """An async file object."""

    async def write(self, data: bytes) -> int:
        """Take it."""
        return len(data)


class Hidden:
    """A file object of which only the result shows that it is async."""

    def write(self, data: bytes) -> Any:
        """Take it."""
        return Async().write(data)


def test_an_async_file_object_is_refused_with_what_to_do(form: Form) -> None:
    with hosts(whole) as (server, _):
        with pytest.raises(TypeError, match=r"path must be a file object whose write\(\) is not async.*iter_bytes"):
            form.call(server.client(), "download_media", 1, Async())
        assert server.requests == []
        with pytest.raises(TypeError, match=r"not Hidden: use async for chunk in media\.iter_bytes"):
            form.call(server.client(), "download_media", 1, Hidden())


def test_a_file_in_text_mode_is_refused_before_anything_is_sent(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with (
        path.open("w") as text,
        tempfile.NamedTemporaryFile("w") as temporary,
        hosts(whole) as (server, _),
    ):
        for file in (io.StringIO(), text, temporary):
            with pytest.raises(TypeError, match=r'path must be a binary file object.*mode "wb"'):
                form.call(server.client(), "download_media", 1, file)
        assert server.requests == []


def test_a_file_that_is_not_open_for_writing_is_refused_before_anything_is_sent(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    closed = io.BytesIO()
    closed.close()
    with path.open("rb") as file, hosts(whole) as (server, _):
        with pytest.raises(InvalidArgumentError, match="path must be open for writing"):
            form.call(server.client(), "download_media", 1, file)
        with pytest.raises(ValueError, match="closed file"):
            form.call(server.client(), "download_media", 1, closed)
        with pytest.raises(TypeError, match="path must be a str, a path or a binary file object, not int"):
            form.call(server.client(), "download_media", 1, 5)
        assert server.requests == []


def test_a_host_without_ranges_sends_the_file_again_and_nothing_is_written_twice(form: Form) -> None:
    full = Answer(headers={"Content-Type": "video/mp4", "ETag": '"1"'}, body=CONTENT)
    file = io.BytesIO()
    with hosts(replace(full, send=HALF, end="close"), full) as (server, storage):
        assert form.call(server.client(), "download_media", 1, file, sha256=SHA256) == SIZE
        assert len(storage.requests) == 2
    assert file.getvalue() == CONTENT


def test_a_file_that_changed_meanwhile_is_an_error(form: Form) -> None:
    with (
        hosts(broken_off, lambda request: file_answer(request, CONTENT[::-1], etag='"2"')) as (server, _),
        pytest.raises(APIConnectionError, match="discard what you have, and begin anew"),
    ):
        form.call(server.client(), "download_media", 1, io.BytesIO())


def test_another_hash_and_a_larger_file_are_errors(form: Form) -> None:
    with hosts(whole) as (server, _):
        with pytest.raises(ResponseDecodeError, match="discard what was written"):
            form.call(server.client(), "download_media", 1, io.BytesIO(), sha256="0" * 64)
        file = io.BytesIO()
        with pytest.raises(ResponseDecodeError, match="max_bytes"):
            form.call(server.client(), "download_media", 1, file, max_bytes=SIZE - 1)
        assert file.getvalue() == b""


def test_progress_of_a_file_object_rises_to_its_size(form: Form) -> None:
    calls: list[tuple[int, int | None]] = []

    def progress(done: int, total: int | None) -> None:
        calls.append((done, total))

    with hosts(whole) as (server, _):
        form.call(server.client(), "download_media", 1, io.BytesIO(), progress=progress)
    assert calls[-1] == (SIZE, SIZE)


def test_write_may_call_the_client_that_has_one_connection(form: Form) -> None:
    def school(request: Received) -> Answer:
        return redirect(f"{storage.url}/file.mp4?{SIGNED}") if "download" in request.path else media_answer(7)

    class Asks(io.BytesIO):
        def write(self, data: Any) -> int:
            assert studio.get_media(7).id == 7
            return super().write(data)

    file = Asks()
    with FaultServer(whole) as storage, FaultServer(school) as server:
        studio = server.client(max_connections=1)
        assert form.call(studio, "download_media", 7, file) == SIZE
    assert file.getvalue() == CONTENT


def test_no_write_begins_after_a_download_was_cancelled() -> None:
    taker = Takes()

    async def run() -> None:
        download = asyncio.create_task(server.client().download_media_async(1, taker))
        assert await asyncio.to_thread(taker.has_some.wait, 20)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        before = taker.begun
        assert await asyncio.to_thread(storage.wait_for_disconnect)
        assert taker.begun == before

    with hosts(lambda request: file_answer(request, CONTENT, send=SIZE - 1, end="hang")) as (server, storage):
        asyncio.run(run())
    assert CONTENT.startswith(taker.gathered)
