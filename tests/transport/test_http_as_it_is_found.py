"""Answers as real servers and gateways send them: odd labels, headers, compression and dates."""

from __future__ import annotations

import gzip
import re
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from canvas_studio import (
    APIStatusError,
    APITimeoutError,
    NotFoundError,
    RateLimitError,
    ResponseDecodeError,
    StudioError,
)
from support.fault_server import HANG, Answer, FaultServer, json_answer, library_of, media_answer, redirect

if TYPE_CHECKING:
    from support.forms import Form

JSON = {"Content-Type": "application/json"}
MEDIA = media_answer(1).body
SRT = "1\n00:00:01,000 --> 00:00:02,000\nGrüße\n"
CSV = b"name,views\nAda,1\nGrace,2\n"


def packed(body: bytes, coding: str, content_type: str = "application/json") -> Answer:
    return Answer(headers={"Content-Type": content_type, "Content-Encoding": coding}, body=body)


def in_members(body: bytes, count: int) -> bytes:
    """The body as gzip of several members, as pigz, bgzip and joined logs have it."""
    size = len(body) // count + 1
    return b"".join(gzip.compress(body[start : start + size]) for start in range(0, len(body), size))


def asked(form: Form, answer: Answer, method: str = "request", *arguments: Any, **options: Any) -> Any:
    """What a client makes of one answer."""
    with FaultServer(answer) as server:
        return form.call(server.client(max_retries=0, **options), method, *(arguments or ("GET", "/x")))


@pytest.mark.parametrize("members", [1, 2, 7])
def test_every_member_of_a_gzip_answer_is_read(form: Form, members: int) -> None:
    assert asked(form, packed(in_members(CSV, members), "gzip", "text/csv")) == CSV.decode()
    assert asked(form, packed(in_members(MEDIA, members), "gzip"), "get_media", 1).id == 1
    page = json_answer({"media": library_of(30)}).body
    with FaultServer(packed(in_members(page, members), "gzip")) as server:
        assert len(form.items(server.client().search_media())) == 30


WHOLE = gzip.compress(MEDIA)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (WHOLE[:-20], "gzip ends too early"),
        (WHOLE[:-3], "gzip ends too early"),
        (WHOLE + WHOLE[:15], "gzip ends too early"),
        (WHOLE[:-8] + b"\0" * 8, "checksum"),
        (WHOLE + b"and so on", "bytes that are not gzip follow it"),
        (WHOLE[:10] + b"\xff" * 40, "broken"),
        (b"\x80\x81\x82", "it is labelled gzip and is not gzip"),
    ],
    ids=["cut", "cut-checksum", "cut-member", "wrong-checksum", "garbage-behind", "garbage-inside", "no-gzip"],
)
def test_gzip_that_is_not_whole_is_an_error_by_name(form: Form, body: bytes, words: str) -> None:
    for content_type in ("application/json", "text/plain"):
        with pytest.raises(ResponseDecodeError, match=words):
            asked(form, packed(body, "gzip", content_type))


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", MEDIA),
        ("br", MEDIA),
        ("deflate", b"\n " + MEDIA),
        ("", MEDIA),
        ("none", MEDIA),
        ("Identity", MEDIA),
        ("identity, gzip", WHOLE),
        ("GZIP", WHOLE),
        ("x-gzip", WHOLE),
        ("", WHOLE),
        ("gzip, gzip", gzip.compress(WHOLE)),
        ("gzip, gzip", WHOLE),
        ("gzip, gzip", MEDIA),
        ("gzip\r\nContent-Encoding: gzip", gzip.compress(WHOLE)),
    ],
)
def test_no_label_of_a_compression_is_believed_over_the_bytes(form: Form, coding: str, body: bytes) -> None:
    assert asked(form, packed(body, coding), "get_media", 1).id == 1


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "BR", "compress", "gzip, br", "aws-chunked"])
def test_a_compression_that_was_not_asked_for_is_named(form: Form, coding: str) -> None:
    answer = packed(zlib.compress(MEDIA), coding)
    for method, arguments in (("get_media", (1,)), ("request", ("GET", "/x"))):
        with pytest.raises(ResponseDecodeError, match=re.escape(coding.rpartition(" ")[2].lower())):
            asked(form, answer, method, *arguments)


