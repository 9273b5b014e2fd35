"""`Drift`: how a list, or several, changed while they were read.

This file is apart from `models.py`, since that imports listings, which need `Drift`.
"""

from __future__ import annotations

from dataclasses import dataclass

from canvas_studio import _core
from canvas_studio._frozen import frozen

__all__ = ["Drift"]


@frozen
@dataclass(frozen=True, slots=True, weakref_slot=True)
class Drift:
    """How a list changed while it was read, as far as noticed: `Listing.drift`. `Map.drift` is that of several lists.

    The sum of two has the higher `readings`, and adds everything else.

    Attributes:
        readings: How often the pages were read from the start. 1 means no sign of a change.
        appeared: The number of items that only a repeated reading found: added meanwhile, or moved to another page.
        vanished: The number of items that you got and that the last complete reading no longer held.
        first_total: Studio's count at the start; `None` if it does not count.
        last_total: The count at the end.
    """

    readings: int
    appeared: int
    vanished: int
    first_total: int | None
    last_total: int | None

    def _repr_html_(self) -> str:
        from canvas_studio import _notebook  # noqa: PLC0415 - only a notebook needs it

        return _notebook.of_record(self)

    def __add__(self, other: Drift) -> Drift:
        if not isinstance(other, Drift):  # pyright: ignore[reportUnnecessaryIsInstance] - it may be anything
            return NotImplemented
        return Drift(
            max(self.readings, other.readings),
            self.appeared + other.appeared,
            self.vanished + other.vanished,
            _sum(self.first_total, other.first_total),
            _sum(self.last_total, other.last_total),
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


_classes = {
    name: value for name, value in globals().items() if isinstance(value, type) and value.__module__ == __name__
}
globals().update(_core._first_classes(__name__, _classes))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
