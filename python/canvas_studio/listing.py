"""`Listing`: a list of Studio's that is read page by page, with `for` or with `async for`, until it is whole."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from canvas_studio._core import ListingSource, PageReader

__all__ = ["Listing", "Pages"]

Item = TypeVar("Item")


class Listing(Generic[Item]):
    """A list that makes no request until it is read, and that is read to its end.

    Every reading starts anew, so one listing can be read several times, from several threads and event loops.

    Items are told apart by their id: each is given once, also when the list changes while it is read. If Studio's own
    count falls meanwhile, the pages are read again, and what had moved out of sight is given too. The list ends where
    Studio says that its last page is, or, if Studio does not say, at a page that is empty or the same as the one
    before. There is no other limit than `limit`.

    Raises, while it is read: any error of a request (`APIStatusError` and its kinds, `APIConnectionError`,
    `APITimeoutError`, `ResponseDecodeError`), and `ListingChangedError` if it shrank during each of ten readings, or
    has no end.
    """

    __slots__ = ("_limit", "_source")

    def __init__(self, source: ListingSource, limit: int | None = None) -> None:
        self._source = source
        self._limit = limit

    def __repr__(self) -> str:
        limit = "" if self._limit is None else f".limit({self._limit})"
        return f"<Listing of {self._source.request}>{limit}"

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from page

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for page in self.pages():
            for item in page:
                yield item

    def pages(self) -> Pages[Item]:
        """Return the same items as lists, one for each page that brought any.

        Returns:
            What `for` and `async for` read.
        """
        return Pages(self._source, self._limit)

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
        count = index(count)
        if count < 0:
            from canvas_studio.errors import InvalidArgumentError  # noqa: PLC0415 - only needed here

            raise InvalidArgumentError(f"count must be 0 or more, not {count}", argument="count")
        return Listing(self._source, count if self._limit is None else min(count, self._limit))

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
        return [item async for item in self]

    def first(self) -> Item | None:
        """Read one page, or none if there is a limit of 0.

        Returns:
            The first item, or `None` if there is none.
        """
        page = None if self._limit == 0 else self._source.read().next_page()
        return page[0] if page else None

    async def first_async(self) -> Item | None:
        """Read one page, or none if there is a limit of 0.

        Returns:
            The first item, or `None` if there is none.
        """
        page = None if self._limit == 0 else await self._source.read().next_page_async()
        return page[0] if page else None

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
        return [as_dict(item) async for item in self]

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


class Pages(Generic[Item]):
    """The pages of a listing, as lists of items, for `for` and for `async for`."""

    __slots__ = ("_limit", "_source")

    def __init__(self, source: ListingSource, limit: int | None) -> None:
        self._source = source
        self._limit = limit

    def __iter__(self) -> Iterator[list[Item]]:
        reader: PageReader = self._source.read()
        left = self._limit
        while left != 0 and (page := reader.next_page()) is not None:
            page, left = _cut(page, left)
            yield page

    async def __aiter__(self) -> AsyncIterator[list[Item]]:
        reader: PageReader = self._source.read()
        left = self._limit
        while left != 0 and (page := await reader.next_page_async()) is not None:
            page, left = _cut(page, left)
            yield page


def _cut(page: list[Item], left: int | None) -> tuple[list[Item], int | None]:
    if left is None:
        return page, None
    page = page[:left]
    return page, left - len(page)


def as_dict(item: Any) -> dict[str, Any]:  # noqa: ANN401 - an item of any list
    """Return an item as a dict, which the items of `paginate` are already."""
    return cast("dict[str, Any]", item if isinstance(item, dict) else item.to_dict())
