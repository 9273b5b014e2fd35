"""Progress: the bars of `progress=True`, drawn by tqdm in a terminal or a notebook; and async callables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canvas_studio._core import read_bool

if TYPE_CHECKING:
    from collections.abc import Callable


def is_async(progress: Callable[[int, int | None], object]) -> bool:
    """Say whether what a callable returns is to be awaited, as far as that is known before it is called.

    Args:
        progress: The callable.
    """
    import inspect  # noqa: PLC0415 - only needed here

    return any(inspect.iscoroutinefunction(each) for each in (progress, getattr(progress, "__call__", None)))  # noqa: B004


def read_progress(
    progress: bool | Callable[[int, int | None], object],  # noqa: FBT001 - an argument of a user
) -> bool | Callable[[int, int | None], object]:
    """Read the argument `progress` of a loop, which awaits nothing.

    Args:
        progress: The argument.

    Returns:
        The argument.

    Raises:
        TypeError: If it is none of these, or async.
    """
    if not callable(progress):
        return read_bool("progress", progress, "True, False or a callable")
    if is_async(progress):
        raise TypeError("progress must be a plain callable, not an async one: a list does not await it")
    return progress


class Bar:
    """Draws the progress of a transfer in bytes."""

    def __init__(self, **how: object) -> None:
        try:
            from tqdm.auto import tqdm  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "tqdm":
                raise
            raise ImportError("progress=True needs tqdm: pip install tqdm", name="tqdm") from error
        self._tqdm: Callable[..., Any] = tqdm
        self._how = how or {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
        self._bar: Any = None

    def __call__(self, done: int, total: int | None) -> None:
        """Draw, and close the bar when the transfer is complete."""
        # A transfer that fails before its first byte leaves no line behind.
        if done or done == total:
            self.draw(done, total)
        if done == total:
            self.close()

    def draw(self, done: int, total: int | None) -> None:
        """Draw."""
        if self._bar is None:
            self._bar = self._tqdm(total=total, **self._how)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Draw for the last time."""
        if self._bar is not None:
            self._bar.close()


class Items(Bar):
    """Draws the progress of a list in items. The list may still grow when all have come."""

    def __init__(self) -> None:
        # Each page is drawn: without `miniters`, a bar whose first pages came at once waits for as many again.
        super().__init__(unit=" items", miniters=1)

    def begin(self, done: int, total: int | None) -> None:
        """Draw a bar that has nothing new yet, unless there is one. Its rate counts from here."""
        if self._bar is None:
            self._bar = self._tqdm(initial=done, total=total, **self._how)

    def __call__(self, done: int, total: int | None) -> None:
        """Draw."""
        self.begin(done, total)
        self.draw(done, total)

    def close(self) -> None:
        """Draw for the last time. A list that continues after an error gets a new bar."""
        if self._bar is not None and self._bar.total is None and self._bar.n == self._bar.initial:
            # Nothing has come: leave no line behind.
            self._bar.leave = False
        super().close()
        self._bar = None
