"""What a raw request sends as its body, and what it takes as an answer."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import platform
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIConnectionError,
    FileChangedError,
    InvalidArgumentError,
    NotFoundError,
    Response,
    ResponseDecodeError,
    StudioClient,
    __version__,
)
from support.fault_server import CLOSE, RESET, TOKEN, Answer, FaultServer, Received, json_answer, text_answer

if TYPE_CHECKING:
    from support.forms import Form

OK = json_answer({"ok": True})


def parts_of(request: Received) -> list[tuple[str, bytes]]:
    """The parts of a multipart body: the head and the content of each."""
    content_type = request.headers["content-type"]
    kind, _, boundary = content_type.partition("; boundary=")
    assert kind == "multipart/form-data"
    first, *parts, last = request.body.split(b"--" + boundary.encode())
    assert (first, last) == (b"", b"--\r\n")
    heads = [part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n") for part in parts]
    return [(head.decode(), content) for head, _, content in heads]


def sent(form: Form, *args: Any, **kwargs: Any) -> Received:
    """The one request that a call sends."""
    with FaultServer(OK) as server:
        assert form.call(server.client(), "request", *args, **kwargs) == {"ok": True}
    (request,) = server.requests
    return request


def test_a_multipart_body_has_fields_and_files_and_a_known_length(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(b"1\r\n--x\r\n\xff")
    files = {"caption_file": path, "more": [str(path), ("b.vtt", b"WEBVTT", "text/vtt"), ("c", bytearray(b"c"))]}
    request = sent(form, "POST", "/media/7/caption_files", params={"srclang": "en"}, data={"status": 1}, files=files)
    assert request.headers["content-length"] == str(len(request.body))
    assert "transfer-encoding" not in request.headers
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.query == (("srclang", "en"),)
    any_type = "Content-Type: application/octet-stream"
    named = 'Content-Disposition: form-data; name="{}"; filename="{}"\r\n{}'.format
    assert parts_of(request) == [
        ('Content-Disposition: form-data; name="status"', b"1"),
        (named("caption_file", "a.srt", any_type), path.read_bytes()),
        (named("more", "a.srt", any_type), path.read_bytes()),
        (named("more", "b.vtt", "Content-Type: text/vtt"), b"WEBVTT"),
        (named("more", "c", any_type), b"c"),
    ]


def test_a_file_name_is_sent_as_utf_8_and_cannot_break_out_of_its_header(form: Form, tmp_path: Path) -> None:
    path = tmp_path / 'Übung "1" 講義.srt'
    path.write_bytes(b"x")
    request = sent(form, "POST", "/x", files={"f": path, "g": ('a"\r\nX: y', b"")})
    (first, _), (second, _) = parts_of(request)
    assert 'filename="Übung %221%22 講義.srt"' in first
    assert 'filename="a%22%0D%0AX: y"' in second
    assert "filename*" not in first


def test_an_open_file_is_sent_from_where_it_stands(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(b"0123")
    with path.open("rb") as file:
        file.seek(1)
        request = sent(form, "POST", "/x", files={"f": file, "g": ("b", io.BytesIO(b"b"))})
    assert [content for _, content in parts_of(request)] == [b"123", b"b"]
    assert 'filename="a.srt"' in parts_of(request)[0][0]


def test_an_open_file_at_its_end_is_refused_and_an_empty_one_is_sent(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    with path.open("w+b") as file:
        assert parts_of(sent(form, "POST", "/x", files={"f": file}))[0][1] == b""
        file.write(b"0123")
        for given in (file, ("b", file)):
            with FaultServer(OK) as server, pytest.raises(InvalidArgumentError, match=r"is at its end: .*seek\(0\)"):
                form.call(server.client(), "request", "POST", "/x", files={"f": given})
            assert server.requests == []


def test_content_is_sent_as_it_is(form: Form) -> None:
    octets, text = "application/octet-stream", "text/plain; charset=utf-8"
    for content, body, content_type in (
        (b"\0\xff", b"\0\xff", octets),
        (memoryview(b"abc"), b"abc", octets),
        ("grün", "grün".encode(), text),
        (b"", b"", None),
    ):
        request = sent(form, "PUT", "/x", content=content)
        assert (request.body, request.headers["content-length"]) == (body, str(len(body)))
        assert content_type is None or request.headers["content-type"] == content_type
    large = os.urandom(1_000_000)
    assert sent(form, "POST", "/x", content=large).body == large


def test_data_alone_is_a_form(form: Form) -> None:
    request = sent(form, "POST", "/x", data={"title": "a&b ü", "tags": [1, True]})
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.body == b"title=a%26b+%C3%BC&tags=1&tags=true"


def test_headers_are_sent_and_replace_the_usual_ones(form: Form) -> None:
    given = {"Accept": "text/csv", "x-trace": "1", "Content-Type": "application/vnd.x+json", "User-Agent": "mine"}
    request = sent(form, "POST", "/x", json={"a": 1}, headers=given)
    assert request.raw.lower().count(b"content-type:") == 1
    assert {name: request.headers[name.lower()] for name in given} == given
    assert request.json() == {"a": 1}
    assert sent(form, "GET", "/x").headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"json": {}, "content": b""}, "content is given beside json"),
        ({"json": {}, "files": {"f": ("a", b"")}}, "files is given beside json"),
        ({"content": "", "data": {}}, "data is given beside content"),
        ({"files": {}}, "files must hold at least one file"),
        ({"files": {"f": b"bytes"}}, r"files\[\"f\"\] must be a path.*not bytes: use \(name, content\)"),
        ({"files": {"f": ("a",)}}, "not a tuple of 1"),
        ({"files": {"f": ("a", b"", "text\r\nX: y")}}, r"files\[\"f\"\] must have a media type"),
        ({"files": {"f": 7}}, "must be a path.*not int"),
        ({"files": {"f": io.StringIO("text")}}, "binary mode"),
        ({"files": {"f": io.BytesIO()}}, "has no name"),
        ({"files": [("f", "a")]}, "files must be a dict"),
        ({"content": 7}, "content must be bytes or a str, not int"),
        ({"headers": {"Authorization": "Bearer other"}}, "cannot be set"),
        ({"headers": {"host": "other"}}, "cannot be set"),
        ({"headers": {"Content-Length": "1"}}, "cannot be set"),
        ({"headers": {"Cookie": "a=b"}}, "cannot be set"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "cannot be set"),
        ({"headers": {"Keep-Alive": "timeout=5"}}, "cannot be set"),
        ({"headers": {"proxy-connection": "keep-alive"}}, "cannot be set"),
        ({"headers": {"HTTP2-Settings": "AAMAAABkAAQAAP__"}}, "cannot be set"),
        ({"headers": {"Accept": "text/csv", "ACCEPT": "text/vtt"}}, r'headers\["ACCEPT"\] is given twice'),
        ({"headers": {"X-" + "a" * 70_000: "1"}}, r"^headers\[\"X-a{50,100}\.\.\.\"\] .{1,100}$"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "on one line"),
        ({"headers": {"X-A\r\n": "a"}}, "not the name of a header"),
        ({"headers": {"X-A": "grün"}}, "ASCII"),
        ({"headers": {"Content-Type": "multipart/form-data"}, "files": {"f": ("a", b"")}}, "boundary"),
        ({"headers": ["X-A"]}, "headers must be a dict"),
        ({"raw": 1}, "raw must be True or False"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is_sent(
    form: Form, arguments: dict[str, Any], words: str
) -> None:
    with FaultServer(OK) as server, pytest.raises((InvalidArgumentError, TypeError), match=words) as raised:
        form.call(server.client(), "request", "POST", "/x", **arguments)
    assert server.requests == []
    assert "Bearer other" not in str(raised.value)


def test_what_is_no_file_is_refused_and_nothing_waits_for_a_pipe(form: Form, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    cases = (
        (tmp_path, InvalidArgumentError, "it is a folder"),
        (pipe, InvalidArgumentError, "not a regular file"),
        ("/dev/null", InvalidArgumentError, "not a regular file"),
        (tmp_path / "missing", FileNotFoundError, "missing"),
    )
    with FaultServer(OK) as server:
        for path, error, words in cases:
            with pytest.raises(error, match=words):
                form.call(server.client(), "request", "POST", "/x", files={"f": ("name", path)})
    assert server.requests == []


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux has such files")
@pytest.mark.parametrize("path", ["/proc/self/status", "/sys/kernel/mm/transparent_hugepage/enabled"])
def test_a_file_whose_size_is_not_what_it_says_is_refused_by_name(form: Form, path: str) -> None:
    """Files of the kernel say 0 bytes, or 4096, and hold something else."""
    with (
        FaultServer(OK) as server,
        pytest.raises(InvalidArgumentError, match=r"says that it holds \d+ bytes") as raised,
    ):
        form.call(server.client(), "request", "POST", "/x", files={"f": path})
    assert server.requests == []
    assert path in str(raised.value)


def test_an_empty_file_is_sent_as_one(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.touch()
    ((head, content),) = parts_of(sent(form, "POST", "/x", files={"f": path}))
    assert 'filename="empty.txt"' in head
    assert content == b""


def test_a_file_is_opened_anew_for_each_attempt(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(os.urandom(300_000))
    with FaultServer(Answer(status=503, headers={"Retry-After": "0"}), Answer(status=429), OK) as server:
        form.call(server.client(), "request", "POST", "/x", files={"f": path})
    assert len(server.requests) == 3
    assert [content for request in server.requests for _, content in parts_of(request)] == [path.read_bytes()] * 3


@pytest.mark.parametrize("change", ["longer", "touched", "replaced", "removed", "folder"])
def test_a_file_that_changes_between_two_attempts_is_an_error_by_name(form: Form, tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"0123")
    before = path.stat()

    def meddle(_: Received) -> Answer:
        match change:
            case "longer":
                path.write_bytes(b"01234")
            case "touched":
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000_000))
            case "replaced":
                other = tmp_path / "b.bin"
                other.write_bytes(b"0123")
                os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
                other.rename(path)
            case "removed":
                path.unlink()
            case _:
                path.unlink()
                path.mkdir()
        return Answer(status=429)

    with FaultServer(meddle, OK) as server:
        expected = FileNotFoundError if change == "removed" else FileChangedError
        with pytest.raises(expected) as raised:
            form.call(server.client(), "request", "POST", "/x", files={"f": path})
    assert len(server.requests) == 1
    assert str(path) in str(raised.value)
    if isinstance(raised.value, FileChangedError):
        assert raised.value.path == str(path)
        assert pickle.loads(pickle.dumps(raised.value)).path == str(path)  # noqa: S301 - our own


def test_a_request_that_may_have_been_carried_out_is_not_sent_again(form: Form) -> None:
    for script in (RESET, CLOSE):
        with FaultServer(script) as server, pytest.raises(APIConnectionError) as raised:
            form.call(server.client(), "request", "POST", "/x", content=b"x" * 200_000)
        assert len(server.requests) == 1
        assert raised.value.outcome_unknown


def test_an_answer_is_none_json_text_or_bytes(form: Form) -> None:
    video = bytes(range(256))
    for answer, expected in (
        (Answer(status=204), None),
        (json_answer({"a": [1]}), {"a": [1]}),
        (text_answer("a,b\n1,2\n", "text/csv"), "a,b\n1,2\n"),
        (text_answer("pong", "text/plain"), "pong"),
        (text_answer("1\n00:00", "application/octet-stream"), "1\n00:00"),
        (Answer(headers={"Content-Type": "video/mp4"}, body=video), video),
        (Answer(headers={"Content-Type": "application/zip"}, body=b"PK\0\1"), b"PK\0\1"),
    ):
        with FaultServer(answer) as server:
            assert form.call(server.client(), "request", "GET", "/x") == expected
    with FaultServer(text_answer("a\0", "text/plain")) as server, pytest.raises(ResponseDecodeError):
        form.call(server.client(), "request", "GET", "/x")


def test_a_raw_answer_is_given_whatever_its_status(form: Form) -> None:
    for status in (200, 204, 302, 400, 401, 404, 429, 500, 503):
        body = b"" if status == 204 else b'{"error": "x"}\xff'
        cookies = "a=b\r\nSet-Cookie: c=d\r\nVary: One\r\nVary: Two"
        headers = {"Content-Type": "text/plain; charset=latin-1", "Set-Cookie": cookies, "Location": "/y?secret=1"}
        with FaultServer(Answer(status=status, headers=headers, body=body)) as server:
            response = form.call(server.client(), "request", "DELETE", "/x", raw=True)
        assert len(server.requests) == 1
        assert (response.status_code, response.content) == (status, body)
        assert response.headers["vary"] == "One, Two"
        assert response.headers["location"] == "/y?secret=1"
        assert "set-cookie" not in response.headers


def test_a_raw_answer_is_frozen_and_shows_nothing_of_its_body() -> None:
    with FaultServer(json_answer({"token": "s3cret"}, headers={"X-Next": "https://x.example/?sig=s3cret"})) as server:
        response: Response = server.client().request("GET", "/x", raw=True)
    assert isinstance(response, Response)
    assert repr(response) == "<Response 200, application/json, 19 bytes>"
    assert response.json() == {"token": "s3cret"} == json.loads(response.text())
    for name in ("status_code", "x"):
        with pytest.raises(FrozenInstanceError):
            setattr(response, name, 1)
        with pytest.raises(FrozenInstanceError):
            delattr(response, name)
    assert pickle.loads(pickle.dumps(response)) == response  # noqa: S301 - our own
    assert len({response, response}) == 1


def test_a_raw_request_is_repeated_only_if_no_whole_answer_came(form: Form) -> None:
    with FaultServer(RESET, Answer(status=404)) as server:
        assert form.call(server.client(), "request", "GET", "/x", raw=True).status_code == 404
    assert len(server.requests) == 2
    with FaultServer(RESET) as server, pytest.raises(APIConnectionError):
        form.call(server.client(), "request", "POST", "/x", raw=True)
    assert len(server.requests) == 1


@pytest.mark.parametrize("raw", [False, True])
def test_a_damaged_answer_is_requested_again_if_that_is_safe(form: Form, *, raw: bool) -> None:
    """Raw or not: its transfer failed, as if the connection had broken."""
    body = gzip.compress(b'{"ok": true}')
    for damaged in (body[:-3], body[:-8] + bytes(8), body + b"more"):
        answer = Answer(headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}, body=damaged)
        with FaultServer(answer, answer, OK) as server:
            form.call(server.client(), "request", "GET", "/x", raw=raw)
        assert len(server.requests) == 3
        for method, requests in (("GET", 3), ("POST", 1)):
            with FaultServer(answer) as server, pytest.raises(ResponseDecodeError, match="its compression is broken"):
                form.call(server.client(), "request", method, "/x", raw=raw)
            assert len(server.requests) == requests


@pytest.mark.parametrize(
    ("content_type", "content", "text"),
    [
        ("text/plain; charset=iso-8859-1", "grün".encode("latin-1"), "grün"),
        ('text/csv; charset="windows-1251"', "день".encode("cp1251"), "день"),
        ("text/plain; charset=Shift_JIS", "講義".encode("shift_jis"), "講義"),
        ("text/plain; charset=utf-16", "grün".encode("utf-16"), "grün"),
        ("text/plain; charset=utf-16le", "grün".encode("utf-16-le"), "grün"),
        ("text/plain", "grün".encode("utf-16"), "grün"),
        ("text/plain; charset=iso-8859-1", b"\xef\xbb\xbfgr\xc3\xbcn", "grün"),
        ("text/plain; charset=latin-1", "grün".encode(), "grün"),
        ("text/plain; charset=klingon", b"gr\xc3\xbcn\xff", "grün�"),
        ("text/plain; charset=base64", b"YQ==", "YQ=="),
        ("text/plain; charset=utf-8", b"\xff", "�"),
        ("text/plain; charset=shift_jis", b"a\x81", "a�"),
        ("application/json", b"\xef\xbb\xbf{}", "{}"),
        ("", b"gr\xc3\xbcn", "grün"),
    ],
)
def test_the_text_of_a_raw_answer_is_read_by_its_charset(
    form: Form, content_type: str, content: bytes, text: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    with FaultServer(Answer(headers=headers, body=content)) as server:
        response: Response = form.call(server.client(), "request", "GET", "/x", raw=True)
    assert response.content == content
    assert response.text() == text


def test_the_repr_of_a_raw_answer_is_one_line_of_printable_characters(form: Form) -> None:
    headers = {"Content-Type": "text/plain\x9b31m\x85; \u202e \x1b]0;x\x07"}
    response = Response(200, {"content-type": headers["Content-Type"]}, b"")
    assert repr(response).isprintable()
    with FaultServer(Answer(headers={"Content-Type": "text/plain\x9b31m"}, body=b"a")) as server:
        response = form.call(server.client(), "request", "GET", "/x", raw=True)
    assert repr(response).isprintable()
    assert "31m" in repr(response)


def test_a_plain_request_still_raises_for_a_status(form: Form) -> None:
    with FaultServer(Answer(status=404)) as server, pytest.raises(NotFoundError):
        form.call(server.client(), "request", "POST", "/x", files={"f": ("a", b"")}, raw=False)


def test_the_user_agent_names_the_program_this_package_and_python(form: Form) -> None:
    ours = f"canvas-studio/{__version__} Python/{platform.python_version().rstrip('+')}"
    for name, expected in ((None, ours), (" my-tool/1.2 (ada@example.edu) ", f"my-tool/1.2 (ada@example.edu) {ours}")):
        with FaultServer(OK) as server:
            studio = server.client() if name is None else server.client(app_name=name)
            form.call(studio, "request", "GET", "/x")
            form.call(studio.with_options(connect_timeout=3), "request", "GET", "/x")
        assert [request.headers["user-agent"] for request in server.requests] == [expected] * 2


@pytest.mark.parametrize("name", ["", " ", "a\r\nX: y", "grün", "a\0", "a" * 201, "a" * 1_000_000])
def test_a_name_that_cannot_be_in_a_header_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="app_name must be 1 to 200 ASCII characters") as raised:
        StudioClient("myschool", token=TOKEN, app_name=name)
    assert len(str(raised.value)) < 250


def test_a_pickled_client_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_STUDIO_TOKEN", TOKEN)
    with FaultServer(OK) as server:
        studio = StudioClient.from_env(url=server.url, app_name="my-tool")
        with pickle.loads(pickle.dumps(studio)) as other:  # noqa: S301 - our own
            other.request("GET", "/x")
    assert server.requests[0].headers["user-agent"].startswith("my-tool canvas-studio/")


def test_a_body_is_never_logged(form: Form, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"private content")
    caplog.set_level("DEBUG", logger="canvas_studio")
    with FaultServer(Answer(status=429), OK) as server:
        studio = server.client()
        form.call(studio, "request", "POST", "/x", files={"f": path}, data={"a": "private field"})
        form.call(studio, "request", "POST", "/x", content="private text", headers={"X-Key": "private header"})
    assert len(caplog.records) > 2
    assert "private" not in caplog.text


def test_the_hash_of_what_arrives_is_that_of_the_file(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(os.urandom(3_000_001))
    request = sent(form, "POST", "/x", files={"f": path})
    ((_, content),) = parts_of(request)
    assert hashlib.sha256(content).digest() == hashlib.sha256(path.read_bytes()).digest()
