"""A download is the complete file or no file, and the token never leaves Studio's own host.

What stays for a later download is in test_resumed_downloads.py; with `resume=False` nothing does.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import gc
import gzip
import os
import random
import stat
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    APIStatusError,
    InternalServerError,
    InvalidArgumentError,
    Media,
    NotFoundError,
    PermissionDeniedError,
    ResponseDecodeError,
    StudioError,
    UnprocessableEntityError,
)
from support.fault_server import (
    HANG,
    MEGABYTE,
    TOKEN,
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

    from support.forms import Form

CONTENT = random.Random(1).randbytes(300_000)
HALF = len(CONTENT) // 2
VIDEO = {"Content-Type": "video/mp4"}
SIGNED = "Expires=1&Signature=SignedSecret"
FORBIDDEN = text_answer("<Error><Code>AccessDenied</Code></Error>", "application/xml", 403)


def whole(request: Received) -> Answer:
    return file_answer(request, CONTENT)


def broken_off(request: Received) -> Answer:
    return file_answer(request, CONTENT, send=HALF, end="close")


def held(request: Received) -> Answer:
    """Half of the file, and then silence on an open connection."""
    return file_answer(request, CONTENT, send=HALF, end="hang")


@contextmanager
def hosts(*script: Answer | Handler) -> Generator[tuple[FaultServer, FaultServer]]:
    """A Studio host that sends every download to a storage host, which follows the script."""
    with FaultServer(*script) as storage, FaultServer(redirect(f"{storage.url}/file.mp4?{SIGNED}")) as server:
        yield server, storage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lecture.mp4"


def part_of(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def eventually(happened: Callable[[], bool]) -> bool:
    """Whether it happens within ten seconds; a file system has no event to wait for."""
    deadline = time.monotonic() + 10
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def test_a_download_is_saved_under_its_name(form: Form, path: Path) -> None:
    with hosts(whole) as (server, _):
        assert form.call(server.client(), "download_media", 1, path) == path
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_a_media_can_download_itself(form: Form, path: Path) -> None:
    with FaultServer(whole) as storage, FaultServer(media_answer(7), redirect(f"{storage.url}/7")) as server:
        media: Media = form.call(server.client(), "get_media", 7)
        assert form.call(media, "download", path) == path
    assert path.read_bytes() == CONTENT
    assert server.requests[1].path == "/api/public/v1/media/7/download"


def test_the_quality_is_asked_for(form: Form, path: Path) -> None:
    with hosts(whole) as (server, _):
        form.call(server.client(), "download_media", 1, path, quality="low")
    assert server.requests[0].parameters == {"quality": "low"}


def test_a_file_of_unknown_length_is_saved(form: Form, path: Path) -> None:
    with hosts(Answer(headers=VIDEO, body=CONTENT, chunked=True)) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT


def test_an_existing_file_is_replaced(form: Form, path: Path) -> None:
    path.write_bytes(b"last week's")
    with hosts(whole) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT


class PathOfItsOwn:
    """Something that is neither text nor a Path, but names a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("kind", [str, Path, PathOfItsOwn])
def test_a_path_may_be_anything_that_names_a_file(form: Form, path: Path, kind: Callable[[Path], Any]) -> None:
    with hosts(whole) as (server, _):
        saved = form.call(server.client(), "download_media", 1, kind(path))
    assert isinstance(saved, Path)
    assert saved == path
    assert path.read_bytes() == CONTENT


