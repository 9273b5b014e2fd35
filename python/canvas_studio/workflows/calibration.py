"""Finds out what a snapshot has to know of its Studio and its token, and checks the sweep with single calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from canvas_studio._person import probable_person, probably_administrator
from canvas_studio.errors import NotFoundError, StudioError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from canvas_studio._core import StudioClient

CHECKED: Final = 50
"""How many media are asked for singly: half of them in a course by the sweep, half in none."""

FIELDS: Final = ("archived_at",)

PER_PAGE: Final = 50

MOST_DIFFERENT: Final = 10
"""So many of those that differ are kept with both answers."""

ASKABLE: Final = (1, 2**63 - 2)
"""The first and the last id that the client asks for."""

# Spreads the choice over the library, and chooses the same media for the same library.
CHOICE: Final = """
select media.id from media
where media.id between ? and ? and (media.id in (
    select placement.media_id from placement join collection on collection.id = placement.collection_id
    where collection.course_id is not null
)) = ?
order by (media.id * 2654435761) % 4294967296 limit ?
"""

PLACED: Final = """
select collection.id from placement join collection on collection.id = placement.collection_id
where placement.media_id = ? and collection.course_id is not null order by 1
"""


SAME_NUMBER: Final = 0.01
"""The part by which the number of media or collections may differ, for a reading to be gone on with."""


def viewer(studio: StudioClient) -> dict[str, Any]:
    """Find out what tells two people's tokens apart. What Studio does not say is `None`.

    Args:
        studio: The client.

    Returns:
        Whether they probably are an `administrator`, who sees the whole school, and otherwise the probable `person`;
        how many `media` and `collections` they see.

    Raises:
        StudioError: If Studio cannot be asked.
    """
    administrator = probably_administrator(studio)
    person = None if administrator else probable_person(studio, administrator=administrator)[0]
    return {
        "administrator": administrator,
        "person": None if person is None else person.id,
        "media": _total(studio, "/media/search"),
        "collections": _total(studio, "/collections"),
    }


def see_the_same(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether two viewers see the same library, as far as that can be known.

    Args:
        before: What `viewer` found out when the reading began.
        now: What it found out now.
    """
    if any(None not in {before[key], now[key]} and before[key] != now[key] for key in ("administrator", "person")):
        return False
    is_known = True in {before["administrator"], now["administrator"]} or None not in {before["person"], now["person"]}
    return is_known and all(_is_close(before[key], now[key]) for key in ("media", "collections"))


def _is_close(before: int | None, now: int | None) -> bool:
    if before is None or now is None:
        return before is now
    return abs(before - now) <= max(before, now) * SAME_NUMBER


def _total(studio: StudioClient, path: str) -> int | None:
    answer = studio.request("GET", path, params={"per_page": 1})
    meta = cast("dict[str, object]", answer).get("meta") if isinstance(answer, dict) else None
    total = cast("dict[str, object]", meta).get("total_count") if isinstance(meta, dict) else None
    return total if isinstance(total, int) else None


def calibrate(
    studio: StudioClient,
    connection: sqlite3.Connection,
    level: str,
    administrator: bool | None,  # noqa: FBT001 - it is no option
    report: Callable[[str, int, int | None], object],
) -> dict[str, Any]:
    """Find out what `SnapshotAbout.calibration` says.

    Args:
        studio: The client.
        connection: The file, in which the lists are.
        level: What was read.
        administrator: Whether the token probably is an administrator's.
        report: What is told how far it has come.

    Returns:
        What was found out.

    Raises:
        StudioError: If Studio cannot be asked.
    """
    found = {"administrator": administrator, **_fields(studio, connection)}
    return found if level == "lists" else found | _check(studio, connection, report)


def _fields(studio: StudioClient, connection: sqlite3.Connection) -> dict[str, bool | None]:
    """Whether the lists have fields that are not in each version of the reference; an object does not tell.

    An answer may leave out what is null, so the field of one media tells only that it is there.
    """
    answer = cast(
        "dict[str, list[dict[str, object]]]", studio.request("GET", "/media/search", params={"per_page": PER_PAGE})
    )
    # The list was read just before, so the answer has its form.
    media = answer["media"]
    return {
        name: True
        if connection.execute(f"select 1 from media where {name} is not null limit 1").fetchone()  # noqa: S608 - of these
        else any(name in each for each in media)
        if media
        else None
        for name in FIELDS
    }


def _check(
    studio: StudioClient, connection: sqlite3.Connection, report: Callable[[str, int, int | None], object]
) -> dict[str, Any]:
    inside, outside = (
        [row[0] for row in connection.execute(CHOICE, (*ASKABLE, is_inside, CHECKED))] for is_inside in (True, False)
    )
    # A library that has few of one kind is checked with more of the other.
    half = max(CHECKED // 2, CHECKED - len(outside))
    chosen = inside[:half] + outside[: CHECKED - len(inside[:half])]
    same = gone = 0
    different: list[dict[str, Any]] = []

    answers = studio.map("list_media_courses", chosen, errors="return")
    for number, (media_id, answer) in enumerate(zip(chosen, answers, strict=True), 1):
        swept = [row[0] for row in connection.execute(PLACED, (media_id,))]
        match answer:
            case NotFoundError():
                gone += 1
            case StudioError():
                raise answer
            case courses if (single := sorted(course.id for course in courses)) == swept:
                same += 1
            case _:
                different.append({"media": media_id, "swept": swept, "single": single})
        report("calibration", number, len(chosen))
    return {"checked": len(chosen), "same": same, "gone": gone, "different": different[:MOST_DIFFERENT]}
