"""Recordings can be trusted: the server accepts only the recorded requests, and no recording holds a secret."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from canvas_studio import StudioClient
from support.recorded_server import DIFFERS_FROM_RECORDING, STUDIO, RecordedServer
from support.recordings import (
    ERRORS,
    NAMES,
    RECORDINGS,
    REFUSALS,
    SUCCESSES,
    TABLE,
    call_of,
    recording,
    replay,
    success_of,
)
from support.redact_har import redact

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from support.forms import Connect, Form, RaisesAsRecorded, Serve

TESTS = Path(__file__).parents[1]
STORAGE = "https://storage.example.com"
WITH_TOKEN = {"Authorization": "Bearer anything", "Accept": "application/json"}


def pairs(fields: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in fields.items()]


def exchange(
    method: str,
    url: str,
    *,
    asked: dict[str, str] | None = None,
    body: tuple[str, str] | None = None,
    status: int = 200,
    answered: dict[str, str] | None = None,
    content: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One entry of a HAR; `body` is a media type and a text."""
    request: dict[str, Any] = {
        "method": method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": pairs(WITH_TOKEN if asked is None else asked),
        "queryString": [
            {"name": name, "value": value} for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)
        ],
        "headersSize": -1,
        "bodySize": -1,
    }
    if body:
        request["postData"] = {"mimeType": body[0], "text": body[1]}
    response = {
        "status": status,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": pairs(answered or {}),
        "content": {"size": 0, "mimeType": "", **(content or {})},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
    }
    timings = {"send": 0, "wait": 0, "receive": 0}
    return {
        "startedDateTime": "2026-02-15T12:00:00Z",
        "time": 0,
        "request": request,
        "response": response,
        "cache": {},
        "timings": timings,
    }


def har(*entries: dict[str, Any]) -> dict[str, Any]:
    creator = {"name": "canvas-studio", "version": "tests"}
    return {"log": {"version": "1.2", "creator": creator, "entries": list(entries)}}


JSON = {"mimeType": "application/json", "text": '{"things": []}'}
THINGS = har(exchange("GET", f"{STUDIO}/api/public/v1/things?page=1&tag=a%20b", content=JSON))
SHARE = har(
    exchange(
        "POST",
        f"{STUDIO}/api/public/v1/share",
        asked=WITH_TOKEN | {"Content-Type": "application/json"},
        body=("application/json", '[{"id": 4, "downloadable": true}]'),
        content=JSON,
    )
)
FILE = har(
    exchange("GET", f"{STUDIO}/api/public/v1/file", status=302, answered={"Location": f"{STORAGE}/file.bin?REDACTED"}),
    exchange(
        "GET",
        f"{STORAGE}/file.bin?REDACTED",
        asked={},
        content={
            "mimeType": "application/octet-stream",
            "encoding": "base64",
            "text": base64.b64encode(b"\x00\xff").decode(),
        },
    ),
)


def ask(
    url: str, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[HTTPResponse, str]:
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=WITH_TOKEN if headers is None else headers)
        answer = connection.getresponse()
        return answer, answer.read().decode(errors="backslashreplace")
    finally:
        connection.close()


@contextmanager
def failing(recording: dict[str, Any], named: str) -> Generator[RecordedServer]:
    """A server whose verification must fail and name this."""
    server = RecordedServer(recording)
    server.start()
    try:
        yield server
    finally:
        server.close()
    with pytest.raises(AssertionError, match=re.escape(named)):
        server.verify()


def test_what_was_recorded_is_answered_as_it_was_recorded() -> None:
    with RecordedServer(THINGS) as server:
        answer, text = ask(server.url, "GET", "/api/public/v1/things?page=1&tag=a+b")
        assert (answer.status, json.loads(text)) == (200, {"things": []})
    [asked] = server.requests
    assert (asked.method, asked.path, asked.query) == ("GET", "/api/public/v1/things", [("page", "1"), ("tag", "a b")])


