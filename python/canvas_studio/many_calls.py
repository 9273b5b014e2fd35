"""`Map`: one operation for many items, several calls at a time, with the results in the order of the items."""

from __future__ import annotations

from collections import deque
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
    MappingView,
    Sequence,
)
from collections.abc import Set as AbstractSet
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from canvas_studio._core import CallBuilder, CallQueue, PreparedCall, StudioClient
from canvas_studio._progress import read_progress
from canvas_studio.errors import InvalidArgumentError
from canvas_studio.listing import Reports

if TYPE_CHECKING:
    from types import TracebackType

    from canvas_studio.drift import Drift

__all__ = ["Map"]

Result = TypeVar("Result")

OPTIONS = ("max_concurrency", "errors", "consistent", "progress")
"""The arguments of `StudioClient.map` that do not go to the calls."""


class Map(Generic[Result]):
    """The results of one operation for many items, in the order of the items. `StudioClient.map` makes it.

    It sends nothing until you read it, with `for`, `async for` or `collect()`. Each loop makes all calls, or those for
    the items that are left of an iterator.

    After an error, the same iterator continues with the call that failed.

    Raises, while it is read: any error of the operation; and the error of an item of an iterator, in its turn.
    """

    __slots__ = (
        "__weakref__",
        "_arguments",
        "_build",
        "_consistent",
        "_drift",
        "_items",
        "_operation",
        "_progress",
        "_raises",
        "_studio",
        "_total",
    )

    def __init__(
        self,
        studio: StudioClient,
        operation: str,
        items: Any,  # noqa: ANN401 - what a user has
        raises: bool,  # noqa: FBT001 - `StudioClient.map` passes it by position
        consistent: bool,  # noqa: FBT001 - likewise
        progress: bool | Callable[[int, int | None], object] | None,  # noqa: FBT001 - likewise
        arguments: dict[str, object],
    ) -> None:
        self._studio = studio
        self._operation = operation
        self._build = _builder(operation)
        self._items: Any = items
        self._raises = raises
        self._consistent = consistent
        self._drift = _DriftOfLoop()
        self._progress = False if progress is None else read_progress(progress)
        self._arguments = arguments
        self._total: int | None = None
        _check_keywords(operation, self._build, arguments)
        if consistent and hasattr(StudioClient, f"{operation}_async"):
            raise InvalidArgumentError(f"consistent is for lists, and {operation} is none", argument="consistent")
        if isinstance(items, str | bytes) or not (hasattr(items, "__iter__") or hasattr(items, "__aiter__")):
            raise TypeError(f"items must be a list or another iterable of items, not {type(items).__name__}")
        if _is_collection(items):
            self._total = 0
            for item in items:
                self._prepare(item, self._total)
                self._total += 1

    def __repr__(self) -> str:
        items = type(self._items).__name__ if self._total is None else f"{self._total} items"
        return f"<Map of {self._operation} over {items}>"

    def __bool__(self) -> NoReturn:
        raise TypeError("whether a Map has results is not known before it is read: use `results = calls.collect()`")

    def __iter__(self) -> Iterator[Result]:
        if not hasattr(self._items, "__iter__"):
            raise TypeError(f"items is an async iterable ({type(self._items).__name__}): use `async for`")
        return _Results(self._begin(iter(self._items)))

    def __aiter__(self) -> AsyncIterator[Result]:
        is_async = hasattr(self._items, "__aiter__")
        return _AsyncResults(self._begin(aiter(self._items) if is_async else iter(self._items)))

    def collect(self) -> list[Result]:
        """Make all calls.

        Returns:
            All results, in the order of the items.
        """
        return list(self)

    async def collect_async(self) -> list[Result]:
        """Make all calls.

        Returns:
            All results, in the order of the items.
        """
        return [result async for result in self]

    @property
    def drift(self) -> Drift | None:
        """How the lists changed while they were read: those that you got from the latest loop so far, all together.

        `None` if there are none yet, and if the operation does not list.
        """
        return self._drift.sum

    def _begin(self, items: Iterator[object] | AsyncIterator[object]) -> _Calls:
        queue = CallQueue(self._studio, self._raises, self._consistent)
        self._drift = drift = _DriftOfLoop()
        return _Calls(queue, items, self._prepare, Reports(self._progress), self._total, drift)

    def _prepare(self, item: object, position: int) -> PreparedCall:
        """Make the call for an item. An error names the position of the item, unless it is about another argument."""
        try:
            if isinstance(item, dict):
                return self._build(**item, **self._arguments)
            return self._build(*(item if isinstance(item, tuple) else (item,)), **self._arguments)
        except (TypeError, InvalidArgumentError) as error:
            message = str(error).replace(f"{CallBuilder.__name__}.", "")
            if message.partition(" ")[0] not in self._arguments:
                message = f"items[{position}]: {message}"
            if isinstance(error, InvalidArgumentError):
                raise InvalidArgumentError(message, argument=error.argument) from None
            raise TypeError(message) from None


