"""The command `completion`: the script with which a shell completes words."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]

from canvas_studio.cli.command_table import COMPLETE, PROGRAM
from canvas_studio.cli.terminal import errors_as_text

EXAMPLES = {"completion": "canvas-studio completion bash"}


class Shell(StrEnum):
    """The shells."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


@errors_as_text()
def completion(*, shell: Annotated[Shell, typer.Argument(help="The shell.", show_default=False)]) -> None:
    """Print the script with which a shell completes commands and options: see the documentation for where to put it."""
    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=COMPLETE, shell=shell.value))
