"""Options that many commands have, and which profile they mean."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from canvas_studio.cli.terminal import fail

ProfileArgument = Annotated[
    str | None, typer.Argument(metavar="PROFILE", help="The profile; the only one if omitted.", show_default=False)
]
ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", metavar="PROFILE", help="The profile; the only one if omitted.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def one_of(argument: str | None, option: str | None) -> str | None:
    """Return the profile that was given as an argument or as an option.

    Args:
        argument: As an argument.
        option: As an option.

    Returns:
        Its name, if any is given.
    """
    if argument and option and argument != option:
        fail(f"{argument!r} and {option!r} are different profiles: name one of them", 2)
    return argument or option


def chosen(about: str, metavar: str) -> Any:  # noqa: ANN401 - what typer takes in an annotation
    """Make an option that is left out unless it is given.

    Args:
        about: What it is.
        metavar: What stands for its value.

    Returns:
        The option.
    """
    return typer.Option(metavar=metavar, help=about, show_default=False)
