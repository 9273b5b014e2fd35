"""canvas-studio: the Python client for the Instructure Studio (Canvas Studio) REST API, blocking and async."""

# ruff: noqa: E402 - the first thing is to see which interpreter this is

from __future__ import annotations

import _thread


def _refuse_subinterpreters() -> None:
    # The core has one state for the whole process. A subinterpreter that ends would stop it for all of them.
    asked = getattr(_thread, "_is_main_interpreter", None)
    if asked is not None:
        is_main: bool = asked()
    else:  # Python 3.11
        try:
            import _xxsubinterpreters as interpreters  # type: ignore[import-not-found] # noqa: PLC0415 - no stub, 0.1 ms
        except ImportError:  # a Python that is built without it
            return
        is_main = interpreters.get_current() == interpreters.get_main()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not is_main:
        raise ImportError(
            "canvas_studio does not work in a subinterpreter; run it in the main interpreter. With mod_wsgi, set "
            "`WSGIApplicationGroup %{GLOBAL}`. With uWSGI, set `single-interpreter = true`. In place of "
            "concurrent.interpreters and InterpreterPoolExecutor, use threads or processes."
        )


_refuse_subinterpreters()

from canvas_studio import _async_methods, _core
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
    CaptionWarning,
    ClientClosedError,
    ConflictError,
    DetachedError,
    FileChangedError,
    InternalServerError,
    InvalidArgumentError,
    ListingChangedError,
    LoginRequiredError,
    MediaCountError,
    NotFoundError,
    PermissionDeniedError,
    ProgressWarning,
    RateLimitError,
    ResponseDecodeError,
    SignInError,
    StudioError,
    TokenStoreError,
    TranscodingFailedError,
    UnprocessableEntityError,
    UploadWarning,
)

# Not `typing.TYPE_CHECKING`: importing typing would cost more than importing this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    # Programs that are frozen by PyInstaller and the like find this import, and what it imports.
    from canvas_studio import (
        _imported_by_core,  # noqa: F401 # pyright: ignore[reportUnusedImport]
        models,
    )
    from canvas_studio.auth import AsyncTokenStore, KeyringTokenStore, TokenStore
    from canvas_studio.byte_stream import ByteStream
    from canvas_studio.listing import Listing
    from canvas_studio.many_calls import Map
    from canvas_studio.models import *  # noqa: F403
    from canvas_studio.response import Response
    from canvas_studio.uploads import UploadReport, UploadResult
    from canvas_studio.user_errors import SeveralUsersError, UserNotFoundError

__all__: list[str] = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncTokenStore",
    "AuthenticationError",
    "BadRequestError",
    "ByteStream",
    "CaptionWarning",
    "Checkpoint",
    "ClientClosedError",
    "Collection",
    "ConflictError",
    "DetachedError",
    "FileChangedError",
    "FileTokenStore",
    "InternalServerError",
    "InvalidArgumentError",
    "KeyringTokenStore",
    "Listing",
    "ListingChangedError",
    "LoginRequiredError",
    "Map",
    "Media",
    "MediaCountError",
    "MemoryTokenStore",
    "NotFoundError",
    "OAuth",
    "PermissionDeniedError",
    "ProgressWarning",
    "RateLimitError",
    "Response",
    "ResponseDecodeError",
    "SeveralUsersError",
    "SignInError",
    "StudioClient",
    "StudioError",
    "TokenStore",
    "TokenStoreError",
    "Tokens",
    "TranscodingFailedError",
    "UnprocessableEntityError",
    "UploadReport",
    "UploadResult",
    "UploadWarning",
    "UserNotFoundError",
    "__version__",
]


_OWN_NAMES = (*__all__,)
if TYPE_CHECKING:
    __all__ += models.__all__
else:
    del __all__  # `__getattr__` makes it, with the names of the records

_ELSEWHERE = {
    "ByteStream": "byte_stream",
    "Listing": "listing",
    "Map": "many_calls",
    "Response": "response",
    **dict.fromkeys(("AsyncTokenStore", "KeyringTokenStore", "TokenStore"), "auth"),
    **dict.fromkeys(("SeveralUsersError", "UserNotFoundError"), "user_errors"),
    **dict.fromkeys(("UploadReport", "UploadResult"), "uploads"),
}


def __getattr__(name: str) -> object:
    # The records and listings need dataclasses and typing, which are imported when somebody first asks for them.
    from importlib import import_module  # noqa: PLC0415

    if name == "__all__":
        value = [*_OWN_NAMES, *import_module("canvas_studio.models").__all__]
    elif name in _ELSEWHERE or name[:1].isupper():
        module = import_module(f"canvas_studio.{_ELSEWHERE.get(name, 'models')}")
        if name not in module.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(module, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    from canvas_studio import __all__ as names  # noqa: PLC0415 - it is made when somebody asks for it

    return sorted({*globals(), *names})


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


_core.print_no_panics()
_async_methods.install()
_stop_at_exit()
_know_of_forks()
_log_if_asked()