def test_only_gzip_is_asked_for(form: Form) -> None:
    with FaultServer(media_answer(1)) as server:
        form.call(server.client(), "get_media", 1)
    assert server.requests[0].headers["accept-encoding"] == "gzip"


def test_a_file_that_is_gzip_by_itself_is_not_unpacked(form: Form) -> None:
    assert asked(form, Answer(headers={"Content-Type": "application/gzip"}, body=WHOLE)) == WHOLE


@pytest.mark.parametrize("members", [1, 2])
def test_a_compressed_refusal_says_what_the_server_says(form: Form, members: int) -> None:
    body = in_members(b'{"error": "The media ID was not found."}', members)
    answer = Answer(status=404, headers={**JSON, "Content-Encoding": "gzip"}, body=body)
    with pytest.raises(NotFoundError, match="The media ID was not found"):
        asked(form, answer, "get_media", 1)
    answer = Answer(status=404, headers={**JSON, "Content-Encoding": "br"}, body=b"\x8b\x03\x80")
    with pytest.raises(NotFoundError, match=r"compressed \(br\)"):
        asked(form, answer, "get_media", 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Frame-Options ", "DENY"),
        ("X Frame Options", "DENY"),
        ("X-Föö", "bär"),
        ("X-Control", "a\x01b"),
        ("X-Folded", "a\r\n b"),
        ("", "without a name"),
        ("no colon at all\r\nX-More", "b"),
    ],
)
def test_one_odd_header_loses_no_answer(form: Form, name: str, value: str) -> None:
    assert asked(form, Answer(headers={**JSON, name: value}, body=MEDIA), "get_media", 1).id == 1


def test_hundreds_of_headers_lose_no_answer(form: Form) -> None:
    many = {f"X-Part-{number}": "1" for number in range(490)}
    assert asked(form, Answer(headers={**JSON, **many}, body=MEDIA), "get_media", 1).id == 1
    many = {f"X-Part-{number}": "1" for number in range(600)}
    with pytest.raises(StudioError, match="head is too large"):
        asked(form, Answer(headers={**JSON, **many}, body=MEDIA), "get_media", 1)


@pytest.mark.parametrize(
    "content_type",
    ["text/srt", "text/vtt", "text/plain", "application/octet-stream", "application/x-subrip", "video/mp4", "odd", ""],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "mark"])
def test_captions_are_text_under_any_label(form: Form, content_type: str, mark: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert asked(form, Answer(headers=headers, body=(mark + SRT).encode())) == SRT


@pytest.mark.parametrize("content_type", ["text/srt", "application/x-subrip", "application/octet-stream"])
@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("iso-8859-1", "iso-8859-1"),
        ("ISO-8859-1", "utf-8"),
        ('"windows-1252"', "windows-1252"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-be"),
        ("utf-16le", "utf-16-le"),
        ("utf-16", "utf-8"),
        ("utf-8", "utf-16"),
        ("utf8mb4", "utf-8"),
        ("iso-8859-15", "iso-8859-15"),
        ("mac", "mac-roman"),
    ],
)
def test_captions_are_text_in_any_encoding(form: Form, content_type: str, charset: str, encoding: str) -> None:
    headers = {"Content-Type": f"{content_type}; charset={charset}"}
    assert asked(form, Answer(headers=headers, body=SRT.encode(encoding))) == SRT


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "iso-8859-1"])
def test_json_is_read_in_the_encoding_that_it_is_in(form: Form, encoding: str) -> None:
    headers = {"Content-Type": "application/json; charset=iso-8859-1"}
    body = '{"media": {"id": 1, "title": "Grüße"}}'.encode(encoding)
    assert asked(form, Answer(headers=headers, body=body), "get_media", 1).title == "Grüße"


