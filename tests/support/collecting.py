"""A thread that collects garbage every millisecond, for tests of what only a cycle refers to."""

from __future__ import annotations

import contextlib
import gc
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def collecting_garbage() -> Generator[None]:
    """Collect garbage every millisecond, as a busy program would."""
    ended = threading.Event()

    def collect() -> None:
        while not ended.wait(0.001):
            gc.collect()

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
