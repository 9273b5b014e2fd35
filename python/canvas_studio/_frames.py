"""Columns for pyarrow, pandas, polars and Parquet. Each package is imported when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from canvas_studio._core import ArrowTable, read_bool
from canvas_studio._csv import WholeFile

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from canvas_studio._core import ArrowBatch, ListingSource

NEEDED = {"arrow": ("pyarrow",), "pandas": ("pandas", "pyarrow"), "polars": ("polars",), "excel": ("xlsxwriter",)}
"""The packages of each extra."""

ROWS = 16_384
"""So many rows are put together before they are written: what reads Parquet is slow with many small groups, and with
twice as many rows memory goes up and down by 6 MB."""


def check(method: str, extra: str, flatten: bool = False) -> bool:  # noqa: FBT001, FBT002 - an argument of a user
    """Raise if a package is missing or an argument is wrong, before anything is sent.

    Args:
        method: The method that needs it.
        extra: The extra.
        flatten: The argument `flatten` of the method.

    Returns:
        The argument.
    """
    for name in NEEDED[extra]:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            wanted = " ".join(NEEDED[extra])
            raise ImportError(f"{method}() needs {name}: pip install {wanted}", name=name) from error
    return read_bool("flatten", flatten)


def to_arrow(source: ListingSource, batches: Sequence[ArrowBatch], *, flatten: bool) -> pa.Table:
    """Join batches to a pyarrow table."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    # Each batch has its own dictionaries; a table is easier to use with one per column.
    reader = pa.RecordBatchReader.from_stream(ArrowTable(source, list(batches), flatten))
    return reader.read_all().unify_dictionaries()


def to_pandas(source: ListingSource, batches: Sequence[ArrowBatch], *, flatten: bool) -> pd.DataFrame:
    """Join batches to a pandas data frame."""
    import pandas as pd  # noqa: PLC0415 - an extra
    import pyarrow as pa  # noqa: PLC0415 - an extra

    table: Any = to_arrow(source, batches, flatten=flatten)
    frame: pd.DataFrame = table.to_pandas(date_as_object=False)
    for column in table.schema:
        # Otherwise one missing number turns the whole column into floats, and a course's id into 1301.0.
        if column.nullable and pa.types.is_int64(column.type):
            frame[column.name] = table[column.name].to_pandas(types_mapper={column.type: pd.Int64Dtype()}.get)
    return frame


def to_polars(source: ListingSource, batches: Sequence[ArrowBatch], *, flatten: bool) -> pl.DataFrame:
    """Join batches to a polars data frame."""
    import polars as pl  # noqa: PLC0415 - an extra

    return pl.DataFrame(ArrowTable(source, list(batches), flatten))


class ParquetFile(WholeFile):
    """A Parquet file, written in row groups."""

    def __init__(self, path: str | os.PathLike[str], source: ListingSource, *, flatten: bool) -> None:
        """Begin the file.

        Args:
            path: Where it will be.
            source: What the batches come from.
            flatten: Whether their columns are flat.
        """
        super().__init__(path)
        self._source = source
        self.flatten = flatten
        self._batches: list[ArrowBatch] = []
        self._rows = 0
        self._writer: Any = None

    def write(self, batch: ArrowBatch) -> None:
        """Add the rows of a batch. They are written when there are enough of them."""
        self._batches.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROWS:
            with self._naming_the_file():
                self._write_group()

    def _write_group(self) -> None:
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - an extra

        table = to_arrow(self._source, self._batches, flatten=self.flatten)
        self._batches, self._rows = [], 0
        if self._writer is None:
            self._writer = ParquetWriter(self._file, table.schema)
        self._writer.write_table(table)

    def _finish(self, *, is_whole: bool) -> None:
        try:
            # A file without rows still has its columns.
            if is_whole and (self._batches or self._writer is None):
                self._write_group()
        finally:
            with self._file:
                if self._writer is not None:
                    self._writer.close()