def test_a_file_name_may_be_unicode(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "Übung 1, 講義 🎬.mp4"
    with hosts(whole) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT


def test_while_it_runs_a_download_is_only_a_part_file(form: Form, path: Path) -> None:
    seen: list[str] = []
    looked = threading.Event()

    def look(done: int, _total: int | None) -> None:
        if done and not looked.is_set():
            seen.extend(file.name for file in path.parent.iterdir())
            looked.set()

    def wait_for_the_look() -> Iterator[bytes]:
        yield CONTENT[:HALF]
        looked.wait(20)
        yield CONTENT[HALF:]

    with hosts(Answer(headers=VIDEO, stream=wait_for_the_look)) as (server, _):
        form.call(server.client(), "download_media", 1, path, progress=look)
    assert seen == ["lecture.mp4.part"]
    assert path.read_bytes() == CONTENT


def test_the_token_never_reaches_another_host(form: Form, path: Path) -> None:
    with FaultServer(broken_off, whole) as last, hosts(redirect(f"{last.url}/file")) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert len(storage.requests) + len(last.requests) >= 3
    for request in storage.requests + last.requests:
        assert "authorization" not in request.headers
        assert "cookie" not in request.headers
        assert TOKEN.encode() not in request.raw


def test_the_file_is_asked_for_as_it_is(form: Form, path: Path) -> None:
    with hosts(whole) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert storage.requests[0].headers["accept-encoding"] == "identity"
    assert dict(storage.requests[0].query) == {"Expires": "1", "Signature": "SignedSecret"}


@functools.cache
def twenty_megabytes() -> bytes:
    return random.Random(2).randbytes(20 * MEGABYTE)


@pytest.mark.parametrize("end", ["reset", "close"])
def test_20_megabytes_arrive_whole_over_connections_that_break(form: Form, path: Path, end: str) -> None:
    content = twenty_megabytes()
    with hosts(lambda request: file_answer(request, content, send=2 * MEGABYTE, end=end)) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == content
    assert len(storage.requests) >= 10
    assert all("range" in request.headers for request in storage.requests[1:])


def test_a_broken_download_goes_on_where_it_stopped(form: Form, path: Path) -> None:
    with hosts(broken_off, whole) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT
    first, second = storage.requests
    assert "range" not in first.headers
    assert second.headers["range"] == f"bytes={HALF}-"
    assert second.headers["if-range"] == '"1"'


def test_a_download_without_an_etag_goes_on_without_if_range(form: Form, path: Path) -> None:
    def nameless(request: Received) -> Answer:
        answer = whole(request)
        return replace(answer, headers={name: value for name, value in answer.headers.items() if name != "ETag"})

    def nameless_half(request: Received) -> Answer:
        return replace(nameless(request), send=HALF, end="close")

    with hosts(nameless_half, nameless) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT
    assert "if-range" not in storage.requests[1].headers


def test_a_host_that_gives_less_than_was_asked_for_is_asked_for_the_rest(form: Form, path: Path) -> None:
    def a_piece(request: Received) -> Answer:
        """Less than the rest, as RFC 9110 allows, in an answer that is whole in itself."""
        start = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        piece = CONTENT[start : start + 100_000]
        bounds = f"bytes {start}-{start + len(piece) - 1}/{len(CONTENT)}"
        return Answer(status=206, headers={**VIDEO, "Content-Range": bounds}, body=piece)

    first = Answer(headers=VIDEO, body=CONTENT, send=HALF, end="close")
    with hosts(first, a_piece) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT
    assert len(storage.requests) == 3


@pytest.mark.parametrize("name", ["ETag", "Last-Modified"])
def test_a_part_that_does_not_repeat_its_validator_is_continued(form: Form, path: Path, name: str) -> None:
    version = '"1"' if name == "ETag" else "Wed, 21 Oct 2015 07:28:00 GMT"

    def unnamed(request: Received) -> Answer:
        answer = file_answer(request, CONTENT, etag=version)
        return replace(answer, headers={name: value for name, value in answer.headers.items() if name != "ETag"})

    first = Answer(headers={**VIDEO, name: version}, body=CONTENT, send=HALF, end="close")
    with hosts(first, unnamed) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT
    assert [request.headers.get("range") for request in storage.requests] == [None, f"bytes={HALF}-"]
    assert storage.requests[1].headers["if-range"] == version


def test_a_part_may_begin_like_json(form: Form, path: Path) -> None:
    content = CONTENT[:HALF] + b'{"error": 1}' + CONTENT[HALF:]

    def plain(request: Received) -> Answer:
        answer = file_answer(request, content)
        return replace(answer, headers={**answer.headers, "Content-Type": "application/octet-stream"})

    with hosts(lambda request: replace(plain(request), send=HALF, end="close"), plain) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == content
    assert len(storage.requests) == 2


def test_a_download_that_falls_silent_goes_on_after_the_read_timeout(form: Form, path: Path) -> None:
    with hosts(held, whole) as (server, storage):
        form.call(server.client(read_timeout=0.5), "download_media", 1, path)
    assert path.read_bytes() == CONTENT
    assert len(storage.requests) >= 2


def test_the_total_timeout_does_not_end_a_download(form: Form, path: Path) -> None:
    with hosts(Answer(headers=VIDEO, body=CONTENT[:20], drip=0.07)) as (server, _):
        studio = server.client()
        # The first call makes the connection, so that the time is that of the download.
        form.call(studio, "get_download_url", 1)
        form.call(studio.with_options(timeout=1), "download_media", 1, path)
    assert path.read_bytes() == CONTENT[:20]


def test_a_host_that_knows_no_ranges_starts_over(form: Form, path: Path) -> None:
    full = Answer(headers=VIDEO, body=CONTENT)
    with hosts(replace(full, send=HALF, end="close"), full) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT
    assert "range" in storage.requests[1].headers


def test_a_file_that_changed_meanwhile_starts_over(form: Form, path: Path) -> None:
    newer = CONTENT[::-1]
    with hosts(broken_off, lambda request: file_answer(request, newer, etag='"2"')) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == newer


def test_a_file_that_changed_on_a_host_without_if_range_is_never_mixed(form: Form, path: Path) -> None:
    newer = CONTENT[::-1]

    def blind(request: Received) -> Answer:
        without = {name: value for name, value in request.headers.items() if name != "if-range"}
        return file_answer(replace(request, headers=without), newer, etag='"2"')

    with hosts(broken_off, blind) as (server, _):
        try:
            form.call(server.client(), "download_media", 1, path)
        except StudioError:
            assert not path.exists()
        else:
            assert path.read_bytes() == newer


def test_a_range_that_was_not_asked_for_is_never_joined(form: Form, path: Path) -> None:
    headers = {**VIDEO, "ETag": '"1"', "Content-Range": f"bytes 10-{len(CONTENT) - 1}/{len(CONTENT)}"}
    with hosts(broken_off, Answer(status=206, headers=headers, body=CONTENT[10:]), whole) as (server, _):
        try:
            form.call(server.client(), "download_media", 1, path)
        except StudioError:
            assert not path.exists()
        else:
            assert path.read_bytes() == CONTENT


def test_a_chunked_download_that_breaks_is_noticed(form: Form, path: Path) -> None:
    chunked = Answer(headers=VIDEO, body=CONTENT, chunked=True)
    with hosts(replace(chunked, send=HALF, end="close"), chunked) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT


def test_a_length_that_is_never_reached_is_an_error_and_no_file(form: Form, path: Path) -> None:
    with hosts(Answer(headers=VIDEO, body=b"short", content_length=100, end="close")) as (server, storage):
        with pytest.raises(StudioError):
            form.call(server.client(), "download_media", 1, path)
        assert 1 < len(storage.requests) < 100
    assert list(path.parent.iterdir()) == []


def test_a_host_without_ranges_that_breaks_off_here_and_there_is_given_up(form: Form, path: Path) -> None:
    def here_and_there(_: Received) -> Answer:
        count = len(storage.requests)
        if count > 200:
            return json_answer({"error": "never given up"}, 404)
        return Answer(headers=VIDEO, body=CONTENT, send=1_000 + 1_000 * (count % 2), end="close")

    with hosts(here_and_there) as (server, storage):
        with pytest.raises(StudioError):
            form.call(server.client(max_retries=2), "download_media", 1, path)
        assert len(storage.requests) < 20
    assert list(path.parent.iterdir()) == []


def test_a_host_that_brings_nothing_is_given_up(form: Form, path: Path) -> None:
    with hosts(broken_off, lambda request: replace(whole(request), send=0, end="reset")) as (server, storage):
        with pytest.raises(APIConnectionError):
            form.call(server.client(max_retries=2), "download_media", 1, path, resume=False)
        assert 3 <= len(storage.requests) <= 5
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_storage_host_that_recovers_is_asked_again(form: Form, path: Path, status: int) -> None:
    with hosts(json_answer({}, status), whole) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT
    assert len(storage.requests) == 2


def test_an_external_media_has_a_message_of_its_own(form: Form, path: Path) -> None:
    with FaultServer(json_answer({"error": "unprocessable"}, 422)) as server:
        with pytest.raises(UnprocessableEntityError, match="YouTube or Vimeo"):
            form.call(server.client(), "download_media", 1, path)
        with pytest.raises(UnprocessableEntityError, match="YouTube or Vimeo"):
            form.call(server.client(), "get_download_url", 1)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("status", [404, 422])
@pytest.mark.parametrize("method", ["download_media", "get_download_url"])
def test_a_wrong_quality_is_told_about_the_quality_and_nothing_else(
    form: Form, path: Path, method: str, status: int
) -> None:
    arguments = [path] if method == "download_media" else []
    with FaultServer(json_answer({"error": "no"}, status)) as server:
        studio = server.client()
        with pytest.raises(APIStatusError, match="omit quality") as with_quality:
            form.call(studio, method, 1, *arguments, quality="klingon")
        with pytest.raises(APIStatusError) as without:
            form.call(studio, method, 1, *arguments)
    assert "external" not in str(with_quality.value)
    assert "quality" not in str(without.value)


@pytest.mark.parametrize(
    "content_type",
    ["text/html", "text/html; charset=utf-8", "text/plain", "application/json", "application/xml", "text/xml"],
)
def test_a_success_that_is_no_video_is_never_saved(form: Form, path: Path, content_type: str) -> None:
    path.write_bytes(b"last week's")
    with hosts(text_answer("<html>Sorry</html>", content_type)) as (server, _), pytest.raises(ResponseDecodeError) as e:
        form.call(server.client(), "download_media", 1, path)
    assert "Sorry" in e.value.body
    assert path.read_bytes() == b"last week's"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "binary/octet-stream"])
