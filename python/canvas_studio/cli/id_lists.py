"""Reads ids from a CSV file or from standard input, as Excel, GAM's users and `--csv` write them."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Final

from canvas_studio.cli.exit_codes import ASKED_WRONGLY
from canvas_studio.cli.terminal import fail, printable

DELIMITERS: Final = ",;\t"
BYTE_ORDER_MARKS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def read_ids(source: str, column: str = "id") -> list[int]:
    """Read a column of ids, or lines of one id each.

    Args:
        source: A file, or `-` for standard input.
        column: The heading of the column.

    Returns:
        The ids, each once, in their order.
    """
    shown = "standard input" if source == "-" else source
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        fail(f"{shown}: {error.strerror}", ASKED_WRONGLY)
    try:
        text = content.decode(BYTE_ORDER_MARKS.get(content[:2], "utf-8-sig"))
    except UnicodeDecodeError:
        # Excel's CSV of western Windows. The ids are the same in every encoding.
        text = content.decode("cp1252", "replace")
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(map(str.strip, row))]
    if not rows:
        fail(f"{shown} is empty: it needs a column {column!r}, or an id in each line", ASKED_WRONGLY)
    heading = [cell.strip().casefold() for cell in rows[0]]
    has_heading = column in heading
    if not has_heading and not (len(heading) == 1 and heading[0].isdigit()):
        fail(f"{shown} has no column {column!r}: its columns are {printable(', '.join(rows[0]))}", ASKED_WRONGLY)
    index = heading.index(column) if has_heading else 0
    found: dict[int, None] = {}
    for number, row in enumerate(rows[has_heading:], 1 + has_heading):
        cell = row[index].strip() if index < len(row) else ""
        if not (cell.isascii() and cell.isdigit()):
            fail(f"{shown}, row {number}: {printable(cell)!r} is no id", ASKED_WRONGLY)
        found[int(cell)] = None
    return list(found)
