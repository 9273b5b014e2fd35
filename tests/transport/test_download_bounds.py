"""Downloads are limited: in bytes if the caller says so, and always in attempts and in signed URLs."""

from __future__ import annotations

import functools
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from canvas_studio import APIConnectionError, InvalidArgumentError, Media, PermissionDeniedError, ResponseDecodeError
from support.fault_server import (
    Answer,
    FaultServer,
    Handler,
    Received,
    file_answer,
    json_answer,
    media_answer,
    redirect,
    text_answer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from support.forms import Form

CONTENT = bytes(range(1, 251)) * 1200
SIZE = len(CONTENT)
VIDEO = {"Content-Type": "video/mp4"}
FORBIDDEN = text_answer("<Error><Code>AccessDenied</Code></Error>", "application/xml", 403)
SIGNED = "Expires=1&Signature=SignedSecret"
# What docs/downloads.md says.
SHORTEST_STEP = 4096
RENEWALS = 100


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lecture.mp4"


@contextmanager
def hosts(*script: Answer | Handler) -> Generator[tuple[FaultServer, FaultServer]]:
    """A Studio host that signs another URL each time, and a storage host that follows the script."""
    with FaultServer(*script) as storage, FaultServer(lambda _: signed(storage, server)) as server:
        yield server, storage


def signed(storage: FaultServer, server: FaultServer) -> Answer:
    return redirect(f"{storage.url}/file.mp4?{SIGNED}{len(server.requests)}")


def whole(request: Received) -> Answer:
    return file_answer(request, CONTENT)


def piece(request: Received, size: int, content: bytes = CONTENT) -> Answer:
    """So many bytes of what is missing, then the end of the connection."""
    return file_answer(request, content, send=size, end="close")


def test_a_file_of_max_bytes_is_saved_and_one_byte_more_is_refused(form: Form, path: Path) -> None:
    def school(request: Received) -> Answer:
        return redirect(f"{storage.url}/file.mp4?{SIGNED}") if "download" in request.path else media_answer(1)

    with FaultServer(whole) as storage, FaultServer(school) as server:
        studio = server.client()
        media: Media = form.call(studio, "get_media", 1)
        downloads: list[Callable[..., Path]] = [
            functools.partial(form.call, studio, "download_media", 1, path),
            functools.partial(form.call, media, "download", path),
        ]
        for download in downloads:
            with pytest.raises(ResponseDecodeError, match="larger than max_bytes"):
                download(max_bytes=SIZE - 1)
            assert list(path.parent.iterdir()) == []
            for enough in (SIZE, None, 2**80):
                assert download(max_bytes=enough) == path
                assert path.read_bytes() == CONTENT
                path.unlink()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(headers=VIDEO, content_length=SIZE, end="hang"),
        Answer(headers=VIDEO | {"Content-Range": f"bytes 0-999/{SIZE}"}, status=206, content_length=1000, end="hang"),
        Answer(headers=VIDEO | {"Content-Range": f"bytes 0-{SIZE - 1}/*"}, status=206, chunked=True, end="hang"),
    ],
    ids=["Content-Length", "Content-Range", "Content-Range of a part"],
)
def test_a_file_that_is_announced_as_larger_is_refused_before_a_byte_of_it(
    form: Form, path: Path, answer: Answer
) -> None:
    """The host holds the connection without sending one, and a `.part` of another program stays as it is."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(b"of a browser")
    with hosts(replace(answer, send=0)) as (server, storage):
        with pytest.raises(ResponseDecodeError) as caught:
            form.call(server.client(), "download_media", 1, path, max_bytes=2000)
        assert len(storage.requests) == 1
    error = caught.value
    assert str(error) == (
        f"the file at {storage.url}/file.mp4 is larger than max_bytes, 2000 bytes ({SIZE} bytes were announced), "
        f"so it was not saved; to get it, raise max_bytes"
    )
    assert (error.method, error.url, error.body) == ("GET", f"{storage.url}/file.mp4", "")
    assert error.status_code in {200, 206}
    assert part.read_bytes() == b"of a browser"
    assert list(path.parent.iterdir()) == [part]


def test_a_file_of_unknown_length_ends_where_max_bytes_are_exceeded(form: Form, path: Path) -> None:
    path.write_bytes(b"last week's")

    def without_end() -> Iterator[bytes]:
        while True:
            yield CONTENT

    with hosts(Answer(headers=VIDEO, stream=without_end)) as (server, storage):
        with pytest.raises(ResponseDecodeError, match=r"max_bytes, 1000000 bytes \(no length was announced\)"):
            form.call(server.client(), "download_media", 1, path, max_bytes=1_000_000)
        assert storage.wait_for_disconnect()
        assert len(storage.requests) == 1
    assert path.read_bytes() == b"last week's"
    assert list(path.parent.iterdir()) == [path]


def test_the_rest_of_a_file_that_grew_beyond_max_bytes_is_refused(form: Form, path: Path) -> None:
    larger = CONTENT * 2

    def grown(request: Received) -> Answer:
        return file_answer(request, larger, etag='"2"')

    with (
        hosts(lambda request: piece(request, SIZE // 2), grown) as (server, _),
        pytest.raises(ResponseDecodeError, match=f"{2 * SIZE} bytes were announced"),
    ):
        form.call(server.client(), "download_media", 1, path, max_bytes=SIZE)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("bad", [0, -1, -(2**80)])
def test_max_bytes_that_are_no_number_of_bytes_are_refused_before_anything_is_sent(
    form: Form, path: Path, bad: int
) -> None:
    with hosts(whole) as (server, _):
        with pytest.raises(InvalidArgumentError, match="max_bytes must be 1 byte or more, or None, not") as caught:
            form.call(server.client(), "download_media", 1, path, max_bytes=bad)
        assert caught.value.argument == "max_bytes"
        for wrong in ("5", 5.5, True):
            with pytest.raises(TypeError, match="max_bytes must be an int"):
                form.call(server.client(), "download_media", 1, path, max_bytes=wrong)
        assert server.requests == []


@pytest.mark.parametrize("size", [1, 1000])
def test_a_host_that_brings_little_with_each_attempt_is_given_up(form: Form, path: Path, size: int) -> None:
    """Less than a step in `max_retries` attempts more is no progress, however often it comes."""

    def little(request: Received) -> Answer:
        return FORBIDDEN if len(storage.requests) > 20 else piece(request, size)

    with hosts(little) as (server, storage):
        with pytest.raises(APIConnectionError):
            form.call(server.client(max_retries=2), "download_media", 1, path, resume=False)
        assert len(storage.requests) == 3
    assert list(path.parent.iterdir()) == []


def test_attempts_are_bounded_by_the_steps_of_a_file_however_large_it_is_said_to_be(form: Form, path: Path) -> None:
    """Each attempt brings a whole shortest step, of a file that is announced as a petabyte."""

    def of_a_petabyte(request: Received) -> Answer:
        start = int((re.findall(r"bytes=(\d+)-", request.headers.get("range", "")) or [0])[0])
        total = 10**15
        return Answer(
            status=206,
            headers=VIDEO | {"ETag": '"1"', "Content-Range": f"bytes {start}-{total - 1}/{total}"},
            body=CONTENT[: 10 * SHORTEST_STEP],
            content_length=total - start,
            end="close",
        )

    with hosts(*[of_a_petabyte] * 20, FORBIDDEN) as (server, storage):
        with pytest.raises(APIConnectionError):
            form.call(server.client(max_retries=2), "download_media", 1, path)
        assert len(storage.requests) == 3


def test_a_transfer_with_many_cuts_comes_to_its_end(form: Form, path: Path) -> None:
    """Each attempt brings half a step, so two bring one, and each third URL has expired."""
    content = CONTENT[: SHORTEST_STEP * 60]

    def cut(request: Received) -> Answer:
        return FORBIDDEN if len(storage.requests) % 6 == 0 else piece(request, SHORTEST_STEP // 2, content)

    with hosts(cut) as (server, storage):
        form.call(server.client(max_retries=2), "download_media", 1, path)
        assert len(storage.requests) >= 120
        assert len(server.requests) > 20
    assert path.read_bytes() == content


@pytest.mark.parametrize(("size", "renewals"), [(1, 1), (SHORTEST_STEP, RENEWALS)])
def test_signed_urls_are_not_asked_for_without_end(form: Form, path: Path, size: int, renewals: int) -> None:
    """The storage host gives a piece, then 403 until there is a new URL, for ever."""
    content = CONTENT * 2

    def expires_at_once(request: Received) -> Answer:
        if len(server.requests) > 2 * RENEWALS:
            return json_answer({"error": "never given up"}, 404)
        return FORBIDDEN if len(storage.requests) % 2 == 0 else piece(request, size, content)

    with hosts(expires_at_once) as (server, storage):
        with pytest.raises(PermissionDeniedError):
            form.call(server.client(max_retries=2), "download_media", 1, path)
        assert len(server.requests) == 1 + renewals


def test_a_host_that_refuses_every_url_is_asked_twice(form: Form, path: Path) -> None:
    with hosts(FORBIDDEN) as (server, storage):
        with pytest.raises(PermissionDeniedError):
            form.call(server.client(max_retries=2), "download_media", 1, path)
        assert (len(server.requests), len(storage.requests)) == (2, 2)
