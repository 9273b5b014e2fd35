"""Clears the local variables of this package's frames when an error leaves them, since some hold secrets."""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


def clears_locals(function: Callable[P, T]) -> Callable[P, T]:
    """Let no error leave a function together with the local variables of its frame, and of those that it called.

    Error services and `pytest -l` print the local variables of a traceback.

    Args:
        function: A function or method that handles tokens or client secrets.

    Returns:
        The same, with the same name and signature.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            clear_locals(error)
            raise

    return call


def clear_locals(error: BaseException | None) -> None:
    """Clear the local variables of this package's frames in a traceback, and in those of the errors that led to it.

    Frames that still run keep theirs.

    Args:
        error: The error, if there is one.
    """
    for each in errors_behind(error):
        traceback = each.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename.startswith(PACKAGE):
                with suppress(RuntimeError):
                    traceback.tb_frame.clear()
            traceback = traceback.tb_next


def errors_behind(error: BaseException | None) -> list[BaseException]:
    """Return an error with all that led to it: causes, contexts, and the members of groups.

    Args:
        error: The error, if there is one.
    """
    found: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in found:
            continue
        found[id(each)] = each
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions  # pyright: ignore[reportUnknownMemberType]
    return [*found.values()]


# Where the code of this package comes from, as frames name it: in a frozen program that is no file.
PACKAGE = clear_locals.__code__.co_filename.removesuffix("_tracebacks.py")
