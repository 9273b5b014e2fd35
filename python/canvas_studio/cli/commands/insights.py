"""The commands `insights`: what the Insights page of Studio's reference can show."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from canvas_studio._core import StudioClient
from canvas_studio.cli.apps import group
from canvas_studio.cli.exit_codes import ASKED_WRONGLY
from canvas_studio.cli.options import chosen
from canvas_studio.cli.reading import reads
from canvas_studio.cli.terminal import fail
from canvas_studio.models import Perspective

app = group("Show who watched how much.", "canvas-studio insights overview --course 46")

PERSPECTIVE: Final = ("course_id", "uuid", "title", "collection.id", "collection.name")
OVERVIEW: Final = (*PERSPECTIVE, "views", "minutes_viewed", "unique_viewers", "viewership")
USER: Final = (*PERSPECTIVE, "name", "email", "roles", "completion_rate", "viewership")

Uuids = Annotated[
    list[str] | None,
    typer.Argument(metavar="UUID", help="Perspectives: `media perspectives` shows their UUIDs.", show_default=False),
]
CourseIds = Annotated[list[int] | None, chosen("All media in a course: its id in Canvas; repeatable.", "COURSE_ID")]
MediaIds = Annotated[list[int] | None, chosen("A media, in each of its collections; repeatable.", "MEDIA_ID")]
Role = Annotated[str | None, chosen("Only people with this role: Admin, Teacher, Student or Observer.", "ROLE")]


@reads(
    app,
    "overview",
    OVERVIEW,
    show="title,collection.name,views,minutes_viewed,unique_viewers",
    example="canvas-studio insights overview --course 46 --csv --output views.csv",
)
def overview(
    studio: StudioClient, *, uuids: Uuids = None, course: CourseIds = None, media: MediaIds = None, role: Role = None
) -> Iterator[dict[str, Any]]:
    """Show how often and how long media were viewed.

    There is a row for each perspective, which is a media in one of its collections.
    """
    for about, found in _read(studio, "get_insights_overview", uuids, course, media, role):
        values = found.to_dict()
        # The same once more, as a text of many lines.
        values.pop("csv", None)
        yield about | values


@reads(
    app,
    "users",
    USER,
    show="title,name,email,roles,completion_rate",
    example="canvas-studio insights users --media 42",
)
def users(
    studio: StudioClient, *, uuids: Uuids = None, course: CourseIds = None, media: MediaIds = None, role: Role = None
) -> Iterator[dict[str, Any]]:
    """List who watched how much of media, in percent.

    There is a row for each person and perspective, which is a media in one of its collections.
    """
    for about, found in _read(studio, "list_insights_users", uuids, course, media, role):
        for user in found:
            yield about | user.to_dict()


def _read(
    studio: StudioClient,
    operation: str,
    uuids: list[str] | None,
    courses: list[int] | None,
    media: list[int] | None,
    role: str | None,
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Read the insights of perspectives, several at a time, with what is known of each."""
    if not (uuids or courses or media):
        fail("give the UUIDs of perspectives, --course or --media", ASKED_WRONGLY)
    for uuid in uuids or [str(UUID(int=0))]:
        studio.list_insights_users(uuid, role=role)  # checks both, and sends nothing before it is read
    waiting: deque[dict[str, Any]] = deque()

    def asked() -> Iterator[Perspective]:
        for course_id, found in _perspectives(studio, uuids or [], courses or [], media or []):
            waiting.append({"course_id": course_id} | found.to_dict())
            yield found

    results: Iterable[Any] = studio.map(operation, asked(), role=role)  # type: ignore[call-overload]
    for result in results:
        yield waiting.popleft(), result


def _perspectives(
    studio: StudioClient, uuids: list[str], courses: list[int], media: list[int]
) -> Iterator[tuple[int | None, Perspective]]:
    for uuid in uuids:
        yield None, Perspective(uuid)
    for course_id in courses:
        for found in studio.list_course_perspectives(course_id):
            yield course_id, found
    for media_id in media:
        for found in studio.list_media_perspectives(media_id):
            yield found.collection.course_id if found.collection else None, found
