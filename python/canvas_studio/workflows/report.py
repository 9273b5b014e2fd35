"""Reports: one HTML file that needs nothing else, from headings, texts and tables.

A report is a value, and its tables hold `Rows`. The same value becomes a page (`write_report`), CSV files
(`write_csvs`), lines at a terminal (`canvas_studio.cli.tables`) and JSON (`Report.to_dict`):

```python
owners = Table(
    "owners",  # names its CSV file
    "Storage by owner, largest first",
    (
        Column("owner_name", "Owner"),
        Column("owner_id", "Id", "id"),
        Column("media", "Media", "count"),
        Column("bytes", "Size", "bytes"),
    ),
    library.sql(
        "select owner_name, owner_id, count(*) as media, sum(size) as bytes from library group by owner_id "
        "order by bytes desc"
    ),
    chart="bytes",
)
report = Report(
    "Storage",
    facts=(("School", library.about.studio),),
    notes=("The size of a video that is elsewhere is unknown.",),
    sections=(Section("Owners", ("Grouped by id.",), (owners,)),),
)
write_report(report, "storage.html")
```

A column of the rows that no `Column` names is in the CSV and the JSON only. A missing value is shown as "unknown", and
never as 0. All text is escaped, whoever wrote it.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import quote

from canvas_studio._core import __version__, read_path
from canvas_studio.workflows.page import STYLE, TEMPLATE
from canvas_studio.workflows.rows import PrivateFile

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from canvas_studio.workflows.rows import Rows

__all__ = ["Column", "Report", "Section", "Table", "check_jinja2", "plain", "write_csvs", "write_report"]

SHOWN: Final = 200
"""A table of a page has so many rows at most."""

LONGEST_TEXT: Final = 200
LONGEST_LABEL: Final = 24

BARS: Final = 12
ZERO, WIDTH = 212.0, 400.0
"""Where bars begin, and how long the longest is."""

UNKNOWN: Final = "unknown"

Kind: TypeAlias = Literal["text", "id", "count", "bytes", "hours", "share"]
"""What is in a column. `hours` are given in seconds, and `share` as a part of 1."""

OVERRIDES: Final = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""What changes the direction of the text behind it. Whole texts are isolated from each other, and need none."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Column:
    """A column of a table.

    Attributes:
        name: Which column of the rows.
        heading: What stands above it.
        kind: What is in it.
        signed: Whether it is a difference, which has a sign always.
    """

    name: str
    heading: str
    kind: Kind = "text"
    signed: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it is a number that is compared with those above and below."""
        return self.kind not in {"text", "id"}


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Table:
    """A table, and maybe a chart of it.

    Attributes:
        name: A word, for its CSV file. Each table of a report has another one.
        caption: What it shows, and in which order.
        columns: What is shown. The first one names the row.
        rows: All rows, which may have more columns.
        chart: The column whose first values are drawn as bars.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: Rows
    chart: str | None = None

    def headings(self) -> list[str]:
        """Return what stands above the columns, with the unit."""
        return [
            f"{column.heading} ({self.unit(column)})" if self.unit(column) else column.heading
            for column in self.columns
        ]

    def unit(self, column: Column) -> str:
        """Return the unit that fits the numbers of a column; an empty text if it has none.

        Args:
            column: One of the columns.
        """
        if column.kind != "bytes":
            return ""
        return "GB" if any(abs(row[column.name] or 0) >= 1e9 for row in self.rows) else "MB"  # noqa: PLR2004

    def cells(self, count: int) -> list[list[str | None]]:
        """Return the first rows as texts.

        Args:
            count: How many.

        Returns:
            A text for each column, `None` for what is unknown.
        """
        units = [self.unit(column) for column in self.columns]
        return [
            [_text(row[column.name], column, unit) for column, unit in zip(self.columns, units, strict=True)]
            for row in self.rows[:count]
        ]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Section:
    """A part of a report.

    Attributes:
        heading: Its heading.
        texts: A paragraph each: what the tables show, and how sure that is.
        tables: Its tables.
    """

    heading: str
    texts: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Report:
    """A report.

    Attributes:
        title: Its title.
        facts: What it is about: a name and a text each.
        notes: What a reader has to know before the numbers.
        sections: Its parts.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()

    @property
    def tables(self) -> list[Table]:
        """The tables of all sections."""
        return [table for section in self.sections for table in section.tables]

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that `json.dumps` takes.

        Returns:
            `title`, `facts`, `notes`, and `tables`: all rows of each, by its name.
        """
        return {
            "title": self.title,
            "facts": dict(self.facts),
            "notes": list(self.notes),
            "tables": {table.name: table.rows.to_dicts() for table in self.tables},
        }


def check_jinja2(method: str) -> None:
    """Raise if jinja2 is missing. Ask before what takes long.

    Args:
        method: What needs it.

    Raises:
        ImportError: If it is missing.
    """
    try:
        import jinja2  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport] - an extra
    except ModuleNotFoundError as error:
        if error.name != "jinja2":
            raise
        raise ImportError(f"{method} needs jinja2: pip install 'canvas-studio[report]'", name="jinja2") from error


def write_report(report: Report, path: str | os.PathLike[str]) -> list[Path]:
    """Write a report to an HTML file, which only this user can read, and which has its name only when it is whole.

    A table that has more than 200 rows, or texts that are too long for it, gets a CSV file beside the page.

    Args:
        report: The report.
        path: The file; an existing one is replaced.

    Returns:
        The path, and those of the CSV files.

    Raises:
        ImportError: If jinja2 is missing.
        InvalidArgumentError: If `path` exists and is not a file.
        OSError: If a file cannot be written.
    """
    check_jinja2("a report")
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - an extra
    from markupsafe import Markup  # noqa: PLC0415 - comes with it

    file = read_path("path", path)
    shown = {table.name: _shown(table, f"{file.stem}.{table.name}.csv") for table in report.tables}
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_printed
    )
    template = environment.from_string(TEMPLATE)
    with PrivateFile(file) as page:
        content = template.render(
            report=report,
            page=shown,
            style=Markup(STYLE),  # noqa: S704 - it is our own
            style_hash=f"sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}",
            tool=f"canvas-studio {__version__}",
            unknown=UNKNOWN,
        )
        # The page names them, so it gets its name last.
        csvs = [
            table.rows.to_csv(file.with_name(shown[table.name]["csv"]))
            for table in report.tables
            if shown[table.name]["csv"]
        ]
        page.write(content.encode())
    return [page.path, *csvs]


def write_csvs(report: Report, folder: str | os.PathLike[str]) -> list[Path]:
    """Write each table to a CSV file, with all rows and all columns.

    Args:
        report: The report.
        folder: Where to. It is made if it is not there.

    Returns:
        The paths.

    Raises:
        OSError: If a file cannot be written.
    """
    place = read_path("folder", folder)
    place.mkdir(mode=0o700, exist_ok=True)
    return [table.rows.to_csv(place / f"{table.name}.csv") for table in report.tables]


def plain(text: str) -> str:
    """Replace what would change more than its own cell: characters that control a terminal or the direction of text.

    Args:
        text: From anybody.

    Returns:
        The text, in one line.
    """
    return text if text.isprintable() else "".join(map(_plain, text))


def _plain(letter: str) -> str:
    if letter.isspace():
        return " "
    is_odd = unicodedata.category(letter) in {"Cc", "Cs"} or unicodedata.bidirectional(letter) in OVERRIDES
    return "\N{REPLACEMENT CHARACTER}" if is_odd else letter


def _printed(value: object) -> object:
    """What jinja2 calls for each value: all but what is HTML already."""
    return plain(value) if type(value) is str else value


def _shown(table: Table, csv: str) -> dict[str, Any]:
    """What the template needs to know of a table."""
    rows = table.cells(SHOWN)
    notes: list[str] = []
    if len(table.rows) > SHOWN:
        notes.append(f"The first {SHOWN} of {len(table.rows):,} rows.")
    if any(cell is not None and len(cell) > LONGEST_TEXT for row in rows for cell in row):
        notes.append("A text that ends with … is longer.")
        rows = [[None if cell is None else _cut(cell, LONGEST_TEXT) for cell in row] for row in rows]
    return {
        "columns": list(zip(table.columns, table.headings(), strict=True)),
        "rows": rows,
        "notes": notes,
        "csv": csv if notes else None,
        "href": quote(csv, safe=""),
        "chart": None if table.chart is None or not len(table.rows) else _chart(table, table.chart),
    }


def _chart(table: Table, name: str) -> dict[str, Any] | None:
    """Where the bars are. What is unknown has none."""
    column = next(column for column in table.columns if column.name == name)
    unit = table.unit(column)
    first, rows = table.columns[0], [row for row in table.rows[:BARS] if row[name] is not None]
    values: list[float] = [row[name] for row in rows]
    lowest, highest = min(0, *values, 0), max(0, *values, 0)
    if lowest == highest:
        return None
    scale = WIDTH / (highest - lowest)
    zero = ZERO - lowest * scale
    bars = [
        {
            "label": _label(_text(row[first.name], first, "") or UNKNOWN),
            "left": round(zero + min(value, 0) * scale, 1),
            "width": round(abs(value) * scale, 1),
            "value": f"{_text(value, column, unit)} {unit}".rstrip(),
        }
        for row, value in zip(rows, values, strict=True)
    ]
    what = f"the first {len(bars)}" if len(table.rows) > len(bars) else "all"
    label = f"Bars: {column.heading.lower()}, {what}. {table.caption}. The table has the numbers."
    return {"bars": bars, "zero": round(zero, 1), "label": label}


def _text(value: Any, column: Column, unit: str) -> str | None:  # noqa: ANN401 - whatever SQLite has
    if value is None or isinstance(value, str | bytes):
        return None if value is None else plain(str(value))
    sign = "+" if column.signed and value else ""
    match column.kind:
        case "count":
            return f"{value:{sign},}"
        case "bytes":
            return f"{value / (1e9 if unit == 'GB' else 1e6):{sign},.1f}"
        case "hours":
            return f"{value / 3600:{sign},.1f}"
        case "share":
            return f"{value:{sign}.1%}"
        case _:
            return str(value)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _label(text: str) -> str:
    """The beginning of a text that has room beside a bar. Letters of some scripts are wide."""
    width = 0
    for index, letter in enumerate(text):
        width += 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1
        if width > LONGEST_LABEL:
            return f"{text[:index]}…"
    return text
