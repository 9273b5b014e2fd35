"""The sandbox answers or hangs up in time whatever it is sent, and works as before afterwards."""

from __future__ import annotations

import json
import random
import re
import socket
import struct
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from canvas_studio.sandbox import Sandbox
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plain_http import API, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

# A bound that no healthy exchange comes near and that a hang exceeds.
SOON = 10.0
# How long the sandbox waits for the rest of a request, and how much longer this may take on a busy machine.
PATIENCE = 30.0
MERCY = 20.0
SETTLED = settings(max_examples=300, derandomize=True, database=None, deadline=None)
HOSTS = ["api", "storage"]


class Target(NamedTuple):
    """A sandbox, and things in it that can be asked for."""

    box: Sandbox
    media: int
    collection: int
    file: str

    def port(self, host: str) -> int:
        """The port of one of the two hosts."""
        return urlsplit(self.box.url if host == "api" else self.box.storage_url).port or 0


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A sandbox that all tests of this file are unkind to."""
    with Sandbox(media=50) as box:
        media = box.add_media("Mitosis", size=100_000)
        box.add_collection(None, course_id=77)
        location = ask(box.url, "GET", f"/media/{media}/download", token=box.token).headers["location"]
        parts = urlsplit(location)
        yield Target(box, media, box.add_collection("Field trips"), f"{parts.path}?{parts.query}")


@pytest.fixture(scope="module")
def silent(target: Target) -> Iterator[dict[str, list[socket.socket]]]:
    """Connections that never say what they want: they stay while everything else is asked."""
    begun = f"POST {API}/media/{target.media}/permissions HTTP/1.1\r\nHost: x\r\n".encode()
    whole = f"{begun.decode()}Authorization: Bearer {target.box.token}\r\n".encode()
    starts = {
        "nothing": b"",
        "half a word": b"GE",
        "half a header": begun + b"Authori",
        "no body": whole + b"Content-Length: 10\r\n\r\n",
        "half a body": whole + b"Content-Length: 10\r\n\r\n[{}",
        "half a chunk": whole + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc",
    }
    with ExitStack() as stack:
        opened: dict[str, list[socket.socket]] = {}
        for name, start in starts.items():
            for host in HOSTS * 20:
                connection = stack.enter_context(socket.create_connection(("localhost", target.port(host)), SOON))
                connection.sendall(start)
                opened.setdefault(name, []).append(connection)
        yield opened


@pytest.fixture(autouse=True)
def unharmed(target: Target, silent: dict[str, list[socket.socket]]) -> Iterator[None]:
    """After each test the sandbox answers both hosts, has not failed inside, and can tell what it was asked."""
    assert silent
    target.box.forget_requests()
    yield
    assert ask(target.box.url, "GET", "/ping", token=target.box.token).body == b"pong"
    assert ask(target.box.storage_url + target.file).body == target.box.media_file(target.media)
    seen = target.box.requests
    assert [request for request in seen if request.status is None or request.status >= 500] == []
    assert target.box._server.panics == 0  # pyright: ignore[reportPrivateUsage]


def rest_of(connection: socket.socket) -> bytes:
    """All that comes until the connection ends, in whatever way; a `TimeoutError` if it does not."""
    received = b""
    with suppress(ConnectionError):
        while part := connection.recv(65_536):
            received += part
    return received


def exchange(port: int, data: bytes) -> bytes:
    """Send it, say that no more will come, and return all that comes back."""
    with socket.create_connection(("localhost", port), timeout=SOON) as connection:
        with suppress(ConnectionError):
            connection.sendall(data)
        # Too late if the other side has hung up.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return rest_of(connection)


def statuses(received: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"(?:^|[^\r\n])HTTP/1\.[01] (\d{3}) ", received)]


def assert_no_harm(received: bytes) -> None:
    """It is an answer that blames the client, or any that is good, or nothing at all."""
    assert not received or received.startswith(b"HTTP/1.")
    assert all(200 <= status < 500 for status in statuses(received)), received[:500]


def request(
    target: Target,
    method: str,
    path: bytes,
    *,
    host: str = "api",
    headers: bytes = b"",
    body: bytes = b"",
    signed_in: bool = True,
) -> int:
    """Send a request that is well formed as such, and return the status of the whole answer that has to come."""
    lines = [b"%s %s HTTP/1.1" % (method.encode(), path), b"Host: x", b"Connection: close"]
    if signed_in and host == "api":
        lines.append(f"Authorization: Bearer {target.box.token}".encode())
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    head = b"\r\n".join(lines) + b"\r\n" + headers
    with socket.create_connection(("localhost", target.port(host)), timeout=SOON) as connection:
        # A server may answer before it has read everything, and hang up.
        with suppress(ConnectionError):
            connection.sendall(head + b"\r\n" + body)
        received = rest_of(connection)
    answer, _, content = received.partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 "), f"no answer to {head!r}"
    lengths = re.findall(rb"(?i)^content-length: (\d+)\r?$", answer, re.MULTILINE)
    assert [int(length) for length in lengths] in ([len(content)], []), received
    status = int(answer[9:12])
    assert 200 <= status < 500, received
    return status


printable = st.binary(max_size=200).map(lambda value: re.sub(rb"[\x00-\x20\x7f]", b"", value))
header_values = st.binary(max_size=300).map(lambda value: re.sub(rb"[\x00-\x08\x0a-\x1f\x7f]", b"", value))
header_names = st.one_of(
    st.sampled_from(
        [b"Authorization", b"Range", b"If-Range", b"Content-Type", b"Accept", b"Accept-Encoding", b"Cookie"]
    ),
    st.sampled_from([b"Expect", b"Upgrade", b"TE", b"Origin", b"X-Forwarded-For", b"If-None-Match", b"Date", b"Via"]),
    st.from_regex(rb"\A[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}\Z").filter(
        lambda name: name.lower() not in {b"host", b"connection", b"content-length", b"transfer-encoding", b"expect"}
    ),
)


@pytest.mark.parametrize("host", HOSTS)
@SETTLED
@given(data=st.binary(max_size=3_000))
def test_any_bytes_do_no_harm(target: Target, host: str, data: bytes) -> None:
    assert_no_harm(exchange(target.port(host), data))


@pytest.mark.parametrize("host", HOSTS)
@SETTLED
@given(seed=st.integers(0, 2**32))
def test_a_request_with_damaged_bytes_does_no_harm(target: Target, host: str, seed: int) -> None:
    body = b'[{"action":"create","id":1,"share_type":"user"}]'
    whole = bytearray(
        b"POST %s/media/%d/permissions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
        % (API.encode(), target.media, target.box.token.encode(), len(body), body)
    )
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(whole))
        match chance.randrange(4):
            case 0:
                whole[place] = chance.randrange(256)
            case 1:
                del whole[place : place + chance.randint(1, 20)]
            case 2:
                whole[place:place] = chance.randbytes(chance.randint(1, 20))
            case _:
                whole[place:place] = whole[: chance.randint(1, 60)]
    assert_no_harm(exchange(target.port(host), bytes(whole)))


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\r\n\r\n\r\n",
        b"\n\n\n",
        b"GET",
        b"GET ",
        b"GET /",
        b"GET / HTTP/1.1",
        b"GET /  HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1 HTTP/1.1\r\n\r\n",
        b"GET / SPDY/3\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"GET \xff\xfe HTTP/1.1\r\n\r\n",
        b"GET http://elsewhere.example/ HTTP/1.1\r\n\r\n",
        b"GET http:/// HTTP/1.1\r\n\r\n",
        b"GET ://?#[]@ HTTP/1.1\r\n\r\n",
        b"GET //////?? HTTP/1.1\r\n\r\n",
        b"GET * HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT localhost:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"get / http/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"A" * 100_000,
        b"A" * 100_000 + b" / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /?" + b"a=b&" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X" * 100_000 + b": y\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n: no name\r\n\r\n",
        b"GET / HTTP/1.1\r\nX : space\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n",
        b"GET / HTTP/1.1\nX: bare line feeds\n\n",
        b"GET / HTTP/1.1\rX: y\r\r",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=lambda line: repr(line[:40]),
)
def test_a_request_line_that_is_none_does_no_harm(target: Target, host: str, line: bytes) -> None:
    assert_no_harm(exchange(target.port(host), line))


@pytest.mark.parametrize(
    "frame",
    [
        b"Content-Length: 5\r\n\r\n[",
        b"Content-Length: 1\r\n\r\n[]]]]]]",
        b"Content-Length: -1\r\n\r\n[]",
        b"Content-Length: +2\r\n\r\n[]",
        b"Content-Length: 0x2\r\n\r\n[]",
        b"Content-Length: two\r\n\r\n[]",
        b"Content-Length: \r\n\r\n[]",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
        b"Content-Length: 2, 2\r\n\r\n[]",
        b"Content-Length: 18446744073709551615\r\n\r\n[]",
        b"Content-Length: 18446744073709551616\r\n\r\n[]",
        b"Content-Length: 99999999999999999999999999\r\n\r\n[]",
        b"Content-Length: 2000000\r\n\r\n" + b"[" * 2_000_000,
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]]]]\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-2\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 100_000 + b"2\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a=b;" * 50_000 + b"\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n" + b"Trailer: x\r\n" * 5_000 + b"\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n[\r\n" * 100_000 + b"0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n[]",
        b"Transfer-Encoding: chunked, chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"Transfer-Encoding: nonsense\r\n\r\n[]",
        b"Transfer-Encoding: \x0bchunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        b"Expect: the-impossible\r\nContent-Length: 2\r\n\r\n[]",
        b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]",
    ],
    ids=lambda frame: repr(frame[:60]),
)
@pytest.mark.parametrize("host", HOSTS)
def test_a_body_whose_length_is_wrong_does_no_harm(target: Target, host: str, frame: bytes) -> None:
    head = f"POST {API}/media/{target.media}/permissions HTTP/1.1\r\nHost: x\r\n"
    authorization = f"Authorization: Bearer {target.box.token}\r\n"
    received = exchange(target.port(host), (head + authorization).encode() + frame)
    # Without the beginning of an interim answer, which asks for the body.
    assert_no_harm(received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))


@pytest.mark.parametrize("host", HOSTS)
@SETTLED
@given(headers=st.lists(st.tuples(header_names, header_values), max_size=60))
def test_any_headers_are_answered(target: Target, host: str, headers: list[tuple[bytes, bytes]]) -> None:
    lines = b"".join(b"%s: %s\r\n" % header for header in headers if header[0] != b"Expect")
    path = f"{API}/collections" if host == "api" else target.file
    request(target, "GET", path.encode(), host=host, headers=lines)


@SETTLED
@given(value=header_values)
def test_any_authorization_is_refused_with_401(target: Target, value: bytes) -> None:
    for scheme in (b"", b"Bearer ", b"Basic ", b"bearer\t"):
        headers = b"Authorization: " + scheme + value + b"\r\n"
        assert request(target, "GET", f"{API}/collections".encode(), headers=headers, signed_in=False) == 401


@SETTLED
@given(value=st.one_of(header_values, st.from_regex(rb"\Abytes=[0-9, -]{0,45}\Z")))
def test_any_range_of_a_file_is_answered(target: Target, value: bytes) -> None:
    status = request(target, "GET", target.file.encode(), host="storage", headers=b"Range: " + value + b"\r\n")
    assert status in {200, 206, 416}


awkward = st.one_of(
    printable,
    st.text(max_size=60).map(
        lambda value: "".join(f"%{byte:02x}" for byte in value.encode("utf-8", "replace")).encode()
    ),
    st.binary(max_size=60).map(lambda value: b"".join(b"%%%02X" % byte for byte in value)),
    st.integers().map(lambda value: b"%d" % value),
    st.sampled_from(
        [b"%", b"%z", b"%0", b"%00", b"%2f", b"%2e%2e", b"..", b".", b"%ff%fe", b"%c0%af", b"%ed%a0%80", b"1e3", b"1.0"]
    ),
    st.sampled_from([b"0", b"-1", b"+1", b"01", b"1%20", b"1%0a", b"%31", b"9" * 40, b"9223372036854775808", b"NaN"]),
    st.sampled_from(
        [b"%d9%a1", b"null", b"%5B%5D", b"{media_id}", b"*", b"1;2", b"1,2", b"1%2C2", b"true", b"'", b'"']
    ),
)
PATHS = [
    "/media/{}",
    "/media/{}/archive",
    "/media/{}/courses",
    "/media/{}/download",
    "/media/{}/permissions",
    "/media/{}/users",
    "/media/{}/sources",
    "/media/{}/caption_files",
    "/media/{}/tags/{}",
    "/media/uploads/{}/complete",
    "/caption_files/{}/download",
    "/courses/{}/perspectives",
    "/perspectives/{}/insights/users",
    "/users/{}/library",
    "/collections/{}",
    "/collections/{}/media",
    "/collections/{}/permissions",
    "/{}",
    "/{}/{}",
]
PARAMETERS = [
    "title",
    "min_size",
    "max_size",
    "start_date",
    "end_date",
    "last_viewed_start_date",
    "owner",
    "tag",
    "source",
    "page",
    "per_page",
    "last_viewed_by_student_end_date",
    "name",
    "user_id",
    "collection_id",
    "quality",
    "min_permission",
]


@SETTLED
@given(path=st.sampled_from(PATHS), method=st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD2"]), part=awkward)
def test_any_path_is_answered(target: Target, path: str, method: str, part: bytes) -> None:
    whole = (API + path).encode().replace(b"{}", re.sub(rb"[?#]", b"", part))
    request(target, method, whole)


@SETTLED
@given(
    path=st.sampled_from(
        ["/media/search", "/collections", "/collections/{}/media", "/media/{}/download", "/media/{}/users"]
    ),
    query=st.lists(st.tuples(st.one_of(st.sampled_from(PARAMETERS).map(str.encode), awkward), awkward), max_size=8),
)
def test_any_query_is_answered(target: Target, path: str, query: list[tuple[bytes, bytes]]) -> None:
    thing = target.collection if "collections" in path else target.media
    pairs = b"&".join(name + b"=" + value for name, value in query).replace(b"#", b"%23")
    request(target, "GET", (API + path).format(thing).encode() + b"?" + pairs)


@SETTLED
@given(path=st.lists(awkward, max_size=4), query=st.lists(st.tuples(awkward, awkward), max_size=4))
def test_any_path_of_the_storage_host_is_answered(
    target: Target, path: list[bytes], query: list[tuple[bytes, bytes]]
) -> None:
    pairs = b"&".join(name + b"=" + value for name, value in query)
    for begin in (b"/", b"/media/", b"/thumbnails/", b"/media/%d/" % target.media):
        whole = begin + re.sub(rb"[?#]", b"", b"/".join(path)) + b"?" + pairs.replace(b"#", b"%23")
        assert request(target, "GET", whole, host="storage") in {200, 400, 403, 404}


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["user", "create", "embed"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=10), inner, max_size=5)),
    max_leaves=20,
)
FIELDS = ["action", "id", "share_type", "permission_type", "course_id", "embed_type", "downloadable"]
GOOD: dict[str, Any] = {
    "action": "create",
    "id": 1,
    "share_type": "user",
    "permission_type": "view",
    "course_id": 77,
    "embed_type": "embed",
    "downloadable": True,
}
near_misses = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3).map(lambda wrong: GOOD | wrong)
JSON_PATHS = ["/media/{media}/permissions", "/media/{media}/create_embed", "/collections/{collection}/permissions"]
DEEP = 100_000


def paths(target: Target) -> list[bytes]:
    return [(API + path.format(media=target.media, collection=target.collection)).encode() for path in JSON_PATHS]


@SETTLED
@given(value=st.one_of(json_values, near_misses, st.lists(near_misses, max_size=3)))
def test_any_json_is_answered(target: Target, value: object) -> None:
    for path in paths(target):
        # 404 is a course that the sandbox has not met.
        assert request(target, "POST", path, body=json.dumps(value).encode()) in {200, 400, 404, 422}


@SETTLED
@given(body=st.binary(min_size=1, max_size=500))
def test_any_body_that_is_no_json_is_answered(target: Target, body: bytes) -> None:
    for path in paths(target):
        assert request(target, "POST", path, body=body) in {200, 400, 422}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'[{"action":' * 1_000 + b"1" + b"}]" * 1_000,
        b'{"id":' + b"9" * 500_000 + b"}",
        b'{"course_id":1e999999999,"embed_type":"embed"}',
        b'{"course_id":1' + b"0" * 400 + b',"embed_type":"embed"}',
        b'{"course_id":1,"course_id":2,"embed_type":"embed"}',
        b'{"course_id":77.0,"embed_type":"embed"}',
        b'{"course_id":-0,"embed_type":"embed"}',
        b'[{"action":"create","id":1,"share_type":"user","permission_type":"\\ud800"}]',
        b'["\\u0000"]',
        b'["\xff"]',
        b'["' + b"a" * 900_000 + b'"]',
        b"\xef\xbb\xbf[]",
        b"[" + b"{}," * 200_000 + b"{}]",
        b"[]" + b" " * 900_000,
        b"\x00" * 1_000_000,
        b"NaN",
        b"'[]'",
        b"[] []",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_json_made_to_break_a_parser_is_answered(target: Target, body: bytes) -> None:
    for path in paths(target):
        assert request(target, "POST", path, body=body) in {200, 400, 422}


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 5_000_000])
def test_a_body_that_is_too_large_is_refused(target: Target, size: int) -> None:
    # The sandbox need not read all of it, so its answer can be lost with the connection; what counts is that it ends.
    received = exchange(
        target.port("api"),
        b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (paths(target)[0], size) + b"[" * size,
    )
    assert statuses(received) in ([413], [])


forms = st.dictionaries(
    st.sampled_from(
        ["grant_type", "code", "refresh_token", "client_id", "client_secret", "redirect_uri", "response_type"]
    ),
    st.one_of(
        awkward, st.sampled_from([b"authorization_code", b"refresh_token", b"code", b"urn:ietf:wg:oauth:2.0:oob"])
    ),
)


@SETTLED
@given(form=forms, extra=st.binary(max_size=60))
def test_any_form_of_the_oauth_pages_is_answered(target: Target, form: dict[str, bytes], extra: bytes) -> None:
    known = {"client_id": target.box.client_id.encode(), "client_secret": target.box.client_secret.encode()}
    for path in (b"/api/public/oauth/token", b"/api/public/oauth/authorize"):
        for fields in (form, known | form):
            body = b"&".join(name.encode() + b"=" + value for name, value in fields.items()) + extra
            kind = b"Content-Type: application/x-www-form-urlencoded\r\n"
            assert request(target, "POST", path, headers=kind, body=body) in {200, 302, 400, 401}
            query = b"?" + re.sub(rb"[\x00-\x20#\x7f]", b"", body)
            assert request(target, "GET", b"/api/public/oauth/authorize" + query) in {200, 400}


@SETTLED
@given(value=header_values)
def test_any_basic_credentials_of_the_token_endpoint_are_refused(target: Target, value: bytes) -> None:
    headers = b"Authorization: Basic " + value + b"\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    body = b"grant_type=refresh_token&refresh_token=x"
    path = b"/api/public/oauth/token"
    assert request(target, "POST", path, headers=headers, body=body, signed_in=False) in {400, 401}


def part(headers: bytes, content: bytes) -> bytes:
    return b"--limit\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


FILE = b'Content-Disposition: form-data; name="caption_file"; filename="talk.srt"'
GOOD_PART = part(FILE, b"1\n00:00:00,000 --> 00:00:01,000\nHello\n")
parts = st.one_of(
    st.just(GOOD_PART),
    st.just(b"--limit--\r\n"),
    st.binary(max_size=80),
    st.tuples(header_values, st.binary(max_size=80)).map(lambda each: part(*each)),
    st.binary(max_size=80).map(lambda content: part(FILE, content)),
    header_values.map(lambda value: part(b"Content-Disposition: " + value, b"x")),
)


@SETTLED
@given(
    body=st.lists(parts, max_size=5).map(b"".join),
    kind=st.one_of(
        st.just(b"multipart/form-data; boundary=limit"),
        st.just(b'multipart/form-data; boundary="limit"'),
        st.just(b"multipart/form-data"),
        header_values.map(lambda value: b"multipart/form-data; boundary=" + value),
        header_values,
    ),
)
def test_any_body_of_several_parts_is_answered(target: Target, body: bytes, kind: bytes) -> None:
    path = f"{API}/media/{target.media}/caption_files?srclang=en".encode()
    headers = b"Content-Type: " + kind + b"\r\n"
    assert request(target, "POST", path, headers=headers, body=body) in {200, 201, 400, 413, 415, 422}
    assert request(target, "POST", path, headers=headers, body=body + b"--limit--\r\n") in {
        200,
        201,
        400,
        413,
        415,
        422,
    }


def test_a_body_of_several_parts_that_is_well_formed_is_taken(target: Target) -> None:
    path = f"{API}/media/{target.media}/caption_files?srclang=en".encode()
    headers = b"Content-Type: multipart/form-data; boundary=limit\r\n"
    assert request(target, "POST", path, headers=headers, body=GOOD_PART + b"--limit--\r\n") == 201


@pytest.mark.parametrize(
    "body",
    [
        GOOD_PART * 5_000 + b"--limit--\r\n",
        b"--limit\r\n" * 50_000,
        b"--limit\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
        b"--limit\r\nX: " + b"y" * 500_000,
        b"-" * 900_000,
        b"\r\n--limi" * 100_000,
        part(FILE, bytes(900_000)) + b"--limit--\r\n",
        part(FILE.replace(b"talk", b"t" * 500_000), b"x") + b"--limit--\r\n",
        part(FILE.replace(b"talk", b"../../../etc/passwd"), b"x") + b"--limit--\r\n",
        part(FILE.replace(b"talk", b"\xff\x00\xfe"), b"\xff\xfe") + b"--limit--\r\n",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_body_of_several_parts_made_to_break_a_parser_is_answered(target: Target, body: bytes) -> None:
    path = f"{API}/media/{target.media}/caption_files?srclang=en".encode()
    headers = b"Content-Type: multipart/form-data; boundary=limit\r\n"
    assert request(target, "POST", path, headers=headers, body=body) in {200, 201, 400, 413, 422}


@SETTLED
@given(body=st.binary(max_size=2_000), kind=header_values)
def test_any_upload_is_answered(target: Target, body: bytes, kind: bytes) -> None:
    upload = ask(target.box.url, "POST", "/media/uploads", token=target.box.token).json["upload"]
    place = urlsplit(str(upload["url"]))
    path = f"{place.path}?{place.query}".encode()
    headers = b"Content-Type: " + kind + b"\r\n" + (b"" if body else b"Content-Length: 0\r\n")
    assert request(target, "PUT", path, host="storage", headers=headers, body=body) in {200, 201, 204, 400, 403, 411}
    # Its parameters may stand in the body, too.
    complete = f"{API}/media/uploads/{upload['id']}/complete".encode()
    kind = b"Content-Type: application/x-www-form-urlencoded\r\n"
    assert request(target, "POST", complete, headers=kind, body=body) in {200, 400, 422}
    assert request(target, "POST", f"{API}/media/uploads".encode(), headers=kind, body=body) in {
        201,
        400,
        403,
        404,
        422,
    }


def test_requests_that_come_at_once_are_all_answered_in_order(target: Target) -> None:
    line = "GET {}/{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{}\r\n"
    asked = ["ping", "nothing", "media/search", "media/0", "collections?page=0"] * 20
    whole = [line.format(API, path, target.box.token, "") for path in asked]
    whole.append(line.format(API, "ping", target.box.token, "Connection: close\r\n"))
    with socket.create_connection(("localhost", target.port("api")), timeout=SOON) as connection:
        connection.sendall("".join(whole).encode())
        received = rest_of(connection)
    found = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
    assert found == [200, 404, 200, 404, 422] * 20 + [200]


@pytest.mark.parametrize("host", HOSTS)
def test_clients_that_go_away_in_the_middle_do_no_harm(target: Target, host: str) -> None:
    path = f"{API}/media/search" if host == "api" else target.file
    token = f"Authorization: Bearer {target.box.token}\r\n" if host == "api" else ""
    whole = f"GET {path} HTTP/1.1\r\nHost: x\r\n{token}\r\n".encode()
    chance = random.Random(7)
    for _ in range(200):
        with socket.create_connection(("localhost", target.port(host)), timeout=SOON) as connection:
            connection.sendall(whole[: chance.randint(0, len(whole) * 2)])
            if chance.random() < 0.5:
                # Ends by a reset in place of an orderly end.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_many_connections_that_say_nothing_hold_nobody_up(target: Target) -> None:
    with ExitStack() as stack:
        for host in HOSTS * 150:
            stack.enter_context(socket.create_connection(("localhost", target.port(host)), timeout=SOON))
        for _ in range(50):
            assert request(target, "GET", f"{API}/media/search".encode()) == 200


def test_a_sandbox_closes_at_once_though_others_are_connected() -> None:
    box = Sandbox(media=0)
    with ExitStack() as stack:
        for number in range(50):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", box.port), timeout=SOON))
            connection.sendall(b"GET / HTTP/1.1\r\nHos"[: number % 20])
        assert ask(box.url, "GET", "/ping", token=box.token).body == b"pong"
        start = time.monotonic()
        box.close()
        assert time.monotonic() - start < SOON
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", box.port), timeout=SOON).close()


@pytest.mark.timeout(PATIENCE + MERCY + 30)
@pytest.mark.parametrize("kind", ["nothing", "half a word", "half a header", "no body", "half a body", "half a chunk"])
def test_a_connection_that_does_not_go_on_is_ended(silent: dict[str, list[socket.socket]], kind: str) -> None:
    latest = time.monotonic() + PATIENCE + MERCY
    for connection in silent[kind]:
        connection.settimeout(max(latest - time.monotonic(), 0.001))
        assert statuses(rest_of(connection)) in ([], [400], [408])
