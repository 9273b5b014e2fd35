"""The network between client and server: a TLS front, a proxy with a password, and no variables of the machine."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest
    import trustme

# No wait inside a gateway lasts longer than this, in seconds.
LONGEST_WAIT = 30.0


class Gateway:
    """Takes connections on a free port, each with a thread of its own."""

    def __init__(self, certificate: trustme.LeafCert | None = None, protocols: tuple[str, ...] = ("http/1.1",)) -> None:
        """With a certificate, TLS is spoken, and these protocols over it."""
        self.connections = 0
        # All that was passed on, in both directions.
        self.seen = bytearray()
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.set_alpn_protocols(protocols)
            # It would take a context of pyOpenSSL too, of which no types are known.
            certificate.configure_cert(self._context)  # pyright: ignore[reportUnknownMemberType]
        # A byte that nobody reads wakes every thread that waits on a socket, now and later.
        self._stopped, self._stop = socket.socketpair()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'http' if self._context is None else 'https'}://127.0.0.1:{self.port}"

    def converse(self, near: socket.socket) -> None:
        """Do what is to be done with one connection; it is closed afterwards."""
        raise NotImplementedError

    def close(self) -> None:
        """End every connection and every thread."""
        self._stop.send(b"!")
        for thread in self._threads:
            thread.join(timeout=LONGEST_WAIT)
        for endpoint in (self._listener, self._stop, self._stopped):
            endpoint.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _ready(self, *endpoints: socket.socket) -> list[socket.socket]:
        """Those from which there is something to read; none once the gateway stops."""
        ready, _, _ = select.select([*endpoints, self._stopped], [], [], LONGEST_WAIT)
        return [] if self._stopped in ready else ready

    def _accept(self) -> None:
        while self._ready(self._listener):
            connection, _ = self._listener.accept()
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.enter_context(connection)
            connection.settimeout(LONGEST_WAIT)
            if not self._ready(connection):
                return
            if self._context is not None:
                connection = stack.enter_context(self._context.wrap_socket(connection, server_side=True))
            self.converse(connection)

    def pass_on(self, near: socket.socket, port: int, head: bytes = b"") -> None:
        """Connect to a port of this machine, say `head`, and pass on what comes until one side has no more."""
        with socket.create_connection(("127.0.0.1", port), LONGEST_WAIT) as far:
            far.sendall(head)
            while ready := self._ready(near, far):
                for endpoint in ready:
                    data = endpoint.recv(65_536)
                    if not data:
                        return
                    self.seen += data
                    (far if endpoint is near else near).sendall(data)


class TlsFront(Gateway):
    """Speaks TLS with a certificate, and passes what it reads on to a server that does not."""

    def __init__(self, certificate: trustme.LeafCert, url: str) -> None:
        """Stand before the server at the URL."""
        self._behind = int(url.rpartition(":")[2])
        super().__init__(certificate)

    def converse(self, near: socket.socket) -> None:
        """Pass everything on."""
        self.pass_on(near, self._behind)


class Proxy(Gateway):
    """A proxy, which may want a user and a password. It knows its own way to every host: `routes`."""

    def __init__(
        self,
        routes: Mapping[str, Gateway] | None = None,
        *,
        user: str | None = None,
        password: str = "",
        certificate: trustme.LeafCert | None = None,
    ) -> None:
        """Route hosts with their ports ("studio.example.edu:443"); this machine is found anyway, no other host is."""
        self.heads: list[str] = []
        self._routes = {place: gateway.port for place, gateway in (routes or {}).items()}
        self._wanted = None if user is None else "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        super().__init__(certificate)

    @property
    def places(self) -> list[str]:
        """Where it was told to connect to, in order."""
        return [head.split(" ")[1] for head in self.heads]

    def converse(self, near: socket.socket) -> None:
        """Do what the first request says."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = near.recv(1)
            if not byte:
                return
            head += byte
        text = head.decode("latin-1")
        self.heads.append(text)
        method, target, _ = text.split("\r\n", 1)[0].split(" ")
        place = target if method == "CONNECT" else target.split("/")[2]
        host, _, port = place.rpartition(":")
        if self._wanted is not None and f"proxy-authorization: {self._wanted}\r\n".lower() not in text.lower():
            near.sendall(b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
        elif place not in self._routes and host != "127.0.0.1":
            near.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        elif method == "CONNECT":
            near.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
            self.pass_on(near, self._routes.get(place, int(port)))
        else:
            self.pass_on(near, self._routes.get(place, int(port)), head)


def forget_network_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset what names a proxy or certificates, so that no test depends on the network of the machine."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
