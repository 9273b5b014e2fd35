"""Replays HAR 1.2 recordings on a loopback socket and fails on every difference, in both directions."""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import re
import socket
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STUDIO = "https://tw.instructuremedia.com"
DIFFERS_FROM_RECORDING = 599
COMPARED_WHERE_RECORDED = ("accept", "accept-encoding", "content-type", "range", "if-range")
# A recorded body is already decoded, and its length and connection belong to another socket.
NOT_REPLAYED = {"connection", "content-encoding", "content-length", "date", "keep-alive", "server", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as it was recorded or as it was asked; header names are in lower case."""

    method: str
    origin: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    @property
    def place(self) -> tuple[str, str, str]:
        """What an entry of a recording is found by."""
        return self.origin, self.method, self.path

    @property
    def comparable_body(self) -> str:
        """The body, written so that equal JSON values are equal texts, and parts equal under any boundary."""
        try:
            return json.dumps(json.loads(self.body), sort_keys=True)
        except ValueError:
            text = self.body.decode(errors="backslashreplace")
        boundary = re.match(r"multipart/form-data; boundary=(\S+)$", self.headers.get("content-type", ""))
        return text.replace(boundary[1], "BOUNDARY") if boundary else text

    def __str__(self) -> str:
        return f"{self.method} {self.origin}{self.path} {self.query}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says to one request."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(slots=True)
class Entry:
    """One recorded exchange."""

    request: Request
    answer: Answer
    used: bool = field(default=False)


class RecordedServer:
    """Stands in for Studio, and for every other host in the recordings, each on a port of its own.

    Args:
        recordings: HAR files, folders of them, or the parsed HAR itself.
        strict: Each entry is used once, in order, by exactly the recorded request. Otherwise entries are found by
            method, path and query and may be used any number of times.
        port: The port that stands in for Studio; 0 takes a free one.
    """

    def __init__(self, *recordings: Path | str | dict[str, Any], strict: bool = True, port: int = 0) -> None:
        self.requests: list[Request] = []
        self._strict = strict
        self._port = port
        self.entries = [
            _entry(entry) for recording in recordings for har in _hars_in(recording) for entry in har["log"]["entries"]
        ]
        self._differences: list[str] = []
        self._lock = threading.Lock()
        self._listeners: dict[str, _Listener] = {}

    @property
    def url(self) -> str:
        """The base URL to give to a client in place of `https://{school}.instructuremedia.com`."""
        return self._listeners[STUDIO].url

    def local_url(self, recorded_url: str) -> str:
        """The recorded URL as a client of this server sees it; a host without a recorded entry stays as it is."""
        origin = _origin_of(recorded_url)
        listener = self._listeners.get(origin)
        return listener.url + recorded_url.removeprefix(origin) if listener else recorded_url

    def local_body(self, body: bytes) -> bytes:
        """A recorded body, with the URLs of further hosts as a client of this server reaches them."""
        for origin, listener in self._listeners.items():
            if origin != STUDIO:
                body = body.replace(f"{origin}/".encode(), f"{listener.url}/".encode())
        return body

    def start(self) -> None:
        """Listen, for Studio and for each further host of the recordings."""
        for origin in dict.fromkeys([STUDIO, *(entry.request.origin for entry in self.entries)]):
            port = self._port if origin == STUDIO else 0
            self._listeners[origin] = _Listener(port, partial(_Handler, self, origin))

    def close(self) -> None:
        """Stop listening and end every connection."""
        for listener in self._listeners.values():
            listener.stop()

    def verify(self) -> None:
        """Fail with every request that differed from the recording and every entry that was not asked for."""
        unused = [f"not asked for: {entry.request}" for entry in self.entries if not entry.used]
        problems = [*dict.fromkeys(self._differences), *unused]
        if self._strict and problems:
            raise AssertionError("\n".join(["The requests differ from the recording.", *problems]))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        self.close()
        if error_type is None:
            self.verify()

    def answer(self, asked: Request) -> Answer:
        """The recorded answer, or one that names the difference."""
        with self._lock:
            self.requests.append(asked)
            match = self._match(asked)
            if isinstance(match, Entry):
                match.used = True
                return match.answer
            difference = f"{asked}: {match}"
            self._differences.append(difference)
        # In the shape of Studio's own errors, so that a client shows the difference in its exception.
        body = json.dumps({"error": difference}, ensure_ascii=False).encode()
        status = DIFFERS_FROM_RECORDING if self._strict else HTTPStatus.NOT_FOUND
        return Answer(status, [("Content-Type", "application/json")], body)

    def _match(self, asked: Request) -> Entry | str:
        """The entry that answers the request, or why there is none."""
        there = [entry for entry in self.entries if entry.request.place == asked.place]
        if not self._strict:
            there = [entry for entry in there if sorted(entry.request.query) == sorted(asked.query)]
        if not there:
            return "not in the recording"
        if not self._strict:
            return there[0]
        unused = next((entry for entry in there if not entry.used), None)
        if unused is None:
            return f"asked once more than the recording has it ({len(there)})"
        return "; ".join(_differences_between(unused.request, asked)) or unused


def _differences_between(recorded: Request, asked: Request) -> Iterator[str]:
    if asked.query != recorded.query:
        yield f"query: recorded {recorded.query}, asked {asked.query}"
    if asked.comparable_body != recorded.comparable_body:
        yield f"body: recorded {recorded.comparable_body or 'none'}, asked {asked.comparable_body or 'none'}"
    for name in COMPARED_WHERE_RECORDED:
        if name in recorded.headers and asked.headers.get(name) != recorded.headers[name]:
            yield f"{name}: recorded {recorded.headers[name]!r}, asked {asked.headers.get(name)!r}"
    # The token itself is neither compared nor shown.
    authorization = asked.headers.get("authorization")
    if "authorization" not in recorded.headers:
        if authorization is not None:
            yield "authorization: recorded none, asked with one"
    elif not re.fullmatch(r"Bearer \S+", authorization or ""):
        yield f"authorization: recorded 'Bearer ...', asked with {'none' if authorization is None else 'another form'}"
    if "transfer-encoding" in asked.headers:
        yield "body: chunked, so that its length was not announced"


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _hars_in(recording: Path | str | dict[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(recording, dict):
        yield recording
        return
    path = Path(recording)
    for file in sorted(path.rglob("*.har")) if path.is_dir() else [path]:
        yield json.loads(file.read_text(encoding="utf-8"))


def _entry(recorded: dict[str, Any]) -> Entry:
    request, response = recorded["request"], recorded["response"]
    address: str = request["url"]
    url = urlsplit(address)
    text = response["content"].get("text", "")
    encoded = response["content"].get("encoding") == "base64"
    return Entry(
        Request(
            method=request["method"],
            origin=_origin_of(address),
            path=url.path,
            query=parse_qsl(url.query, keep_blank_values=True),
            headers={header["name"].lower(): header["value"] for header in request["headers"]},
            body=request.get("postData", {}).get("text", "").encode(),
        ),
        Answer(
            status=response["status"],
            headers=[(header["name"], header["value"]) for header in response["headers"]],
            body=base64.b64decode(text) if encoded else text.encode(),
        ),
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The answer leaves in one piece: two small writes would wait for each other.
    wbufsize = -1
    disable_nagle_algorithm = True

    def __init__(self, recorded: RecordedServer, origin: str, *connection: Any) -> None:
        self._recorded = recorded
        self._origin = origin
        super().__init__(*connection)

    def _reply(self) -> None:
        target = urlsplit(self.path)
        asked = Request(
            method=self.command,
            origin=self._origin,
            path=target.path,
            query=parse_qsl(target.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length", "0"))),
        )
        answer = self._recorded.answer(asked)
        # What is left of a chunked body would be read as the next request.
        self.close_connection = self.close_connection or "transfer-encoding" in asked.headers
        content = self._recorded.local_body(answer.body)
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in NOT_REPLAYED and not name.startswith(":"):
                self.send_header(name, self._recorded.local_url(value) if name.lower() == "location" else value)
        if answer.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    # http.server finds its methods by these names.
    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = _reply  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what was asked is in `RecordedServer.requests`."""


class _Listener(ThreadingHTTPServer):
    # Stopping waits for the threads, which end because their connections are ended.
    daemon_threads = False

    def __init__(self, port: int, handler: partial[_Handler]) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client may hang up whenever it likes.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve recordings until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve HAR recordings on 127.0.0.1, each as often as it is asked for.")
    parser.add_argument("recordings", nargs="+", type=Path, metavar="FILE_OR_FOLDER")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    options = parser.parse_args(arguments)
    with (
        contextlib.suppress(KeyboardInterrupt),
        RecordedServer(*options.recordings, strict=False, port=options.port) as server,
    ):
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
