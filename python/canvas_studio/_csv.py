"""Writes CSV files, and files of any kind that get their name only when they are complete."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
from typing import TYPE_CHECKING, Self

from canvas_studio._core import put_in_place, read_path, temporary_path
from canvas_studio.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType


class WholeFile:
    """A file that is written under a temporary name beside `path`, then renamed; deleted after a failure."""

    def __init__(self, path: str | os.PathLike[str], *, private: bool = False) -> None:
        """Open the temporary file, so that a failure comes before anything is sent.

        Args:
            path: Where it will be.
            private: Whether only this user can read it.
        """
        self.path = read_path("path", path)
        if self.path.exists() and not self.path.is_file():
            raise InvalidArgumentError(f"path must name a file; {str(self.path)!r} is something else", argument="path")
        # The name is unique, so that two threads can write the same table, and the last one wins.
        self._temporary = temporary_path(self.path)
        with self._naming_the_file():
            opener = _open_privately if private else None
            self._file = open(self._temporary, "xb", opener=opener)  # noqa: SIM115 - closed when it is whole

    def _finish(self, *, is_whole: bool) -> None:
        """Write the rest and close the file; after a failure, only close it."""
        raise NotImplementedError

    @contextlib.contextmanager
    def _naming_the_file(self) -> Generator[None]:
        """Put the name of the file into errors. Without this, they name none, or the temporary file."""
        try:
            yield
        except OSError as error:
            number, said = error.errno or errno.EIO, error.strerror or str(error)
            raise OSError(number, said, os.fspath(self.path)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with self._naming_the_file():
                    self._finish(is_whole=True)  # which writes the rest, and may find the disk full
                    put_in_place(self._temporary, self.path)
            else:
                # Closing flushes buffers and can fail again. The first error is the one to report.
                with contextlib.suppress(OSError):
                    self._finish(is_whole=False)
        finally:
            # A temporary file that cannot be deleted has to stay.
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)


def _open_privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class CsvFile(WholeFile):
    """A CSV file, of which the core writes the rows."""

    def __init__(self, path: str | os.PathLike[str], encoding: str) -> None:
        """Begin the file.

        Args:
            path: Where it will be.
            encoding: How text becomes bytes.
        """
        " ".encode(encoding)  # so that one that is unknown, or is for bytes, leaves no file behind
        super().__init__(path)
        # The core writes UTF-8.
        is_utf_8 = codecs.lookup(encoding).name == "utf-8"
        self._text = None if is_utf_8 else io.TextIOWrapper(self._file, encoding, newline="")

    def write(self, rows: bytes) -> None:
        """Write rows, which are in UTF-8."""
        with self._naming_the_file():
            if self._text is None:
                self._file.write(rows)
            else:
                self._text.write(str(rows, "utf-8"))

    def _finish(self, *, is_whole: bool) -> None:  # noqa: ARG002 - a file is closed in one way only
        (self._text or self._file).close()
