"""The command line `canvas-studio`, which is an extra: this file imports nothing that may be missing."""

from __future__ import annotations

import sys

from canvas_studio._core import __version__
from canvas_studio.cli.command_table import PROGRAM, full_help

EXTRA = ("typer", "rich")


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: With the exit code; 2 if the extra is not installed.
    """
    # What needs no command is quick: typer takes a tenth of a second.
    match sys.argv[1:]:
        case ["--version"]:
            sys.stdout.write(f"{PROGRAM} {__version__}\n")
            return
        case ["-h" | "--help"]:
            sys.stdout.write(full_help())
            return
        case _:
            pass
    try:
        from canvas_studio.cli.app import app  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        sys.stderr.write("canvas-studio: the command line needs typer and rich: pip install typer rich\n")
        sys.exit(2)
    app(prog_name=PROGRAM)
