"""Records the requests of a program: a server on this machine between its client and the school."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import os
import secrets
import ssl
import tempfile
import threading
import warnings
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError
from urllib.parse import parse_qs, quote, urljoin, urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
    getproxies,
)

from canvas_studio._core import StudioClient
from canvas_studio.errors import StudioError
from canvas_studio.testing.har import origin_of
from canvas_studio.testing.redaction import TEXTUAL, left_out, redact, text_of_body
from canvas_studio.testing.server import CHUNK, Listener, in_order

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from canvas_studio.testing.server import Exchange

__all__ = ["Recorder", "RecordingWarning", "check_target", "record"]

API = "/api/public/v1"
# What the client of the program decides; the rest belongs to a connection.
FORWARDED = ("accept", "content-type", "if-none-match", "if-range", "range")
NOT_FORWARDED = {"authorization", "connection", "cookie", "host", "transfer-encoding"}
# Studio says where to send a file in `upload.url`. Observed.
UPLOAD = "upload"
# Of a longer text of a storage host, only the length is kept.
LONGEST_TEXT = 1 << 20


class RecordingWarning(UserWarning):
    """Something that happened while a program was recorded is not in its recording."""


@contextlib.contextmanager
def record(path: str | os.PathLike[str], studio: StudioClient) -> Generator[StudioClient]:
    """Record the requests of a program into a file.

    `with record("calls.har", studio) as studio:` gives a client whose requests go to a server on this machine, which
    sends each of them to the school once, with the token of the given client. The file is written at the end of the
    block, also if the program raises. It replaces an older recording, unless no request was recorded. Only its owner
    can read it. It holds no token, no signed URL, and of files only their lengths. Names, addresses and texts are
    replaced by stand-ins; ids stay.

    Args:
        path: The HAR 1.2 file to write.
        studio: A client of the school. The one in the block has its options, but requests a page of a list only when
            the program wants it, so that the program asks for the same pages each time.

    Returns:
        A context manager, which gives a client.

    Raises:
        OSError: If the file cannot be written, or something else than a recording is there.
    """
    target = Path(path).absolute()
    check_target(target)
    # Tokens are renewed and proxies are found by the given client.
    options = studio._options()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    with Recorder(studio) as recorder:
        try:
            with in_order(StudioClient(recorder.url, token=recorder.token, **options)) as client:
                yield client
        finally:
            recorder.close()
            if problems := recorder.write(target):
                told = "\n".join(["not in the recording, since there was no whole answer:", *problems])
                warnings.warn(told, RecordingWarning, stacklevel=3)


class Recorder:
    """Stands between a program and the school, and between it and each storage host, and keeps what they say.

    Args:
        studio: The client of the school.
    """

    def __init__(self, studio: StudioClient) -> None:
        # Each attempt of the program is one request, so that a recording has its retries.
        self._upstream = studio.with_options(max_retries=0)
        self._studio = studio.url
        self._is_local = studio.url.startswith("http://")
        # What a client of the recorder sends: others on this machine cannot use the school through it.
        self.token = secrets.token_urlsafe(32)
        self._opener = _opener(studio, is_local=self._is_local)
        self._timeout: float = studio._options()["read_timeout"]  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._entries: list[dict[str, Any]] = []
        self._problems: list[str] = []
        self._lock = threading.Lock()
        self._listeners: dict[str, Listener] = {}

    @property
    def url(self) -> str:
        """The base URL to give to a client in place of the school's."""
        return self._local(self._studio)

    @property
    def count(self) -> int:
        """How many requests are recorded."""
        return len(self._entries)

    def close(self) -> None:
        """Stop listening, and wait for what is under way."""
        with self._lock:
            listeners, self._listeners = list(self._listeners.values()), {}
        for listener in listeners:
            listener.stop()
        self._upstream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, path: Path) -> list[str]:
        """Write the recording, redacted, all of it or nothing, for its owner only; return what is not in it.

        If nothing was recorded, an older recording stays.
        """
        entries = [entry for entry in self._entries if "response" in entry]
        problems = list(dict.fromkeys(self._problems))
        if not entries and path.exists():
            return problems
        har = {"log": {"version": "1.2", "creator": {"name": "canvas-studio", "version": ""}, "entries": entries}}
        content = json.dumps(redact(har, keep_ids=True), indent=2, ensure_ascii=False).encode(errors="replace") + b"\n"
        # mkstemp makes files that only their owner can read.
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return problems

    def serve(self, exchange: Exchange, origin: str) -> None:
        """Send one request on, and its answer back."""
        if origin == self._studio:
            self._serve_studio(exchange)
        else:
            self._serve_storage(exchange, origin)

    def _serve_studio(self, exchange: Exchange) -> None:
        body = b"".join(exchange.body())
        target = urlsplit(exchange.path)
        if not hmac.compare_digest(exchange.headers.get("Authorization", "").encode(), f"Bearer {self.token}".encode()):
            _refuse(
                exchange, HTTPStatus.FORBIDDEN, "this recorder takes requests of its own client only: use its token"
            )
            return
        if not target.path.startswith(f"{API}/"):
            _refuse(exchange, HTTPStatus.NOT_FOUND, f"only requests to {API} can be recorded, not {target.path}")
            return
        entry = self._begin(exchange, self._studio, text_of_body(body, exchange.headers.get("Content-Type", "")))
        given = {name: value for name in FORWARDED if (value := exchange.headers.get(name)) is not None}
        try:
            answer = self._upstream.request(
                exchange.command,
                target.path.removeprefix(API),
                params=parse_qs(target.query, keep_blank_values=True),
                content=body or None,
                headers=given,
                raw=True,
            )
        except StudioError as error:
            self._fail(exchange, entry, str(error))
            return
        headers = list(answer.headers.items())
        _keep(entry, answer.status_code, headers, text_of_body(answer.content, answer.headers.get("content-type", "")))
        local = self._local_headers(exchange, headers)
        if local is not None:
            content = self._local_upload(exchange, answer.content)
            exchange.respond(answer.status_code, local, [content], len(content))

    def _serve_storage(self, exchange: Exchange, origin: str) -> None:
        # Only the length of a file is kept, since a recording of a film would be as long as the film.
        entry = self._begin(exchange, origin, left_out(exchange.length, "bytes") if exchange.length else "")
        given = {name: value for name, value in exchange.headers.items() if name.lower() not in NOT_FORWARDED}
        body = exchange.body() if exchange.length else None
        asked = Request(f"{origin}{exchange.path}", body, given, method=exchange.command)  # noqa: S310 - http or https
        try:
            try:
                answer = self._opener.open(asked, timeout=self._timeout)
            except HTTPError as error:
                answer = error
            with answer:
                self._answer_storage(exchange, entry, answer)
        except ConnectionError:
            # The program has hung up.
            exchange.close_connection = True
        except _BrokenOffError as error:
            exchange.close_connection = True
            self._remove(exchange, entry, str(error))
        except (OSError, HTTPException) as error:
            self._fail(exchange, entry, f"no answer from {urlsplit(origin).netloc}: {type(error).__name__}: {error}")

    def _answer_storage(self, exchange: Exchange, entry: dict[str, Any], answer: Any) -> None:  # noqa: ANN401 - urllib's
        headers = list(answer.headers.items())
        mime_type = answer.headers.get("Content-Type", "")
        length = int(announced) if (announced := answer.headers.get("Content-Length")) else None
        local = self._local_headers(exchange, headers)
        if local is None:
            return
        if mime_type and TEXTUAL.search(mime_type) and (length or 0) <= LONGEST_TEXT:
            content = answer.read()
            _keep(entry, answer.status, headers, text_of_body(content, mime_type))
            exchange.respond(answer.status, local, [content], len(content))
            return
        count = 0

        def chunks() -> Iterator[bytes]:
            nonlocal count
            try:
                while chunk := answer.read(CHUNK):
                    count += len(chunk)
                    yield chunk
            except (OSError, HTTPException) as error:
                raise _BrokenOffError(f"it broke off after {count} bytes: {type(error).__name__}") from error
            if length is not None and count < length and exchange.command != "HEAD":
                raise _BrokenOffError(f"it broke off after {count} of {length} bytes")

        try:
            if length is not None:
                _keep(entry, answer.status, headers, left_out(length, "bytes") if length else "")
            exchange.respond(answer.status, local, chunks(), length)
        finally:
            if length is None:
                _keep(entry, answer.status, headers, left_out(count, "bytes") if count else "")

    def _begin(self, exchange: Exchange, origin: str, text: str) -> dict[str, Any]:
        """Keep a request, in the order in which they come."""
        request: dict[str, Any] = {
            "method": exchange.command,
            "url": f"{origin}{exchange.path}",
            "headers": [{"name": name, "value": value} for name, value in exchange.headers.items()],
            "httpVersion": "HTTP/1.1",
        }
        if text:
            request["postData"] = {"mimeType": exchange.headers.get("Content-Type", ""), "text": text}
        entry = {"startedDateTime": datetime.now(UTC).isoformat(), "time": 0, "request": request, "timings": {}}
        with self._lock:
            self._entries.append(entry)
        return entry

    def _fail(self, exchange: Exchange, entry: dict[str, Any], problem: str) -> None:
        """Say that there was no answer."""
        self._remove(exchange, entry, problem)
        _refuse(exchange, HTTPStatus.BAD_GATEWAY, problem)

    def _remove(self, exchange: Exchange, entry: dict[str, Any], problem: str) -> None:
        """Leave a request out that got no whole answer: a HAR has no place for that."""
        with self._lock:
            self._entries.remove(entry)
            self._problems.append(f"{exchange.command} {urlsplit(exchange.path).path}: {problem}")

    def _local(self, origin: str) -> str:
        """The URL of the listener that stands in for a host."""
        with self._lock:
            if origin not in self._listeners:
                self._listeners[origin] = Listener(self, origin)
            return self._listeners[origin].url

    def _local_url(self, url: str) -> str | None:
        """A URL as the client of the recorder reaches it; `None` if the client of the school would not follow it."""
        parts = urlsplit(url)
        is_of_this_machine = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if parts.scheme != "https" and not (parts.scheme == "http" and is_of_this_machine and self._is_local):
            return None
        return None if "@" in parts.netloc else self._local(origin_of(url)) + url.removeprefix(origin_of(url))

    def _local_headers(self, exchange: Exchange, headers: list[tuple[str, str]]) -> list[tuple[str, str]] | None:
        """The headers, with a redirect to the recorder; `None` if it has refused one."""
        local: list[tuple[str, str]] = []
        for name, value in headers:
            found: str | None = value
            if name.lower() == "location":
                found = self._local_url(urljoin(f"{self._studio}{exchange.path}", value))
            if found is None:
                _refuse(exchange, HTTPStatus.BAD_GATEWAY, "redirected to a URL that is not https")
                return None
            local.append((name, found))
        return local

    def _local_upload(self, exchange: Exchange, content: bytes) -> bytes:
        """An answer with the URL to which a file is to be sent, with that of the recorder."""
        if exchange.command != "POST" or UPLOAD.encode() not in content:
            return content
        with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError):
            answer: dict[str, Any] = json.loads(content)
            if local := self._local_url(answer[UPLOAD]["url"]):
                answer[UPLOAD]["url"] = local
                return json.dumps(answer).encode()
        return content