@pytest.mark.parametrize("text", ['{"error": "expired"}', ' \n["no"]', "<html>Sorry</html>", "<!DOCTYPE html>\nSorry"])
def test_json_and_html_without_a_name_are_never_saved(
    form: Form, path: Path, text: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    with hosts(Answer(headers=headers, body=text.encode())) as (server, _), pytest.raises(ResponseDecodeError) as e:
        form.call(server.client(), "download_media", 1, path)
    assert text.strip() in e.value.body
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("content_type", [None, "application/octet-stream"])
@pytest.mark.parametrize("content", [b"\x00\x00\x00\x18ftypmp42", b"\x1a\x45\xdf\xa3"], ids=["mp4", "webm"])
def test_a_recording_without_a_name_is_saved(form: Form, path: Path, content: bytes, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    with hosts(Answer(headers=headers, body=content)) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "answer",
    [
        Answer(headers=VIDEO),
        Answer(headers=VIDEO, chunked=True),
        Answer(headers={**VIDEO, "Content-Encoding": "gzip"}, body=gzip.compress(CONTENT)),
        Answer(headers={**VIDEO, "Content-Encoding": "br"}, body=CONTENT),
    ],
    ids=["empty", "empty-chunked", "gzip", "br"],
)
def test_a_success_that_is_no_whole_plain_file_is_never_saved(form: Form, path: Path, answer: Answer) -> None:
    path.write_bytes(b"last week's")
    with hosts(answer) as (server, _), pytest.raises(ResponseDecodeError):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == b"last week's"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("status", "kind"), [(400, APIStatusError), (404, NotFoundError), (416, APIStatusError), (500, InternalServerError)]
)
def test_an_error_of_the_storage_host_is_never_saved(
    form: Form, path: Path, status: int, kind: type[APIStatusError]
) -> None:
    with hosts(Answer(status=status, headers=VIDEO, body=b"error")) as (server, _), pytest.raises(kind) as caught:
        form.call(server.client(), "download_media", 1, path)
    assert caught.value.status_code == status
    assert list(path.parent.iterdir()) == []


