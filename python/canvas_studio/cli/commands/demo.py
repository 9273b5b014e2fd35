"""The command `demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from canvas_studio.cli import demo as guided
from canvas_studio.cli.terminal import errors_as_text

EXAMPLES = {"demo": "canvas-studio demo --fast"}


@errors_as_text()
def demo(
    *,
    media: Annotated[int, typer.Option(min=1, help="The number of media in the library.")] = 500,
    no_pause: Annotated[bool, typer.Option("--no-pause", help="Do not wait for Enter after each step.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Do not wait, and do not slow down the download.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            metavar="FOLDER",
            help="The folder for the files.",
            show_default="a temporary folder, which is removed at the end",
        ),
    ] = None,
) -> None:
    """Show what the package does in two minutes, on a sandbox."""
    wait = not (no_pause or fast) and sys.stdin.isatty() and sys.stdout.isatty()
    guided.run(media, output, wait=wait, fast=fast)