@pytest.mark.parametrize(
    ("method", "target", "headers", "named"),
    [
        ("GET", "/api/public/v1/things?page=2&tag=a+b", WITH_TOKEN, "('page', '2')"),
        ("GET", "/api/public/v1/things?tag=a+b&page=1", WITH_TOKEN, "query"),
        ("GET", "/api/public/v1/things?page=1", WITH_TOKEN, "query"),
        ("GET", "/api/public/v1/things?page=1&tag=a+b&per_page=50", WITH_TOKEN, "per_page"),
        ("POST", "/api/public/v1/things?page=1&tag=a+b", WITH_TOKEN, "not in the recording"),
        ("GET", "/api/public/v1/thing?page=1&tag=a+b", WITH_TOKEN, "not in the recording"),
        ("GET", "/api/public/v1/things?page=1&tag=a+b", {"Accept": "application/json"}, "authorization"),
        ("GET", "/api/public/v1/things?page=1&tag=a+b", WITH_TOKEN | {"Authorization": "anything"}, "authorization"),
        ("GET", "/api/public/v1/things?page=1&tag=a+b", WITH_TOKEN | {"Accept": "*/*"}, "accept"),
    ],
)
def test_a_request_that_differs_is_refused_with_the_difference(
    method: str, target: str, headers: dict[str, str], named: str
) -> None:
    with failing(THINGS, named) as server:
        answer, text = ask(server.url, method, target, headers)
        assert answer.status == DIFFERS_FROM_RECORDING
        assert named in json.loads(text)["error"]


@pytest.mark.parametrize(
    ("body", "content_type", "named"),
    [
        (b'[{"id": 4, "downloadable": false}]', "application/json", "body: recorded"),
        (b'[{"id": 4.0, "downloadable": true}]', "application/json", "body: recorded"),
        (b'[{"id": 4, "downloadable": 1}]', "application/json", "body: recorded"),
        (b'{"id": 4, "downloadable": true}', "application/json", "body: recorded"),
        (b"id=4&downloadable=true", "application/json", "body: recorded"),
        (None, "application/json", "body: recorded"),
        (b'[{"id": 4, "downloadable": true}]', "text/plain", "content-type: recorded"),
    ],
)
def test_a_body_that_differs_is_refused(body: bytes | None, content_type: str, named: str) -> None:
    with failing(SHARE, named) as server:
        ask(server.url, "POST", "/api/public/v1/share", WITH_TOKEN | {"Content-Type": content_type}, body)


def test_a_body_is_compared_as_a_value() -> None:
    with RecordedServer(SHARE) as server:
        body = b'[ {"downloadable":true,"id":4} ]'
        ask(server.url, "POST", "/api/public/v1/share", WITH_TOKEN | {"Content-Type": "application/json"}, body)


def test_a_body_where_none_was_recorded_is_refused() -> None:
    with failing(THINGS, "body: recorded none, asked {}") as server:
        ask(server.url, "GET", "/api/public/v1/things?page=1&tag=a+b", body=b"{}")


def test_a_request_more_than_was_recorded_is_refused() -> None:
    with failing(THINGS, "once more") as server:
        for _ in range(2):
            ask(server.url, "GET", "/api/public/v1/things?page=1&tag=a+b")


def test_an_entry_that_was_not_asked_for_fails() -> None:
    with pytest.raises(AssertionError, match="not asked for: GET"), RecordedServer(THINGS):
        pass


def test_a_test_that_failed_already_fails_for_its_own_reason() -> None:
    with pytest.raises(ZeroDivisionError), RecordedServer(THINGS):
        raise ZeroDivisionError


def test_requests_to_one_place_are_answered_in_the_order_of_the_recording() -> None:
    url = f"{STUDIO}/api/public/v1/things"
    texts = ["first", "second"]
    recording = har(*(exchange("GET", url, content={"mimeType": "text/plain", "text": text}) for text in texts))
    with RecordedServer(recording) as server:
        assert [ask(server.url, "GET", "/api/public/v1/things")[1] for _ in texts] == texts


def test_another_host_has_a_port_of_its_own_to_which_redirects_lead() -> None:
    with RecordedServer(FILE) as server:
        answer, _ = ask(server.url, "GET", "/api/public/v1/file")
        location = answer.headers["Location"]
        assert location == server.local_url(f"{STORAGE}/file.bin?REDACTED")
        assert location.startswith("http://127.0.0.1:")
        assert urlsplit(location).netloc != urlsplit(server.url).netloc
        assert ask(location, "GET", "/file.bin?REDACTED", {})[1] == "\x00\\xff"


