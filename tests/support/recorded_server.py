"""Replays the recordings of the tests with the player that ships; as a program, serves them until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canvas_studio.testing.har import Answer, Entry, Recording, Request, parse_har, read_har
from canvas_studio.testing.player import DIFFERS_FROM_RECORDING, STUDIO, Player

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["DIFFERS_FROM_RECORDING", "STUDIO", "RecordedServer"]


class RecordedServer(Player):
    """Replays HAR files, folders of them, or the parsed HAR itself.

    Args:
        recordings: What is replayed.
        strict: As the player does it. Otherwise entries are found by method, path and query and may be used any number
            of times.
        port: The port that stands in for Studio; 0 takes a free one.
    """

    def __init__(self, *recordings: Path | str | dict[str, Any], strict: bool = True, port: int = 0) -> None:
        super().__init__(*(read for recording in recordings for read in _read(recording)), port=port)
        self._strict = strict

    def verify(self) -> None:
        """Fail with every difference, if it is strict."""
        if self._strict:
            super().verify()

    def match(self, asked: Request) -> Entry | str:
        """The entry that answers a request, or why there is none."""
        if self._strict:
            return super().match(asked)
        for entry in self.entries:
            there = entry.request
            if (there.origin, there.method, there.path) == (asked.origin, asked.method, asked.path) and sorted(
                there.query
            ) == sorted(asked.query):
                return entry
        return "not in the recording"

    def answer(self, asked: Request) -> Answer:
        """The recorded answer, or one that names the difference."""
        answer = super().answer(asked)
        if answer.status == DIFFERS_FROM_RECORDING and not self._strict:
            return Answer(HTTPStatus.NOT_FOUND, answer.headers, answer.body)
        return answer


def _read(recording: Path | str | dict[str, Any]) -> Iterator[Recording]:
    if isinstance(recording, dict):
        yield parse_har(recording)
        return
    path = Path(recording)
    for file in sorted(path.rglob("*.har")) if path.is_dir() else [path]:
        yield read_har(file)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve recordings until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve HAR recordings on 127.0.0.1, each as often as it is asked for.")
    parser.add_argument("recordings", nargs="+", type=Path, metavar="FILE_OR_FOLDER")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    options = parser.parse_args(arguments)
    with (
        contextlib.suppress(KeyboardInterrupt),
        RecordedServer(*options.recordings, strict=False, port=options.port) as server,
    ):
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
