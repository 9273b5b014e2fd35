"""The commands `collections`: what the Collections page of Studio's reference can show."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from canvas_studio._core import Collection, Media, StudioClient
from canvas_studio.cli.apps import group
from canvas_studio.cli.reading import reads
from canvas_studio.cli.rows import GRANT, LISTED_COLLECTION, LISTED_MEDIA, grants
from canvas_studio.listing import Listing

app = group("List collections, and what is in them.", "canvas-studio collections list --limit 10")

CollectionId = Annotated[int, typer.Argument(metavar="ID", help="Studio's id of the collection.", show_default=False)]


@reads(app, "list", Collection, show=LISTED_COLLECTION, example="canvas-studio collections list --limit 10")
def list_collections(studio: StudioClient) -> Listing[Collection]:
    """List the collections that you may see: personal libraries, courses, and others."""
    return studio.list_collections()


@reads(app, "show", Collection, show="", example="canvas-studio collections show 43", one=True)
def show(studio: StudioClient, *, id: CollectionId) -> Collection:
    """Show one collection."""
    return studio.get_collection(id)


@reads(app, "media", Media, show=LISTED_MEDIA, example="canvas-studio collections media 43 --sort title")
def media(studio: StudioClient, *, id: CollectionId) -> Listing[Media]:
    """List the media in a collection."""
    return studio.list_collection_media(id)


@reads(app, "permissions", GRANT, show=",".join(GRANT), example="canvas-studio collections permissions 43")
def permissions(studio: StudioClient, *, id: CollectionId) -> list[dict[str, Any]]:
    """List the people and groups with whom a collection is shared."""
    return grants(studio.get_collection_permissions(id))
