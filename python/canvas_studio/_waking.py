"""Wakes the coroutines of an event loop from Python code: at exit, Python may end a thread that is inside Rust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable


def wake(waiting: Callable[[], list[Future[Any]]]) -> None:
    """Tell every coroutine for which there is something new."""
    for future in waiting():
        # It may have been cancelled meanwhile.
        if not future.done():
            future.set_result(None)
