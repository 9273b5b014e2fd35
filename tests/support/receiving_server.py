"""A server that counts the bytes of a body as they arrive, and reads them as fast or as slowly as it is told."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from support.clients import ServesClients

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok": 1.5}'
LONGEST_WAIT = 30.0


@dataclass(slots=True)
class Arrived:
    """One request: its head, and what arrived of its body."""

    head: str
    length: int
    count: int = 0
    hash: Any = field(default_factory=hashlib.sha256)
    start: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """The headers, with lower-case names."""
        lines = self.head.split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a body is read, and what is answered.

    Attributes:
        rate: Bytes per second; 0 is as fast as it goes.
        stop_at: How many bytes are read. What then happens is `stopped`.
        stopped: Called once `stop_at` bytes were read, with the server; then the rest is read unless it returns False.
        answer: The bytes of the answer.
        close: Whether the connection is closed after the answer.
        reset: Whether it is closed without an answer.
    """

    rate: float = 0
    stop_at: int | None = None
    stopped: Callable[[ReceivingServer], bool] | None = None
    answer: bytes = OK
    close: bool = False
    reset: bool = False


class ReceivingServer(ServesClients):
    """Reads requests by script, the last step again and again. Little hides in its buffer, which is small."""

    def __init__(self, *script: Reading) -> None:
        """Listen on a free port."""
        super().__init__()
        self.requests: list[Arrived] = []
        self.released = threading.Event()
        self._script: Sequence[Reading] = script or (Reading(),)
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self._listener = socket.socket()
        # Accepted connections take it over.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(16)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    def wait(self) -> bool:
        """Wait until the test goes on, for `Reading.stopped`."""
        return self.released.wait(LONGEST_WAIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.close_clients()
        for endpoint in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                endpoint.shutdown(socket.SHUT_RDWR)
            endpoint.close()
        for thread in self._threads:
            thread.join(timeout=10.0)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(LONGEST_WAIT)
            self._connections.append(connection)
            self._start(self._converse, connection)

    def _converse(self, connection: socket.socket) -> None:
        try:
            while self._receive(connection):
                pass
        except OSError:
            pass
        finally:
            connection.close()

    def _receive(self, connection: socket.socket) -> bool:
        """Read one request and answer it; whether the connection stays open."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return False
            head += byte
        text = head.decode("latin-1").rstrip("\r\n")
        request = Arrived(text, 0)
        request.length = int(request.headers.get("content-length", "0"))
        self.requests.append(request)
        reading = self._script[min(len(self.requests), len(self._script)) - 1]
        if not self._read_body(connection, request, reading):
            return False
        if reading.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        connection.sendall(reading.answer)
        return not reading.close

    def _read_body(self, connection: socket.socket, request: Arrived, reading: Reading) -> bool:
        began = time.monotonic()
        end = request.length if reading.stop_at is None else min(reading.stop_at, request.length)
        while True:
            while request.count < end:
                piece = connection.recv(min(16_384, end - request.count))
                if not piece:
                    return False
                request.count += len(piece)
                request.hash.update(piece)
                request.start += piece[: max(0, 4096 - len(request.start))]
                if reading.rate and (ahead := request.count / reading.rate - (time.monotonic() - began)) > 0:
                    time.sleep(ahead)
            if end == request.length or reading.stopped is None:
                return True
            if not reading.stopped(self):
                return True
            end = request.length
