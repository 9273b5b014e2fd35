"""Reads HAR 1.2 files of this package and of other tools; refuses what cannot be replayed, by name."""

from __future__ import annotations

import base64
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from canvas_studio._frozen import frozen
from canvas_studio.testing.redaction import CREATOR, LEFT_OUT

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["Answer", "Entry", "HarError", "Recording", "Request", "origin_of", "parse_har", "read_har"]

STUDIO_PATH = "/api/public/"
# Statuses whose answers have no body, or one that no client reads.
WITHOUT_BODY = {204, 205, 304}
AGAIN = "record it again, or remove the entry from the file"
WITH_CONTENT = 'in a browser, export with content ("Save all as HAR with content"); in Playwright, give content="embed"'

Files: TypeAlias = "Callable[[str], bytes]"


class HarError(ValueError):
    """A file is no HAR, or holds something that cannot be replayed; the message names each entry and what to do."""


@frozen
@dataclass(frozen=True, slots=True, weakref_slot=True)
class Request:
    """A request, as it was recorded or as it was asked; header names are in lower case."""

    method: str
    origin: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.origin}{self.path} {self.query}"


@frozen
@dataclass(frozen=True, slots=True, weakref_slot=True)
class Answer:
    """An answer to one request.

    Attributes:
        status: The HTTP status.
        headers: The headers, as they were recorded.
        body: The body.
        filler: The length of a body of which only that is recorded; it is answered as so many zeros.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    filler: int = 0


@dataclass(slots=True, weakref_slot=True)
class Entry:
    """A recorded request and its answer."""

    request: Request
    answer: Answer
    used: bool = False


@dataclass(slots=True, weakref_slot=True)
class Recording:
    """The entries of a HAR.

    Attributes:
        entries: The requests and answers, in recorded order.
        studio: The origin of the school, such as `https://myschool.instructuremedia.com`; `None` if no entry is of one.
        is_ours: Whether this package wrote it, so that all of a request is compared.
    """

    entries: list[Entry]
    studio: str | None
    is_ours: bool


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL.

    Args:
        url: The URL.

    Returns:
        The part before the path.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def read_har(path: str | os.PathLike[str]) -> Recording:
    """Read a HAR file, or a ZIP file with a HAR and its bodies, as Playwright writes it.

    Args:
        path: The file.

    Returns:
        What it holds.

    Raises:
        HarError: If it is no HAR, or holds something that cannot be replayed.
        OSError: If it cannot be read.
    """
    path = Path(path)
    if not zipfile.is_zipfile(path):
        return parse_har(_json(path.read_bytes(), path), path, lambda name: (path.parent / name).read_bytes())
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".har")]
        if len(names) != 1:
            raise HarError(f"{path} holds {len(names)} files that end in .har: give a ZIP file with one")
        return parse_har(_json(archive.read(names[0]), path), path, archive.read)


def parse_har(har: object, source: object = "the recording", files: Files | None = None) -> Recording:
    """Read a parsed HAR.

    Args:
        har: The HAR.
        source: What messages call it.
        files: Reads a body that stands in a file of its own, by name; `None` if there are none.

    Returns:
        What it holds.

    Raises:
        HarError: If it is no HAR, or holds something that cannot be replayed.
    """
    try:
        log: dict[str, Any] = cast("dict[str, Any]", har)["log"]
        recorded: list[dict[str, Any]] = list(log["entries"])
        is_ours = log.get("creator", {}).get("name") == CREATOR["name"]
    except (AttributeError, KeyError, TypeError):
        raise HarError(f"{source} is no HAR: it has no log with entries") from None
    if not str(version := log.get("version") or "1.2").startswith("1."):
        raise HarError(f"{source} is a HAR of the version {version}, where 1.2 is expected: export it as HAR 1.2")
    entries: list[Entry] = []
    problems: list[str] = []
    for number, each in enumerate(recorded, 1):
        try:
            entries.append(_entry(each, files))
        except HarError as problem:
            problems.append(f"entry {number}, {_named(each)}: {problem}")
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            what = f"it lacks {problem}" if isinstance(problem, KeyError) else "a value is not of its kind"
            problems.append(f"entry {number}: {what}, so it is not as HAR 1.2 says: {AGAIN}")
    origins = list(dict.fromkeys(e.request.origin for e in entries if e.request.path.startswith(STUDIO_PATH)))
    if len(origins) > 1:
        problems.append(f"it has requests to {len(origins)} schools, {' and '.join(origins)}: keep those of one")
    if problems:
        raise HarError("\n".join([f"{source} cannot be replayed:", *problems]))
    return Recording(entries, origins[0] if origins else None, is_ours)


def _json(content: bytes, path: Path) -> object:
    if not content.strip():
        raise HarError(f"{path} is no HAR: it is empty")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise HarError(f"{path} is no HAR: it is not JSON in UTF-8") from None


def _named(recorded: dict[str, Any]) -> str:
    """The method and the URL of an entry, without the query, which may be signed."""
    try:
        url = urlsplit(str(recorded["request"]["url"]))
        host = url.netloc.rpartition("@")[2]
        return f"{recorded['request']['method']} {url.scheme}:{f'//{host}{url.path}' if host else '...'}"
    except (AttributeError, KeyError, TypeError, ValueError):
        return "without a URL"


def _entry(recorded: dict[str, Any], files: Files | None) -> Entry:
    request, response = recorded["request"], recorded["response"]
    url, status = urlsplit(str(request["url"])), int(response["status"])
    is_socket = url.scheme in {"ws", "wss"} or recorded.get("_resourceType") == "websocket"
    if is_socket or "_webSocketMessages" in recorded or status == 101:  # noqa: PLR2004 - switching protocols
        raise HarError("it is a WebSocket, which Studio's API has none of: remove the entry from the file")
    if url.scheme not in {"http", "https"}:
        raise HarError("it is no request to a server: remove the entry from the file")
    if status not in range(200, 600):
        raise HarError(f"it has no answer (status {status}): it was cancelled, blocked, or failed: {AGAIN}")
    body, filler = _answer_body(request["method"], status, response, files)
    return Entry(
        Request(
            method=request["method"],
            origin=origin_of(str(request["url"])),
            path=url.path or "/",
            query=_query(url, request),
            headers={header["name"].lower(): header["value"] for header in request["headers"]},
            body=_request_body(request, files),
        ),
        Answer(
            status=status,
            headers=[(header["name"], header["value"]) for header in response["headers"]],
            body=body,
            filler=filler,
        ),
    )


def _query(url: SplitResult, request: dict[str, Any]) -> list[tuple[str, str]]:
    """The query of the URL; Insomnia writes it only into `queryString`."""
    if url.query:
        return parse_qsl(url.query, keep_blank_values=True)
    return [(pair["name"], pair["value"]) for pair in request.get("queryString", [])]


def _request_body(request: dict[str, Any], files: Files | None) -> bytes:
    data = request.get("postData")
    if not data:
        if (size := request.get("bodySize", 0)) > 0:
            raise HarError(f"the body of its request ({size} bytes) is missing, as of files in browsers: {AGAIN}")
        return b""
    if "_file" in data:
        return _attached(data["_file"], files)
    text = data.get("text", "")
    if not text and (fields := data.get("params")):
        if "x-www-form-urlencoded" not in data.get("mimeType", ""):
            raise HarError(f"the body of its request is in parts whose text is missing: {AGAIN}")
        return urlencode([(field["name"], field.get("value", "")) for field in fields]).encode()
    return base64.b64decode(text) if data.get("encoding") == "base64" else text.encode()


def _answer_body(method: str, status: int, response: dict[str, Any], files: Files | None) -> tuple[bytes, int]:
    content = response.get("content", {"size": response.get("bodySize", 0)})
    if "_file" in content:
        return _attached(content["_file"], files), 0
    text, encoding = content.get("text") or "", content.get("encoding")
    if text and (found := LEFT_OUT.fullmatch(text)) and found[2] == "bytes":
        return b"", int(found[1])
    if text and encoding:
        if encoding != "base64":
            raise HarError(f"the body of its answer is encoded as {encoding!r}, not as base64: {AGAIN}")
        try:
            return base64.b64decode(text, validate=True), 0
        except ValueError:
            raise HarError(f"the body of its answer is not base64, as it says: {AGAIN}") from None
    # A negative size is an unknown one.
    size = content.get("size", 0)
    is_missing = not text and (size > 0 or (size < 0 and response.get("bodySize", 0) != 0))
    if is_missing and method != "HEAD" and status not in WITHOUT_BODY and status not in range(300, 400):
        raise HarError(f"the body of its answer is missing: {WITH_CONTENT}")
    return text.encode(), 0


def _attached(name: str, files: Files | None) -> bytes:
    """A body that Playwright has left in a file beside the HAR."""
    if files is None or set(name) & set("/\\:") or name in {"", ".", ".."}:
        raise HarError(f"its body stands in {name!r}, which is no file beside the HAR: {WITH_CONTENT}")
    try:
        return files(name)
    except (OSError, KeyError):
        raise HarError(f"its body stands in the file {name!r}, which is missing: put it beside the HAR") from None
