"""The clients of a test server: they are closed with it."""

from __future__ import annotations

from typing import Any

from canvas_studio import StudioClient

TOKEN = "studio-token-of-the-tests-0123456789"


class ServesClients:
    """The base of test servers that make clients of themselves."""

    url: str

    def __init__(self) -> None:
        """Begin without clients."""
        self._clients: list[StudioClient] = []

    def client(self, **options: Any) -> StudioClient:
        """A client of this server, which is closed with it and does not wait before it tries again."""
        given: dict[str, Any] = {"retry_delay": 0, **options}
        client = StudioClient(self.url, token=TOKEN, **given)
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        """Close all of them."""
        for client in self._clients:
            client.close()
