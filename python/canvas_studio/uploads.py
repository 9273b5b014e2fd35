"""What uploads of many files did: frozen dataclasses with a text for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from canvas_studio import _core

__all__ = ["UploadReport", "UploadResult"]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class UploadResult:
    """What happened to one file.

    Attributes:
        path: The file, below the folder that was given.
        media_id: The id of the media, if Studio has given one. In `unfinished`, that of an upload that is no media.
        reason: Why it is there. What comes before a colon is the same for all files with that reason.
        error: The exception, if it failed.
        row: Where its row stands, such as `line 2`; `None` for a file of a folder.
    """

    path: Path
    media_id: int | None = None
    reason: str | None = None
    error: Exception | None = None
    row: str | None = None

    def __str__(self) -> str:
        # The id of a file that failed is that of its upload, unless only its caption failed.
        return _text(self, "upload" if self.error is not None and self.reason is None else "media")


@dataclass(frozen=True, slots=True, weakref_slot=True)
class UploadReport:
    """What an upload of many files did. Each list is in the order of the paths.

    Attributes:
        done: The files that this run has uploaded, or whose caption it has added. Each has the id of its media.
        skipped: What was not to be uploaded, or was uploaded already, with the reason.
        failed: The files that could not be uploaded, each with its exception.
        unfinished: Uploads of this run and of earlier ones that have an id and were never completed. They are no media,
            and there is nothing to do about them. `str(report)` leaves out those that another upload has replaced.
        dry_run: Whether nothing was sent. Then `done` has what would be uploaded.
    """

    done: tuple[UploadResult, ...] = ()
    skipped: tuple[UploadResult, ...] = ()
    failed: tuple[UploadResult, ...] = ()
    unfinished: tuple[UploadResult, ...] = ()
    dry_run: bool = False

    def __str__(self) -> str:
        captions = sum(_head(each).startswith("caption added") for each in self.done)
        skipped = [each for each in self.skipped if each.reason != "journal"]
        unfinished = [each for each in self.unfinished if _head(each) != "replaced"]
        why = ", ".join(_counted(head, count) for head, count in Counter(map(_head, skipped)).items())
        would = "would be " if self.dry_run else ""
        counts = [f"{len(self.done) - captions} {would}uploaded"]
        if captions:
            counts.append(f"{captions} caption{'s' * (captions > 1)} {would}added")
        counts += [
            f"{len(skipped)} skipped" + (f" ({why})" if why else ""),
            f"{len(self.failed)} failed",
            f"{len(unfinished)} unfinished",
        ]
        lines = [", ".join(counts)]
        lines += _differences(self.done + self.skipped)
        lines += [f"failed: {each}" for each in self.failed]
        lines += [f"unfinished: {_text(each, 'upload')}" for each in unfinished]
        return "\n".join(lines)


def _text(result: UploadResult, what: str) -> str:
    """A result in a line. `what` is what has its id: a media, or an upload that is none."""
    given = [] if result.media_id is None else [f"{what} {result.media_id}"]
    where = str(result.path) if result.row is None else result.row
    notes = given if result.row is None else [str(result.path), *given]
    why = [str(each) for each in (result.error, result.reason) if each is not None]
    return where + (f" ({', '.join(notes)})" if notes else "") + (f": {'; '.join(why)}" if why else "")


def _head(result: UploadResult) -> str:
    """The part of a reason that many files share."""
    return (result.reason or "").partition(":")[0]


def _counted(head: str, count: int) -> str:
    if head == "does not match the pattern":
        return f"{count} that {'does' if count == 1 else 'do'} not match the pattern"
    return f"{count} {head}"


def _differences(results: tuple[UploadResult, ...]) -> list[str]:
    """Files that are not in Studio as this run asks for them, one line per reason."""
    differing: dict[str, list[UploadResult]] = {}
    for each in results:
        if ", but " in _head(each):
            differing.setdefault(each.reason or "", []).append(each)
    return [
        str(files[0]) if len(files) == 1 else f"{len(files)} files: {reason}" for reason, files in differing.items()
    ]


_classes = {
    name: value for name, value in globals().items() if isinstance(value, type) and value.__module__ == __name__
}
globals().update(_core._first_classes(__name__, _classes))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
