"""Writes CSV row by row, and files that get their name only when they are complete."""

from __future__ import annotations

import codecs
import contextlib
import csv
import errno
import io
import json
import os
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Self, cast

from canvas_studio._core import put_in_place, read_path, temporary_path
from canvas_studio.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from types import TracebackType

OWNER = ("id", "full_name", "display_name", "email")
"""The fields of the one object that documented items hold, as `to_dict()` gives them."""

EXTRA = "extra"

FORMULA = ("=", "+", "-", "@", "\N{MINUS SIGN}")

SEPARATOR = re.compile(r"([;\t\r\n]+)")


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
    """A table of text, written row by row."""

    def __init__(self, path: str | os.PathLike[str], encoding: str, fields: Sequence[str]) -> None:
        """Begin the file.

        Args:
            path: Where it will be.
            encoding: How text becomes bytes.
            fields: The documented fields; if there are none, those of the first page's items are taken.
        """
        codecs.lookup(encoding)  # so that an unknown one leaves no file behind
        super().__init__(path)
        self._text = io.TextIOWrapper(self._file, encoding, newline="")
        self._rows = csv.writer(self._text)
        self._fields = fields
        self._has_owner = "owner" in fields
        if fields:
            self._write_header(fields)

    def _write_header(self, fields: Iterable[str]) -> None:
        columns: list[str] = []
        for field in fields:
            columns += [f"owner_{part}" for part in OWNER] if self._is_owner(field) else [field]
        # A name is there once, and once for those too that do not tell capitals from small letters.
        taken = {column.casefold() for column in columns}
        extra = EXTRA
        while extra in taken:
            extra += "_"
        self._rows.writerow([*columns, extra])

    def _is_owner(self, field: str) -> bool:
        return self._has_owner and field == "owner"

    def write(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Write one row for each item."""
        items = list(items)
        with self._naming_the_file():
            if not self._fields:
                self._fields = list(dict.fromkeys(field for item in items for field in item))
                self._write_header(self._fields)
            self._rows.writerows(map(self._row, items))

    def _row(self, item: Mapping[str, Any]) -> list[object]:
        row: list[object] = []
        extra = {field: value for field, value in item.items() if field not in self._fields}
        for field in self._fields:
            value = item.get(field)
            if self._is_owner(field):
                owner: dict[str, Any] = {}
                if isinstance(value, dict):
                    owner.update(cast("dict[str, Any]", value))
                elif value is not None:
                    extra["owner"] = value
                row += [owner.pop(part, None) for part in OWNER]
                if owner:
                    extra["owner"] = owner
            else:
                row.append(_cell(value))
        row.append(_cell(extra) if extra else None)
        return row

    def _finish(self, *, is_whole: bool) -> None:  # noqa: ARG002 - a file is closed in one way only
        self._text.close()


def without_formula(value: object) -> object:
    """Put an apostrophe in front of what a spreadsheet may take for a formula.

    Some pass over white space in front, and take the wide forms of the signs for the signs. Those of countries where a
    semicolon separates begin a new cell behind one, also inside of a text, and a new row behind the end of a line.
    Anybody who may upload writes titles.

    Args:
        value: The cell, or the name of a column.
    """
    if not isinstance(value, str):
        return value
    # A separator is none of the signs.
    return "".join(f"'{piece}" if _is_formula(piece) else piece for piece in SEPARATOR.split(value))


def _is_formula(piece: str) -> bool:
    first = next((letter for letter in piece if not _is_blank(letter)), "")
    return unicodedata.normalize("NFKC", first).startswith(FORMULA)


def _is_blank(letter: str) -> bool:
    return letter.isspace() or letter == '"' or unicodedata.category(letter) in {"Cc", "Cf"}


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
