"""The commands `media`: what the Media page of Studio's reference can show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from canvas_studio import profiles
from canvas_studio._core import Media, StudioClient
from canvas_studio.cli.apps import group
from canvas_studio.cli.connection import client_of, diagnosis
from canvas_studio.cli.exit_codes import ASKED_WRONGLY, FAILED, NOT_ALL
from canvas_studio.cli.filters import read_day, read_size, search
from canvas_studio.cli.id_lists import read_ids
from canvas_studio.cli.options import ProfileOption, chosen
from canvas_studio.cli.reading import reads
from canvas_studio.cli.rows import GRANT, LISTED_MEDIA, grants
from canvas_studio.cli.terminal import errors_as_text, fail, print_error
from canvas_studio.listing import Listing
from canvas_studio.models import Course, Perspective, Source, Tag, User

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
    min_size: Annotated[str | None, chosen("The minimum size, such as 500MB, or bytes.", "SIZE")] = None,
    max_size: Annotated[str | None, chosen("The maximum size.", "SIZE")] = None,
    start_date: Annotated[str | None, chosen("The first day of creation, YYYY-MM-DD.", "DATE")] = None,
    end_date: Annotated[str | None, chosen("The last day of creation.", "DATE")] = None,
    last_viewed_start_date: Annotated[str | None, chosen("The first day of the last view.", "DATE")] = None,
    last_viewed_end_date: Annotated[str | None, chosen("The last day of the last view.", "DATE")] = None,
    last_viewed_by_student_start_date: Annotated[str | None, chosen("The same, by a student.", "DATE")] = None,
    last_viewed_by_student_end_date: Annotated[str | None, chosen("The same, by a student.", "DATE")] = None,
    not_viewed_since: Annotated[
        str | None, chosen("Made before this day, and not viewed on it or later.", "DATE")
    ] = None,
    larger_than: Annotated[str | None, chosen("Larger than this, such as 1GB.", "SIZE")] = None,
    in_no_course: Annotated[
        bool, typer.Option("--in-no-course", help="In no course: by --snapshot, or a request for each.")
    ] = False,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A file of `canvas-studio snapshot`, by which the two above are answered.",
            show_default=False,
        ),
    ] = None,
) -> Listing[Media] | Iterator[Media]:
    """List media, in the order of Studio. Filters are combined; without any, these are all that you may see."""
    if min_size is not None and larger_than is not None:
        fail("--min-size and --larger-than exclude each other: choose one", ASKED_WRONGLY)
    size = read_size("--larger-than", larger_than)
    filters = {
        "title": title,
        "owner": owner,
        "tag": tag,
        "source": source,
        "min_size": read_size("--min-size", min_size) if size is None else size + 1,
        "max_size": read_size("--max-size", max_size),
        "start_date": start_date,
        "end_date": end_date,
        "last_viewed_start_date": last_viewed_start_date,
        "last_viewed_end_date": last_viewed_end_date,
        "last_viewed_by_student_start_date": last_viewed_by_student_start_date,
        "last_viewed_by_student_end_date": last_viewed_by_student_end_date,
    }
    return search(
        studio,
        filters,
        not_viewed_since=read_day("--not-viewed-since", not_viewed_since),
        in_no_course=in_no_course,
        snapshot=snapshot,
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
    """List the perspectives of a media, one for each of its collections."""
    return studio.list_media_perspectives(id)


@reads(app, "sources", Source, show="definition,mime_type", example="canvas-studio media sources 42")
def sources(studio: StudioClient, *, id: MediaId) -> Listing[Source]:
    """List the files and streams of a media. Their URLs, which only --json and --csv show, may be signed: secrets."""
    return studio.list_media_sources(id)


@reads(app, "tags", Tag, show="id,name", example="canvas-studio media tags 42")
def tags(studio: StudioClient, *, id: MediaId) -> Listing[Tag]:
    """List the tags of a media."""
    return studio.list_tags(id)


@reads(app, "permissions", GRANT, show=",".join(GRANT), example="canvas-studio media permissions 42")
def permissions(studio: StudioClient, *, id: MediaId) -> list[dict[str, Any]]:
    """List the people and groups with whom a media is shared."""
    return grants(studio.get_media_permissions(id))


@app.command(epilog="Example: canvas-studio media download 42 --dir lectures")
@errors_as_text()
def download(
    *,
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID", help="The ids of the media.", show_default=False)
    ] = None,
    from_file: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE|-",
            help="Read ids from a CSV file with a column `id`, or from standard input.",
            show_default=False,
        ),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--dir", metavar="FOLDER", file_okay=False, help="The folder; it is made if it is missing.")
    ] = Path(),
    name: Annotated[
        str,
        typer.Option(
            metavar="TEMPLATE", help="The names of the files: fields of `media list` in braces, {id} among them."
        ),
    ] = "{title} ({id})",
    jobs: Annotated[int, typer.Option(min=1, max=16, metavar="N", help="How many at a time.")] = 4,
    quality: Annotated[str | None, chosen("Which version, such as low.", "QUALITY")] = None,
    checksums: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Write the SHA-256 of each file, or check those that are in it.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print failures only.")] = False,
    profile_option: ProfileOption = None,
) -> None:
    """Download media into a folder. What is there already is left; what was broken off goes on where it was."""
    from canvas_studio.cli.downloads import (  # noqa: PLC0415 - slow to import
        Downloads,
        check_name,
        download_all,
        read_checksums,
    )

    check_name(name)
    given = [*(ids or []), *(read_ids(from_file) if from_file else [])]
    wanted = list(dict.fromkeys(given))
    if not wanted:
        fail("give ids, or --from FILE", ASKED_WRONGLY)
    known = read_checksums(checksums)
    counts = Counter[str]()
    settings = profiles.find(profile=profile_option)
    with client_of(settings) as studio:
        downloads = Downloads(
            studio=studio,
            folder=folder,
            quality=quality,
            checksums=known,
            hashes=checksums is not None,
            quiet=quiet,
            counts=counts,
        )
        download_all(downloads, wanted, name, jobs, checksums)
    if not quiet:
        print_error(f"{counts['downloaded']} downloaded, {counts['there']} were there, {counts['failed']} failed")
    if not downloads.is_connected:
        print_error(diagnosis(settings))
    if counts["failed"]:
        raise typer.Exit(NOT_ALL if counts["failed"] < len(wanted) else FAILED)
