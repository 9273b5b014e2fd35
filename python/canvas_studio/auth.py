"""Signing in, and where the tokens are kept: what `StudioClient(url, auth=...)` takes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from contextvars import ContextVar
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol

from canvas_studio._core import FileTokenStore, MemoryTokenStore, OAuth, StoreLock, Tokens
from canvas_studio._files import home
from canvas_studio._keyring import Keyring, translate_errors
from canvas_studio._tracebacks import clear_locals, clears_locals
from canvas_studio.errors import LoginRequiredError, SignInError, TokenStoreError

if TYPE_CHECKING:
    import asyncio
    from contextvars import Context

__all__ = [
    "AsyncTokenStore",
    "FileTokenStore",
    "KeyringTokenStore",
    "LoginRequiredError",
    "MemoryTokenStore",
    "OAuth",
    "SignInError",
    "TokenStore",
    "TokenStoreError",
    "Tokens",
]


class TokenStore(Protocol):
    """A place that keeps tokens, for you to write over your database.

    For one refresh: `lock()` is entered, `load()` is called, perhaps Studio is asked, `save()` is called, and the lock
    is left. All of it runs on one thread of this package's own, with the context variables of the caller. Only after
    that are new tokens used.
    """

    def load(self) -> Tokens | None:
        """Read the tokens; `None` if there are none."""

    def save(self, tokens: Tokens | None, /) -> None:
        """Keep tokens in place of those that are there; `None` forgets them.

        Keep their `url`, too: tokens without one belong to the first school that uses them.
        """

    def lock(self) -> AbstractContextManager[object]:
        """Keep everybody else who has this store from refreshing: other threads, processes, machines."""
        ...


class AsyncTokenStore(Protocol):
    """The same for asyncio. It is awaited on the caller's loop; in a blocking call, on a loop of its own."""

    async def load(self) -> Tokens | None:
        """Read the tokens; `None` if there are none."""

    async def save(self, tokens: Tokens | None, /) -> None:
        """Keep tokens in place of those that are there; `None` forgets them."""

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Keep everybody else who has this store from refreshing: other tasks, processes, machines."""
        ...


class KeyringTokenStore:
    """Keeps tokens in the keyring of the operating system. It needs keyring: `pip install keyring`.

    A keyring has no lock, so a file in the folder of the profiles is locked in its place.

    Args:
        name: Under which name; one for each person and school.
        service: The name of the application, as the keyring shows it.
    """

    def __init__(self, name: str, *, service: str = "canvas-studio") -> None:
        try:
            self._keyring = Keyring(service)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "KeyringTokenStore needs keyring: pip install keyring", name=error.name
            ) from error
        self.name = name
        self.service = service

    def __repr__(self) -> str:
        return f"KeyringTokenStore({self.name!r}, service={self.service!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return _keyring_store, (self.name, self.service)

    @clears_locals
    def load(self) -> Tokens | None:
        """Read the tokens.

        Returns:
            The tokens, or `None` if there are none.

        Raises:
            TokenStoreError: If the keyring cannot be read, or holds something else under this name.
        """
        with self._translate_errors("read"):
            text = self._keyring.get(self.name)
        if text is None:
            return None
        try:
            return Tokens.from_dict(json.loads(text))
        except (TypeError, ValueError):
            # Not raised in here: the error of `json` knows the text.
            pass
        raise TokenStoreError(f"{self!r} does not hold tokens, but something else: log in again")

    @clears_locals
    def save(self, tokens: Tokens | None, /) -> None:
        """Keep tokens in place of those that are there.

        Args:
            tokens: The tokens; `None` forgets them.

        Raises:
            TokenStoreError: If the keyring does not take them. That of Windows takes 1,280 characters (not tried).
        """
        text = None if tokens is None else json.dumps(tokens.to_dict())
        with self._translate_errors("changed"):
            if text is None:
                self._keyring.forget(self.name)
            else:
                self._keyring.set(self.name, text)

    def _translate_errors(self, what: str) -> AbstractContextManager[None]:
        return translate_errors(lambda kind: f"{self!r} could not be {what}: {kind} is the cause of this error")

    def lock(self) -> StoreLock:
        """Keep other processes, and other threads, of this user from refreshing.

        Returns:
            A context manager, for one `with`.
        """
        from urllib.parse import quote  # noqa: PLC0415 - only a refresh needs it

        return FileTokenStore(home() / "keyring" / quote(f"{self.service}/{self.name}", safe="")).lock()


def _keyring_store(name: str, service: str) -> KeyringTokenStore:
    return KeyringTokenStore(name, service=service)


# What follows is called by the core, for the stores that are written in Python.


class _Decision(Protocol):
    """What the core makes of what a store holds: nothing to keep it, or what to save."""

    def decide(self, loaded: Tokens | None, /) -> tuple[Tokens | None, ...]: ...

    async def decide_async(self, loaded: Tokens | None, /) -> tuple[Tokens | None, ...]: ...


_tasks: set[asyncio.Task[None]] = set()
# The stores that are at work here, each emptied when its work is done: a task that it has started keeps the context.
_inside: ContextVar[tuple[list[int], ...]] = ContextVar("canvas_studio.auth.inside", default=())


@contextmanager
def _at_work(inside: int) -> Generator[None]:
    mark = [inside]
    _inside.set((*_inside.get(), mark))
    try:
        yield
    finally:
        mark.clear()


def _is_async(store: object) -> bool:  # pyright: ignore[reportUnusedFunction] - the core calls it
    return inspect.iscoroutinefunction(getattr(store, "load", None))


def _update(store: TokenStore, inside: int, decision: _Decision) -> None:
    with _at_work(inside), store.lock():
        for tokens in decision.decide(store.load()):
            store.save(tokens)


async def _update_async(store: AsyncTokenStore, inside: int, decision: _Decision) -> None:
    with _at_work(inside):
        async with store.lock():
            for tokens in await decision.decide_async(await store.load()):
                await store.save(tokens)


def _on_a_thread(work: Callable[[], None]) -> None:
    try:
        Thread(target=work, name="canvas-studio tokens", daemon=True).start()
    except RuntimeError:
        # No thread can be started: at exit from Python 3.12 on, or because the system has none left. This one is the
        # core's, and it is free for this; a thread of Python's own is better only because an exit can leave it behind.
        work()


def _begin(  # pyright: ignore[reportUnusedFunction] - likewise
    store: Any,  # noqa: ANN401 - a TokenStore or an AsyncTokenStore
    is_async: bool,  # noqa: FBT001
    inside: int,
    decision: _Decision,
    finished: Callable[[BaseException | None], None],
    context: Context,
    loop: asyncio.AbstractEventLoop | None,
) -> None:
    def on_a_thread() -> None:
        try:
            if is_async:
                import asyncio  # noqa: PLC0415 - only an async store needs it

                context.copy().run(asyncio.run, _update_async(store, inside, decision))
            else:
                context.copy().run(_update, store, inside, decision)
        except BaseException as error:  # noqa: BLE001 - those who wait get it
            clear_locals(error)
            finished(error)
        else:
            finished(None)

    def on_the_loop(loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(_update_async(store, inside, decision))
        _tasks.add(task)
        task.add_done_callback(ended)

    def ended(task: asyncio.Task[None]) -> None:
        from asyncio import CancelledError  # noqa: PLC0415 - likewise

        _tasks.discard(task)
        error = CancelledError() if task.cancelled() else task.exception()
        clear_locals(error)
        finished(error)

    if is_async and loop is not None:
        try:
            loop.call_soon_threadsafe(on_the_loop, loop, context=context.copy())
        except RuntimeError:
            # It was closed meanwhile.
            pass
        else:
            return
    _on_a_thread(on_a_thread)
