"""If a download's headers contradict each other, the result is the right file or an error, never other bytes."""

from __future__ import annotations

import gzip
import random
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import ResponseDecodeError, StudioError
from support.fault_server import Answer, FaultServer, Handler, Received, redirect

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from support.forms import Form

FILM = b"\x00\x00\x00\x18ftypmp42" + random.Random(1).randbytes(200_000)
NEWER = FILM[:12] + FILM[12:][::-1]
HALF, ALL = 50_000, len(FILM)
VIDEO = {"Content-Type": "video/mp4"}
DATE, LATER = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:01 GMT"


@contextmanager
def storage_of(answer: Handler | Answer) -> Generator[tuple[FaultServer, FaultServer]]:
    """A Studio host that sends every download to a storage host."""
    with FaultServer(answer) as storage, FaultServer(redirect(f"{storage.url}/film.mp4")) as server:
        yield server, storage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "film.mp4"


def start_of(request: Received) -> int:
    return int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))


def part(request: Received, content: bytes, status: int, /, **headers: str) -> Answer:
    """The bytes that were asked for, which say so."""
    start = start_of(request)
    content_range = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=VIDEO | content_range | named, body=content[start:])


def labelled(answer: Answer, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(answer, headers={**answer.headers, **named})


def breaks_once(resumed: Callable[[Received], Answer], content: bytes = FILM, /, **headers: str) -> Handler:
    """A host that breaks off the first answer, answers ranges as told, and gives the whole file from then on."""
    asked: list[Received] = []

    def answer(request: Received) -> Answer:
        asked.append(request)
        named = VIDEO | {name.replace("_", "-"): value for name, value in headers.items()}
        if "range" in request.headers:
            return resumed(request)
        if len(asked) == 1:
            return Answer(headers=named, body=FILM, send=HALF, end="close")
        return Answer(headers=VIDEO, body=content)

    return answer


RESUMED: dict[str, Callable[[Received], Answer]] = {
    "206": lambda request: part(request, FILM, 206),
    "206 chunked": lambda request: replace(part(request, FILM, 206), chunked=True),
    "206 of unknown length": lambda request: labelled(
        part(request, FILM, 206), Content_Range=f"bytes {HALF}-{ALL - 1}/*"
    ),
    "200 with Content-Range": lambda request: part(request, FILM, 200),
    "200 with Content-Range, chunked": lambda request: replace(part(request, FILM, 200), chunked=True),
    "200 with Content-Range over the whole": lambda request: replace(part(request, FILM, 200), body=FILM),
    "200 without Content-Range": lambda request: Answer(headers=VIDEO, body=FILM[start_of(request) :]),
    "200 without Content-Range, chunked": lambda request: Answer(
        headers=VIDEO, body=FILM[start_of(request) :], chunked=True
    ),
    "200, whole": lambda _: Answer(headers=VIDEO, body=FILM),
    "200, whole, chunked": lambda _: Answer(headers=VIDEO, body=FILM, chunked=True),
    "200, whole, with its range": lambda _: Answer(
        headers=VIDEO | {"Content-Range": f"bytes 0-{ALL - 1}/{ALL}"}, body=FILM
    ),
    "206, whole, with its range": lambda _: Answer(
        status=206, headers=VIDEO | {"Content-Range": f"bytes 0-{ALL - 1}/{ALL}"}, body=FILM
    ),
    "206, whole, with the range of the rest": lambda request: replace(part(request, FILM, 206), body=FILM),
    "206 without Content-Range": lambda request: Answer(status=206, headers=VIDEO, body=FILM[start_of(request) :]),
    "206 that makes no sense": lambda request: labelled(part(request, FILM, 206), Content_Range="bytes 9-5/3"),
    "206 of another unit": lambda request: labelled(part(request, FILM, 206), Content_Range="lines 1-2/3"),
    "206 of another length": lambda request: labelled(
        part(request, FILM, 206), Content_Range=f"bytes {HALF}-{ALL}/{ALL + 1}"
    ),
    "206 from an earlier byte": lambda _: Answer(
        status=206, headers=VIDEO | {"Content-Range": f"bytes 40960-{ALL - 1}/{ALL}"}, body=FILM[40_960:]
    ),
    "206 from a later byte": lambda _: Answer(
        status=206, headers=VIDEO | {"Content-Range": f"bytes 60000-{ALL - 1}/{ALL}"}, body=FILM[60_000:]
    ),
    "200 from an earlier byte": lambda _: Answer(
        headers=VIDEO | {"Content-Range": f"bytes 40960-{ALL - 1}/{ALL}"}, body=FILM[40_960:]
    ),
    "206 with more than it says": lambda request: replace(
        part(request, FILM, 206), body=FILM[start_of(request) :] + b"more", chunked=True
    ),
    "206 with less than it says": lambda request: replace(
        part(request, FILM, 206), body=FILM[start_of(request) :][:100_000], chunked=True
    ),
    "416": lambda _: Answer(status=416, headers={"Content-Range": f"bytes */{ALL}"}),
    "204": lambda _: Answer(status=204),
    "206 that is compressed": lambda request: replace(
        part(request, FILM, 206, Content_Encoding="gzip"), body=gzip.compress(FILM[start_of(request) :]), chunked=True
    ),
}


@pytest.mark.parametrize("resumed", RESUMED.values(), ids=RESUMED)
def test_a_resumed_download_is_whole(form: Form, path: Path, resumed: Callable[[Received], Answer]) -> None:
    with storage_of(breaks_once(resumed)) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
        assert len(storage.requests) < 10
    assert path.read_bytes() == FILM
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("resumed", RESUMED.values(), ids=RESUMED)
def test_a_download_that_is_resumed_on_a_host_without_lengths_is_whole(
    form: Form, path: Path, resumed: Callable[[Received], Answer]
) -> None:
    with_length = breaks_once(resumed)

    def answer(request: Received) -> Answer:
        answer = with_length(request)
        return answer if "range" in request.headers else replace(answer, chunked=True)

    with storage_of(answer) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == FILM


@pytest.mark.parametrize("status", [200, 206])
def test_a_part_that_all_but_its_status_call_the_rest_continues_the_download(
    form: Form, path: Path, status: int
) -> None:
    with storage_of(breaks_once(lambda request: part(request, FILM, status))) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == FILM
    assert len(storage.requests) == 2


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"ETag": '"1"'}, {"ETag": '"2"'}),
        ({"ETag": 'W/"1"'}, {"ETag": 'W/"2"'}),
        ({"ETag": '"1"'}, {"ETag": 'W/"2"'}),
        ({"ETag": "bare"}, {"ETag": "other"}),
        ({"ETag": '"Ü"'}, {"ETag": '"Ö"'}),
        ({"Last_Modified": DATE}, {"Last_Modified": LATER}),
        ({"ETag": '"1"', "Last_Modified": DATE}, {"ETag": '"1"', "Last_Modified": LATER}),
        ({"ETag": '"1"', "Last_Modified": DATE}, {"ETag": '"2"', "Last_Modified": DATE}),
        ({"ETag": 'W/"1"', "Last_Modified": DATE}, {"Last_Modified": LATER}),
    ],
)
@pytest.mark.parametrize("status", [200, 206])
def test_two_versions_are_never_mixed_however_they_are_told_apart(
    form: Form, path: Path, before: dict[str, str], now: dict[str, str], status: int
) -> None:
    def answer_of_the_newer(request: Received) -> Answer:
        return part(request, NEWER, status, **now)

    with storage_of(breaks_once(answer_of_the_newer, NEWER, **before)) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == NEWER


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"ETag": 'W/"1"'}, {}),
        ({"ETag": '"1"', "Last_Modified": DATE}, {"Last_Modified": DATE}),
        ({}, {"ETag": '"1"', "Last_Modified": DATE}),
        ({"ETag": 'W/"1"'}, {"ETag": 'W/"1"'}),
    ],
)
def test_a_validator_that_is_missing_or_the_same_is_no_contradiction(
    form: Form, path: Path, before: dict[str, str], now: dict[str, str]
) -> None:
    with storage_of(breaks_once(lambda request: part(request, FILM, 206, **now), **before)) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == FILM
    assert len(storage.requests) == 2


