"""The filters of `media list` that Studio does not have: not viewed since a day, and in no course."""

from __future__ import annotations

import re
import sys
from collections import deque
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from canvas_studio.cli.exit_codes import ASKED_WRONGLY, REFUSED
from canvas_studio.cli.terminal import ask, fail, print_error
from canvas_studio.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from canvas_studio._core import Media, StudioClient
    from canvas_studio.listing import Listing

DAY: Final = timedelta(days=1)
SOON: Final = timedelta(days=3_650)
"""After so many days nobody has viewed anything yet, whatever Studio's clock says."""

SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


def read_size(option: str, text: str | None) -> int | None:
    """Read a size as people write it.

    Args:
        option: The option, for the error.
        text: Such as `1GB`, `1.5 GiB` or `1000`.

    Returns:
        The bytes; `None` if nothing was given.
    """
    if text is None:
        return None
    if not (found := SIZE.fullmatch(text.strip())):
        fail(f"{option} takes a size such as 500MB, 1.5GB or 1GiB, not {text!r}", ASKED_WRONGLY)
    step = 1024 if found[3] else 1000
    return int(float(found[1]) * step ** " kmgt".index(found[2].lower() or " "))


def read_day(option: str, text: str | None) -> date | None:
    """Read a day.

    Args:
        option: The option, for the error.
        text: The day, as YYYY-MM-DD.

    Returns:
        The day; `None` if nothing was given.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{option} takes a day such as 2024-08-31, not {text!r}", ASKED_WRONGLY)


def search(
    studio: StudioClient,
    filters: dict[str, Any],
    *,
    not_viewed_since: date | None,
    in_no_course: bool,
    snapshot: Path | None,
) -> Listing[Media] | Iterator[Media]:
    """Search media with the filters that Studio has and those that it has not.

    Args:
        studio: The client.
        filters: Those of `search_media`.
        not_viewed_since: The first day of the views that must not be. What was made later is left out.
        in_no_course: Whether only those that are in no course.
        snapshot: The file of a snapshot to take both from.

    Returns:
        The media.
    """
    if not_viewed_since is None and not in_no_course:
        if snapshot is not None:
            fail("--snapshot is about --in-no-course and --not-viewed-since: add one of them", ASKED_WRONGLY)
        return studio.search_media(**filters)
    if not_viewed_since is not None:
        made = min(filters["end_date"] or "9999-12-31", (not_viewed_since - DAY).isoformat())
        filters = filters | {"end_date": made}
    found = studio.search_media(**filters)
    if snapshot is not None:
        return _in_snapshot(found, snapshot, studio.url, not_viewed_since, in_no_course=in_no_course)
    if in_no_course:
        _ask(found.total())
    media: Iterable[Media] = found
    if not_viewed_since is not None:
        media = _not_in(found, _viewed(studio, not_viewed_since))
    return _without_courses(studio, media) if in_no_course else iter(media)


def _in_snapshot(
    found: Listing[Media], path: Path, url: str, day: date | None, *, in_no_course: bool
) -> Iterator[Media]:
    from canvas_studio.workflows.snapshot import Snapshot  # noqa: PLC0415 - slow to import

    with Snapshot.open(path) as library:
        about = library.about
        if about.studio != url:
            fail(f"{path} is a snapshot of {about.studio}, and the media are listed at {url}", ASKED_WRONGLY)
        if in_no_course and about.level == "lists":
            fail(f"{path} does not say what is in which course: take one without --level lists", ASKED_WRONGLY)
        if day is not None and about.calibration["last_viewed_from"]["last_viewed"] is None:
            fail(f"{path} does not say when media were last viewed: see `canvas-studio snapshot`", REFUSED)
        conditions = ["1"] + ["last_touched < :day"] * (day is not None) + ["courses = 0"] * in_no_course
        query = f"select id, {' and '.join(conditions)} as chosen from library"  # noqa: S608 - of these
        if day is not None:
            query = query.replace(":day", "?")
        rows = library.sql(query, *([day.isoformat()] if day is not None else []))
        chosen = {row["id"]: bool(row["chosen"]) for row in rows}
    return _known(found, chosen, path)


def _known(found: Listing[Media], chosen: dict[int, bool], path: Path) -> Iterator[Media]:
    newer = 0
    for media in found:
        if media.id not in chosen:
            newer += 1
        elif chosen[media.id]:
            yield media
    if newer:
        print_error(f"canvas-studio: {newer:,} media are not in {path}, and not shown: take a newer snapshot")


def _viewed(studio: StudioClient, day: date) -> set[int]:
    """Return the media that were viewed on a day or later.

    Whether a search by the last view brings what was never viewed is not documented. What a search for views in ten
    years brings was never viewed, or that Studio does not filter.
    """
    start = "last_viewed_start_date"
    later = studio.search_media(**{start: datetime.now(UTC).date() + SOON})  # type: ignore[arg-type]
    never: set[int] = set()
    for media in later:
        if media.last_viewed is not None:
            fail("this Studio does not filter by the last view: take a snapshot, and name it with --snapshot", REFUSED)
        never.add(media.id)
    viewed = {media.id for media in studio.search_media(**{start: day})} - never  # type: ignore[arg-type]
    if never and not viewed and len(never) == studio.search_media().total():
        fail("when media were last viewed cannot be told from Studio's answers: see --snapshot", REFUSED)
    return viewed


def _not_in(found: Iterable[Media], ids: set[int]) -> Iterator[Media]:
    return (media for media in found if media.id not in ids)


def _ask(count: int) -> None:
    """Say what it costs to ask for the courses of each media, and go on if that is wanted."""
    cost = f"--in-no-course without --snapshot asks for the courses of up to {count:,} media, with a request for each"
    instead = "`canvas-studio snapshot FILE` reads them with fewer, and --snapshot FILE uses them"
    if not sys.stdin.isatty():
        fail(f"{cost}, and there is nobody to ask. {instead}", REFUSED)
    print_error(f"{cost}. {instead}.")
    if ask("Go on? [y/N]").casefold() not in {"y", "yes"}:
        fail("nothing was asked for", REFUSED)


def _without_courses(studio: StudioClient, found: Iterable[Media]) -> Iterator[Media]:
    waiting: deque[Media] = deque()

    def asked() -> Iterator[Media]:
        for media in found:
            waiting.append(media)
            yield media

    for courses in studio.map("list_media_courses", asked(), errors="return"):
        media = waiting.popleft()
        if isinstance(courses, NotFoundError):
            continue  # deleted meanwhile
        if isinstance(courses, BaseException):
            raise courses
        if not courses:
            yield media
