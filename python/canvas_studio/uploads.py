"""What uploads of many files have come to: frozen dataclasses with a text for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from canvas_studio import _core

__all__ = ["UploadReport", "UploadResult"]


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What has become of one file.

    Attributes:
        path: The file, below the folder that was given.
        media_id: The id of the media, if Studio has given one. In `unfinished`, that of an upload that is no media.
        reason: Why it is there. What comes before a colon is the same for all files with that reason.
        error: The exception, if it failed.
    """

    path: Path
    media_id: int | None = None
    reason: str | None = None
    error: Exception | None = None

    def __str__(self) -> str:
        media = "" if self.media_id is None else f" (media {self.media_id})"
        why = next((f": {each}" for each in (self.error, self.reason) if each is not None), "")
        return f"{self.path}{media}{why}"


@dataclass(frozen=True, slots=True)
class UploadReport:
    """What an upload of many files has come to. Each list is in the order of the paths.

    Attributes:
        done: The files that this run has uploaded. Each has the id of its media.
        skipped: What was not to be uploaded, or was uploaded already, with the reason.
        failed: The files that could not be uploaded, each with its exception.
        unfinished: Uploads of this run and of earlier ones that have an id and were never completed. They are no media,
            and there is nothing to do about them.
        dry_run: Whether nothing was sent. Then `done` has what would be uploaded.
    """

    done: tuple[UploadResult, ...] = ()
    skipped: tuple[UploadResult, ...] = ()
    failed: tuple[UploadResult, ...] = ()
    unfinished: tuple[UploadResult, ...] = ()
    dry_run: bool = False

    def __str__(self) -> str:
        reasons = Counter((each.reason or "").partition(":")[0] for each in self.skipped)
        why = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        uploaded = "would be uploaded" if self.dry_run else "uploaded"
        counts = [
            f"{len(self.done)} {uploaded}",
            f"{len(self.skipped)} skipped" + (f" ({why})" if why else ""),
            f"{len(self.failed)} failed",
            f"{len(self.unfinished)} unfinished",
        ]
        lines = [", ".join(counts)]
        lines += [f"failed: {each}" for each in self.failed]
        lines += [f"unfinished: {each}" for each in self.unfinished]
        return "\n".join(lines)


_classes = {
    name: value for name, value in globals().items() if isinstance(value, type) and value.__module__ == __name__
}
globals().update(_core._first_classes(__name__, _classes))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
