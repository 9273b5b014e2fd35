"""The loop of the fuzz tests in Python: so many cases, or for so long; what fails says which seed repeats it.

`FUZZ_SECONDS=120` tries new cases for so long; `FUZZ_FROM=0` begins at that seed; `FUZZ_SEED=7` tries one case alone.
tests/core/fuzz does the same in Rust.
"""

from __future__ import annotations

import os
import sys
import time
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def fuzz(case: Callable[[Random], None], *, cases: int = 0, seconds: float = 0) -> None:
    """Tries a number of cases, each with a seed of its own, or new ones for some seconds."""
    seconds = float(os.environ.get("FUZZ_SECONDS", seconds))
    start = int(os.environ.get("FUZZ_FROM", time.time_ns())) if seconds else 0
    seeds = range(start, sys.maxsize) if seconds else range(cases)
    if alone := os.environ.get("FUZZ_SEED"):
        seeds = range(int(alone), int(alone) + 1)
    end = time.monotonic() + (seconds or float("inf"))
    for seed in seeds:
        try:
            case(Random(seed))
        except BaseException as error:
            error.add_note(f"FUZZ_SEED={seed} repeats this case")
            raise
        if time.monotonic() > end:
            print(f"{seed - start + 1} cases, from seed {start} on")
            break
