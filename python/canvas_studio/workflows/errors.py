"""The errors of the workflows."""

from __future__ import annotations

from canvas_studio.errors import StudioError

__all__ = ["SnapshotError", "SnapshotRefusedError"]


class SnapshotError(StudioError):
    """A file is no snapshot, not a whole one, a broken one, or one of a newer version."""


class SnapshotRefusedError(SnapshotError):
    """A snapshot was not taken, and the file is as it was.

    The message says why and what to do. The `reason` is `smaller` if the new snapshot has less than half of the media,
    `other_school` or `not_a_snapshot` for what is at the path, or `busy` if another process writes the same snapshot.

    Attributes:
        reason: Which of these.
    """

    reason: str
