"""The commands `groups`: what the Groups page of Studio's reference can show."""

from __future__ import annotations

from typing import Annotated

import typer

from canvas_studio._core import StudioClient
from canvas_studio.cli.apps import group
from canvas_studio.cli.reading import reads
from canvas_studio.listing import Listing
from canvas_studio.models import GroupUser

app = group("List the members of groups.", "canvas-studio groups users 47")


@reads(app, "users", GroupUser, show="id,full_name,email,permission", example="canvas-studio groups users 47")
def users(
    studio: StudioClient,
    *,
    group_id: Annotated[int, typer.Argument(metavar="ID", help="Studio's id of the group.", show_default=False)],
) -> Listing[GroupUser]:
    """List the members of a group."""
    return studio.list_group_users(group_id)
