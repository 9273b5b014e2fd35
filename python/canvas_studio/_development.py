"""What Python's development mode (`python -X dev`) warns of: blocking calls in the thread of a running event loop."""

from __future__ import annotations

import sys
import warnings

PACKAGE = __name__.partition(".")[0]


def warn_of_blocking_call() -> None:
    """Warn of a blocking call if an event loop is running in this thread, at the line that makes the call.

    The filters of `warnings` show it once for each such line. A notebook runs every cell in an event loop, so it is not
    warned of.
    """
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None or "ipykernel" in sys.modules:  # noqa: SLF001
        return
    # `skip_file_prefixes` came with 3.12.
    level, frame = 1, sys._getframe()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] == PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(
        "a blocking call runs in the thread of an event loop, so its other tasks stand still: await the method whose "
        "name ends in `_async`, and read listings with `async for`",
        RuntimeWarning,
        stacklevel=level,
    )
