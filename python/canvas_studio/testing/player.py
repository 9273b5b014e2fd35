"""Replays a recording on this machine, and fails on every difference, in both directions."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any, Self

from canvas_studio._core import StudioClient
from canvas_studio.testing.comparing import differences_between, har_of, is_near, redacted, shown, text_of
from canvas_studio.testing.har import Answer, Entry, Recording, Request, origin_of, read_har
from canvas_studio.testing.redaction import REDACTED, STUDIO_HOST, Redactor
from canvas_studio.testing.server import CHUNK, Listener, in_order

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterator

    from canvas_studio.testing.server import Exchange

__all__ = ["DIFFERS_FROM_RECORDING", "Player", "ReplayError", "replay"]

STUDIO = f"https://{STUDIO_HOST}"
DIFFERS_FROM_RECORDING = 599
# How many recorded requests are named when none is like the one that was asked.
NAMED = 3


class ReplayError(AssertionError):
    """The requests of a program differ from its recording; the message says how."""


@contextlib.contextmanager
def replay(path: str | os.PathLike[str], **options: Any) -> Generator[StudioClient]:  # noqa: ANN401 - StudioClient's
    """Answer the requests of a program from a recording.

    `with replay("calls.har") as studio:` gives a client whose requests go to servers on this machine, which answer from
    the file. Nothing reaches a school, and no token is needed. Requests may come in another order than recorded; equal
    requests are answered in recorded order. What `record` has replaced in the file is replaced in each request too
    before it is compared, so a program runs unchanged.

    Args:
        path: A HAR 1.2 file of `record`, mitmproxy, a browser, Playwright (also a ZIP file) or Insomnia.
        **options: Options of `StudioClient`, such as `timeout`. It retries without waiting, and requests a page of a
            list when the program wants it, as `record` does.

    Returns:
        A context manager, which gives a client.

    Raises:
        HarError: If the file is no HAR, or holds something that cannot be replayed.
        OSError: If it cannot be read.
        ReplayError: At the end, if a request was not in the recording, or a recorded one was not asked for.
    """
    options = {"token": REDACTED, "retry_delay": 0, **options}
    with Player(read_har(path)) as player, in_order(StudioClient(player.url, **options)) as studio:
        yield studio


class Player:
    """Stands in for a school, and for every other host of the recordings, each on a port of its own.

    Args:
        *recordings: What is replayed.
        port: The port that stands in for the school; 0 for any free one.
    """

    def __init__(self, *recordings: Recording, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.entries = [entry for recording in recordings for entry in recording.entries]
        self._studio = next((recording.studio for recording in recordings if recording.studio), STUDIO)
        self._is_ours = all(recording.is_ours for recording in recordings)
        self._port = port
        self._redactor = Redactor(har_of(self.entries), keep_ids=True)
        self._differences: list[str] = []
        self._lock = threading.Lock()
        self._listeners: dict[str, Listener] = {}

    @property
    def url(self) -> str:
        """The base URL to give to a client in place of `https://{school}.instructuremedia.com`."""
        return self._listeners[self._studio].url

    def local_url(self, recorded_url: str) -> str:
        """The recorded URL as a client of this server sees it; a host without a recorded entry stays as it is."""
        if recorded_url.startswith("/"):
            return recorded_url
        origin = origin_of(recorded_url)
        listener = self._listeners.get(origin)
        return listener.url + recorded_url.removeprefix(origin) if listener else recorded_url

    def local_body(self, body: bytes) -> bytes:
        """A recorded body, with the URLs of further hosts as a client of this server reaches them."""
        for origin, listener in self._listeners.items():
            if origin != self._studio:
                body = body.replace(f"{origin}/".encode(), f"{listener.url}/".encode())
        return body

    def start(self) -> None:
        """Listen, for the school and for each further host of the recordings."""
        for origin in dict.fromkeys([self._studio, *(entry.request.origin for entry in self.entries)]):
            self._listeners[origin] = Listener(self, origin, self._port if origin == self._studio else 0)

    def close(self) -> None:
        """Stop listening and end every connection."""
        for listener in self._listeners.values():
            listener.stop()

    def verify(self) -> None:
        """Fail with every request that differed from the recording and every entry that was not asked for."""
        unused = [f"not asked for: {shown(entry.request)}" for entry in self.entries if not entry.used]
        self._fail_with([*dict.fromkeys(self._differences), *unused])

    @staticmethod
    def _fail_with(problems: list[str]) -> None:
        if problems:
            raise ReplayError("\n".join(["The requests differ from the recording.", *problems]))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self.close()
        if error is None:
            self.verify()
        elif isinstance(error, Exception):
            # A program that failed is not expected to ask for the rest, but a difference may be why.
            self._fail_with([*dict.fromkeys(self._differences)])

    def serve(self, exchange: Exchange, _origin: str) -> None:
        """Answer one request from the recording."""
        answer = self.answer(exchange.asked())
        headers = [
            (name, self.local_url(value) if name.lower() == "location" else value) for name, value in answer.headers
        ]
        if answer.filler:
            exchange.respond(answer.status, headers, _zeros(answer.filler), answer.filler)
        else:
            content = self.local_body(answer.body)
            exchange.respond(answer.status, headers, [content], len(content))

    def answer(self, asked: Request) -> Answer:
        """The recorded answer, or one that names the difference."""
        with self._lock:
            self.requests.append(asked)
            match = self.match(asked)
            if isinstance(match, Entry):
                match.used = True
                return match.answer
            difference = f"{shown(asked)}: {match}"
            self._differences.append(difference)
        # In the shape of Studio's own errors, so that a client shows the difference in its exception.
        body = json.dumps({"error": difference}, ensure_ascii=False).encode()
        return Answer(DIFFERS_FROM_RECORDING, [("Content-Type", "application/json")], body)

    def match(self, asked: Request) -> Entry | str:
        """The entry that answers a request, or why there is none."""
        near = [entry for entry in self.entries if is_near(entry.request, asked)]
        unused = [entry for entry in near if not entry.used]
        for entry in unused:
            if not self._differences_between(entry.request, asked):
                return entry
        reasons: list[str] = []
        for entry in unused:
            redactor = self._redactor.offered(text_of(entry.request))
            clean = redacted(asked, redactor)
            differences = self._differences_between(entry.request, clean)
            if not differences:
                self._redactor = redactor
                return entry
            if entry.request.path == asked.path:
                differences = self._differences_between(entry.request, asked)
            if entry.request.path in {asked.path, clean.path}:
                reasons = reasons or differences
        if reasons:
            return "; ".join(reasons)
        at_this_path = [entry for entry in near if entry.request.path == asked.path]
        if at_this_path and all(entry.used for entry in at_this_path):
            return f"asked once more than the recording has it ({len(at_this_path)})"
        others = [entry.request for entry in self.entries if not entry.used and entry.request.method == asked.method]
        named = ", ".join(f"{request.method} {request.path}" for request in others[:NAMED])
        return f"not in the recording; what it has left: {named}" if named else "not in the recording"

    def _differences_between(self, recorded: Request, asked: Request) -> list[str]:
        # A browser's export may lack the token, and its pages send cookies in its place.
        has_token = self._is_ours or asked.origin != self._studio
        return [*differences_between(recorded, asked, is_ours=self._is_ours, has_token=has_token)]


def _zeros(length: int) -> Iterator[bytes]:
    for start in range(0, length, CHUNK):
        yield bytes(min(CHUNK, length - start))
