"""`Listing`: a list of Studio's that is read page by page, with `for` or with `async for`, until it is whole."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import chain, pairwise
from operator import length_hint
from pathlib import Path
from threading import Lock
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

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

    from canvas_studio._progress import Items
    from canvas_studio.models import Drift
else:
    # Extras, imported by the methods that need them. Until then their types are Any.
    pa, pd, pl = SimpleNamespace(Table=Any), SimpleNamespace(DataFrame=Any), SimpleNamespace(DataFrame=Any)

__all__ = ["Listing", "Pages"]

Item = TypeVar("Item")


class Listing(Generic[Item]):
    """A list that makes no request until it is read, and that is read to its end.

    Every reading starts anew, so one listing can be read several times, from several threads and event loops. The first
    page is asked for by itself; after that, pages are fetched ahead of the reader, as many at a time as the client's
    `max_concurrency` says.

    Items are told apart by their id, or by all that they say if they have none: each is given once, also when the list
    changes while it is read. If there is a sign that it does, the pages are read again, and what had moved out of sight
    is given too; `drift` tells of it. The list ends where Studio says that its last page is, unless the count or the
    pages contradict that; or, if Studio does not say, at a page that is empty or the same as the one before. There is
    no other limit than `limit`.

    polars, pandas, pyarrow and DuckDB take a listing itself, as columns, through `__arrow_c_stream__`. In a notebook it
    shows its first rows, for which it asks for one page.

    It can be pickled, with its client; what was read of it stays behind.

    After an error, and after an `anext` that was cancelled, the same iterator goes on with the page that failed.

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
        """Return the same items as lists, one for each page that brought any.

        Returns:
            What `for` and `async for` read.
        """
        return Pages(self._begin)

    def limit(self, count: int) -> Listing[Item]:
        """Return the same list, ending after some items.

        Args:
            count: How many items at the most; 0 or more.

        Returns:
            Another listing; this one stays as it is.

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
        """Return the same list, read or shown in another way. What is `None` stays as it is.

        Args:
            consistent: Whether to read until two readings in a row brought the same items. Then even what hides behind
                a count that stayed the same is found; it costs at least twice the requests.
            progress: `True` for a bar, in a terminal or a notebook (the extra `progress`), or a callable that is given
                how many items have come and how many there are, or `None` if nobody knows. It is called on the thread
                of the reader, once for each batch of pages that comes, and for the last time with two equal numbers.
                What it raises ends the reading. `False` takes it away.
            thumbnails: Whether the table in a notebook shows pictures. Whoever looks at the notebook then fetches them
                from where Studio keeps them, and their addresses are kept in it.

        Returns:
            Another listing; this one stays as it is.

        Raises:
            TypeError: If an argument is none of these.
        """
        if not (progress is None or callable(progress)):
            progress = read_bool("progress", progress, "True, False or a callable")
        return Listing(
            self._source,
            self._limit,
            self._consistent if consistent is None else read_bool("consistent", consistent),
            self._progress if progress is None else progress,
            self._thumbnails if thumbnails is None else read_bool("thumbnails", thumbnails),
        )

    @property
    def drift(self) -> Drift | None:
        """How the list changed during the reading that was begun last from this very object.

        `None` if there was none. While it is being read, it is what has been noticed so far.
        """
        if self._reading is None:
            return None
        from canvas_studio.models import Drift  # noqa: PLC0415 - the records need dataclasses, and listings do not

        return Drift(*self._reading.reader.drift)

    def checkpoint(self) -> Checkpoint:
        """Note how far the reading is that was begun last from this very object.

        It lies right behind the last item that was given out (with `pages()`, behind the last page), also after an
        error. `StudioClient.resume` reads on there, in this process or in another.

        Returns:
            The place; the start, if nothing was read yet. It holds no secret.
        """
        reading = self._reading or _Reading(self._source.read(self._limit, self._consistent), progress=False)
        # Another thread may read on meanwhile, so that the place is gone which we had just found.
        while (checkpoint := reading.checkpoint()) is None:
            pass
        return checkpoint

    def split(self, count: int) -> list[Listing[Item]]:
        """Divide the list into parts, by the numbers of the pages, for several processes or machines.

        Each part is read like any listing. Together they are this listing as long as it does not change: an item that
        moves from one part to another meanwhile may be missed, or be in both.

        Args:
            count: How many parts; 1 or more.

        Returns:
            So many listings, or as many as there are pages, at least one. The last one is open at its end.

        Raises:
            InvalidArgumentError: If `count` is less than 1.
            TypeError: If it is not a whole number.
        """
        count = _whole_number(count, 1)
        return self._parts(count, self._source.total() if self._source.per_page else 0)

    async def split_async(self, count: int) -> list[Listing[Item]]:
        """Divide the list into parts, by the numbers of the pages, for several processes or machines.

        Each part is read like any listing. Together they are this listing as long as it does not change: an item that
        moves from one part to another meanwhile may be missed, or be in both.

        Args:
            count: How many parts; 1 or more.

        Returns:
            So many listings, or as many as there are pages, at least one. The last one is open at its end.

        Raises:
            InvalidArgumentError: If `count` is less than 1.
            TypeError: If it is not a whole number.
        """
        count = _whole_number(count, 1)
        return self._parts(count, await self._source.total_async() if self._source.per_page else 0)

    def _parts(self, count: int, total: int) -> list[Listing[Item]]:
        first, per_page = self._source.first_page, self._source.per_page
        if first is None or per_page is None:
            return [self._like_this(self._source, self._limit)]
        pages = -(-(total if self._limit is None else min(total, self._limit)) // per_page)
        count = max(1, min(count, pages))
        # So many pages come before each part.
        before = [pages * part // count for part in range(count)]
        limit = None if self._limit is None else self._limit - before[-1] * per_page
        parts = [
            self._like_this(self._source.range(first + start, first + end - 1), None) for start, end in pairwise(before)
        ]
        return [*parts, self._like_this(self._source.range(first + before[-1], None), limit)]

    def collect(self) -> list[Item]:
        """Read everything.

        Returns:
            All items, in Studio's order; what only a repeated reading found comes last.
        """
        return list(self)

    async def collect_async(self) -> list[Item]:
        """Read everything.

        Returns:
            All items, in Studio's order; what only a repeated reading found comes last.
        """
        items: list[Item] = []
        async for page in self.pages():
            items += page
        return items

    def first(self) -> Item | None:
        """Read one page, or none if there is a limit of 0.

        Returns:
            The first item, or `None` if there is none.
        """
        pages = self._read_one().next_pages()
        return pages[0][0] if pages else None

    async def first_async(self) -> Item | None:
        """Read one page, or none if there is a limit of 0.

        Returns:
            The first item, or `None` if there is none.
        """
        pages = await self._read_one().next_pages_async()
        return pages[0][0] if pages else None

    def _read_one(self) -> PageReader:
        return self._source.read(1 if self._limit is None else min(1, self._limit), consistent=False)

    def total(self) -> int:
        """Ask how many items there are at this moment.

        That is one small request where Studio counts the list itself; where it does not, the list is read.

        Returns:
            The number of items, with regard to the first page and to `limit`.
        """
        total = self._source.total()
        return total if self._limit is None else min(total, self._limit)

    async def total_async(self) -> int:
        """Ask how many items there are at this moment.

        That is one small request where Studio counts the list itself; where it does not, the list is read.

        Returns:
            The number of items, with regard to the first page and to `limit`.
        """
        total = await self._source.total_async()
        return total if self._limit is None else min(total, self._limit)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Read everything, as dicts that `json.dumps` takes.

        Returns:
            One dict for each item, as its `to_dict()` gives it.
        """
        return [as_dict(item) for item in self]

    async def to_dicts_async(self) -> list[dict[str, Any]]:
        """Read everything, as dicts that `json.dumps` takes.

        Returns:
            One dict for each item, as its `to_dict()` gives it.
        """
        return [as_dict(item) async for page in self.pages() for item in page]

    def to_csv(self, path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Path:
        """Read everything into a CSV file with one row for each item.

        The owner becomes columns of its own (`owner_id`, `owner_email`, ...); any other object stands as JSON in its
        cell, and what is not documented stands as JSON in the last column, `extra`. The file has its name only when it
        is whole.

        Args:
            path: Where to write; a file that is there is replaced.
            encoding: `utf-8`, or `utf-8-sig` for a spreadsheet that would otherwise take it for something else.

        Returns:
            The path.

        Raises:
            InvalidArgumentError: If there is something else than a file at `path`.
            OSError: If the file cannot be written.
        """
        from canvas_studio._table import CsvFile  # noqa: PLC0415 - csv is not needed to import the package

        with CsvFile(path, encoding, self._source.fields) as table:
            for page in self.pages():
                table.write(map(as_dict, page))
        return table.path

    async def to_csv_async(self, path: str | os.PathLike[str], *, encoding: str = "utf-8") -> Path:
        """Read everything into a CSV file with one row for each item.

        The owner becomes columns of its own (`owner_id`, `owner_email`, ...); any other object stands as JSON in its
        cell, and what is not documented stands as JSON in the last column, `extra`. The file has its name only when it
        is whole.

        Args:
            path: Where to write; a file that is there is replaced.
            encoding: `utf-8`, or `utf-8-sig` for a spreadsheet that would otherwise take it for something else.

        Returns:
            The path.

        Raises:
            InvalidArgumentError: If there is something else than a file at `path`.
            OSError: If the file cannot be written.
        """
        from canvas_studio._table import CsvFile  # noqa: PLC0415 - csv is not needed to import the package

        with CsvFile(path, encoding, self._source.fields) as table:
            async for page in self.pages():
                table.write(map(as_dict, page))
        return table.path

    def to_arrow(self) -> pa.Table:
        """Read everything, as columns of Arrow. Needs pyarrow, the extra `arrow`.

        The columns are the documented fields; what is not documented stands as JSON in the last one, `extra`.

        Returns:
            One row for each item.

        Raises:
            ImportError: If pyarrow is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        _frames.check("to_arrow", "arrow")
        return _frames.to_arrow(self._source, list(self._columns()))

    async def to_arrow_async(self) -> pa.Table:
        """Read everything, as columns of Arrow. Needs pyarrow, the extra `arrow`.

        The columns are the documented fields; what is not documented stands as JSON in the last one, `extra`.

        Returns:
            One row for each item.

        Raises:
            ImportError: If pyarrow is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        _frames.check("to_arrow", "arrow")
        return _frames.to_arrow(self._source, [batch async for batch in self._columns_async()])

    def to_pandas(self) -> pd.DataFrame:
        """Read everything, as a data frame of pandas. Needs pandas and pyarrow, the extra `pandas`.

        The columns are those of `to_arrow()`. Whole numbers that may be missing are of type `Int64`, dates are
        `datetime64`, and the owner is a dict.

        Returns:
            One row for each item.

        Raises:
            ImportError: If pandas or pyarrow is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        _frames.check("to_pandas", "pandas")
        return _frames.to_pandas(self._source, list(self._columns()))

    async def to_pandas_async(self) -> pd.DataFrame:
        """Read everything, as a data frame of pandas. Needs pandas and pyarrow, the extra `pandas`.

        The columns are those of `to_arrow()`. Whole numbers that may be missing are of type `Int64`, dates are
        `datetime64`, and the owner is a dict.

        Returns:
            One row for each item.

        Raises:
            ImportError: If pandas or pyarrow is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        _frames.check("to_pandas", "pandas")
        return _frames.to_pandas(self._source, [batch async for batch in self._columns_async()])

    def to_polars(self) -> pl.DataFrame:
        """Read everything, as a data frame of polars. Needs polars, the extra `polars`, and no pyarrow.

        The columns are those of `to_arrow()`.

        Returns:
            One row for each item.

        Raises:
            ImportError: If polars is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        _frames.check("to_polars", "polars")
        return _frames.to_polars(self._source, list(self._columns()))

    async def to_polars_async(self) -> pl.DataFrame:
        """Read everything, as a data frame of polars. Needs polars, the extra `polars`, and no pyarrow.

        The columns are those of `to_arrow()`.

        Returns:
            One row for each item.

        Raises:
            ImportError: If polars is not installed.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        _frames.check("to_polars", "polars")
        return _frames.to_polars(self._source, [batch async for batch in self._columns_async()])

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Read everything into a Parquet file. Needs pyarrow, the extra `arrow`.

        It is written while it is read, so the memory that this takes does not grow with the list. The columns are those
        of `to_arrow()`. The file has its name only when it is whole.

        Args:
            path: Where to write; a file that is there is replaced.

        Returns:
            The path.

        Raises:
            ImportError: If pyarrow is not installed.
            InvalidArgumentError: If there is something else than a file at `path`.
            OSError: If the file cannot be written.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        _frames.check("to_parquet", "arrow")
        with _frames.ParquetFile(path, self._source) as table:
            for batch in self._columns():
                table.write(batch)
        return table.path

    async def to_parquet_async(self, path: str | os.PathLike[str]) -> Path:
        """Read everything into a Parquet file. Needs pyarrow, the extra `arrow`.

        It is written while it is read, so the memory that this takes does not grow with the list. The columns are those
        of `to_arrow()`. The file has its name only when it is whole.

        Args:
            path: Where to write; a file that is there is replaced.

        Returns:
            The path.

        Raises:
            ImportError: If pyarrow is not installed.
            InvalidArgumentError: If there is something else than a file at `path`.
            OSError: If the file cannot be written.
        """
        from canvas_studio import _frames  # noqa: PLC0415 - only needed here

        _frames.check("to_parquet", "arrow")
        with _frames.ParquetFile(path, self._source) as table:
            async for batch in self._columns_async():
                table.write(batch)
        return table.path

    def _columns(self) -> Iterator[ArrowBatch]:
        with self._begin() as reading:
            while (batch := reading.next_columns()) is not None:
                yield batch

    async def _columns_async(self) -> AsyncIterator[ArrowBatch]:
        with self._begin() as reading:
            while (batch := await reading.next_columns_async()) is not None:
                yield batch

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Read everything as columns, batch by batch: what polars, pandas, pyarrow and DuckDB call.

        Args:
            requested_schema: Which types are wanted; it is for the caller to convert to them.

        Returns:
            A stream of Arrow's C data interface, which blocks while it waits for Studio.
        """
        reading = self._begin()
        return reading.reader.arrow_stream(reading.hand_over_progress())

    def _repr_html_(self) -> str:
        from canvas_studio import _notebook  # noqa: PLC0415 - only a notebook needs it

        return _notebook.table(self._source, self._limit, thumbnails=self._thumbnails)


class Pages(Generic[Item]):
    """The pages of a listing, as lists of items, for `for` and for `async for`."""

    __slots__ = ("__weakref__", "_begin")

    def __init__(self, begin: Callable[[], _Reading]) -> None:
        self._begin = begin

    def __iter__(self) -> _PageIterator[Item]:
        return _PageIterator(self._begin())

    def __aiter__(self) -> _AsyncPages[Item]:
        return _AsyncPages(self._begin())


class _Reader(Generic[Item]):
    """What reads a listing for a loop, and stops reading ahead when the loop has let go of it.

    It is no generator, since a generator that has raised is at its end: after an error, this one can be asked again.
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
        """End it, and what was asked for ahead."""
        self._reading.end()


class _OneByOne(_Reader[Item]):
    """What `chain` takes the items from: one iterator for each page, and between them one that asks for more.

    `chain` ends when it cannot have another iterator, but keeps one that raises. So it is that one which raises.
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
        """End it, and what was asked for ahead."""
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
        """End it, and what was asked for ahead."""
        self._items = iter(())
        self._reading.end()


class _Reading:
    """One reading of a listing: what is asked for more, what was given out, and who is told of it."""

    __slots__ = ("_bar", "_done", "_is_asked", "_position", "_progress", "_reported", "is_done", "pages", "reader")

    def __init__(self, reader: PageReader, progress: bool | Callable[[int, int | None], object]) -> None:  # noqa: FBT001
        self.reader = reader
        # What has come and was not given out yet, and whether more will come.
        self.pages: deque[list[Any]] = deque()
        self.is_done = False
        self._is_asked = Lock()
        # How many items there are up to the end of the page that is being given out, and what is left of it. This is
        # one tuple, so that a checkpoint that comes in between, from a signal or a thread, finds both or neither.
        self._position: tuple[int, Iterator[Any]] | None = (0, iter(()))
        self._done = 0
        self._reported: tuple[int, int | None] | None = None
        self._bar: Items | None = None
        if progress is True:
            from canvas_studio._progress import Items  # noqa: PLC0415 - only needed here

            self._bar = progress = Items()
        self._progress = progress or None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading ahead."""
        self.reader.close()
        self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def end(self) -> None:
        """Give nothing out any more."""
        self.is_done = True
        self.pages.clear()
        self.close()

    def ask(self) -> None:
        """Ask for the next pages. If that fails, whoever asks again gets the page that failed."""
        self._begin_asking()
        try:
            self._take(self.reader.next_pages())
        except BaseException:
            self._close_bar()
            raise
        finally:
            self._is_asked.release()

    async def ask_async(self) -> None:
        """Ask for the next pages. If that fails, or is given up, whoever asks again gets the page that failed."""
        self._begin_asking()
        try:
            self._take(await self.reader.next_pages_async())
        except BaseException:
            self._close_bar()
            raise
        finally:
            self._is_asked.release()

    def _begin_asking(self) -> None:
        if not self._is_asked.acquire(blocking=False):
            raise RuntimeError(
                "this iterator waits for its next page already, in another thread or task: "
                "give each of them its own, with iter(listing) or aiter(listing)"
            )

    def _take(self, batch: list[list[Any]] | None) -> None:
        if batch is None:
            self.is_done = True
        else:
            self.pages += batch
        # Last, since it may raise.
        if self._progress is not None:
            self._report(None if batch is None else sum(map(len, batch)))

    def next_columns(self) -> ArrowBatch | None:
        self._position = None
        batch = self.reader.next_columns()
        self._report(None if batch is None else batch.num_rows)
        return batch

    async def next_columns_async(self) -> ArrowBatch | None:
        self._position = None
        batch = await self.reader.next_columns_async()
        self._report(None if batch is None else batch.num_rows)
        return batch

    def _report(self, count: int | None) -> None:
        """Tell that so many items have come, or that no more will."""
        if self._progress is None:
            return
        self._done += count or 0
        total = self._done if count is None else self.reader.total
        state = (self._done, None if total is None else max(total, self._done))
        if state != self._reported:
            self._reported = state
            self._progress(*state)

    def hand_over_progress(self) -> Callable[[int, int | None], object] | None:
        """Leave it to a stream of columns to tell of the progress: the bar ends with the stream."""
        self._position = None
        progress, self._progress, self._bar = self._progress, None, None
        return progress

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
        """The place behind what was given out, or `None` if the reader is too far ahead of it."""
        if self._position is None:
            return self.reader.checkpoint(None)
        end, left = self._position
        return self.reader.checkpoint(end - length_hint(left))


def _whole_number(count: int, least: int) -> int:
    count = read_int("count", count)
    if count < least:
        from canvas_studio.errors import InvalidArgumentError  # noqa: PLC0415 - only needed here

        raise InvalidArgumentError(f"count must be {least} or more, not {count}", argument="count")
    return count


def source_of(studio: StudioClient, checkpoint: Checkpoint) -> ListingSource:
    """Return what a listing reads from; pickles are made of this."""
    listing: Any = studio.resume(checkpoint)
    source: ListingSource = listing._source  # noqa: SLF001 - of a class of this file
    return source


def as_dict(item: Any) -> dict[str, Any]:  # noqa: ANN401 - an item of any list
    """Return an item as a dict, which the items of `paginate` are already."""
    return cast("dict[str, Any]", item if isinstance(item, dict) else item.to_dict())
