"""Token stores as users write them, which note each call; and numbered tokens."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_studio import Tokens

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

ENDED = datetime(2024, 1, 1, tzinfo=UTC)
PAGE = Path(__file__).parent.parent.parent / "docs/signing-in.md"


def documented_sqlite_store() -> str:
    """The program that defines `SqliteTokenStore`, as the page about signing in has it."""
    block = r"^```python\n((?:(?!^```).)*^class SqliteTokenStore:.*?)^with Sandbox"
    found = re.search(block, PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def tokens_of(number: int = 0, *, expires_at: datetime | None = ENDED, url: str | None = None) -> Tokens:
    return Tokens(f"access-{number}-of-it", refresh_token=f"refresh-{number}-of-it", expires_at=expires_at, url=url)


def number_of(tokens: Tokens | None) -> int | None:
    """Which of the tokens of `tokens_of` these are."""
    return None if tokens is None else int(tokens.access_token.split("-")[1])


tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


class Recorder:
    """What both forms of a user's store have in common: it notes each call, and raises where it is told to."""

    def __init__(self, tokens: Tokens | None) -> None:
        self.tokens = tokens
        self.calls: list[str] = []
        self.threads: list[int] = []
        self.loops: list[asyncio.AbstractEventLoop | None] = []
        self.tenants: list[str] = []
        self.raises: dict[str, BaseException] = {}

    def note(self, call: str) -> None:
        """Note a call, and raise what it is to raise."""
        self.calls.append(call)
        self.threads.append(threading.get_ident())
        self.tenants.append(tenant.get())
        self.loops.append(asyncio._get_running_loop())
        if call in self.raises:
            raise self.raises[call]


class BlockingStore(Recorder):
    """A store as a user writes it."""

    def load(self) -> Tokens | None:
        """Read the tokens."""
        self.note("load")
        return self.tokens

    def save(self, tokens: Tokens | None) -> None:
        """Keep them."""
        self.note("save")
        self.tokens = tokens

    @contextlib.contextmanager
    def lock(self) -> Generator[None]:
        """Keep the others away."""
        self.note("lock")
        try:
            yield
        finally:
            self.note("unlock")


class AwaitedStore(Recorder):
    """A store as a user of asyncio writes it."""

    async def load(self) -> Tokens | None:
        """Read the tokens."""
        await asyncio.sleep(0.001)
        self.note("load")
        return self.tokens

    async def save(self, tokens: Tokens | None) -> None:
        """Keep them."""
        await asyncio.sleep(0.001)
        self.note("save")
        self.tokens = tokens

    @contextlib.asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Keep the others away."""
        await asyncio.sleep(0.001)
        self.note("lock")
        try:
            yield
        finally:
            await asyncio.sleep(0.001)
            self.note("unlock")
