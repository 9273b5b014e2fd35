"""Frozen dataclasses with slots that refuse unknown names as they refuse their fields."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    T = TypeVar("T")


def frozen(cls: type[T]) -> type[T]:
    """Let every assignment to an object of a frozen dataclass raise `FrozenInstanceError`.

    `dataclass` does that for its fields. With slots, any other name is a `TypeError` about `super()`, since the class
    that it makes is not the one that its methods know (https://github.com/python/cpython/issues/90562).

    Args:
        cls: The dataclass.

    Returns:
        The same class.
    """
    cls.__setattr__ = _refuse_to_set  # type: ignore[method-assign]
    cls.__delattr__ = _refuse_to_delete  # type: ignore[method-assign]
    return cls


def _refuse_to_set(_self: object, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