def test_an_error_of_studio_is_never_saved(form: Form, path: Path) -> None:
    with FaultServer(json_answer({"error": "gone"}, 404)) as server, pytest.raises(NotFoundError):
        form.call(server.client(), "download_media", 1, path)
    assert list(path.parent.iterdir()) == []


def test_a_studio_that_points_nowhere_is_an_error(form: Form, path: Path) -> None:
    for answer in (
        Answer(status=302),
        Answer(headers=VIDEO, body=CONTENT),
        redirect(""),
        redirect("file:///etc/passwd"),
    ):
        with FaultServer(answer) as server, pytest.raises(StudioError):
            form.call(server.client(), "download_media", 1, path)
    assert list(path.parent.iterdir()) == []


@contextmanager
def expiring(*script: Answer | Handler) -> Generator[tuple[FaultServer, FaultServer]]:
    """A Studio host that signs a first URL, and then a fresh one."""
    with (
        FaultServer(*script) as storage,
        FaultServer(redirect(f"{storage.url}/first?{SIGNED}"), redirect(f"{storage.url}/fresh?{SIGNED}")) as server,
    ):
        yield server, storage


def test_an_expired_url_is_replaced_once(form: Form, path: Path) -> None:
    with expiring(FORBIDDEN, whole) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT
    assert [request.path for request in storage.requests] == ["/first", "/fresh"]
    assert len(server.requests) == 2


