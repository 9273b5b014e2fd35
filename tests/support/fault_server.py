"""A server on a loopback socket; each test decides how it answers or fails to answer."""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from support.clients import TOKEN as TOKEN  # noqa: PLC0414 - tests import it from here
from support.clients import ServesClients

MEGABYTE = 1_000_000
# A reader takes up to 32 pages in one batch, and 16 more may be under way behind it.
MOST_PAGES_AT_ONCE = 32 + 16

# No wait inside the server lasts longer than this, whatever a test or a client does.
LONGEST_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came over the wire; header names are in lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes
    raw: bytes
    connection: int
    at: float

    @property
    def parameters(self) -> dict[str, str]:
        """The query, as a mapping."""
        return dict(self.query)

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server does about one request.

    Attributes:
        status: The HTTP status.
        headers: Headers besides the length of the body.
        body: The body.
        stream: Makes the body piece by piece, in place of `body`; without a `content_length` it is chunked.
        delay: Seconds before anything is sent.
        gate: Nothing is sent before this is set.
        silent: Nothing is sent at all, not even the status line; what happens instead is `end`.
        send: How many bytes of the body are sent before `end`.
        end: After the answer: wait for the next request, send FIN, send RST, or hold the connection and say nothing.
        chunked: Transfer-Encoding: chunked in place of Content-Length.
        content_length: The length to declare in place of the true one.
        drip: Seconds between single bytes of the body; 0 sends it as fast as it goes.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    stream: Callable[[], Iterable[bytes]] | None = None
    delay: float = 0.0
    gate: threading.Event | None = None
    silent: bool = False
    send: int | None = None
    end: Literal["keep", "close", "reset", "hang"] = "keep"
    chunked: bool = False
    content_length: int | None = None
    drip: float = 0.0


Handler: TypeAlias = Callable[[Received], Answer]

RESET = Answer(silent=True, end="reset")
CLOSE = Answer(silent=True, end="close")
HANG = Answer(silent=True, end="hang")


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None, **how: Any) -> Answer:
    """An answer with a JSON body."""
    body = json.dumps(value).encode()
    return Answer(status=status, headers={"Content-Type": "application/json", **(headers or {})}, body=body, **how)


