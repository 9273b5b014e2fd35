"""Says how far a snapshot has come: to a callable, or with one bar for each stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_studio._core import read_bool
from canvas_studio._progress import Bar, is_async

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


class Reporter:
    """Calls the progress callable, or draws one bar for each stage."""

    def __init__(self, progress: bool | Callable[[str, int, int | None], object] | None) -> None:  # noqa: FBT001
        if callable(progress):
            if is_async(progress):  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - it is only looked at
                raise TypeError("progress must be a plain callable, not an async one: a snapshot does not await it")
            self._progress: Callable[[str, int, int | None], object] = progress
        else:
            draws = progress is not None and read_bool("progress", progress, "True, False or a callable")
            self._progress = self._draw if draws else lambda _stage, _done, _total: None
        self._bars: dict[str, Bar] = {}
        if self._progress == self._draw:
            Bar()  # without tqdm, an error comes before anything is sent

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Report how far a stage has come."""
        self._progress(stage, done, total)

    def _draw(self, stage: str, done: int, total: int | None) -> None:
        if stage not in self._bars:
            self._close()
            self._bars[stage] = Bar(desc=stage, unit="")
        self._bars[stage].draw(done, total)

    def _close(self) -> None:
        for bar in self._bars.values():
            bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
