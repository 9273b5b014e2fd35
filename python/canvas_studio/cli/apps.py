"""Makes the apps of typer, all of one kind."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context


class Group(TyperGroup):
    """Commands of which an unknown one is an error that says what is near."""

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Find a command."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            ctx.fail(f"No such command '{name}'. {self.instead(name, known)}")
        return super().resolve_command(ctx, args)

    def instead(self, name: str, known: list[str]) -> str:
        """Say what there is in place of an unknown command."""
        near = get_close_matches(name.casefold(), known)
        return f"Did you mean {' or '.join(near)}?" if near else f"The commands are {', '.join(known)}."


def plain() -> typer.Typer:
    """Make an app as all of them are: plain help, `-h`, and Python's own tracebacks, which show no values.

    Returns:
        The app.
    """
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def group(about: str, example: str) -> typer.Typer:
    """Make a group of commands, which is what a module of `cli/commands/` has as `app`.

    Args:
        about: What its commands do.
        example: A line that works.

    Returns:
        The app.
    """
    app = plain()
    app.info.cls = Group
    app.info.no_args_is_help = True
    app.callback(help=about, epilog=f"Example: {example}")(_nothing)
    return app


def _nothing() -> None:
    """Make a group of an app that has one command."""
