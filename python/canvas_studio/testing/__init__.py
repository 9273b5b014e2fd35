"""Records the requests of a program into a file, replays them without a school, and has fixtures for pytest.

`record` and `replay` need nothing but this package. The fixtures stand in `canvas_studio.testing.plugin`, which pytest
finds by itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canvas_studio.testing.har import HarError
    from canvas_studio.testing.player import ReplayError, replay
    from canvas_studio.testing.plugin import studio_client, studio_sandbox
    from canvas_studio.testing.recorder import RecordingWarning, record

__all__ = ["HarError", "RecordingWarning", "ReplayError", "record", "replay", "studio_client", "studio_sandbox"]

# pytest imports this at each start, and most of its tests need none of these.
_MODULES = {
    "HarError": "har",
    "RecordingWarning": "recorder",
    "ReplayError": "player",
    "record": "recorder",
    "replay": "player",
    "studio_client": "plugin",
    "studio_sandbox": "plugin",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value