class _DriftOfLoop:
    """The drift of the lists that a loop gave out."""

    __slots__ = ("sum",)

    def __init__(self) -> None:
        self.sum: Drift | None = None

    def add(self, fields: tuple[int, int, int, int | None, int | None]) -> None:
        """Add a list's."""
        from canvas_studio.drift import Drift  # noqa: PLC0415 - it needs dataclasses, and few maps have lists

        drift = Drift(*fields)
        self.sum = drift if self.sum is None else self.sum + drift


class _Calls:
    """The calls of one loop: takes items while there is room, and keeps the results that were not given out."""

    __slots__ = (
        "_drift",
        "_in_queue",
        "_is_asked",
        "_items",
        "_prepare",
        "_problem",
        "_queue",
        "_reports",
        "_taken",
        "_total",
        "ready",
    )

    def __init__(
        self,
        queue: CallQueue,
        items: Iterator[object] | AsyncIterator[object],
        prepare: Callable[[object, int], PreparedCall],
        reports: Reports,
        total: int | None,
        drift: _DriftOfLoop,
    ) -> None:
        self._queue = queue
        self._items: Iterator[object] | AsyncIterator[object] | None = items
        self._prepare = prepare
        self._reports = reports
        self._total = total
        self._drift = drift
        self._is_asked = Lock()
        # How many items were taken, and how many of their calls are in the queue.
        self._taken = 0
        self._in_queue = 0
        # What the iterator raised, or what is wrong with an item: raised after the results in front of it.
        self._problem: Exception | None = None
        # Each with the fields of a list's drift, or `None`.
        self.ready: deque[tuple[Any, Any]] = deque()

    def __enter__(self) -> None:
        if not self._is_asked.acquire(blocking=False):
            raise RuntimeError(
                "another thread or task waits for the next result of this iterator: "
                "give each of them its own, with iter(...) or aiter(...)"
            )
        if self._items is not None:
            self._reports.begin(self._total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._reports.close()
        self._is_asked.release()

    def wants_more(self) -> bool:
        """Whether nothing is ready, or half of the calls can be sent while the next result is used."""
        return not self.ready or (self._may_take() and 2 * self._room() >= self._queue.capacity)

    def _may_take(self) -> bool:
        return self._items is not None and self._problem is None

    def _room(self) -> int:
        # The result that is given out next makes room, too.
        return self._queue.capacity - self._in_queue - max(len(self.ready) - 1, 0)

    def ask(self) -> bool:
        """Send what there is room for, and wait for a result if none is ready. Return whether there is one."""
        with self:
            try:
                while self._may_take() and self._room() > 0:
                    self._add_next()
                if self._in_queue:
                    self._take(self._queue.next_results(not self.ready))
                return self._is_there()
            except BaseException:
                self._queue.stop()
                raise

    async def ask_async(self) -> bool:
        """Send what there is room for, and wait for a result if none is ready. Return whether there is one."""
        with self:
            try:
                while self._may_take() and self._room() > 0:
                    if isinstance(self._items, AsyncIterator):
                        await self._add_next_async(self._items)
                    else:
                        self._add_next()
                if self._in_queue:
                    self._take(await self._queue.next_results_async(not self.ready))
                return self._is_there()
            except Exception:
                # A call that was only cancelled may be repeated. What is under way ends with the iterator.
                self._queue.stop()
                raise

    def _add_next(self) -> None:
        items: Any = self._items
        try:
            self._add(next(items))
        except StopIteration:
            self._items = None
        except Exception as error:  # noqa: BLE001 - raised in its turn
            self._problem = error

    async def _add_next_async(self, items: AsyncIterator[object]) -> None:
        try:
            self._add(await anext(items))
        except StopAsyncIteration:
            self._items = None
        except Exception as error:  # noqa: BLE001 - raised in its turn
            self._problem = error

    def _add(self, item: object) -> None:
        position, self._taken = self._taken, self._taken + 1
        self._queue.add(self._prepare(item, position))
        self._in_queue += 1

    def _take(self, results: list[Any]) -> None:
        self.ready += results
        self._in_queue -= len(results)
        self._reports.add(len(results), self._total)

    def _is_there(self) -> bool:
        """Return whether there is a result. Otherwise it is the turn of the problem, or all is done."""
        if self.ready:
            return True
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem
        self._reports.add(None, None)
        return False

    def give(self) -> Any:  # noqa: ANN401 - the result of any operation
        """Return the first of the results that are ready."""
        result, drift = self.ready.popleft()
        if drift is not None:
            self._drift.add(drift)
        return result

    def end(self) -> None:
        """End the loop: send nothing more, and give out nothing more."""
        self._items = self._problem = None
        self._in_queue = 0
        self.ready.clear()
        self.close()

    def close(self) -> None:
        """End what is under way."""
        self._queue.stop()
        self._reports.close()


class _Loop:
    """The iterator of a loop over a `Map`. When the loop drops it, what is under way ends."""

    __slots__ = ("_calls",)

    def __init__(self, calls: _Calls) -> None:
        self._calls = calls

    def __del__(self) -> None:
        self._calls.close()


class _Results(_Loop):
    """The results, for `for`."""

    __slots__ = ()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - the result of any operation
        calls = self._calls
        if calls.wants_more() and not calls.ask():
            raise StopIteration
        return calls.give()

    def close(self) -> None:
        """End the loop and what is under way."""
        self._calls.end()


class _AsyncResults(_Loop):
    """The results, for `async for`."""

    __slots__ = ()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401 - the result of any operation
        calls = self._calls
        if calls.wants_more() and not await calls.ask_async():
            raise StopAsyncIteration
        return calls.give()

    async def aclose(self) -> None:
        """End the loop and what is under way."""
        self._calls.end()


def _is_collection(items: object) -> bool:
    """Return whether items are sure to be the same when they are read again. A length does not show that."""
    return isinstance(items, Sequence | AbstractSet | Mapping | MappingView) or hasattr(items, "__array__")


def _builder(operation: str) -> Callable[..., PreparedCall]:
    """Return the method of `CallBuilder` that makes the calls of an operation."""
    names = [name for name in vars(CallBuilder) if not name.startswith("_")]
    if operation in names:
        build: Callable[..., PreparedCall] = getattr(CallBuilder, operation)
        return build
    if operation.removesuffix("_async") in names:
        remedy = f"use {operation.removesuffix('_async')!r}, for `for` and `async for`"
    elif hasattr(StudioClient, f"{operation.removesuffix('_async')}_async"):
        remedy = "that one does not only read: map may end a call midway and repeat it, so use a loop of your own"
    else:
        from difflib import get_close_matches  # noqa: PLC0415 - only needed here

        near = get_close_matches(operation, names, cutoff=0.75)
        remedy = f"did you mean {' or '.join(map(repr, near))}?" if near else f"use one of {', '.join(sorted(names))}"
    raise InvalidArgumentError(
        f"operation must be the name of a method that only reads, not {operation!r}: {remedy}", argument="operation"
    )


def _check_keywords(operation: str, build: Callable[..., PreparedCall], arguments: Mapping[str, object]) -> None:
    from inspect import signature  # noqa: PLC0415 - only needed here

    known = list(signature(build).parameters)
    for name in arguments:
        if name not in known:
            from difflib import get_close_matches  # noqa: PLC0415 - only needed here

            own = get_close_matches(name, OPTIONS, n=1)
            remedy = f"did you mean {own[0]!r} of map()?" if own else f"it has {', '.join(known)}"
            raise TypeError(f"{operation}() has no argument {name!r}: {remedy}")
