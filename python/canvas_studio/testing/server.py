"""Servers on this machine that stand in for a school and its storage hosts, each on a port of its own."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from canvas_studio.testing.har import Request
from canvas_studio.testing.redaction import left_out

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from canvas_studio._core import StudioClient

__all__ = ["Exchange", "Listener", "Serves", "in_order"]

CHUNK = 1 << 16
# Of a longer body only the length is kept.
LONGEST_BODY = 16 << 20
# A body is already decoded, and its length and connection belong to another socket.
OF_THE_CONNECTION = {
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
}


@contextlib.contextmanager
def in_order(studio: StudioClient) -> Generator[StudioClient]:
    """Give a client that requests a page of a list only when the program wants it; close both at the end."""
    with studio, studio._without_prefetch() as client:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        yield client


class Serves(Protocol):
    """What decides about the answers."""

    def serve(self, exchange: Exchange, origin: str, /) -> None:
        """Answer one request to the host that a listener stands in for."""


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    protocol_version = "HTTP/1.1"
    # The answer leaves in one piece: two small writes would wait for each other.
    wbufsize = -1
    disable_nagle_algorithm = True

    def __init__(self, serves: Serves, origin: str, *connection: Any) -> None:  # noqa: ANN401 - as its base has it
        self._serves = serves
        self._origin = origin
        super().__init__(*connection)

    def _serve(self) -> None:
        # What is left of a chunked body would be read as the next request.
        self.close_connection = self.close_connection or "transfer-encoding" in self.headers
        self._serves.serve(self, self._origin)

    # http.server finds its methods by these names.
    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = _serve  # noqa: N815

    @property
    def length(self) -> int:
        """How long the body of the request is, in bytes."""
        return int(self.headers.get("Content-Length", "0"))

    def body(self) -> Iterator[bytes]:
        """Read the body of the request, once."""
        left = self.length
        while left and (chunk := self.rfile.read(min(left, CHUNK))):
            left -= len(chunk)
            yield chunk

    def asked(self) -> Request:
        """Read the request with its body; of a long body only the length is kept."""
        target, length = urlsplit(self.path), self.length
        body = b"" if length > LONGEST_BODY else b"".join(self.body())
        if length > LONGEST_BODY:
            for _ in self.body():
                pass
            body = left_out(length, "bytes").encode()
        return Request(
            method=self.command,
            origin=self._origin,
            path=target.path,
            query=parse_qsl(target.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )

    def respond(
        self, status: int, headers: Iterable[tuple[str, str]], body: Iterable[bytes], length: int | None
    ) -> None:
        """Send the answer; without a length, the end of the connection ends it."""
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in OF_THE_CONNECTION and not name.startswith(":"):
                self.send_header(name, value)
        self.close_connection = self.close_connection or length is None
        if self.close_connection:
            self.send_header("Connection", "close")
        if length is not None and status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        for chunk in body if self.command != "HEAD" else ():
            self.wfile.write(chunk)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401 - as its base has it
        """Say nothing: the client logs its requests."""


class Listener(ThreadingHTTPServer):
    """A server on a port of this machine, which stands in for one host."""

    # Stopping waits for the threads, which end because their connections are ended.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, serves: Serves, origin: str, port: int = 0) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), partial(Exchange, serves, origin))
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.01}, name="canvas-studio recording", daemon=True
        )
        self._thread.start()

    def server_bind(self) -> None:
        """Bind, without the look-up of this machine's name that `HTTPServer` makes."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection."""
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as its base has it
        """End a connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as its base has it
        """Show an error, if it is one of ours."""
        # A client may hang up whenever it likes.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Stop listening and end every connection."""
        self.shutdown()
        self._thread.join()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
