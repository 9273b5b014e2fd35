"""Excel workbooks of one sheet, written row by row. Cells hold values and text, never formulas."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
import warnings
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from canvas_studio._core import without_formula
from canvas_studio._csv import WholeFile
from canvas_studio._frames import check
from canvas_studio._notebook import plural

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from canvas_studio._core import ListingSource

MOST_ROWS: Final = 1_048_576
MOST_COLUMNS: Final = 16_384
MOST_UNITS: Final = 32_767
"""The longest text of a cell, in units of UTF-16, of which an emoji takes two."""
EXACT: Final = 10**15
"""Excel keeps fifteen digits of a number."""
FIRST_YEAR: Final = 1900

OWNER: Final = ("id", "full_name", "display_name", "email")
EXTRA: Final = "extra"

WIDEST: Final = 50


class ExcelFile(WholeFile):
    """A workbook of one sheet."""

    def __init__(self, path: str | os.PathLike[str], sheet: str, *, private: bool = False) -> None:
        """Begin the file.

        Args:
            path: Where it will be.
            sheet: The name of the sheet.
            private: Whether only this user can read it.
        """
        check("to_excel", "excel")
        from xlsxwriter import Workbook  # type: ignore[import-untyped] # noqa: PLC0415 - an extra, without types

        super().__init__(path, private=private)
        # It keeps one row in memory, and the others here.
        self._folder = tempfile.TemporaryDirectory(prefix="canvas-studio-")
        self._book: Any = Workbook(self._file, {"constant_memory": True, "tmpdir": self._folder.name})
        self._book.use_zip64()
        self._sheet: Any = self._book.add_worksheet(sheet)
        self._formats: dict[str, Any] = {
            "heading": self._book.add_format({"bold": True}),
            "moment": self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            "day": self._book.add_format({"num_format": "yyyy-mm-dd"}),
            # Without this, Excel makes a formula of the text when somebody edits the cell.
            "quoted": self._book.add_format({"quote_prefix": True}),
        }
        self._columns: Sequence[str] = ()
        self._row = 0
        self._cut: list[str] = []

    def expect(self, count: int | None) -> None:
        """Raise if so many rows do not fit, before they are read.

        Args:
            count: How many there will be, if that is known.
        """
        if count is not None and count >= MOST_ROWS:
            most = MOST_ROWS - 1
            raise ValueError(
                f"an Excel sheet holds {most:,} rows below its heading, and these are {count:,}: "
                f"use limit({most}), or to_csv or to_parquet"
            )

    def write_heading(self, columns: Sequence[str], rows: Iterable[Sequence[object]] = ()) -> None:
        """Write the names of the columns.

        Args:
            columns: The names.
            rows: The first rows, whose texts the columns should be wide enough for.
        """
        self._columns = columns
        widths = [len(column) for column in columns]
        for row in rows:
            widths = [max(width, len(str(value or ""))) for width, value in zip(widths, row, strict=True)]
        for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
            self._sheet.set_column(index, index, min(width + 2, WIDEST))
            self._write_text(index, column, self._formats["heading"])
        self._sheet.freeze_panes(1, 0)
        self._row = 1

    def write_row(self, cells: Iterable[object]) -> None:
        """Write one row.

        Args:
            cells: Its values.
        """
        self.expect(self._row)
        with self._naming_the_file():
            for index, value in enumerate(cells):
                self._write_cell(index, value)
        self._row += 1

    def _write_cell(self, index: int, value: object) -> None:
        match value:
            case None:
                pass
            case bool():
                self._sheet.write_boolean(self._row, index, value)
            case int() if abs(value) < EXACT:
                self._sheet.write_number(self._row, index, value)
            case float() if math.isfinite(value):
                self._sheet.write_number(self._row, index, value)
            case datetime() if value.year >= FIRST_YEAR:
                # Excel knows no zones.
                moment = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
                self._sheet.write_datetime(self._row, index, moment, self._formats["moment"])
            case date() if value.year >= FIRST_YEAR and not isinstance(value, datetime):
                self._sheet.write_datetime(self._row, index, value, self._formats["day"])
            case date():
                self._write_text(index, value.isoformat())
            case dict() | list():
                self._write_text(index, json.dumps(value, ensure_ascii=False))
            case _:
                self._write_text(index, str(value))

    def _write_text(self, index: int, text: str, cell_format: object = None) -> None:
        whole = text.encode("utf-16-le")
        if len(whole) > 2 * MOST_UNITS:
            self._cut.append(f"{self._columns[index]!r} in row {self._row + 1}")
            text = whole[: 2 * MOST_UNITS - 2].decode("utf-16-le", "ignore") + "…"
        if without_formula(text) != text:
            cell_format = cell_format or self._formats["quoted"]
        self._sheet.write_string(self._row, index, text, cell_format)

    def _finish(self, *, is_whole: bool) -> None:
        from xlsxwriter.exceptions import FileCreateError  # type: ignore[import-untyped] # noqa: PLC0415 - likewise

        with self._file, self._folder:
            if not is_whole:
                # Nothing is to be written, but its own file is open.
                with contextlib.suppress(AttributeError):
                    self._sheet.row_data_fh.close()
                return
            if self._row > 1:
                self._sheet.autofilter(0, 0, self._row - 1, len(self._columns) - 1)
            try:
                self._book.close()
            except FileCreateError as error:
                raise error.args[0] from None
        if self._cut:
            warnings.warn(
                f"{self.path.name}: {len(self._cut)} texts were cut at {MOST_UNITS:,} characters, the most that a cell "
                f"of Excel holds, the first of them {self._cut[0]}. Use to_csv or to_parquet if you need them whole",
                stacklevel=4,
            )


class ItemsFile(ExcelFile):
    """The items of a list, under the names of the columns of its CSV."""

    def __init__(self, path: str | os.PathLike[str], source: ListingSource) -> None:
        """Begin the file.

        Args:
            path: Where it will be.
            source: What the items come from. If they have no documented fields, those of the first page are taken.
        """
        super().__init__(path, plural(source.item))
        self._fields: Sequence[str] = source.fields
        self._has_owner = "owner" in source.fields

    def write(self, items: Iterable[Any], total: int | None) -> None:
        """Write one row for each item.

        Args:
            items: The items of a page.
            total: How many the list has, if that is known.
        """
        self.expect(total)
        pairs = [(item, _values(item)) for item in items]
        if not self._fields:
            self._fields = list(dict.fromkeys(field for _, values in pairs for field in values))[: MOST_COLUMNS - 1]
        rows = [self._cells(item, values) for item, values in pairs]
        if not self._row:
            self.write_heading(self._names(), rows)
        for row in rows:
            self.write_row(row)

    def _names(self) -> list[str]:
        names: list[str] = []
        for field in self._fields:
            names += [f"owner_{part}" for part in OWNER] if self._is_owner(field) else [field]
        taken = {name.casefold() for name in names}
        extra = EXTRA
        while extra in taken:
            extra += "_"
        return [*names, extra]

    def _is_owner(self, field: str) -> bool:
        return self._has_owner and field == "owner"

    def _cells(self, item: object, values: Mapping[str, Any]) -> list[object]:
        cells: list[object] = []
        extra = {field: value for field, value in values.items() if field not in self._fields}
        for field in self._fields:
            value = values.get(field)
            if not self._is_owner(field):
                # A dict has the texts of moments and days; what has a type has those.
                typed = None if isinstance(item, dict) else getattr(item, field, None)
                cells.append(typed if isinstance(typed, date) else value)
                continue
            owner = dict(cast("dict[str, Any]", value)) if isinstance(value, dict) else {}
            cells += [owner.pop(part, None) for part in OWNER]
            if owner or not isinstance(value, dict | None):
                extra[field] = owner or value
        return [*cells, extra or None]

    def _finish(self, *, is_whole: bool) -> None:
        # A sheet without rows still has its columns.
        if is_whole and not self._row:
            self.write_heading(self._names())
        super()._finish(is_whole=is_whole)


def _values(item: Any) -> dict[str, Any]:  # noqa: ANN401 - an item of any list
    return cast("dict[str, Any]", item if isinstance(item, dict) else item.to_dict())
