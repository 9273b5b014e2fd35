"""Lets the reference show the signature of a compiled class, whose stub has `__new__` where Python has `__init__`."""  # noqa: INP001 - loaded by its path

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from griffe import Extension, Function

if TYPE_CHECKING:
    from griffe import Class


class ShowConstructors(Extension):
    """Gives a class that only has `__new__` an `__init__` with the same parameters."""

    def on_class_members(self, *, cls: Class, **_: Any) -> None:  # noqa: ANN401 - what else griffe passes
        """Called by griffe when a class is read."""
        new = cls.members.get("__new__")
        if isinstance(new, Function) and "__init__" not in cls.members:
            cls.set_member("__init__", Function("__init__", lineno=new.lineno, parameters=new.parameters))
