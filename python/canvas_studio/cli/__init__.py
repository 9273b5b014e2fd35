"""The command line `canvas-studio`, which is an extra: this file imports nothing that may be missing."""

from __future__ import annotations

import os
import sys

from canvas_studio._core import __version__
from canvas_studio.cli.command_table import PROGRAM, full_help

EXTRA = ("typer", "rich")


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: With the exit code; 2 if the extra is not installed.
    """
    # A task may be started without them, and what it prints has to go somewhere.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.argv[1:2] == ["help"]:
        sys.argv[1:] = [*sys.argv[2:], "--help"]
    # What needs no command is quick: typer takes a tenth of a second.
    quick = {"--version": f"{PROGRAM} {__version__}\n", "-h": full_help(), "--help": full_help()}
    if len(sys.argv) == 2 and sys.argv[1] in quick:  # noqa: PLR2004 - the program and the option
        _print(quick[sys.argv[1]])
        return
    try:
        from canvas_studio.cli.app import app  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        sys.stderr.write("canvas-studio: the command line needs typer and rich: pip install typer rich\n")
        sys.exit(2)
    app(prog_name=PROGRAM)


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.stderr.write(f"{PROGRAM}: {error.strerror}\n")
        sys.exit(1)
