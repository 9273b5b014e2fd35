"""Both forms of every operation, the recordings, and the types of the fixtures in `conftest.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

from canvas_studio import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    StudioClient,
    UnprocessableEntityError,
)
from support.recorded_server import RecordedServer

if TYPE_CHECKING:
    from canvas_studio import Collection, Listing, Media, User

T = TypeVar("T")


ERROR_CLASSES: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
}


# How the recordings of a page come by the object that its operations are about.
GETTERS = {
    "collections": ("get_collection", 7),
    "courses": ("get_course", 1301),
    "media": ("get_media", 42),
    "users": ("get_user", 3),
}


Serve: TypeAlias = Callable[..., RecordedServer]


Connect: TypeAlias = Callable[..., StudioClient]


Reach: TypeAlias = Callable[[str, str, str], "Subject"]


class RaisesAsRecorded(Protocol):
    """The fixture `raises_as_recorded`."""

    def __call__(self, case: str, call: Callable[[StudioClient], object] | None = None) -> APIStatusError:
        """Make the call that the recording answers, or another one; return the exception, fully checked."""
        ...


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
        item: T | None = self.call(listing, "first")
        return item

    def total(self, listing: Listing[Any]) -> int:
        """How many items there are."""
        total: int = self.call(listing, "total")
        return total


@dataclass(frozen=True, slots=True)
class Subject:
    """An operation on one object, reached in one of the three ways in which it can be reached."""

    form: Form
    owner: StudioClient | Collection | Media | User
    method: str
    arguments: tuple[Any, ...]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What comes back of the operation, in the form of the test."""
        return self.form.call(self.owner, self.method, *self.arguments, *args, **kwargs)

    def items(self, **kwargs: Any) -> list[Any]:
        """The items of the listing that the operation makes, read in the form of the test."""
        return self.form.items(getattr(self.owner, self.method)(*self.arguments, **kwargs))
