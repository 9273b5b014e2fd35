"""The progress bar of `progress=True`, drawn by tqdm in a terminal as in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Bar:
    """A callable that draws how many bytes of how many are there."""

    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ImportError("progress=True needs tqdm: pip install 'canvas-studio[progress]'") from error
        self._tqdm: Callable[..., Any] = tqdm
        self._bar: Any = None

    def __call__(self, done: int, total: int | None) -> None:
        """Draw."""
        if self._bar is None:
            self._bar = self._tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024)
        self._bar.total = total
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()