class _BrokenOffError(Exception):
    """A storage host has ended its answer early."""


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, req: Request, fp: object, code: int, msg: str, headers: object, newurl: str) -> None:
        """Follow no redirect: the client does."""


def _opener(studio: StudioClient, *, is_local: bool) -> OpenerDirector:
    """What sends requests to storage hosts, through the proxy and with the certificates of a client."""
    proxy, authorization, bundle = studio._network()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    found = getproxies()
    if proxy and authorization:
        # urllib takes the password out of the URL, and sends it to the proxy only.
        user, _, password = base64.b64decode(authorization.partition(" ")[2]).decode().partition(":")
        proxy = proxy.replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@", 1)
    through = proxy or found.get("https") or found.get("all")
    handlers = [ProxyHandler({"https": through} if through and (proxy or not is_local) else {}), _NoRedirect()]
    trusted = bundle or os.environ.get("REQUESTS_CA_BUNDLE") or None
    is_folder = trusted is not None and Path(trusted).is_dir()
    context = ssl.create_default_context(cafile=None if is_folder else trusted, capath=trusted if is_folder else None)
    opener = build_opener(*handlers, HTTPSHandler(context=context))
    opener.addheaders = []
    return opener


def _refuse(exchange: Exchange, status: int, problem: str) -> None:
    # In the shape of Studio's own errors, so that a client shows it in its exception.
    content = json.dumps({"error": problem}).encode()
    # What is left of the request's body would be read as the next one.
    exchange.close_connection = True
    exchange.respond(status, [("Content-Type", "application/json")], [content], len(content))


def _keep(entry: dict[str, Any], status: int, headers: list[tuple[str, str]], text: str) -> None:
    mime_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    entry["response"] = {
        "status": status,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "headers": [{"name": name, "value": value} for name, value in headers],
        "content": {"mimeType": mime_type, "text": text},
        "redirectURL": next((value for name, value in headers if name.lower() == "location"), ""),
    }


def check_target(target: Path) -> None:
    """Fail now, and not after an hour of recording."""
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: give the name of a file")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent}: make it first")
    if target.exists() and not (target.is_file() and _may_be_a_recording(target)):
        raise FileExistsError(f"{target} is there, and is no recording: name another file")
    with tempfile.TemporaryFile(dir=target.parent):
        pass


def _may_be_a_recording(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(100).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"", b"{"}
