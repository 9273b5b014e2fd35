"""Rows that a query brought: dicts, a table in a notebook, data frames, CSV and Parquet."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self, overload

from canvas_studio import _frames, _notebook
from canvas_studio._core import read_int, without_formula
from canvas_studio._csv import WholeFile
from canvas_studio.errors import InvalidArgumentError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["PrivateFile", "Rows"]

SHOWN: Final = 20
LONGEST_TEXT: Final = 60


class Rows(Sequence[dict[str, Any]]):
    """Rows that a query brought, all in memory: a sequence of dicts, one for each row.

    Attributes:
        columns: The names of the columns. If the query gives a name twice, the second one is `name_2`.
    """

    def __init__(self, columns: Sequence[str], tuples: Sequence[tuple[Any, ...]]) -> None:
        self.columns: tuple[str, ...] = _each_once(columns)
        self._tuples = tuples

    def __len__(self) -> int:
        return len(self._tuples)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | Self:
        if isinstance(index, slice):
            return type(self)(self.columns, self._tuples[index])
        return dict(zip(self.columns, self._tuples[index], strict=True))

    def limit(self, count: int) -> Self:
        """Return the first rows.

        Args:
            count: The maximum number of rows; 0 or more.

        Returns:
            Other rows; these do not change.

        Raises:
            InvalidArgumentError: If `count` is negative.
            TypeError: If it is not a whole number.
        """
        number = read_int("count", count)
        if number < 0:
            raise InvalidArgumentError(f"count must be 0 or more, not {count!r}", argument="count")
        return self[:number]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows):
            return NotImplemented
        return self.columns == other.columns and list(self._tuples) == list(other._tuples)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = self._tuples[:SHOWN]
        texts = [list(self.columns), *([_text(value) for value in row] for row in shown)]
        widths = [max(map(width_of, column)) for column in zip(*texts, strict=True)]
        is_number = [_is_number(column) for column in self._sample(shown)]
        lines = [
            "  ".join(
                " " * (width - width_of(text)) + text if number else text + " " * (width - width_of(text))
                for text, width, number in zip(line, widths, is_number, strict=True)
            ).rstrip()
            for line in texts
        ]
        return "\n".join([*lines, self._extent()])

    def _repr_html_(self) -> str:
        rows = [[_notebook.cell(value) for value in row] for row in self._tuples[:SHOWN]]
        return _notebook.table(self.columns, rows, self._extent())

    def _extent(self) -> str:
        count = len(self)
        if count > SHOWN:
            return f"the first {SHOWN} of {count:,} rows"
        return "1 row" if count == 1 else f"{count} rows"

    def _sample(self, shown: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return list(zip(*shown, strict=True)) or [() for _ in self.columns]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dicts that `json.dumps` takes, unless a cell is a blob.

        Returns:
            One dict for each row.
        """
        return list(self)

    def to_csv(self, path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Path:
        """Write the rows to a CSV file that only this user can read, and that has its name only when it is whole.

        A text that a spreadsheet may take for a formula gets an apostrophe in front. A missing value is empty.

        Args:
            path: The file; an existing one is replaced.
            encoding: `utf-8`, or `utf-8-sig` for a spreadsheet that would otherwise take it for something else.

        Returns:
            The path.

        Raises:
            InvalidArgumentError: If `path` exists and is not a file.
            OSError: If the file cannot be written.
        """
        text = io.StringIO(newline="")
        rows = csv.writer(text)
        rows.writerow(map(without_formula, self.columns))
        rows.writerows(
            [without_formula(value) if isinstance(value, str) else value for value in row] for row in self._tuples
        )
        content = text.getvalue().encode(encoding)
        with PrivateFile(path) as file:
            file.write(content)
        return file.path

    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write the rows to an Excel workbook that only this user can read, and that is there only when it is whole.

        A text is never a formula, and a whole number of more than 15 digits is text. Moments and days are text, as they
        are in the file.

        Args:
            path: The file; an existing one is replaced.

        Returns:
            The path.

        Raises:
            ImportError: If XlsxWriter is missing.
            InvalidArgumentError: If `path` exists and is not a file.
            ValueError: If there are more than 1,048,575 rows, the most that fit in a sheet.
            OSError: If the file cannot be written.
        """
        from canvas_studio._excel import ExcelFile  # noqa: PLC0415 - only needed here

        with ExcelFile(path, "Rows", private=True) as book:
            book.expect(len(self))
            book.write_heading(self.columns, self._tuples[:SHOWN])
            for row in self._tuples:
                book.write_row(row)
        return book.path

    def to_arrow(self) -> pa.Table:
        """Return the rows as a pyarrow table. Moments and days are text, as they are in the file.

        Returns:
            The table.

        Raises:
            ImportError: If pyarrow is missing.
        """
        _frames.check("to_arrow", "arrow")
        import pyarrow as pa  # noqa: PLC0415 - an extra

        return pa.table(self._by_column())

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas data frame. Moments and days are text, as they are in the file.

        Returns:
            The frame.

        Raises:
            ImportError: If pandas is missing.
        """
        _frames.check("to_pandas", "pandas")
        import pandas as pd  # noqa: PLC0415 - an extra

        # Otherwise one missing number turns the whole column into floats, and an id into 1301.0.
        return pd.DataFrame(
            {
                name: pd.Series(values, dtype="Int64" if _is_whole(values) and None in values else None)
                for name, values in self._by_column().items()
            },
            columns=list(self.columns),
        )

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a polars data frame. Moments and days are text, as they are in the file.

        Returns:
            The frame.

        Raises:
            ImportError: If polars is missing.
        """
        _frames.check("to_polars", "polars")
        import polars as pl  # noqa: PLC0415 - an extra

        return pl.DataFrame(self._by_column())

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write the rows to a Parquet file that only this user can read, and that has its name only when it is whole.

        Args:
            path: The file; an existing one is replaced.

        Returns:
            The path.

        Raises:
            ImportError: If pyarrow is missing.
            InvalidArgumentError: If `path` exists and is not a file.
            OSError: If the file cannot be written.
        """
        _frames.check("to_parquet", "arrow")
        from pyarrow.parquet import (  # noqa: PLC0415 - an extra
            write_table,  # pyright: ignore[reportUnknownVariableType]
        )

        table = self.to_arrow()
        content = io.BytesIO()
        write_table(table, content)
        with PrivateFile(path) as file:
            file.write(content.getvalue())
        return file.path

    def _by_column(self) -> dict[str, list[Any]]:
        columns = [list(values) for values in zip(*self._tuples, strict=True)] or [list[Any]() for _ in self.columns]
        return {name: _of_one_kind(values) for name, values in zip(self.columns, columns, strict=True)}


class PrivateFile(WholeFile):
    """A file that only this user can read, and that has its name only when it is whole."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, private=True)

    def write(self, content: bytes) -> None:
        """Write some bytes.

        Args:
            content: The bytes.

        Raises:
            OSError: If they cannot be written.
        """
        with self._naming_the_file():
            self._file.write(content)

    def _finish(self, *, is_whole: bool) -> None:  # noqa: ARG002 - a file is closed in one way only
        self._file.close()


def _each_once(names: Sequence[str]) -> tuple[str, ...]:
    taken: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.append(unique)
    return tuple(taken)


def _of_one_kind(values: list[Any]) -> list[Any]:
    """A column of SQLite may hold anything in each row; one of a data frame has one type."""
    kinds: set[type] = {type(value) for value in values if value is not None}
    if len(kinds) < 2:  # noqa: PLR2004
        return values
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]


def width_of(text: str) -> int:
    """How many columns of a terminal a text takes: two for each wide letter, none for a mark on another letter."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in {"W", "F"} else not unicodedata.category(letter).startswith("M")
        for letter in text
    )


def _is_whole(values: list[Any]) -> bool:
    return {type(value) for value in values if value is not None} == {int}


def _is_number(values: Sequence[Any]) -> bool:
    return any(value is not None for value in values) and all(
        value is None or isinstance(value, int | float) for value in values
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