FIRST = {
    "206 without Content-Range": Answer(status=206, headers=VIDEO, body=FILM),
    "200 from a later byte": Answer(headers=VIDEO | {"Content-Range": f"bytes 100-{ALL - 1}/{ALL}"}, body=FILM[100:]),
    "206 from a later byte": Answer(
        status=206, headers=VIDEO | {"Content-Range": f"bytes 100-{ALL - 1}/{ALL}"}, body=FILM[100:]
    ),
    "200 that is shorter than it says": Answer(headers=VIDEO | {"Content-Range": f"bytes */{ALL}"}, body=FILM[:100]),
    "200 of another length": Answer(headers=VIDEO | {"Content-Range": f"bytes 0-99/{ALL}"}, body=FILM[:150]),
    "200 that makes no sense": Answer(headers=VIDEO | {"Content-Range": "what?"}, body=FILM),
    "203": Answer(status=203, headers=VIDEO, body=FILM),
    "204": Answer(status=204, headers=VIDEO),
}


@pytest.mark.parametrize("answer", FIRST.values(), ids=FIRST)
def test_a_first_answer_that_contradicts_itself_is_an_error_and_no_file(form: Form, path: Path, answer: Answer) -> None:
    with storage_of(answer) as (server, storage):
        with pytest.raises(ResponseDecodeError):
            form.call(server.client(), "download_media", 1, path)
        assert len(storage.requests) == 1
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("status", [200, 206])
def test_a_first_answer_that_is_a_part_is_completed(form: Form, path: Path, status: int) -> None:
    def in_pieces(request: Received) -> Answer:
        start = start_of(request) if "range" in request.headers else 0
        end = min(start + 80_000, ALL)
        content_range = {"Content-Range": f"bytes {start}-{end - 1}/{ALL}"}
        return Answer(status=status, headers=VIDEO | content_range, body=FILM[start:end])

    with storage_of(in_pieces) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == FILM
    assert len(storage.requests) == 3


