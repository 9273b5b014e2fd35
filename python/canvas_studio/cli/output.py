"""What goes out: rows as a table, JSON, JSON Lines or CSV, to standard output or into a whole file, page by page."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

import typer

from canvas_studio._core import without_formula
from canvas_studio._csv import WholeFile
from canvas_studio.cli import cells
from canvas_studio.cli.terminal import print_error
from canvas_studio.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

Row = dict[str, Any]

MANY: Final = 100_000
"""`--sort` says that it keeps all rows from here on."""

GAP: Final = "  "
PAGE: Final = 50
"""So many rows of a list that is no listing go out at once."""

NARROWEST: Final = 8
"""A column of a table gets so much of the width at least."""

# In JSON text these stand only in strings, and a terminal would act on them: C1 controls, line ends, directions.
UNSAFE_IN_JSON: Final = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class Wanted:
    """What a command was asked to put out.

    Attributes:
        form: `table`, `json`, `jsonl` or `csv`.
        columns: The fields of each row, with dots: `owner.email`.
        whole: Whether JSON has whole items, since nobody chose fields.
        output: The file, if not standard output.
        sort: The field to sort by, with `-` in front for the largest first.
        limit: The most rows.
        keep_formulas: Whether CSV keeps what a spreadsheet may take for a formula.
        quiet: Whether to leave out progress and notes.
    """

    form: str
    columns: Sequence[str] | None
    whole: bool
    output: Path | None = None
    sort: str | None = None
    limit: int | None = None
    keep_formulas: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Answer:
    """Bytes to put out as they are.

    Attributes:
        content: The bytes.
        code: The exit code.
    """

    content: bytes
    code: int = 0


def value_of(row: Mapping[str, Any], field: str) -> Any:  # noqa: ANN401 - of JSON
    """Return a field of a row.

    Args:
        row: The row.
        field: Its name, with dots for what is in another field; `extra.NAME` for one that is not documented.

    Returns:
        The value; `None` if there is none.
    """
    found: Any = row
    for name in (field.removeprefix("extra.") if field not in row else field).split("."):
        found = cast("Mapping[str, Any]", found).get(name) if isinstance(found, Mapping) else None
    return found


def write_rows(items: Listing[Any] | Iterable[Any], wanted: Wanted) -> int:
    """Put out rows, each page as it comes.

    Args:
        items: The items: a listing, or objects and records of Studio, or dicts.
        wanted: What was asked for.

    Returns:
        How many there were.
    """
    pages = _sorted(_pages(items, wanted), wanted) if wanted.sort else _pages(items, wanted)
    # The first page comes before the file is begun, and before anything is put out.
    first = next(pages, list[Row]())
    columns = wanted.columns or _columns_of(first)
    writer = WRITERS[wanted.form](columns, wanted)
    if wanted.output is None:
        return _write(writer, _standard_output(wanted), chain([first], pages))
    with TextFile(wanted.output) as file:
        return _write(writer, file.text, chain([first], pages), file.naming)


def write_one(item: Any, wanted: Wanted) -> None:  # noqa: ANN401 - an object, a record or a dict
    """Put out one item: its fields below each other, or one JSON object.

    Args:
        item: The item.
        wanted: What was asked for.
    """
    row = as_row(item)
    if wanted.form == "csv":
        write_rows([row], wanted)
        return
    if wanted.form == "table":
        columns = wanted.columns or _columns_of([row])
        text = cells.facts([(name, value_of(row, name)) for name in columns])
    else:
        chosen = row if wanted.whole else {name: value_of(row, name) for name in wanted.columns or ()}
        text = as_json(chosen, indent=2 if wanted.form == "json" else None) + "\n"
    if wanted.output is None:
        _standard_output(wanted).write(text)
        return
    with TextFile(wanted.output) as file, file.naming():
        file.text.write(text)


def write_bytes(content: bytes, wanted: Wanted) -> None:
    """Put out bytes as they are. At a terminal they are text, whose control characters are shown.

    Args:
        content: The bytes.
        wanted: What was asked for.
    """
    if wanted.output is not None:
        with TextFile(wanted.output) as file, file.naming():
            file.text.buffer.write(content)
    elif sys.stdout.isatty():
        typer.echo("\n".join(map(cells.visible, content.decode(errors="replace").splitlines())))
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def as_row(item: Any) -> Row:  # noqa: ANN401 - an object, a record or a dict
    """Return an item as a dict that `json.dumps` takes.

    Args:
        item: The item.

    Returns:
        The dict.
    """
    return dict(cast("Row", item)) if isinstance(item, Mapping) else item.to_dict()


def as_json(value: object, indent: int | None = None) -> str:
    """Return JSON that is safe to show.

    Args:
        value: What `json.dumps` takes.
        indent: How far to indent.

    Returns:
        The text, in which letters of all scripts stand as they are.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _pages(items: Listing[Any] | Iterable[Any], wanted: Wanted) -> Iterator[list[Row]]:
    limit = None if wanted.sort else wanted.limit
    if isinstance(items, Listing):
        listing = items if limit is None else items.limit(limit)
        is_out_of_the_way = wanted.output is not None or wanted.sort is not None or not sys.stdout.isatty()
        if is_out_of_the_way and not wanted.quiet and sys.stderr.isatty():
            listing = listing.with_options(progress=True)
        for page in listing.pages():
            yield [as_row(item) for item in page]
        return
    rest = islice(items, limit)
    while page := list(islice(rest, PAGE)):
        yield [as_row(item) for item in page]