@pytest.mark.parametrize("authorization", ["Bearer anything", "anything"])
def test_a_token_that_reaches_another_host_is_refused(authorization: str) -> None:
    with failing(FILE, "authorization: recorded none") as server:
        location = ask(server.url, "GET", "/api/public/v1/file")[0].headers["Location"]
        answer, text = ask(location, "GET", "/file.bin?REDACTED", {"Authorization": authorization})
        assert answer.status == DIFFERS_FROM_RECORDING
        assert authorization not in text


def test_the_shell_server_answers_a_folder_as_often_as_it_is_asked(tmp_path: Path) -> None:
    (tmp_path / "things.har").write_text(json.dumps(THINGS), encoding="utf-8")
    (tmp_path / "share.har").write_text(json.dumps(SHARE), encoding="utf-8")
    with RecordedServer(tmp_path, strict=False) as server:
        for _ in range(2):
            assert ask(server.url, "GET", "/api/public/v1/things?tag=a+b&page=1")[0].status == 200
        assert ask(server.url, "GET", "/api/public/v1/things?page=2")[0].status == 404


def test_the_shell_server_prints_its_url() -> None:
    command = [sys.executable, str(TESTS / "support/recorded_server.py"), str(RECORDINGS / "collections")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            answer, text = ask(url, "GET", "/api/public/v1/collections?page=1&per_page=50")
        finally:
            server.terminate()
    assert (answer.status, len(json.loads(text)["collections"])) == (200, 1)


# Each is planted below, and none of them may be in what comes out.
SECRETS = (
    *("tok-header", "tok-query", "tok-form", "tok-json", "tok-nested", "tok-text", "tok-camel", "tok-fragment"),
    *("ref-json", "sec-form", "cid-form", "cid-json", "code-query", "code-form", "pass-form", "pass-json", "pass-url"),
    *("cookie-request", "cookie-response", "cookie-list", "csrf-header", "custom-header", "state-query", "state-form"),
    *("amz-location", "amz-json", "amz-escaped", "amz-request", "amz-relative", "cf-signature", "cf-policy", "cf-key"),
    *("sig-studio", "eyJhbGciOiJIUzI1NiJ9", "10.1.2.3", "initiator", "page-title", "binary-secret", "multipart-secret"),
    *("myschool", "Grace", "Hopper", "grace.hopper", "G.Hopper", "Linus", "school.edu", "bob"),
)


def captured() -> dict[str, Any]:
    """What a browser or a proxy may have captured, with every kind of secret planted."""
    school = "https://myschool.instructuremedia.com"
    owner = {"id": 3, "full_name": "Grace Hopper", "display_name": "Grace", "email": "grace.hopper@school.edu"}
    signed = "https://cdn.example.net/42.mp4?X-Amz-Signature=amz-json&Policy=cf-policy&Key-Pair-Id=cf-key&Expires=1"
    media = {
        "id": 42,
        "title": "A talk by Grace Hopper (write to G.Hopper@school.edu)",
        "owner": owner,
        "download_url": signed,
        "thumbnail_url": f"{school}/thumbnails/42?Signature=sig-studio&size=2",
        "nested": [{"oauth": {"access_token": "tok-nested", "clientSecret": "tok-camel", "token_type": "Bearer"}}],
        "raw": json.dumps({"refresh_token": "ref-json", "url": signed.replace("amz-json", "amz-escaped")}),
        "html": "<a href='/x?X-Amz-Signature=amz-relative'>x</a> Bearer tok-text eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
        "duration": 3.042,
        "last_viewed": None,
    }
    also = {
        "full_name": "Linus T.",
        "email": "GRACE.HOPPER@school.edu",
        "password": "pass-json",
        "client_id": "cid-json",
    }
    entries = [
        exchange(
            "GET",
            f"{school}/api/public/v1/media/search?owner=grace.hopper%40school.edu&access_token=tok-query&page=1",
            asked={
                "Host": "myschool.instructuremedia.com",
                "Authorization": 'Bearer user_id="3", token="tok-header"',
                "Accept": "application/json",
                "Cookie": "session=cookie-request",
                "X-CSRF-Token": "csrf-header",
                "X-Custom": "custom-header",
                "Referer": f"{school}/app?code=code-query",
            },
            answered={"Content-Type": "application/json", "Set-Cookie": "session=cookie-response"},
            content={
                "mimeType": "application/json; charset=utf-8",
                "text": json.dumps({"media": [media], "user": also}),
            },
        ),
        exchange(
            "POST",
            f"{school}/api/public/oauth/token?state=state-query",
            asked={"Authorization": "Basic tok-header", "Content-Type": "application/x-www-form-urlencoded"},
            body=(
                "application/x-www-form-urlencoded",
                urlencode(
                    {
                        "grant_type": "authorization_code",
                        "client_id": "cid-form",
                        "client_secret": "sec-form",
                        "code": "code-form",
                        "password": "pass-form",
                        "token": "tok-form",
                        "state": "state-form",
                        "email": "bob@school.edu",
                    }
                ),
            ),
            answered={"Content-Type": "application/json"},
            content={
                "mimeType": "application/json",
                "encoding": "base64",
                "text": base64.b64encode(b'{"access_token": "tok-json", "expires_in": 7200}').decode(),
            },
        ),
        exchange(
            "GET",
            f"{school}/api/public/v1/media/42/download",
            status=302,
            answered={
                "Location": "https://user:pass-url@cdn.example.net/42.mp4?X-Amz-Signature=amz-location#token=tok-fragment"
            },
        ),
        exchange(
            "GET",
            "https://cdn.example.net/42.mp4?X-Amz-Signature=amz-location",
            asked={},
            answered={"Content-Type": "video/mp4", "ETag": '"1"'},
            content={
                "mimeType": "video/mp4",
                "encoding": "base64",
                "text": base64.b64encode(b"\x00binary-secret").decode(),
            },
        ),
        exchange(
            "POST",
            f"{school}/api/public/v1/upload",
            body=("multipart/form-data; boundary=x", "--x\r\nmultipart-secret\r\n--x--"),
            content={
                "mimeType": "text/html",
                "text": f"{school} https://a.myschool.instructuremedia.com/?s=amz-request",
            },
        ),
        exchange(
            "GET",
            f"{school}/api/public/v1/media/7/download",
            status=302,
            answered={"location": "/files/7?Signature=cf-signature&X-Amz-Date=1"},
        ),
    ]
    entries[0] |= {"serverIPAddress": "10.1.2.3", "connection": "10.1.2.3", "_initiator": {"url": "initiator"}}
    entries[0]["request"]["cookies"] = pairs({"session": "cookie-list"})
    document = har(*entries)
    document["log"] |= {"pages": [{"title": "page-title of myschool"}], "comment": "captured by bob@school.edu"}
    return document


def test_redaction_leaves_no_secret() -> None:
    planted = json.dumps(captured(), ensure_ascii=False)
    decoded = planted + base64.b64decode("AGJpbmFyeS1zZWNyZXQ=").decode() + "tok-json"
    assert [secret for secret in SECRETS if secret not in decoded] == []
    clean = json.dumps(redact(captured()), ensure_ascii=False)
    assert [secret for secret in SECRETS if secret.lower() in clean.lower()] == []


def test_redaction_keeps_what_is_known_to_be_harmless() -> None:
    first, token, redirect, file, *_ = redact(captured())["log"]["entries"]
    assert first["request"]["url"] == (
        f"{STUDIO}/api/public/v1/media/search?owner=person1%40example.edu&access_token=REDACTED&page=1"
    )
    assert first["request"]["headers"] == pairs({"Authorization": "Bearer REDACTED", "Accept": "application/json"})
    answer = json.loads(first["response"]["content"]["text"])
    [media] = answer["media"]
    person = {"full_name": "Person 1", "display_name": "Person 2", "email": "person1@example.edu"}
    assert media["owner"] == {"id": media["owner"]["id"], **person}
    assert answer["user"]["email"] == "person1@example.edu"
    assert len(media["title"]) == len("A talk by Grace Hopper (write to G.Hopper@school.edu)")
    assert media["download_url"] == file["request"]["url"]
    assert redirect["response"]["headers"] == pairs({"Location": media["download_url"]})
    assert re.fullmatch(r"https://cdn\.example\.net/segment\d\.mp4\?REDACTED", media["download_url"])
    assert media["thumbnail_url"].startswith(f"{STUDIO}/segment")
    assert media["nested"][0]["oauth"]["token_type"] == "Bearer"
    assert (media["duration"], media["last_viewed"]) == (3.042, None)
    assert redirect["request"]["url"] == f"{STUDIO}/api/public/v1/media/{media['id']}/download"
    assert "grant_type=authorization_code" in token["request"]["postData"]["text"]
    assert json.loads(token["response"]["content"]["text"]) == {"access_token": "REDACTED", "expires_in": 7200}
    length = "REDACTED (14 bytes)"
    assert file["response"]["content"] == {"size": len(length), "mimeType": "video/mp4", "text": length}


def test_redaction_leaves_out_what_nobody_knows_to_be_harmless() -> None:
    """In whatever form a server, a page or a proxy writes it down."""
    secret, digits = "q7Xb29LmZ0pTs4vR", "482915"
    bodies = {
        "application/json": [
            json.dumps({"mood": secret, secret: 1, "pin": int(digits), "also": digits, "at": [{"x": secret}]}),
            json.dumps({"title": f"https://myschool.instructuremedia.com/{secret}?page={secret}#{secret}"}),
            json.dumps({"raw": json.dumps({"access_token": secret})}),
            json.dumps({"created_at": f"2026-01-01T00:00:00Z{secret}", "email": f"a@{secret} b"}),
            f'{{"access_token": "{secret}',
        ],
        "text/html": [f"<input value={secret}>", f"<script>t = '{secret}'</script>"],
        "text/plain": [f"WEBVTT {secret} {digits}"],
        "application/x-www-form-urlencoded": [f"{secret}=1&mood={secret}&pin={digits}"],
        f"application/json; boundary={secret}": ["{}"],
        f"{secret}/json": ["{}"],
    }
    for mime_type, texts in bodies.items():
        for text in texts:
            url = f"https://{secret}@host-{digits}.instructuremedia.com/{digits}/{secret}?{secret}={secret}#{secret}"
            headers = {"ETag": secret, "X-Request-Id": secret, "Retry-After": secret, "Content-Type": mime_type}
            entry = exchange("GET", url, asked={"Range": secret, "Accept": secret}, answered=headers)
            entry["response"]["content"] = {"mimeType": mime_type, "text": text}
            entry |= {"startedDateTime": secret, "time": secret}
            entry["response"]["statusText"] = secret
            clean = json.dumps(redact(har(entry)))
            assert secret.lower() not in clean.lower(), mime_type
            assert digits not in clean, mime_type


def test_redaction_takes_each_character_once() -> None:
    """A picture as base64 in JSON, in HTML and in a URL: a megabyte of each takes no more than a moment."""
    size = 1_000_000
    long = "A" * size
    entry = exchange("GET", f"{STUDIO}/api/public/v1/media?x={long}")
    entry["response"]["content"] = {"mimeType": "application/json", "text": json.dumps([long, f"a@{long}", long * 2])}
    assert len(json.dumps(redact(har(entry)))) < size / 10


def test_redaction_of_what_is_redacted_changes_nothing() -> None:
    clean = redact(captured())
    assert redact(clean) == clean


def test_redaction_gives_newcomers_stand_ins_of_their_own() -> None:
    both = redact(captured())
    both["log"]["entries"].append(exchange("GET", f"{STUDIO}/api/public/v1/users/search?email=new%40school.edu"))
    last = redact(both)["log"]["entries"][-1]
    assert last["request"]["queryString"] == [{"name": "email", "value": "person3@example.edu"}]


def test_what_is_redacted_can_still_be_replayed() -> None:
    with RecordedServer(redact(captured())) as server:
        for recorded in server.entries:
            request = recorded.request
            target = request.path + ("?" + urlencode(request.query) if request.query else "")
            headers = {
                name: "Bearer x" if name == "authorization" else value for name, value in request.headers.items()
            }
            base = server.local_url(request.origin + "/")
            assert ask(base, request.method, target, headers, request.body or None)[0].status < 400


def test_redaction_reads_a_file_or_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "captured.har"
    # Some browsers begin the file with a byte order mark.
    path.write_text(json.dumps(captured()), encoding="utf-8-sig")
    command = [sys.executable, str(TESTS / "support/redact_har.py")]
    from_file = subprocess.run([*command, str(path)], capture_output=True, check=True)
    from_input = subprocess.run(command, input=path.read_bytes(), capture_output=True, check=True)
    assert from_file.stdout == from_input.stdout
    assert json.loads(from_file.stdout) == redact(captured())
    assert b"read the result" in from_file.stderr


def strings_of(value: Any) -> Iterator[str]:
    """Every text in a JSON value, and in the JSON that its texts hold."""
    match value:
        case dict():
            for key, field in cast("dict[str, Any]", value).items():
                yield key
                yield from strings_of(field)
        case [*items]:
            for item in items:
                yield from strings_of(item)
        case str():
            yield value
            if value[:1] in {"{", "["}:
                yield from strings_of(json.loads(value))
        case _:
            pass


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_holds_no_person_and_no_secret(name: str) -> None:
    for text in strings_of(recording(name)):
        assert set(re.findall(r"@([\w.-]+\.\w+)", text)) <= {"example.edu"}
        assert set(re.findall(r"Bearer (\S+)", text)) <= {"REDACTED"}
        assert not re.search(r"x-(?:amz|goog)-|signature=|key-pair-id|policy=|token=|eyJ", text, re.IGNORECASE)
        for url in re.finditer(r"https?://[^\s\"'\\]+", text):
            parts = urlsplit(url[0])
            assert parts.netloc == urlsplit(STUDIO).netloc or parts.query in {"", "REDACTED"}


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_whole_and_says_where_it_came_from(name: str) -> None:
    har = recording(name)
    if name not in ERRORS:
        text = (RECORDINGS / f"{name}.har").read_text(encoding="utf-8")
        assert text == json.dumps(har, indent=2, ensure_ascii=False) + "\n"
    log = har["log"]
    assert log["version"] == "1.2"
    assert set(log["creator"]) == {"name", "version"}
    assert re.match(r"(?:documentation|observed|inferred|captured): .{10}", log["comment"])
    assert log["entries"]
    for entry in log["entries"]:
        assert set(entry) == {"startedDateTime", "time", "request", "response", "cache", "timings"}
        assert set(entry["timings"]) == {"send", "wait", "receive"}
        request, response = entry["request"], entry["response"]
        both = {"httpVersion", "cookies", "headers", "headersSize", "bodySize"}
        assert set(request) - {"postData"} == both | {"method", "url", "queryString"}
        assert set(response) == both | {"status", "statusText", "content", "redirectURL"}
        assert {"size", "mimeType"} <= set(response["content"])
        query = parse_qsl(urlsplit(str(request["url"])).query, keep_blank_values=True)
        assert [(pair["name"], pair["value"]) for pair in request["queryString"]] == query
        for headers in (request["headers"], response["headers"]):
            assert all(set(header) == {"name", "value"} for header in headers)


def plain(result: object) -> object:
    """A result as JSON has it."""
    if isinstance(result, list):
        return [plain(item) for item in cast("list[object]", result)]
    to_dict = getattr(result, "to_dict", None)
    return to_dict() if to_dict else result


@pytest.mark.parametrize("name", SUCCESSES)
def test_a_recording_that_names_its_call_gives_what_it_says(
    name: str, form: Form, recorded: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Downloads write into the working directory, and uploads read from there.
    monkeypatch.chdir(tmp_path)
    call = call_of(name)
    for file, content in call.get("files", {}).items():
        Path(file).write_text(content, encoding="utf-8")
    result = replay(form, connect(recorded(name).url), name)
    if "gives" in call:
        assert plain(result) == call["gives"]


@pytest.mark.parametrize("name", REFUSALS)
def test_a_documented_error_is_raised_as_its_class_with_the_sentence_of_the_answer(
    name: str, raises_as_recorded: RaisesAsRecorded
) -> None:
    raises_as_recorded(name)


def test_every_documented_status_of_each_operation_has_its_recording() -> None:
    # 401 applies to all of them; the docstring, as the reference, lists the others.
    recorded: dict[str, set[int]] = {}
    for name in REFUSALS:
        status = int(name.removeprefix(f"{success_of(name)}_"))
        recorded.setdefault(call_of(name)["method"], set()).add(status)
    operations = {call_of(name)["method"] for name in SUCCESSES} - {
        *("request", "paginate"),
        *("download_media", "upload_media"),
    }
    assert set(recorded) == operations
    for operation in operations:
        documented = set(map(int, re.findall(r"\b4\d\d\b", getattr(StudioClient, operation).__doc__)))
        assert recorded[operation] == documented | {401}, operation


def test_every_recording_is_used_by_a_test() -> None:
    # One test replays all successes, one all errors; both read the call from the success.
    assert sorted(SUCCESSES + REFUSALS) == sorted(set(NAMES))
    for name in NAMES:
        assert success_of(name) in SUCCESSES, name
        assert call_of(name)["method"]
    assert set(TABLE["answers"]) == {answer for answers in TABLE["operations"].values() for answer in answers}
