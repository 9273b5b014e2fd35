"""The commands `captions`: those of a media, their files, and a check of files before they are added."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from canvas_studio._core import StudioClient, check_captions
from canvas_studio.cli.apps import group
from canvas_studio.cli.connection import connected
from canvas_studio.cli.options import ProfileOption
from canvas_studio.cli.reading import reads
from canvas_studio.cli.terminal import echo, errors_as_text, print_error, printable, reason_of
from canvas_studio.errors import InvalidArgumentError
from canvas_studio.listing import Listing
from canvas_studio.models import Caption

app = group("List and download captions, and check caption files.", "canvas-studio captions list 42")


@reads(
    app,
    "list",
    Caption,
    show="id,srclang,label,status,provider,created_at",
    example="canvas-studio captions list 42",
)
def list_captions(
    studio: StudioClient,
    *,
    media_id: Annotated[int, typer.Argument(metavar="MEDIA_ID", help="Studio's id of the media.", show_default=False)],
) -> Listing[Caption]:
    """List the captions of a media, in every language and status."""
    return studio.list_captions(media_id)


@app.command(epilog="Example: canvas-studio captions download 45 --output mitosis.srt")
@errors_as_text()
def download(
    *,
    caption_id: Annotated[int, typer.Argument(metavar="ID", help="The id of the captions.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file, which is there when it is whole.", show_default=False
        ),
    ] = None,
    profile_option: ProfileOption = None,
) -> None:
    """Print the text of captions, or write their file as Studio has it."""
    with connected(profile_option) as studio:
        if output is None:
            text = studio.get_caption_text(caption_id)
            if sys.stdout.isatty():
                text = "".join(f"{printable(line)}\n" for line in text.splitlines())
            typer.echo(text, nl=not text.endswith("\n"))
        else:
            studio.download_caption(caption_id, output)


@app.command(epilog="Example: canvas-studio captions check mitosis.srt")
@errors_as_text()
def check(
    *,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="The files.", show_default=False)],
    srclang: Annotated[
        str, typer.Option(metavar="LANGUAGE", help="Their language, which matters if they are not UTF-8.")
    ] = "en",
) -> None:
    """Check files of captions as they are checked before they are added. Nothing is sent."""
    refused = 0
    for file in files:
        try:
            doubts = check_captions(file, srclang)
        except (InvalidArgumentError, OSError) as error:
            refused += 1
            print_error(f"canvas-studio: {reason_of(error).removeprefix('file cannot be sent: ')}")
            continue
        for doubt in doubts:
            print_error(f"note: {doubt}")
        echo(f"{printable(file)}: ok" + (f", with {len(doubts)} note{'s' * (len(doubts) != 1)}" if doubts else ""))
    if refused:
        raise typer.Exit(1)
