"""Makes each `name_async` of the core an `async def`, so that `inspect.iscoroutinefunction` says yes."""

from __future__ import annotations

from canvas_studio import _core

# Not `typing.TYPE_CHECKING`: importing typing would cost more than importing this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _coroutine_function(method: Any) -> Callable[..., object]:  # noqa: ANN401 - a method of an extension class
    async def call(*arguments: object, **keywords: object) -> object:
        try:
            awaitable = method(*arguments, **keywords)
        finally:
            # They may hold a code or a token, and a traceback shows local variables.
            del arguments, keywords
        return await awaitable

    call.__name__, call.__qualname__ = method.__name__, method.__qualname__
    call.__module__, call.__doc__ = "canvas_studio", method.__doc__
    call.__annotations__ = {}
    # Here `inspect.signature` finds the parameters.
    vars(call)["__wrapped__"] = method
    return call


def install() -> None:
    """Put them onto the classes of the core. Called once, when the package is imported."""
    for cls in [value for value in vars(_core).values() if isinstance(value, type)]:
        for name, method in [*vars(cls).items()]:
            if name.endswith("_async"):
                setattr(cls, name, _coroutine_function(method))
