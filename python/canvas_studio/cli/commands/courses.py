"""The commands `courses`: what the Courses page of Studio's reference can show."""

from __future__ import annotations

from typing import Annotated

import typer

from canvas_studio._core import Collection, StudioClient
from canvas_studio.cli.apps import group
from canvas_studio.cli.reading import reads
from canvas_studio.listing import Listing
from canvas_studio.models import Perspective

app = group("Show courses, and what is in them.", "canvas-studio courses show 46")

CourseId = Annotated[
    int, typer.Argument(metavar="COURSE_ID", help="The id of the course in Canvas.", show_default=False)
]


@reads(app, "show", Collection, show="", example="canvas-studio courses show 46", one=True)
def show(studio: StudioClient, *, course_id: CourseId) -> Collection:
    """Show the collection of a course in Canvas."""
    return studio.get_course(course_id)


@reads(
    app,
    "perspectives",
    Perspective,
    show="uuid,title,collection.id,collection.name",
    example="canvas-studio courses perspectives 46",
)
def perspectives(studio: StudioClient, *, course_id: CourseId) -> Listing[Perspective]:
    """List the media in a course, each with the UUID that its insights have."""
    return studio.list_course_perspectives(course_id)
