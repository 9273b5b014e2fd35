"""Runs the token stores that users write, blocking or async, on a thread or event loop of theirs, for the core."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator
    from contextvars import Context

    from canvas_studio._core import Tokens
    from canvas_studio.auth import AsyncTokenStore, TokenStore


class Decision(Protocol):
    """The core's decision about the tokens that a store holds: an empty tuple to keep them, or what to save."""

    def decide(self, loaded: Tokens | None, /) -> tuple[Tokens | None, ...]: ...

    async def decide_async(self, loaded: Tokens | None, /) -> tuple[Tokens | None, ...]: ...


_tasks: set[asyncio.Task[None] | None] = set()
# The stores whose code runs in this context. Each entry is emptied when its store is done, since a task that the store
# has started keeps the context.
running_stores: ContextVar[tuple[list[int], ...]] = ContextVar("canvas_studio.auth.inside", default=())


@contextmanager
def _running(address: int) -> Generator[None]:
    mark = [address]
    running_stores.set((*running_stores.get(), mark))
    try:
        yield
    finally:
        mark.clear()


def is_async_store(store: object) -> bool:
    """Say whether a store is to be awaited.

    Args:
        store: A `TokenStore` or an `AsyncTokenStore`.
    """
    return inspect.iscoroutinefunction(getattr(store, "load", None))


def update(store: TokenStore, address: int, decision: Decision) -> None:
    """Lock a store, load its tokens, decide, and save.

    Args:
        store: The store.
        address: Its address, by which the core knows it.
        decision: Decides, and refreshes if need be.
    """
    with _running(address), store.lock():
        for tokens in decision.decide(store.load()):
            store.save(tokens)


async def update_async(store: AsyncTokenStore, address: int, decision: Decision) -> None:
    """Do the same with an async store.

    Args:
        store: The store.
        address: Its address, by which the core knows it.
        decision: Decides, and refreshes if need be.
    """
    from asyncio import current_task  # noqa: PLC0415 - only an async store needs it

    # A task that waits for the core is referred to by itself alone: the garbage collector would take it.
    task = current_task()
    _tasks.add(task)
    try:
        with _running(address):
            async with store.lock():
                for tokens in await decision.decide_async(await store.load()):
                    await store.save(tokens)
    finally:
        _tasks.discard(task)


def begin_on_a_thread(
    is_async: bool,  # noqa: FBT001
    arguments: tuple[Any, int, Decision],
    context: Context,
    finished: Callable[[BaseException | None], None],
) -> None:
    """Begin to update a store on a thread.

    Args:
        is_async: Whether it is to be awaited.
        arguments: Those of `update` or `update_async`.
        context: The context variables of the caller.
        finished: Called with the error, if there was one, when the store is done.
    """

    def work() -> None:
        try:
            if is_async:
                import asyncio  # noqa: PLC0415 - likewise

                context.run(asyncio.run, update_async(*arguments))
            else:
                context.run(update, *arguments)
        except BaseException as error:  # noqa: BLE001 - the core raises it in the calls that wait
            finished(error)
        else:
            finished(None)

    try:
        Thread(target=work, name="canvas-studio tokens", daemon=True).start()
    except RuntimeError:
        # No thread can start: Python 3.12 and later start none at exit, or the system has none left. Use this thread,
        # which is the core's and idle. A thread of Python's own is better only because an exit can abandon it.
        work()