def _sorted(pages: Iterator[list[Row]], wanted: Wanted) -> Iterator[list[Row]]:
    rows: list[Row] = []
    told = wanted.quiet
    for page in pages:
        rows += page
        if len(rows) > MANY and not told:
            print_error(f"canvas-studio: --sort keeps all rows in memory, and there are more than {MANY:,}")
            told = True
    field = cast("str", wanted.sort)
    name = field.removeprefix("-")
    known = [row for row in rows if value_of(row, name) is not None]
    known.sort(key=lambda row: _order(value_of(row, name)), reverse=field.startswith("-"))
    # What has no value comes last, either way.
    yield (known + [row for row in rows if value_of(row, name) is None])[: wanted.limit]


def _order(value: object) -> tuple[int, Any]:
    if isinstance(value, int | float):
        return 0, value
    return 1, value.casefold() if isinstance(value, str) else as_json(value)


def _columns_of(rows: Sequence[Row]) -> list[str]:
    """Return the columns of rows without a type: the keys of the first page."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _standard_output(wanted: Wanted) -> TextIO:
    """Return standard output, in UTF-8 for programs; a terminal gets what it can show."""
    stdout = cast("io.TextIOWrapper", sys.stdout)
    if wanted.form != "table" and not stdout.isatty() and hasattr(stdout, "reconfigure"):
        stdout.reconfigure(encoding="utf-8", errors="surrogatepass", newline="")
    return stdout


def _write(
    writer: Writer,
    file: TextIO,
    pages: Iterable[list[Row]],
    naming: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> int:
    count = 0
    with naming():
        writer.begin(file)
    for page in pages:
        with naming():
            writer.write(file, page)
            file.flush()
        count += len(page)
    with naming():
        writer.end(file)
        file.flush()
    return count


class Writer:
    """Writes rows in one form."""

    def __init__(self, columns: Sequence[str], wanted: Wanted) -> None:
        self.columns = columns
        self.wanted = wanted

    def begin(self, file: TextIO) -> None:
        """Write what comes before the rows."""

    def write(self, file: TextIO, rows: Sequence[Row]) -> None:
        """Write some rows."""
        raise NotImplementedError

    def end(self, file: TextIO) -> None:
        """Write what comes behind the rows."""

    def chosen(self, row: Row) -> Row:
        """Return the part of a row that was asked for."""
        return row if self.wanted.whole else {name: value_of(row, name) for name in self.columns}


class JsonLines(Writer):
    """One object in each line."""

    def write(self, file: TextIO, rows: Sequence[Row]) -> None:
        """Write some rows."""
        file.writelines(f"{as_json(self.chosen(row))}\n" for row in rows)


class JsonArray(Writer):
    """One array, which is not closed if the reading fails."""

    _between = "\n  "

    def begin(self, file: TextIO) -> None:
        """Open the array."""
        file.write("[")

    def write(self, file: TextIO, rows: Sequence[Row]) -> None:
        """Write some rows."""
        for row in rows:
            file.write(self._between + as_json(self.chosen(row)))
            self._between = ",\n  "

    def end(self, file: TextIO) -> None:
        """Close the array."""
        file.write("]\n" if self._between == "\n  " else "\n]\n")


class Csv(Writer):
    """Comma-separated values with a heading, as RFC 4180 has them."""

    def begin(self, file: TextIO) -> None:
        """Write the heading."""
        csv.writer(file).writerow(map(self._cell, self.columns))

    def write(self, file: TextIO, rows: Sequence[Row]) -> None:
        """Write some rows."""
        table = csv.writer(file)
        table.writerows([self._cell(value_of(row, name)) for name in self.columns] for row in rows)

    def _cell(self, value: object) -> object:
        match value:
            case str():
                text = value if self.wanted.keep_formulas else without_formula(value)
                return cells.visible(text) if self.wanted.output is None and sys.stdout.isatty() else text
            case bool():
                return str(value).lower()
            case list() | dict():
                return self._cell(cells.joined(cast("list[object] | dict[str, object]", value)))
            case _:
                return value


class Table(Writer):
    """A table whose widths are those of the first page. At a terminal it fits the width."""

    widths: list[int]

    def begin(self, file: TextIO) -> None:
        """Write nothing yet: the heading is as wide as the first rows."""

    def write(self, file: TextIO, rows: Sequence[Row]) -> None:
        """Write some rows, before the first ones the heading."""
        texts = [[cells.text(name, value_of(row, name)) for name in self.columns] for row in rows]
        if not hasattr(self, "widths"):
            self._begin(file, texts)
        file.writelines(self._line(text, whole=not self._fits()) for text in texts)

    def end(self, file: TextIO) -> None:
        """Write the heading if there was no row."""
        if not hasattr(self, "widths"):
            self._begin(file, [])

    def _begin(self, file: TextIO, texts: Sequence[Sequence[str]]) -> None:
        headings = list(self.columns)
        self.widths = [max(cells.width(cell) for cell in column) for column in zip(headings, *texts, strict=True)] or [
            0
        ]
        self._numbers = [cells.is_number(name) for name in self.columns]
        if self._fits():
            _narrow(self.widths, self._numbers, shutil.get_terminal_size().columns)
        line = self._line(headings, whole=not self._fits())
        file.write(typer.style(line.rstrip("\n"), bold=True) + "\n" if _is_coloured(self.wanted) else line)

    def _fits(self) -> bool:
        return self.wanted.output is None and sys.stdout.isatty()

    def _line(self, texts: Sequence[str], *, whole: bool) -> str:
        shown = [
            cells.fitted(text, width, right=is_number, whole=whole)
            for text, width, is_number in zip(texts, self.widths, self._numbers, strict=True)
            if width
        ]
        return GAP.join(shown).rstrip() + "\n"


def _narrow(widths: list[int], numbers: Sequence[bool], room: int) -> None:
    """Take what does not fit from the widest text, then leave out the last columns. A number is never cut."""
    room = max(room, NARROWEST)
    while sum(widths) + len(GAP) * (sum(map(bool, widths)) - 1) > room:
        texts = [index for index, is_number in enumerate(numbers) if not is_number and widths[index] > NARROWEST]
        if texts:
            widths[max(texts, key=lambda index: widths[index])] -= 1
        elif sum(map(bool, widths)) > 1:
            widths[max(index for index, width in enumerate(widths) if width)] = 0
        else:
            widths[next(index for index, width in enumerate(widths) if width)] = room


def _is_coloured(wanted: Wanted) -> bool:
    if wanted.output is not None or os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced != "0"
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


WRITERS: Final[dict[str, type[Writer]]] = {"table": Table, "json": JsonArray, "jsonl": JsonLines, "csv": Csv}


class TextFile(WholeFile):
    """A text file in UTF-8 that has its name only when it is whole."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.text = io.TextIOWrapper(self._file, "utf-8", errors="surrogatepass", newline="", write_through=False)

    def naming(self) -> AbstractContextManager[None]:
        """Put the name of the file into errors."""
        return self._naming_the_file()

    def _finish(self, *, is_whole: bool) -> None:  # noqa: ARG002 - a file is closed in one way only
        self.text.close()
