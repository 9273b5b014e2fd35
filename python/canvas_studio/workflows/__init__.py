"""Jobs for administrators, above the client. They block, and need nothing but the package itself."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from canvas_studio.workflows.about import SnapshotAbout
    from canvas_studio.workflows.captions import CaptionWords, Triage
    from canvas_studio.workflows.difference import Difference
    from canvas_studio.workflows.errors import SnapshotError, SnapshotRefusedError
    from canvas_studio.workflows.rows import Rows
    from canvas_studio.workflows.snapshot import Snapshot

__all__ = [
    "CaptionWords",
    "Difference",
    "Rows",
    "Snapshot",
    "SnapshotAbout",
    "SnapshotError",
    "SnapshotRefusedError",
    "Triage",
]

_MODULES = {
    "CaptionWords": "captions",
    "Difference": "difference",
    "Rows": "rows",
    "Snapshot": "snapshot",
    "SnapshotAbout": "about",
    "SnapshotError": "errors",
    "SnapshotRefusedError": "errors",
    "Triage": "captions",
}


def __getattr__(name: str) -> object:
    from importlib import import_module  # noqa: PLC0415 - nothing is imported before it is used

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
