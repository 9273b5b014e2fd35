"""`Listing`: reads a list of Studio page by page, with `for` or `async for`, until it is complete."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import chain, pairwise
from operator import length_hint
from pathlib import Path
from threading import Lock
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar, cast

from canvas_studio._core import (
    ArrowBatch,
    Checkpoint,
    ListingSource,
    PageReader,
    StudioClient,
    read_bool,
    read_int,
)

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from canvas_studio._csv import CsvFile
    from canvas_studio._frames import ParquetFile
    from canvas_studio._progress import Items
    from canvas_studio.drift import Drift
else:
    # Extras, imported by the methods that need them. Until then their types are Any.
    pa, pd, pl = SimpleNamespace(Table=Any), SimpleNamespace(DataFrame=Any), SimpleNamespace(DataFrame=Any)

__all__ = ["Listing", "Pages"]

Item = TypeVar("Item")


class Listing(Generic[Item]):
    """A list that Studio returns in pages. It makes no request until you read it.

    Each reading starts from the beginning, so you can read one listing several times, from several threads and event
    loops. The first page is requested alone; further pages are prefetched, as many at a time as the client's
    `max_concurrency` allows.

    You get each item once, also if the list changes while it is read. Items are identified by their id, or by all their
    fields if they have none. If there is a sign of a change, the pages are read again, and you get the items that had
    moved; `drift` reports it. The list ends at the last page that Studio names, unless the count or the pages
    contradict that. If Studio names none, it ends at a page that is empty or equal to the previous one. There is no
    limit but `limit`.

    polars, pandas, pyarrow and DuckDB accept a listing as columns, through `__arrow_c_stream__`. A notebook shows its
    first rows, and requests one page for them.

    A listing can be pickled with its client. The pickle does not contain what was read.

    After an error, or a cancelled `anext`, the same iterator continues with the page that failed.

    Raises, while it is read: any error of a request (`APIStatusError` and its kinds, `APIConnectionError`,
    `APITimeoutError`, `ResponseDecodeError`), and `ListingChangedError` if it changed during each of ten readings,
    has no end, or has fewer items on its pages than Studio counts.
    """

    __slots__ = ("__weakref__", "_consistent", "_limit", "_progress", "_reading", "_source", "_thumbnails")

    def __init__(
        self,
        source: ListingSource,
        limit: int | None = None,
        consistent: bool = False,  # noqa: FBT001, FBT002 - by position in a pickle
        progress: bool | Callable[[int, int | None], object] = False,  # noqa: FBT001, FBT002 - likewise
        thumbnails: bool = False,  # noqa: FBT001, FBT002 - likewise
    ) -> None:
        self._source = source
        self._limit = limit
        self._consistent = consistent
        self._progress = progress
        self._thumbnails = thumbnails
        self._reading: _Reading | None = None

    def __repr__(self) -> str:
        limit = "" if self._limit is None else f".limit({self._limit})"
        options = {"consistent": self._consistent, "progress": self._progress, "thumbnails": self._thumbnails}
        given = ", ".join(f"{name}={value!r}" for name, value in options.items() if value)
        return f"<Listing of {self._source.request}>{limit}" + (f".with_options({given})" if given else "")

    def __bool__(self) -> NoReturn:
        raise TypeError("a Listing is not true or false: use `listing.first() is not None`, or `listing.total() > 0`")

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), (self._source, self._limit, self._consistent, self._progress, self._thumbnails)

    def __iter__(self) -> Iterator[Item]:
        # Neither a generator nor anything else of Python's runs for each item.
        one_by_one: _OneByOne[Item] = _OneByOne(self._begin())
        return chain.from_iterable(one_by_one)

    def __aiter__(self) -> _AsyncItems[Item]:
        return _AsyncItems(self._begin())

    def _begin(self) -> _Reading:
        reader = self._source.read(self._limit, self._consistent)
        self._reading = reading = _Reading(reader, self._progress)
        return reading

    def pages(self) -> Pages[Item]:
        """Return the items as one list per page. Pages without new items are left out.

        Returns:
            The pages, for `for` and `async for`.
        """
        return Pages(self._begin)

    def limit(self, count: int) -> Listing[Item]:
        """Return the same list, limited to some items.

        Args:
            count: The maximum number of items; 0 or more.

        Returns:
            A new listing; this one does not change.

        Raises:
            InvalidArgumentError: If `count` is negative.
            TypeError: If it is not a whole number.
        """
        count = _whole_number(count, 0)
        limit = count if self._limit is None else min(count, self._limit)
        return self._like_this(self._source, limit)

    def _like_this(self, source: ListingSource, limit: int | None) -> Listing[Item]:
        return Listing(source, limit, self._consistent, self._progress, self._thumbnails)

    def with_options(
        self,
        *,
        consistent: bool | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
        thumbnails: bool | None = None,
    ) -> Listing[Item]:
        """Return the same list with other options. `None` keeps an option as it is.

        Args:
            consistent: Whether to read until two readings in a row agree. That also finds changes that
                leave the count as it is; it costs at least twice the requests.
            progress: `True` for a bar in a terminal or a notebook (the extra `progress`), or a callable. The callable
                gets the number of items so far and the total, or `None` if it is unknown. It runs on the reader's
                thread when pages have come, for frames and Parquet at most twenty times a second; the last call has
                two equal numbers. If it raises, the reading ends. `False` shows no progress.
            thumbnails: Whether the table in a notebook shows pictures. The notebook then stores their addresses, and
                each viewer's browser fetches them from Studio's storage.

        Returns:
            A new listing; this one does not change.

        Raises:
            TypeError: If an argument is none of these, or `progress` is an async callable.
        """
        from canvas_studio._progress import read_progress  # noqa: PLC0415 - only needed here

        return Listing(
            self._source,
            self._limit,
            self._consistent if consistent is None else read_bool("consistent", consistent),
            self._progress if progress is None else read_progress(progress),
            self._thumbnails if thumbnails is None else read_bool("thumbnails", thumbnails),
        )

    @property
    def drift(self) -> Drift | None:
        """How the list changed during the latest reading of this object, as far as noticed so far.

        `None` if this object was not read yet.
        """
        if self._reading is None:
            return None
        from canvas_studio.drift import Drift  # noqa: PLC0415 - it needs dataclasses, and listings do not

        return Drift(*self._reading.reader.drift)

    def checkpoint(self) -> Checkpoint:
        """Return how far the latest reading of this object has come.

        It points behind the last item that you got (with `pages()`, behind the last page), also after an error.
        `StudioClient.resume` continues from there, in this process or another.

        Returns:
            The checkpoint; the start of the list if nothing was read yet. It holds no secret.
        """
        reading = self._reading or _Reading(self._source.read(self._limit, self._consistent), progress=False)
        # Another thread may read on at the same time, so that this position is gone.
        while (checkpoint := reading.checkpoint()) is None:
            pass
        return checkpoint

    def split(self, count: int) -> list[Listing[Item]]:
        """Split the list by page numbers into parts, for several processes or machines.

        Each part is read like any listing. Together they are this listing as long as it does not change: an item that
        moves from one part to another meanwhile may be missed, or be in both.

        Args:
            count: The number of parts; 1 or more.

        Returns:
            That many listings, but at most one per page, and at least one. The last one has an open end.

        Raises:
            InvalidArgumentError: If `count` is less than 1.
            TypeError: If it is not a whole number.
        """
        count = _whole_number(count, 1)
        total = self._source.total() if self._source.per_page else 0
        page = self._source.read(None, consistent=False).next_pages() if self._limit and total else None
        return self._parts(count, total, page)

    async def split_async(self, count: int) -> list[Listing[Item]]:
        """Split the list by page numbers into parts, for several processes or machines.

        Each part is read like any listing. Together they are this listing as long as it does not change: an item that
        moves from one part to another meanwhile may be missed, or be in both.

        Args:
            count: The number of parts; 1 or more.

        Returns:
            That many listings, but at most one per page, and at least one. The last one has an open end.

        Raises:
            InvalidArgumentError: If `count` is less than 1.
            TypeError: If it is not a whole number.
        """
        count = _whole_number(count, 1)
        total = await self._source.total_async() if self._source.per_page else 0
        page = await self._source.read(None, consistent=False).next_pages_async() if self._limit and total else None
        return self._parts(count, total, page)

    def _parts(self, count: int, total: int, page: list[list[Item]] | None) -> list[Listing[Item]]:
        """Make the parts of a list with so many items. `page` is its first page, which a limit needs."""
        first, per_page = self._source.first_page, self._source.per_page
        if first is None or per_page is None:
            return [self._like_this(self._source, self._limit)]
        if page and len(page[0]) < min(per_page, total):
            # A server may put fewer items on a page than it was asked for.
            per_page = len(page[0])
        pages = -(-self._limited(total) // per_page)
        count = max(1, min(count, pages))
        # The number of pages before each part.
        before = [pages * part // count for part in range(count)]
        limit = None if self._limit is None else self._limit - before[-1] * per_page
        parts = [
            self._like_this(self._source.range(first + start, first + end - 1), None) for start, end in pairwise(before)
        ]
        return [*parts, self._like_this(self._source.range(first + before[-1], None), limit)]

    def _limited(self, total: int) -> int:
        return total if self._limit is None else min(total, self._limit)

    def collect(self) -> list[Item]:
        """Read all items.

        Returns:
            All items, in Studio's order. Items that only a repeated reading found come last.
        """
        return list(self)

    async def collect_async(self) -> list[Item]:
        """Read all items.

        Returns:
            All items, in Studio's order. Items that only a repeated reading found come last.
        """
        items: list[Item] = []
        async for page in self.pages():
            items += page
        return items

    def first(self) -> Item | None:
        """Return the first item. It reads one page, or none with a limit of 0.

        Returns:
            The first item, or `None` if there is none.
        """
        pages = self._read_one().next_pages()
        return pages[0][0] if pages else None

    async def first_async(self) -> Item | None:
        """Return the first item. It reads one page, or none with a limit of 0.

        Returns:
            The first item, or `None` if there is none.
        """
        pages = await self._read_one().next_pages_async()
        return pages[0][0] if pages else None

    def _read_one(self) -> PageReader:
        return self._source.read(1 if self._limit is None else min(1, self._limit), consistent=False)

    def total(self) -> int:
        """Return the current number of items.

        If Studio counts the list, this takes one small request; otherwise it reads the list.

        Returns:
            The number of items, from the first page on and up to `limit`.
        """
        return self._limited(self._source.total())

    async def total_async(self) -> int:
        """Return the current number of items.

        If Studio counts the list, this takes one small request; otherwise it reads the list.

        Returns:
            The number of items, from the first page on and up to `limit`.
        """
        return self._limited(await self._source.total_async())

    def to_dicts(self) -> list[dict[str, Any]]:
        """Read all items as dicts that `json.dumps` accepts.

        Returns:
            One dict per item, as its `to_dict()` returns it.
        """
        return [as_dict(item) for item in self]

    async def to_dicts_async(self) -> list[dict[str, Any]]:
        """Read all items as dicts that `json.dumps` accepts.

        Returns:
            One dict per item, as its `to_dict()` returns it.
        """
        return [as_dict(item) async for page in self.pages() for item in page]

    def to_csv(self, path: str | os.PathLike[str], *, encoding: str = "utf-8", safe: bool = False) -> Path:
        """Write all items to a CSV file, one row per item.

        The owner becomes columns of its own (`owner_id`, `owner_email`, ...); any other object stands as JSON in its
        cell, and what is not documented stands as JSON in the last column, `extra`. The file has its name only when it
        is whole.

        Args:
            path: The file; an existing one is replaced.
            encoding: `utf-8`, or `utf-8-sig` for a spreadsheet that would otherwise take it for something else.
            safe: Whether a text that a spreadsheet may run as a formula, since it begins with `=`, `+`, `-`, `@`, a
                tab or a carriage return, gets an apostrophe in front. Anybody who may upload writes titles, so set
                this for a file that somebody opens in a spreadsheet. By default a program that reads the file finds
                each text as Studio sent it. Numbers stay numbers either way.

        Returns:
            The path.

        Raises:
            InvalidArgumentError: If `path` exists and is not a file.
            LookupError: If there is no such encoding.
            OSError: If the file cannot be written.
            TypeError: If `safe` is not `True` or `False`.
            UnicodeEncodeError: If the encoding has no such character.
        """
        safe = read_bool("safe", safe)
        with _csv_file(path, encoding) as table, self._begin() as reading:
            while (rows := reading.next_csv(safe=safe)) is not None:
                table.write(rows)
        return table.path

    async def to_csv_async(self, path: str | os.PathLike[str], *, encoding: str = "utf-8", safe: bool = False) -> Path:
        """Write all items to a CSV file, one row per item.

        The owner becomes columns of its own (`owner_id`, `owner_email`, ...); any other object stands as JSON in its
        cell, and what is not documented stands as JSON in the last column, `extra`. The file has its name only when it
        is whole.

        Args:
            path: The file; an existing one is replaced.
            encoding: `utf-8`, or `utf-8-sig` for a spreadsheet that would otherwise take it for something else.
            safe: Whether a text that a spreadsheet may run as a formula, since it begins with `=`, `+`, `-`, `@`, a
                tab or a carriage return, gets an apostrophe in front. Anybody who may upload writes titles, so set
                this for a file that somebody opens in a spreadsheet. By default a program that reads the file finds
                each text as Studio sent it. Numbers stay numbers either way.

        Returns:
            The path.

        Raises:
            InvalidArgumentError: If `path` exists and is not a file.
            LookupError: If there is no such encoding.
            OSError: If the file cannot be written.
            TypeError: If `safe` is not `True` or `False`.
            UnicodeEncodeError: If the encoding has no such character.
        """
        safe = read_bool("safe", safe)
        with _csv_file(path, encoding) as table, self._begin() as reading:
            while (rows := await reading.next_csv_async(safe=safe)) is not None:
                table.write(rows)
        return table.path

    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write all items to an Excel workbook, one row per item. Needs XlsxWriter, the extra `excel`.

        The columns are those of `to_csv()`. Numbers are numbers, moments are in UTC, since Excel knows no zones, and a
        text is never a formula. A whole number of more than 15 digits is text, which keeps them all. The file gets its
        name when it is complete.

        Args:
            path: The file; an existing one is replaced.

        Returns:
            The path.

        Raises:
            ImportError: If XlsxWriter is not installed.
            InvalidArgumentError: If `path` exists and is not a file.
            ValueError: If there are more than 1,048,575 items, the most that fit in a sheet. This is raised as soon as
                Studio has counted them.
            OSError: If the file cannot be written.
        """
        from canvas_studio._excel import ItemsFile  # noqa: PLC0415 - only needed here

        with ItemsFile(path, self._source) as book:
            for page in self.pages():
                book.write(page, self._reading.reader.total if self._reading else None)
        return book.path

    async def to_excel_async(self, path: str | os.PathLike[str]) -> Path:
        """Write all items to an Excel workbook, one row per item. Needs XlsxWriter, the extra `excel`.

        The columns are those of `to_csv()`. Numbers are numbers, moments are in UTC, since Excel knows no zones, and a
        text is never a formula. A whole number of more than 15 digits is text, which keeps them all. The file gets its
        name when it is complete.

        Args:
            path: The file; an existing one is replaced.

        Returns:
            The path.

        Raises:
            ImportError: If XlsxWriter is not installed.
            InvalidArgumentError: If `path` exists and is not a file.
            ValueError: If there are more than 1,048,575 items, the most that fit in a sheet. This is raised as soon as
                Studio has counted them.
            OSError: If the file cannot be written.
        """
        from canvas_studio._excel import ItemsFile  # noqa: PLC0415 - only needed here

        with ItemsFile(path, self._source) as book:
            async for page in self.pages():
                book.write(page, self._reading.reader.total if self._reading else None)
        return book.path

    def to_arrow(self, *, flatten: bool = False) -> pa.Table:
        """Read all items as Arrow columns. Needs pyarrow, the extra `arrow`.

        The columns are the documented fields. The last one, `extra`, holds all other fields as JSON.

        Args:
            flatten: Whether each column holds plain values, with the names of the CSV: the owner becomes `owner_id`,
                `owner_full_name`, `owner_display_name` and `owner_email`; any other object or list becomes JSON text.

        Returns:
            One row per item.

        Raises:
            ImportError: If pyarrow is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        flatten = _frames.check("to_arrow", "arrow", flatten)
        return _frames.to_arrow(self._source, list(self._columns(flatten)), flatten=flatten)

    async def to_arrow_async(self, *, flatten: bool = False) -> pa.Table:
        """Read all items as Arrow columns. Needs pyarrow, the extra `arrow`.

        The columns are the documented fields. The last one, `extra`, holds all other fields as JSON.

        Args:
            flatten: Whether each column holds plain values, with the names of the CSV: the owner becomes `owner_id`,
                `owner_full_name`, `owner_display_name` and `owner_email`; any other object or list becomes JSON text.

        Returns:
            One row per item.

        Raises:
            ImportError: If pyarrow is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        flatten = _frames.check("to_arrow", "arrow", flatten)
        batches = [batch async for batch in self._columns_async(flatten)]
        return _frames.to_arrow(self._source, batches, flatten=flatten)

    def to_pandas(self, *, flatten: bool = False) -> pd.DataFrame:
        """Read all items as a pandas data frame. Needs pandas and pyarrow, the extra `pandas`.

        The columns are those of `to_arrow()`. Whole numbers that may be missing are of type `Int64`. Times are in UTC,
        days are `datetime64` without a zone. The owner is a dict, unless `flatten=True` makes columns of it.

        Args:
            flatten: Whether each column holds plain values, with the names of the CSV: the owner becomes `owner_id`,
                `owner_full_name`, `owner_display_name` and `owner_email`; any other object or list becomes JSON text.

        Returns:
            One row per item.

        Raises:
            ImportError: If pandas or pyarrow is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        flatten = _frames.check("to_pandas", "pandas", flatten)
        return _frames.to_pandas(self._source, list(self._columns(flatten)), flatten=flatten)

    async def to_pandas_async(self, *, flatten: bool = False) -> pd.DataFrame:
        """Read all items as a pandas data frame. Needs pandas and pyarrow, the extra `pandas`.

        The columns are those of `to_arrow()`. Whole numbers that may be missing are of type `Int64`. Times are in UTC,
        days are `datetime64` without a zone. The owner is a dict, unless `flatten=True` makes columns of it.

        Args:
            flatten: Whether each column holds plain values, with the names of the CSV: the owner becomes `owner_id`,
                `owner_full_name`, `owner_display_name` and `owner_email`; any other object or list becomes JSON text.

        Returns:
            One row per item.

        Raises:
            ImportError: If pandas or pyarrow is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        flatten = _frames.check("to_pandas", "pandas", flatten)
        batches = [batch async for batch in self._columns_async(flatten)]
        return _frames.to_pandas(self._source, batches, flatten=flatten)

    def to_polars(self, *, flatten: bool = False) -> pl.DataFrame:
        """Read all items as a polars data frame. Needs polars, the extra `polars`, and no pyarrow.

        The columns are those of `to_arrow()`.

        Args:
            flatten: Whether each column holds plain values, with the names of the CSV: the owner becomes `owner_id`,
                `owner_full_name`, `owner_display_name` and `owner_email`; any other object or list becomes JSON text.

        Returns:
            One row per item.

        Raises:
            ImportError: If polars is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        flatten = _frames.check("to_polars", "polars", flatten)
        return _frames.to_polars(self._source, list(self._columns(flatten)), flatten=flatten)

    async def to_polars_async(self, *, flatten: bool = False) -> pl.DataFrame:
        """Read all items as a polars data frame. Needs polars, the extra `polars`, and no pyarrow.

        The columns are those of `to_arrow()`.

        Args:
            flatten: Whether each column holds plain values, with the names of the CSV: the owner becomes `owner_id`,
                `owner_full_name`, `owner_display_name` and `owner_email`; any other object or list becomes JSON text.

        Returns:
            One row per item.

        Raises:
            ImportError: If polars is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        flatten = _frames.check("to_polars", "polars", flatten)
        batches = [batch async for batch in self._columns_async(flatten)]
        return _frames.to_polars(self._source, batches, flatten=flatten)

    def to_parquet(self, path: str | os.PathLike[str], *, flatten: bool = False) -> Path:
        """Write all items to a Parquet file. Needs pyarrow, the extra `arrow`.

        It is written while it is read, so the memory that this takes does not grow with the list. The columns are those
        of `to_arrow()`. The file gets its name when it is complete.

        Args:
            path: The file; an existing one is replaced.
            flatten: The same as for `to_arrow()`.

        Returns:
            The path.

        Raises:
            ImportError: If pyarrow is not installed.
            InvalidArgumentError: If `path` exists and is not a file.
            OSError: If the file cannot be written.
        """
        with self._parquet_file(path, flatten) as table:
            for batch in self._columns(table.flatten):
                table.write(batch)
        return table.path

    async def to_parquet_async(self, path: str | os.PathLike[str], *, flatten: bool = False) -> Path:
        """Write all items to a Parquet file. Needs pyarrow, the extra `arrow`.

        It is written while it is read, so the memory that this takes does not grow with the list. The columns are those
        of `to_arrow()`. The file gets its name when it is complete.

        Args:
            path: The file; an existing one is replaced.
            flatten: The same as for `to_arrow()`.

        Returns:
            The path.

        Raises:
            ImportError: If pyarrow is not installed.
            InvalidArgumentError: If `path` exists and is not a file.
            OSError: If the file cannot be written.
        """
        with self._parquet_file(path, flatten) as table:
            async for batch in self._columns_async(table.flatten):
                table.write(batch)
        return table.path

    def _parquet_file(self, path: str | os.PathLike[str], flatten: bool) -> ParquetFile:  # noqa: FBT001 - likewise
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        flatten = _frames.check("to_parquet", "arrow", flatten)
        return _frames.ParquetFile(path, self._source, flatten=flatten)

    def _columns(self, flatten: bool) -> Iterator[ArrowBatch]:  # noqa: FBT001 - of a method's caller
        with self._begin() as reading:
            while (batch := reading.next_columns(flatten)) is not None:
                yield batch

    async def _columns_async(self, flatten: bool) -> AsyncIterator[ArrowBatch]:  # noqa: FBT001 - likewise
        with self._begin() as reading:
            while (batch := await reading.next_columns_async(flatten)) is not None:
                yield batch

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return all items as columns in batches. polars, pandas, pyarrow and DuckDB call this.

        Args:
            requested_schema: Ignored; the caller converts to the types that it wants.

        Returns:
            A stream of Arrow's C data interface. It blocks while it waits for Studio.
        """
        reading = self._begin()
        return reading.reader.arrow_stream(reading.hand_over_reports())

    def _repr_html_(self) -> str:
        from canvas_studio import _notebook  # noqa: PLC0415 - only a notebook needs it

        return _notebook.of_listing(self._source, self._limit, thumbnails=self._thumbnails)


class Pages(Generic[Item]):
    """The pages of a listing as lists of items, for `for` and `async for`."""

    __slots__ = ("__weakref__", "_begin")

    def __init__(self, begin: Callable[[], _Reading]) -> None:
        self._begin = begin

    def __bool__(self) -> NoReturn:
        raise TypeError("Pages are not true or false: use `listing.first() is not None`, or `listing.total() > 0`")

    def __iter__(self) -> _PageIterator[Item]:
        return _PageIterator(self._begin())

    def __aiter__(self) -> _AsyncPages[Item]:
        return _AsyncPages(self._begin())


class _Reader(Generic[Item]):
    """The iterator of a loop over a listing. It stops prefetching when the loop drops it.

    It is not a generator, since a generator ends when it raises. This one can be used again after an error.
    """

    __slots__ = ("_reading",)

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading

    def __del__(self) -> None:
        self._reading.close()


class _PageIterator(_Reader[Item]):
    """The pages of a listing, for `for`."""

    __slots__ = ()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[Item]:
        reading = self._reading
        while not reading.pages:
            if reading.is_done:
                raise StopIteration
            reading.ask()
        return reading.at_once(reading.pages.popleft())

    def close(self) -> None:
        """End the reading and its prefetched requests."""
        self._reading.end()


class _OneByOne(_Reader[Item]):
    """The iterators that `chain` joins: one per page, and between them one that requests more pages.

    `chain` ends if it gets no further iterator, but keeps one that raises. So the one between pages raises.
    """

    __slots__ = ()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Iterator[Item]:
        reading = self._reading
        if reading.pages:
            return reading.one_by_one(reading.pages.popleft())
        if reading.is_done:
            raise StopIteration
        return iter(reading.ask, None)


class _AsyncPages(_Reader[Item]):
    """The pages of a listing, for `async for`."""

    __slots__ = ()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Item]:
        reading = self._reading
        while not reading.pages:
            if reading.is_done:
                raise StopAsyncIteration
            await reading.ask_async()
        return reading.at_once(reading.pages.popleft())

    async def aclose(self) -> None:
        """End the reading and its prefetched requests."""
        self._reading.end()


class _AsyncItems(_Reader[Item]):
    """The items of a listing, for `async for`."""

    __slots__ = ("_items",)

    def __init__(self, reading: _Reading) -> None:
        super().__init__(reading)
        self._items: Iterator[Item] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        for item in self._items:
            return item
        reading = self._reading
        while not reading.pages:
            if reading.is_done:
                raise StopAsyncIteration
            await reading.ask_async()
        self._items = reading.one_by_one(reading.pages.popleft())
        return next(self._items)

    async def aclose(self) -> None:
        """End the reading and its prefetched requests."""
        self._items = iter(())
        self._reading.end()


class _Reading:
    """One reading of a listing: requests pages, gives them out, and reports the progress."""

    __slots__ = ("_is_asked", "_position", "_reports", "is_done", "pages", "reader")

    def __init__(self, reader: PageReader, progress: bool | Callable[[int, int | None], object]) -> None:  # noqa: FBT001
        self.reader = reader
        # The pages that have come and were not given out, and whether no more will come.
        self.pages: deque[list[Any]] = deque()
        self.is_done = False
        self._is_asked = Lock()
        # The number of items up to the end of the current page, and what is left of that page. One tuple holds both, so
        # that a checkpoint from a signal handler or another thread sees a consistent state.
        self._position: tuple[int, Iterator[Any]] | None = (0, iter(()))
        self._reports = Reports(progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop prefetching."""
        self.reader.close()
        self._reports.close()

    def end(self) -> None:
        """End the reading: give out nothing more."""
        self.is_done = True
        self.pages.clear()
        self.close()

    def ask(self) -> None:
        """Request the next pages. After a failure, the next call requests the failed page again."""
        self._begin_asking()
        try:
            self._take(self.reader.next_pages())
        except BaseException:
            self._reports.close()
            raise
        finally:
            self._is_asked.release()

    async def ask_async(self) -> None:
        """Request the next pages. After a failure or a cancellation, the next call requests that page again."""
        self._begin_asking()
        try:
            self._take(await self.reader.next_pages_async())
        except BaseException:
            self._reports.close()
            raise
        finally:
            self._is_asked.release()

    def _begin_asking(self) -> None:
        if not self._is_asked.acquire(blocking=False):
            raise RuntimeError(
                "another thread or task waits for the next page of this iterator: "
                "give each of them its own, with iter(listing) or aiter(listing)"
            )
        self._reports.begin()

    def _take(self, batch: list[list[Any]] | None) -> None:
        if batch is None:
            self.is_done = True
        else:
            self.pages += batch
        # Last, since it may raise.
        if self._reports.progress is not None:
            self._report(None if batch is None else sum(map(len, batch)))

    def next_columns(self, flatten: bool) -> ArrowBatch | None:  # noqa: FBT001 - of a method's caller
        """Request the next pages as columns, and report each."""
        return self._take_columns(self.reader.next_columns(flatten, self._begin_columns()))

    async def next_columns_async(self, flatten: bool) -> ArrowBatch | None:  # noqa: FBT001 - likewise
        """Request the next pages as columns, and report each."""
        return self._take_columns(await self.reader.next_columns_async(flatten, self._begin_columns()))

    def _begin_columns(self) -> Reports | None:
        """Begin a call. The core reports the rows that come during it, if anybody wants to know."""
        self._position = None
        self._reports.begin()
        return None if self._reports.progress is None else self._reports

    def _take_columns(self, batch: ArrowBatch | None) -> ArrowBatch | None:
        self._report(None if batch is None else batch.num_rows)
        return batch

    def next_csv(self, *, safe: bool) -> bytes | None:
        self._position = None
        self._reports.begin()
        return self._report_rows(self.reader.next_csv(safe))

    async def next_csv_async(self, *, safe: bool) -> bytes | None:
        self._position = None
        self._reports.begin()
        return self._report_rows(await self.reader.next_csv_async(safe))

    def _report_rows(self, rows: tuple[int, bytes] | None) -> bytes | None:
        count, text = (None, None) if rows is None else rows
        self._report(count)
        return text

    def _report(self, count: int | None) -> None:
        """Report the number of items that have come, or that no more will."""
        if self._reports.progress is not None:
            self._reports.add(count, self.reader.total)

    def hand_over_reports(self) -> Reports | None:
        """Let a stream of columns report the progress. The bar ends with the stream."""
        self._position = None
        reports, self._reports = self._reports, Reports(progress=False)
        return None if reports.progress is None else reports

    def one_by_one(self, page: list[Any]) -> Iterator[Any]:
        """Give out the items of a page one by one."""
        items = iter(page)
        self._position = (self._end() + len(page), items)
        return items

    def at_once(self, page: list[Any]) -> list[Any]:
        """Give out a page as a whole."""
        self._position = (self._end() + len(page), iter(()))
        return page

    def _end(self) -> int:
        return 0 if self._position is None else self._position[0]

    def checkpoint(self) -> Checkpoint | None:
        """Return the position behind what was given out, or `None` if the reader has gone too far beyond it."""
        if self._position is None:
            return self.reader.checkpoint(None)
        end, left = self._position
        return self.reader.checkpoint(end - length_hint(left))