@pytest.mark.parametrize("is_resumed", [False, True])
def test_several_parts_in_one_are_an_error_that_says_so(form: Form, path: Path, *, is_resumed: bool) -> None:
    headers = {"Content-Type": "multipart/byteranges; boundary=x"}
    several = Answer(status=206, headers=headers, body=b"--x\r\nContent-Range: bytes 0-1/9\r\n\r\nab\r\n--x--\r\n")
    with (
        storage_of(breaks_once(lambda _: several) if is_resumed else several) as (server, _),
        pytest.raises(ResponseDecodeError, match="multipart/byteranges"),
    ):
        form.call(server.client(), "download_media", 1, path)
    assert list(path.parent.iterdir()) == []


STARTS = {
    "mp4": FILM[:12],
    "quicktime": b"\x00\x00\x00\x14ftypqt  ",
    "webm": b"\x1a\x45\xdf\xa3",
    "mp3": b"ID3\x04\x00",
    "mp3 without id3": b"\xff\xfb\x90\x64",
    "avi": b"RIFF\x10\x00\x00\x00AVI ",
    "ogg": b"OggS\x00",
    "flv": b"FLV\x01",
    "mpeg": b"\x00\x00\x01\xba",
    "transport stream": b"\x47" + bytes(187) + b"\x47" + bytes(187),
    "wmv": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    "mdat, <": b"\x3c\x00\x00\x10mdat",
    "mdat, {": b"\x7b\x00\x00\x10mdat",
    "mdat, [": b"\x5b\x00\x00\x10mdat",
    "wide, <": b"<\x01\x02\x03wide",
    "moov, blank": b" \n<\x01moov",
}
LABELS: dict[str, dict[str, str]] = {
    "gzip": {"Content-Encoding": "gzip"},
    "br": {"Content-Encoding": "br"},
    "aws-chunked": {"Content-Encoding": "aws-chunked"},
    "text": {"Content-Type": "text/plain"},
    "html": {"Content-Type": "text/html; charset=utf-8"},
    "unknown": {"Content-Type": "application/octet-stream"},
    "right": {"Content-Type": "video/mp4"},
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_bytes_that_are_a_film_are_saved_whatever_the_labels_say(
    form: Form, path: Path, start: bytes, labels: dict[str, str]
) -> None:
    film = start + b"\x00\x01" + FILM[12:5_000]
    with storage_of(Answer(headers=VIDEO | labels, body=film)) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == film


def test_a_film_that_is_called_compressed_is_resumed(form: Form, path: Path) -> None:
    labels = {"Content_Encoding": "gzip"}
    with storage_of(breaks_once(lambda request: part(request, FILM, 206, **labels), **labels)) as (server, storage):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == FILM
    assert len(storage.requests) == 2


@pytest.mark.parametrize("labels", [{}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "br, gzip"}])
def test_bytes_that_are_gzip_are_an_error_that_says_so(form: Form, path: Path, labels: dict[str, str]) -> None:
    with (
        storage_of(Answer(headers=VIDEO | labels, body=gzip.compress(FILM))) as (server, _),
        pytest.raises(ResponseDecodeError, match=r"compressed \(gzip\)"),
    ):
        form.call(server.client(), "download_media", 1, path)
    assert list(path.parent.iterdir()) == []


