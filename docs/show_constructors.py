"""Lets the reference show what a stub writes otherwise: `__new__` where Python has `__init__`, and overloads alone."""  # noqa: INP001 - loaded by its path

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from griffe import Docstring, Extension, Function, Parameter, ParameterKind, Parameters

if TYPE_CHECKING:
    from griffe import Class


class ShowConstructors(Extension):
    """Gives a class that only has `__new__` an `__init__`, and a method that only has overloads itself."""

    def on_class_members(self, *, cls: Class, **_: Any) -> None:  # noqa: ANN401 - what else griffe passes
        """Called by griffe when a class is read."""
        new = cls.members.get("__new__")
        if isinstance(new, Function) and "__init__" not in cls.members:
            cls.set_member("__init__", Function("__init__", lineno=new.lineno, parameters=new.parameters))
        for name, overloads in cls.overloads.items():
            if name not in cls.members:
                first = overloads[0]
                # Not what differs from overload to overload: the docstring says it.
                shown = [Parameter(each.name, kind=each.kind, default=each.default) for each in first.parameters]
                shown.append(Parameter("arguments", kind=ParameterKind.var_keyword))
                method = Function(name, lineno=first.lineno, endlineno=first.endlineno, parameters=Parameters(*shown))
                if first.docstring is not None:
                    method.docstring = Docstring(first.docstring.value, lineno=first.docstring.lineno, parent=method)
                cls.set_member(name, method)