class Reports:
    """Reports the progress of a loop: how many items have come, and how many there are."""

    __slots__ = ("_bar", "_done", "_reported", "progress")

    def __init__(self, progress: bool | Callable[[int, int | None], object]) -> None:  # noqa: FBT001
        self._done = 0
        self._reported: tuple[int, int | None] | None = None
        self._bar: Items | None = None
        if progress is True:
            from canvas_studio._progress import Items  # noqa: PLC0415 - only needed here

            self._bar = progress = Items()
        self.progress = progress or None

    def begin(self, total: int | None = None) -> None:
        """Draw the bar, before anything has come: its clock starts here."""
        if self._bar is not None:
            self._bar.begin(self._done, total)

    def add(self, count: int | None, total: int | None) -> None:
        """Report so many more items of a total, or, with `None`, that no more will come."""
        self._done += count or 0
        self._report(self._done, self._done if count is None else total)

    def show(self, count: int, total: int | None) -> None:
        """Report so many more items that have come, but are not added yet."""
        self._report(self._done + count, total)

    def _report(self, done: int, total: int | None) -> None:
        state = (done, None if total is None else max(total, done))
        if self.progress is not None and state != self._reported:
            self._reported = state
            self.progress(*state)

    def close(self) -> None:
        """End the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()


def _whole_number(count: int, least: int) -> int:
    count = read_int("count", count)
    if count < least:
        from canvas_studio.errors import InvalidArgumentError  # noqa: PLC0415 - only needed here

        raise InvalidArgumentError(f"count must be {least} or more, not {count}", argument="count")
    return count


def _csv_file(path: str | os.PathLike[str], encoding: str) -> CsvFile:
    from canvas_studio._csv import CsvFile  # noqa: PLC0415 - only needed here

    return CsvFile(path, encoding)


def source_of(studio: StudioClient, checkpoint: Checkpoint) -> ListingSource:
    """Return the source of a listing, for pickles."""
    listing: Any = studio.resume(checkpoint)
    source: ListingSource = listing._source  # noqa: SLF001 - of a class of this file
    return source


def as_dict(item: Any) -> dict[str, Any]:  # noqa: ANN401 - an item of any list
    """Return an item as a dict. Items of `paginate` are dicts already."""
    return cast("dict[str, Any]", item if isinstance(item, dict) else item.to_dict())
