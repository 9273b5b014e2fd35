"""HTTP requests without our client, to see a server's answers as they are."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

API = "/api/public/v1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are in lower case. A redirect is an answer like any other."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def ask(
    url: str,
    method: str = "GET",
    path: str = "",
    *,
    token: str | None = None,
    query: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    json_body: object = None,
) -> Answer:
    """Send one request over a connection of its own.

    Args:
        url: The server's URL, or the whole URL of what is asked for.
        method: The HTTP method.
        path: The path behind `/api/public/v1`; or the whole path, if it begins with `/api/`.
        token: What goes into `Authorization: Bearer`.
        query: Parameters that are appended to the URL.
        headers: Further headers.
        body: The body as it is.
        json_body: The body as a JSON value.
    """
    parts = urlsplit(url)
    whole = path if not path or path.startswith("/api/") else API + path
    target = (parts.path + whole or "/") + (f"?{parts.query}" if parts.query else "")
    if query:
        target += ("&" if "?" in target else "?") + urlencode(query)
    given = dict(headers or {})
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    if json_body is not None:
        body = json.dumps(json_body)
        given.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        connection.request(method, target, body, given)
        response = connection.getresponse()
        received = response.read()
    finally:
        connection.close()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, received)


def send_form(url: str, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
    """Post a form, as a browser or an OAuth client does."""
    return ask(url, "POST", path, body=urlencode(form), headers={**FORM, **(headers or {})})