def test_a_url_that_expires_midway_is_replaced_and_the_download_goes_on(form: Form, path: Path) -> None:
    with expiring(broken_off, FORBIDDEN, whole) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT
    assert [request.path for request in storage.requests] == ["/first", "/first", "/fresh"]
    assert storage.requests[2].headers["range"] == f"bytes={HALF}-"


def test_a_fresh_url_that_is_refused_as_well_is_an_error(form: Form, path: Path) -> None:
    with expiring(FORBIDDEN) as (server, storage):
        with pytest.raises(PermissionDeniedError):
            form.call(server.client(), "download_media", 1, path)
        assert len(server.requests) == 2
        assert len(storage.requests) == 2
    assert list(path.parent.iterdir()) == []


def hops(count: int) -> Handler:
    """A storage host that redirects so many times before it sends the file."""

    def answer(request: Received) -> Answer:
        done = int(request.path.strip("/")) if request.path.strip("/").isdigit() else 0
        return whole(request) if done == count else redirect(f"/{done + 1}")

    return answer


def test_five_redirects_are_followed(form: Form, path: Path) -> None:
    with hosts(hops(5)) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == CONTENT


def test_six_redirects_are_too_many(form: Form, path: Path) -> None:
    with hosts(hops(6)) as (server, _), pytest.raises(StudioError):
        form.call(server.client(), "download_media", 1, path)
    assert list(path.parent.iterdir()) == []


def test_a_redirect_to_plain_http_elsewhere_is_refused(form: Form, path: Path) -> None:
    elsewhere = redirect(f"http://192.0.2.1/file.mp4?{SIGNED}")
    with FaultServer(elsewhere) as server, pytest.raises(StudioError, match="https"):
        form.call(server.client(), "download_media", 1, path)
    with hosts(elsewhere) as (server, _), pytest.raises(StudioError, match="https"):
        form.call(server.client(), "download_media", 1, path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["directory", "missing parent"])
