"""Reads the rows of `upload_rows`: a CSV file, or mappings. The core checks the files that they name."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from canvas_studio._core import Collection, read_path
from canvas_studio.errors import InvalidArgumentError
from canvas_studio.models import Owner, User

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ("video", "caption", "srclang", "owner", "collection", "title", "description")


class Row(NamedTuple):
    """A row, and what is wrong with it. The core takes it by position."""

    place: str
    faults: list[str]
    video: str | None = None
    caption: str | None = None
    srclang: str | None = None
    owner: str | None = None
    collection: int | None = None
    title: str | None = None
    description: str | None = None


def read_rows(rows: object) -> tuple[str | None, list[Row]]:
    """Read rows.

    Args:
        rows: The path of a CSV file, or an iterable of mappings.

    Returns:
        The folder of the CSV file, and the rows.
    """
    kind = type(rows).__name__
    if isinstance(rows, (str, os.PathLike)):
        path = read_path("rows", cast("str | os.PathLike[str]", rows))
        return str(path.parent), list(_from_csv(str(path), path.read_bytes()))
    if isinstance(rows, (Mapping, bytes)) or not isinstance(rows, Iterable):
        raise TypeError(f"rows must be the path of a CSV file or a list of dicts, not {kind}")
    return None, [_row(f"rows[{index}]", row) for index, row in enumerate(cast("Iterable[object]", rows))]


def _from_csv(path: str, content: bytes) -> Iterator[Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidArgumentError(
            f"rows cannot be read: line {line} of {path} is not UTF-8; save it as CSV UTF-8", argument="rows"
        ) from error
    header, _, _ = text.partition("\n")
    # Spreadsheets of some countries separate by semicolons.
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    end = 0
    try:
        for cells in reader:
            # A text in quotes may have several lines.
            place, end = f"line {end + 1}", reader.line_num
            values = [cell.strip() for cell in cells]
            if not any(values):
                continue
            if not names:
                names = [value.casefold() for value in values]
                if faults := _faults_of(names, values):
                    yield Row(place, faults)
                    return
                continue
            row = _row(place, {name: value for name, value in zip(names, values, strict=False) if name})
            if len(values) > len(names) and any(values[len(names) :]):
                row.faults.append(f"it has {len(values)} fields, and the first line only {len(names)}")
            yield row
    except csv.Error as error:
        yield Row(f"line {reader.line_num}", [f"it is no CSV: {error}"])
        return
    if not names:
        yield Row("line 1", [f"it is empty: expected a line with the names of the columns ({', '.join(COLUMNS)})"])


def _faults_of(names: list[str], written: list[str]) -> list[str]:
    """What is wrong with the names of the columns."""
    known = f"the columns are {', '.join(COLUMNS)}"
    faults = [
        f"unknown column {as_written!r}: {known}"
        for name, as_written in zip(names, written, strict=True)
        if name and name not in COLUMNS
    ]
    faults += [f"the column {name!r} is there twice" for name in COLUMNS if names.count(name) > 1]
    if "video" not in names:
        faults.append(f"there is no column 'video': {known}")
    return faults


def _row(place: str, row: object) -> Row:
    if not isinstance(row, Mapping):
        raise TypeError(f"{place} must be a dict, not {type(row).__name__}")
    given = dict(cast("Mapping[object, object]", row))
    values = {name: value for name, value in given.items() if not _is_missing(value)}
    faults = [f"unknown column {name!r}: the columns are {', '.join(COLUMNS)}" for name in given if name not in COLUMNS]

    def text(name: str) -> str | None:
        value = values.get(name)
        if name in {"video", "caption"} and isinstance(value, os.PathLike):
            value = os.fspath(cast("os.PathLike[str]", value))
        if value is None or isinstance(value, str):
            return value
        faults.append(f"{name} must be a str, not {type(value).__name__}")
        return None

    collection = _id("collection", values.get("collection"), faults)
    texts = {name: text(name) for name in COLUMNS if name not in {"collection", "owner"}}
    texts["owner"] = _owner(values.get("owner"), faults)
    if "video" not in values:
        faults.append("video is missing")
    return Row(place, faults, collection=collection, **texts)


def _is_missing(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    # Data frames have NaN where a cell is empty, which is not equal to itself.
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124


def _owner(value: object, faults: list[str]) -> str | None:
    """An e-mail address, or the digits of an id."""
    if isinstance(value, str) and not value.strip().isdigit():
        return value
    owner = _id("owner", value, faults, "the e-mail address or the Studio id of a user")
    return None if owner is None else str(owner)


def _id(name: str, value: object, faults: list[str], expected: str = "the id of a collection") -> int | None:
    classes = Collection if name == "collection" else (User, Owner)
    found = value.id if isinstance(value, classes) else value
    if isinstance(found, float) and found.is_integer():  # as data frames have it where some cells are empty
        found = int(found)
    if isinstance(found, str) and found.strip().isascii() and found.strip().isdigit():
        found = int(found)
    if found is None or (isinstance(found, int) and not isinstance(found, bool) and 0 < found < 2**63 - 1):
        return found
    faults.append(f"{name} must be {expected}, not {value!r}")
    return None
