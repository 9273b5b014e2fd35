"""What has changed between two snapshots of a school."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from canvas_studio.errors import InvalidArgumentError
from canvas_studio.workflows.rows import Rows
from canvas_studio.workflows.schema import MEDIA_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from canvas_studio.workflows.about import SnapshotAbout

__all__ = ["Difference", "compare"]

SHOWN: Final = ("id", "title", "owner_id", "owner_name", "size", "created_at")

COMPARED: Final = (
    *("title", "description", "duration", "last_viewed", "last_viewed_by_student", "transcoding_status", "owner_id"),
    *("size", "source", "archived_at", "courses"),
)

REPLACED: Final = {"title", "description"}
"""Those of an anonymized snapshot cannot be compared: each has its own key."""


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class Difference:
    """What has changed from an older snapshot to a newer one: `Snapshot.diff`.

    Attributes:
        older: What the older one says of itself.
        newer: What the newer one says of itself.
        added: The media that only the newer one has.
        gone: The media that only the older one has: deleted, or archived if this Studio's lists leave that out.
        changed: One row for each field that differs, with `id`, `title`, `field`, `before` and `after`. `courses` are
            the ids in Canvas of the courses that a media is in.
    """

    older: SnapshotAbout
    newer: SnapshotAbout
    added: Rows
    gone: Rows
    changed: Rows

    def __repr__(self) -> str:
        return f"<Difference: {self._summary()}>"

    def _repr_html_(self) -> str:
        tables = "".join(
            f"<p>{title}</p>{rows._repr_html_()}"  # pyright: ignore[reportPrivateUsage] - a notebook's name
            for title, rows in (("Added", self.added), ("Gone", self.gone), ("Changed", self.changed))
        )
        return f"<div><p>{self._summary()}</p>{tables}</div>"

    def _summary(self) -> str:
        added, gone = (sum(row["size"] or 0 for row in rows) / 1e9 for rows in (self.added, self.gone))
        changed = len({row["id"] for row in self.changed})
        return (
            f"from {self.older.taken_at:%Y-%m-%d %H:%M} to {self.newer.taken_at:%Y-%m-%d %H:%M} UTC: "
            f"{len(self.added):,} media added ({added:,.1f} GB), {len(self.gone):,} gone ({gone:,.1f} GB), "
            f"{changed:,} changed"
        )


def compare(
    older: Iterable[tuple[Any, ...]],
    older_about: SnapshotAbout,
    newer: Iterable[tuple[Any, ...]],
    newer_about: SnapshotAbout,
) -> Difference:
    """Compare two snapshots, media by media.

    Args:
        older: What `schema.MEDIA` brings from the older file.
        older_about: What it says of itself.
        newer: What it brings from the newer file.
        newer_about: What it says of itself.

    Returns:
        The difference.

    Raises:
        InvalidArgumentError: If they are of two schools, or the older one is the newer.
    """
    if older_about.studio != newer_about.studio:
        raise InvalidArgumentError(
            f"older must be of the same school; it is of {older_about.studio}, and this one of {newer_about.studio}",
            argument="older",
        )
    if older_about.taken_at > newer_about.taken_at:
        raise InvalidArgumentError("older must be the older snapshot: swap the two", argument="older")
    fields = [
        field
        for field in COMPARED
        if not (field in REPLACED and (older_about.anonymized or newer_about.anonymized))
        and not (field == "courses" and "lists" in {older_about.level, newer_about.level})
    ]
    added: list[tuple[Any, ...]] = []
    gone: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    for before, after in _pairs(_media(older), _media(newer)):
        if before is None and after is not None:
            added.append(tuple(after[name] for name in SHOWN))
        elif after is None and before is not None:
            gone.append(tuple(before[name] for name in SHOWN))
        elif before is not None and after is not None:
            changed += [
                (after["id"], after["title"], field, before[field], after[field])
                for field in fields
                if before[field] != after[field]
            ]
    return Difference(
        older=older_about,
        newer=newer_about,
        added=Rows(SHOWN, added),
        gone=Rows(SHOWN, gone),
        changed=Rows(("id", "title", "field", "before", "after"), changed),
    )


def _media(rows: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield dict(zip(MEDIA_COLUMNS, row, strict=True))


def _pairs(
    older: Iterator[dict[str, Any]], newer: Iterator[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    """Bring the two rows of each media together. Both come in the order of their ids."""
    before, after = next(older, None), next(newer, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before["id"] < after["id"]):
            yield before, None
            before = next(older, None)
        elif before is None or after["id"] < before["id"]:
            yield None, after
            after = next(newer, None)
        else:
            yield before, after
            before, after = next(older, None), next(newer, None)