@pytest.mark.parametrize("content_type", ["application/json", "text/json", "application/problem+json", "", "x/y"])
def test_json_is_json_under_a_label_that_says_so_or_nothing(form: Form, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert asked(form, Answer(headers=headers, body=b' {"tags": [1]}')) == {"tags": [1]}


@pytest.mark.parametrize("content_type", ["application/json", "", "application/problem+json"])
def test_broken_json_is_never_taken_for_text(form: Form, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    with pytest.raises(ResponseDecodeError):
        asked(form, Answer(headers=headers, body=b'{"tags": [1]'))


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("text/plain", SRT.encode("utf-16-le"), "zeros|not UTF-8"),
        ("text/plain", SRT.encode("iso-8859-1"), "not UTF-8"),
        ("text/plain; charset=klingon", SRT.encode("iso-8859-1"), "klingon"),
        ("application/octet-stream", b"<!DOCTYPE HTML><p>Log in</p>", "HTML"),
        ("", b"<html>Log in</html>", "HTML"),
    ],
)
def test_a_text_that_cannot_be_read_is_an_error_that_says_why(
    form: Form, content_type: str, body: bytes, words: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    with pytest.raises(ResponseDecodeError, match=words):
        asked(form, Answer(headers=headers, body=body))


@pytest.mark.parametrize("body", [b"\x00\x00\x00\x18ftypmp42", b"\xff\xfb\x90\x64", SRT.encode("utf-16-le")])
@pytest.mark.parametrize("content_type", ["application/octet-stream", "video/mp4", ""])
def test_what_is_neither_json_nor_text_is_given_as_bytes(form: Form, content_type: str, body: bytes) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert asked(form, Answer(headers=headers, body=body)) == body


@pytest.mark.parametrize(
    "value", ["Infinity", "NaN", "-43", "+3", "1e3", "120, 120", "soon", "", "2026-11-21T12:00:00Z"]
)
def test_a_malformed_retry_after_means_the_usual_back_off(form: Form, value: str) -> None:
    busy = json_answer({}, 429, {"Retry-After": value})
    with FaultServer(busy, media_answer(1)) as server:
        assert form.call(server.client(max_retries=1), "get_media", 1).id == 1
    with pytest.raises(RateLimitError) as caught:
        asked(form, busy, "get_media", 1)
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "until",
    ["Thu, 21 Nov 2019 12:00:50 GMT", "Thursday, 21-Nov-19 12:00:50 GMT", "Thu Nov 21 12:00:50 2019"],
    ids=["rfc-1123", "rfc-850", "asctime"],
)
def test_a_date_in_any_of_its_forms_counts_from_the_servers_own_clock(form: Form, until: str) -> None:
    """Whose clock is years behind."""
    headers = {"Date": "Thu, 21 Nov 2019 12:00:00 GMT", "Retry-After": until}
    with pytest.raises(RateLimitError) as caught:
        asked(form, json_answer({}, 429, headers), "get_media", 1)
    assert caught.value.retry_after == 50


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("method", "arguments"),
    [("get_media", (1,)), ("archive_media", (1,)), ("request", ("POST", "/x")), ("get_download_url", (1,))],
)
def test_a_redirect_says_where_to_and_what_to_type(
    form: Form, method: str, arguments: tuple[Any, ...], status: int
) -> None:
    def moved(request: Any) -> Answer:
        return redirect(f"https://new-name.example.edu{request.path}?secret=s1gnature", status)

    with FaultServer(moved) as server, pytest.raises(APIStatusError) as caught:
        form.call(server.client(), method, *arguments)
    assert caught.value.status_code == status
    assert "redirected to https://new-name.example.edu/api/public/v1/" in str(caught.value)
    assert 'StudioClient("new-name.example.edu")' in str(caught.value)
    assert "s1gnature" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_redirect_on_the_same_host_names_its_place(form: Form) -> None:
    with pytest.raises(APIStatusError, match=r"redirected to http://127\.0\.0\.1:\d+/login ") as caught:
        asked(form, redirect("/login?back=%2Fmedia"), "get_media", 1)
    assert "StudioClient(" not in str(caught.value)
    with pytest.raises(APIStatusError, match="unexpected redirect"):
        asked(form, Answer(status=302), "get_media", 1)


def test_a_time_limit_in_a_message_is_the_one_that_was_set(form: Form) -> None:
    with pytest.raises(APITimeoutError, match=r"longer than 0\.25 s without a byte from the server"):
        asked(form, HANG, "get_media", 1, read_timeout=0.25)
    with pytest.raises(APITimeoutError, match=r"longer than 0\.125 s in total"):
        asked(form, HANG, "get_media", 1, timeout=0.125)
