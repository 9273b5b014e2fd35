"""The commands `users`: what the User page of Studio's reference can show."""

from __future__ import annotations

from typing import Annotated

import typer

from canvas_studio._core import Collection, Media, StudioClient
from canvas_studio.cli.apps import group
from canvas_studio.cli.options import chosen
from canvas_studio.cli.reading import reads
from canvas_studio.cli.rows import LISTED_MEDIA
from canvas_studio.cli.terminal import fail
from canvas_studio.listing import Listing
from canvas_studio.models import User

app = group("Find users, and list what they have.", "canvas-studio users find --role Teacher")

Who = Annotated[
    str, typer.Argument(metavar="ID|ADDRESS", help="Studio's id, or the e-mail address.", show_default=False)
]
LISTED = "id,full_name,email,role_names"


def user_id(studio: StudioClient, who: str) -> int:
    """Return the id of a user.

    Args:
        studio: The client.
        who: The id or the e-mail address.

    Returns:
        The id.
    """
    if "@" in who:
        return studio.find_user(who).id
    if not (who.isascii() and who.isdigit()):
        fail(f"{who!r} is neither the id nor the e-mail address of a user: `canvas-studio users find` finds both", 2)
    return int(who)


@reads(app, "find", User, show=LISTED, example="canvas-studio users find --role Teacher --limit 10")
def find(
    studio: StudioClient,
    *,
    address: Annotated[
        str | None, typer.Argument(metavar="ADDRESS", help="The e-mail address.", show_default=False)
    ] = None,
    role: Annotated[str | None, chosen("The role: Admin, Teacher, Student or Observer.", "ROLE")] = None,
) -> Listing[User]:
    """Find users by e-mail address, by role, or by both. Only people who have opened Studio are found."""
    if address is None and role is None:
        fail("give an e-mail address, or --role, or both", 2)
    return studio.search_users(email=address, role=role)


@reads(app, "show", User, show="", example="canvas-studio users show 44", one=True)
def show(studio: StudioClient, *, who: Who) -> User:
    """Show one user."""
    return studio.get_user(user_id(studio, who))


@reads(app, "media", Media, show=f"{LISTED_MEDIA},permission", example="canvas-studio users media 44 --csv")
def media(studio: StudioClient, *, who: Who) -> Listing[Media]:
    """List the media that a user has permission to."""
    return studio.list_user_media(user_id(studio, who))


@reads(app, "library", Collection, show="", example="canvas-studio users library 44", one=True)
def library(studio: StudioClient, *, who: Who) -> Collection:
    """Show the personal library of a user: the collection that their uploads go into."""
    return studio.get_user_library(user_id(studio, who))