def test_a_path_that_cannot_be_written_is_refused_before_anything_is_sent(
    form: Form, tmp_path: Path, kind: str
) -> None:
    bad = tmp_path if kind == "directory" else tmp_path / "missing" / "file.mp4"
    with hosts(whole) as (server, _), pytest.raises(InvalidArgumentError, match="path"):
        form.call(server.client(), "download_media", 1, bad)
    assert server.requests == []


def test_a_path_of_what_is_no_file_is_refused_before_anything_is_sent(form: Form, no_file: Path) -> None:
    kind = stat.S_IFMT(no_file.stat().st_mode)
    with hosts(whole) as (server, _), pytest.raises(InvalidArgumentError, match=r"\bpath\b"):
        form.call(server.client(), "download_media", 1, no_file)
    assert server.requests == []
    assert stat.S_IFMT(no_file.stat().st_mode) == kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (json_answer({"error": "external"}, 422), UnprocessableEntityError),
        (json_answer({"error": "gone"}, 404), NotFoundError),
        (text_answer("<html>Sorry</html>", "text/html"), ResponseDecodeError),
    ],
    ids=["422", "404", "html"],
)
@pytest.mark.parametrize("at", ["studio", "storage"])
def test_what_another_program_left_as_a_part_survives_a_download_that_brings_nothing(
    form: Form, path: Path, at: str, answer: Answer, kind: type[StudioError]
) -> None:
    part_of(path).write_bytes(b"of a browser")
    with hosts(answer) as (server, storage):
        studio = (storage if at == "studio" else server).client(max_retries=0)
        with pytest.raises(kind):
            form.call(studio, "download_media", 1, path)
    assert part_of(path).read_bytes() == b"of a browser"
    assert list(path.parent.iterdir()) == [part_of(path)]


def test_a_part_that_is_a_symbolic_link_is_an_os_error_and_its_target_stays(form: Form, path: Path) -> None:
    precious = path.with_name("precious.txt")
    precious.write_bytes(b"precious")
    part_of(path).symlink_to(precious)
    with hosts(whole) as (server, _), pytest.raises(OSError, match="lecture") as caught:
        form.call(server.client(), "download_media", 1, path)
    assert "lecture.mp4" in str(caught.value.filename)
    assert precious.read_bytes() == b"precious"
    assert part_of(path).is_symlink()
    assert not path.exists()


def test_a_path_of_the_wrong_type_is_refused_before_anything_is_sent(form: Form) -> None:
    with hosts(whole) as (server, _), pytest.raises((TypeError, InvalidArgumentError), match="path"):
        form.call(server.client(), "download_media", 1, 5)
    assert server.requests == []


def test_a_name_that_the_file_system_refuses_is_an_os_error_with_its_name(form: Form, tmp_path: Path) -> None:
    with hosts(whole) as (server, _), pytest.raises(OSError, match="x") as caught:
        form.call(server.client(), "download_media", 1, tmp_path / ("x" * 300))
    assert "xxx" in str(caught.value.filename)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_take_its_name_is_an_os_error_and_leaves_no_part(form: Form, path: Path) -> None:
    def get_in_the_way(request: Received) -> Answer:
        (path / "inside").mkdir(parents=True)
        return whole(request)

    with hosts(get_in_the_way) as (server, _), pytest.raises(OSError, match="lecture") as caught:
        form.call(server.client(), "download_media", 1, path, resume=False)
    assert caught.value.filename is not None
    assert list(path.parent.iterdir()) == [path]


def test_progress_rises_to_the_size_on_the_calling_thread(form: Form, path: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    threads: set[int] = set()

    def progress(done: int, total: int | None) -> None:
        calls.append((done, total))
        threads.add(threading.get_ident())

    content = twenty_megabytes()
    with hosts(lambda request: file_answer(request, content)) as (server, _):
        form.call(server.client(), "download_media", 1, path, progress=progress)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1] == (len(content), len(content))
    assert {total for _, total in calls} <= {None, len(content)}
    assert threads == {threading.get_ident()}


