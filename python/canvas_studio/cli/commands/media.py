"""The commands `media`: what the Media page of Studio's reference can show."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from canvas_studio._core import Media, StudioClient
from canvas_studio.cli.apps import group
from canvas_studio.cli.options import chosen
from canvas_studio.cli.reading import reads
from canvas_studio.cli.rows import GRANT, LISTED_MEDIA, grants
from canvas_studio.listing import Listing
from canvas_studio.models import Course, Perspective, Source, User

app = group("Find media, and show what there is to know about one.", "canvas-studio media list --limit 10")

MediaId = Annotated[int, typer.Argument(metavar="ID", help="Studio's id of the media.", show_default=False)]


@reads(app, "list", Media, show=LISTED_MEDIA, example="canvas-studio media list --title photosynthesis --limit 10")
def list_media(
    studio: StudioClient,
    *,
    title: Annotated[str | None, chosen("A part of the title.", "TEXT")] = None,
    owner: Annotated[str | None, chosen("The e-mail address of the owner.", "ADDRESS")] = None,
    tag: Annotated[str | None, chosen("The full name of a tag.", "TAG")] = None,
    source: Annotated[str | None, chosen("The source, such as youtube.", "SOURCE")] = None,
    min_size: Annotated[int | None, chosen("The minimum size, in bytes.", "BYTES")] = None,
    max_size: Annotated[int | None, chosen("The maximum size, in bytes.", "BYTES")] = None,
    start_date: Annotated[str | None, chosen("The first day of creation, YYYY-MM-DD.", "DATE")] = None,
    end_date: Annotated[str | None, chosen("The last day of creation.", "DATE")] = None,
    last_viewed_start_date: Annotated[str | None, chosen("The first day of the last view.", "DATE")] = None,
    last_viewed_end_date: Annotated[str | None, chosen("The last day of the last view.", "DATE")] = None,
    last_viewed_by_student_start_date: Annotated[str | None, chosen("The same, by a student.", "DATE")] = None,
    last_viewed_by_student_end_date: Annotated[str | None, chosen("The same, by a student.", "DATE")] = None,
) -> Listing[Media]:
    """List media, the newest first. Filters are combined; without any, these are all that you may see."""
    return studio.search_media(
        title=title,
        owner=owner,
        tag=tag,
        source=source,
        min_size=min_size,
        max_size=max_size,
        start_date=start_date,
        end_date=end_date,
        last_viewed_start_date=last_viewed_start_date,
        last_viewed_end_date=last_viewed_end_date,
        last_viewed_by_student_start_date=last_viewed_by_student_start_date,
        last_viewed_by_student_end_date=last_viewed_by_student_end_date,
    )


@reads(app, "show", Media, show="", example="canvas-studio media show 42", one=True)
def show(studio: StudioClient, *, id: MediaId) -> Media:
    """Show one media."""
    return studio.get_media(id)


@reads(app, "users", User, show="id,full_name,email,permission", example="canvas-studio media users 42")
def users(
    studio: StudioClient,
    *,
    id: MediaId,
    min_permission: Annotated[
        Literal["access", "view", "edit"], typer.Option(help="The permission that they have at least.")
    ] = "access",
) -> Listing[User]:
    """List the people who may see a media, by whichever way."""
    return studio.list_media_users(id, min_permission=min_permission)


@reads(app, "courses", Course, show="id,course_id,name,created_at", example="canvas-studio media courses 42")
def courses(studio: StudioClient, *, id: MediaId) -> Listing[Course]:
    """List the courses that a media is in."""
    return studio.list_media_courses(id)


@reads(
    app,
    "perspectives",
    Perspective,
    show="uuid,title,collection.id,collection.name,collection.type",
    example="canvas-studio media perspectives 42",
)
def perspectives(studio: StudioClient, *, id: MediaId) -> Listing[Perspective]:
    """List the perspectives of a media: one for each collection that it is in."""
    return studio.list_media_perspectives(id)


@reads(app, "sources", Source, show="definition,mime_type", example="canvas-studio media sources 42")
def sources(studio: StudioClient, *, id: MediaId) -> Listing[Source]:
    """List the files and streams of a media. Their URLs, which only --json and --csv show, may be signed: secrets."""
    return studio.list_media_sources(id)


@reads(app, "permissions", GRANT, show=",".join(GRANT), example="canvas-studio media permissions 42")
def permissions(studio: StudioClient, *, id: MediaId) -> list[dict[str, Any]]:
    """List the people and groups with whom a media is shared."""
    return grants(studio.get_media_permissions(id))
