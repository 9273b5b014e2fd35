"""What every test can ask for: both forms of the client, recorded answers, and clients that are closed again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import pytest
from canvas_studio import APIStatusError, Collection, Listing, Media, StudioClient
from recorded_server import RecordedServer

T = TypeVar("T")

RECORDINGS = Path(__file__).parent / "recordings"
BODY_RAISED = pytest.StashKey[bool]()


@dataclass(frozen=True, slots=True)
class Form:
    """One of the two forms of every operation, so that a test is written once and runs in both."""

    name: Literal["blocking", "async"]

    def call(self, owner: object, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call `owner.<method>`, or run `owner.<method>_async` in an event loop."""
        if self.name == "blocking":
            return getattr(owner, method)(*args, **kwargs)

        async def run() -> Any:
            return await getattr(owner, f"{method}_async")(*args, **kwargs)

        return asyncio.run(run())

    def items(self, listing: Listing[T]) -> list[T]:
        """All items, read one by one."""
        if self.name == "blocking":
            return list(listing)

        async def run() -> list[T]:
            return [item async for item in listing]

        return asyncio.run(run())

    def pages(self, listing: Listing[T]) -> list[list[T]]:
        """All pages, read one by one."""
        if self.name == "blocking":
            return list(listing.pages())

        async def run() -> list[list[T]]:
            return [page async for page in listing.pages()]

        return asyncio.run(run())

    def first(self, listing: Listing[T]) -> T | None:
        """The first item, if there is one."""
        return listing.first() if self.name == "blocking" else asyncio.run(_awaited(listing.first_async()))

    def total(self, listing: Listing[Any]) -> int:
        """How many items there are."""
        return listing.total() if self.name == "blocking" else asyncio.run(_awaited(listing.total_async()))


@pytest.fixture(params=["blocking", "async"])
def form(request: pytest.FixtureRequest) -> Form:
    """Both forms, one after the other."""
    return Form(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep in mind whether the body of a test raised: what it left unused then says nothing."""
    if call.when == "call":
        item.stash[BODY_RAISED] = call.excinfo is not None
    return (yield)


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> Iterator[Callable[..., RecordedServer]]:
    """`recorded("media/get_media")` serves that recording, or several in a row, and verifies it after the test."""
    with ExitStack() as stack:
        servers: list[RecordedServer] = []

        def serve(*names: str) -> RecordedServer:
            server = RecordedServer(*(RECORDINGS / f"{name}.har" for name in names))
            server.start()
            stack.callback(server.close)
            servers.append(server)
            return server

        yield serve
        if not request.node.stash.get(BODY_RAISED, False):
            for server in servers:
                server.verify()


@pytest.fixture
def connect() -> Iterator[Callable[..., StudioClient]]:
    """`connect(server.url)` is a client on that server, closed after the test."""
    with ExitStack() as stack:

        def open_client(url: str, **options: Any) -> StudioClient:
            return stack.enter_context(StudioClient(url, **{"token": "recorded-token", "retry_delay": 0} | options))

        yield open_client


@dataclass(frozen=True, slots=True)
class Subject:
    """An operation on one object, reached in one of the three ways in which it can be reached."""

    form: Form
    owner: StudioClient | Collection | Media
    method: str
    arguments: tuple[Any, ...]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What comes back of the operation, in the form of the test."""
        return self.form.call(self.owner, self.method, *self.arguments, *args, **kwargs)

    def listing(self, **kwargs: Any) -> Listing[Any]:
        """The listing that the operation makes; it has no second form, because it reads in both."""
        listing: Listing[Any] = getattr(self.owner, self.method)(*self.arguments, **kwargs)
        return listing


SubjectOf: TypeAlias = Callable[[str, str, str], Subject]


@pytest.fixture(params=["client with id", "client with object", "object"])
def way(request: pytest.FixtureRequest) -> str:
    """The ways in which the operations on one object are reached."""
    way: str = request.param
    return way


def subject_of(page: str, id: int, way: str, form: Form, serve: Callable[..., RecordedServer]) -> None: ...