def test_progress_of_an_unknown_length_has_no_total(form: Form, path: Path) -> None:
    calls: list[tuple[int, int | None]] = []

    def progress(done: int, total: int | None) -> None:
        calls.append((done, total))

    with hosts(Answer(headers=VIDEO, body=CONTENT, chunked=True)) as (server, _):
        form.call(server.client(), "download_media", 1, path, progress=progress)
    assert calls[-1][0] == len(CONTENT)
    assert calls[0][1] is None


class Enough(Exception):  # noqa: N818 (it is not an error)
    """What a caller raises to end a download."""


def test_an_exception_of_progress_ends_the_download_and_comes_out(form: Form, path: Path) -> None:
    path.write_bytes(b"last week's")

    def stop(done: int, _total: int | None) -> None:
        if done:
            raise Enough

    with hosts(held) as (server, storage):
        with pytest.raises(Enough):
            form.call(server.client(), "download_media", 1, path, resume=False, progress=stop)
        assert storage.wait_for_disconnect()
    assert path.read_bytes() == b"last week's"
    assert list(path.parent.iterdir()) == [path]


def test_stop_iteration_of_async_progress_is_no_end_of_the_coroutine(path: Path) -> None:
    def stop(done: int, _total: int | None) -> None:
        if done:
            raise StopIteration

    with hosts(held) as (server, _), pytest.raises(RuntimeError):
        asyncio.run(server.client().download_media_async(1, path, resume=False, progress=stop))
    assert eventually(lambda: list(path.parent.iterdir()) == [])