ERROR_PAGES = {
    "html": b"<!DOCTYPE html><title>Sign in</title>",
    "json": b'{"error": "expired"}',
    "list": b'["expired"]',
    "xml": b'<?xml version="1.0"?><Error>expired</Error>',
    "blank": b"\r\n\t <html>Sorry</html>",
    "byte order mark": b"\xef\xbb\xbf<html>Sorry</html>",
    "utf-16": "\ufeff<html>Sorry</html>".encode("utf-16-le"),
    "latin-1": "<html>Bitte später".encode("latin-1"),
    "like a box": b'[ {"free": true}]',
}


@pytest.mark.parametrize("how", [{}, {"drip": 0.001}, {"chunked": True}], ids=["at once", "drip", "chunked"])
@pytest.mark.parametrize("page", ERROR_PAGES.values(), ids=ERROR_PAGES)
def test_an_error_page_that_calls_itself_a_video_is_never_saved(
    form: Form, path: Path, page: bytes, how: dict[str, Any]
) -> None:
    with (
        storage_of(Answer(headers=VIDEO, body=page, **how)) as (server, _),
        pytest.raises(ResponseDecodeError, match="JSON, HTML or XML"),
    ):
        form.call(server.client(), "download_media", 1, path)
    assert list(path.parent.iterdir()) == []


def test_a_film_that_comes_byte_by_byte_is_known_as_one(form: Form, path: Path) -> None:
    film = b"\x3c\x00\x00\x10mdat" + bytes(30)
    with storage_of(Answer(headers=VIDEO, body=film, drip=0.001)) as (server, _):
        form.call(server.client(), "download_media", 1, path)
    assert path.read_bytes() == film


@pytest.mark.parametrize("at", ["studio", "storage"])
def test_a_redirect_to_a_name_that_is_not_ascii_is_followed(form: Form, path: Path, at: str) -> None:
    def answer(request: Received) -> Answer:
        if at == "storage" and request.path == "/moved":
            return redirect("/Übung 講義.mp4?who=Zoë")
        return Answer(headers=VIDEO, body=FILM)

    with FaultServer(answer) as storage:
        location = f"{storage.url}/moved" if at == "storage" else f"{storage.url}/Übung 講義.mp4?who=Zoë"
        with FaultServer(redirect(location)) as server:
            form.call(server.client(), "download_media", 1, path)
            url = form.call(server.client(), "get_download_url", 1)
    assert path.read_bytes() == FILM
    assert storage.requests[-1].path == "/%C3%9Cbung%20%E8%AC%9B%E7%BE%A9.mp4"
    assert storage.requests[-1].query == (("who", "Zoë"),)
    if at == "studio":
        assert url == f"{storage.url}/%C3%9Cbung%20%E8%AC%9B%E7%BE%A9.mp4?who=Zo%C3%AB"


def test_a_host_that_contradicts_itself_for_ever_is_given_up(form: Form, path: Path) -> None:
    def answer(request: Received) -> Answer:
        if "range" in request.headers:
            return Answer(status=206, headers=VIDEO, body=FILM)
        return Answer(headers=VIDEO, body=FILM, send=HALF, end="close")

    with storage_of(answer) as (server, storage):
        with pytest.raises(StudioError):
            form.call(server.client(max_retries=2), "download_media", 1, path)
        assert len(storage.requests) < 12
    assert list(path.parent.iterdir()) == []
