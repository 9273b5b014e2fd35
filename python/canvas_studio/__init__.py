"""canvas-studio: the Python client for the Instructure Studio (Canvas Studio) REST API, blocking and async."""

from __future__ import annotations

from canvas_studio import _core
from canvas_studio._core import (
    Checkpoint,
    Collection,
    FileTokenStore,
    Media,
    MemoryTokenStore,
    OAuth,
    StudioClient,
    Tokens,
    __version__,
)
from canvas_studio.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ClientClosedError,
    ConflictError,
    DetachedError,
    InternalServerError,
    InvalidArgumentError,
    ListingChangedError,
    LoginRequiredError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResponseDecodeError,
    SignInError,
    StudioError,
    TokenStoreError,
    UnprocessableEntityError,
)

# Not `typing.TYPE_CHECKING`: importing typing would cost more than importing this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from canvas_studio.auth import AsyncTokenStore, KeyringTokenStore, TokenStore
    from canvas_studio.listing import Listing
    from canvas_studio.models import (
        Course,
        Drift,
        Group,
        Owner,
        PermissionChange,
        Permissions,
        Perspective,
        Source,
        User,
    )

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncTokenStore",
    "AuthenticationError",
    "BadRequestError",
    "Checkpoint",
    "ClientClosedError",
    "Collection",
    "ConflictError",
    "Course",
    "DetachedError",
    "Drift",
    "FileTokenStore",
    "Group",
    "InternalServerError",
    "InvalidArgumentError",
    "KeyringTokenStore",
    "Listing",
    "ListingChangedError",
    "LoginRequiredError",
    "Media",
    "MemoryTokenStore",
    "NotFoundError",
    "OAuth",
    "Owner",
    "PermissionChange",
    "PermissionDeniedError",
    "Permissions",
    "Perspective",
    "RateLimitError",
    "ResponseDecodeError",
    "SignInError",
    "Source",
    "StudioClient",
    "StudioError",
    "TokenStore",
    "TokenStoreError",
    "Tokens",
    "UnprocessableEntityError",
    "User",
    "__version__",
]


_IN_AUTH = ("AsyncTokenStore", "KeyringTokenStore", "TokenStore")


def __getattr__(name: str) -> object:
    # The records and listings need dataclasses and typing, which are imported when somebody first asks for them.
    if name in __all__:
        from importlib import import_module  # noqa: PLC0415

        module = {"Listing": "listing", **dict.fromkeys(_IN_AUTH, "auth")}.get(name, "models")
        value = getattr(import_module(f"canvas_studio.{module}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _stop_at_exit() -> None:
    import atexit  # noqa: PLC0415

    atexit.register(_core.shut_down)


def _know_of_forks() -> None:
    import os  # noqa: PLC0415

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_core.forked)


def _log_if_asked() -> None:
    from os import environ  # noqa: PLC0415

    if level := environ.get("CANVAS_STUDIO_LOG"):
        from canvas_studio import _logs  # noqa: PLC0415 - logging is not needed to import the package

        _logs.to_stderr(level)


_stop_at_exit()
_know_of_forks()
_log_if_asked()