def test_a_download_that_progress_ended_can_begin_again_at_once(form: Form, path: Path) -> None:
    def stop(done: int, _total: int | None) -> None:
        if done:
            raise Enough

    with hosts(*[held] * 20, whole) as (server, storage):
        studio = server.client()
        for _ in range(20):
            with pytest.raises(Enough):
                form.call(studio, "download_media", 1, path, resume=False, progress=stop)
        assert form.call(studio, "download_media", 1, path, resume=False) == path
        assert len(storage.requests) == 21
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_progress_can_be_a_bar(form: Form, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hosts(whole) as (server, _):
        form.call(server.client(), "download_media", 1, path, progress=True)
    shown = capsys.readouterr()
    assert "%" in shown.err
    assert shown.out == ""
    assert path.read_bytes() == CONTENT


def test_a_bar_of_a_download_that_fails_at_once_leaves_no_line(
    form: Form, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Later than the first report.
    late = replace(json_answer({"error": "no such media"}, 404), delay=0.2)
    with FaultServer(late) as server, pytest.raises(NotFoundError):
        form.call(server.client(), "download_media", 1, path, progress=True)
    gc.collect()
    assert capsys.readouterr() == ("", "")


def test_a_bar_without_tqdm_says_what_to_install(form: Form, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tqdm"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with hosts(whole) as (server, _), pytest.raises((ImportError, StudioError), match="tqdm"):
        form.call(server.client(), "download_media", 1, path, progress=True)
    assert list(path.parent.iterdir()) == []


def test_progress_of_the_wrong_type_is_refused_before_anything_is_sent(form: Form, path: Path) -> None:
    with hosts(whole) as (server, _), pytest.raises((TypeError, InvalidArgumentError), match="progress"):
        form.call(server.client(), "download_media", 1, path, progress="bar")
    assert server.requests == []


def test_a_cancelled_download_leaves_nothing_behind(path: Path) -> None:
    async def start_and_cancel() -> None:
        download = asyncio.create_task(server.client().download_media_async(1, path, resume=False))
        assert await asyncio.to_thread(storage.wait_for_requests)
        assert await asyncio.to_thread(eventually, part_of(path).exists)
        download.cancel()
        await download

    path.write_bytes(b"last week's")
    with hosts(held) as (server, storage):
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(start_and_cancel())
        assert storage.wait_for_disconnect()
        assert eventually(lambda: not part_of(path).exists())
    assert path.read_bytes() == b"last week's"


def test_a_cancelled_download_can_begin_again_at_once(path: Path) -> None:
    async def cancel_and_begin_again() -> None:
        studio = server.client()
        for number in range(1, 21):
            download = asyncio.create_task(studio.download_media_async(1, path, resume=False))
            assert await asyncio.to_thread(storage.wait_for_requests, number)
            assert await asyncio.to_thread(eventually, part_of(path).exists)
            download.cancel()
            with pytest.raises(asyncio.CancelledError):
                await download
        assert await studio.download_media_async(1, path, resume=False) == path

    with hosts(*[held] * 20, whole) as (server, storage):
        asyncio.run(cancel_and_begin_again())
        assert len(storage.requests) == 21
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_download_leaves_the_existing_file_as_it_was(form: Form, path: Path) -> None:
    path.write_bytes(b"last week's")
    with hosts(broken_off, json_answer({"error": "gone"}, 404)) as (server, _), pytest.raises(NotFoundError):
        form.call(server.client(), "download_media", 1, path, resume=False)
    assert path.read_bytes() == b"last week's"
    assert list(path.parent.iterdir()) == [path]


def test_closing_the_client_ends_a_download_and_leaves_nothing_behind(form: Form, path: Path) -> None:
    with hosts(held) as (server, _), ThreadPoolExecutor(1) as threads:
        studio = server.client()
        download = threads.submit(form.call, studio, "download_media", 1, path, resume=False)
        assert eventually(part_of(path).exists)
        studio.close()
        with pytest.raises(StudioError):
            download.result(timeout=20)
    assert list(path.parent.iterdir()) == []


def test_a_second_download_to_the_same_path_is_refused_and_the_first_goes_on(form: Form, path: Path) -> None:
    gate = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield CONTENT[:HALF]
        gate.wait(20)
        yield CONTENT[HALF:]

    slow = Answer(headers=VIDEO, stream=slowly, content_length=len(CONTENT))
    with hosts(slow, whole) as (server, _), ThreadPoolExecutor(1) as threads:
        studio = server.client()
        first = threads.submit(form.call, studio, "download_media", 1, path)
        assert eventually(part_of(path).exists)
        try:
            with pytest.raises(OSError, match="lecture") as caught:
                form.call(studio, "download_media", 1, path)
            assert caught.value.errno == errno.EBUSY
            assert "lecture.mp4" in str(caught.value.filename)
        finally:
            gate.set()
        assert first.result(timeout=20) == path
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_downloads_to_different_paths_do_not_disturb_each_other(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.mp4" for number in range(8)]
    with (
        hosts(lambda request: file_answer(request, CONTENT, send=HALF, end="close")) as (server, _),
        ThreadPoolExecutor(8) as threads,
    ):
        studio = server.client()
        assert list(threads.map(studio.download_media, range(1, 9), paths)) == paths
    assert all(path.read_bytes() == CONTENT for path in paths)


def test_a_silent_storage_host_is_given_up(form: Form, path: Path) -> None:
    with hosts(HANG) as (server, storage):
        with pytest.raises(TimeoutError):
            form.call(server.client(read_timeout=0.5, max_retries=1), "download_media", 1, path)
        assert len(storage.requests) == 2
    assert list(path.parent.iterdir()) == []


def test_a_download_asks_only_for_the_url_when_that_is_wanted(form: Form) -> None:
    with hosts(whole) as (server, storage):
        url = form.call(server.client(), "get_download_url", 1)
        assert url == f"{storage.url}/file.mp4?{SIGNED}"
    assert storage.requests == []


def test_the_path_may_be_relative_to_the_working_directory(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with hosts(whole) as (server, _):
        saved = form.call(server.client(), "download_media", 1, "lecture.mp4")
    assert os.fspath(saved) == "lecture.mp4"
    assert (tmp_path / "lecture.mp4").read_bytes() == CONTENT
