"""A server that issues and refreshes tokens; each test decides how it answers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl

from canvas_studio import MemoryTokenStore, OAuth, StudioClient, Tokens
from support.fault_server import Answer, FaultServer, Received, json_answer, library_of, media_answer, page_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

CLIENT_ID = "key-of-the-tests"
CLIENT_SECRET = "secret-of-the-tests-2718281828"
TOKEN_PATH = "/api/public/oauth/token"
HOUR = timedelta(hours=1)


class School:
    """A Studio whose access tokens are good until the test ends them, and whose refresh tokens are good once.

    `endpoint` are the answers of the token endpoint in place of the true ones, the first first; what is not answered
    truthfully is not carried out either. `granted` are further fields of the true ones; `None` leaves a field out.
    """

    def __init__(self, *endpoint: Answer, **granted: Any) -> None:
        self.endpoint = list(endpoint)
        self.granted = granted
        self.gate: threading.Event | None = None
        self.stays_401 = False
        self._lock = threading.Lock()
        self._number = 0
        self._access = "access-0-of-the-tests"
        self.refresh_token = "refresh-0-of-the-tests"
        self.server = FaultServer(self._answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    @property
    def refreshes(self) -> list[Received]:
        """What the token endpoint was asked."""
        return [request for request in self.server.requests if request.path == TOKEN_PATH]

    @property
    def calls(self) -> list[Received]:
        """What the API was asked."""
        return [request for request in self.server.requests if request.path != TOKEN_PATH]

    def end_access(self) -> None:
        """From now on the access token that was given out last is refused."""
        self._access = "none"

    def tokens(self, *, expires_at: datetime | None = None) -> Tokens:
        """The tokens that are good now."""
        return Tokens(self._access, refresh_token=self.refresh_token, expires_at=expires_at, url=self.server.url)

    def expired(self) -> Tokens:
        """The tokens that are good now, of which the client thinks that they have ended."""
        return self.tokens(expires_at=datetime.now(UTC) - HOUR)

    def oauth(self, store: Any = None, **options: Any) -> OAuth:
        """An OAuth with the tokens that are good now, or with a store."""
        return OAuth(CLIENT_ID, CLIENT_SECRET, store=store or MemoryTokenStore(self.tokens()), **options)

    def client(self, auth: OAuth | None = None, **options: Any) -> StudioClient:
        """A client that does not wait before it tries again."""
        given: dict[str, Any] = {"retry_delay": 0, **options}
        return StudioClient(self.server.url, auth=auth or self.oauth(), **given)

    def _answer(self, request: Received) -> Answer:
        if request.path == TOKEN_PATH:
            return self._refresh(dict(parse_qsl(request.body.decode())))
        if self.stays_401 or request.headers["authorization"] != f"Bearer {self._access}":
            return json_answer({"error": "expired"}, 401)
        if request.path.endswith("/media/search"):
            return page_answer(request, library_of(90))
        return media_answer(int(request.path.rpartition("/")[2])) if request.method == "GET" else json_answer({})

    def _refresh(self, form: dict[str, str]) -> Answer:
        with self._lock:
            if self.endpoint:
                return self.endpoint.pop(0)
            if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
                return json_answer({"error": "invalid_client"}, 401)
            if (form["grant_type"], form["refresh_token"]) != ("refresh_token", self.refresh_token):
                return json_answer({"error": "invalid_grant"}, 400)
            self._number += 1
            self._access = f"access-{self._number}-of-the-tests"
            self.refresh_token = f"refresh-{self._number}-of-the-tests"
            answer = {
                "access_token": self._access,
                "token_type": "Bearer",
                "expires_in": 7200,
                "refresh_token": self.refresh_token,
                "created_at": int(time.time()),
                **self.granted,
            }
            sent = {name: value for name, value in answer.items() if value is not None}
            return json_answer(sent, gate=self.gate)


def eventually(holds: Callable[[], bool], timeout: float = 20.0) -> bool:
    """Whether something holds, or comes to hold in time."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


# Every program of this file begins with a client of the school that its input tells, with the tokens of a file.
BEGIN = """
import asyncio, json, os, signal, sys, threading
from canvas_studio import FileTokenStore, LoginRequiredError, MemoryTokenStore, OAuth, StudioClient
school = json.loads(sys.stdin.readline())
store = FileTokenStore(school["path"])
oauth = OAuth(school["client_id"], school["client_secret"], store=store)
studio = StudioClient(school["url"], auth=oauth, retry_delay=0)
"""


@contextlib.contextmanager
def running_signed_in(program: str, school: School, path: Path) -> Generator[subprocess.Popen[str]]:
    """A program that is killed at the end, in case that it still runs."""
    pipe = subprocess.PIPE
    # From 3.12 on, Python warns of every fork of a process with threads; that it works is what is tested.
    options = ["-W", "ignore:This process:DeprecationWarning"]
    command = [sys.executable, *options, "-c", BEGIN + textwrap.dedent(program)]
    told = {"url": school.server.url, "path": str(path), "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()
