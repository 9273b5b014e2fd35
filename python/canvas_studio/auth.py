"""Signing in: `OAuth`, the keyring store, and the protocols of token stores. File and memory stores are the core's."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from canvas_studio._core import FileTokenStore, MemoryTokenStore, OAuth, StoreLock, Tokens
from canvas_studio._files import home
from canvas_studio._keyring import Keyring, translate_errors
from canvas_studio._tracebacks import clears_locals
from canvas_studio.errors import LoginRequiredError, SignInError, TokenStoreError

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
    """The protocol of a token store; write one over your database.

    A refresh enters `lock()`, calls `load()`, asks Studio if necessary, calls `save()`, and leaves the lock. All of it
    runs on one thread of this package, with the context variables of the caller. Only then does the client use the new
    tokens.
    """

    def load(self) -> Tokens | None:
        """Read the tokens; `None` if there are none."""

    def save(self, tokens: Tokens | None, /) -> None:
        """Replace the tokens; `None` deletes them.

        Keep their `url` too: tokens without one belong to the first school that uses them.
        """

    def lock(self) -> AbstractContextManager[object]:
        """Lock out everything else that shares this store: threads, processes, machines."""
        ...


class AsyncTokenStore(Protocol):
    """The protocol of a token store for asyncio. Async calls run it on their loop, blocking calls on a new one."""

    async def load(self) -> Tokens | None:
        """Read the tokens; `None` if there are none."""

    async def save(self, tokens: Tokens | None, /) -> None:
        """Replace the tokens; `None` deletes them."""

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Lock out everything else that shares this store: tasks, processes, machines."""
        ...


class KeyringTokenStore:
    """Keeps tokens in the keyring of the operating system. It needs keyring: `pip install keyring`.

    A keyring has no lock, so the store locks a file in the folder of the profiles instead.

    Args:
        name: The name of the entry; use one for each person and school.
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

    def _refuse_sign_in(self) -> None:
        """Raise an error if the keyring is refused. The core asks before it exchanges a code, which works once."""
        with self._translate_errors("used"):
            self._keyring.refuse_unprotected()

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
            # Raise outside of this block: the error of `json` holds the text.
            pass
        raise TokenStoreError(f"{self!r} holds something that is not tokens: log in again")

    @clears_locals
    def save(self, tokens: Tokens | None, /) -> None:
        """Replace the tokens.

        Args:
            tokens: The tokens; `None` deletes them.

        Raises:
            TokenStoreError: If the keyring rejects them. The Windows keyring holds 1,280 characters (not tried).
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