def text_answer(text: str, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a body that is not JSON."""
    return Answer(status=status, headers={"Content-Type": content_type, **(headers or {})}, body=text.encode())


def redirect(location: str, status: int = 302) -> Answer:
    """An answer that points elsewhere."""
    return Answer(status=status, headers={"Location": location})


def person(id: int = 7, **changes: Any) -> dict[str, Any]:
    """A user as Studio sends one."""
    name = f"Person {id}"
    return {"id": id, "full_name": name, "display_name": name, "email": f"person{id}@example.edu", **changes}


def collection_item(id: int = 1, **changes: Any) -> dict[str, Any]:
    """A collection as Studio sends one."""
    return {
        "id": id,
        "name": f"Collection {id}",
        "type": "user",
        "permission": "edit",
        "owner": person(),
        "created_at": "2024-05-16T02:36:46Z",
        "course_id": None,
        "archived_at": None,
        **changes,
    }


def media_item(id: int = 1, **changes: Any) -> dict[str, Any]:
    """A media as Studio sends one."""
    return {
        "id": id,
        "title": f"Lecture {id}",
        "description": None,
        "duration": 735.5,
        "created_at": "2024-05-16T02:36:46.696Z",
        "last_viewed": "2024-06-01",
        "last_viewed_by_student": None,
        "thumbnail_url": f"https://thumbnails.example/{id}.png",
        "transcoding_status": "transcoding_finished",
        "owner": person(),
        "size": 1_000 + id,
        "source": "upload",
        "embed_id": f"embed-{id}",
        "lti_launch_id": f"00000000-0000-0000-0000-000000000000-{id}",
        "archived_at": None,
        "permission": None,
        **changes,
    }


def media_answer(id: int = 1, **changes: Any) -> Answer:
    """One media in its wrapper."""
    return json_answer({"media": media_item(id, **changes)})


def media_named_in_path(request: Received) -> Answer:
    """Answers /media/{id} with the media that was asked for."""
    return media_answer(int(request.path.rpartition("/")[2]))


def library_of(count: int) -> list[dict[str, Any]]:
    """So many media, with the ids 1, 2, 3 and so on."""
    return [media_item(number) for number in range(1, count + 1)]


def page_answer(request: Received, items: Sequence[object], key: str = "media", *, meta: bool = True) -> Answer:
    """The page of the items that the request asks for."""
    page, size = int(request.parameters.get("page", "1")), int(request.parameters.get("per_page", "20"))
    content: dict[str, Any] = {key: items[(page - 1) * size : page * size]}
    if meta:
        last_page = max(1, -(-len(items) // size))
        content["meta"] = {"current_page": page, "last_page": last_page, "total_count": len(items)}
    return json_answer(content)


def paged(items: Sequence[object], key: str = "media", *, meta: bool = True) -> Handler:
    """A handler that answers with pages of these items."""
    return lambda request: page_answer(request, items, key, meta=meta)


def file_answer(request: Received, content: bytes, *, etag: str = '"1"', **how: Any) -> Answer:
    """A file as a storage host sends it: whole, or from where Range says unless If-Range names another version."""
    headers = {"Content-Type": "video/mp4", "ETag": etag, "Accept-Ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    if wanted is None or request.headers.get("if-range", etag) != etag:
        return Answer(headers=headers, body=content, **how)
    start, size = int(wanted[1]), len(content)
    if start >= size:
        return Answer(status=416, headers={"Content-Range": f"bytes */{size}"})
    content_range = {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
    return Answer(status=206, headers=headers | content_range, body=content[start:], **how)


class FaultServer(ServesClients):
    """Answers requests by script: the first with the first step, the second with the second; the last step repeats.

    A step is an `Answer`, or a function from the request to one. Every connection has its own thread.
    """

    def __init__(self, *script: Answer | Handler, listening: bool = True) -> None:
        """Bind a free port; with listening=False connections are refused until `listen` is called."""
        super().__init__()
        self.requests: list[Received] = []
        self.body_bytes_sent = 0
        self._script = script
        self._disconnects = 0
        self._open = 0
        self._changed = threading.Condition()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        # A byte that nobody reads wakes every thread that waits on a socket, now and later.
        self._stopped, self._stop = socket.socketpair()
        self._stopping = False
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        if listening:
            self.listen()

    def listen(self) -> None:
        """Begin to accept connections."""
        self._listener.listen(128)
        self._start(self._accept)

    def wait_for_requests(self, count: int = 1, timeout: float = 10.0) -> bool:
        """Whether so many requests have come, or come in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= count, timeout)

    def wait_for_disconnect(self, timeout: float = 10.0, count: int = 1) -> bool:
        """Whether so many clients went away, or go in time, before they had their whole answer."""
        with self._changed:
            return self._changed.wait_for(lambda: self._disconnects >= count, timeout)

    def wait_until_left(self, timeout: float = 10.0, open_at_most: int = 0) -> bool:
        """Whether every connection that there was, but for so many, has ended, or ends in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open <= open_at_most, timeout)

    def close(self) -> None:
        """End every connection and every thread."""
        self.close_clients()
        self._stopping = True
        self._stop.send(b"!")
        for connection in self._connections:
            _shut(connection)
        for thread in self._threads:
            thread.join(timeout=10.0)
        for endpoint in (self._listener, self._stop, self._stopped, *self._connections):
            endpoint.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while self._readable(self._listener, LONGEST_WAIT * 10):
            connection, _ = self._listener.accept()
            connection.settimeout(LONGEST_WAIT)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            self._count_open(1)
            self._start(self._converse, connection, len(self._connections))

    def _readable(self, endpoint: socket.socket, seconds: float) -> bool:
        """Whether there is something to read in time; never once the server stops."""
        ready, _, _ = select.select([endpoint, self._stopped], [], [], seconds)
        return endpoint in ready and self._stopped not in ready

    def _converse(self, connection: socket.socket, number: int) -> None:
        try:
            while self._readable(connection, LONGEST_WAIT * 10) and (request := _receive(connection, number)):
                with self._changed:
                    self.requests.append(request)
                    step = self._script[min(len(self.requests), len(self._script)) - 1]
                    self._changed.notify_all()
                answer = step if isinstance(step, Answer) else step(request)
                if not self._answer(connection, answer):
                    break
        except OSError:
            self._note_disconnect()
        finally:
            _shut(connection)
            connection.close()
            self._count_open(-1)

    def _answer(self, connection: socket.socket, answer: Answer) -> bool:
        """Do what the answer says; whether the connection stays open."""
        if not self._wait(connection, answer):
            return False
        if not answer.silent:
            self._send(connection, answer)
        if answer.end == "hang":
            self._hold(connection, LONGEST_WAIT)
        if answer.end == "reset":
            # A linger time of zero makes close send RST in place of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        return answer.end == "keep"

    def _wait(self, connection: socket.socket, answer: Answer) -> bool:
        """Wait as long as the answer says; whether the client is still there."""
        deadline = time.monotonic() + LONGEST_WAIT
        while answer.gate is not None and not answer.gate.is_set() and time.monotonic() < deadline:
            if not self._hold(connection, 0.01):
                return False
        return answer.delay == 0 or self._hold(connection, answer.delay)

    def _hold(self, connection: socket.socket, seconds: float) -> bool:
        """Say nothing for so long; whether the client is still there."""
        if not self._readable(connection, seconds):
            return not self._stopping
        # A client that waits for an answer has nothing to say: what can be read is its goodbye.
        self._note_disconnect()
        return False

    def _count_open(self, change: int) -> None:
        with self._changed:
            self._open += change
            self._changed.notify_all()

    def _note_disconnect(self) -> None:
        with self._changed:
            self._disconnects += 1
            self._changed.notify_all()

    def _send(self, connection: socket.socket, answer: Answer) -> None:
        pieces = [answer.body] if answer.stream is None else answer.stream()
        chunked = answer.chunked or (answer.stream is not None and answer.content_length is None)
        length = len(answer.body) if answer.content_length is None else answer.content_length
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length}"
        named = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        connection.sendall(f"HTTP/1.1 {answer.status} Answer\r\n{named}{framing}\r\n\r\n".encode())
        left = answer.send
        for piece in pieces:
            part = piece if left is None else piece[:left]
            self._send_piece(connection, part, answer.drip, chunked=chunked)
            if left is not None and (left := left - len(part)) == 0:
                return
        if chunked:
            connection.sendall(b"0\r\n\r\n")

    def _send_piece(self, connection: socket.socket, piece: bytes, drip: float, *, chunked: bool) -> None:
        step = 1 if drip else 256 * 1024
        for start in range(0, len(piece), step):
            part = piece[start : start + step]
            connection.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            with self._changed:
                self.body_bytes_sent += len(part)
            if drip and not self._hold(connection, drip):
                raise ConnectionAbortedError


def _receive(connection: socket.socket, number: int) -> Received | None:
    """Read one request; None when the client closed the connection instead of asking."""
    try:
        head = _read_until(connection, b"\r\n\r\n")
    except OSError:
        # Between two requests a client may leave as it likes.
        return None
    if not head:
        return None
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = _read_exactly(connection, int(headers.get("content-length", "0")))
    address = urlsplit(target)
    query = tuple(parse_qsl(address.query, keep_blank_values=True))
    return Received(method, address.path, query, headers, body, head + body, number, time.monotonic())


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    """Read up to and with `end`, and nothing behind it."""
    data = b""
    while not data.endswith(end):
        seen = connection.recv(65_536, socket.MSG_PEEK)
        if not seen:
            return b""
        position = (data + seen).find(end)
        wanted = len(seen) if position < 0 else position + len(end) - len(data)
        data += _read_exactly(connection, wanted)
    return data


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionAbortedError
        data += piece
    return data


def _shut(connection: socket.socket) -> None:
    """Send FIN, and wake whoever waits on the socket; it may be gone already."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
